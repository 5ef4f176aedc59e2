"""``gateway bench ingest``: what cameras cost a whole node, beside the ways that are commonly taken on the same streams.

The simulated cameras run in a process of their own, whose cost is not counted but told. Ways take turns over several
rounds and the median counts, because a machine is never quite still.
"""

import asyncio
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gateway.errors import RunningError
from gateway.lab.bench.plot import Line, line_plot
from gateway.lab.bench.receivers import FfmpegCopy, Figures, OpenCv, OurNode, Way
from gateway.lab.bench.rig import STREAMS, Park, Stream
from gateway.lab.bench.running import Result, run_bench
from gateway.lab.report import Steps, machine_line, median, print_table, say

_YARDSTICKS: dict[type[Way], int] = {FfmpegCopy: 5, OpenCv: 2}


def run_bench_ingest(
    as_json: bool = False,
    *,
    cameras: Sequence[int] = (50,),
    stream: str = "main",
    seconds: float = 20.0,
    rounds: int = 3,
    peers: bool = True,
    plot: Path | None = None,
    flame: Path | None = None,
    settle: float = 30.0,
) -> int:
    """Measure and print; the exit code. ``settle``: seconds from the first connection on, until the ring is as full as it
    gets to be."""
    sizes = sorted(set(cameras))

    async def measure(directory: Path, progress: Steps) -> Result:
        bench = _Bench(directory, STREAMS[stream], seconds, rounds, progress, flame, settle)
        return await bench.measure(sizes, peers=peers)

    result = run_bench("ingest", measure, _print, as_json=as_json)
    if result is not None and plot is not None:
        plot.write_text(_plot(result), encoding="utf-8")
    return 1 if result is None else 0


class _Bench:
    def __init__(
        self,
        directory: Path,
        stream: Stream,
        seconds: float,
        rounds: int,
        progress: Steps,
        flame: Path | None,
        settle: float,
    ) -> None:
        self._directory, self._stream, self._flame, self._settle = directory, stream, flame, settle
        self._seconds, self._rounds, self._progress = seconds, rounds, progress

    async def measure(self, sizes: Sequence[int], *, peers: bool) -> dict[str, Any]:
        runs = [await self._size(size, peers=peers and size == sizes[0]) for size in sizes]
        return {
            "stream": {"name": self._stream.name, "gop_s": self._stream.gop_s},
            "seconds": self._seconds,
            "rounds": self._rounds,
            "sizes": runs,
        }

    async def _size(self, cameras: int, *, peers: bool) -> dict[str, Any]:
        directory = self._directory / str(cameras)
        directory.mkdir(mode=0o700)
        self._progress.step(f"starting {cameras} simulated cameras")
        park = Park(directory, cameras, self._stream)
        ways: list[tuple[type[Way], int]] = [(OurNode, cameras)]
        if peers:
            ways += [(way, min(cameras, count)) for way, count in _YARDSTICKS.items() if way.available(shutil.which)]
        taken: dict[type[Way], list[Figures]] = {way: [] for way, _ in ways}
        served: list[float] = []
        try:
            await park.start()
            turns = [(number, way, count) for number in range(self._rounds) for way, count in ways]
            for turn, (number, way, count) in enumerate(turns):
                self._progress.step(
                    f"round {number + 1} of {self._rounds}: {way.name}, {count} cameras", turn / len(turns)
                )
                figures = await self._turn(way(count, park, directory / f"turn-{turn}"))
                taken[way].append(figures)
                if way is OurNode:
                    served.append(figures.served)
        finally:
            await park.stop()
        return {
            "cameras": cameras,
            "lab_server_cpu_percent": round(100 * median(served), 1),
            "ways": [_way_result(way.name, count, taken[way]) for way, count in ways],
        }

    async def _turn(self, way: Way) -> Figures:
        try:
            base = await way.open()
            await asyncio.sleep(self._settle if isinstance(way, OurNode) else min(self._settle, way.settle))
            received, served = await way.received_bytes(), way.park.cpu_s
            began = time.monotonic()
            before = way.cost()
            await asyncio.sleep(self._seconds)
            after, took = way.cost(), time.monotonic() - began
            served = (way.park.cpu_s - served) / took
            facts = await way.facts()
            if self._flame is not None and isinstance(way, OurNode):
                await way.profile(self._flame, self._seconds)
            pictures, keyframes = await way.seen(began)
            bits = (await way.received_bytes() - received) * 8 / (time.monotonic() - began)
        finally:
            await way.close()
        if not pictures:
            raise RunningError(f"{way.name} received no picture in {took:.0f} s; nothing was measured")
        cpu = (after.cpu_s - before.cpu_s) / took
        return Figures(cpu, after.memory, base.memory, pictures, keyframes, bits, served, facts)


def _way_result(name: str, cameras: int, rounds: Sequence[Figures]) -> dict[str, Any]:
    return {
        "way": name,
        "cameras": cameras,
        "cpu_percent": round(100 * median([one.cpu for one in rounds]), 2),
        "cpu_percent_rounds": [round(100 * one.cpu, 2) for one in rounds],
        "cpu_percent_per_camera": round(100 * median([one.cpu for one in rounds]) / cameras, 4),
        "memory_mib": round(median([one.memory for one in rounds]) / 2**20, 1),
        "memory_mib_per_camera": round(median([one.memory - one.base for one in rounds]) / 2**20 / cameras, 3),
        "megabits_per_second": round(median([one.bits_per_second for one in rounds]) / 1e6, 1),
        "pictures": round(median([one.pictures for one in rounds])),
        "keyframes": round(median([one.keyframes for one in rounds])),
        "facts": [one.facts for one in rounds],
    }


def _print(result: dict[str, Any]) -> None:
    rows = [
        (
            way["way"],
            str(way["cameras"]),
            f"{way['cpu_percent']:.1f} %",
            f"{way['cpu_percent_per_camera']:.3f} %",
            f"{way['memory_mib']:.0f} MiB",
            f"{way['memory_mib_per_camera']:.2f} MiB",
            f"{way['megabits_per_second']:.0f} Mbit/s" if way["megabits_per_second"] else "",
        )
        for size in result["sizes"]
        for way in size["ways"]
    ]
    title = (
        f"{result['stream']['name']}, {result['seconds']:.0f} s, median of {result['rounds']} rounds\n{machine_line()}"
    )
    columns = ("way", "cameras", "CPU of one core", "each", "memory in all", "each beyond the base", "received")
    print_table(title, columns, rows)
    for size in result["sizes"]:
        ours = size["ways"][0]
        for number, facts in enumerate(ours["facts"]):
            told = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in facts.items())
            say(f"{size['cameras']} cameras, round {number + 1}: {told}")


def _plot(result: dict[str, Any]) -> str:
    ours = [size["ways"][0] for size in result["sizes"]]
    cpu = Line("CPU of one core, %", [(one["cameras"], one["cpu_percent"]) for one in ours])
    memory = Line("memory, 10 MiB", [(one["cameras"], one["memory_mib"] / 10) for one in ours])
    return line_plot(f"gateway bench ingest: {result['stream']['name']}", "cameras", [cpu, memory])
