"""``gateway bench ingest``: what one camera costs, beside the ways that are commonly taken, on the same streams.

The simulated cameras run in a process of their own, whose cost is not counted but told. The ways take turns over
several rounds and the median counts, because a machine is never quite still.
"""

import asyncio
import contextlib
import json
import os
import shutil
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.errors import RunningError
from gateway.lab.api import Api
from gateway.lab.cameras import MAIN, path
from gateway.lab.children import Child, stop_all, until_sigterm
from gateway.lab.procfs import Cost, cost_of
from gateway.lab.report import Steps, complain, machine, machine_line, median, print_json, print_table, steps

_SETTLE = (
    4.0  # seconds from the first connection to the measurement: two GOPs, so that every camera has sent a keyframe
)
_ONLINE_WITHIN = 60.0
_YARDSTICKS = {"ffmpeg": 5, "opencv": 2}


@dataclass(frozen=True, slots=True)
class Figures:
    """One way in one round: ``cpu`` in cores, ``memory`` in bytes, both per camera. ``seen`` counts pictures."""

    cpu: float
    memory: float
    seen: int
    keyframes: int
    bits_per_second: float


class Way(ABC):
    """A way of receiving ``cameras`` streams."""

    name: str

    def __init__(self, cameras: int, rtsp_port: int, directory: Path) -> None:
        self.cameras = cameras
        self._port, self._directory = rtsp_port, directory

    def url(self, number: int) -> str:
        return f"rtsp://127.0.0.1:{self._port}{path(number, 'main')}"

    @abstractmethod
    async def open(self) -> Cost:
        """Start receiving; returns the cost of the same processes without a camera."""

    @abstractmethod
    def cost(self) -> Cost: ...

    @abstractmethod
    async def seen(self, since: float) -> tuple[int, int]:
        """Pictures and keyframes that came since (CLOCK_MONOTONIC)."""

    @abstractmethod
    async def close(self) -> None: ...


class OurWorker(Way):
    """The gateway's video worker: keyframes kept encoded, the rest skipped over."""

    name = "gateway video worker"

    def __init__(self, cameras: int, rtsp_port: int, directory: Path) -> None:
        super().__init__(cameras, rtsp_port, directory)
        self._socket = directory / "run" / "worker.sock"
        self._api = Api(unix=self._socket)
        self._worker = Child("the video worker", directory / "worker.log")

    async def open(self) -> Cost:
        await self._worker.start("-m", "gateway.video.worker", "--socket", str(self._socket))
        await self._until(self._alive, "did not answer")
        await asyncio.sleep(1.5)  # its decoder child has started by then and belongs to the base
        base = self.cost()
        orders = [
            {"id": str(number), "main": self.url(number), "sub": None, "enabled": True}
            for number in range(1, self.cameras + 1)
        ]
        await self._api.call("PUT", "/cameras", orders)
        await self._until(self._all_online, f"did not have {self.cameras} cameras online")
        return base

    def cost(self) -> Cost:
        return cost_of(self._worker.pid)

    async def seen(self, since: float) -> tuple[int, int]:
        count = 0
        for number in range(1, self.cameras + 1):
            frames = await self._api.get(f"/cameras/{number}/keyframes")
            count += sum(frame["received_mono"] >= since for frame in frames)
        return count, count

    async def close(self) -> None:
        await self._worker.stop(6)

    async def _alive(self) -> bool:
        return await self._api.status("/alive") == 200

    async def _all_online(self) -> bool:
        figures = await self._api.get("/figures")
        return bool(figures["cameras"].get("online", 0) == self.cameras)

    async def _until(self, condition: Any, fault: str) -> None:
        deadline = time.monotonic() + _ONLINE_WITHIN
        while not await condition():
            if not self._worker.running or time.monotonic() > deadline:
                raise RunningError(f"the video worker {fault} within {_ONLINE_WITHIN:.0f} s:\n{self._worker.tail()}")
            await asyncio.sleep(0.1)


