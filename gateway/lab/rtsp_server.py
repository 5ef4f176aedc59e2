"""An RTSP 1.0 server of simulated cameras (RFC 2326, interleaved TCP): many mounts on one port, real sockets.

A picture is packetised once and the same bytes go to every viewer of its feed, so that a thousand cameras cost less
than a core.
"""

import asyncio
import os
import re
import secrets
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

from gateway.errors import ListenFailed
from gateway.lab.feeds import Feed
from gateway.lab.rtp import RTCP_CHANNEL, RTP_CHANNEL, on_channels
from gateway.lab.rtsp_auth import DigestGate
from gateway.model import Credential

_REQUEST_LIMIT = 16 * 1024
_CONTROL = "trackID=0"
_PUBLIC = "OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN"
_REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    454: "Session Not Found",
    455: "Method Not Valid in This State",
    461: "Unsupported Transport",
    501: "Not Implemented",
}


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How a simulated camera acts towards its clients."""

    algorithm: str = "MD5"  # of the digest: MD5 | SHA-256
    session_timeout: int = 60  # seconds, as announced in SETUP
    backlog_limit: int = 4 * 1024 * 1024  # bytes a slow client may owe before it is cut off


@dataclass(frozen=True, slots=True)
class Request:
    """One RTSP request; header names in lower case."""

    method: str
    url: str
    headers: dict[str, str]

    @property
    def path(self) -> str:
        return urlsplit(self.url).path.rstrip("/")


class RtspServer:
    """Simulated cameras under ``rtsp://host:port/PATH``, with digest authentication where a credential is given."""

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        credential: Credential | None = None,
        behaviour: Behaviour = Behaviour(),
    ) -> None:
        self.host, self.port = host, port
        self.credential, self.behaviour = credential, behaviour
        self.slow_clients = 0
        self.connections: set[_Connection] = set()
        self._feeds: dict[str, Feed] = {}
        self._server: asyncio.Server | None = None

    def mount(self, path: str, feed: Feed) -> None:
        """Serve ``feed`` at ``path``, e.g. ``/cam/1``. Several paths may share a feed."""
        self._feeds[path.rstrip("/")] = feed

    def feed(self, path: str) -> Feed | None:
        return self._feeds.get(path.removesuffix(f"/{_CONTROL}"))

    def url(self, path: str) -> str:
        return f"rtsp://{self.host}:{self.port}{path}"

    async def start(self) -> None:
        """Listen; ``port`` is the true one afterwards. Raises ListenFailed."""
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(lambda: _Connection(self), self.host, self.port, backlog=1024)
        except OSError as error:
            raise ListenFailed(
                f"the simulated cameras cannot listen on {self.host}:{self.port}: {os.strerror(error.errno or 0).lower()}; choose another port"
            ) from error
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """End every connection and feed."""
        if self._server is not None:
            self._server.close()
        for connection in tuple(self.connections):
            connection.cut()
        await asyncio.gather(*(feed.close() for feed in set(self._feeds.values())))


