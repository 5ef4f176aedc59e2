"""What a browser says back of what it receives (RTCP)."""

from collections.abc import Callable

from aiortc import RTCRtpSender
from aiortc.rtcrtpparameters import RTCRtpSendParameters
from aiortc.rtp import RTCP_PSFB_FIR, RTCP_PSFB_PLI, AnyRtcpPacket, RtcpPsfbPacket, RtcpRrPacket, RtcpSrPacket


class Ears:
    """Stands before a sender at its transport, notes and passes on: aiortc tells nobody that a browser asks for a keyframe,
    which it cannot make of what is not encoded here. ``reported``: it lives; ``lost``: it cannot show what follows
    (PLI, FIR; RFC 4585 §6.3.1, RFC 5104 §4.3.1)."""

    def __init__(self, sender: RTCRtpSender, reported: Callable[[], None], lost: Callable[[], None]) -> None:
        self._sender = sender
        self._ssrc = sender._ssrc
        self._reported = reported
        self._lost = lost

    def listen(self) -> None:
        """Once the sender has begun."""
        self._sender.transport._register_rtp_sender(self, RTCRtpSendParameters())

    async def _handle_rtcp_packet(self, packet: AnyRtcpPacket) -> None:
        if isinstance(packet, RtcpRrPacket | RtcpSrPacket):
            self._reported()
        elif isinstance(packet, RtcpPsfbPacket) and packet.fmt in (RTCP_PSFB_PLI, RTCP_PSFB_FIR):
            self._lost()
        await self._sender._handle_rtcp_packet(packet)
