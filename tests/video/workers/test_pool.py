"""The core's side, with real worker processes whose cameras are files (worker_double.py)."""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import DeviceError, Unreachable
from gateway.model import CameraState, Credential, OnvifAddress, utc_now
from gateway.observability import metrics
from gateway.video.decoder.decoder import child_environment
from gateway.video.wire import CameraOrder
from gateway.video.workers.client import WorkerClient
from gateway.video.workers.placement import RECORDER_CHANNELS, homes, places
from gateway.video.workers.pool import WorkerPool, suggested_workers
from gateway.video.workers.process import Budgets

Until = Callable[[Callable[[], object]], Awaitable[None]]
Strays = Callable[[Path], list[int]]


@pytest.fixture
def cameras(short_dir: Path, keyframe: bytes) -> list[CameraOrder]:
    (short_dir / "camera.h264").write_bytes(keyframe)
    return [CameraOrder(name, f"file://{short_dir}/camera.h264") for name in ("c1", "c2", "c5", "c8")]


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

    def make(cameras: list[CameraOrder], workers: int | None = 1) -> WorkerPool:
        pools.append(WorkerPool(short_dir, cameras, workers=workers, command=worker_command))
        return pools[-1]

    yield make
    for pool in pools:
        await pool.stop()
    assert strays(short_dir) == []
    assert list((short_dir / "run").iterdir()) == []


def online(pool: WorkerPool) -> int:
    return sum(health.state is CameraState.ONLINE for health in pool.all_health())


async def reasons_until(pool: WorkerPool, said: str) -> set[str]:
    """The cameras of which this is said, as soon as it is said of one; not to be missed, however short it is true."""
    seen = await pool.health_changed(-1)
    async with asyncio.timeout(60):
        while True:
            found = {health.camera_id for health in pool.all_health() if re.search(said, health.reason or "")}
            if found:
                return found
            seen = await pool.health_changed(seen)


async def test_two_workers_share_the_cameras(
    make_pool: Callable[..., WorkerPool], cameras: list[CameraOrder], until: Until
) -> None:
    pool = make_pool(cameras, 2)
    assert [health.state for health in pool.all_health()] == [CameraState.CONNECTING] * 4
    with pytest.raises(Unreachable, match="being started"):
        await pool.keyframes("c1")
    async with running(pool):
        await until(lambda: online(pool) == 4)
        assert len(pool.pids) == len(set(homes(cameras, range(2)).values())) == 2
        for camera in cameras:
            newest = (await pool.keyframes(camera.id))[-1]
            assert (await pool.picture(camera.id, newest.id, 160)).width == 160
        with pytest.raises(DeviceError, match="no longer held"):
            await pool.picture("c1", "old", 160)
        with pytest.raises(Unreachable, match="camera x is not configured here"):
            await pool.keyframes("x")
        assert pool.health("x") is None


async def test_a_killed_worker_is_started_again(
    make_pool: Callable[..., WorkerPool], cameras: list[CameraOrder], until: Until
) -> None:
    pool = make_pool(cameras)
    restarts = metrics.worker_restarts._value.get()
    async with running(pool):
        await until(lambda: online(pool) == 4)
        (first,) = pool.pids
        os.kill(first, signal.SIGKILL)
        await until(lambda: online(pool) == 0)
        health = pool.health("c1")
        assert health is not None
        assert health.state is CameraState.CONNECTING
        await until(lambda: online(pool) == 4)
        assert pool.pids != [first]
        assert metrics.worker_restarts._value.get() - restarts == 1
        with pytest.raises(ProcessLookupError):  # reaped, not left as a zombie
            os.kill(first, 0)


async def test_a_worker_that_hangs_from_the_start_is_replaced(
    make_pool: Callable[..., WorkerPool],
    cameras: list[CameraOrder],
    until: Until,
    short_dir: Path,
    worker_command: list[str],
) -> None:
    pool = make_pool(cameras)
    async with running(pool):
        await until(lambda: online(pool) == 4)
        (left,) = pool.pids
    os.kill(left, signal.SIGSTOP)
    successor = WorkerPool(short_dir, cameras, workers=1, command=worker_command)
    async with running(successor):
        await until(lambda: online(successor) == 4)
        assert successor.pids != [left]
    await successor.stop()


