"""H.264 over RTP (RFC 6184)."""

from struct import Struct

from adapters.rtsp.payload import h264_syntax as syntax
from adapters.rtsp.payload.nal_roles import (
    AGGREGATE,
    ANNEXB,
    FRAGMENT,
    IDR,
    IGNORED,
    SEI,
    SETS,
    SLICE,
    keyframe_tables,
)
from adapters.rtsp.payload.rtp_unit import UnitAssembler
from adapters.rtsp.protocol import FIRST_AND_SECOND

_NAL_ROLES = {
    syntax.SLICE: SLICE,
    syntax.IDR: IDR,
    syntax.SEI: SEI,
    syntax.SPS: SETS,
    syntax.PPS: SETS,
}
_PAYLOAD_ROLES = {
    **_NAL_ROLES,
    0: ANNEXB,  # no NAL unit has type 0: some cameras leave start codes in the payload
    syntax.STAP_A: AGGREGATE,
    syntax.FU_A: FRAGMENT,
}
_ROLES = bytes(_PAYLOAD_ROLES.get(first & 0x1F, IGNORED) for first in range(256))
_FRAGMENT_ROLES = bytes(_NAL_ROLES.get(header & 0x1F, IGNORED) for header in range(256))  # §5.8


class H264Depacketiser(UnitAssembler):
    """Non-interleaved mode and single NAL unit mode; of the interleaved mode's own packets none is taken (§5.2)."""

    __slots__ = ()

    codec = "h264"
    frame = FIRST_AND_SECOND
    packet_layout = Struct(">BBHI4xBB")
    header_size = 1
    roles = _ROLES
    fragment_roles = _FRAGMENT_ROLES
    keyframes = keyframe_tables(_ROLES, _FRAGMENT_ROLES)

    def fragment_header(self, indicator: int, header: int) -> bytes:
        return bytes((indicator & 0xE0 | header & 0x1F,))

    def recovery(self, sei: bytes) -> int | None:
        return syntax.recovery_frames(sei)
