"""Terminals on disk."""

from gateway.config.record_file import RecordFile


class TerminalFile(RecordFile):
    """One node's terminals on disk. Every call blocks: call it on a thread."""

    section = "terminals"
