"""The TCP connection to a camera: bytes in place, one timer, and the dialogue's bytes out."""

import asyncio
import socket
from collections.abc import Callable
from typing import Protocol, cast

from adapters.rtsp.buffer import ReceiveBuffer
from adapters.rtsp.message import Request, Response
from adapters.rtsp.protocol import Demultiplexer
from adapters.rtsp.session import Session, State
from gateway.errors import DeviceError, ProtocolFault, Unreachable

_MAX_UNSENT = 64 * 1024  # a peer that asks and never reads
# What the kernel may hold for a camera while we are busy: a keyframe's burst, and not the megabytes that it would grant
# by itself, times two thousand cameras.
_KERNEL_BUFFER = 256 * 1024
# A camera takes 0.3 ms of a second. One that takes a quarter of all time, in two looks running, sends what no camera
# sends (tiny packets at line rate), and every other camera of this worker waits for it.
_MOST_TIME = 0.25
_LOOKS = 2
_SOCKET_OPTIONS = (
    (socket.SOL_SOCKET, socket.SO_RCVBUF, _KERNEL_BUFFER),
    # A peer that vanished without a word: the kernel finds out by itself, whatever we wait for.
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 20),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 20_000),
)


class Owner(Protocol):
    """What a connection is for."""

    def before_walk(self) -> None:
        """A burst of bytes has come and will be read now."""

    def message_read(self, connection: "Connection") -> None:
        """The session has taken a message; its answer is not sent yet. May raise DeviceError, which ends it all."""

    def tick(self, now: float) -> bytes:
        """About once a second while the connection stands; what it returns is sent."""


class Connection(asyncio.BufferedProtocol):
    """Moves bytes between the socket, the demultiplexer and the session; ``ended`` holds what broke it.

    ``size`` counts the bytes received since its reader set it back; ``interval`` is the time between ticks in seconds.
    """

    def __init__(
        self,
        session: Session,
        buffer: ReceiveBuffer,
        mono: Callable[[], float],
        owner: Owner,
        *,
        authority: str,
        interval: float,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._spent = 0.0  # seconds that reading took since the last tick
        self._greedy = 0
        self.demultiplexer = Demultiplexer(self._take_message)
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self.closed = asyncio.Event()
        self.size = 0
        self._session = session
        self._buffer = buffer
        self._mono = mono
        self._owner = owner
        self._before_walk = owner.before_walk
        self._authority = authority
        self._interval = interval
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._tail = b""
        self._now = 0.0

    @property
    def addresses(self) -> tuple[str, str]:
        """Ours and the camera's, numeric."""
        assert self._transport is not None, "connected"
        return self._transport.get_extra_info("sockname")[0], self._transport.get_extra_info("peername")[0]

    # ------------------------------------------------------------------------------------------ asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own does not inherit from it
        if (sock := transport.get_extra_info("socket")) is not None:
            for level, option, value in _SOCKET_OPTIONS:
                sock.setsockopt(level, option, value)
        self._send(self._session.begin(self._mono()))
        self._timer = self._loop.call_later(self._interval, self._tick)

    def get_buffer(self, sizehint: int) -> memoryview:
        tail = self._tail
        if not tail:
            return self._buffer.view
        self._buffer.data[: len(tail)] = tail
        return self._buffer.view[len(tail) :]

    def buffer_updated(self, nbytes: int) -> None:
        buffer, end = self._buffer, len(self._tail) + nbytes
        self.size += nbytes
        self._now = now = self._mono()
        self._before_walk()
        try:
            used = self.demultiplexer.walk(buffer.data, buffer.view, end, now)
        except DeviceError as error:
            self.end(error)
            used = end
        self._tail = bytes(buffer.view[used:end]) if used < end else b""
        self._spent += self._mono() - now

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self.closed.set()
        if exc is not None and not isinstance(exc, OSError):
            self.end(exc)  # a fault of ours: let it be seen
            return
        how = f"broke the connection ({exc.strerror or exc})" if exc else "closed the connection"
        doing = "while playing" if self._session.state is State.PLAYING else "before playing"
        self.end(Unreachable(f"{self._authority} {how} {doing}"))

    # ------------------------------------------------------------------------------------------ our side

    def end(self, error: Exception) -> None:
        """Nothing more is to be had from this connection; whoever waits for ``ended`` closes it."""
        if not self.ended.done():
            self.ended.set_exception(error)

    def abandon(self) -> None:
        """Nobody will wait for the end of this connection: it never stood."""
        if not self.ended.cancel() and not self.ended.cancelled():
            self.ended.exception()

    async def close(self, within: float) -> None:
        """TEARDOWN, wait a moment for its answer, and drop the connection, whatever the camera does."""
        if self._transport is None:
            return
        if self._timer is not None:
            self._timer.cancel()
        self.demultiplexer.detach()
        try:
            if not self.closed.is_set() and (request := self._session.teardown(self._mono())):
                self._transport.write(request)
                async with asyncio.timeout(within):
                    await self.closed.wait()
        except TimeoutError:
            pass  # the camera will find out by itself
        finally:
            self._transport.abort()

    def _take_message(self, message: Request | Response) -> None:
        answer = self._session.receive(message, self._now)
        if self._session.state is State.CLOSED:
            self.closed.set()
        self._owner.message_read(self)
        self._send(answer)

    def _tick(self) -> None:
        self._timer = self._loop.call_later(self._interval, self._tick)
        try:
            self._watch_time()
            self._send(self._owner.tick(self._mono()))
        except DeviceError as error:
            self.end(error)

    def _watch_time(self) -> None:
        greedy, self._spent = self._spent > _MOST_TIME * self._interval, 0.0
        self._greedy = self._greedy + 1 if greedy else 0
        if self._greedy >= _LOOKS:
            raise ProtocolFault(
                f"{self._authority} sends so much that reading it takes more than {_MOST_TIME:.0%} of a processor; "
                "look at what is behind that address"
            )

    def _send(self, data: bytes) -> None:
        if not data or self._transport is None:
            return
        if self._transport.get_write_buffer_size() > _MAX_UNSENT:
            raise Unreachable(f"{self._authority} asks and does not read the answers")
        self._transport.write(data)