async def test_a_worker_that_speaks_otherwise_is_replaced_in_order(
    make_pool: Callable[..., WorkerPool],
    cameras: list[CameraOrder],
    until: Until,
    short_dir: Path,
    worker_command: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pool = make_pool(cameras[:1])
    async with running(pool):
        await until(lambda: online(pool) == 1)
        (old,) = pool.pids
    monkeypatch.setattr("gateway.video.workers.slot.SPEAKS", 999)
    successor = WorkerPool(short_dir, cameras[:1], workers=1, command=worker_command)
    async with running(successor):
        await until(lambda: online(successor) == 1 and successor.pids != [old])
        assert (short_dir / "camera.goodbye").read_text() == "c1\n"
    await successor.stop()


async def test_a_worker_apart_is_waited_for_and_outlives_the_core(
    cameras: list[CameraOrder], until: Until, short_dir: Path, worker_command: list[str], strays: Strays
) -> None:
    def core() -> WorkerPool:
        return WorkerPool(short_dir, cameras, workers=1, command=["/never/started"], apart=True)

    pool = core()
    options = short_dir / "run" / "video-0.options"
    assert options.read_text().splitlines()[:2] == ["--ring-mib", "256"]
    async with running(pool):
        await reasons_until(pool, "died")  # nobody has started it yet
        unit = subprocess.Popen(
            [*worker_command, f"@{options}", "--socket", str(short_dir / "run" / "video-0.sock")],
            stdin=subprocess.DEVNULL,
            env=child_environment(),
        )
        try:
            await until(lambda: online(pool) == 4)
            before = (await pool.keyframes("c1"))[0]
            assert pool.pids == [unit.pid]
        except BaseException:
            unit.kill()
            raise
    try:
        await pool.stop()
        successor = core()
        async with running(successor):
            await until(lambda: online(successor) == 4)
            assert successor.pids == [unit.pid]
            assert (await successor.keyframes("c1"))[0] == before, "its ring was emptied"
        await successor.stop()
        assert unit.poll() is None
        unit.terminate()
        assert await asyncio.to_thread(unit.wait, 60) == 0
    finally:
        unit.kill()
        unit.wait()
    assert strays(short_dir) == []


async def test_a_changed_list_reaches_the_worker(
    make_pool: Callable[..., WorkerPool], cameras: list[CameraOrder], until: Until, short_dir: Path
) -> None:
    pool = make_pool(cameras[:1])
    async with running(pool):
        await until(lambda: online(pool) == 1)
        (pid,) = pool.pids
        await pool.apply(cameras[1:])
        assert [health.camera_id for health in pool.all_health()] == ["c2", "c5", "c8"]
        await until(lambda: online(pool) == 3)
        assert pool.pids == [pid]
        assert pool.health("c1") is None
        assert (short_dir / "camera.goodbye").read_text() == "c1\n"


async def test_without_cameras_there_is_no_worker_until_there_is_one(
    make_pool: Callable[..., WorkerPool], cameras: list[CameraOrder], until: Until
) -> None:
    pool = make_pool([])
    async with running(pool):
        await asyncio.sleep(0.1)
        assert pool.pids == []
        await pool.apply(cameras)
        await until(lambda: online(pool) == 4)


async def test_health_changes_are_told(
    make_pool: Callable[..., WorkerPool], cameras: list[CameraOrder], until: Until
) -> None:
    pool = make_pool([CameraOrder("g", "gone://x")])
    async with running(pool):
        seen = 0
        async with asyncio.timeout(60):
            while (health := pool.health("g")) is None or health.state is not CameraState.OFFLINE:
                seen = await pool.health_changed(seen)
        assert health.reason == "connection refused by 10.0.0.5:554"
        with pytest.raises(Unreachable, match="camera g is offline: connection refused"):
            await pool.keyframes("g")


async def test_stopping_ends_even_a_worker_that_hangs(
    make_pool: Callable[..., WorkerPool], cameras: list[CameraOrder], until: Until
) -> None:
    pool = make_pool(cameras)
    async with running(pool):
        await until(lambda: online(pool) == 4)
        (pid,) = pool.pids
    os.kill(pid, signal.SIGSTOP)
    await pool.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_workers_of_an_earlier_run_that_had_more_are_ended(
    make_pool: Callable[..., WorkerPool],
    cameras: list[CameraOrder],
    until: Until,
    short_dir: Path,
    worker_command: list[str],
) -> None:
    more = make_pool(cameras, 2)
    async with running(more):
        await until(lambda: online(more) == 4)
        pids = more.pids
    fewer = WorkerPool(short_dir, cameras, workers=1, command=worker_command)
    async with running(fewer):
        await until(lambda: online(fewer) == 4)
        assert fewer.pids == pids[:1]
        assert [path.name for path in (short_dir / "run").iterdir()] == ["video-0.sock"]
    await fewer.stop()


async def test_a_core_that_was_killed_finds_its_worker_with_the_ring_full(
    make_pool: Callable[..., WorkerPool],
    cameras: list[CameraOrder],
    until: Until,
    short_dir: Path,
    worker_command: list[str],
) -> None:
    script = Path(__file__).parents[1] / "core_double.py"
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


async def test_the_cameras_of_a_killed_worker_move_to_the_other_and_stay_there(
    make_pool: Callable[..., WorkerPool], cameras: list[CameraOrder], until: Until
) -> None:
    pool = make_pool(cameras, 2)
    homes_before = homes(cameras, range(2))
    lost = [name for name, at in homes_before.items() if at == 0]
    assert lost and len(lost) < len(cameras)
    stayed = next(name for name, at in homes_before.items() if at == 1)
    moved = metrics.cameras_moved._value.get()
    async with running(pool):
        await until(lambda: online(pool) == 4)
        doomed, survivor = pool.pids
        kept = (await pool.keyframes(stayed))[0]
        reasons = asyncio.create_task(reasons_until(pool, "another one is connecting"))
        os.kill(doomed, signal.SIGKILL)
        assert await reasons == set(lost)
        await until(lambda: online(pool) == 4)
        assert metrics.cameras_moved._value.get() - moved == len(lost)
        assert kept in await pool.keyframes(stayed)  # one camera's move does not disturb another
        await until(lambda: len(pool.pids) == 2 and len(pool.figures()) == 2)
        assert pool.pids[1] == survivor
        for camera in cameras:
            newest = (await pool.keyframes(camera.id))[-1]
            assert (await pool.picture(camera.id, newest.id, 160)).width == 160
        await until(lambda: pool.figures()["video-1"]["cameras"] == {"online": 4})
        await until(lambda: pool.figures()["video-0"]["cameras"] == {})


async def test_a_core_that_crashed_finds_moved_cameras_where_they_were(
    make_pool: Callable[..., WorkerPool], cameras: list[CameraOrder], until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.video.workers.slot.RECOGNISE_S", 60.0)  # they do not hang, busy as the machine may be
    former = make_pool(cameras, 2)
    moved = next(name for name, at in homes(cameras, range(2)).items() if at == 0)
    async with running(former):
        await until(lambda: online(former) == 4)
        moving = asyncio.create_task(reasons_until(former, "another one is connecting"))
        os.kill(former.pids[0], signal.SIGKILL)
        await moving
        await until(lambda: online(former) == 4 and len(former.figures()) == 2)
        kept = await former.keyframes(moved)
        pids = former.pids
    pool = make_pool(cameras, 2)
    async with running(pool):
        await until(lambda: online(pool) == 4 and len(pool.figures()) == 2)
        assert pool.pids == pids
        assert {frame.id for frame in kept} <= {frame.id for frame in await pool.keyframes(moved)}
        await pool.apply(cameras)  # they may go home with the next list, and do once the other has stood for a while
        await until(lambda: online(pool) == 4)


async def test_they_go_back_when_the_other_dies_or_the_list_is_applied_again(
    make_pool: Callable[..., WorkerPool], cameras: list[CameraOrder], until: Until, short_dir: Path
) -> None:
    pool = make_pool(cameras, 2)
    async with running(pool):
        await until(lambda: online(pool) == 4)
        for victim in (0, 1):
            moving = asyncio.create_task(reasons_until(pool, "another one is connecting"))
            os.kill(pool.pids[victim], signal.SIGKILL)
            await moving
            await until(lambda: online(pool) == 4 and len(pool.figures()) == 2)
        away = [name for name, at in homes(cameras, range(2)).items() if at == 1]
        assert not (short_dir / "camera.goodbye").exists()
        pool._slots[0]._has_died = pool._slots[1]._has_died = False  # as if both had stood for a minute
        await pool.apply(cameras)
        assert sorted((short_dir / "camera.goodbye").read_text().split()) == sorted(
            away
        )  # hung up before it is dialled
        await until(lambda: online(pool) == 4)
        assert len(pool.pids) == 2


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_refused_camera_is_not_dialled_again_by_the_worker_that_takes_it(
    make_pool: Callable[..., WorkerPool], cameras: list[CameraOrder], until: Until, short_dir: Path, workers: int
) -> None:
    refusing = [
        CameraOrder(name, f"refuse://{short_dir}/dials", credential=Credential(name, "p"))
        for name in ("r1", "r2", "r3")
    ]
    pool = make_pool([*refusing, *cameras], workers)

    def dials() -> int:
        return len((short_dir / "dials").read_text().split())

    def refused() -> int:
        return sum(health.state is CameraState.AUTH_FAILED for health in pool.all_health())

    async with running(pool):
        await until(lambda: refused() == 3 and online(pool) == 4)
        assert dials() == 3
        moving = asyncio.create_task(reasons_until(pool, "the video worker died|its video worker died"))
        for pid in pool.pids:
            os.kill(pid, signal.SIGKILL)
        await moving
        await until(lambda: refused() == 3 and online(pool) == 4)
        assert dials() == 3
        assert await pool.retry() == 3
        await until(lambda: dials() == 6 and refused() == 3)


async def test_the_channels_of_a_recorder_try_their_common_password_once_a_reload(
    make_pool: Callable[..., WorkerPool], until: Until, short_dir: Path
) -> None:
    login = Credential("admin", "wrong")
    channels = [CameraOrder(f"n{number}", f"refuse://{short_dir}/dials", credential=login) for number in range(16)]
    pool = make_pool(channels)

    def dials() -> int:
        return len((short_dir / "dials").read_text().split())

    def refused() -> int:
        return sum(health.state is CameraState.AUTH_FAILED for health in pool.all_health())

    async with running(pool):
        await until(lambda: refused() == 16)
        before = dials()
        asked_at = utc_now()
        assert await pool.retry() == 16
        await until(lambda: refused() == 16 and min(health.since for health in pool.all_health()) >= asked_at)
        assert (before, dials()) == (1, 2)


async def test_a_killed_decoder_costs_one_picture_at_most(
    make_pool: Callable[..., WorkerPool], cameras: list[CameraOrder], until: Until
) -> None:
    pool = make_pool(cameras)
    async with running(pool):
        await until(lambda: online(pool) == 4)
        await until(lambda: pool.figures()["video-0"].get("decoder", {}).get("pid"))
        os.kill(pool.figures()["video-0"]["decoder"]["pid"], signal.SIGKILL)
        pictures = 0
        for camera in cameras:
            with contextlib.suppress(DeviceError):
                newest = (await pool.keyframes(camera.id))[-1]
                await pool.picture(camera.id, newest.id, 160)
                pictures += 1
        assert pictures >= len(cameras) - 1
        assert online(pool) == 4


async def test_a_reload_touches_only_the_cameras_that_changed(
    make_pool: Callable[..., WorkerPool], cameras: list[CameraOrder], until: Until, short_dir: Path
) -> None:
    pool = make_pool(cameras, 2)
    goodbye = short_dir / "camera.goodbye"
    async with running(pool):
        await until(lambda: online(pool) == 4)
        ring = {camera.id: (await pool.keyframes(camera.id))[0] for camera in cameras}
        dearer = [replace(camera, importance=1, record_s=30.0) for camera in cameras]
        await pool.apply(dearer)
        await until(lambda: all(slot._sent == slot._wanted.count for slot in pool._slots))
        assert not goodbye.exists()  # neither needs another connection
        changed = replace(dearer[1], credential=Credential("u", "another"))
        await pool.apply([dearer[0], changed, *dearer[2:]])
        await until(lambda: goodbye.exists() and goodbye.read_text())
        await until(lambda: online(pool) == 4)
        assert goodbye.read_text() == f"{changed.id}\n"
        for camera in cameras:  # the ring too, even of the one with another password
            assert ring[camera.id] in await pool.keyframes(camera.id)


def test_the_channels_of_a_recorder_share_a_worker_and_a_great_many_do_not() -> None:
    recorder = [CameraOrder(f"n{number}", f"rtsp://10.0.0.7/{number}") for number in range(RECORDER_CHANNELS)]
    assert len(set(homes(recorder, range(4)).values())) == 1
    lab = [CameraOrder(f"l{number}", f"rtsp://127.0.0.1/{number}") for number in range(1000)]
    sizes = Counter(homes(lab, range(4)).values())
    assert len(sizes) == 4 and max(sizes.values()) < 1.3 * min(sizes.values())


@given(st.sets(st.integers(0, 250), max_size=60), st.integers(2, 8), st.data())
def test_a_worker_that_leaves_moves_no_camera_of_the_others(hosts: set[int], workers: int, data: st.DataObject) -> None:
    orders = [CameraOrder(f"c{host}", f"rtsp://10.0.0.{host}/s") for host in hosts]
    before = homes(orders, range(workers))
    gone = data.draw(st.integers(0, workers - 1))
    after = homes(orders, [worker for worker in range(workers) if worker != gone])
    assert all(after[name] == at for name, at in before.items() if at != gone)
    assert gone not in after.values()
    assert homes(orders[::-1], range(workers)) == before


def test_the_workers_share_the_budgets() -> None:
    shared = Budgets(256, 512, (64, 16, 4)).shared(3)
    assert shared == Budgets(85, 170, (21, 16, 4))
    assert shared.options() == ["--ring-mib", "85", "--clip-mib", "170", "--dials", "21,16,4"]
    assert Budgets(1, 0, (2, 1, 1)).shared(8) == Budgets(1, 0, (1, 1, 1))


def test_few_cameras_need_few_workers() -> None:
    assert suggested_workers(0) == suggested_workers(3) == 1
    assert 1 <= suggested_workers(100_000) <= max(1, len(os.sched_getaffinity(0)) - 1)


def test_cameras_of_one_onvif_device_stay_together_however_many_they_are() -> None:
    device = OnvifAddress("10.0.0.9", 8001)
    recorder = [CameraOrder(f"c{number}", onvif=device) for number in range(3 * RECORDER_CHANNELS)]
    assert len(set(homes(recorder, range(4)).values())) == 1
    village = [CameraOrder(f"d{number}", onvif=OnvifAddress("10.0.0.8", 8000 + number)) for number in range(200)]
    assert len(set(homes(village, range(4)).values())) == 4
    mixed = [CameraOrder("e1", "rtsp://10.0.0.7/1"), CameraOrder("e2", onvif=OnvifAddress("10.0.0.7"))]
    assert len(set(homes(mixed, range(4)).values())) == 1


device_cameras = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=40)


@given(device_cameras, st.sets(st.integers(0, 3), min_size=1), st.data())
def test_a_device_never_stands_with_two_workers(
    devices: list[tuple[int, int]], workers: set[int], data: st.DataObject
) -> None:
    orders = [
        CameraOrder(f"c{number}", onvif=OnvifAddress(f"10.0.0.{host}", 8000 + port))
        for number, (host, port) in enumerate(devices)
    ]
    standing = {order.id: data.draw(st.sampled_from(sorted(workers))) for order in orders if data.draw(st.booleans())}
    found = places(orders, workers, standing)
    for device in set(devices):
        cameras = [f"c{number}" for number, each in enumerate(devices) if each == device]
        at = {found[name] for name in cameras}
        stood = {standing[name] for name in cameras if name in standing}
        assert len(at) == 1 and (not stood or at <= stood), "together, and where some of it stands"
    assert places(orders, workers, {}) == homes(orders, workers)


async def test_channels_that_a_recorder_gets_later_join_the_others(make_pool: Callable[..., WorkerPool]) -> None:
    """Past so many channels a host is spread over the workers, its ONVIF device never is."""
    device = OnvifAddress("10.0.0.9")
    channels = [CameraOrder(f"n{number}", onvif=device) for number in range(2 * RECORDER_CHANNELS)]
    for host in range(20):
        few = [replace(order, onvif=replace(device, host=f"10.0.0.{host}")) for order in channels]
        pool = make_pool(few[:RECORDER_CHANNELS], 4)
        stood = set(pool._at.values())
        await pool.apply(few)
        assert set(pool._at.values()) == stood


async def test_devices_call_each_worker_at_a_port_of_its_own(
    short_dir: Path, cameras: list[CameraOrder], worker_command: list[str], until: Until
) -> None:
    pool = WorkerPool(short_dir, cameras, workers=2, command=worker_command, notify=("192.0.2.7", 8091))
    async with running(pool):
        await until(lambda: len(pool.pids) == 2 and online(pool) == 4)
        lines = [Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0") for pid in pool.pids]
        assert [line[line.index(b"--notify") + 1] for line in lines] == [b"192.0.2.7:8091", b"192.0.2.7:8092"]
    await pool.stop()
