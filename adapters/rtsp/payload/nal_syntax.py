"""What H.264 and H.265 bitstreams have in common: NAL units, bits, SEI messages, parameter sets in force."""

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from typing import Self

START_CODE = b"\x00\x00\x00\x01"

_START_CODE = re.compile(b"\x00\x00\x01")
_MAX_NALS = 64  # in one stretch; a whole access unit of a camera has some ten
_MAX_SET = 2048  # bytes; real ones have tens, with scaling lists hundreds
_MAX_SETS = 8  # of each kind; real cameras have one or two. Every keyframe carries them all
_MAX_SEI = 4096  # bytes read of one: what is behind may be a user's data without end
_RECOVERY_POINT = 6  # payload type, ITU-T H.264 §D.1.8 and H.265 §D.2.8


def split_annexb(data: bytes) -> list[bytes]:
    """NAL units of an Annex B stretch; data without any start code is one NAL unit. Trailing zeros go.

    More than a person's camera would send stay together in the last, still with their start codes.
    """
    parts = (part.rstrip(b"\x00") for part in _START_CODE.split(data, maxsplit=_MAX_NALS))
    return [part for part in parts if part]


class Bits:
    """Reads an RBSP bit by bit (ITU-T H.264 §7.2, §9.1; H.265 §9.2). Raises ValueError past its end."""

    __slots__ = ("_at", "_bits")

    def __init__(self, nal: bytes, header: int) -> None:
        """``header``: how many bytes to leave out in front."""
        rbsp = nal[header : header + _MAX_SET].replace(b"\x00\x00\x03", b"\x00\x00")
        self._bits = bin(int.from_bytes(b"\x01" + rbsp, "big"))[3:]
        self._at = 0

    def skip(self, count: int) -> None:
        self._at += count
        if self._at > len(self._bits):
            raise ValueError("the parameter set ends too early")

    def u(self, count: int) -> int:
        begin = self._at
        self.skip(count)
        return int(self._bits[begin : self._at], 2)

    def ue(self) -> int:
        zeros = self._bits.find("1", self._at, self._at + 33) - self._at
        if zeros < 0:
            raise ValueError("an Exp-Golomb code that ends too early or has more than 32 leading zeros")
        self._at += zeros
        return self.u(zeros + 1) - 1

    def se(self) -> int:
        code = self.ue()
        return (code + 1) // 2 if code & 1 else -(code // 2)


def recovery_point(sei: bytes, header: int) -> Bits | None:
    """The payload of the recovery point message in a SEI NAL unit; None where there is none."""
    sei = sei[:_MAX_SEI].replace(b"\x00\x00\x03", b"\x00\x00")
    pos, end = header, len(sei)
    while pos + 2 <= end and sei[pos : pos + 2] != b"\x80":
        kind, pos = _ff_coded(sei, pos)
        size, pos = _ff_coded(sei, pos)
        if kind == _RECOVERY_POINT:
            return Bits(sei[pos : pos + max(size, 1) + 2], header=0)
        pos += size
    return None


def _ff_coded(data: bytes, pos: int) -> tuple[int, int]:
    value = 0
    while pos < len(data):
        byte = data[pos]
        pos += 1
        value += byte
        if byte != 0xFF:
            break
    return value, pos


class ParameterSets:
    """The parameter sets in force. ``prefix`` is all of them as Annex B; ``width`` × ``height`` are the newest SPS's.

    A codec's own class says which NAL unit is which.
    """

    __slots__ = ("_kinds", "height", "prefix", "width")

    sps = 0
    """Which of the kinds describes the picture."""

    def __init__(self, kinds: int) -> None:
        self._kinds: tuple[dict[int, bytes], ...] = tuple({} for _ in range(kinds))
        self.prefix = b""
        self.width: int | None = None
        self.height: int | None = None

    def place(self, nal: bytes) -> tuple[int, int] | None:
        """(kind in the order of the prefix, id) of a set; None for another NAL unit. Raises ValueError."""
        raise NotImplementedError

    def size(self, sps: bytes) -> tuple[int, int]:
        """Width and height in pixels, cropped. Raises ValueError."""
        raise NotImplementedError

    @property
    def complete(self) -> bool:
        return all(self._kinds)

    def add(self, nal: bytes) -> bool:
        """Take a set in place of the one with its id. False where nothing changes: known already, or not readable."""
        if not nal or len(nal) > _MAX_SET:
            return False
        for sets in self._kinds:  # every keyframe brings the sets that are known already: no need to read them again
            if nal in sets.values():
                return False
        try:
            place = self.place(nal)
        except ValueError:
            return False
        if place is None:
            return False
        kind, number = place
        sets = self._kinds[kind]
        if sets.get(number) == nal:
            return False
        if number not in sets and len(sets) >= _MAX_SETS:
            del sets[next(iter(sets))]
        sets[number] = nal
        if kind == self.sps:
            self._measure(nal)
        self.prefix = b"".join(START_CODE + each for sets in self._kinds for each in sets.values())
        return True

    def add_all(self, nals: Iterable[bytes]) -> Self:
        for nal in nals:
            self.add(nal)
        return self

    def _measure(self, nal: bytes) -> None:
        try:
            self.width, self.height = self.size(nal)
        except ValueError:
            self.width = self.height = None


def checked_size(width: int, height: int) -> tuple[int, int]:
    if not (0 < width <= 16384 and 0 < height <= 16384):
        raise ValueError(f"a picture of {width}×{height}")
    return width, height


def sprop_nals(sprop: str) -> Iterator[bytes]:
    """NAL units of an ``sprop-…`` parameter (RFC 6184 §8.1, RFC 7798 §7.1); cameras put start codes and rubbish in."""
    for text in sprop.split(","):
        try:
            data = base64.b64decode(text.strip().rstrip("=") + "==", validate=False)
        except (binascii.Error, ValueError):
            continue
        yield from split_annexb(data)
