"""``gateway bench diagnosis``: what the patrol of image diagnosis costs, in CPU seconds of the decoder child and of the worker.

The real patrol over a real fleet and a real decoder child. Only the way from camera to fleet is left out (``bench ingest``
measures that): keyframes of drawn scenes, encoded as sub-streams are, come from memory. Every camera is looked at twice; the
second look counts, since it has a view to compare with.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.lab.bench.procfs import cost_of
from gateway.lab.bench.running import Result, run_bench
from gateway.lab.encoder import Coding, encode_clip
from gateway.lab.report import Steps, machine_line, print_table, say
from gateway.model import Scene
from gateway.observability.logs import configure
from gateway.ports import AccessUnit, VideoOutlet
from gateway.supervision.clock import SystemClock
from gateway.supervision.governor import Budget
from gateway.video.cameras.fleet import Fleet
from gateway.video.changes import Changes
from gateway.video.decoder.decoder import Decoder
from gateway.video.devices.outbox import Outbox
from gateway.video.diagnosis.keyframes import IN_A_ROW
from gateway.video.diagnosis.patrol import Patrol
from gateway.video.diagnosis.wire import PatrolOrder
from gateway.video.pictures.ring import KeyframeRing
from gateway.video.wire import CameraOrder

INTERVAL_S = 600.0
GOAL = 0.1
"""Of one core, for a thousand cameras each ten minutes."""
_SCENES = (Scene.STREET, Scene.RURAL, Scene.VILLAGE)
_APART_S = 0.5  # two keyframes of a row
_CODINGS = {
    "sub": Coding(640, 360, fps=25, gop=50, bitrate=512_000, preset="superfast"),
    "main": Coding(1920, 1080, fps=25, gop=50, bitrate=4_000_000, preset="superfast"),
}
_START_CODE = b"\0\0\0\1"


def run_bench_diagnosis(as_json: bool = False, *, cameras: int = 1000, stream: str = "sub") -> int:
    """Measure and print; the exit code."""

    async def measure(_: Path, progress: Steps) -> Result:
        configure("WARNING")
        return await _measure(cameras, stream, progress)

    return 1 if run_bench("diagnosis", measure, _print, as_json=as_json) is None else 0


@dataclass(slots=True)
class _Memory:
    """Connections of simulated cameras: each shows four keyframes of its scene, and four others of it when told to."""

    scenes: Sequence[Sequence[bytes]]
    outlets: dict[str, VideoOutlet] = field(default_factory=dict)
    came: Changes = field(default_factory=Changes)

    async def all_there(self, count: int) -> None:
        while len(self.outlets) < count:
            await self.came.beyond(self.came.count)

    def connect(self, order: CameraOrder, url: str, keyframe_s: float) -> "_Camera":
        return _Camera(self, order.id)

    def show(self, camera: str, turn: int) -> None:
        number, outlet = int(camera), self.outlets[camera]
        keyframes = self.scenes[number % len(self.scenes)]
        # As if the second row had come right behind the first: what comes closer together a worker does not keep.
        last = time.monotonic() - (1 - turn) * IN_A_ROW * _APART_S
        for place in range(IN_A_ROW):
            payload = keyframes[(number + turn * IN_A_ROW + place) % len(keyframes)]
            outlet.unit(AccessUnit(camera, last - _APART_S * (IN_A_ROW - 1 - place), True, "h264", payload))


class _Camera:
    width: int | None = 640
    height: int | None = 360
    dropped = 0

    def __init__(self, memory: _Memory, camera: str) -> None:
        self._memory, self._camera = memory, camera

    async def run(self, outlet: VideoOutlet) -> None:
        outlet.playing()
        outlet.online("h264")
        self._memory.outlets[self._camera] = outlet
        self._memory.show(self._camera, 0)
        self._memory.came.note()
        await asyncio.Event().wait()


async def _measure(cameras: int, stream: str, progress: Steps) -> dict[str, Any]:
    progress.step("encoding three scenes")
    coding = _CODINGS[stream]
    clips = [await asyncio.to_thread(encode_clip, scene, coding, 6 * IN_A_ROW) for scene in _SCENES]
    scenes = [
        [
            b"".join(_START_CODE + nal for nal in (*clip.parameter_sets, *picture.nals))
            for picture in clip.pictures
            if picture.keyframe
        ]
        for clip in clips
    ]
    memory, clock, decoder = _Memory(scenes), SystemClock(), Decoder()
    fleet = Fleet(memory.connect, KeyframeRing(2**31), clock, budget=Budget(1024, 1024, 1024))
    order = PatrolOrder(cpu=1.0, hours=(0, 1))
    patrol = Patrol(fleet, decoder, Outbox(), clock, order=order)
    names = [str(number) for number in range(cameras)]
    try:
        await decoder.warm()
        assert decoder.pid is not None
        await fleet.apply([CameraOrder(name, f"rtsp://127.0.0.1/{name}") for name in names])
        await memory.all_there(cameras)
        await _round(patrol, names, progress, "first looks")
        for name in names:
            memory.show(name, 1)
        child, worker, said = cost_of(decoder.pid).cpu_s, time.process_time(), patrol.cpu_s
        began = time.monotonic()
        faulty = await _round(patrol, names, progress, "second looks")
        took = time.monotonic() - began
        child, worker = cost_of(decoder.pid).cpu_s - child, time.process_time() - worker
        said = patrol.cpu_s - said
    finally:
        await fleet.close()
        await decoder.close()
    return {
        "cameras": cameras,
        "stream": stream,
        "keyframe_bytes": round(sum(map(len, scenes[0])) / len(scenes[0])),
        "decoder_cpu_s": round(child, 2),
        "decoder_cpu_s_as_told": round(said, 2),
        "worker_cpu_s": round(worker, 2),
        "elapsed_s": round(took, 1),
        "ms_a_look": round(1000 * child / cameras, 2),
        "share_of_a_core_each_10_min": round((child + worker) / INTERVAL_S * 1000 / cameras, 4),
        "looks_with_faults": faulty,
        "goal": GOAL,
    }


async def _round(patrol: Patrol, names: Sequence[str], progress: Steps, what: str) -> int:
    """Look at every camera once; at how many something was found."""
    faulty = 0
    for number, name in enumerate(names):
        if number % 50 == 0:
            progress.step(f"{what}: {number} of {len(names)}", number / len(names))
        faulty += bool((await patrol.look(name)).found)
    return faulty


def _print(result: dict[str, Any]) -> None:
    rows = [
        (
            f"{result['cameras']} × {result['stream']}",
            f"{result['decoder_cpu_s']:.1f} s",
            f"{result['worker_cpu_s']:.1f} s",
            f"{result['ms_a_look']:.1f} ms",
            f"{100 * result['share_of_a_core_each_10_min']:.1f} %",
        )
    ]
    title = (
        f"one look at each camera, {IN_A_ROW} keyframes of {result['keyframe_bytes']} bytes a look\n{machine_line()}"
    )
    columns = ("cameras", "decoder's CPU", "worker's CPU", "decoder, each look", "of a core, 1,000 cameras each 10 min")
    print_table(title, columns, rows)
    met = result["share_of_a_core_each_10_min"] <= result["goal"]
    say(f"{'within' if met else 'BEYOND'} the goal of {100 * result['goal']:.0f} % of one core")
