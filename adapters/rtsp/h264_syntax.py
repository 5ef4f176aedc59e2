"""H.264 syntax as far as it is needed to find and describe keyframes (ITU-T H.264 §7.3, Annex B, Annex D)."""

import base64
import binascii
import re
from collections.abc import Iterable, Iterator

SLICE, IDR, SEI, SPS, PPS = 1, 5, 6, 7, 8
STAP_A, FU_A = 24, 28  # RFC 6184 §5.4
START_CODE = b"\x00\x00\x00\x01"

_START_CODE = re.compile(b"\x00\x00\x01")
_MAX_SET = 4096  # real ones have tens of bytes
_MAX_SETS = 16  # of each kind; real cameras have one or two
_RECOVERY_POINT = 6
# Profiles whose SPS says the chroma format (§7.3.2.1.1)
_CHROMA_PROFILES = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})


def split_annexb(data: bytes) -> list[bytes]:
    """NAL units of an Annex B stretch; data without any start code is one NAL unit. Trailing zeros go."""
    parts = (part.rstrip(b"\x00") for part in _START_CODE.split(data))
    return [part for part in parts if part]


class _Bits:
    """Reads an RBSP bit by bit (§7.2, §9.1). Raises ValueError past its end."""

    __slots__ = ("_left", "_value")

    def __init__(self, nal: bytes, header: int = 1) -> None:
        rbsp = nal[header : header + _MAX_SET].replace(b"\x00\x00\x03", b"\x00\x00")
        self._value = int.from_bytes(rbsp, "big")
        self._left = len(rbsp) * 8

    def u(self, count: int) -> int:
        if count > self._left:
            raise ValueError("the parameter set ends too early")
        self._left -= count
        return self._value >> self._left & (1 << count) - 1

    def ue(self) -> int:
        zeros = 0
        while not self.u(1):
            zeros += 1
            if zeros > 32:
                raise ValueError("an Exp-Golomb code of more than 32 bits")
        return (1 << zeros) - 1 + self.u(zeros)

    def se(self) -> int:
        code = self.ue()
        return (code + 1) // 2 if code & 1 else -(code // 2)


def sps_id(nal: bytes) -> int:
    bits = _Bits(nal[:64])
    bits.u(24)  # profile, constraints, level
    return bits.ue()


def pps_id(nal: bytes) -> int:
    return _Bits(nal[:64]).ue()


def sps_size(nal: bytes) -> tuple[int, int]:
    """Width and height in pixels, cropped, of a sequence parameter set (§7.4.2.1.1). Raises ValueError."""
    bits = _Bits(nal)
    profile = bits.u(8)
    bits.u(16)
    bits.ue()
    chroma_format = _skip_chroma(bits) if profile in _CHROMA_PROFILES else 1
    _skip_order_count(bits)
    bits.ue()  # max_num_ref_frames
    bits.u(1)
    width = (bits.ue() + 1) * 16
    height_units = bits.ue() + 1
    frames_only = bits.u(1)
    height = height_units * 16 * (2 - frames_only)
    if not frames_only:
        bits.u(1)
    bits.u(1)
    if bits.u(1):
        left, right, top, bottom = (bits.ue() for _ in range(4))
        unit_x = 2 if chroma_format in (1, 2) else 1
        unit_y = (2 if chroma_format == 1 else 1) * (2 - frames_only)
        width -= (left + right) * unit_x
        height -= (top + bottom) * unit_y
    if not (0 < width <= 16384 and 0 < height <= 16384):
        raise ValueError(f"a picture of {width}×{height}")
    return width, height


def _skip_chroma(bits: _Bits) -> int:
    chroma_format = bits.ue()
    if chroma_format == 3:
        bits.u(1)
    bits.ue()
    bits.ue()
    bits.u(1)
    if bits.u(1):
        for index in range(8 if chroma_format != 3 else 12):
            if bits.u(1):
                _skip_scaling_list(bits, 16 if index < 6 else 64)
    return chroma_format


def _skip_scaling_list(bits: _Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.se()) % 256
        last = following or last


def _skip_order_count(bits: _Bits) -> None:
    bits.ue()  # log2_max_frame_num
    kind = bits.ue()
    if kind == 0:
        bits.ue()
    elif kind == 1:
        bits.u(1)
        bits.se()
        bits.se()
        cycle = bits.ue()
        if cycle > 255:
            raise ValueError("a picture order count cycle of more than 255")
        for _ in range(cycle):
            bits.se()


def recovery_frames(sei: bytes) -> int | None:
    """recovery_frame_cnt of a recovery point SEI message (§D.1.8) in this SEI NAL unit; None where there is none."""
    sei = sei.replace(b"\x00\x00\x03", b"\x00\x00")
    pos, end = 1, len(sei)
    while pos + 2 <= end and sei[pos : pos + 2] != b"\x80":
        kind, pos = _ff_coded(sei, pos)
        size, pos = _ff_coded(sei, pos)
        if kind == _RECOVERY_POINT:
            try:
                return _Bits(sei[pos : pos + max(size, 1) + 2], header=0).ue()
            except ValueError:
                return None
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
    """The SPS and PPS in force. ``prefix`` is all of them as Annex B; ``width`` × ``height`` are the newest SPS's."""

    __slots__ = ("_pps", "_sps", "height", "prefix", "width")

    def __init__(self) -> None:
        self._sps: dict[int, bytes] = {}
        self._pps: dict[int, bytes] = {}
        self.prefix = b""
        self.width: int | None = None
        self.height: int | None = None

    @property
    def complete(self) -> bool:
        return bool(self._sps and self._pps)

    def add(self, nal: bytes) -> bool:
        """Take an SPS or PPS NAL unit, in place of the one with its id; False for what is neither or cannot be read."""
        kind = nal[0] & 0x1F if nal else 0
        if kind not in (SPS, PPS) or len(nal) > _MAX_SET:
            return False
        sets = self._sps if kind == SPS else self._pps
        try:
            number = sps_id(nal) if kind == SPS else pps_id(nal)
        except ValueError:
            return False
        if sets.get(number) == nal:
            return True
        if number not in sets and len(sets) >= _MAX_SETS:
            del sets[next(iter(sets))]
        sets[number] = nal
        if kind == SPS:
            self._measure(nal)
        self.prefix = b"".join(START_CODE + each for each in (*self._sps.values(), *self._pps.values()))
        return True

    def _measure(self, nal: bytes) -> None:
        try:
            self.width, self.height = sps_size(nal)
        except ValueError:
            self.width = self.height = None


def sprop_nals(sprop: str) -> Iterator[bytes]:
    """NAL units of ``sprop-parameter-sets`` (RFC 6184 §8.1); cameras put start codes and rubbish into it."""
    for text in sprop.split(","):
        try:
            data = base64.b64decode(text.strip().rstrip("=") + "==", validate=False)
        except (binascii.Error, ValueError):
            continue
        yield from split_annexb(data)


def parameter_sets(nals: Iterable[bytes]) -> ParameterSets:
    sets = ParameterSets()
    for nal in nals:
        sets.add(nal)
    return sets
