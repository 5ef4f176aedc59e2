"""A small WHEP server: real WebRTC from aiortc, of a short film made once and sent round and round, undecoded."""

import asyncio
import fractions

import av
import cv2
import numpy as np
from aiortc import RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

FPS = 25
FRAMES = 50  # a film of two seconds, with a keyframe each
SIZE = (640, 360)
TIME_BASE = fractions.Fraction(1, 90_000)


def film() -> list[bytes]:
    """H.264 constrained baseline, Annex B, a square that walks over a grey ground."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height = SIZE
    encoder.pix_fmt = "yuv420p"
    encoder.framerate = fractions.Fraction(FPS, 1)
    encoder.time_base = fractions.Fraction(1, FPS)
    encoder.gop_size = FPS
    encoder.options = {"preset": "ultrafast", "tune": "zerolatency", "profile": "baseline", "level": "31"}
    units: list[bytes] = []
    for number in range(FRAMES):
        picture = np.full((SIZE[1], SIZE[0], 3), 110, np.uint8)
        left = 20 + number * 11
        cv2.rectangle(picture, (left, 150), (left + 60, 210), (60, 200, 240), -1)
        frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
        frame.pts = number
        units.extend(bytes(packet) for packet in encoder.encode(frame))
    units.extend(bytes(packet) for packet in encoder.encode(None))
    return units


class _Film(MediaStreamTrack):
    kind = "video"

    def __init__(self, sender: "Sender") -> None:
        super().__init__()
        self._sender = sender
        self._sent = 0
        self._began = asyncio.get_running_loop().time()

    async def recv(self) -> av.Packet:
        if self.readyState != "live":
            raise MediaStreamError
        due = self._began + self._sent / FPS
        await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
        while self._sender.frozen:
            await asyncio.sleep(0.05)
        packet = av.Packet(self._sender.units[self._sent % len(self._sender.units)])
        packet.pts = self._sent * 90_000 // FPS
        packet.time_base = TIME_BASE
        self._sent += 1
        return packet


class Sender:
    """``frozen``: nothing is sent to anybody until it is taken back, as when a camera's line is cut."""

    def __init__(self) -> None:
        self.units = film()
        self.frozen = False
        self._peers: dict[str, RTCPeerConnection] = {}

    def watching(self) -> int:
        return len(self._peers)

    async def answer(self, session: str, offer: str) -> str:
        peer = RTCPeerConnection()
        self._peers[session] = peer
        sender = peer.addTrack(_Film(self))
        transceiver = next(each for each in peer.getTransceivers() if each.sender is sender)
        codecs = RTCRtpSender.getCapabilities("video").codecs
        transceiver.setCodecPreferences([codec for codec in codecs if codec.mimeType == "video/H264"])
        await peer.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        await peer.setLocalDescription(await peer.createAnswer())
        return str(peer.localDescription.sdp)

    async def end(self, session: str) -> bool:
        peer = self._peers.pop(session, None)
        if peer is not None:
            await peer.close()
        return peer is not None

    async def close(self) -> None:
        for session in list(self._peers):
            await self.end(session)
