"""Room that the ledger keeps for itself: a file that holds nothing, to be given up when the disk is full.

Pictures and clips stop first (gateway/video/media.py leaves the last of the disk alone). What fills the disk after that is
none of the gateway's, and then the ballast lets presses be taken until somebody has made room.
"""

import contextlib
import os
from pathlib import Path

from gateway.observability import events

# Some 9 KiB of the database a press, before its pictures have entries of their own: for ten thousand presses.
SIZE = 96 << 20
# On a small disk a twentieth of it, as the media store leaves free (gateway/video/media.py).
_SHARE = 20
# Given up while this part of its size is still free, so that no commit has to fail first.
_GIVEN_UP_AT = 1 / 4
# Taken again once so many times its size are free: room that somebody made, and not what a checkpoint gave back.
_TAKEN_AT = 3


class Ballast:
    """One file. ``look`` is called between commits, by the thread that writes; nothing here raises for a full disk."""

    def __init__(self, path: Path, size: int = SIZE) -> None:
        self._path = path
        self._size = min(size, _disk(path).f_blocks * _disk(path).f_frsize // _SHARE)
        self._told = False
        self.held = self._stands()

    def look(self) -> None:
        """Take it where there is room, give it up where there is none."""
        free = _free(self._path)
        if self.held and free < self._size * _GIVEN_UP_AT:
            self.give_up()
        elif not self.held and free >= self._size * _TAKEN_AT:
            self._take()
        elif not self.held:
            self._tell()

    def give_up(self) -> bool:
        """False where there was none to give."""
        held, self.held = self.held, False
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()
        if held:
            self._tell()
        return held

    def _take(self) -> None:
        try:
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                os.posix_fallocate(handle, 0, self._size)
            finally:
                os.close(handle)
        except OSError:
            self._path.unlink(missing_ok=True)
            return
        self.held = True
        events.ballast_held(self._size, again=self._told)
        self._told = False

    def _tell(self) -> None:
        """Once, until it is held again."""
        if not self._told:
            self._told = True
            events.ballast_given_up(_free(self._path))

    def _stands(self) -> bool:
        try:
            return self._path.stat().st_size == self._size
        except FileNotFoundError:
            return False


def _disk(path: Path) -> os.statvfs_result:
    return os.statvfs(path.parent)


def _free(path: Path) -> int:
    disk = _disk(path)
    return disk.f_bavail * disk.f_frsize
