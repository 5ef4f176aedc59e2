"""What parses what cameras sent: child processes with hard limits, and what runs in them."""
