"""The core's side, with real worker processes whose cameras are files (worker_double.py)."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import DeviceError, Unreachable
from gateway.model import Camera, CameraState, StreamAddress
from gateway.observability import metrics
from gateway.video.client import WorkerClient
from gateway.video.decoder import child_environment
from gateway.video.pool import WorkerPool, place, spread, suggested_workers

Until = Callable[[Callable[[], object]], Awaitable[None]]
Strays = Callable[[Path], list[int]]


@pytest.fixture
def cameras(short_dir: Path, keyframe: bytes) -> list[Camera]:
    (short_dir / "camera.h264").write_bytes(keyframe)
    address = StreamAddress(f"file://{short_dir}/camera.h264")
    return [Camera(name, name, rtsp=address) for name in ("c1", "c2", "c3")]


@contextlib.asynccontextmanager
async def running(pool: WorkerPool) -> AsyncIterator[WorkerPool]:
    task = asyncio.create_task(pool.run())
    try:
        yield pool
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def make_pool(
    short_dir: Path, worker_command: list[str], strays: Strays
) -> AsyncIterator[Callable[..., WorkerPool]]:
    pools: list[WorkerPool] = []

    def make(cameras: list[Camera], workers: int | None = 1) -> WorkerPool:
        pools.append(WorkerPool(short_dir, cameras, workers=workers, command=worker_command))
        return pools[-1]

    yield make
    for pool in pools:
        await pool.stop()
    assert strays(short_dir) == []
    assert list((short_dir / "run").iterdir()) == []


def online(pool: WorkerPool) -> int:
    return sum(health.state is CameraState.ONLINE for health in pool.all_health())


async def test_two_workers_share_the_cameras(
    make_pool: Callable[..., WorkerPool], cameras: list[Camera], until: Until
) -> None:
    pool = make_pool(cameras, 2)
    assert [health.state for health in pool.all_health()] == [CameraState.CONNECTING] * 3
    with pytest.raises(Unreachable, match="being started"):
        await pool.keyframes("c1")
    async with running(pool):
        await until(lambda: online(pool) == 3)
        assert len(pool.pids) == len({place(camera.id, 2) for camera in cameras}) == 2
        for camera in cameras:
            newest = (await pool.keyframes(camera.id))[-1]
            assert (await pool.picture(camera.id, newest.id, 160)).width == 160
        with pytest.raises(DeviceError, match="no longer held"):
            await pool.picture("c1", "old", 160)
        with pytest.raises(Unreachable, match="camera x is not configured here"):
            await pool.keyframes("x")
        assert pool.health("x") is None


async def test_a_killed_worker_is_started_again(
    make_pool: Callable[..., WorkerPool], cameras: list[Camera], until: Until
) -> None:
    pool = make_pool(cameras)
    restarts = metrics.worker_restarts._value.get()
    async with running(pool):
        await until(lambda: online(pool) == 3)
        (first,) = pool.pids
        os.kill(first, signal.SIGKILL)
        await until(lambda: online(pool) == 0)
        health = pool.health("c1")
        assert health is not None
        assert health.state is CameraState.CONNECTING
        await until(lambda: online(pool) == 3)
        assert pool.pids != [first]
        assert metrics.worker_restarts._value.get() - restarts == 1
        with pytest.raises(ProcessLookupError):  # reaped, not left as a zombie
            os.kill(first, 0)


async def test_a_worker_that_hangs_from_the_start_is_replaced(
    make_pool: Callable[..., WorkerPool],
    cameras: list[Camera],
    until: Until,
    short_dir: Path,
    worker_command: list[str],
) -> None:
    pool = make_pool(cameras)
    async with running(pool):
        await until(lambda: online(pool) == 3)
        (left,) = pool.pids
    os.kill(left, signal.SIGSTOP)
    successor = WorkerPool(short_dir, cameras, workers=1, command=worker_command)
    async with running(successor):
        await until(lambda: online(successor) == 3)
        assert successor.pids != [left]
    await successor.stop()


async def test_a_worker_of_another_version_is_replaced_in_order(
    make_pool: Callable[..., WorkerPool],
    cameras: list[Camera],
    until: Until,
    short_dir: Path,
    worker_command: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pool = make_pool(cameras[:1])
    async with running(pool):
        await until(lambda: online(pool) == 1)
        (old,) = pool.pids
    monkeypatch.setattr("gateway.video.slot.__version__", "999.0")
    successor = WorkerPool(short_dir, cameras[:1], workers=1, command=worker_command)
    async with running(successor):
        await until(lambda: online(successor) == 1 and successor.pids != [old])
        assert (short_dir / "camera.goodbye").read_text() == "c1\n"
    await successor.stop()


async def test_a_changed_list_reaches_the_worker(
    make_pool: Callable[..., WorkerPool], cameras: list[Camera], until: Until, short_dir: Path
) -> None:
    pool = make_pool(cameras[:1])
    async with running(pool):
        await until(lambda: online(pool) == 1)
        (pid,) = pool.pids
        await pool.apply(cameras[1:])
        assert [health.camera_id for health in pool.all_health()] == ["c2", "c3"]
        await until(lambda: online(pool) == 2)
        assert pool.pids == [pid]
        assert pool.health("c1") is None
        assert (short_dir / "camera.goodbye").read_text() == "c1\n"


async def test_without_cameras_there_is_no_worker_until_there_is_one(
    make_pool: Callable[..., WorkerPool], cameras: list[Camera], until: Until
) -> None:
    pool = make_pool([])
    async with running(pool):
        await asyncio.sleep(0.1)
        assert pool.pids == []
        await pool.apply(cameras)
        await until(lambda: online(pool) == 3)


async def test_health_changes_are_told(
    make_pool: Callable[..., WorkerPool], cameras: list[Camera], until: Until
) -> None:
    pool = make_pool([Camera("g", "gone", rtsp=StreamAddress("gone://x"))])
    async with running(pool):
        seen = 0
        async with asyncio.timeout(60):
            while (health := pool.health("g")) is None or health.state is not CameraState.OFFLINE:
                seen = await pool.health_changed(seen)
        assert health.reason == "connection refused by 10.0.0.5:554"
        with pytest.raises(Unreachable, match="camera g is offline: connection refused"):
            await pool.keyframes("g")


async def test_stopping_ends_even_a_worker_that_hangs(
    make_pool: Callable[..., WorkerPool], cameras: list[Camera], until: Until
) -> None:
    pool = make_pool(cameras)
    async with running(pool):
        await until(lambda: online(pool) == 3)
        (pid,) = pool.pids
    os.kill(pid, signal.SIGSTOP)
    await pool.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_workers_of_an_earlier_run_that_had_more_are_ended(
    make_pool: Callable[..., WorkerPool],
    cameras: list[Camera],
    until: Until,
    short_dir: Path,
    worker_command: list[str],
) -> None:
    more = make_pool(cameras, 2)
    async with running(more):
        await until(lambda: online(more) == 3)
        pids = more.pids
    fewer = WorkerPool(short_dir, cameras, workers=1, command=worker_command)
    async with running(fewer):
        await until(lambda: online(fewer) == 3)
        assert fewer.pids == pids[:1]
        assert [path.name for path in (short_dir / "run").iterdir()] == ["video-0.sock"]
    await fewer.stop()


async def test_a_core_that_was_killed_finds_its_worker_with_the_ring_full(
    make_pool: Callable[..., WorkerPool],
    cameras: list[Camera],
    until: Until,
    short_dir: Path,
    worker_command: list[str],
) -> None:
    script = Path(__file__).with_name("core_double.py")
    core = subprocess.Popen(
        [sys.executable, "-P", script, short_dir, short_dir / "camera.h264", worker_command[-1]],
        env=child_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with core:
        assert core.stdout is not None
        worker = int(await asyncio.to_thread(core.stdout.readline))
        core.kill()
    async with WorkerClient(short_dir / "run" / "video-0.sock") as client:
        assert (await client.alive()).pid == worker
        before = await client.keyframes("c1")
    restarts = metrics.worker_restarts._value.get()
    pool = make_pool(cameras[:1])
    async with running(pool):
        await until(lambda: online(pool) == 1)
        assert pool.pids == [worker]
        assert {frame.id for frame in before} <= {frame.id for frame in await pool.keyframes("c1")}
    assert metrics.worker_restarts._value.get() == restarts


@given(st.lists(st.text(min_size=1, max_size=20), unique=True, max_size=50), st.integers(1, 8))
def test_every_camera_has_one_place_whatever_the_others_are(names: list[str], workers: int) -> None:
    cameras = [Camera(name, name) for name in names]
    orders = spread(cameras, workers)
    assert sorted(order.id for part in orders for order in part) == sorted(names)
    for number, part in enumerate(orders):
        assert all(place(order.id, workers) == number for order in part)
    assert [[order.id for order in part] for part in spread(cameras[::-1], workers)] == [
        [order.id for order in part][::-1] for part in orders
    ]


def test_few_cameras_need_few_workers() -> None:
    assert suggested_workers(0) == suggested_workers(3) == 1
    assert 1 <= suggested_workers(100_000) <= max(1, len(os.sched_getaffinity(0)) - 1)
