"""H.265 syntax as far as it is needed to find and describe keyframes (ITU-T H.265 §7.3, §7.4.2.2, Annex D)."""

from collections.abc import Iterable

from adapters.rtsp.payload.nal_syntax import Bits, ParameterSets, checked_size, recovery_point

TRAIL, LAST_TRAIL = 0, 7  # TRAIL_N … RADL_R: pictures that need others, and only such as a decoder has
RASL_N, RASL_R = 8, 9
BLA_W_LP, BLA_N_LP = 16, 18
IDR_W_RADL, IDR_N_LP = 19, 20
CRA = 21
VPS, SPS, PPS, PREFIX_SEI = 32, 33, 34, 39
AP, FU = 48, 49  # RFC 7798 §4.4.2, §4.4.3

_HEADER = 2  # bytes of a NAL unit's header
_PROFILE, _LEVEL = 88, 8  # bits of a (sub-layer's) profile and level, §7.3.3
_CHROMA_UNITS = {1: (2, 2), 2: (2, 1)}  # SubWidthC, SubHeightC by chroma_format_idc, §6.2


def vps_id(nal: bytes) -> int:
    return Bits(nal[:64], _HEADER).u(4)


def sps_id(nal: bytes) -> int:
    return _past_profile(Bits(nal[:256], _HEADER)).ue()


def pps_id(nal: bytes) -> int:
    return Bits(nal[:64], _HEADER).ue()


def sps_size(nal: bytes) -> tuple[int, int]:
    """Width and height in pixels, cropped, of a sequence parameter set (§7.4.3.2.1). Raises ValueError."""
    bits = _past_profile(Bits(nal, _HEADER))
    bits.ue()
    chroma_format = bits.ue()
    if chroma_format == 3:
        bits.skip(1)
    width, height = bits.ue(), bits.ue()
    if bits.u(1):
        left, right, top, bottom = (bits.ue() for _ in range(4))
        unit_x, unit_y = _CHROMA_UNITS.get(chroma_format, (1, 1))
        width -= (left + right) * unit_x
        height -= (top + bottom) * unit_y
    return checked_size(width, height)


def _past_profile(bits: Bits) -> Bits:
    """Go past VPS id and profile_tier_level (§7.3.2.2, §7.3.3) to the SPS's own id."""
    bits.skip(4)
    sub_layers = bits.u(3)
    bits.skip(1 + _PROFILE + _LEVEL)
    present = [(bits.u(1), bits.u(1)) for _ in range(sub_layers)]
    if sub_layers:
        bits.skip(2 * (8 - sub_layers))
    bits.skip(sum(_PROFILE * profile + _LEVEL * level for profile, level in present))
    return bits


def recovery_pictures(sei: bytes) -> int | None:
    """recovery_poc_cnt of a recovery point SEI message (§D.2.8) in this SEI NAL unit; None where there is none."""
    payload = recovery_point(sei, _HEADER)
    try:
        return None if payload is None else payload.se()
    except ValueError:
        return None


class H265Sets(ParameterSets):
    """VPS, SPS, PPS: a decoder needs all three."""

    __slots__ = ()

    sps = 1

    def __init__(self, nals: Iterable[bytes] = ()) -> None:
        super().__init__(kinds=3)
        self.add_all(nals)

    def place(self, nal: bytes) -> tuple[int, int] | None:
        kind = nal[0] >> 1 & 0x3F
        if kind == VPS:
            return 0, vps_id(nal)
        if kind == SPS:
            return 1, sps_id(nal)
        return (2, pps_id(nal)) if kind == PPS else None

    def size(self, sps: bytes) -> tuple[int, int]:
        return sps_size(sps)
