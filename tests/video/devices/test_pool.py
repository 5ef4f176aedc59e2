"""The way from a device to the core: a real worker process, simulated devices, and cores that fail."""

import asyncio
import os
import re
import select
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.errors import DeviceError, StoreFailed
from gateway.lab.onvif.faults import FAULTS
from gateway.lab.onvif.park import OnvifPark
from gateway.model import CameraState, Credential, DeviceRemark, DeviceSignal, EventsState, Kind, OnvifAddress, PtzMove
from gateway.video.wire import CameraOrder
from gateway.video.workers.pool import WorkerPool

LOGIN = Credential("admin", "s3cret pass")
Until = Callable[[Callable[[], object]], Awaitable[None]]


class Core:
    """What a core does with what it is told. ``broken``: its disk is full."""

    def __init__(self) -> None:
        self.signals: list[DeviceSignal] = []
        self.remarks: list[DeviceRemark] = []
        self.attempts = 0
        self.broken = False
        self.faulty = False

    async def hear(self, signals: Sequence[DeviceSignal]) -> None:
        self.attempts += 1
        if self.broken:
            raise StoreFailed("the disk is full")
        if self.faulty:
            raise KeyError("a fault of ours")
        self.signals += [one for one in signals if not one.detail.get("initial")]

    async def remark(self, remarks: Sequence[DeviceRemark]) -> None:
        self.remarks += remarks


@pytest.fixture
async def park() -> AsyncIterator[OnvifPark]:
    made = OnvifPark(1, credential=LOGIN)
    await made.start()
    yield made
    await made.stop()


def order(park: OnvifPark, **known: object) -> CameraOrder:
    address = OnvifAddress(park.devices[1].host, park.port, LOGIN, **known)  # type: ignore[arg-type]
    return CameraOrder("c1", onvif=address)


@asynccontextmanager
async def running(
    data_dir: Path, orders: Sequence[CameraOrder], core: Core, *, ends: bool = True
) -> AsyncIterator[WorkerPool]:
    pool = WorkerPool(data_dir, orders, workers=1, hear=core.hear, remark=core.remark)
    task = asyncio.create_task(pool.run())
    try:
        yield pool
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if ends:
            await pool.stop()


def listens(pool: WorkerPool) -> bool:
    health = pool.device("c1")
    return health is not None and health.events is EventsState.LISTENING


async def test_the_core_hears_each_signal_and_health(park: OnvifPark, short_dir: Path, until: Until) -> None:
    core = Core()
    async with running(short_dir, [order(park)], core) as pool:
        await until(lambda: listens(pool))
        park.fire("input")
        await until(lambda: core.signals)
        (heard,) = core.signals
        assert (heard.camera_id, heard.kind, heard.active) == ("c1", Kind.DIGITAL_INPUT, True)
        assert heard.detail["what"] == "INPUT1"
        assert heard.clock is not None and heard.device_time is not None
        health = pool.device("c1")
        assert health is not None and health.information is not None
        assert (health.information.vendor, health.has_ptz) == ("Lab", True)
        park.fire("input", active=False)
        await until(lambda: len(core.signals) == 2)
        assert core.signals[1].active is False
        assert len({one.id for one in core.signals}) == 2


async def test_what_could_not_be_stored_is_told_again(park: OnvifPark, short_dir: Path, until: Until) -> None:
    core = Core()
    async with running(short_dir, [order(park)], core) as pool:
        await until(lambda: listens(pool))
        core.broken = True
        park.fire("tamper")
        before = core.attempts
        await until(lambda: core.attempts > before + 1)
        core.broken = False
        await until(lambda: core.signals)
        assert [one.kind for one in core.signals] == [Kind.TAMPER]


async def test_a_fault_of_ours_costs_neither_the_signal_nor_the_worker(
    park: OnvifPark, short_dir: Path, until: Until
) -> None:
    core = Core()
    async with running(short_dir, [order(park)], core) as pool:
        await until(lambda: listens(pool))
        core.faulty = True
        before = core.attempts
        park.fire("tamper")
        await until(lambda: core.attempts > before)
        assert await pool.presets("c1")
        core.faulty = False
        await until(lambda: core.signals)
        assert [one.kind for one in core.signals] == [Kind.TAMPER]


