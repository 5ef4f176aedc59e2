"""``gateway bench ingest``: what one camera costs, beside the ways that are commonly taken, on the same streams.

The simulated cameras run in a process of their own, whose cost is not counted but told. The ways take turns over
several rounds and the median counts, because a machine is never quite still.
"""

import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.errors import RunningError
from gateway.lab.cameras import MAIN
from gateway.lab.children import Child, until_sigterm
from gateway.lab.procfs import cost_of
from gateway.lab.receivers import FfmpegCopy, OpenCv, OurWorker, Way
from gateway.lab.report import Steps, complain, machine, machine_line, median, print_json, print_table, steps

_SETTLE = (
    4.0  # seconds from the first connection to the measurement: two GOPs, so that every camera has sent a keyframe
)
_YARDSTICKS = {"ffmpeg": 5, "opencv": 2}


@dataclass(frozen=True, slots=True)
class Figures:
    """One way in one round: ``cpu`` in cores, ``memory`` in bytes, both per camera. ``seen`` counts pictures."""

    cpu: float
    memory: float
    seen: int
    keyframes: int
    bits_per_second: float


def run_bench_ingest(
    as_json: bool = False, *, cameras: int = 50, seconds: float = 20.0, rounds: int = 3, clip_seconds: float = 8.0
) -> int:
    """Measure and print; the exit code."""
    try:
        with (
            tempfile.TemporaryDirectory(prefix="gateway-bench-", ignore_cleanup_errors=True) as directory,
            steps() as progress,
        ):
            result = asyncio.run(
                until_sigterm(_Bench(Path(directory), cameras, seconds, rounds, clip_seconds, progress).measure())
            )
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


class _Bench:
    def __init__(
        self, directory: Path, cameras: int, seconds: float, rounds: int, clip_seconds: float, progress: Steps
    ) -> None:
        self._directory, self._cameras, self._seconds, self._rounds = directory, cameras, seconds, rounds
        self._clip_seconds, self._progress = clip_seconds, progress
        self._park = Child("the simulated cameras", directory / "cameras.log")
        self._serving: list[float] = []  # cores spent by the simulated cameras, a round each

    async def measure(self) -> dict[str, Any]:
        kinds = _ways(self._cameras)
        taken: dict[type[Way], list[Figures]] = {kind: [] for kind, _ in kinds}
        try:
            port = await self._start_cameras()
            turns = [(number, kind, count) for number in range(self._rounds) for kind, count in kinds]
            for turn, (number, kind, count) in enumerate(turns):
                name = f"round {number + 1} of {self._rounds}: {kind.name}, {count} cameras"
                self._progress.step(name, turn / len(turns))
                taken[kind].append(await self._turn(kind, count, port, self._directory / f"turn-{turn}"))
        finally:
            await self._park.stop(3)
        return self._result([_way_result(kind.name, count, taken[kind]) for kind, count in kinds], taken[OurWorker])

    async def _start_cameras(self) -> int:
        self._progress.step("encoding a 1080p clip")
        wanted = ("--clip", "--clip-seconds", str(self._clip_seconds), "--leashed", "--cameras", str(self._cameras))
        ready = await self._park.start_leashed("-m", "gateway.lab.cameras", *wanted, within=180)
        port: int = ready["port"]
        return port

    async def _turn(self, kind: type[Way], count: int, port: int, directory: Path) -> Figures:
        before, began = cost_of(self._park.pid).cpu_s, time.monotonic()
        figures = await _figures(kind(count, port, directory), self._seconds)
        if kind is OurWorker:
            self._serving.append((cost_of(self._park.pid).cpu_s - before) / (time.monotonic() - began))
        return figures

    def _result(self, ways: list[dict[str, Any]], ours: Sequence[Figures]) -> dict[str, Any]:
        stream = {"codec": "h264", "width": MAIN.width, "height": MAIN.height, "fps": MAIN.fps, "gop": MAIN.gop}
        return {
            "bench": "ingest",
            "machine": machine(),
            "load_average": os.getloadavg()[0],
            "stream": stream | {"bits_per_second": round(median([one.bits_per_second for one in ours]))},
            "seconds": self._seconds,
            "rounds": self._rounds,
            "ways": ways,
            "lab_server_cpu_percent": round(100 * median(self._serving), 1),
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
        received = await way.received_bytes()
        began = time.monotonic()
        before = way.cost()
        await asyncio.sleep(seconds)
        after, took = way.cost(), time.monotonic() - began
        pictures, keyframes = await way.seen(began)
        bits = (await way.received_bytes() - received) * 8 / (time.monotonic() - began) / way.cameras
    finally:
        await way.close()
    if not pictures:
        raise RunningError(f"{way.name} received no picture in {took:.0f} s; nothing was measured")
    cpu = (after.cpu_s - before.cpu_s) / took / way.cameras
    return Figures(cpu, (after.memory - base.memory) / way.cameras, pictures, keyframes, bits)


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
