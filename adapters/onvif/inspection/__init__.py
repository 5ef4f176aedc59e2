"""What a device is and offers, asked in a process of its own."""
