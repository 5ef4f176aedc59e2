"""``gateway bench clips``: what it costs to keep the last 30 s of a stream complete, against keyframes only."""

import asyncio
import time
from pathlib import Path
from typing import Any

from gateway.lab.bench.procfs import Cost
from gateway.lab.bench.rig import STREAMS, LoneNode, Park
from gateway.lab.bench.running import Result, run_bench
from gateway.lab.report import Steps, machine_line, median, print_table

_FILLED = 45.0  # seconds: 30 s are kept, and a GOP, and what the ring grows by


def run_bench_clips(
    as_json: bool = False, *, cameras: int = 200, seconds: float = 20.0, rounds: int = 3, filled: float = _FILLED
) -> int:
    """Measure and print; the exit code. ``filled``: seconds until as much is kept as will be."""

    async def measure(directory: Path, progress: Steps) -> Result:
        return await _measure(directory, cameras, seconds, rounds, progress, filled)

    return 1 if run_bench("clips", measure, _print, as_json=as_json) is None else 0


async def _measure(
    directory: Path, cameras: int, seconds: float, rounds: int, progress: Steps, filled: float
) -> dict[str, Any]:
    progress.step(f"starting {cameras} simulated cameras")
    park = Park(directory, cameras, STREAMS["sub"])
    base: list[Cost] = []
    keeping: list[Cost] = []
    kept: list[int] = []
    try:
        await park.start()
        for number in range(rounds):
            for takes, name in ((base, "keyframes only"), (keeping, "30 s kept complete")):
                progress.step(f"round {number + 1} of {rounds}: {name}", number / rounds)
                place = directory / f"{number}-{'kept' if takes is keeping else 'base'}"
                place.mkdir(mode=0o700)
                cost, held = await _turn(place, park, seconds, filled, keep=takes is keeping)
                takes.append(cost)
                if takes is keeping:
                    kept.append(held)
    finally:
        await park.stop()
    cpu = [(one.cpu_s - other.cpu_s) / seconds / cameras for one, other in zip(keeping, base, strict=True)]
    memory = [(one.memory - other.memory) / cameras for one, other in zip(keeping, base, strict=True)]
    return {
        "stream": park.stream.name,
        "cameras": cameras,
        "rounds": rounds,
        "beyond_the_base_per_camera": {
            "cpu_percent": round(100 * median(cpu), 4),
            "cpu_percent_rounds": [round(100 * one, 4) for one in cpu],
            "memory_mb": round(median(memory) / 1e6, 3),
            "memory_mb_rounds": [round(one / 1e6, 3) for one in memory],
        },
        "kept_mb_per_camera": round(median(kept) / 1e6 / cameras, 3),
        "base": {
            "cpu_percent": round(100 * median([one.cpu_s for one in base]) / seconds, 2),
            "memory_mb": round(median([one.memory for one in base]) / 1e6, 1),
        },
    }


async def _turn(directory: Path, park: Park, seconds: float, filled: float, *, keep: bool) -> tuple[Cost, int]:
    """CPU seconds spent in ``seconds`` and memory at their end; bytes of complete video kept."""
    rows = park.camera_rows()
    cameras = [row | {"clip": keep} for row in rows]
    node = LoneNode(directory, {"cameras": cameras, "video": {"clip_mib": 4096}})
    try:
        await node.start()
        await node.online(park.count)
        await asyncio.sleep(filled)
        before, began = node.cost(), time.monotonic()
        await asyncio.sleep(seconds)
        after, took = node.cost(), time.monotonic() - began
        held = await node.recorded_bytes()
    finally:
        await node.stop()
    return Cost((after.cpu_s - before.cpu_s) * seconds / took, after.memory), held


def _print(result: dict[str, Any]) -> None:
    beyond = result["beyond_the_base_per_camera"]
    title = f"{result['cameras']} cameras, {result['stream']}, 30 s kept complete; {result['rounds']} rounds\n{machine_line()}"
    rows = [
        ("CPU of one core, each, beyond the base", f"{beyond['cpu_percent']} %", str(beyond["cpu_percent_rounds"])),
        ("memory, each, beyond the base", f"{beyond['memory_mb']} MB", str(beyond["memory_mb_rounds"])),
        ("of which video", f"{result['kept_mb_per_camera']} MB", ""),
        (
            "base: all cameras, keyframes only",
            f"{result['base']['cpu_percent']} %, {result['base']['memory_mb']} MB",
            "",
        ),
    ]
    print_table(title, ("", "median", "rounds"), rows)
