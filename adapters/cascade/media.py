"""Pictures and clips on the wire: which kinds travel, how large, and how their bytes begin. Pure."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from http import HTTPStatus

from adapters.cascade.problems import Problem
from gateway.canonical import sha256_hex

CLIP = "video/mp4"
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class MediaKind:
    """``limit`` in bytes; ``magic`` stands at byte ``offset``."""

    media_type: str
    limit: int
    magic: bytes
    offset: int

    def begins(self, content: bytes) -> bool:
        return content[self.offset : self.offset + len(self.magic)] == self.magic


_SLOWEST = 125_000  # bytes a second: half of an uplink of 2 Mbit/s, for pictures and alarms share it
_BEGUN_WITHIN = 60.0

KINDS = (
    MediaKind("image/jpeg", 16 * 1024 * 1024, b"\xff\xd8\xff", 0),  # ITU-T T.81 Annex B: SOI and the next marker
    MediaKind(CLIP, 64 * 1024 * 1024, b"ftyp", 4),  # ISO/IEC 14496-12 §4.3
)


def seconds_for(size: int) -> float:
    """The deadline of one upload of ``size`` bytes."""
    return _BEGUN_WITHIN + size / _SLOWEST


def kind_of(sha256: str, content_type: str) -> MediaKind:
    """Raises Problem 400 for a name that is no hash, 415 for another type."""
    if not _SHA256.fullmatch(sha256):
        raise Problem(HTTPStatus.BAD_REQUEST, "the name of a picture is the SHA-256 of its bytes, 64 lower-case hex")
    essence = content_type.partition(";")[0].strip().lower()
    for kind in KINDS:
        if kind.media_type == essence:
            return kind
    accepted = " or ".join(kind.media_type for kind in KINDS)
    raise Problem(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"{accepted} is accepted", {"Accept": accepted.replace(" or ", ", ")}
    )


async def checked(kind: MediaKind, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes; raises Problem 422 before the first of them where they do not begin as their type does."""
    head: bytes | None = b""
    async for piece in pieces:
        if head is None:
            yield piece
            continue
        head += piece
        if len(head) < kind.offset + len(kind.magic):
            continue
        _require_beginning(kind, head)
        yield head
        head = None
    if head is not None:
        _require_beginning(kind, head)
        yield head


def check(kind: MediaKind, sha256: str, content: bytes) -> None:
    """Raises Problem 422 where the bytes are not what their name or their type says."""
    if sha256_hex(content) != sha256:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "the bytes do not have this SHA-256; they changed on the way")
    _require_beginning(kind, content)


def _require_beginning(kind: MediaKind, content: bytes) -> None:
    if not kind.begins(content):
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"the bytes are not {kind.media_type}")