class _Connection(asyncio.Protocol):
    """One client. It watches at most one feed, and only from a keyframe on."""

    def __init__(self, server: RtspServer) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._gate = None
        if server.credential is not None:
            self._gate = DigestGate(server.credential, server.behaviour.algorithm)
        self._session: str | None = None
        self._feed: Feed | None = None
        self._channels = (RTP_CHANNEL, RTCP_CHANNEL)
        self._playing = False
        self._in_step = False  # a keyframe has been sent

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        self._server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.connections.discard(self)
        self._leave()

    def cut(self) -> None:
        """End the connection at once."""
        self._leave()
        if self._transport is not None:
            self._transport.abort()

    def send(self, block: bytes, keyframe: bool) -> None:
        self._in_step = self._in_step or keyframe
        if not self._in_step or self._transport is None:
            return
        if self._transport.get_write_buffer_size() > self._server.behaviour.backlog_limit:
            self._server.slow_clients += 1
            self.cut()
            return
        if self._channels != (RTP_CHANNEL, RTCP_CHANNEL):
            block = on_channels(block, *self._channels)
        self._transport.write(block)

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (taken := self._take()) is not None:
            if isinstance(taken, Request):
                self._answer(taken)

    def _take(self) -> Request | bytes | None:
        """The next request, or an interleaved frame (RTCP from the client, of no interest), or None until more comes."""
        buffer = self._received
        while buffer[:1].isspace():
            del buffer[0]
        if buffer[:1] == b"$":
            end = 4 + int.from_bytes(buffer[2:4], "big")
            if len(buffer) < max(end, 4):
                return None
            frame = bytes(buffer[:end])
            del buffer[:end]
            return frame
        head, separator, _ = bytes(buffer[:_REQUEST_LIMIT]).partition(b"\r\n\r\n")
        if not separator:
            if len(buffer) >= _REQUEST_LIMIT:
                self._refuse_junk()
            return None
        request = _parse(head.decode("utf-8", "replace"))
        length = request.headers.get("content-length", "0") if request else "junk"
        if request is None or not length.isdecimal() or int(length) > _REQUEST_LIMIT:
            self._refuse_junk()
            return None
        end = len(head) + 4 + int(length)
        if len(buffer) < end:
            return None
        del buffer[:end]
        return request

    def _refuse_junk(self) -> None:
        self._received.clear()
        self._reply(400, "0")
        if self._transport is not None:
            self._transport.close()

    def _answer(self, request: Request) -> None:
        sequence = request.headers.get("cseq", "0")
        if request.method == "OPTIONS":
            self._reply(200, sequence, {"Public": _PUBLIC})
        elif self._gate and not self._gate.admits(request.method, request.headers.get("authorization")):
            self._reply(401, sequence, {"WWW-Authenticate": self._gate.challenge()})
        elif request.method == "DESCRIBE":
            self._describe(request, sequence)
        elif request.method == "SETUP":
            self._setup(request, sequence)
        elif request.method in ("PLAY", "GET_PARAMETER", "TEARDOWN"):
            self._control(request, sequence)
        else:
            self._reply(501, sequence)

    def _describe(self, request: Request, sequence: str) -> None:
        feed = self._server.feed(request.path)
        if feed is None:
            self._reply(404, sequence)
            return
        host = self._server.host
        body = (
            f"v=0\r\no=- 1 1 IN IP4 {host}\r\ns=lab camera\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\na=control:*\r\n"
            f"{feed.sdp_media()}a=control:{_CONTROL}\r\n"
        )
        base = request.url.rstrip("/") + "/"
        self._reply(200, sequence, {"Content-Base": base, "Content-Type": "application/sdp"}, body)

    def _setup(self, request: Request, sequence: str) -> None:
        feed, transport = self._server.feed(request.path), request.headers.get("transport", "")
        if feed is None:
            self._reply(404, sequence)
            return
        offer = next((one for one in transport.split(",") if "rtp/avp/tcp" in one.lower()), None)
        if offer is None:
            self._reply(461, sequence)
            return
        if self._playing:
            self._reply(455, sequence)
            return
        asked = re.search(r"interleaved=(\d{1,3})-(\d{1,3})", offer)
        if asked and int(asked[1]) < 256 and int(asked[2]) < 256:
            self._channels = (int(asked[1]), int(asked[2]))
        self._feed = feed
        self._session = self._session or secrets.token_hex(8)
        timeout = self._server.behaviour.session_timeout
        headers = {
            "Transport": f"RTP/AVP/TCP;unicast;interleaved={self._channels[0]}-{self._channels[1]}",
            "Session": f"{self._session};timeout={timeout}",
        }
        self._reply(200, sequence, headers)

    def _control(self, request: Request, sequence: str) -> None:
        named = request.headers.get("session", "").partition(";")[0].strip()
        if request.method == "GET_PARAMETER" and not named:
            self._reply(200, sequence)
            return
        if self._session is None or self._feed is None or named != self._session:
            self._reply(454, sequence)
            return
        self._reply(200, sequence, {"Session": self._session})
        if request.method == "PLAY" and not self._playing:
            self._playing = True
            self._feed.join(self)
        elif request.method == "TEARDOWN":
            self._leave()

    def _leave(self) -> None:
        if self._playing and self._feed is not None:
            self._feed.leave(self)
        self._playing = self._in_step = False
        self._session = None

    def _reply(self, status: int, sequence: str, headers: dict[str, str] | None = None, body: str = "") -> None:
        lines = [f"RTSP/1.0 {status} {_REASONS[status]}", f"CSeq: {sequence}", "Server: gateway-lab"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        if body:
            lines.append(f"Content-Length: {len(body.encode())}")
        if self._transport is not None:
            self._transport.write(("\r\n".join(lines) + "\r\n\r\n" + body).encode())


def _parse(head: str) -> Request | None:
    """A request from its lines, or None where it is none."""
    first, *rest = head.split("\r\n")
    words = first.split()
    if len(words) != 3 or not words[2].startswith("RTSP/"):
        return None
    headers = {}
    for line in rest:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return Request(words[0].upper(), words[1], headers)
