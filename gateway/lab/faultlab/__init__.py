"""The fault lab: real processes, real faults, and a checker outside that keeps its own book (deploy/RELIABILITY.md)."""
