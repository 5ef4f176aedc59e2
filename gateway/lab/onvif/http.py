"""The least of HTTP/1.1 (RFC 9112) that a camera's web server speaks: requests with a length, connections kept alive.

Written by hand because the simulated devices must cost less than what is measured against them.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

_LARGEST_HEAD = 32 * 1024
_LARGEST_BODY = 1024 * 1024
_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 500: "Internal Server Error"}
SOAP = "application/soap+xml; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Request:
    """``path`` is as it was sent, with its query. Names of ``headers`` are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


Handler = Callable[[Request, "Exchange"], None]


class Exchange:
    """The answer to one request; it may come whenever the device has one. What is sent to a client that left is lost."""

    __slots__ = ("_connection", "_done", "gone")

    def __init__(self, connection: "Connection") -> None:
        self._connection = connection
        self._done = False
        self.gone: Callable[[], None] | None = None  # called when the client leaves before it was answered

    @property
    def done(self) -> bool:
        return self._done

    def send(self, status: int, body: bytes = b"", kind: str = SOAP, headers: tuple[tuple[str, str], ...] = ()) -> None:
        """The whole answer."""
        if self._done:
            return
        more = "".join(f"{name}: {value}\r\n" for name, value in headers)
        head = f"HTTP/1.1 {status} {_REASONS.get(status, 'Status')}\r\nContent-Type: {kind}\r\n{more}"
        self._done = True
        self._connection.answered(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    def begin(self, head: bytes) -> "asyncio.Transport":
        """Take the connection over for an answer that is none: its bytes are the caller's."""
        self._done = True
        transport = self._connection.transport
        transport.write(head)
        return transport

    def hang_up(self) -> None:
        """Close without an answer."""
        self._done = True
        self._connection.transport.close()


class Connection(asyncio.Protocol):
    """One client's connection to a device. Requests are answered one after the other."""

    def __init__(self, handle: Handler, gone: Callable[["Connection"], None]) -> None:
        self._handle, self._gone = handle, gone
        self._buffer = bytearray()
        self._open: Exchange | None = None
        self.transport: asyncio.Transport = cast(asyncio.Transport, None)
        self.opening: asyncio.Task[None] | None = None  # kept: a loop holds its tasks but weakly

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, _: Exception | None) -> None:
        self._gone(self)
        exchange, self._open = self._open, None
        if exchange is not None and not exchange.done and exchange.gone is not None:
            exchange.gone()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._open is None:
            self._next()
        elif len(self._buffer) > _LARGEST_BODY:
            self.transport.abort()

    def answered(self, answer: bytes) -> None:
        if self.transport.is_closing():
            return
        self.transport.write(answer)
        self._open = None
        if self._buffer:
            self._next()

    def reset(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def _next(self) -> None:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > _LARGEST_HEAD:
                self.transport.abort()
            return
        first, *lines = self._buffer[:end].decode("latin-1").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > _LARGEST_BODY or "transfer-encoding" in headers:
            self.transport.abort()
            return
        if len(self._buffer) < end + 4 + int(length):
            return
        body = bytes(self._buffer[end + 4 : end + 4 + int(length)])
        del self._buffer[: end + 4 + int(length)]
        method, _, rest = first.partition(" ")
        exchange = self._open = Exchange(self)
        self._handle(Request(method, rest.partition(" ")[0], headers, body), exchange)
