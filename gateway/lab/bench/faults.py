"""``gateway bench faults``: a day's worth of faults in minutes; does anything leak, and does a healthy camera notice?

Half of the cameras are faulty, drawn anew each period. Before, meanwhile and after, descriptors, threads, tasks and
memory of every process are read; the keyframes of cameras that stayed healthy are compared with a run without faults.
"""

import asyncio
import itertools
import secrets
import statistics
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.lab.api import Api
from gateway.lab.bench.procfs import cost_of, open_files, threads
from gateway.lab.bench.rig import STREAMS, LoneNode, Park, spread_ms
from gateway.lab.bench.running import Result, run_bench
from gateway.lab.report import Steps, machine_line, print_table

_SETTLE = 30.0
_SAMPLE = 10.0
_RELOADS = 10
_DARK = 20.0
_CONTROL = 60.0  # seconds of the run without faults
_QUIET = 90.0  # after the last fault: every back-off, linger and session has ended


def run_bench_faults(
    as_json: bool = False,
    *,
    cameras: int = 200,
    minutes: float = 10.0,
    period: float = 60.0,
    seed: int = 1,
    control: float = _CONTROL,
    quiet: float = _QUIET,
    dark: float = _DARK,
    reloads: int = _RELOADS,
) -> int:
    """Measure and print; the exit code, which is 1 where descriptors, threads or tasks did not come back."""

    async def measure(directory: Path, progress: Steps) -> Result:
        bench = _Bench(directory, cameras, minutes * 60, period, seed, progress, control, quiet, dark, reloads)
        return await bench.measure()

    result = run_bench("faults", measure, _print, as_json=as_json)
    return 1 if result is None or result["leaked"] else 0


@dataclass(frozen=True, slots=True)
class _Sample:
    """What the node holds at a moment; ``at`` in seconds since the faults began."""

    at: float
    descriptors: Counter[str]
    threads: int
    tasks: int
    memory: int

    def counts(self) -> dict[str, int]:
        return {"descriptors": self.descriptors.total(), "threads": self.threads, "tasks": self.tasks}


