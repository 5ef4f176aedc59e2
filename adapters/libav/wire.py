"""What a source and its child process say to each other over their socket pair.

Child → source: ``HEADER`` (kind, body size), then the body. Source → child: ``REQUEST_SIZE``, an ``Opening`` as JSON,
after that one byte whenever what is wanted changes (``KEYFRAMES`` or ``EVERYTHING``); hanging up ends the child.
"""

import json
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import IntEnum
from typing import Any

HEADER = struct.Struct("!BI")
OPENED = struct.Struct("!BHH")
"""Codec number (CODECS), width, height; 0 where not known yet."""
UNIT = struct.Struct("!dBIHH")
"""CLOCK_MONOTONIC seconds of the receipt, keyframe or not, RTP time, width, height; the access unit follows."""
REPORT = struct.Struct("!QQQ")
"""Bytes received, bytes of video among them, access units dropped: each since the last report."""
REQUEST_SIZE = struct.Struct("!I")

CODECS = ("h264", "h265", "mjpeg")
KEYFRAMES, EVERYTHING = b"k", b"e"
MAX_BODY = 16 * 1024 * 1024
"""An 8K picture as JPEG of the best quality has about 12 MB."""


class Kind(IntEnum):
    """``READY``: the libraries are loaded. ``REPORT``: about once a second while anything comes."""

    READY = 1
    OPENED = 2
    UNIT = 3
    REPORT = 4
    FAULT = 5


@dataclass(frozen=True, slots=True)
class Opened:
    codec: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Unit:
    at_mono: float
    keyframe: bool
    rtp_time: int
    width: int
    height: int
    payload: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Report:
    received: int
    video: int
    dropped: int


@dataclass(frozen=True, slots=True)
class Fault:
    reason: "Reason"
    detail: str


Message = Opened | Unit | Report | Fault | None


def decode(kind: int, body: bytes) -> Message:
    """What the child said; None for READY. Raises ValueError for anything that our own child would not say."""
    try:
        match Kind(kind):
            case Kind.OPENED:
                number, width, height = OPENED.unpack(body)
                return Opened(CODECS[number], width, height)
            case Kind.UNIT:
                at, keyframe, rtp_time, width, height = UNIT.unpack_from(body)
                return Unit(at, bool(keyframe), rtp_time, width, height, body[UNIT.size :])
            case Kind.REPORT:
                return Report(*REPORT.unpack(body))
            case Kind.FAULT:
                return Fault(Reason(body[0]), body[1:].decode(errors="replace"))
            case Kind.READY:
                return None
    except (struct.error, IndexError):
        raise ValueError("a message of a wrong size") from None


class Reason(IntEnum):
    """Why the child gave up: the first byte of a ``FAULT``, whose rest says more in UTF-8."""

    UNAUTHORISED = 1
    REFUSED = 2
    BUSY = 3
    SILENT = 4
    ENDED = 5
    UNREADABLE = 6
    CODEC = 7
    NETWORK = 8
    OURS = 9


@dataclass(frozen=True, slots=True)
class Opening:
    """What to open. ``url`` may hold a password. ``paced``: a file, to be played by its timestamps, again and again."""

    url: str = field(repr=False)
    options: Mapping[str, str]
    open_s: float
    silence_s: float
    paced: bool = False

    def encode(self) -> bytes:
        body = json.dumps(asdict(self)).encode()
        return REQUEST_SIZE.pack(len(body)) + body

    @classmethod
    def decode(cls, body: bytes) -> "Opening":
        value: dict[str, Any] = json.loads(body)
        return cls(**value)
