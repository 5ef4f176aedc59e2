"""One clip on its way to the disk, piece by piece."""

import hashlib
import os
from functools import partial
from pathlib import Path
from typing import BinaryIO

PIECE = 1 << 20
"""Bytes that may be dirty at once. A commit of the ledger that falls beside a clip has to wait for what the file system
holds back with it; thirty megabytes would be felt in the answer to a press."""


class ClipFile:
    """A draft that becomes ``path`` once all of it is on disk. For one thread; every step raises OSError."""

    def __init__(self, draft: Path) -> None:
        self._draft = draft
        self._file: BinaryIO | None = None
        self._hash = hashlib.sha256()
        self._dirty = 0
        self.size = 0

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def write(self, piece: bytes | memoryview) -> None:
        if self._file is None:
            self._file = open(self._draft, "wb", opener=partial(os.open, mode=0o600))  # noqa: SIM115
        self._hash.update(piece)
        self._file.write(piece)
        self.size += len(piece)
        self._dirty += len(piece)
        if self._dirty >= PIECE:
            self._file.flush()
            os.fdatasync(self._file.fileno())
            self._dirty = 0

    def publish(self, path: Path) -> None:
        """Under its name only once it is whole; without its name on disk it is not there."""
        self.write(b"")
        assert self._file is not None
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        path.parent.mkdir(mode=0o700, exist_ok=True)
        self._draft.rename(path)
        try:
            for directory in (path.parent, path.parent.parent):
                sync(directory)
        except OSError:
            path.unlink(missing_ok=True)
            raise

    def discard(self) -> None:
        if self._file is not None:
            self._file.close()
            self._draft.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Have a file's bytes, or a directory's names, on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
