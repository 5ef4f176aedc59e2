"""One who watches and decodes nothing: ``python -m gateway.lab.bench.live_receiver``, steered by lines of JSON.

``{"do": "offer"}`` begins a view and answers ``{"offer": SDP}``; ``{"do": "watch", "answer": SDP}`` goes on with it;
``{"do": "tell"}`` answers what came so far, its times by CLOCK_MONOTONIC; ``{"do": "end"}`` ends it.
"""

import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any

from aiortc import RTCCertificate, RTCDtlsTransport, RTCIceGatherer, RTCIceTransport
from aiortc.rtcrtpparameters import RTCRtpCodecParameters, RTCRtpReceiveParameters
from aiortc.rtp import AnyRtcpPacket, RtcpReceiverInfo, RtcpRrPacket, RtpPacket
from aiortc.sdp import SessionDescription, candidate_to_sdp

_PAYLOAD_TYPE = 96
_KEYFRAME = (5, 7)  # an IDR's slice, or the parameter sets before it
_OWN_PACE = 900  # 10 ms: pictures of a GOP that is sent at once are 1 ms apart


@dataclass
class Came:
    """What came. ``keyframe_at``: the first packet of a keyframe; ``picture_at``: the last; ``caught_up_at``: the first
    picture that came in its own time, so that all before it of its GOP are there. Only the end of each picture is looked
    at, and lost packets are those that never came."""

    packets: int = 0
    pictures: int = 0
    lost: int = 0
    keyframe_at: float | None = None
    picture_at: float | None = None
    caught_up_at: float | None = None


class Counter:
    """In the place of aiortc's receiver, which decodes."""

    def __init__(self) -> None:
        self.came = Came()
        self.ssrc = 0
        self.highest = -1
        self._last_time = 0

    async def _handle_rtp_packet(self, packet: RtpPacket, arrival_time_ms: int) -> None:
        now, came = time.monotonic(), self.came
        self.ssrc = packet.ssrc
        if self.highest >= 0:
            step = (packet.sequence_number - self.highest) & 0xFFFF
            came.lost += step - 1 if step < 0x8000 else -1
        self.highest = packet.sequence_number
        came.packets += 1
        if came.keyframe_at is None and _nal_type(packet.payload) in _KEYFRAME:
            came.keyframe_at = now
        if packet.marker and came.keyframe_at is not None:
            came.pictures += 1
            if came.picture_at is None:
                came.picture_at = now
            elif came.caught_up_at is None and (packet.timestamp - self._last_time) & 0xFFFFFFFF >= _OWN_PACE:
                came.caught_up_at = now
            self._last_time = packet.timestamp

    async def _handle_rtcp_packet(self, packet: AnyRtcpPacket) -> None: ...

    def _handle_disconnect(self) -> None: ...


def _nal_type(payload: bytes) -> int:
    """RFC 6184: of a fragment or an aggregate that of what begins in it; -1 where nothing does."""
    if len(payload) < 4:
        return -1
    kind = payload[0] & 0x1F
    if kind == 24:
        return payload[3] & 0x1F
    if kind == 28:
        return payload[1] & 0x1F if payload[1] & 0x80 else -1
    return kind


class Watching:
    """One view."""

    def __init__(self) -> None:
        self.counter = Counter()
        self._gatherer = RTCIceGatherer(iceServers=[])
        self._ice = RTCIceTransport(self._gatherer)
        self._certificate = RTCCertificate.generateCertificate()
        self._dtls = RTCDtlsTransport(self._ice, [self._certificate])
        self._reporting: asyncio.Task[None] | None = None

    async def offer(self) -> str:
        await self._gatherer.gather()
        own = self._gatherer.getLocalParameters()
        candidates = [f"a=candidate:{candidate_to_sdp(each)}" for each in self._gatherer.getLocalCandidates()]
        prints = [f"a=fingerprint:{each.algorithm} {each.value}" for each in self._certificate.getFingerprints()]
        return "\r\n".join(
            [
                "v=0",
                "o=- 1 1 IN IP4 0.0.0.0",
                "s=-",
                "t=0 0",
                "a=group:BUNDLE 0",
                f"m=video 9 UDP/TLS/RTP/SAVPF {_PAYLOAD_TYPE}",
                "c=IN IP4 0.0.0.0",
                "a=recvonly",
                "a=mid:0",
                "a=rtcp-mux",
                f"a=rtpmap:{_PAYLOAD_TYPE} H264/90000",
                f"a=fmtp:{_PAYLOAD_TYPE} packetization-mode=1;profile-level-id=42e01f",
                *candidates,
                f"a=ice-ufrag:{own.usernameFragment}",
                f"a=ice-pwd:{own.password}",
                *prints,
                "a=setup:active",
                "",
            ]
        )

    async def watch(self, answer: str) -> None:
        media = SessionDescription.parse(answer).media[0]
        assert media.ice is not None and media.dtls is not None
        codec = RTCRtpCodecParameters(mimeType="video/H264", clockRate=90000, payloadType=_PAYLOAD_TYPE)
        self._dtls._register_rtp_receiver(self.counter, RTCRtpReceiveParameters(codecs=[codec], muxId="0"))
        self._ice._connection.ice_controlling = True
        self._dtls._set_role("client")
        for candidate in media.ice_candidates:
            await self._ice.addRemoteCandidate(candidate)
        await self._ice.addRemoteCandidate(None)
        await self._ice.start(media.ice)
        await self._dtls.start(media.dtls)
        self._reporting = asyncio.create_task(self._report())

    async def end(self) -> None:
        if self._reporting is not None:
            self._reporting.cancel()
            await asyncio.gather(self._reporting, return_exceptions=True)
        await self._dtls.stop()
        await self._ice.stop()

    async def _report(self) -> None:
        """As browsers do: a view of which nobody hears is ended."""
        while True:
            await asyncio.sleep(1)
            counter = self.counter
            info = RtcpReceiverInfo(counter.ssrc, 0, max(0, counter.came.lost), max(0, counter.highest), 0, 0, 0)
            await self._dtls._send_rtp(bytes(RtcpRrPacket(ssrc=1, reports=[info])))


async def _serve() -> None:
    reader = asyncio.StreamReader(limit=2**20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    watching: Watching | None = None
    _say({"ready": True})
    while line := await reader.readline():
        order = json.loads(line)
        what = order["do"]
        if what == "offer":
            watching = Watching()
            _say({"offer": await watching.offer()})
        elif watching is not None and what == "watch":
            await watching.watch(order["answer"])
            _say({"watching": True})
        elif watching is not None and what == "tell":
            _say(asdict(watching.counter.came))
        elif watching is not None and what == "end":
            await watching.end()
            watching = None
            _say({"ended": True})
    if watching is not None:
        await watching.end()


def _say(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_serve())
