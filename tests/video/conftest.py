import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from gateway.errors import DeviceError
from gateway.model import CameraHealth
from gateway.ports import AccessUnit, VideoOutlet
from gateway.supervision.governor import Budget
from gateway.video.cameras.fleet import Fleet
from gateway.video.clips.recorder import Recorder
from gateway.video.pictures.ring import KeyframeRing
from gateway.video.wire import CameraOrder


class ManualClock:
    """Time that only sleeping (or a test) moves."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def mono(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        await asyncio.sleep(0)


def encode(width: int, height: int) -> bytes:
    """One H.264 keyframe, Annex B, parameter sets first; left half dark, right half bright."""
    context = av.CodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.time_base = Fraction(1, 25)
    context.options = {"preset": "ultrafast", "tune": "zerolatency", "threads": "1"}
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, width // 2 :] = 220
    frame = av.VideoFrame.from_ndarray(pixels, format="bgr24")
    frame.pts = 0
    return b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])


@pytest.fixture(scope="session")
def encode_stream() -> Callable[..., list[tuple[bytes, bool]]]:
    """``encode_stream(count, codec)``: (Annex B, keyframe) of 160×120 pictures, a keyframe each second at 25/s."""

    def encode_all(count: int, codec: str = "libx264", **options: str) -> list[tuple[bytes, bool]]:
        context = av.CodecContext.create(codec, "w")
        context.width, context.height, context.pix_fmt = 160, 120, "yuv420p"
        context.time_base, context.gop_size = Fraction(1, 25), 25
        context.options = {"preset": "ultrafast", "tune": "zerolatency", **options}
        packets = []
        for number in range(count):
            pixels = np.zeros((120, 160, 3), np.uint8)
            pixels[:, number % 140 : number % 140 + 20] = 200
            frame = av.VideoFrame.from_ndarray(pixels, format="bgr24")
            frame.pts = number
            packets += context.encode(frame)
        packets += context.encode(None)
        return [(bytes(packet), packet.is_keyframe) for packet in packets]

    return encode_all


class Line:
    """A camera's connection in the test's hands."""

    def __init__(self, order: CameraOrder, url: str, keyframe_s: float, goodbyes: list[str]) -> None:
        self.order, self.url, self.keyframe_s = order, url, keyframe_s
        self.outlet: VideoOutlet | None = None
        self.width: int | None = None
        self.height: int | None = None
        self.dropped = 0
        self.farewell: asyncio.Event | None = None  # what a slow goodbye waits for
        self._goodbyes = goodbyes
        self._fate: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self, outlet: VideoOutlet) -> None:
        self.outlet = outlet
        try:
            await self._fate
        finally:
            if self.farewell is not None:
                await self.farewell.wait()
            self._goodbyes.append(self.url)

    def plays(self) -> None:
        assert self.outlet is not None
        self.outlet.playing()

    def shows(self, at: float, keyframe: bool = True, payload: bytes = b"picture") -> None:
        assert self.outlet is not None
        self.width, self.height = 1920, 1080
        self.outlet.online("h264")
        self.outlet.unit(AccessUnit(self.order.id, at, keyframe, "h264", payload))

    def breaks(self, error: DeviceError) -> None:
        self._fate.set_exception(error)


class Stage:
    """A fleet whose lines and clock the test holds. Cameras that are to dial again wait for ``patience``."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.clock.sleep = self._sleep  # type: ignore[method-assign]
        self.lines: list[Line] = []
        self.goodbyes: list[str] = []
        self.slept: list[float] = []
        self.patience = asyncio.Event()
        self.recorder = Recorder(2**20)
        self.fleet = Fleet(self._connect, KeyframeRing(), clock, recorder=self.recorder, budget=Budget(8, 4, 2))

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await self.patience.wait()

    def _connect(self, order: CameraOrder, url: str, keyframe_s: float) -> Line:
        line = Line(order, url, keyframe_s, self.goodbyes)
        self.lines.append(line)
        return line

    async def line(self, number: int) -> Line:
        async with asyncio.timeout(60):
            while len(self.lines) <= number or self.lines[number].outlet is None:
                await asyncio.sleep(0)
        return self.lines[number]

    async def settled(self) -> None:
        for _ in range(50):
            await asyncio.sleep(0)

    def health(self, camera: str) -> CameraHealth:
        return next(health for health in self.fleet.health() if health.camera_id == camera)

    def check(self) -> None:
        """What the fleet does every second."""
        self.fleet.check(self.clock.mono())


@pytest.fixture
async def stage(clock: ManualClock) -> AsyncIterator[Stage]:
    """A fleet of a video worker with connections in the test's hands; see Stage and Line."""
    made = Stage(clock)
    yield made
    await made.fleet.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(scope="session")
def keyframe() -> bytes:
    """A 704×576 keyframe."""
    return encode(704, 576)


@pytest.fixture(scope="session")
def encode_keyframe() -> Callable[[int, int], bytes]:
    return encode


@pytest.fixture
def until() -> Callable[[Callable[[], object]], Awaitable[None]]:
    """``await until(condition)``: look again and again, for as long as a busy machine may need."""

    def holds(condition: Callable[[], object]) -> bool:
        try:
            return bool(condition())
        except (LookupError, StopIteration):  # what it looks at is not there yet
            return False

    async def wait(condition: Callable[[], object]) -> None:
        async with asyncio.timeout(60):
            while not holds(condition):
                await asyncio.sleep(0.02)

    return wait


@pytest.fixture
def short_dir() -> Iterator[Path]:
    """A directory whose path is short enough for a Unix socket below it."""
    directory = Path(tempfile.mkdtemp(prefix="gw-", dir="/tmp"))
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def worker_command() -> list[str]:
    """A worker whose cameras are files: see worker_double.py."""
    return [sys.executable, "-P", str(Path(__file__).with_name("worker_double.py"))]


@pytest.fixture
async def strays() -> AsyncIterator[Callable[[Path], list[int]]]:
    """``strays(path)``: the processes whose command line names that path."""

    def find(path: Path) -> list[int]:
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal() and int(entry.name) != os.getpid():
                try:
                    line = (entry / "cmdline").read_bytes()
                except OSError:
                    continue
                if os.fsencode(path) in line:
                    found.append(int(entry.name))
        return found

    yield find
