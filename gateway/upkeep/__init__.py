"""What keeps a node well for years: maintenance windows, outages and their causes, figures, retention, the heartbeat."""
