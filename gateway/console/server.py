"""One HTTP listener: uvicorn without its signal handlers, its access log and its exit codes."""

import asyncio
import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from gateway.errors import ListenFailed, UsageError

_BACKLOG = 512
_CONNECTIONS = 1000  # below the usual limit of 1,024 open files; one more is told 503
_KEEP_ALIVE_S = 65  # above the 60 s that reverse proxies keep a connection, so that it is they who close it
_FIRST_REQUEST_S = 30.0
_HANDSHAKE_S = 30.0  # of a WebSocket
_SILENT_OF_ONE = 100  # connections of one address that have asked nothing yet: one host cannot take every place
_HEADER_BYTES = 64 * 1024
_GRACE_S = 3.0
_MESSAGE_BYTES = 4 * 1024 * 1024  # of a WebSocket: an access unit from a lower node
_UNREADABLE = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_PING_S = 10.0  # a lower node whose path died without a word is found within twice that


class Certificate(Protocol):
    """PEM files of a TLS listener."""

    @property
    def certificate(self) -> Path: ...
    @property
    def key(self) -> Path: ...


class HttpServer:
    """``app`` served on ``host:port``; port 0 takes a free one, which ``port`` tells after ``start``.

    Every request's ``scope["state"]["stopping"]`` is an ``asyncio.Event`` that is set when the server begins to stop:
    a long answer (an event stream) ends itself then, instead of being cancelled when the grace is over. ``websockets``:
    whether ``app`` speaks them; else a request to upgrade is answered as any other.
    """

    def __init__(
        self, app: ASGIApp, host: str, port: int, tls: Certificate | None = None, *, websockets: bool = False
    ) -> None:
        self._app = app
        self._websockets = websockets
        self.host = host
        self.port = port
        self._tls = tls
        self._stopping = asyncio.Event()
        self._sockets: list[socket.socket] = []
        self._server: _Server | None = None
        self._running = False
        self._done = asyncio.Event()

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}"

    async def start(self) -> None:
        """Bind and listen; connections wait until ``run``. Raises ListenFailed, or UsageError for unusable TLS files."""
        config = uvicorn.Config(
            self._serve,
            loop="none",
            http=_Connection,
            ws=_Socket if self._websockets else "none",
            ws_max_size=_MESSAGE_BYTES,
            ws_ping_interval=_PING_S,
            ws_ping_timeout=_PING_S,
            ws_per_message_deflate=False,
            lifespan="off",
            interface="asgi3",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=_CONNECTIONS,
            backlog=_BACKLOG,
            timeout_keep_alive=_KEEP_ALIVE_S,
            h11_max_incomplete_event_size=_HEADER_BYTES,
            **self._tls_options(),
        )
        try:
            config.load()
        except OSError as error:  # ssl.SSLError is one
            raise UsageError(f"http.tls: cannot use {self._tls_files()}: {error.strerror or error}") from None
        self._sockets = await self._listen()
        self.port = self._sockets[0].getsockname()[1]
        self._server = _Server(config)

    async def run(self) -> None:
        """Serve until ``stop``; also when cancelled, the sockets are closed on return."""
        server = self._server
        if server is None:
            raise RuntimeError("start() comes before run()")
        if self._stopping.is_set():
            return
        self._running = True
        try:
            await server.serve(self._sockets)
        finally:
            self._stopping.set()
            for listener in getattr(server, "servers", []):
                listener.close()
            self._close_sockets()
            self._done.set()

    async def stop(self, within: float = _GRACE_S) -> None:
        """Take no more connections, let answers under way end for at most ``within`` seconds, then cut them off."""
        self._stopping.set()
        server = self._server
        if server is None or not self._running:
            self._close_sockets()
            return
        server.config.timeout_graceful_shutdown = max(1, round(within))
        server.should_exit = True
        try:
            async with asyncio.timeout(within + 2):
                await self._done.wait()
        except TimeoutError:
            server.force_exit = True  # which uvicorn understands as: leave them to themselves
            for task in list(server.server_state.tasks):
                task.cancel()

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})["stopping"] = self._stopping
        begun = False

        async def answer(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, answer)
        except asyncio.CancelledError:
            # uvicorn would log each client that hangs past the grace as a failure of the application, with a traceback.
            if not self._stopping.is_set():
                raise
            if not begun and scope["type"] == "http":
                await _stopped(send)

    async def _listen(self) -> list[socket.socket]:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(
                self.host or None, self.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )
        except socket.gaierror as error:
            raise self._failed(error.strerror or str(error)) from None
        sockets: list[socket.socket] = []
        try:
            for family, kind, proto, _, address in dict.fromkeys(found):
                port = sockets[0].getsockname()[1] if sockets else self.port
                sockets.append(_bound(family, kind, proto, (address[0], port, *address[2:])))
        except OSError as error:
            for opened in sockets:
                opened.close()
            raise self._failed(os.strerror(error.errno) if error.errno else str(error), error.errno) from None
        return sockets

    def _failed(self, reason: str, number: int | None = None) -> ListenFailed:
        advice = {errno.EADDRINUSE: "end what uses that address", errno.EACCES: "ports below 1024 need a right"}
        what_to_do = advice.get(number or 0, "that address is not this machine's")
        return ListenFailed(
            f"cannot listen on {self.host}:{self.port}: {reason.lower()}; {what_to_do}, or give another one in the"
            " configuration"
        )

    def _tls_options(self) -> dict[str, Any]:
        if self._tls is None:
            return {}
        return {"ssl_certfile": self._tls.certificate, "ssl_keyfile": self._tls.key}

    def _tls_files(self) -> str:
        return "" if self._tls is None else f"{self._tls.certificate} with {self._tls.key}"

    def _close_sockets(self) -> None:
        for opened in self._sockets:
            opened.close()


