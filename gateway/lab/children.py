"""Child processes of the lab: started in sessions of their own (Ctrl-C is ours to pass on), logged, ended by pid."""

import asyncio
import contextlib
import json
import os
import secrets
import signal
import socket
import sys
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from gateway.errors import RunningError

Result = TypeVar("Result")

_TAIL_LINES = 15
_KILL_WITHIN = 10.0
_PORTS = range(20_000, 32_000)


class Child:
    """One process with its log file. ``leashed`` ones end when we do, because their standard input then closes."""

    def __init__(self, name: str, log: Path) -> None:
        self.name, self.log = name, log
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self.name} has not been started"
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(
        self,
        *arguments: str,
        program: str = sys.executable,
        pipes: bool = False,
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Start; stderr (and stdout unless ``pipes``) goes to the log. ``pipes`` opens stdin and stdout to us.
        ``environment`` comes on top of ours."""
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                program,
                *arguments,
                stdin=asyncio.subprocess.PIPE if pipes else asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE if pipes else log,
                stderr=log,
                start_new_session=True,
                env=os.environ | environment,
            )

    async def start_leashed(
        self,
        *arguments: str,
        greeting: str = "",
        within: float = 60.0,
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> dict[str, Any]:
        """Start, write ``greeting`` and wait for the one line of JSON that says it is ready."""
        await self.start(*arguments, pipes=True, environment=environment)
        assert self._process is not None and self._process.stdin is not None and self._process.stdout is not None
        try:
            async with asyncio.timeout(within):
                if greeting:
                    self._process.stdin.write(greeting.encode() + b"\n")
                line = await self._process.stdout.readline()
        except TimeoutError:
            raise RunningError(f"{self.name} was not ready within {within:.0f} s\n{self.tail()}") from None
        if not line:
            await self._process.wait()
            raise RunningError(f"{self.name} did not start:\n{self.tail()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    async def ask(self, order: dict[str, Any], within: float = 30.0) -> dict[str, Any]:
        """Write one line of JSON to it and read its one-line answer. Raises RunningError when none comes."""
        assert self._process is not None and self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        try:
            async with asyncio.timeout(within):
                line = await self._process.stdout.readline()
            answer: dict[str, Any] = json.loads(line)
        except (TimeoutError, ValueError):
            raise RunningError(f"{self.name} did not answer {order}:\n{self.tail()}") from None
        return answer

    async def guard(self) -> None:
        """Never return; raise RunningError with its last words when it ends."""
        assert self._process is not None, f"{self.name} has not been started"
        await self._process.wait()
        raise RunningError(f"{self.name} ended unexpectedly; the log ends with:\n{self.tail()}")

    async def ended(self) -> None:
        """Until it ends, for whatever reason."""
        assert self._process is not None, f"{self.name} has not been started"
        await self._process.wait()

    async def lines(self) -> AsyncIterator[str]:
        """What it prints, line by line, where it was started with ``pipes``."""
        assert self._process is not None and self._process.stdout is not None
        async for line in self._process.stdout:
            yield line.decode(errors="replace").rstrip()

    async def wait(self, within: float) -> None:
        """Until it ends by itself. Raises RunningError when it does not."""
        if not await self._ended(within):
            raise RunningError(f"{self.name} did not end within {within:.0f} s:\n{self.tail()}")

    def tail(self) -> str:
        """The last lines of its log."""
        with contextlib.suppress(FileNotFoundError):
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
            return "\n".join(lines[-_TAIL_LINES:])
        return ""

    async def stop(self, within: float) -> bool:
        """SIGTERM, then SIGKILL after ``within`` seconds. Returns whether it ended by itself."""
        if self._process is None:
            return True
        self._signal(signal.SIGTERM)
        if await self._ended(within):
            return True
        self._signal(signal.SIGKILL)
        await self._ended(_KILL_WITHIN)
        return False

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def _ended(self, within: float) -> bool:
        assert self._process is not None
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(within):
                await self._process.wait()
        except TimeoutError:
            return False
        return True


async def stop_all(children: Sequence[Child], within: float) -> None:
    """End all of them at once."""
    await asyncio.gather(*(child.stop(within) for child in children))


async def first_of(*works: Coroutine[Any, Any, None], patience: float = 0.0) -> None:
    """Run all until the first ends or fails; its error is ours, and the others are cancelled.

    Of those that end within ``patience`` seconds the one named first speaks: name guards before what a death would break.
    """
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        before = tasks[: min(tasks.index(task) for task in done)]
        if before and patience:
            await asyncio.wait(before, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until_sigterm(work: Coroutine[Any, Any, Result]) -> Result:
    """``work``, cancelled by SIGTERM and SIGINT, so that it can end its children; also where whoever started us in the
    background had SIGINT ignored."""
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    return await work


async def command(*arguments: str, stdin: str = "", within: float = 60.0) -> str:
    """Run ``gateway ARGUMENTS`` to its end and return what it printed. Raises RunningError with what it said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(within):
            output, complaint = await process.communicate(stdin.encode())
    except TimeoutError:
        process.kill()
        await process.wait()
        raise RunningError(f"gateway {arguments[0]} {arguments[1]} did not end within {within:.0f} s") from None
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    if process.returncode != 0:
        raise RunningError(
            f"gateway {arguments[0]} {arguments[1]} failed: {complaint.decode(errors='replace').strip()}"
        )
    return output.decode()


def end_leftovers(directory: Path) -> int:
    """SIGKILL what still has our private ``directory`` on its command line (workers of a node that had to be killed)."""
    mark, ended = os.fsencode(str(directory)), 0
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            if mark in (entry / "cmdline").read_bytes():
                os.kill(int(entry.name), signal.SIGKILL)
                ended += 1
    return ended


def free_port(host: str = "127.0.0.1") -> int:
    """One that nothing holds now. It lies below those that connections and listeners on port 0 are given (ip(7)), so that none of
    these takes it before it is used: a node that is to listen there takes seconds to start."""
    while not port_is_free(port := secrets.choice(_PORTS), host):
        pass
    return port


def reserved_port(host: str = "127.0.0.1") -> socket.socket:
    """Holds a port without listening at it: until it is closed nobody is given that port by chance, and a server that names it
    (and sets SO_REUSEADDR, as they all do) may listen there, end, and listen again. socket(7)."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind((host, 0))
    return held


def port_is_free(port: int, host: str = "127.0.0.1") -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True
