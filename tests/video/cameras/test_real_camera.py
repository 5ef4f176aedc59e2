"""The whole way with parts nobody here wrote: GstRtspServer → RTSP → ring → decoder child → JPEG, in real processes."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from gateway.errors import Unreachable
from gateway.model import CameraState, Credential
from gateway.video.wire import CameraOrder
from gateway.video.workers.pool import WorkerPool

Until = Callable[[Callable[[], object]], Awaitable[None]]
PASSWORD = "Sehr-geheim 7"


@pytest.fixture
def gst() -> Iterator["subprocess.Popen[str]"]:
    script = Path(__file__).parents[2] / "peers" / "gst_server.py"
    command = ["/usr/bin/python3", str(script), "--auth", "digest", "--user", "viewer", "--password-stdin"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        server.stdin.write(PASSWORD + "\n")
        server.stdin.flush()
        yield server
        server.terminate()


@pytest.fixture
def address(gst: "subprocess.Popen[str]") -> str:
    assert gst.stdout is not None
    return gst.stdout.readline().split()[1]


@pytest.fixture
async def watch(short_dir: Path) -> AsyncIterator[Callable[[str, str], WorkerPool]]:
    """``watch(address, password)`` is a pool that runs, with this one camera."""
    started: list[tuple[WorkerPool, asyncio.Task[None]]] = []

    def start(url: str, password: str) -> WorkerPool:
        pool = WorkerPool(short_dir, [CameraOrder("cam", url, credential=Credential("viewer", password))])
        started.append((pool, asyncio.create_task(pool.run())))
        return pool

    yield start
    for pool, task in started:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await pool.stop()


def state(pool: WorkerPool) -> CameraState | None:
    health = pool.health("cam")
    return health.state if health else None


async def test_a_camera_gives_pictures_and_its_end_is_noticed(
    watch: Callable[[str, str], WorkerPool], gst: "subprocess.Popen[str]", address: str, until: Until
) -> None:
    pool = watch(address, PASSWORD)
    await until(lambda: state(pool) is CameraState.ONLINE)
    health = pool.health("cam")
    assert health is not None
    assert (health.codec, health.width, health.height) == ("h264", 640, 360)
    async with asyncio.timeout(60):
        while len(frames := await pool.keyframes("cam")) < 3:
            await asyncio.sleep(0.1)
    assert [frame.received_mono for frame in frames] == sorted(frame.received_mono for frame in frames)
    picture = await pool.picture("cam", frames[-1].id, 320)
    shown = cv2.imdecode(np.frombuffer(picture.jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert shown.shape == (180, 320)
    assert shown.max() > 200  # the ball
    assert shown.min() < 50
    gst.terminate()
    await until(lambda: state(pool) is CameraState.OFFLINE)
    health = pool.health("cam")
    assert health is not None
    assert health.reason
    assert PASSWORD not in health.reason


async def test_a_wrong_password_is_told_and_the_right_one_helps(
    watch: Callable[[str, str], WorkerPool], address: str, until: Until
) -> None:
    pool = watch(address, "wrong")
    await until(lambda: state(pool) is CameraState.AUTH_FAILED)
    with pytest.raises(Unreachable, match="camera cam is auth failed"):
        await pool.keyframes("cam")
    await pool.apply([CameraOrder("cam", address, credential=Credential("viewer", PASSWORD))])
    await until(lambda: state(pool) is CameraState.ONLINE)
