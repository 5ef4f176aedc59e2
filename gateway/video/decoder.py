"""The parent's side of the decoder child: one picture at a time, a deadline for each, a fresh child after a crash."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import gateway
from gateway.errors import DeviceError
from gateway.model import Picture
from gateway.observability.logs import logger
from gateway.video import decoder_child as wire

DEADLINE_S = 5.0
"""For one picture; a 4K keyframe takes about 0.1 s."""
START_S = 20.0
"""Loading PyAV and OpenCV takes 0.4 s on an idle machine."""
QUEUE = 64
"""Pictures that may wait: at 10 to 30 ms each they are served before anyone's deadline."""
_BODY_LIMIT = 32 * 1024 * 1024


class BadKeyframe(DeviceError):
    """This keyframe cannot be made into a picture; trying again would end the same way."""


class Decoder:
    """Decodes keyframes in a child process that may die of any of them.

    A crash or a missed deadline costs the one picture that caused it: it is not tried again, and the next one gets a new
    child. At most ``queue`` pictures wait; more are refused at once.
    """

    def __init__(self, *, deadline_s: float = DEADLINE_S, queue: int = QUEUE) -> None:
        self._deadline = deadline_s
        self._queue = queue
        self._waiting = 0
        self._turn = asyncio.Lock()
        self._child: _Child | None = None
        self._warming: asyncio.Task[None] | None = None
        self.decoded = 0
        self.failed = 0
        self.deaths = 0

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child else None

    async def picture(self, payload: bytes, codec: str, width: int) -> Picture:
        """The keyframe as a JPEG at most ``width`` wide. Raises BadKeyframe, or DeviceError when the decoder is at fault."""
        if codec not in wire.CODECS:
            raise BadKeyframe(f"pictures of {codec} cannot be made")
        try:
            async with self._in_turn():
                picture = await self._decode(payload, codec, width)
        except DeviceError:
            self.failed += 1
            raise
        self.decoded += 1
        return picture

    async def warm(self) -> None:
        """Start the child now, so that the first picture does not wait for it. Raises DeviceError."""
        async with self._turn:
            await self._ready_child()

    async def close(self) -> None:
        if self._warming is not None:
            self._warming.cancel()
            await asyncio.gather(self._warming, return_exceptions=True)
        await self._bury()

    @contextlib.asynccontextmanager
    async def _in_turn(self) -> AsyncIterator[None]:
        if self._waiting >= self._queue:
            raise DeviceError(f"the decoder is busy: {self._waiting} pictures are waiting; ask again later")
        self._waiting += 1
        try:
            async with self._turn:
                yield
        finally:
            self._waiting -= 1

    async def _decode(self, payload: bytes, codec: str, width: int) -> Picture:
        child = await self._ready_child()
        try:
            async with asyncio.timeout(self._deadline):
                return await child.decode(payload, codec, width)
        except TimeoutError:
            await self._replace()
            raise BadKeyframe(f"the keyframe was not decoded within {self._deadline:g} s") from None
        except (EOFError, OSError):
            how = await self._replace()
            raise BadKeyframe(f"the decoder died of the keyframe ({how}); it was started again") from None
        except asyncio.CancelledError:
            # Half an exchange is on the wire: whoever came next would get this one's picture.
            child.kill()
            raise

    async def _ready_child(self) -> "_Child":
        if self._child is not None and self._child.alive:
            return self._child
        await self._bury()
        try:
            async with asyncio.timeout(START_S):
                self._child = await _Child.start()
        except (TimeoutError, EOFError, OSError) as error:
            raise DeviceError(f"the decoder could not be started: {error or 'no sign of life'}") from None
        return self._child

    async def _replace(self) -> str:
        self.deaths += 1
        how = await self._bury()
        logger("video").warning("the decoder ended over a keyframe; starting another", how=how)
        if self._warming is None or self._warming.done():
            self._warming = asyncio.create_task(self._warm_again())
        return how

    async def _warm_again(self) -> None:
        with contextlib.suppress(DeviceError):  # the next picture tries again, and tells its asker
            await self.warm()

    async def _bury(self) -> str:
        child, self._child = self._child, None
        return "" if child is None else await child.end()


class _Child:
    def __init__(
        self, process: asyncio.subprocess.Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer

    @classmethod
    async def start(cls) -> "_Child":
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-P",
                    "-m",
                    "gateway.video.decoder_child",
                    str(theirs.fileno()),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(),),
                    env=child_environment(),
                )
            reader, writer = await asyncio.open_connection(sock=ours)
        except BaseException:
            ours.close()
            raise
        child = cls(process, reader, writer)
        try:
            await reader.readexactly(len(wire.READY))
        except BaseException:
            await child.end()
            raise
        return child

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.returncode is None and not self._writer.is_closing()

    async def decode(self, payload: bytes, codec: str, width: int) -> Picture:
        """Raises EOFError or OSError when the child died, BadKeyframe when the keyframe is no picture."""
        self._writer.write(wire.REQUEST.pack(len(payload), width, wire.CODECS.index(codec)))
        self._writer.write(payload)
        await self._writer.drain()
        status, wide, high, size = wire.ANSWER.unpack(await self._reader.readexactly(wire.ANSWER.size))
        if size > _BODY_LIMIT:
            raise EOFError  # a child taken over by its keyframe may say anything
        body = await self._reader.readexactly(size)
        if status != wire.DONE:
            raise BadKeyframe(body.decode(errors="replace"))
        return Picture(body, wide, high)

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self._writer.close()

    async def end(self) -> str:
        """Kill it if need be, reap it, and say how it ended."""
        died = self._process.returncode
        if died is None and self._reader.at_eof():
            # It hung up by itself; what it died of is known in a moment and tells more than our own kill.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    died = await self._process.wait()
        self.kill()
        code = await self._process.wait()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()
        if died is None:
            return "it was killed"
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def child_environment() -> dict[str, str]:
    """The environment of processes that need none of ours: it may hold passwords (``{env: NAME}`` in the settings)."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR") if name in os.environ}
    root = str(Path(gateway.__file__).parents[1])
    return kept | {"PYTHONPATH": root, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
