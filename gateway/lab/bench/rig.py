"""What every capacity bench stands on: a park of simulated cameras under control, and a whole node that receives them."""

import asyncio
import csv
import os
import re
import secrets
import signal
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.errors import RunningError
from gateway.lab.api import Api
from gateway.lab.bench.procfs import Cost, cost_of, family
from gateway.lab.cameras import path
from gateway.lab.children import Child, command, end_leftovers, free_port
from gateway.lab.nodes import write_private, yaml_of
from gateway.lab.report import quantile
from gateway.lab.village import TOWNSHIP

_READY_WITHIN = 120.0
_ONLINE_WITHIN = 180.0
_STOP_WITHIN = 12.0
_PASSWORD = "GATEWAY_LAB_PASSWORD"  # noqa: S105 - the variable's name
_LAG = re.compile(r'^gateway_event_loop_lag_seconds_bucket\{le="([^"]+)"\} (\S+)', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Stream:
    """What the cameras send. ``gop_s``: seconds between two keyframes."""

    name: str
    profile: str
    fps: int
    gop_s: float = 2.0


SUB = Stream("640x360, 512 kbit/s", "sub", 25)
MAIN = Stream("1080p, 4 Mbit/s", "main", 25)
STREAMS = {"sub": SUB, "main": MAIN}


class Park:
    """Simulated cameras in a process of their own, steered by lines of JSON."""

    def __init__(
        self, directory: Path, count: int, stream: Stream, seed: int = 1, *, password: str | None = None
    ) -> None:
        self.count, self.stream, self.seed, self.port = count, stream, seed, 0
        self.password = password
        self.cameras_file = directory / "cameras.csv"
        self._child = Child("the simulated cameras", directory / "cameras.log")

    @property
    def cpu_s(self) -> float:
        return cost_of(self._child.pid).cpu_s

    @property
    def pictures_per_gop(self) -> int:
        return round(self.stream.fps * self.stream.gop_s)

    def url(self, number: int) -> str:
        """The stream of camera ``number`` (from 1)."""
        return f"rtsp://127.0.0.1:{self.port}{path(number, 'main')}"

    async def start(self) -> None:
        """Raises RunningError with its last words."""
        wanted = ("--count", str(self.count), "--profile", self.stream.profile, "--clip-seconds", "8")
        hosts = ("--hosts", str(self.count), "--seed", str(self.seed), "--write", str(self.cameras_file))
        login = ("--user", "lab", "--password-env", _PASSWORD) if self.password else ()
        environment = {_PASSWORD: self.password} if self.password else {}
        arguments = ("-m", "gateway.lab.cameras", "--leashed", "--clip", *wanted, *hosts, *login)
        self.port = (await self._child.start_leashed(*arguments, environment=environment, within=240))["port"]

    def camera_id(self, number: int) -> str:
        return f"lab-{number:04d}"

    def camera_rows(self) -> list[dict[str, Any]]:
        """The cameras as a configuration writes them."""
        with self.cameras_file.open(encoding="utf-8", newline="") as file:
            return [{"id": row["id"], "rtsp": {"main": row["rtsp.main"]}} for row in csv.DictReader(file)]

    async def tell(self, **order: Any) -> dict[str, Any]:
        """One order of the lab's control (gateway/lab/README.md) and its answer. Raises RunningError."""
        answer = await self._child.ask(order)
        if "error" in answer:
            raise RunningError(f"the simulated cameras refuse {order}: {answer['error']}")
        return answer

    async def stop(self) -> None:
        await self._child.stop(5)


class LoneNode:
    """One real ``gateway run`` with its metrics, nothing above it, and a user who may look."""

    def __init__(self, directory: Path, settings: Mapping[str, Any], name: str = "the node") -> None:
        self._directory, self._name = directory, name
        self.data_dir = directory / f"{name.replace(' ', '-')}-data"
        self._child = Child(name, directory / f"{name.replace(' ', '-')}.log")
        self._http, self._metrics = Api(port=free_port()), Api(port=free_port())
        self.api = self._http
        self._settings = {
            "node": TOWNSHIP,
            "data_dir": str(self.data_dir),
            "http": {"listen": f"127.0.0.1:{self._http.port}"},
            "metrics": {"listen": f"127.0.0.1:{self._metrics.port}"},
            **settings,
        }
        self._file = directory / f"{name.replace(' ', '-')}.yaml"

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def port(self) -> int:
        return self._http.port

    async def start(self) -> None:
        """Start, and log in once it is ready. Raises RunningError with its last words."""
        write_private(self._file, yaml_of(dict(self._settings)))
        password = secrets.token_urlsafe(12)
        adding = ("user", "add", "bench", "--role", "operator", "-c", str(self._file), "--password-stdin")
        await command(*adding, stdin=f"{password}\n")
        await self._child.start("-m", "gateway", "run", "-c", str(self._file))
        deadline = time.monotonic() + _READY_WITHIN
        while await self._http.status("/readyz") != 200:
            if not self._child.running or time.monotonic() > deadline:
                raise RunningError(f"{self._name} was not ready within {_READY_WITHIN:.0f} s:\n{self._child.tail()}")
            await asyncio.sleep(0.1)
        self.api = await self._http.logged_in("bench", password)

    def reload(self) -> None:
        """Read the file anew, and try cameras once more that refused their password."""
        os.kill(self.pid, signal.SIGHUP)
        os.kill(self.pid, signal.SIGUSR1)

    async def online(self, count: int, share: float = 1.0) -> float:
        """Wait until this share of ``count`` cameras is online; the seconds it took."""
        began = time.monotonic()
        while (states := await self.states()).get("online", 0) < count * share:
            if time.monotonic() - began > _ONLINE_WITHIN:
                raise RunningError(f"{count} cameras were not online within {_ONLINE_WITHIN:.0f} s, but {states}")
            await asyncio.sleep(0.25)
        return time.monotonic() - began

    async def states(self) -> dict[str, int]:
        """Cameras by state, as the metrics tell it."""
        text = await self.metrics()
        found = re.findall(r'^gateway_cameras\{state="(\w+)"\} (\S+)', text, re.MULTILINE)
        return {state: int(float(value)) for state, value in found}

    async def last_keyframes(self) -> list[datetime]:
        """When each camera that has sent any sent its last keyframe, from the workers themselves: the core asks them
        only now and then."""
        return [
            datetime.fromtimestamp(row[0] / 1000, UTC) for row in (await self._rows()).values() if row[0] is not None
        ]

    async def keyframe_times(self, camera_ids: Iterable[str]) -> list[list[float]]:
        """The receive times (CLOCK_MONOTONIC) of what each of these cameras has in the ring."""
        times: list[list[float]] = []
        for worker in self.workers():
            api = Api(unix=worker)
            here = (await api.get("/health/figures")).keys()
            for camera in here & set(camera_ids):
                if await api.status(path := f"/cameras/{camera}/keyframes") == 200:
                    times.append([frame["received_mono"] for frame in await api.get(path)])
        return times

    async def _rows(self) -> dict[str, list[Any]]:
        """Of each camera: its last keyframe in ms since 1970, bytes received, reconnects, units dropped."""
        rows: dict[str, list[Any]] = {}
        for worker in self.workers():
            rows |= await Api(unix=worker).get("/health/figures")
        return rows

    async def metrics(self) -> str:
        return await self._metrics.text("/metrics")

    def cost(self) -> Cost:
        """Of everything: core, workers, decoders."""
        return cost_of(self.pid)

    def parts(self) -> dict[str, Cost]:
        """The same, by what the processes are."""
        parts: dict[str, Cost] = {}
        for pid in family(self.pid):
            name = "core" if pid == self.pid else _role(pid)
            parts[name] = parts.get(name, Cost(0.0, 0)) + cost_of(pid, alone=True)
        return parts

    def processes(self) -> list[int]:
        return family(self.pid)

    def workers(self) -> list[Path]:
        """The sockets of its video workers."""
        return sorted((self.data_dir / "run").glob("video-*.sock"))

    async def recorded_bytes(self) -> int:
        """Bytes of complete video that its workers keep."""
        figures = [await Api(unix=worker).get("/figures") for worker in self.workers()]
        return sum(int(one["recorder"]["bytes"]) for one in figures)

    async def stop(self) -> None:
        await self._child.stop(_STOP_WITHIN)
        end_leftovers(self._directory)


class LoopLag:
    """How late the core's loop ran its probe between two scrapes."""

    def __init__(self, before: str, after: str) -> None:
        earlier = dict(_LAG.findall(before))
        self._counts = [(float(le), float(count) - float(earlier.get(le, 0))) for le, count in _LAG.findall(after)]

    def at_most(self, share: float) -> float:
        """The upper edge in seconds of the bucket that holds this quantile."""
        total = self._counts[-1][1] if self._counts else 0
        return next((le for le, count in self._counts if count >= share * total), float("inf"))


def spread_ms(seconds: Sequence[float]) -> dict[str, float | int]:
    """p50, p99 and the longest in milliseconds, and how many were measured."""
    if not seconds:
        return {"measured": 0}
    shares = (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
    return {"measured": len(seconds)} | {name: round(1000 * quantile(seconds, share), 1) for name, share in shares}


def _role(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return "gone"
    return "decoder" if "decoder_child" in words else "worker" if "video.worker" in words else "other"
