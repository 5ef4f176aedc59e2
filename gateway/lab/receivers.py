"""Ways of receiving cameras, to be compared: the gateway's video worker, ffmpeg, and OpenCV."""

import asyncio
import json
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from pathlib import Path

from gateway.errors import RunningError
from gateway.lab.api import Api
from gateway.lab.cameras import MAIN, path
from gateway.lab.children import Child, stop_all
from gateway.lab.procfs import Cost, cost_of

_ONLINE_WITHIN = 60.0


class Way(ABC):
    """A way of receiving ``cameras`` streams; ``directory`` is made for its sockets and logs."""

    name: str

    def __init__(self, cameras: int, rtsp_port: int, directory: Path) -> None:
        self.cameras = cameras
        self._port, self._directory = rtsp_port, directory
        directory.mkdir(mode=0o700)

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

    async def received_bytes(self) -> int:
        """Bytes received so far, where the way counts them; else 0."""
        return 0

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

    async def received_bytes(self) -> int:
        return int((await self._api.get("/figures"))["received_bytes"])

    async def close(self) -> None:
        await self._worker.stop(6)

    async def _alive(self) -> bool:
        return await self._api.status("/alive") == 200

    async def _all_online(self) -> bool:
        figures = await self._api.get("/figures")
        return bool(figures["cameras"].get("online", 0) == self.cameras)

    async def _until(self, condition: Callable[[], Awaitable[bool]], fault: str) -> None:
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
