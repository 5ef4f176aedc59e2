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

    async def wait(condition: Callable[[], object]) -> None:
        async with asyncio.timeout(60):
            while not condition():
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
