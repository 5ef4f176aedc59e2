"""H.264 syntax as far as it is needed to find and describe keyframes (ITU-T H.264 §7.3, Annex B, Annex D)."""

from collections.abc import Iterable

from adapters.rtsp.payload.nal_syntax import Bits, ParameterSets, checked_size, recovery_point

SLICE, IDR, SEI, SPS, PPS = 1, 5, 6, 7, 8
STAP_A, FU_A = 24, 28  # RFC 6184 §5.4

_HEADER = 1  # bytes of a NAL unit's header
# Profiles whose SPS says the chroma format (§7.3.2.1.1)
_CHROMA_PROFILES = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})


def sps_id(nal: bytes) -> int:
    bits = Bits(nal[:64], _HEADER)
    bits.skip(24)  # profile, constraints, level
    return bits.ue()


def pps_id(nal: bytes) -> int:
    return Bits(nal[:64], _HEADER).ue()


def sps_size(nal: bytes) -> tuple[int, int]:
    """Width and height in pixels, cropped, of a sequence parameter set (§7.4.2.1.1). Raises ValueError."""
    bits = Bits(nal, _HEADER)
    profile = bits.u(8)
    bits.skip(16)
    bits.ue()
    chroma_format = _skip_chroma(bits) if profile in _CHROMA_PROFILES else 1
    _skip_order_count(bits)
    bits.ue()  # max_num_ref_frames
    bits.skip(1)
    width = (bits.ue() + 1) * 16
    height_units = bits.ue() + 1
    frames_only = bits.u(1)
    height = height_units * 16 * (2 - frames_only)
    if not frames_only:
        bits.skip(1)
    bits.skip(1)
    if bits.u(1):
        left, right, top, bottom = (bits.ue() for _ in range(4))
        unit_x = 2 if chroma_format in (1, 2) else 1
        unit_y = (2 if chroma_format == 1 else 1) * (2 - frames_only)
        width -= (left + right) * unit_x
        height -= (top + bottom) * unit_y
    return checked_size(width, height)


def _skip_chroma(bits: Bits) -> int:
    chroma_format = bits.ue()
    if chroma_format == 3:
        bits.skip(1)
    bits.ue()
    bits.ue()
    bits.skip(1)
    if bits.u(1):
        for index in range(8 if chroma_format != 3 else 12):
            if bits.u(1):
                _skip_scaling_list(bits, 16 if index < 6 else 64)
    return chroma_format


def _skip_scaling_list(bits: Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.se()) % 256
        last = following or last


def _skip_order_count(bits: Bits) -> None:
    bits.ue()  # log2_max_frame_num
    kind = bits.ue()
    if kind == 0:
        bits.ue()
    elif kind == 1:
        bits.skip(1)
        bits.se()
        bits.se()
        cycle = bits.ue()
        if cycle > 255:
            raise ValueError("a picture order count cycle of more than 255")
        for _ in range(cycle):
            bits.se()


def recovery_frames(sei: bytes) -> int | None:
    """recovery_frame_cnt of a recovery point SEI message (§D.1.8) in this SEI NAL unit; None where there is none."""
    payload = recovery_point(sei, _HEADER)
    try:
        return None if payload is None else payload.ue()
    except ValueError:
        return None


class H264Sets(ParameterSets):
    """SPS, PPS."""

    __slots__ = ()

    def __init__(self, nals: Iterable[bytes] = ()) -> None:
        super().__init__(kinds=2)
        self.add_all(nals)

    def place(self, nal: bytes) -> tuple[int, int] | None:
        kind = nal[0] & 0x1F
        if kind == SPS:
            return 0, sps_id(nal)
        return (1, pps_id(nal)) if kind == PPS else None

    def size(self, sps: bytes) -> tuple[int, int]:
        return sps_size(sps)
