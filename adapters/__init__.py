"""The protocols we speak, one folder each; kinds.py is the visible table of those a configuration may name."""
