"""Faults at chosen system calls of a node, by ``strace --inject`` (strace(1), "Tampering")."""

import asyncio
import contextlib
import math
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import RunningError
from gateway.lab.faultlab.processes import Wrap

FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"

SYNCS = "fsync,fdatasync"
_ATTACHED_WITHIN = 60.0
WRITES = "pwrite64,write,ftruncate,fallocate"


def ledger_files(data_dir: Path) -> tuple[Path, ...]:
    return tuple(data_dir / f"ledger.db{suffix}" for suffix in ("", "-wal", "-shm"))


@dataclass(frozen=True, slots=True)
class Injection:
    """``calls`` get ``what``: ``error=EIO``, ``signal=KILL``, ``delay_enter=…`` (µs). ``when``: strace's
    FIRST[..LAST][+[STEP]], counted for each thread. ``paths``: only calls on these files."""

    calls: str
    what: str
    when: str
    paths: tuple[Path, ...] = ()

    def words(self) -> tuple[str, ...]:
        """strace's own. What it would tell of every call goes nowhere: thousands of lines a second would measure the log.

        Not with --seccomp-bpf, though it is quicker: with it strace 6.1 passes over injected signals.
        """
        only = tuple(word for path in self.paths for word in ("-P", str(path)))
        rules = ("-e", f"trace={self.calls}", "-e", f"inject={self.calls}:{self.what}:when={self.when}")
        return ("strace", "-f", "-qqq", "-o", "/dev/null", *only, *rules)

    def from_the_start(self) -> Wrap:
        """For a node that is to be started under it."""
        return Wrap(self.words())


@asynccontextmanager
async def attached(injection: Injection, pid: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """A running process is under it, until the end of the block (or its own). Raises RunningError where it cannot be."""
    tracer = await asyncio.create_subprocess_exec(
        *injection.words(),
        *("-p", str(pid)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        await _until_attached(tracer, pid)
        yield tracer
    finally:
        with contextlib.suppress(ProcessLookupError):
            tracer.terminate()  # it lets go of the process, which goes on
        await tracer.communicate()


async def _until_attached(tracer: asyncio.subprocess.Process, pid: int) -> None:
    deadline = time.monotonic() + _ATTACHED_WITHIN
    while not _all_traced(pid):
        if tracer.returncode is not None or time.monotonic() > deadline:
            said = b"" if tracer.returncode is None else (await tracer.communicate())[1]
            raise RunningError(f"strace could not attach to process {pid}: {said.decode(errors='replace').strip()}")
        await asyncio.sleep(0.01)


def _all_traced(pid: int) -> bool:
    try:
        threads = [task.joinpath("status").read_text(encoding="ascii") for task in Path(f"/proc/{pid}/task").iterdir()]
    except OSError:
        return True  # it has ended: there is nothing more to wait for
    return all("TracerPid:\t0\n" not in status for status in threads)


def early_or_late(rng: random.Random, most: int) -> int:
    """A number from 1 to ``most``, as often below a tenth of it as above: beginnings have their own faults."""
    return max(1, min(most, round(math.exp(rng.uniform(0, math.log(most))))))


def clock(file: Path) -> Wrap:
    """A clock of its own for this process, as far from ours as ``file`` says (libfaketime); what counts up stays true."""
    return Wrap(
        environment={
            "LD_PRELOAD": FAKETIME,
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_CACHE_DURATION": "1",  # seconds; without a cache every look at the clock reads the file
            "DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
    )
