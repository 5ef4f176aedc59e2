import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.errors import AuthFailed, DeviceError, Unreachable
from gateway.model import CameraHealth, CameraState, Credential
from gateway.ports import AccessUnit, VideoOutlet
from gateway.video.fleet import Fleet
from gateway.video.ring import KeyframeRing
from gateway.video.wire import CameraOrder

Until = Callable[[Callable[[], object]], Awaitable[None]]


class Line:
    """A camera's connection in the test's hands."""

    width: int | None = None
    height: int | None = None

    def __init__(self, order: CameraOrder, goodbyes: list[str]) -> None:
        self.order = order
        self.outlet: VideoOutlet | None = None
        self._goodbyes = goodbyes
        self._fate: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self, outlet: VideoOutlet) -> None:
        self.outlet = outlet
        outlet.online("h264")
        try:
            await self._fate
        finally:
            self._goodbyes.append(self.order.id)

    def shows(self, at: float, keyframe: bool = True) -> None:
        assert self.outlet is not None
        self.width, self.height = 1920, 1080
        self.outlet.unit(AccessUnit(self.order.id, at, keyframe, "h264", b"picture"))

    def breaks(self, error: DeviceError) -> None:
        self._fate.set_exception(error)


class Stage:
    """A fleet whose lines and clock the test holds. Its clock stands still while cameras wait to dial again."""

    def __init__(self, clock: Any, until: Until) -> None:
        self.clock = clock
        self.clock.sleep = self._sleep
        self.until = until
        self.lines: list[Line] = []
        self.goodbyes: list[str] = []
        self.patience = asyncio.Event()
        self.fleet = Fleet(self._connect, KeyframeRing(), clock)

    async def _sleep(self, seconds: float) -> None:
        await self.patience.wait()

    def _connect(self, order: CameraOrder) -> Line:
        line = Line(order, self.goodbyes)
        self.lines.append(line)
        return line

    async def line(self, number: int) -> Line:
        await self.until(lambda: len(self.lines) > number and self.lines[number].outlet is not None)
        return self.lines[number]

    def health(self, camera: str) -> CameraHealth:
        return next(health for health in self.fleet.health() if health.camera_id == camera)

    def check(self) -> None:
        for session, _ in self.fleet._running.values():
            session.check()


@pytest.fixture
def stage(clock: Any, until: Until) -> Stage:
    return Stage(clock, until)


A = CameraOrder("a", "rtsp://10.0.0.5/main", credential=Credential("u", "p"))


async def test_a_camera_is_online_with_its_first_keyframe_and_not_before(stage: Stage) -> None:
    await stage.fleet.apply([A])
    line = await stage.line(0)
    assert stage.health("a").state is CameraState.CONNECTING
    assert stage.health("a").codec == "h264"
    before = stage.fleet.changes.count
    line.shows(stage.clock.mono(), keyframe=False)
    assert stage.health("a").state is CameraState.CONNECTING
    line.shows(stage.clock.mono())
    health = stage.health("a")
    assert (health.state, health.width, health.height) == (CameraState.ONLINE, 1920, 1080)
    assert health.last_keyframe_at == stage.clock.now()
    assert stage.fleet.changes.count > before
    assert len(stage.fleet.keyframes("a")) == 1
    await stage.fleet.close()


async def test_connected_but_frozen_is_offline_and_says_so(stage: Stage) -> None:
    await stage.fleet.apply([A])
    (await stage.line(0)).shows(stage.clock.mono())
    stage.clock.seconds += 11
    stage.check()
    health = stage.health("a")
    assert health.state is CameraState.OFFLINE
    assert health.reason == "connected, but no keyframe for more than 10 s"
    await stage.fleet.close()


async def test_a_short_break_leaves_it_online_and_a_long_one_gives_the_reason(stage: Stage) -> None:
    await stage.fleet.apply([A])
    line = await stage.line(0)
    line.shows(stage.clock.mono())
    line.breaks(Unreachable("10.0.0.5:554 hung up"))
    await stage.until(lambda: stage.goodbyes == ["a"])
    stage.clock.seconds += 9
    stage.check()
    assert stage.health("a").state is CameraState.ONLINE
    stage.clock.seconds += 2
    stage.check()
    assert stage.health("a").reason == "10.0.0.5:554 hung up"
    assert stage.health("a").since == stage.clock.now()
    stage.patience.set()
    line = await stage.line(1)
    line.shows(stage.clock.mono())
    assert stage.health("a").state is CameraState.ONLINE
    assert stage.health("a").reconnects == 1
    await stage.fleet.close()


