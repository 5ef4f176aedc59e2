"""A disk in memory that is as honest as real ones and no more: what was written may be gone unless it was synced.

The kernel's page cache and the platter are kept apart. A killed process loses nothing that it wrote; a power cut leaves
of each unsynced write any of its sectors or none, and may take files along whose creation was not synced.
"""

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import apsw

_NUMBERS = itertools.count(1)
_SECTORS = (512, 4096)
_IOCAP_POWERSAFE_OVERWRITE = 0x1000  # as SQLite's own unix VFS says: bytes beside a torn write stay as they were


@dataclass(slots=True)
class _File:
    """``seen``: as every process reads it. ``kept``: as it is on the platter. ``pending``: what an fsync would carry
    over, as (offset, bytes) or a new size."""

    seen: bytearray = field(default_factory=bytearray)
    kept: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes] | int] = field(default_factory=list)
    linked: bool = False  # its name is on the platter


class Disk(apsw.VFS):
    """One node's disk. ``name`` is the VFS to open its files with.

    Faults are set from outside: ``full``, ``lies`` (an fsync does nothing), ``sync_fails_in`` (the nth from now fails, and
    the kernel drops what was dirty), ``latency`` (seconds an fsync takes; whoever commits waits them out), and
    ``on_write``, called before every write and fsync, which may call ``kill`` or ``cut_power``.
    """

    def __init__(self, rng: random.Random) -> None:
        self.name = f"simulated-disk-{next(_NUMBERS)}"
        super().__init__(self.name, "unix")
        self._rng = rng
        self._files: dict[str, _File] = {}
        self.boot = 0
        self.full = False
        self.lies = False
        self.sync_fails_in = 0
        self.usual_latency = 0.002
        self.latency = self.usual_latency
        self.on_write: Callable[[], None] | None = None
        self.writes = 0
        self.syncs = 0

    # ------------------------------------------------------------------------------------------------ what happens to it

    def kill(self) -> None:
        """The process is gone: its handles do nothing any more, what it wrote stays."""
        self.boot += 1
        self.on_write = None

    def cut_power(self) -> None:
        """The process is gone, and what was not synced may be."""
        self.kill()
        survives = self._rng.choice((0.0, 1.0, 0.5, self._rng.random()))
        sector = self._rng.choice(_SECTORS)
        for name, file in list(self._files.items()):
            if not file.linked and self._rng.random() < 0.5:
                del self._files[name]
                continue
            for change in file.pending:
                for piece in _pieces(change, sector):
                    if self._rng.random() < survives:
                        _apply(file.kept, piece)
            file.pending.clear()
            file.seen = bytearray(file.kept)
            file.linked = True

    def check_write(self, boot: int) -> None:
        """Before anything is changed by a process of that boot."""
        if self.on_write is not None:
            self.on_write()
        if boot != self.boot:
            raise apsw.IOError("the process is gone")
        self.writes += 1

    def sync(self, file: _File) -> None:
        self.syncs += 1
        if self.sync_fails_in:
            self.sync_fails_in -= 1
            if not self.sync_fails_in:
                self._drop(file)
                raise apsw.IOError("fsync failed")
        if self.lies:
            return
        for change in file.pending:
            _apply(file.kept, change)
        file.pending.clear()
        file.linked = True

    def _drop(self, file: _File) -> None:
        """What Linux does with dirty pages that could not be written: they count as clean, though they are on no platter,
        and may be evicted."""
        evicted = self._rng.choice((0.0, 0.0, 0.3))
        for change in file.pending:
            if isinstance(change, tuple) and self._rng.random() < evicted:
                offset, content = change
                before = file.kept[offset : offset + len(content)]
                _apply(file.seen, (offset, bytes(before).ljust(len(content), b"\0")))
        file.pending.clear()

    # ------------------------------------------------------------------------------------------------ apsw.VFS

    def xOpen(self, name: Any, flags: list[int]) -> "_Handle":  # type: ignore[override]
        path = name.filename() if isinstance(name, apsw.URIFilename) else name or f"temporary-{next(_NUMBERS)}"
        if path not in self._files:
            if not flags[0] & apsw.SQLITE_OPEN_CREATE:
                raise apsw.CantOpenError(f"{path} does not exist")
            self._files[path] = _File()
        flags[1] = flags[0]
        return _Handle(self, self._files[path])

    def xDelete(self, name: str, syncdir: bool) -> None:
        self.check_write(self.boot)
        if name not in self._files:
            raise apsw.IOError(f"{name} does not exist")
        del self._files[name]

    def xAccess(self, name: str, flags: int) -> bool:
        return name in self._files

    def xFullPathname(self, name: str) -> str:
        return name


class _Handle:
    """apsw.VFSFile of one process: works as long as that process lives."""

    def __init__(self, disk: Disk, file: _File) -> None:
        self._disk = disk
        self._file = file
        self._boot = disk.boot
        self._level = 0

    def xRead(self, amount: int, offset: int) -> bytes:
        return bytes(self._file.seen[offset : offset + amount])

    def xWrite(self, data: bytes, offset: int) -> None:
        self._disk.check_write(self._boot)
        file = self._file
        if self._disk.full and offset + len(data) > len(file.seen):
            raise apsw.FullError("no room")
        change = (offset, bytes(data))
        _apply(file.seen, change)
        file.pending.append(change)

    def xTruncate(self, size: int) -> None:
        self._disk.check_write(self._boot)
        _apply(self._file.seen, size)
        self._file.pending.append(size)

    def xSync(self, flags: int) -> None:
        self._disk.check_write(self._boot)
        self._disk.sync(self._file)

    def xFileSize(self) -> int:
        return len(self._file.seen)

    def xLock(self, level: int) -> None:
        self._level = level

    def xUnlock(self, level: int) -> None:
        self._level = level

    def xCheckReservedLock(self) -> bool:
        return False

    def xFileControl(self, op: int, pointer: int) -> bool:
        return False

    def xSectorSize(self) -> int:
        return 4096

    def xDeviceCharacteristics(self) -> int:
        return _IOCAP_POWERSAFE_OVERWRITE

    def xClose(self) -> None:
        self._level = 0


def _apply(content: bytearray, change: tuple[int, bytes] | int) -> None:
    if isinstance(change, int):
        if change < len(content):
            del content[change:]
        else:
            content.extend(bytes(change - len(content)))
        return
    offset, data = change
    if offset > len(content):
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


def _pieces(change: tuple[int, bytes] | int, sector: int) -> list[tuple[int, bytes] | int]:
    """A write, torn at the borders of sectors."""
    if isinstance(change, int):
        return [change]
    offset, data = change
    borders = [offset, *range((offset // sector + 1) * sector, offset + len(data), sector), offset + len(data)]
    return [(start, data[start - offset : end - offset]) for start, end in itertools.pairwise(borders)]
