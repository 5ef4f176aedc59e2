"""A link that fails: a TCP proxy on loopback that loses, delays, cuts, repeats and reorders, as its weather says."""

import asyncio
import contextlib
import random
import socket
import struct
from dataclasses import dataclass

_CHUNK = 16_384
_CONNECT_WITHIN = 10.0
_REPEAT_WITHIN = 2.0  # a repeated request's answer is waited for, so that the receiver can finish it
_REPEAT_AT_MOST = 65_536  # longer requests (pictures) are not repeated


@dataclass(frozen=True, slots=True)
class Weather:
    """What the link does to what passes. ``rate``: bytes a second each way; ``delay``: seconds each way.

    ``black_hole``: connections are accepted, and nothing passes or is answered. ``refuse``: new connections get a RST.
    ``truncate``: a connection is closed after so many bytes of answer. ``repeat``: the share of requests (what one side
    sent until the other answered) that arrive a second time, over another connection. ``overtaken``: a new connection is
    held for up to so many seconds, so that later ones overtake it.
    """

    black_hole: bool = False
    refuse: bool = False
    rate: float | None = None
    delay: float = 0.0
    truncate: int | None = None
    repeat: float = 0.0
    overtaken: float = 0.0


CLEAR = Weather()


class FaultLink:
    """Listens on ``port`` (any free one unless told) and passes on to ``target``, which may be changed for new connections."""

    def __init__(
        self,
        target: tuple[str, int],
        *,
        rng: random.Random | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.target = target
        self._weather = CLEAR
        self._passing = asyncio.Event()
        self._passing.set()
        self.host, self.port = host, port
        self.passed = 0  # connections
        self._rng = rng or random.Random()
        self._server: asyncio.Server | None = None
        self._open: set[_Passage] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def weather(self) -> Weather:
        """What it does now, to standing and to new connections."""
        return self._weather

    @weather.setter
    def weather(self, weather: Weather) -> None:
        self._weather = weather
        if weather.black_hole:
            self._passing.clear()
        else:
            self._passing.set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """End listening and every connection."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None
        for passage in list(self._open):
            passage.reset()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def reset(self) -> int:
        """Every standing connection gets a RST on both sides; the number of them."""
        standing = list(self._open)
        for passage in standing:
            passage.reset()
        return len(standing)

    def half_open(self) -> int:
        """Every standing connection passes nothing more, for ever, and neither side hears of it; new ones are well."""
        standing = list(self._open)
        for passage in standing:
            passage.fall_silent()
        return len(standing)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._pass(reader, writer)
        except asyncio.CancelledError:
            pass  # by close; asyncio's server would log it as a fault
        finally:
            _cut(writer)
            self._tasks.discard(task)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.passed += 1
        weather = self.weather
        if weather.refuse:
            return
        if weather.overtaken:
            await asyncio.sleep(self._rng.uniform(0, weather.overtaken))
        await self.until_passing()
        async with asyncio.timeout(_CONNECT_WITHIN):
            upper_reader, upper_writer = await asyncio.open_connection(*self.target)
        passage = _Passage(self, writer, upper_writer)
        self._open.add(passage)
        try:
            await passage.run(reader, upper_reader)
        finally:
            self._open.discard(passage)
            _cut(upper_writer)

    async def until_passing(self) -> None:
        await self._passing.wait()

    def lucky(self, share: float) -> bool:
        return share > 0 and self._rng.random() < share

    def repeat(self, request: bytes) -> None:
        task = asyncio.get_running_loop().create_task(self._repeat(request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _repeat(self, request: bytes) -> None:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection(*self.target)
            try:
                writer.write(request)
                await writer.drain()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_REPEAT_WITHIN):
                        while await reader.read(_CHUNK):
                            pass
            finally:
                writer.close()


class _Passage:
    """One connection through the link."""

    def __init__(self, link: FaultLink, lower: asyncio.StreamWriter, upper: asyncio.StreamWriter) -> None:
        self._link, self._lower, self._upper = link, lower, upper
        self._alive = asyncio.Event()
        self._alive.set()
        self._request = bytearray()
        self._answered = 0

    async def run(self, lower: asyncio.StreamReader, upper: asyncio.StreamReader) -> None:
        """Until both sides have ended, or one way broke."""
        ways = [
            asyncio.create_task(self._way(lower, self._upper, upward=True)),
            asyncio.create_task(self._way(upper, self._lower, upward=False)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    def fall_silent(self) -> None:
        self._alive.clear()

    def reset(self) -> None:
        self._alive.set()
        _reset(self._lower)
        _reset(self._upper)

    async def _way(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, upward: bool) -> None:
        while chunk := await reader.read(_CHUNK):
            weather = self._link.weather
            if weather.rate is not None:
                await asyncio.sleep(len(chunk) / weather.rate)
            if weather.delay:
                await asyncio.sleep(weather.delay)
            # What was on its way is lost together with the connection's future: TCP would send it again, a hole does not.
            await self._until_heard()
            self._note(chunk, upward=upward)
            if not upward and weather.truncate is not None and self._answered > weather.truncate:
                writer.write(chunk[: max(0, len(chunk) - (self._answered - weather.truncate))])
                await writer.drain()
                raise ConnectionAbortedError("cut off by the link's weather")
            writer.write(chunk)
            await writer.drain()
        await self._until_heard()
        if writer.can_write_eof():
            writer.write_eof()

    async def _until_heard(self) -> None:
        await self._link.until_passing()
        await self._alive.wait()

    def _note(self, chunk: bytes, *, upward: bool) -> None:
        if upward:
            self._request += chunk[: _REPEAT_AT_MOST + 1 - len(self._request)]
            return
        self._answered += len(chunk)
        whole = 0 < len(self._request) <= _REPEAT_AT_MOST
        if whole and self._link.lucky(self._link.weather.repeat):
            self._link.repeat(bytes(self._request))
        self._request.clear()


def _cut(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        writer.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    """SO_LINGER of zero: the close sends a RST and forgets what was not sent."""
    sock = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