async def test_another_core_is_told_what_the_last_had_not_stored(
    park: OnvifPark, short_dir: Path, until: Until
) -> None:
    broken, core = Core(), Core()
    broken.broken = True
    async with running(short_dir, [order(park)], broken, ends=False) as pool:
        await until(lambda: listens(pool))
        pid = pool.pids[0]
        park.fire("tamper")
        await until(lambda: broken.attempts)
    park.fire("line")  # while no core is there
    async with running(short_dir, [order(park)], core) as pool:
        await until(lambda: len(core.signals) == 2)
        assert pool.pids == [pid]
        assert [one.kind for one in core.signals] == [Kind.TAMPER, Kind.LINE_CROSSING]


def remembered(data_dir: Path) -> str:
    file = data_dir / "run" / "video-0.devices.json"
    return file.read_text() if file.exists() else ""


def inputs(core: Core) -> list[bool | None]:
    return [one.active for one in core.signals if one.kind is Kind.DIGITAL_INPUT]


@asynccontextmanager
async def killed(
    park: OnvifPark, data_dir: Path, core: Core, until: Until, *fired: bool, stands: str = "false"
) -> AsyncIterator[None]:
    """A core ends without a word, and its worker is killed once it has put down how the input stands; then another core."""
    async with running(data_dir, [order(park)], core, ends=False) as pool:
        await until(lambda: listens(pool))
        await until(lambda: re.search(r'"digital_input",[^]]*,false,', remembered(data_dir)))
        for active in fired:
            park.fire("input", active=active)
        if core.broken:
            await until(lambda: core.attempts)
        else:
            await until(lambda: inputs(core) == list(fired))
        await until(lambda: re.search(rf'"digital_input",[^]]*,{stands},', remembered(data_dir)))
        worker = pool.pids[0]
        gone = os.pidfd_open(worker)
    os.kill(worker, signal.SIGKILL)
    await asyncio.get_running_loop().run_in_executor(None, select.select, [gone], [], [], 60)
    os.close(gone)
    yield


@pytest.mark.parametrize("device_restarts", [False, True])
async def test_a_button_that_is_pressed_while_the_worker_is_dead(
    park: OnvifPark, short_dir: Path, until: Until, device_restarts: bool
) -> None:
    core = Core()
    async with killed(park, short_dir, core, until):
        if device_restarts:
            park.power(False)
            park.power(True)
        park.fire("input")
    async with running(short_dir, [order(park)], core) as pool:
        await until(lambda: inputs(core) and listens(pool))
        park.fire("input", active=False)
        await until(lambda: len(inputs(core)) == 2)
        assert inputs(core) == [True, False]
        assert ("missed" in core.signals[0].detail) == device_restarts


async def test_a_button_that_is_pressed_and_let_go_while_the_worker_is_dead(
    park: OnvifPark, short_dir: Path, until: Until
) -> None:
    core = Core()
    async with killed(park, short_dir, core, until):
        park.fire("input")
        park.fire("input", active=False)
    async with running(short_dir, [order(park)], core):
        await until(lambda: len(inputs(core)) >= 2)
        park.fire("tamper")
        await until(lambda: core.signals[-1].kind is Kind.TAMPER)
        assert inputs(core) == [True, False]


async def test_a_button_that_stays_pressed_is_told_once(park: OnvifPark, short_dir: Path, until: Until) -> None:
    core = Core()
    async with killed(park, short_dir, core, until, True, stands="true"):
        pass
    async with running(short_dir, [order(park)], core) as pool:
        await until(lambda: listens(pool))
        park.fire("tamper")
        await until(lambda: core.signals[-1].kind is Kind.TAMPER)
        assert inputs(core) == [True]
        park.fire("input", active=False)
        await until(lambda: len(inputs(core)) == 2)


