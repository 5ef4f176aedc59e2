"""``gateway bench live``: what a live view costs, and how soon it moves, with receivers that decode nothing."""

import asyncio
import os
import time
from pathlib import Path
from typing import Any

from gateway.config.sections.console import LiveSettings
from gateway.errors import RunningError
from gateway.lab.bench.procfs import cost_of
from gateway.lab.bench.rig import STREAMS, Park
from gateway.lab.bench.running import Result, run_bench
from gateway.lab.children import Child, stop_all
from gateway.lab.report import Steps, machine_line, median, print_table
from gateway.model import CameraState, OwnFeed
from gateway.observability.logs import configure
from gateway.video.live.desk import LiveDesk
from gateway.video.wire import CameraOrder
from gateway.video.workers.pool import WorkerPool

_ONLINE_WITHIN = 90.0
_STARTED_WITHIN = 60.0
_SETTLE = 4.0  # seconds: two GOPs


def run_bench_live(as_json: bool = False, *, viewers: int = 10, seconds: float = 20.0, starts: int = 20) -> int:
    """Measure and print; the exit code."""

    async def measure(directory: Path, progress: Steps) -> Result:
        return await _measure(directory, viewers, seconds, starts, progress)

    return 1 if run_bench("live", measure, _print, as_json=as_json) is None else 0


class _Rig:
    """A camera, its worker, the live process, and those who watch."""

    def __init__(self, directory: Path, viewers: int) -> None:
        self.park = Park(directory, 1, STREAMS["sub"])
        self.receivers = [Child(f"receiver {n}", directory / f"receiver-{n}.log") for n in range(viewers)]
        self._data_dir = directory / "data"
        self._running: asyncio.Task[None] | None = None

    async def start(self, *, kept: bool) -> None:
        self._data_dir.mkdir(mode=0o700)
        os.environ.setdefault("GATEWAY_LOG_LEVEL", "WARNING")  # of the processes that are measured
        configure("WARNING")
        await self.park.start()
        order = CameraOrder(self.park.camera_id(1), main=self.park.url(1), record_s=30 if kept else 0)
        self.pool = WorkerPool(self._data_dir, [order], workers=1)
        self.desk = LiveDesk(self._data_dir, LiveSettings(), self.pool.sockets)
        self._running = asyncio.create_task(self.pool.run())
        deadline = time.monotonic() + _ONLINE_WITHIN
        while (health := self.pool.health(order.id)) is None or health.state is not CameraState.ONLINE:
            if time.monotonic() > deadline:
                raise RunningError(f"the simulated camera was not online within {_ONLINE_WITHIN:.0f} s")
            await asyncio.sleep(0.1)
        for receiver in self.receivers:
            await receiver.start_leashed("-m", "gateway.lab.bench.live_receiver")

    async def view(self, receiver: Child) -> float:
        """Begin a view; when it was asked for."""
        offer = (await receiver.ask({"do": "offer"}))["offer"]
        asked = time.monotonic()
        session = await self.desk.open(OwnFeed(self.park.camera_id(1)), offer, viewer=receiver.name)
        await receiver.ask({"do": "watch", "answer": session.answer})
        return asked

    async def began(self, receiver: Child, asked: float) -> tuple[float, float, float]:
        """Milliseconds until a keyframe's first packet, its last, and the first picture in its own time."""
        while time.monotonic() - asked < _STARTED_WITHIN:
            came = await receiver.ask({"do": "tell"})
            if came["caught_up_at"] is not None:
                keyframe, picture, caught_up = (
                    1000 * (came[name] - asked) for name in ("keyframe_at", "picture_at", "caught_up_at")
                )
                return keyframe, picture, caught_up
            await asyncio.sleep(0.05)
        raise RunningError(f"a view did not begin within {_STARTED_WITHIN:.0f} s:\n{receiver.tail()}")

    def cpu_s(self) -> tuple[float, float]:
        """Of the live process, and of the worker."""
        return cost_of(self.desk.pid or 0).cpu_s, cost_of(self.pool.pids[0]).cpu_s

    async def stop(self) -> None:
        await stop_all(self.receivers, 3)
        if self._running is not None:
            await self.desk.stop()
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
            await self.pool.stop()
        await self.park.stop()


