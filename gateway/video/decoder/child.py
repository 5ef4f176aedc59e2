"""A decoder's child process as its worker sees it: started, asked one thing at a time, killed, buried."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import gateway
from gateway.video.decoder import wire

_BODY_LIMIT = 64 * 1024 * 1024
_PIECE = 256 * 1024
"""A clip of 30 MB goes over in pieces, so that cameras and pictures have the loop in between."""


class Refusal(Exception):
    """The child's own words why it made nothing of what it was given."""


class DecoderChild:
    """One child process and the socket to it. An exchange that did not end leaves it useless: kill it."""

    def __init__(
        self, process: asyncio.subprocess.Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer

    @classmethod
    async def start(cls, *options: str) -> "DecoderChild":
        """Raises EOFError, OSError, TimeoutError when it does not come up."""
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-P",
                    "-m",
                    "gateway.video.decoder_child",
                    str(theirs.fileno()),
                    *options,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(),),
                    env=child_environment(),
                )
            reader, writer = await asyncio.open_connection(sock=ours, limit=_PIECE)
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

    async def ask(self, operation: int, codec: str, width: int, parts: Sequence[bytes]) -> tuple[list[bytes], int, int]:
        """(body in pieces, width, height). Raises EOFError or OSError when the child died, Refusal when it will not."""
        size = sum(map(len, parts))
        self._writer.write(wire.REQUEST.pack(operation, wire.CODECS.index(codec), width, size))
        for piece in _in_pieces(parts):
            self._writer.write(piece)
            await self._writer.drain()
        status, wide, high, size = wire.ANSWER.unpack(await self._reader.readexactly(wire.ANSWER.size))
        if size > _BODY_LIMIT:
            raise EOFError  # a child taken over by its keyframe may say anything
        body = [piece async for piece in self._receive(size)]
        if status != wire.DONE:
            raise Refusal(b"".join(body).decode(errors="replace"))
        return body, wide, high

    async def _receive(self, size: int) -> AsyncIterator[bytes]:
        while size:
            piece = await self._reader.readexactly(min(size, _PIECE))
            size -= len(piece)
            yield piece

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


def _in_pieces(parts: Sequence[bytes]) -> Iterator[bytes | memoryview]:
    """The same bytes in pieces that are neither many nor long: a clip is 1,500 pictures."""
    small: list[bytes] = []
    size = 0
    for part in parts:
        if size + len(part) > _PIECE:
            yield b"".join(small)
            small, size = [], 0
        if len(part) > _PIECE:
            view = memoryview(part)
            yield from (view[start : start + _PIECE] for start in range(0, len(part), _PIECE))
        else:
            small.append(part)
            size += len(part)
    yield b"".join(small)


def child_environment() -> dict[str, str]:
    """The environment of processes that need none of ours: it may hold passwords (``{env: NAME}`` in the settings)."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR") if name in os.environ}
    root = str(Path(gateway.__file__).parents[1])
    return kept | {"PYTHONPATH": root, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
