"""Simulated ONVIF devices: what the boxes of a village say, with every odd habit by name."""
