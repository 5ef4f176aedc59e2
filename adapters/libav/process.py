"""The parent's side of a child: started for one stream, listened to, and killed if need be."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from pathlib import Path

import adapters
from adapters.libav.wire import HEADER, MAX_BODY, Message, Opening, decode


class Child:
    """One child process. Reading from it raises EOFError or OSError once it is gone, or says what it may not."""

    def __init__(
        self, process: asyncio.subprocess.Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer

    @classmethod
    async def start(cls) -> "Child":
        """Start it; it says READY when its libraries are loaded. Raises OSError."""
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-P",
                    "-m",
                    "adapters.libav.child",
                    str(theirs.fileno()),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    # Whatever native code prints in its last moments may hold the address it reads.
                    stderr=asyncio.subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(),),
                    env=_environment(),
                )
            reader, writer = await asyncio.open_connection(sock=ours)
        except BaseException:
            ours.close()
            raise
        return cls(process, reader, writer)

    @property
    def pid(self) -> int:
        return self._process.pid

    def say(self, order: Opening | bytes) -> None:
        self._writer.write(order.encode() if isinstance(order, Opening) else order)

    async def hear(self) -> Message:
        """The next message."""
        kind, size = HEADER.unpack(await self._reader.readexactly(HEADER.size))
        if size > MAX_BODY:
            raise EOFError  # a child taken over by its stream may say anything
        body = await self._reader.readexactly(size)
        try:
            return decode(kind, body)
        except ValueError:
            raise EOFError from None

    async def end(self, patience: float) -> str:
        """Hang up, give it ``patience`` seconds to tear its session down, kill it, reap it; how it ended."""
        self._writer.close()
        killed = False
        try:
            async with asyncio.timeout(patience):
                await self._process.wait()
        except TimeoutError:
            killed = True
        finally:
            if self._process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    self._process.kill()
        code = await self._process.wait()
        if killed:
            return "it was killed"
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _environment() -> dict[str, str]:
    """Nothing of ours: it may hold passwords (``{env: NAME}`` in the settings) and proxies."""
    kept = {name: os.environ[name] for name in ("PATH", "TZ") if name in os.environ}
    return kept | {"PYTHONPATH": str(Path(adapters.__file__).parents[1])}