class _Bench:
    def __init__(
        self,
        directory: Path,
        cameras: int,
        seconds: float,
        period: float,
        seed: int,
        progress: Steps,
        control: float,
        quiet: float,
        dark: float,
        reloads: int,
    ) -> None:
        self._directory, self._cameras, self._seconds = directory, cameras, seconds
        self._period, self._seed, self._progress = period, seed, progress
        self._control, self._quiet, self._dark, self._reloads = control, quiet, dark, reloads

    async def measure(self) -> dict[str, Any]:
        self._progress.step(f"starting {self._cameras} simulated cameras and a node")
        park = Park(self._directory, self._cameras, STREAMS["sub"], self._seed, password=secrets.token_urlsafe(9))
        node = LoneNode(self._directory, {"cameras_file": str(park.cameras_file)})
        try:
            await park.start()
            await node.start()
            await node.online(self._cameras)
            for _ in range(self._reloads):  # thread pools grow to their size at first use, and stay
                node.reload()
                await asyncio.sleep(1)
            await asyncio.sleep(min(_SETTLE, self._control))
            control = await self._lateness(node, park)
            before = await self._sample(node, 0.0)
            samples, late = await self._churn(park, node)
            await park.tell(clear="all")
            node.reload()
            # What a fault brought about outlasts it (RTP by UDP, another session id): all cameras begin anew, as before.
            await park.tell(power="off")
            await asyncio.sleep(self._dark)
            await park.tell(power="on")
            await node.online(self._cameras)
            self._progress.step("all is well again; waiting for the last timers", 1.0)
            await asyncio.sleep(self._quiet)
            after = await self._sample(node, self._seconds + self._quiet)
        finally:
            await node.stop()
            await park.stop()
        leaked = {
            name: [was, after.counts()[name]] for name, was in before.counts().items() if was != after.counts()[name]
        }
        return {
            "cameras": self._cameras,
            "seconds": self._seconds,
            "period_s": self._period,
            "seed": self._seed,
            "before": before.counts() | {"memory_mib": round(before.memory / 2**20, 1)},
            "after": after.counts() | {"memory_mib": round(after.memory / 2**20, 1)},
            "leaked": leaked,
            "descriptors_by_kind": [dict(before.descriptors), dict(after.descriptors)],
            "memory_slope_kib_per_minute": round(_slope(samples[len(samples) // 4 :]) * 60 / 1024, 1),
            "keyframe_interval_of_healthy_ms": {"control": spread_ms(control), "with_faults": spread_ms(late)},
        }

    async def _churn(self, park: Park, node: LoneNode) -> tuple[list[_Sample], list[float]]:
        began, period, samples = time.monotonic(), 0, list[_Sample]()
        healthy_gaps: list[float] = []
        while (elapsed := time.monotonic() - began) < self._seconds:
            drawn = await park.tell(draw=0.5)
            node.reload()  # as an operator does who has mended a password
            healthy = {
                park.camera_id(number) for number in range(1, self._cameras + 1) if number not in drawn["faulty"]
            }
            period += 1
            ends = min(self._seconds, period * self._period)
            while (elapsed := time.monotonic() - began) < ends:
                self._progress.step(f"half of {self._cameras} cameras are faulty", elapsed / self._seconds)
                samples.append(await self._sample(node, elapsed))
                await asyncio.sleep(max(0.1, min(_SAMPLE, ends - elapsed)))
            healthy_gaps += await _gaps(node, self._period * 0.5, healthy)
        return samples, healthy_gaps

    async def _lateness(self, node: LoneNode, park: Park) -> list[float]:
        self._progress.step("the control run, without faults")
        await asyncio.sleep(self._control)
        everybody = [park.camera_id(number) for number in range(1, self._cameras + 1)]
        return await _gaps(node, self._control * 0.5, everybody)

    async def _sample(self, node: LoneNode, at: float) -> _Sample:
        processes = node.processes()
        figures = [await Api(unix=worker).get("/figures") for worker in node.workers()]
        return _Sample(
            at,
            sum((open_files(pid) for pid in processes), Counter()),
            sum(threads(pid) for pid in processes),
            sum(int(one["tasks"]) for one in figures),
            cost_of(node.pid).memory,
        )


async def _gaps(node: LoneNode, seconds: float, cameras: Iterable[str]) -> list[float]:
    """Intervals between keyframes of the last ``seconds``, in seconds."""
    gaps: list[float] = []
    for times in await node.keyframe_times(cameras):
        recent = [at for at in times if at > time.monotonic() - seconds]
        gaps += [later - earlier for earlier, later in itertools.pairwise(recent)]
    return gaps


def _slope(samples: Sequence[_Sample]) -> float:
    """Bytes of memory per second, by least squares."""
    if len(samples) < 2:
        return 0.0
    return statistics.linear_regression([one.at for one in samples], [float(one.memory) for one in samples]).slope


def _both(gaps: dict[str, Any], share: str) -> tuple[str, str]:
    return f"{gaps['control'].get(share)} ms", f"{gaps['with_faults'].get(share)} ms"


def _print(result: dict[str, Any]) -> None:
    before, after = result["before"], result["after"]
    gaps = result["keyframe_interval_of_healthy_ms"]
    title = (
        f"{result['cameras']} cameras, half of them faulty, drawn anew each {result['period_s']:.0f} s for "
        f"{result['seconds'] / 60:.0f} min (seed {result['seed']})\n{machine_line()}\n"
        f"memory slope {result['memory_slope_kib_per_minute']} KiB/min"
    )
    rows = [(name, str(before[name]), str(after[name])) for name in before]
    rows += [
        (f"healthy cameras' keyframe interval {share}, control and meanwhile", *_both(gaps, share))
        for share in ("p50", "p99", "max")
    ]
    print_table(title, ("", "before", "after"), rows)
