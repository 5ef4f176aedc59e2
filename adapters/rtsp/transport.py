"""The TCP connection to a camera: bytes in place, one timer, and the dialogue's bytes out."""

import asyncio
from collections.abc import Callable
from typing import cast

from adapters.rtsp.message import Request, Response
from adapters.rtsp.protocol import MAX_UNFINISHED, Demultiplexer
from adapters.rtsp.session import Session, State
from gateway.errors import DeviceError, Unreachable

RECEIVE_SIZE = 256 * 1024
_MAX_UNSENT = 64 * 1024  # a peer that asks and never reads


class ReceiveBuffer:
    """Where bytes are received: one for all connections of an event loop.

    That is safe because get_buffer, the system's recv and buffer_updated follow each other within one callback of the
    loop, in asyncio's selector transport as in uvloop's (libuv calls alloc, read and read_cb in a row); what a
    connection could not use yet it keeps itself and brings back in its next get_buffer. One buffer stays in the
    processor's cache, and a thousand cameras do not need a thousand of them. Not for sharing between threads.
    """

    __slots__ = ("data", "view")

    def __init__(self, size: int = RECEIVE_SIZE) -> None:
        if size <= MAX_UNFINISHED:
            raise ValueError(f"a receive buffer has more than {MAX_UNFINISHED} bytes")
        self.data = bytearray(size)
        self.view = memoryview(self.data)


class Connection(asyncio.BufferedProtocol):
    """Moves bytes between the socket, the demultiplexer and the session; ``ended`` holds what broke it.

    ``before_walk`` is called ahead of each burst with its time, ``on_message_done`` behind each message (the session may
    have a channel now), ``on_tick`` each ``interval`` with the bytes received since the last.
    """

    def __init__(
        self,
        session: Session,
        buffer: ReceiveBuffer,
        mono: Callable[[], float],
        *,
        authority: str,
        interval: float,
        before_walk: Callable[[], None],
        on_message_done: Callable[["Connection"], None],
        on_tick: Callable[[int], None],
        keyframe_at: Callable[[], float],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.demultiplexer = Demultiplexer(self._take_message)
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self.closed = asyncio.Event()
        self._session = session
        self._buffer = buffer
        self._mono = mono
        self._authority = authority
        self._interval = interval
        self._before_walk = before_walk
        self._on_message_done = on_message_done
        self._on_tick = on_tick
        self._keyframe_at = keyframe_at
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._tail = b""
        self._received = 0
        self._now = 0.0

    # ------------------------------------------------------------------------------------------ asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own does not inherit from it
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
        self._received += nbytes
        self._now = now = self._mono()
        self._before_walk()
        try:
            used = self.demultiplexer.walk(buffer.data, buffer.view, end, now)
        except DeviceError as error:
            self._end(error)
            used = end
        self._tail = bytes(buffer.view[used:end]) if used < end else b""

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self.closed.set()
        if exc is not None and not isinstance(exc, OSError):
            self._end(exc)  # a fault of ours: let it be seen
            return
        how = f"broke the connection ({exc.strerror or exc})" if exc else "closed the connection"
        doing = "while playing" if self._session.state is State.PLAYING else "before playing"
        self._end(Unreachable(f"{self._authority} {how} {doing}"))

    # ------------------------------------------------------------------------------------------ our side

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
        self._send(self._session.receive(message, self._now))
        if self._session.state is State.CLOSED:
            self.closed.set()
        self._on_message_done(self)

    def _tick(self) -> None:
        self._timer = self._loop.call_later(self._interval, self._tick)
        received, self._received = self._received, 0
        self._on_tick(received)
        seen, self.demultiplexer.media_seen = self.demultiplexer.media_seen, False
        try:
            self._send(self._session.tick(self._mono(), media_seen=seen, keyframe_at=self._keyframe_at()))
        except DeviceError as error:
            self._end(error)

    def _send(self, data: bytes) -> None:
        if not data or self._transport is None:
            return
        if self._transport.get_write_buffer_size() > _MAX_UNSENT:
            raise Unreachable(f"{self._authority} asks and does not read the answers")
        self._transport.write(data)

    def _end(self, error: Exception) -> None:
        if not self.ended.done():
            self.ended.set_exception(error)
