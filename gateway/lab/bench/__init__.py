"""The measurements behind the README and deploy/CAPACITY.md: real processes, real sockets, on this machine."""
