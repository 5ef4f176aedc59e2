"""What a node tells the one above it about its devices, and what it knows of the nodes below."""
