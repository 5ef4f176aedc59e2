"""Cameras found, asked what they are, written down, and found again where their address changed."""