async def test_a_press_that_no_core_has_stored_is_told_by_the_next_worker(
    park: OnvifPark, short_dir: Path, until: Until
) -> None:
    broken, core = Core(), Core()
    broken.broken = True
    async with killed(park, short_dir, broken, until, True):
        assert inputs(broken) == []
    async with running(short_dir, [order(park)], core):
        await until(lambda: inputs(core))
        assert inputs(core) == [True]


async def test_a_killed_workers_pull_point_is_given_back(park: OnvifPark, short_dir: Path, until: Until) -> None:
    park.set_fault(FAULTS["few_pull_points"], argument=1)
    async with running(short_dir, [order(park)], Core()) as pool:
        await until(lambda: listens(pool))
        await until(lambda: "subscription" in remembered(short_dir))
        os.kill(pool.pids[0], signal.SIGKILL)
        await until(lambda: not listens(pool))
        await until(lambda: listens(pool))
    counts = park.counts()
    assert (counts["created"], counts["refused_subscriptions"], counts["subscriptions"]) == (2, 0, 0)


async def test_another_device_is_named_and_not_listened_to(park: OnvifPark, short_dir: Path, until: Until) -> None:
    right = park.devices[1].plate.endpoint
    core = Core()
    async with running(
        short_dir, [order(park, identity="urn:uuid:00000000-0000-4000-8000-0000000000ff")], core
    ) as pool:

        def reason() -> str:
            health = pool.health("c1")
            return (health.reason if health is not None else None) or ""

        await until(lambda: "another device answers" in reason())
        assert right.removeprefix("urn:uuid:") in reason()
        assert park.counts()["created"] == 0
        await pool.apply([order(park, identity=right)])
        await until(lambda: listens(pool))
        park.fire("input")
        await until(lambda: inputs(core) == [True])


async def test_a_dome_is_moved_and_its_picture_taken(park: OnvifPark, short_dir: Path, until: Until) -> None:
    async with running(short_dir, [order(park)], Core()) as pool:
        await until(lambda: listens(pool))
        presets = await pool.presets("c1")
        assert "gate" in [preset.name for preset in presets]
        await pool.go_to_preset("c1", "gate")
        with pytest.raises(DeviceError, match="no preset"):
            await pool.go_to_preset("c1", "the moon")
        await pool.move("c1", PtzMove(pan=0.5, seconds=30))
        await pool.stop_moving("c1")
        frame, picture = await pool.device_picture("c1", 320)
        assert picture.jpeg[:3] == b"\xff\xd8\xff"
        assert picture.width <= 320
        assert frame.received_mono > 0
        with pytest.raises(DeviceError, match="not configured"):
            await pool.device_picture("nobody", 320)


async def test_a_clock_that_was_set_is_remarked(park: OnvifPark, short_dir: Path, until: Until) -> None:
    park.set_fault(FAULTS["wrong_clock"], argument=-600)
    core = Core()
    async with running(short_dir, [order(park, set_clock=True)], core):
        await until(lambda: core.remarks)
        (remark,) = core.remarks
        assert remark.camera_id == "c1"
        assert "it was set" in remark.text


async def test_a_refused_login_is_tried_again_when_told_to(park: OnvifPark, short_dir: Path, until: Until) -> None:
    park.change_credential(Credential("admin", "another"))
    async with running(short_dir, [order(park)], Core()) as pool:

        def state() -> CameraState | None:
            health = pool.health("c1")
            return None if health is None else health.state

        await until(lambda: state() is CameraState.AUTH_FAILED)
        os.kill(pool.pids[0], signal.SIGKILL)
        await until(lambda: state() is not CameraState.AUTH_FAILED)
        await until(lambda: state() is CameraState.AUTH_FAILED)
        assert park.counts()["failed_logins"] == 1, "the worker that came after it was told of the refusal"
        park.change_credential(LOGIN)
        assert await pool.retry() == 1
        await until(lambda: listens(pool))
        assert park.counts()["failed_logins"] == 1