async def _stopped(send: Send) -> None:
    headers = [(b"content-length", b"0"), (b"connection", b"close"), (b"retry-after", b"5")]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the application's, which stops more than this listener."""
        yield


class _Connection(H11Protocol):
    """uvicorn waits for ever for a connection's first request; this does not, and not for many of one address."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._upgraded = False
        if self._silent_of_this_address() > _SILENT_OF_ONE:
            transport.abort()
            return
        self.loop.call_later(_FIRST_REQUEST_S, self._close_if_silent)

    def handle_websocket_upgrade(self, event: Any) -> None:
        self._upgraded = True  # the transport is another protocol's now
        super().handle_websocket_upgrade(event)

    def _silent_of_this_address(self) -> int:
        host = self.client[0] if self.client else None
        fellows = (one for one in self.connections if isinstance(one, _Connection))
        return sum(one.cycle is None and one.client is not None and one.client[0] == host for one in fellows)

    def _close_if_silent(self) -> None:
        if self.cycle is None and not self._upgraded and not self.transport.is_closing():
            self.transport.close()


class _Socket(WebSocketsSansIOProtocol):
    """uvicorn holds a connection for ever whose request to upgrade cannot be read (a long line, many headers, a body), and
    one whose handshake does not end; whoever has no token could take every place so."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.loop.call_later(_HANDSHAKE_S, self._close_if_unshaken)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self.handshake_initiated and self.conn.handshake_exc is not None and not self.transport.is_closing():
            self.handshake_complete = True
            self.transport.write(_UNREADABLE)
            self.transport.close()

    def _close_if_unshaken(self) -> None:
        if not self.handshake_complete and not self.transport.is_closing():
            self.transport.abort()


def _bound(family: int, kind: int, proto: int, address: tuple[Any, ...]) -> socket.socket:
    opened = socket.socket(family, kind, proto)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.bind(address)
        opened.listen(_BACKLOG)
        opened.setblocking(False)
    except OSError:
        opened.close()
        raise
    return opened
