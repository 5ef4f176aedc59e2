"""From a session description's video to what puts its RTP packets together."""

from collections.abc import Iterator
from typing import Protocol

from adapters.rtsp.message import printable, whole_number
from adapters.rtsp.payload.h264 import H264Depacketiser
from adapters.rtsp.payload.h264_syntax import H264Sets
from adapters.rtsp.payload.h265 import H265Depacketiser
from adapters.rtsp.payload.h265_syntax import H265Sets
from adapters.rtsp.payload.nal_syntax import sprop_nals
from adapters.rtsp.payload.rtp_unit import Emit
from adapters.rtsp.protocol import PacketSink
from adapters.rtsp.sdp import Media
from gateway.errors import NotSpoken

SPOKEN = ("H264", "H265")
"""Encoding names (RFC 6184 §8.1, RFC 7798 §7.1) that ``depacketiser`` takes, the cheaper to decode first."""


class Depacketiser(PacketSink, Protocol):
    """Collects the access units of one stream and hands each to the ``Emit`` it was made with.

    ``dropped`` counts units that were torn, too long or not decodable.
    """

    dropped: int

    @property
    def codec(self) -> str:
        """``h264`` or ``h265``."""

    @property
    def width(self) -> int | None:
        """Pixels, of the newest sequence parameter set; None until one is known."""

    @property
    def height(self) -> int | None: ...
    def want_all(self, wanted: bool) -> None:
        """Whether every access unit is wanted, or keyframes only. May change at any packet."""


def depacketiser(media: Media, emit: Emit) -> Depacketiser:
    """The depacketiser of a description's video. Raises NotSpoken for what it does not speak."""
    encoding = media.encoding or ""
    parameters = media.parameters(encoding)
    if encoding == "H264":
        return H264Depacketiser(H264Sets(_sprop(parameters, "sprop-parameter-sets")), emit)
    if encoding == "H265":
        # With it every NAL unit is preceded by a decoding order number, and units come out of order (RFC 7798 §7.1).
        if whole_number(parameters.get("sprop-max-don-diff")):
            raise NotSpoken(
                "H.265 in interleaved order (sprop-max-don-diff); switch that off, or set the camera to H.264"
            )
        return H265Depacketiser(H265Sets(_sprop(parameters, "sprop-vps", "sprop-sps", "sprop-pps")), emit)
    raise NotSpoken(f"video as {printable(encoding, 20) or 'something without a name'}; H.264 and H.265 are received")


def _sprop(parameters: dict[str, str], *names: str) -> Iterator[bytes]:
    for name in names:
        yield from sprop_nals(parameters.get(name, ""))
