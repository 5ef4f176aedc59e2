"""The gateway's side of the inspecting process: started, given sockets, ended."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from pathlib import Path

import adapters
from adapters.onvif.inspection import wire

_START_S = 60.0
"""It takes one second here; on a small, busy box it may take many."""
_PATIENCE_S = 2.0


class InspectionProcess:
    """One process that loads the library once and inspects, each time in a fork."""

    def __init__(self, process: asyncio.subprocess.Process, control: socket.socket) -> None:
        self._process = process
        self._control = control

    @classmethod
    async def start(cls) -> "InspectionProcess":
        """Returns when it is ready. Raises EOFError, OSError or TimeoutError when it does not come up."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        try:
            with theirs:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-P",
                    "-m",
                    "adapters.onvif.inspection.child",
                    str(theirs.fileno()),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=asyncio.subprocess.DEVNULL,  # what a library prints in its last moments may hold a password
                    pass_fds=(theirs.fileno(),),
                    env=_environment(),
                    start_new_session=True,
                )
        except BaseException:
            ours.close()
            raise
        started = cls(process, ours)
        try:
            async with asyncio.timeout(_START_S):
                if not await asyncio.get_running_loop().sock_recv(ours, len(wire.READY)):
                    raise EOFError
        except BaseException:
            await started.end()
            raise
        return started

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        """It has not hung up, which it does by dying and is seen before it is buried."""
        try:
            return bool(self._control.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except BlockingIOError:
            return True
        except OSError:
            return False

    def open(self) -> socket.socket:
        """A socket to a fork of its own. Raises OSError."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                socket.send_fds(self._control, [wire.INSPECT], [theirs.fileno()])
            except BaseException:
                ours.close()
                raise
        return ours

    async def end(self) -> None:
        """Hang up, wait a moment, kill what is left, reap it."""
        self._control.close()
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await self._process.wait()
        except TimeoutError:
            pass
        finally:
            if self._process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()


def _environment() -> dict[str, str]:
    """Nothing of ours: it may hold passwords (``{env: NAME}`` in the settings) and proxies."""
    kept = {name: os.environ[name] for name in ("PATH", "TZ") if name in os.environ}
    return kept | {"PYTHONPATH": str(Path(adapters.__file__).parents[1])}
