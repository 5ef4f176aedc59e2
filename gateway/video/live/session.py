"""One browser's view: an RTCPeerConnection that sends a feed's video and takes nothing."""

import secrets
import time
from collections.abc import Callable, Sequence

from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.exceptions import InvalidAccessError, InvalidStateError, OperationError
from aiortc.rtcrtpparameters import RTCRtpCodecCapability
from aiortc.sdp import candidate_from_sdp

from gateway.errors import NotSpoken, Unreachable
from gateway.video.live.ears import Ears
from gateway.video.live.feed import Feed
from gateway.video.live.offers import MOST_CANDIDATES, announced, candidates, has_candidate, without_names
from gateway.video.live.track import PassedTrack

CONNECT_S = 20.0
"""A browser that has not come by then does not come: it asked, and was closed."""
SILENT_S = 10.0
"""Browsers report what they receive each second or so (RTCP); one that does not for so long is gone."""
UNREADABLE = (
    ValueError,
    LookupError,
    AssertionError,
    TypeError,
    AttributeError,
    RuntimeError,  # a StopIteration within a coroutine: a format that is described and not named
    InvalidAccessError,
    InvalidStateError,
    OperationError,
)
"""What aiortc stumbles with over an offer that is none."""


class Session:
    """``answer`` makes the connection; ``check`` is to be called about once a second and tells why it is over."""

    def __init__(self, viewer: str, feed: Feed, began: float, first_frame: Callable[[float], None]) -> None:
        self.id = secrets.token_urlsafe(18)
        self.viewer = viewer
        self.feed = feed
        self.start = feed.start
        self._began = began
        self._first_frame = first_frame
        self._connected_at: float | None = None
        self._heard_at = began
        self._track = PassedTrack(feed, self._begun)
        self._peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._sender: RTCRtpSender | None = None
        self._trickled = 0

    @property
    def sent(self) -> int:
        """Access units so far."""
        return self._track.sent

    @property
    def repairs(self) -> int:
        """How often it was given the GOP anew, because it had lost something."""
        return self._track.repairs

    async def answer(self, offer: str, addresses: Sequence[str]) -> str:
        """The whole answer: nothing trickles after it. Raises NotSpoken: the offer has no H.264 or is none; Unreachable: no
        UDP port is free."""
        transceiver = self._peer.addTransceiver(self._track, direction="sendonly")
        transceiver.setCodecPreferences(_h264())
        self._sender = transceiver.sender
        try:
            await self._peer.setRemoteDescription(RTCSessionDescription(without_names(offer), "offer"))
            if transceiver.mid is None:
                raise NotSpoken("the browser's offer has no video")
            await self._peer.setLocalDescription()
        except OperationError:
            raise NotSpoken("the browser's offer has no H.264, which is what cameras are passed on in") from None
        except UNREADABLE as fault:
            raise NotSpoken(f"the browser's offer cannot be read ({type(fault).__name__})") from None
        answer = announced(self._peer.localDescription.sdp, addresses)
        if not has_candidate(answer):
            raise Unreachable(
                "no UDP port for a live view could be had: live.ports has too few, or this box no network"
            )
        return answer

    async def trickle(self, fragment: str) -> None:
        """More of the browser's addresses, MOST_CANDIDATES of them in all: each is tried from each of ours, and checks are
        packets to whatever address it says. What cannot be read is of no use and let go."""
        for mid, text in candidates(fragment):
            if self._trickled >= MOST_CANDIDATES:
                return
            self._trickled += 1
            try:
                candidate = candidate_from_sdp(text)
                candidate.sdpMid = mid
                await self._peer.addIceCandidate(candidate)
            except UNREADABLE:
                continue

    def check(self, now_mono: float) -> str | None:
        """Why it is over; None while somebody watches."""
        state = self._peer.connectionState
        if state in ("failed", "closed"):
            return "the browser has gone"
        if self.feed.over.is_set() or self._track.readyState != "live":
            return "there is nothing more to see"
        if state != "connected":
            return "the browser did not connect" if now_mono - self._began > CONNECT_S else None
        if self._connected_at is None:
            self._connected_at = self._heard_at = now_mono
        return "the browser is silent" if now_mono - self._heard_at > SILENT_S else None

    async def close(self) -> None:
        self._track.stop()
        await self._peer.close()

    def _begun(self) -> None:
        self._first_frame(time.monotonic() - self._began)
        if self._sender is not None:
            Ears(self._sender, self._reported, self._track.repair).listen()

    def _reported(self) -> None:
        self._heard_at = time.monotonic()


def _h264() -> list[RTCRtpCodecCapability]:
    """H.264 with its retransmission. Whatever profile is agreed on (Constrained Baseline first: every browser offers it),
    browsers play what the stream's own parameter sets say, Baseline to High."""
    codecs = RTCRtpSender.getCapabilities("video").codecs
    h264 = [codec for codec in codecs if codec.mimeType == "video/H264"]
    h264.sort(key=lambda codec: not str(codec.parameters.get("profile-level-id")).startswith("42e0"))
    return h264 + [codec for codec in codecs if codec.mimeType == "video/rtx"]
