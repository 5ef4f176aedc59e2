"""Deterministic simulation: real rooms of the gateway in one thread, under virtual time, on disks and links that fail."""
