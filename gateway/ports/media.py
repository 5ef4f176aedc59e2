"""Pictures and clips on disk."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class StoredMedia:
    """A file of the media store, to be read piece by piece; ``size`` in bytes."""

    path: Path
    size: int
    media_type: str


@dataclass(frozen=True, slots=True)
class MediaFile:
    """``touched``: seconds since the epoch when it was stored, or stored once more."""

    sha256: str
    size: int
    media_type: str
    touched: float


class MediaKeeping(Protocol):
    """What may be done with the files themselves, by whoever knows which of them nobody refers to."""

    async def remove(self, sha256: str, before: float) -> int:
        """Delete a file that was not stored (again) since ``before``, seconds since the epoch; returns its bytes, 0 where
        there is none or it stays. Raises StoreFailed when the disk refuses."""

    async def folder(self, name: str) -> list[MediaFile]:
        """The files whose hash begins with these two digits."""

    def room(self) -> tuple[int, int]:
        """Bytes that are free where files lie, and how many have to stay free for them to be stored at all."""


class MediaStore(Protocol):
    """Pictures and clips by SHA-256 (hex) of their bytes. Writing twice is writing once."""

    async def put(self, content: bytes, media_type: str) -> str:
        """Store (write, fsync, rename) and return the sha256 hex. Raises StoreFailed."""

    async def read(self, sha256: str) -> tuple[bytes, str] | None:
        """A picture as (content, media type), or None where none is here. Never a clip: those are read in pieces."""

    async def receive(self, sha256: str, pieces: AsyncIterator[bytes], media_type: str) -> bool:
        """Store what comes in pieces, never all of it in memory; False where it was here before. Raises StoreFailed, or
        ValueError where the bytes do not have this hash."""

    async def find(self, sha256: str) -> StoredMedia | None:
        """Where it lies, to be read in pieces; None where it is not here."""
