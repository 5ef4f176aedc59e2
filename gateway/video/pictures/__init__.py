"""Keyframes of the last minute, and the pictures that are made of them."""
