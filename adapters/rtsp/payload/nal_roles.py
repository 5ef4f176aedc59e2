"""What a NAL unit or an RTP payload is to us, whatever number its codec gives it."""

from adapters.rtsp.protocol import PASS, TAKE, Tables

# The order matters: slices up to BLA, those of a random access point from IDR.
IGNORED, SLICE, SKIPPABLE, IDR, CRA, BLA, SEI, SETS, AGGREGATE, FRAGMENT, ANNEXB = range(11)
Roles = bytes
"""The role of each value of a byte, 256 of them."""


def keyframe_tables(roles: Roles, fragments: Roles) -> Tables:
    """Whatever may belong to a keyframe is taken; ``fragments`` are the roles by the second indexed byte."""
    rows = {
        **dict.fromkeys((IDR, CRA, BLA, SEI, SETS, AGGREGATE), TAKE),
        FRAGMENT: bytes(IDR <= role <= SETS for role in fragments),
        ANNEXB: bytes([1]) + bytes(255),  # a start code's second zero
    }
    return tuple(rows.get(role, PASS) for role in roles)