async def _measure(directory: Path, viewers: int, seconds: float, starts: int, progress: Steps) -> dict[str, Any]:
    rig = _Rig(directory, viewers)
    try:
        progress.step("starting a camera, a worker and the receivers")
        await rig.start(kept=True)
        await asyncio.sleep(_SETTLE)
        progress.step(f"{viewers} views at once", 0.1)
        await asyncio.gather(*(rig.view(receiver) for receiver in rig.receivers))
        load = await _load(rig, seconds, progress)
        progress.step(f"{starts} beginnings, the others watching", 0.6)
        times = [await _beginning(rig, number) for number in range(starts)]
    finally:
        await rig.stop()
    keyframe, picture, caught_up = (list(column) for column in zip(*times, strict=True))
    return {
        "stream": rig.park.stream.name,
        "viewers": viewers,
        "seconds": seconds,
        **load,
        "starts": starts,
        "ms_from_request": {
            "first_packet_of_a_keyframe": round(median(keyframe), 1),
            "whole_keyframe": round(median(picture), 1),
            "in_step_with_the_camera": round(median(caught_up), 1),
            "in_step_with_the_camera_worst": round(max(caught_up), 1),
        },
    }


async def _load(rig: _Rig, seconds: float, progress: Steps) -> dict[str, Any]:
    await asyncio.sleep(_SETTLE)
    progress.step(f"{len(rig.receivers)} views for {seconds:g} s", 0.2)
    before, began = rig.cpu_s(), time.monotonic()
    pictures = [(await receiver.ask({"do": "tell"}))["pictures"] for receiver in rig.receivers]
    await asyncio.sleep(seconds)
    after, took = rig.cpu_s(), time.monotonic() - began
    came = [await receiver.ask({"do": "tell"}) for receiver in rig.receivers]
    figures = await rig.desk.figures()
    tapped = next(iter(rig.pool.figures().values())).get("taps", {})
    count = len(rig.receivers)
    return {
        "cpu_percent_per_viewer": {
            "live_process": round(100 * (after[0] - before[0]) / took / count, 3),
            "worker": round(100 * (after[1] - before[1]) / took / count, 3),
        },
        "pictures_per_second_each": round(
            sum(one["pictures"] - other for one, other in zip(came, pictures, strict=True)) / took / count, 2
        ),
        "packets_lost_on_the_way": sum(one["lost"] for one in came),
        "pictures_dropped_by_us": {"live_process": figures["dropped"], "worker": tapped.get("dropped")},
    }


async def _beginning(rig: _Rig, number: int) -> tuple[float, float, float]:
    receiver = rig.receivers[number % len(rig.receivers)]
    await receiver.ask({"do": "end"})
    # Anywhere within a GOP, not in step with it.
    await asyncio.sleep(0.1 + 0.37 * (number % 5))
    return await rig.began(receiver, await rig.view(receiver))


def _print(result: dict[str, Any]) -> None:
    cpu, times = result["cpu_percent_per_viewer"], result["ms_from_request"]
    dropped = result["pictures_dropped_by_us"]
    title = f"{result['viewers']} views of one camera, {result['stream']}\n{machine_line()}"
    rows = [
        ("CPU of one core per view: live process", f"{cpu['live_process']} %"),
        ("CPU of one core per view: its part of the video worker", f"{cpu['worker']} %"),
        ("pictures a second, each", f"{result['pictures_per_second_each']}"),
        ("pictures dropped by the live process, by the worker", f"{dropped['live_process']}, {dropped['worker']}"),
        ("packets lost on the way", f"{result['packets_lost_on_the_way']}"),
        (
            f"request → first packet of a keyframe (median of {result['starts']})",
            f"{times['first_packet_of_a_keyframe']} ms",
        ),
        ("request → whole keyframe", f"{times['whole_keyframe']} ms"),
        ("request → in step with the camera", f"{times['in_step_with_the_camera']} ms"),
        ("… the slowest", f"{times['in_step_with_the_camera_worst']} ms"),
    ]
    print_table(title, ("", ""), rows)
