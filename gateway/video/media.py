"""Pictures and clips as files, named by the SHA-256 of their bytes."""

import asyncio
import errno
import hashlib
import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from gateway.errors import StoreFailed
from gateway.observability import metrics

EXTENSIONS = {"image/jpeg": "jpg", "video/mp4": "mp4"}
WAITING = 64
"""Writes that may be under way; more callers wait, with their bytes still being theirs."""
KEEP_FREE = 256 << 20
"""Bytes of the disk that pictures leave to the ledger: a disk full of pictures must not stop alerts. On a small disk a
twentieth of it."""

T = TypeVar("T")
_FULL = (errno.ENOSPC, errno.EDQUOT)
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class _Write:
    path: Path
    content: bytes
    done: asyncio.Future[None]


class FileMediaStore:
    """``root``/ab/abcdef….jpg, files 0600, directories 0700; a gateway.ports.MediaStore.

    A file appears under its name only after its bytes are on disk (write, fsync, rename, fsync of the directory). Writes
    that come while others are being written are made durable together, in a thread of their own: neither the loop nor
    the ledger waits for a picture. Nothing is stored once less than ``keep_free`` bytes (or a twentieth of the disk, if
    that is less) would be left. Raises StoreFailed when ``root`` cannot be made.
    """

    def __init__(self, root: Path, *, keep_free: int = KEEP_FREE) -> None:
        self._root = root
        self._keep_free = keep_free
        self._drafts = root / "drafts"
        self._writer = ThreadPoolExecutor(1, "media-writer")
        self._readers = ThreadPoolExecutor(2, "media-reader")
        self._places = asyncio.Semaphore(WAITING)
        self._waiting: list[_Write] = []
        self._under_way: dict[str, asyncio.Future[None]] = {}
        self._flushing: asyncio.Task[None] | None = None
        try:
            for directory in (root, self._drafts):
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            for left in self._drafts.iterdir():
                left.unlink()
        except OSError as error:
            raise StoreFailed(f"pictures cannot be stored in {root}: {error.strerror}; check that directory") from None

    async def put(self, content: bytes, media_type: str) -> str:
        """Store and return the sha256 hex; at once where it is stored already. Raises StoreFailed."""
        extension = EXTENSIONS.get(media_type)
        if extension is None:
            raise StoreFailed(f"only {' and '.join(EXTENSIONS)} are stored, not {media_type}")
        sha256 = await self._in(self._readers, lambda: hashlib.sha256(content).hexdigest())
        path = self._path(sha256, extension)
        known = self._under_way.get(path.name)
        if known is None:
            known = self._under_way[path.name] = asyncio.ensure_future(self._store(path, content))
            known.add_done_callback(partial(self._stored, path.name))
        await asyncio.shield(known)
        return sha256

    async def read(self, sha256: str) -> tuple[bytes, str] | None:
        """(content, media type), or None where it is not here. Raises StoreFailed when the disk does not give it."""
        if not _SHA256.fullmatch(sha256):
            return None
        return await self._in(self._readers, partial(self._load, sha256))

    async def measure(self) -> int:
        """Count the bytes on disk anew, set ``gateway_media_bytes`` and return them. Walks all files, in a thread."""
        total = await asyncio.to_thread(self._size)
        metrics.media_bytes.set(total)
        return total

    async def close(self) -> None:
        """Finish what is being written."""
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)
        for pool in (self._writer, self._readers):
            pool.shutdown(wait=False, cancel_futures=True)

    async def _store(self, path: Path, content: bytes) -> None:
        async with self._places:
            if await self._in(self._readers, path.exists):
                return
            write = _Write(path, content, asyncio.get_running_loop().create_future())
            self._waiting.append(write)
            if self._flushing is None or self._flushing.done():
                self._flushing = asyncio.create_task(self._flush())
            await write.done

    def _stored(self, name: str, done: asyncio.Future[None]) -> None:
        del self._under_way[name]
        if not done.cancelled():
            done.exception()  # looked at, even where everyone who asked has gone away meanwhile

    async def _flush(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            faults = await self._in(self._writer, partial(self._write_all, batch))
            for write, fault in zip(batch, faults, strict=True):
                if write.done.cancelled():
                    continue
                if fault is None:
                    metrics.media_bytes.inc(len(write.content))
                    write.done.set_result(None)
                else:
                    metrics.media_failures.inc()
                    write.done.set_exception(StoreFailed(self._sentence(fault)))

    async def _in(self, threads: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(threads, work)

    def _write_all(self, batch: list[_Write]) -> list[OSError | None]:
        """In the writer's thread: what went wrong with each, if anything."""
        faults = [_fault_of(partial(self._draft, write)) for write in batch]
        # Drafts first, fsyncs after: the first one then carries most of the others to disk with it.
        faults = [fault or _fault_of(partial(self._publish, write)) for write, fault in zip(batch, faults, strict=True)]
        directories = {write.path.parent for write in batch} | {self._root}
        synced = {directory: _fault_of(partial(_sync, directory)) for directory in directories}
        faults = [
            fault or synced[write.path.parent] or synced[self._root] for write, fault in zip(batch, faults, strict=True)
        ]
        for write, fault in zip(batch, faults, strict=True):
            if fault is not None:
                _fault_of(partial(self._withdraw, write))
        return faults

    def _draft(self, write: _Write) -> None:
        self._require_room(len(write.content))
        draft = self._drafts / write.path.name
        with open(draft, "wb", opener=partial(os.open, mode=0o600)) as file:
            file.write(write.content)

    def _require_room(self, size: int) -> None:
        """Raise ENOSPC while the disk still has room for alerts."""
        disk = os.statvfs(self._root)
        reserved = min(self._keep_free, disk.f_blocks * disk.f_frsize // 20)
        if disk.f_bavail * disk.f_frsize - size < reserved:
            raise OSError(errno.ENOSPC, f"what the disk has left ({reserved >> 10} KiB) is kept for alerts")

    def _publish(self, write: _Write) -> None:
        draft = self._drafts / write.path.name
        _sync(draft)
        write.path.parent.mkdir(mode=0o700, exist_ok=True)
        draft.rename(write.path)

    def _withdraw(self, write: _Write) -> None:
        """Leave nothing of a failed write: half a file takes space, and a name without an fsync is no proof."""
        (self._drafts / write.path.name).unlink(missing_ok=True)
        write.path.unlink(missing_ok=True)

    def _load(self, sha256: str) -> tuple[bytes, str] | None:
        for media_type, extension in EXTENSIONS.items():
            try:
                return self._path(sha256, extension).read_bytes(), media_type
            except FileNotFoundError:
                continue
            except OSError as error:
                raise StoreFailed(f"a picture in {self._root} cannot be read: {error.strerror}") from None
        return None

    def _size(self) -> int:
        return sum(
            file.stat().st_size for extension in EXTENSIONS.values() for file in self._root.glob(f"*/*.{extension}")
        )

    def _path(self, sha256: str, extension: str) -> Path:
        return self._root / sha256[:2] / f"{sha256}.{extension}"

    def _sentence(self, fault: OSError) -> str:
        advice = "free some space or shorten the retention" if fault.errno in _FULL else "check the disk"
        return f"a picture could not be stored in {self._root}: {fault.strerror or fault}; {advice}"


def _fault_of(step: Callable[[], None]) -> OSError | None:
    try:
        step()
    except OSError as error:
        return error
    return None


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
