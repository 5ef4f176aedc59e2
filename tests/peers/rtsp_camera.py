"""A hand-written RTSP camera for faults that no decent server has, and the H.264 packets to feed one."""

import asyncio
import base64
import ssl
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

START_CODE = b"\x00\x00\x00\x01"
SPS = bytes.fromhex("67640028acb403c0113f2e0220000003002000000641e30654")  # 1920×1080, cropped from 1088 lines
PPS = bytes.fromhex("68ef3cb0")
RECOVERY_POINT = bytes([0x06, 0x06, 0x01, 0xC4, 0x80])  # recovery_frame_cnt 0
GRADUAL_REFRESH = bytes([0x06, 0x06, 0x01, 0x24, 0x80])  # recovery_frame_cnt 3


def sdp(*, sprop: str | None = None, encoding: str = "H264", control: str = "track1") -> str:
    given = ",".join(base64.b64encode(nal).decode() for nal in (SPS, PPS)) if sprop is None else sprop
    parameters = f"a=fmtp:96 packetization-mode=1;sprop-parameter-sets={given}\r\n" if given else ""
    return (
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\na=control:*\r\n"
        f"m=video 0 RTP/AVP 96\r\na=rtpmap:96 {encoding}/90000\r\n{parameters}a=control:{control}\r\n"
    )


def slice_nal(size: int, *, idr: bool = False, first: bool = True, seed: int = 1) -> bytes:
    """A slice's shape: header, first_mb_in_slice (0 if ``first``), filler without start codes."""
    filler = bytes((seed * 31 + index) % 251 + 1 for index in range(size - 2))
    return bytes([0x65 if idr else 0x41, 0x88 if first else 0x48]) + filler


def annexb(*nals: bytes) -> bytes:
    return b"".join(START_CODE + nal for nal in nals)


def rtp(payload: bytes, *, seq: int, time: int, marker: bool = False, first: int = 0x80, extra: bytes = b"") -> bytes:
    head = struct.pack(">BBHII", first, 0x60 | (0x80 if marker else 0), seq & 0xFFFF, time & 0xFFFFFFFF, 0x1234)
    return head + extra + payload


def interleave(packet: bytes, channel: int = 0) -> bytes:
    return struct.pack(">BBH", 0x24, channel, len(packet)) + packet


def fragments(nal: bytes, size: int) -> list[bytes]:
    """FU-A payloads of a NAL unit (RFC 6184 §5.8)."""
    body = nal[1:]
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    heads = [
        (0x80 if index == 0 else 0) | (0x40 if index == len(parts) - 1 else 0) | nal[0] & 0x1F
        for index in range(len(parts))
    ]
    return [bytes([nal[0] & 0xE0 | 28, head]) + part for head, part in zip(heads, parts, strict=True)]


def stap_a(*nals: bytes) -> bytes:
    return bytes([0x78]) + b"".join(struct.pack(">H", len(nal)) + nal for nal in nals)


@dataclass
class Packetiser:
    """Numbers packets as a camera does. ``markers``: whether it sets the marker bit on a unit's last packet."""

    mtu: int = 100
    markers: bool = True
    channel: int = 0
    seq: int = 65530  # wraps within the first packets

    def unit(self, time: int, *payloads: bytes) -> bytes:
        """One access unit from ready payloads (NAL units within the MTU, aggregates, fragments)."""
        stream = b""
        for index, payload in enumerate(payloads):
            marker = self.markers and index == len(payloads) - 1
            stream += interleave(rtp(payload, seq=self.seq, time=time, marker=marker), self.channel)
            self.seq += 1
        return stream

    def nals(self, time: int, *nals: bytes) -> bytes:
        payloads: list[bytes] = []
        for nal in nals:
            payloads += [nal] if len(nal) <= self.mtu else fragments(nal, self.mtu - 2)
        return self.unit(time, *payloads)


@dataclass(frozen=True)
class Heard:
    method: str
    uri: str
    headers: dict[str, str]


def answer(request: Heard, *fields: str, status: str = "200 OK", body: str = "") -> bytes:
    lines = [f"RTSP/1.0 {status}", f"CSeq: {request.headers.get('cseq', '0')}", *fields]
    if body:
        lines.append(f"Content-Length: {len(body.encode())}")
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


Reaction = Callable[["Camera", Heard], bytes | None]


@dataclass
class Camera:
    """Listens on loopback. ``reactions`` replace what it does for a method; None as an answer is silence.

    ``stream`` is sent once after the answer to PLAY. With ``tls`` it speaks RTSPS. Use as ``async with Camera(…) as camera``.
    """

    reactions: dict[str, Reaction] = field(default_factory=dict)
    stream: Iterable[bytes] = ()
    description: str = field(default_factory=sdp)
    timeout: int | None = 60
    tls: ssl.SSLContext | None = None
    requests: list[Heard] = field(default_factory=list)
    frames: list[tuple[int, bytes]] = field(default_factory=list)  # (channel, data) that came interleaved
    accepted: int = 0
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    writer: asyncio.StreamWriter | None = None

    async def __aenter__(self) -> "Camera":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.tls)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        if self.writer is not None:
            self.writer.close()
            await self.closed.wait()
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        return f"{'rtsps' if self.tls else 'rtsp'}://127.0.0.1:{self.port}/live?channel=1"

    def methods(self) -> list[str]:
        return [request.method for request in self.requests]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self.writer = writer
        try:
            while True:
                first = await reader.readexactly(1)
                if first == b"$":
                    channel, size = struct.unpack(">BH", await reader.readexactly(3))
                    self.frames.append((channel, await reader.readexactly(size)))
                    continue
                head = (first + await reader.readuntil(b"\r\n\r\n")).decode()
                start, *lines = head.strip().split("\r\n")
                method, uri, _ = start.split(" ")
                fields = (line.partition(":") for line in lines)
                request = Heard(method, uri, {name.lower(): value.strip() for name, _, value in fields})
                self.requests.append(request)
                if data := self.reactions.get(method, type(self).react)(self, request):
                    writer.write(data)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            self.closed.set()

    def react(self, request: Heard) -> bytes | None:
        match request.method:
            case "OPTIONS":
                return answer(request, "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER")
            case "DESCRIBE":
                return answer(request, "Content-Type: application/sdp", body=self.description)
            case "SETUP":
                timeout = "" if self.timeout is None else f";timeout={self.timeout}"
                return answer(request, "Transport: RTP/AVP/TCP;unicast;interleaved=0-1", f"Session: 4711{timeout}")
            case "PLAY":
                return answer(request, "Session: 4711") + b"".join(self.stream)
            case _:
                return answer(request)
