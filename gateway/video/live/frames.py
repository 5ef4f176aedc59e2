"""An access unit on its way to a live view, as bytes; sans-I/O.

A frame is, big-endian: version 1 (1 byte), flags (1), codec (1), 0 (1), RTP time at 90 kHz, extended so that it rises
(8, signed), capture time in ms since the epoch, 0 where unknown (8), length of the payload (4), the payload: Annex B, its
parameter sets before each keyframe (a JPEG with codec mjpeg). One WebSocket message is one frame; on a byte stream frames
follow each other.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

VERSION = 1
KEYFRAME = 1
BACKLOG = 2
"""Part of a GOP that was kept and is sent at once."""
STILL = 4
"""A keyframe to be shown alone: the rest of its GOP is not here, moving pictures begin with the next."""
CODECS = {"h264": 1, "h265": 2, "mjpeg": 3}
HEADER_BYTES = 24
MOST_BYTES = 16 * 1024 * 1024
"""Of one payload; a keyframe of an 8 K main stream has a few MB."""

_HEADER = struct.Struct(">BBBBqQI")
_NAMES = {number: name for name, number in CODECS.items()}


@dataclass(frozen=True, slots=True)
class Frame:
    """One access unit. ``time``: 90 kHz; ``captured_ms``: since the epoch, 0 where unknown."""

    flags: int
    codec: str
    time: int
    payload: bytes = field(repr=False)
    captured_ms: int = 0

    @property
    def keyframe(self) -> bool:
        return bool(self.flags & KEYFRAME)

    @property
    def backlog(self) -> bool:
        return bool(self.flags & BACKLOG)

    @property
    def still(self) -> bool:
        return bool(self.flags & STILL)


def header(flags: int, codec: str, time: int, size: int, captured_ms: int = 0) -> bytes:
    """What goes before a payload of ``size`` bytes, which need not be copied for it. Raises ValueError: a codec without a
    number, or too many bytes."""
    if codec not in CODECS:
        raise ValueError(f"{codec} is no codec of a live view: {', '.join(CODECS)} are")
    if size > MOST_BYTES:
        raise ValueError(f"an access unit of {size} bytes; {MOST_BYTES} are taken")
    return _HEADER.pack(VERSION, flags, CODECS[codec], 0, time, captured_ms, size)


def encode(frame: Frame) -> bytes:
    """The whole of a frame. Raises ValueError as ``header``."""
    return header(frame.flags, frame.codec, frame.time, len(frame.payload), frame.captured_ms) + frame.payload


def decode(data: bytes) -> Frame:
    """Exactly one frame, as a WebSocket message brings it. Raises ValueError in words."""
    if len(data) < HEADER_BYTES:
        raise ValueError(f"a frame of {len(data)} bytes; its header alone has {HEADER_BYTES}")
    flags, codec, time, captured_ms, size = _parse(data)
    if len(data) != HEADER_BYTES + size:
        raise ValueError(f"a frame says that its payload has {size} bytes, and has {len(data) - HEADER_BYTES}")
    return Frame(flags, codec, time, data[HEADER_BYTES:], captured_ms)


class FrameReader:
    """Frames out of a byte stream that is cut anywhere."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that are complete now. Raises ValueError in words: nothing that follows can be read either."""
        self._held += data
        at = 0
        try:
            while len(self._held) - at >= HEADER_BYTES:
                flags, codec, time, captured_ms, size = _parse(self._held, at)
                end = at + HEADER_BYTES + size
                if len(self._held) < end:
                    return
                with memoryview(self._held) as view:
                    payload = bytes(view[at + HEADER_BYTES : end])
                at = end
                yield Frame(flags, codec, time, payload, captured_ms)
        finally:
            del self._held[:at]


def _parse(data: bytes | bytearray, at: int = 0) -> tuple[int, str, int, int, int]:
    version, flags, codec, _, time, captured_ms, size = _HEADER.unpack_from(data, at)
    if version != VERSION:
        raise ValueError(f"a frame of version {version}; {VERSION} is spoken here")
    if codec not in _NAMES:
        raise ValueError(f"a frame of the unknown codec {codec}")
    if size > MOST_BYTES:
        raise ValueError(f"a frame says that its payload has {size} bytes; {MOST_BYTES} are taken")
    return flags, _NAMES[codec], time, captured_ms, size
