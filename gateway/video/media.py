"""Pictures and clips as files, named by the SHA-256 of their bytes."""

import asyncio
import contextlib
import errno
import hashlib
import os
import re
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from gateway.errors import StoreFailed
from gateway.model import uuid7
from gateway.observability import metrics
from gateway.ports import MediaFile, StoredMedia
from gateway.video.clip_file import PIECE, ClipFile, sync

EXTENSIONS = {"image/jpeg": "jpg", "video/mp4": "mp4"}
WAITING = 64
"""Writes that may be under way; more callers wait, with their bytes still being theirs."""
KEEP_FREE = 256 << 20
"""Bytes of the disk that pictures leave to the ledger: a disk full of pictures must not stop alerts. On a small disk a
twentieth of it."""

_PICTURE, _CLIP = EXTENSIONS
_CLIPS_FIRST = 2
"""Clips stop at this many times what pictures leave free: of the two an alert can rather do without its clip."""

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
    the ledger waits for a picture. Clips have another thread, so that no picture waits for a clip. Nothing is stored once
    less than ``keep_free`` bytes (or a twentieth of the disk, if that is less) would be left, and no clip from twice that
    on. Raises StoreFailed when ``root`` cannot be made.
    """

    def __init__(self, root: Path, *, keep_free: int = KEEP_FREE) -> None:
        self._root = root
        self._keep_free = keep_free
        self._drafts = root / "drafts"
        self._removing = threading.Lock()  # between finding a file there and touching it none is removed
        self._writer = ThreadPoolExecutor(1, "media-writer")
        self._clip_writer = ThreadPoolExecutor(1, "clip-writer")
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
        threads = self._readers if media_type == _PICTURE else self._clip_writer
        sha256 = await self._in(threads, lambda: hashlib.sha256(content).hexdigest())
        path = self._path(sha256, extension)
        known = self._under_way.get(path.name)
        if known is None:
            storing = self._store(path, content) if media_type == _PICTURE else self._store_clip(path, content)
            known = self._under_way[path.name] = asyncio.ensure_future(storing)
            known.add_done_callback(partial(self._stored, path.name))
        await asyncio.shield(known)
        return sha256

    async def read(self, sha256: str) -> tuple[bytes, str] | None:
        """A picture as (content, media type), or None where none is here: whoever says that a clip is a picture (a lower
        node may) does not get it into memory. Raises StoreFailed when the disk does not give it."""
        if not _SHA256.fullmatch(sha256):
            return None
        return await self._in(self._readers, partial(self._load, sha256))

    async def receive(self, sha256: str, pieces: AsyncIterator[bytes], media_type: str) -> bool:
        """Store what comes in pieces; False where it was here before. Raises StoreFailed, or ValueError where the bytes
        do not have this hash."""
        if media_type != _CLIP or not _SHA256.fullmatch(sha256):
            raise ValueError(f"only {_CLIP} is received in pieces, under its SHA-256")
        path = self._path(sha256, EXTENSIONS[media_type])
        if await self._in(self._readers, partial(self._stands, path)):
            async for _ in pieces:
                continue
            return False
        await self._write_clip(path, pieces, sha256)
        return True

    async def find(self, sha256: str) -> StoredMedia | None:
        """Where it lies, or None where it is not here. Raises StoreFailed when the disk does not say."""
        if not _SHA256.fullmatch(sha256):
            return None
        return await self._in(self._readers, partial(self._locate, sha256))

    async def measure(self) -> int:
        """Count the bytes on disk anew, set ``gateway_media_bytes`` and return them. Walks all files, in a thread.

        Raises StoreFailed where the folders cannot be read."""
        try:
            total = await asyncio.to_thread(self._size)
        except OSError as error:
            raise StoreFailed(f"the files in {self._root} cannot be counted: {error.strerror}") from None
        metrics.media_bytes.set(total)
        return total

    async def remove(self, sha256: str, before: float) -> int:
        """See gateway.ports.MediaKeeping."""
        if not _SHA256.fullmatch(sha256):
            return 0
        try:
            freed = await self._in(self._writer, partial(self._remove, sha256, before))
        except OSError as error:
            raise StoreFailed(f"a file in {self._root} cannot be removed: {error.strerror or error}") from None
        metrics.media_bytes.dec(freed)
        return freed

    async def folder(self, name: str) -> list[MediaFile]:
        """See gateway.ports.MediaKeeping."""
        try:
            return await self._in(self._readers, partial(self._listed, self._root / name))
        except OSError as error:
            raise StoreFailed(f"{self._root / name} cannot be read: {error.strerror or error}") from None

    def room(self) -> tuple[int, int]:
        """See gateway.ports.MediaKeeping."""
        disk = os.statvfs(self._root)
        return disk.f_bavail * disk.f_frsize, _CLIPS_FIRST * min(self._keep_free, disk.f_blocks * disk.f_frsize // 20)

    async def close(self) -> None:
        """Finish what is being written."""
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)
        for pool in (self._writer, self._readers):
            pool.shutdown(wait=False, cancel_futures=True)
        self._clip_writer.shutdown(wait=False)  # what was broken off is closed and removed first

    async def _store(self, path: Path, content: bytes) -> None:
        async with self._places:
            if await self._in(self._readers, partial(self._stands, path)):
                return
            write = _Write(path, content, asyncio.get_running_loop().create_future())
            self._waiting.append(write)
            if self._flushing is None or self._flushing.done():
                self._flushing = asyncio.create_task(self._flush())
            await write.done

    async def _store_clip(self, path: Path, content: bytes) -> None:
        if not await self._in(self._readers, partial(self._stands, path)):
            await self._write_clip(path, _sliced(content), path.stem)

    async def _write_clip(self, path: Path, pieces: AsyncIterator[bytes], sha256: str) -> None:
        """Piece by piece in the clips' own thread. What is broken off leaves nothing behind."""
        draft, published = ClipFile(self._drafts / f"{uuid7()}.mp4"), False
        try:
            async for piece in pieces:
                await self._clip_step(partial(self._add, draft, piece))
            if draft.sha256 != sha256:
                raise ValueError("the bytes do not have this SHA-256; they changed on the way")
            await self._clip_step(partial(draft.publish, path))
            published = True
            metrics.media_bytes.inc(draft.size)
        finally:
            if not published:
                with contextlib.suppress(RuntimeError):  # the store is closed: the next start removes drafts
                    self._clip_writer.submit(draft.discard)

    async def _clip_step(self, step: Callable[[], None]) -> None:
        fault = await self._in(self._clip_writer, partial(_fault_of, step))
        if fault is not None:
            metrics.media_failures.inc()
            raise StoreFailed(self._sentence(fault, "clip"))

    def _add(self, draft: ClipFile, piece: bytes) -> None:
        self._require_room(len(piece), _CLIPS_FIRST)
        draft.write(piece)

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
        synced = {directory: _fault_of(partial(sync, directory)) for directory in directories}
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

    def _require_room(self, size: int, times: int = 1) -> None:
        """Raise ENOSPC while the disk still has room for alerts; ``times``: as much of it for the less important."""
        disk = os.statvfs(self._root)
        reserved = min(self._keep_free, disk.f_blocks * disk.f_frsize // 20)
        if disk.f_bavail * disk.f_frsize - size < times * reserved:
            kept_for = "alerts" if times == 1 else "alerts and pictures"
            raise OSError(errno.ENOSPC, f"what the disk has left ({times * reserved >> 10} KiB) is kept for {kept_for}")

    def _publish(self, write: _Write) -> None:
        draft = self._drafts / write.path.name
        sync(draft)
        write.path.parent.mkdir(mode=0o700, exist_ok=True)
        draft.rename(write.path)

    def _withdraw(self, write: _Write) -> None:
        """Leave nothing of a failed write: half a file takes space, and a name without an fsync is no proof."""
        (self._drafts / write.path.name).unlink(missing_ok=True)
        write.path.unlink(missing_ok=True)

    def _stands(self, path: Path) -> bool:
        """Whether it is stored already; then it is as if it were stored now, because somebody is about to refer to it."""
        with self._removing:
            try:
                os.utime(path)
            except OSError:
                return path.exists()  # on a disk that lets nothing be written nothing is removed either
            return True

    def _remove(self, sha256: str, before: float) -> int:
        freed = 0
        for extension in EXTENSIONS.values():
            path = self._path(sha256, extension)
            with self._removing, contextlib.suppress(FileNotFoundError):
                found = path.stat()
                if found.st_mtime < before:
                    path.unlink()
                    freed += found.st_size
        return freed

    def _listed(self, folder: Path) -> list[MediaFile]:
        types = {extension: media_type for media_type, extension in EXTENSIONS.items()}
        found: list[MediaFile] = []
        with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
            for entry in entries:
                name, _, ending = entry.name.partition(".")
                if ending in types and _SHA256.fullmatch(name):
                    with contextlib.suppress(FileNotFoundError):
                        stat = entry.stat()
                        found.append(MediaFile(name, stat.st_size, types[ending], stat.st_mtime))
        return found

    def _load(self, sha256: str) -> tuple[bytes, str] | None:
        try:
            return self._path(sha256, EXTENSIONS[_PICTURE]).read_bytes(), _PICTURE
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreFailed(f"a picture in {self._root} cannot be read: {error.strerror}") from None

    def _locate(self, sha256: str) -> StoredMedia | None:
        for media_type, extension in EXTENSIONS.items():
            path = self._path(sha256, extension)
            try:
                return StoredMedia(path, path.stat().st_size, media_type)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise StoreFailed(f"a file in {self._root} cannot be read: {error.strerror}") from None
        return None

    def _size(self) -> int:
        total = 0
        for extension in EXTENSIONS.values():
            for file in self._root.glob(f"*/*.{extension}"):
                with contextlib.suppress(FileNotFoundError):  # retention was quicker
                    total += file.stat().st_size
        return total

    def _path(self, sha256: str, extension: str) -> Path:
        return self._root / sha256[:2] / f"{sha256}.{extension}"

    def _sentence(self, fault: OSError, what: str = "picture") -> str:
        advice = "free some space or shorten the retention" if fault.errno in _FULL else "check the disk"
        return f"a {what} could not be stored in {self._root}: {fault.strerror or fault}; {advice}"


async def _sliced(content: bytes) -> AsyncIterator[bytes]:
    view = memoryview(content)
    for start in range(0, len(content), PIECE):
        yield bytes(view[start : start + PIECE])


def _fault_of(step: Callable[[], None]) -> OSError | None:
    try:
        step()
    except OSError as error:
        return error
    return None