class _OneProcessEach(Way):
    """A process for every camera, which tells the number of pictures it has seen as it goes."""

    def __init__(self, cameras: int, rtsp_port: int, directory: Path) -> None:
        super().__init__(cameras, rtsp_port, directory)
        self._counts = [0] * cameras
        self._marks: list[tuple[float, int]] = []
        self._readers: list[Child] = []
        self._listeners: list[asyncio.Task[None]] = []

    @abstractmethod
    def command(self, number: int) -> tuple[str, list[str]]:
        """The program and its arguments."""

    @abstractmethod
    def count_in(self, line: str) -> int | None:
        """The pictures seen so far, if this line tells it."""

    async def open(self) -> Cost:
        for index in range(self.cameras):
            program, arguments = self.command(index + 1)
            reader = Child(f"reader {index + 1}", self._directory / f"{self.__class__.__name__}-{index}.log")
            self._readers.append(reader)
            await reader.start(*arguments, program=program, pipes=True)
            self._listeners.append(asyncio.create_task(self._listen(index, reader)))
        deadline = time.monotonic() + _ONLINE_WITHIN
        while not all(self._counts):
            if time.monotonic() > deadline or not all(reader.running for reader in self._readers):
                tails = "\n".join(reader.tail() for reader in self._readers)
                raise RunningError(f"{self.name} did not receive all streams within {_ONLINE_WITHIN:.0f} s:\n{tails}")
            await asyncio.sleep(0.1)
        return Cost(0.0, 0)

    def cost(self) -> Cost:
        self._marks.append((time.monotonic(), sum(self._counts)))
        return sum((cost_of(reader.pid) for reader in self._readers), Cost(0.0, 0))

    async def seen(self, since: float) -> tuple[int, int]:
        before = next(count for at, count in self._marks if at >= since)
        pictures = sum(self._counts) - before
        return pictures, pictures // MAIN.gop

    async def close(self) -> None:
        for listener in self._listeners:
            listener.cancel()
        await asyncio.gather(*self._listeners, return_exceptions=True)
        await stop_all(self._readers, 3)

    async def _listen(self, index: int, reader: Child) -> None:
        async for line in reader.lines():
            count = self.count_in(line)
            if count is not None:
                self._counts[index] = count


class FfmpegCopy(_OneProcessEach):
    """ffmpeg receives and throws away; nothing is decoded."""

    name = "ffmpeg -c copy"

    def command(self, number: int) -> tuple[str, list[str]]:
        reading = ["-nostdin", "-v", "error", "-progress", "pipe:1", "-rtsp_transport", "tcp", "-i", self.url(number)]
        return "ffmpeg", [*reading, "-c", "copy", "-f", "null", "-"]

    def count_in(self, line: str) -> int | None:
        return int(line.removeprefix("frame=")) if line.startswith("frame=") else None


class OpenCv(_OneProcessEach):
    """cv2.VideoCapture decodes every picture."""

    name = "cv2.VideoCapture"

    def command(self, number: int) -> tuple[str, list[str]]:
        return sys.executable, ["-m", "gateway.lab.opencv_reader", self.url(number)]

    def count_in(self, line: str) -> int | None:
        count = json.loads(line).get("pictures")
        return count if isinstance(count, int) else None


def run_bench_ingest(as_json: bool = False, *, cameras: int = 50, seconds: float = 20.0, rounds: int = 3) -> int:
    """Measure and print; the exit code."""
    try:
        with (
            tempfile.TemporaryDirectory(prefix="gateway-bench-", ignore_cleanup_errors=True) as directory,
            steps() as progress,
        ):
            result = asyncio.run(until_sigterm(_measure(Path(directory), cameras, seconds, rounds, progress)))
    except (KeyboardInterrupt, asyncio.CancelledError):
        complain("stopped; nothing was measured to its end")
        return 1
    except RunningError as error:
        complain(str(error))
        return 1
    if as_json:
        print_json(result)
    else:
        _print(result)
    return 0


