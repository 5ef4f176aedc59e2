"""Broker and nodes as processes that may be killed, wrapped and kept running as a service manager would."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.errors import RunningError
from gateway.lab.api import Api
from gateway.lab.brokers import mosquitto_program
from gateway.lab.children import end_leftovers, reserved_port
from gateway.lock import holder

_READY_WITHIN = 180.0
_END_WITHIN = 30.0
_RESTART_AFTER = 0.1  # deploy's unit file: RestartSec=100ms
_LOOK_EVERY = 0.05
_TAIL = 3_000


@dataclass(frozen=True, slots=True)
class Wrap:
    """How a node is started: ``words`` come before its command, ``environment`` on top of ours."""

    words: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


PLAIN = Wrap()


class Process:
    """One program with its log, started again whenever it ends, until it is told to stay down."""

    def __init__(self, name: str, log: Path) -> None:
        self.name, self.log = name, log
        self.starts = 0
        self.deaths = 0  # it ended though nobody had asked it to
        self.wanted = False
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None

    def _command(self) -> tuple[Sequence[str], Mapping[str, str]]:
        raise NotImplementedError

    def _pid(self) -> int | None:
        """The program's own process: a wrapper may stand between it and us."""
        return None if self._process is None else self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        self.wanted = True
        await self._spawn()
        if self._keeper is None:
            self._keeper = asyncio.create_task(self._keep())

    async def kill(self) -> None:
        """SIGKILL; the keeper starts it again."""
        await self._end(signal.SIGKILL)

    async def down(self, how: signal.Signals = signal.SIGKILL) -> None:
        """End it, and leave it down until ``start``."""
        self.wanted = False
        await self._end(how)

    async def close(self) -> None:
        """For ever."""
        self.wanted = False
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
            self._keeper = None
        await self._end(signal.SIGTERM)

    def send(self, number: signal.Signals) -> bool:
        """Whether there was a process to send it to."""
        pid = self._pid() if self.running else None
        if pid is None:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        return True

    def tail(self) -> str:
        with contextlib.suppress(FileNotFoundError):
            return self.log.read_text(encoding="utf-8", errors="replace")[-_TAIL:]
        return ""

    async def _spawn(self) -> None:
        command, environment = self._command()
        self.starts += 1
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=os.environ | environment,
            )

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(_RESTART_AFTER)
            if self.wanted and not self.running:
                self.deaths += 1
                await self._spawn()

    async def _end(self, how: signal.Signals) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        deadline = time.monotonic() + _END_WITHIN
        if not self.send(how):  # the wrapper has not begun the program, or has outlived it
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # the wrapper alone would leave its program to run on
        while process.returncode is None:
            if time.monotonic() > deadline:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                self.send(signal.SIGKILL)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), _LOOK_EVERY * 20)


class Broker(Process):
    """A real Mosquitto with the settings of deploy/mosquitto/gateway.conf, open to all on loopback."""

    def __init__(self, directory: Path, *, persistent: bool = True, host: str = "127.0.0.1") -> None:
        super().__init__("the broker", directory / "mosquitto.log")
        self.directory, self.persistent = directory, persistent
        self.held = reserved_port(host)  # it is killed and started again: nobody else may be given the port meanwhile
        self.host, self.port = host, self.held.getsockname()[1]

    async def until_listening(self, within: float = 60.0) -> None:
        deadline = time.monotonic() + within
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection(self.host, self.port)
                writer.close()
                return
            if time.monotonic() > deadline:
                raise RunningError(f"Mosquitto did not listen within {within:.0f} s; its log ends with:\n{self.tail()}")
            await asyncio.sleep(_LOOK_EVERY)

    def _command(self) -> tuple[Sequence[str], Mapping[str, str]]:
        program = mosquitto_program()
        if program is None:
            raise RunningError("Mosquitto is not on this machine; install the Debian package mosquitto")
        lines = [
            "per_listener_settings false",
            f"listener {self.port} {self.host}",
            "allow_anonymous true",
            "set_tcp_nodelay true",
            "max_queued_messages 0",
        ]
        if self.persistent:
            lines += [
                "persistence true",
                f"persistence_location {self.directory}{os.sep}",
                "autosave_interval 1",
                "autosave_on_changes true",
            ]
        if os.geteuid() == 0:
            lines.append("user root")  # else it becomes `mosquitto`, who may not write here
        path = self.directory / "mosquitto.conf"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return (program, "-c", str(path)), {}


class Node(Process):
    """One ``gateway run``. ``standing``: how it is always started; ``faults``: what is put on top at each start, while it is
    set. ``program`` is what stands for ``-m gateway``."""

    def __init__(self, name: str, config: Path, data_dir: Path, api: Api, *, program: Sequence[str]) -> None:
        super().__init__(f"the {name}", config.with_suffix(".log"))
        self.config, self.data_dir, self.api = config, data_dir, api
        self.standing = PLAIN
        self.faults: Callable[[], Wrap] | None = None
        self._program = tuple(program)

    def _command(self) -> tuple[Sequence[str], Mapping[str, str]]:
        always, fault = self.standing, PLAIN if self.faults is None else self.faults()
        words = (*always.words, *fault.words, sys.executable, *self._program, "run", "-c", str(self.config))
        return words, {**always.environment, **fault.environment}

    def _pid(self) -> int | None:
        return self.core_pid

    @property
    def core_pid(self) -> int | None:
        """Who holds the lock of its data_dir, as the kernel says."""
        return holder(self.data_dir)

    async def restart_with(self, faults: Callable[[], Wrap] | None) -> None:
        """Killed, and from now on started with these faults; None: plainly."""
        self.faults = faults
        await self.down()
        await self.start()

    async def is_ready(self) -> bool:
        return await self.api.status("/readyz") == 200

    async def until_ready(self, within: float = _READY_WITHIN) -> None:
        deadline = time.monotonic() + within
        while not await self.is_ready():
            if time.monotonic() > deadline:
                raise RunningError(
                    f"{self.name} was not ready within {within:.0f} s; its log ends with:\n{self.tail()}"
                )
            await asyncio.sleep(_LOOK_EVERY)

    async def until_not_ready(self, within: float = _READY_WITHIN) -> None:
        """Until it says 503, or answers nothing at all."""
        deadline = time.monotonic() + within
        while await self.is_ready():
            if time.monotonic() > deadline:
                raise RunningError(f"{self.name} called itself ready all the while, for {within:.0f} s")
            await asyncio.sleep(_LOOK_EVERY)

    async def alerts(self) -> list[dict[str, Any]]:
        return await self.api.list_all("/api/v1/alerts")

    async def act(self, alert_id: str, action: str, **words: Any) -> None:
        """Raises RunningError where the node does not take it."""
        await self.api.call("POST", f"/api/v1/alerts/{alert_id}/actions", {"action": action, **words})

    def worker_pids(self) -> list[int]:
        """Its video workers: they outlive it, and name its directory on their command line."""
        found, mark = [], os.fsencode(str(self.data_dir))
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                with contextlib.suppress(OSError):
                    words = (entry / "cmdline").read_bytes()
                    if b"gateway.video.worker" in words and mark in words:
                        found.append(int(entry.name))
        return found


async def close_all(processes: Sequence[Process], directory: Path) -> None:
    """End all of them, and what a killed one left behind."""
    await asyncio.gather(*(process.close() for process in processes))
    end_leftovers(directory)