async def test_a_refused_credential_is_never_tried_again_until_it_is_another(stage: Stage) -> None:
    stage.patience.set()
    await stage.fleet.apply([A])
    (await stage.line(0)).breaks(AuthFailed("wrong password"))
    await stage.until(lambda: stage.health("a").state is CameraState.AUTH_FAILED)
    await stage.fleet.apply([A])
    for _ in range(50):
        await asyncio.sleep(0)
    assert len(stage.lines) == 1
    with pytest.raises(Unreachable, match="camera a is auth failed: wrong password"):
        stage.fleet.keyframes("a")
    await stage.fleet.apply([CameraOrder("a", A.main, credential=Credential("u", "right"))])
    (await stage.line(1)).shows(stage.clock.mono())
    assert stage.health("a").state is CameraState.ONLINE
    await stage.fleet.close()


async def test_only_what_changed_is_touched(stage: Stage) -> None:
    b, c = CameraOrder("b", "rtsp://b"), CameraOrder("c", "rtsp://c")
    await stage.fleet.apply([A, b])
    for number in range(2):
        (await stage.line(number)).shows(stage.clock.mono())
    moved = CameraOrder("b", "rtsp://elsewhere")
    applied = await stage.fleet.apply([c, moved, A])
    assert (set(applied.started), applied.stopped, applied.kept) == ({"b", "c"}, ("b",), 1)
    assert stage.goodbyes == ["b"]
    assert [health.camera_id for health in stage.fleet.health()] == ["c", "b", "a"]
    with pytest.raises(Unreachable):  # the old pictures are of another view
        stage.fleet.keyframes("b")
    assert len(stage.fleet.keyframes("a")) == 1
    await stage.fleet.apply([A])
    with pytest.raises(Unreachable, match="not known"):
        stage.fleet.keyframes("c")
    await stage.fleet.close()


async def test_another_password_keeps_the_pictures(stage: Stage) -> None:
    await stage.fleet.apply([A])
    (await stage.line(0)).shows(stage.clock.mono())
    await stage.fleet.apply([CameraOrder("a", A.main, credential=Credential("u", "new"))])
    assert len(stage.fleet.keyframes("a")) == 1
    await stage.fleet.close()


async def test_a_camera_without_address_or_switched_off_is_disabled(stage: Stage) -> None:
    await stage.fleet.apply([CameraOrder("a"), CameraOrder("b", "rtsp://b", enabled=False)])
    assert stage.health("a").state is CameraState.DISABLED
    assert stage.health("a").reason == "no stream address is configured"
    assert stage.health("b").state is CameraState.DISABLED
    assert stage.lines == []
    await stage.fleet.close()


async def test_the_pictures_of_a_camera_that_went_dark_are_given_for_a_minute(stage: Stage) -> None:
    await stage.fleet.apply([A])
    line = await stage.line(0)
    line.shows(stage.clock.mono())
    line.breaks(Unreachable("the wire was cut"))
    await stage.until(lambda: stage.goodbyes)
    stage.clock.seconds += 50
    stage.check()
    assert len(stage.fleet.keyframes("a")) == 1
    stage.clock.seconds += 20
    with pytest.raises(Unreachable, match="camera a is offline: the wire was cut"):
        stage.fleet.keyframes("a")
    await stage.fleet.close()


async def test_a_camera_of_keyframes_alone_does_not_fill_the_ring(stage: Stage) -> None:
    await stage.fleet.apply([A])
    line = await stage.line(0)
    for number in range(33):
        line.shows(stage.clock.mono() + number / 8)
    assert len(stage.fleet.keyframes("a")) == 9
    await stage.fleet.close()


async def test_received_bytes_are_added_up(stage: Stage) -> None:
    await stage.fleet.apply([A])
    line = await stage.line(0)
    assert line.outlet is not None
    line.outlet.received(100)
    line.outlet.received(50)
    assert stage.health("a").received_bytes == 150
    await stage.fleet.close()
