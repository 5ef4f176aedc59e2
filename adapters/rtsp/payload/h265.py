"""H.265 over RTP (RFC 7798), without decoding order numbers."""

from struct import Struct

from adapters.rtsp.payload import h265_syntax as syntax
from adapters.rtsp.payload.nal_roles import (
    AGGREGATE,
    BLA,
    CRA,
    FRAGMENT,
    IDR,
    IGNORED,
    SEI,
    SETS,
    SKIPPABLE,
    SLICE,
    keyframe_tables,
)
from adapters.rtsp.payload.rtp_unit import UnitAssembler
from adapters.rtsp.protocol import FIRST_AND_THIRD

_NAL_ROLES = {
    **dict.fromkeys(range(syntax.TRAIL, syntax.LAST_TRAIL + 1), SLICE),
    **dict.fromkeys((syntax.RASL_N, syntax.RASL_R), SKIPPABLE),
    **dict.fromkeys(range(syntax.BLA_W_LP, syntax.BLA_N_LP + 1), BLA),
    **dict.fromkeys((syntax.IDR_W_RADL, syntax.IDR_N_LP), IDR),
    syntax.CRA: CRA,
    **dict.fromkeys((syntax.VPS, syntax.SPS, syntax.PPS), SETS),
    syntax.PREFIX_SEI: SEI,
}
_PAYLOAD_ROLES = {**_NAL_ROLES, syntax.AP: AGGREGATE, syntax.FU: FRAGMENT}
_ROLES = bytes(_PAYLOAD_ROLES.get(first >> 1 & 0x3F, IGNORED) for first in range(256))
_FRAGMENT_ROLES = bytes(_NAL_ROLES.get(header & 0x3F, IGNORED) for header in range(256))  # §4.4.3


class H265Depacketiser(UnitAssembler):
    """Keyframes are IDR, CRA and BLA pictures. RASL pictures that refer to what was not received are passed over."""

    __slots__ = ()

    codec = "h265"
    frame = FIRST_AND_THIRD
    packet_layout = Struct(">BBHI4xHB")
    header_size = 2
    roles = _ROLES
    fragment_roles = _FRAGMENT_ROLES
    keyframes = keyframe_tables(_ROLES, _FRAGMENT_ROLES)

    def fragment_header(self, indicator: int, header: int) -> bytes:
        return bytes((indicator >> 8 & 0x81 | (header & 0x3F) << 1, indicator & 0xFF))

    def recovery(self, sei: bytes) -> int | None:
        return syntax.recovery_pictures(sei)
