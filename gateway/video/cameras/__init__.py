"""The cameras of one worker: connected, kept connected, watched."""
