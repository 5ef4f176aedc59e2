"""Ways of receiving cameras, to be compared: a node of the gateway, ffmpeg, and OpenCV."""

import asyncio
import json
import shutil
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.errors import RunningError
from gateway.lab.api import Api
from gateway.lab.bench.procfs import Cost, cost_of
from gateway.lab.bench.rig import LoneNode, LoopLag, Park
from gateway.lab.children import Child, stop_all

_ONLINE_WITHIN = 120.0


@dataclass(frozen=True, slots=True)
class Figures:
    """One way in one round: ``cpu`` and ``served`` (the simulated cameras' own) in cores, ``memory`` and ``base`` (without
    a camera) in bytes, all of all cameras together. ``facts`` are what else is worth telling."""

    cpu: float
    memory: int
    base: int
    pictures: int
    keyframes: int
    bits_per_second: float
    served: float
    facts: dict[str, Any]


class Way(ABC):
    """A way of receiving the first ``cameras`` of a park; ``directory`` is made for its files and logs."""

    name: str
    settle = 4.0  # seconds from the first connection to the measurement

    def __init__(self, cameras: int, park: Park, directory: Path) -> None:
        self.cameras, self.park = cameras, park
        self._directory = directory
        directory.mkdir(mode=0o700)

    @classmethod
    def available(cls, which: Callable[[str], str | None]) -> bool:
        """Whether this machine has what it needs."""
        return True

    def url(self, number: int) -> str:
        return self.park.url(number)

    @abstractmethod
    async def open(self) -> Cost:
        """Start receiving; returns the cost of the same processes without a camera."""

    @abstractmethod
    def cost(self) -> Cost: ...

    @abstractmethod
    async def seen(self, since: float) -> tuple[int, int]:
        """Pictures and keyframes that came since (CLOCK_MONOTONIC)."""

    async def received_bytes(self) -> int:
        """Bytes received so far, where the way counts them; else 0."""
        return 0

    async def facts(self) -> dict[str, Any]:
        return {}

    @abstractmethod
    async def close(self) -> None: ...


_LOOKED_AT = 100  # cameras whose ring is counted; asking for every one of thousands would be a load of its own


class OurNode(Way):
    """A whole node: core, video workers and their decoders. Keyframes are kept encoded, the rest is skipped over."""

    name = "gateway run (core, workers, decoders)"

    def __init__(self, cameras: int, park: Park, directory: Path) -> None:
        super().__init__(cameras, park, directory)
        self._node = LoneNode(directory, {"cameras_file": str(park.cameras_file)})
        self._bare = LoneNode(directory, {}, "a node without cameras")
        self._before = ""

    async def open(self) -> Cost:
        await self._bare.start()
        base = self._bare.cost()
        await self._bare.stop()
        await self._node.start()
        await self._node.online(self.cameras)
        return base

    def cost(self) -> Cost:
        return self._node.cost()

    async def seen(self, since: float) -> tuple[int, int]:
        some = [self.park.camera_id(number + 1) for number in range(min(self.cameras, _LOOKED_AT))]
        counts = [sum(at >= since for at in times) for times in await self._node.keyframe_times(some)]
        count = round(sum(counts) * self.cameras / len(some))
        return count, count

    async def received_bytes(self) -> int:
        self._before = self._before or await self._node.metrics()
        figures = [await Api(unix=worker).get("/figures") for worker in self._node.workers()]
        return sum(int(one["received_bytes"]) for one in figures)

    async def facts(self) -> dict[str, Any]:
        keyframes, now, gop = await self._node.last_keyframes(), datetime.now(UTC), self.park.stream.gop_s
        ages = [(now - at).total_seconds() for at in keyframes]
        lag = LoopLag(self._before, await self._node.metrics())
        parts = {name: f"{cost.memory / 2**20:.0f} MiB" for name, cost in sorted(self._node.parts().items())}
        return {
            "oldest_keyframe_in_gops": round(max(ages) / gop, 2),
            "without_one_younger_than_3_gops": self.cameras - sum(age <= 3 * gop for age in ages),
            "core_loop_lag_p99_at_most_ms": round(1000 * lag.at_most(0.99), 1),
            "memory": parts,
        }

    async def profile(self, picture: Path, seconds: float) -> None:
        """Draw a flame graph (SVG) of the first worker. Raises RunningError where py-spy is not there or may not look."""
        program = shutil.which("py-spy") or str(Path(sys.executable).with_name("py-spy"))
        pid = (await Api(unix=self._node.workers()[0]).get("/alive"))["pid"]
        spy = Child("py-spy", self._directory / "py-spy.log")
        wanted = ("--pid", str(pid), "--duration", str(round(seconds)), "--native", "--output", str(picture))
        try:
            await spy.start("record", *wanted, program=program)
        except FileNotFoundError:
            raise RunningError("py-spy draws the flame graph and is not installed; `make flame` has it") from None
        await spy.wait(seconds + 60)
        if not await asyncio.to_thread(picture.exists):
            raise RunningError(f"py-spy drew nothing; it may need root:\n{spy.tail()}")

    async def close(self) -> None:
        await self._node.stop()
        await self._bare.stop()


class _OneProcessEach(Way):
    """A process for every camera, which tells the number of pictures it has seen as it goes."""

    def __init__(self, cameras: int, park: Park, directory: Path) -> None:
        super().__init__(cameras, park, directory)
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
        return pictures, pictures // self.park.pictures_per_gop

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

    @classmethod
    def available(cls, which: Callable[[str], str | None]) -> bool:
        return which("ffmpeg") is not None

    def command(self, number: int) -> tuple[str, list[str]]:
        reading = ["-nostdin", "-v", "error", "-progress", "pipe:1", "-rtsp_transport", "tcp", "-i", self.url(number)]
        return "ffmpeg", [*reading, "-c", "copy", "-f", "null", "-"]

    def count_in(self, line: str) -> int | None:
        return int(line.removeprefix("frame=")) if line.startswith("frame=") else None


class OpenCv(_OneProcessEach):
    """cv2.VideoCapture decodes every picture."""

    name = "cv2.VideoCapture"

    def command(self, number: int) -> tuple[str, list[str]]:
        return sys.executable, ["-m", "gateway.lab.bench.opencv_reader", self.url(number)]

    def count_in(self, line: str) -> int | None:
        count = json.loads(line).get("pictures")
        return count if isinstance(count, int) else None
