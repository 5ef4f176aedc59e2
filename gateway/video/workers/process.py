"""A worker as a process: started by us, or found running. Linux only (pidfd)."""

import asyncio
import contextlib
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.video.decoder.decoder import child_environment

_UCRED = struct.Struct("iII")

WORKER = (sys.executable, "-P", "-m", "gateway.video.worker")


@dataclass(frozen=True, slots=True)
class Budgets:
    """What the workers may use: bytes of keyframes and of complete video in MiB, and cameras being dialled at once: in
    all, in one subnet, behind one address."""

    ring_mib: int = 256
    clip_mib: int = 512
    dials: tuple[int, int, int] = (64, 16, 4)

    def shared(self, workers: int) -> "Budgets":
        """One worker's part. Subnets and addresses mostly lie with one worker, so their dials are not divided."""
        box, subnet, host = self.dials
        ring, clip = max(1, self.ring_mib // workers), self.clip_mib // workers
        return Budgets(ring, clip, (max(1, box // workers), subnet, host))

    def options(self) -> list[str]:
        """As the worker's command line has them."""
        dials = ",".join(str(number) for number in self.dials)
        return ["--ring-mib", str(self.ring_mib), "--clip-mib", str(self.clip_mib), "--dials", dials]


class WorkerProcess:
    """Watches and signals a process through its pidfd, so that no signal can hit a stranger that got the same number."""

    def __init__(self, pid: int, started: "subprocess.Popen[bytes] | None" = None) -> None:
        """Raises ProcessLookupError where there is no such process."""
        self.pid = pid
        self._started = started
        self._pidfd = os.pidfd_open(pid)
        self._ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(self._pidfd, self._reap)

    @classmethod
    def start(cls, listening: Path, command: Sequence[str] = WORKER) -> "WorkerProcess":
        """Start a worker in a session of its own: Ctrl-C at the core's terminal is not meant for it."""
        kept = {name: os.environ[name] for name in ("GATEWAY_LOG_LEVEL",) if name in os.environ}
        process = subprocess.Popen(  # noqa: S603 - our own program
            [*command, "--socket", str(listening)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            env=child_environment() | kept,
        )
        return cls(process.pid, process)

    @property
    def found(self) -> bool:
        """Whether it ran before us."""
        return self._started is None

    @property
    def running(self) -> bool:
        return not self._ended.is_set()

    async def wait(self, within_s: float | None = None) -> bool:
        """Wait for its end; False when it has not come by then."""
        try:
            async with asyncio.timeout(within_s):
                await self._ended.wait()
        except TimeoutError:
            return False
        return True

    def send(self, number: signal.Signals) -> None:
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    def how(self) -> str:
        """How it ended, as far as we can know."""
        code = self._started.poll() if self._started is not None else None
        if code is None:
            return "it ended"
        return f"it was ended by {signal.Signals(-code).name}" if code < 0 else f"it ended with exit code {code}"

    def release(self) -> None:
        """Stop watching it, whether it runs or not."""
        if self._pidfd >= 0:
            asyncio.get_running_loop().remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1

    def _reap(self) -> None:
        if self._started is not None:
            self._started.wait()
        self._ended.set()
        self.release()


def listening_pid(path: Path) -> int | None:
    """Which process listens on a Unix socket, hanging or not; None where none does (unix(7), SO_PEERCRED)."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(os.fspath(path))
        except OSError:
            return None
        pid, _, _ = _UCRED.unpack(probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
        return int(pid)