async def _measure(directory: Path, cameras: int, seconds: float, rounds: int, progress: Steps) -> dict[str, Any]:
    park = Child("the simulated cameras", directory / "cameras.log")
    progress.step("encoding a 1080p clip")
    try:
        wanted = ("-m", "gateway.lab.cameras", "--clip", "--leashed", "--cameras", str(cameras))
        port = (await park.start_leashed(*wanted, within=180))["port"]
        kinds = _ways(cameras)
        taken: dict[type[Way], list[Figures]] = {kind: [] for kind, _ in kinds}
        serving: list[float] = []
        turns = [(number, kind, count) for number in range(rounds) for kind, count in kinds]
        for turn, (number, kind, count) in enumerate(turns):
            progress.step(f"round {number + 1} of {rounds}: {kind.name}, {count} cameras", turn / len(turns))
            place = directory / f"turn-{turn}"
            place.mkdir(mode=0o700)
            before, began = cost_of(park.pid).cpu_s, time.monotonic()
            taken[kind].append(await _figures(kind(count, port, place), seconds))
            if kind is OurWorker:
                serving.append((cost_of(park.pid).cpu_s - before) / (time.monotonic() - began))
    finally:
        await park.stop(3)
    ways = [_way_result(kind.name, count, taken[kind]) for kind, count in kinds]
    stream = {"codec": "h264", "width": MAIN.width, "height": MAIN.height, "fps": MAIN.fps, "gop": MAIN.gop}
    return {
        "bench": "ingest",
        "machine": machine(),
        "load_average": os.getloadavg()[0],
        "stream": stream | {"bits_per_second": round(median([one.bits_per_second for one in taken[OurWorker]]))},
        "seconds": seconds,
        "rounds": rounds,
        "ways": ways,
        "lab_server_cpu_percent": round(100 * median(serving), 1),
    }


def _ways(cameras: int) -> list[tuple[type[Way], int]]:
    ways: list[tuple[type[Way], int]] = [(OurWorker, cameras)]
    if shutil.which("ffmpeg"):
        ways.append((FfmpegCopy, min(cameras, _YARDSTICKS["ffmpeg"])))
    return [*ways, (OpenCv, min(cameras, _YARDSTICKS["opencv"]))]


async def _figures(way: Way, seconds: float) -> Figures:
    try:
        base = await way.open()
        await asyncio.sleep(_SETTLE)
        received = await _received(way)
        began = time.monotonic()
        before = way.cost()
        await asyncio.sleep(seconds)
        after, took = way.cost(), time.monotonic() - began
        pictures, keyframes = await way.seen(began)
        bits = (await _received(way) - received) * 8 / (time.monotonic() - began) / way.cameras
    finally:
        await way.close()
    if not pictures:
        raise RunningError(f"{way.name} received no picture in {took:.0f} s; nothing was measured")
    cpu = (after.cpu_s - before.cpu_s) / took / way.cameras
    return Figures(cpu, (after.memory - base.memory) / way.cameras, pictures, keyframes, bits)


async def _received(way: Way) -> int:
    if not isinstance(way, OurWorker):
        return 0
    with contextlib.suppress(KeyError):
        return int((await way._api.get("/figures"))["received_bytes"])
    return 0


def _way_result(name: str, cameras: int, figures: Sequence[Figures]) -> dict[str, Any]:
    return {
        "way": name,
        "cameras": cameras,
        "cpu_percent_per_camera": round(100 * median([one.cpu for one in figures]), 3),
        "cpu_percent_per_camera_rounds": [round(100 * one.cpu, 3) for one in figures],
        "memory_mib_per_camera": round(median([one.memory for one in figures]) / 2**20, 2),
        "pictures": round(median([one.seen for one in figures])),
        "keyframes": round(median([one.keyframes for one in figures])),
    }


def _print(result: dict[str, Any]) -> None:
    stream = result["stream"]
    rows = [
        (
            way["way"],
            str(way["cameras"]),
            f"{way['cpu_percent_per_camera']:.3f} %",
            f"{way['memory_mib_per_camera']:.1f} MiB",
            f"{way['pictures']:,}",
            f"{way['keyframes']:,}",
        )
        for way in result["ways"]
    ]
    title = (
        f"H.264 {stream['width']}x{stream['height']} at {stream['fps']}/s, GOP {stream['gop']}, "
        f"{stream['bits_per_second'] / 1e6:.1f} Mbit/s, {result['seconds']:.0f} s, median of {result['rounds']} rounds\n"
        f"{machine_line()}"
    )
    columns = (
        "way",
        "cameras",
        "CPU of one core per camera",
        "memory per camera",
        "pictures kept or read",
        "keyframes",
    )
    print_table(title, columns, rows)
