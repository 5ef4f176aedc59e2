"""The video workers as the core sees them: processes, kept running, asked over a socket."""
