"""The node's own small certificate authority: for its broker, its console, its terminals and its lower nodes."""
