"""The real links and streams against simulated devices that count what they are asked."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.errors import AuthFailed, DeviceError
from gateway.lab.encoder import Clip, Coding, encode_clip
from gateway.lab.feeds import ClipFeed
from gateway.lab.onvif.faults import FAULTS
from gateway.lab.onvif.park import OnvifPark
from gateway.lab.rtsp_server import RtspServer, loopback_hosts
from gateway.lab.scenes import Scene
from gateway.model import CameraState, Credential, DeviceSignal, EventsState, Kind, OnvifAddress
from gateway.supervision.clock import SystemClock
from gateway.video.cameras.connect import Connector
from gateway.video.cameras.fleet import Fleet
from gateway.video.devices.connect import OnvifConnector
from gateway.video.devices.memory import DeviceMemory
from gateway.video.devices.outbox import Outbox
from gateway.video.pictures.ring import KeyframeRing
from gateway.video.roster import Roster
from gateway.video.wire import CameraOrder

LOGIN = Credential("admin", "s3cret pass")
Until = Callable[[Callable[[], object]], Awaitable[None]]


@pytest.fixture(scope="module")
def clip() -> Clip:
    return encode_clip(Scene.STREET, Coding(320, 180, fps=25, gop=25, bitrate=600_000, preset="ultrafast"), 2.0)


@dataclass
class Village:
    park: OnvifPark
    rtsp: RtspServer

    @property
    def failed(self) -> int:
        """Passwords that were compared and found wrong, at whichever door."""
        return int(self.park.counts()["failed_logins"]) + sum(self.rtsp.figures.wrong_passwords.values())

    def address(self, number: int = 1, login: Credential = LOGIN, **known: object) -> OnvifAddress:
        return OnvifAddress(self.park.devices[number].host, self.park.port, login, **known)  # type: ignore[arg-type]

    def camera(self, number: int = 1, login: Credential = LOGIN) -> CameraOrder:
        """With streams as a person would have configured them."""
        host, port = self.park.devices[number].host, self.rtsp.port
        main, sub = (f"rtsp://{host}:{port}/cam/{number}/{stream}" for stream in ("main", "sub"))
        return CameraOrder(f"c{number}", main, sub, login, onvif=self.address(number, login))


@asynccontextmanager
async def village(clip: Clip, count: int = 1) -> AsyncIterator[Village]:
    hosts = loopback_hosts(count)
    rtsp = RtspServer(hosts=hosts, credential=LOGIN)
    feeds = ClipFeed.family(clip, 2 * count)
    for number in range(count):
        rtsp.mount(f"/cam/{number + 1}/main", feeds[2 * number], number + 1)
        rtsp.mount(f"/cam/{number + 1}/sub", feeds[2 * number + 1], number + 1)
    await rtsp.start()
    park = OnvifPark(count, hosts=hosts, credential=LOGIN, rtsp=rtsp)
    await park.start()
    try:
        yield Village(park, rtsp)
    finally:
        await park.stop()
        await rtsp.stop()


@asynccontextmanager
async def worker(memory: DeviceMemory | None = None) -> AsyncIterator[Roster]:
    clock, memory = SystemClock(), memory or DeviceMemory()
    fleet = Fleet(Connector(), KeyframeRing(), clock)
    roster = Roster(fleet, OnvifConnector(memory), clock, Outbox(), memory)
    chores = [asyncio.create_task(chore()) for chore in (fleet.watch, roster.follow, roster.watch)]
    try:
        yield roster
    finally:
        for chore in chores:
            chore.cancel()
        await asyncio.gather(*chores, return_exceptions=True)
        await roster.close()


def listens(roster: Roster, camera: str = "c1") -> bool:
    health = roster.devices.health(camera)
    return health is not None and health.events is EventsState.LISTENING


def state(roster: Roster, camera: str = "c1") -> CameraState:
    return next(health.state for health in roster.fleet.health() if health.camera_id == camera)


def signals(roster: Roster) -> list[DeviceSignal]:
    items = roster.outbox.after(None, 0, 9999).items
    return [item for item in items if isinstance(item, DeviceSignal) and not item.detail.get("initial")]


@pytest.mark.parametrize("fault", ["", "digest_only", "sha256_only", "wsse_only", "wrong_clock"])
@pytest.mark.parametrize("streams", ["configured", "from the device"])
async def test_a_wrong_password_is_compared_once_at_all_doors(
    clip: Clip, until: Until, fault: str, streams: str
) -> None:
    async with village(clip) as home, worker() as roster:
        if fault:
            home.park.set_fault(FAULTS[fault])
        wrong = Credential("admin", "guessed")
        order = home.camera(login=wrong)
        if streams == "from the device":
            order = CameraOrder("c1", onvif=home.address(login=wrong))
        await roster.apply([order])
        await until(lambda: home.failed > 0)
        if not (fault == "wrong_clock" and streams == "from the device"):
            await until(lambda: state(roster) is CameraState.AUTH_FAILED)
        for ask in (roster.abilities.picture, roster.abilities.presets, roster.fleet.main_keyframe):
            with pytest.raises((AuthFailed, DeviceError)):
                await ask("c1")
        await asyncio.sleep(3)  # some turns of both loops
        assert home.failed == 1


async def test_streams_come_from_the_device_and_events_beside_them(clip: Clip, until: Until, tmp_path: Path) -> None:
    file = tmp_path / "devices.json"
    async with village(clip) as home:
        async with worker(DeviceMemory(file)) as roster:
            await roster.apply([CameraOrder("c1", onvif=home.address())])
            await until(lambda: listens(roster) and state(roster) is CameraState.ONLINE)
            home.park.fire("input")
            await until(lambda: signals(roster))
            assert [(one.camera_id, one.kind, one.active) for one in signals(roster)] == [
                ("c1", Kind.DIGITAL_INPUT, True)
            ]
            assert (await roster.abilities.picture("c1"))[:2] == b"\xff\xd8"
            await roster.abilities.go_to_preset("c1", "gate")
            assert home.failed == 0
        assert home.park.counts()["subscriptions"] == 0
        assert "s3cret" not in file.read_text()
        assert file.stat().st_mode & 0o777 == 0o600
        home.park.power(False)
        async with worker(DeviceMemory(file)) as roster:
            await roster.apply([CameraOrder("c1", onvif=home.address())])
            assert roster.fleet.health()[0].state is CameraState.CONNECTING, "its streams are known before it answers"
            home.park.power(True)
            await until(lambda: state(roster) is CameraState.ONLINE)


async def test_a_clock_half_an_hour_off_hinders_nothing_and_is_named(clip: Clip, until: Until) -> None:
    async with village(clip) as home, worker() as roster:
        home.park.set_fault(FAULTS["wrong_clock"])
        await roster.apply([home.camera()])
        await until(lambda: listens(roster) and state(roster) is CameraState.ONLINE)
        (health,) = roster.fleet.health()
        assert health.faults == ("clock",)
        assert "30 min ahead" in (health.reason or "")
        assert home.failed == 0


async def test_a_device_without_pull_points_calls_us(clip: Clip, until: Until) -> None:
    async with village(clip) as home, worker() as roster:
        home.park.set_fault(FAULTS["no_pull_point"])
        await roster.apply([home.camera()])
        await until(lambda: listens(roster))
        home.park.fire("input")
        await until(lambda: signals(roster))
        assert [(one.kind, one.active) for one in signals(roster)] == [(Kind.DIGITAL_INPUT, True)]
        assert home.failed == 0
    assert home.park.counts()["subscriptions"] == 0


@pytest.mark.parametrize("fault", ["no_events", "events_not_authorized"])
async def test_without_events_the_video_stays_and_the_reason_is_told(clip: Clip, until: Until, fault: str) -> None:
    wanted = {"no_events": EventsState.UNSUPPORTED, "events_not_authorized": EventsState.REFUSED}[fault]

    async with village(clip) as home, worker() as roster:
        home.park.set_fault(FAULTS[fault])
        await roster.apply([home.camera()])

        def told() -> bool:
            health = roster.devices.health("c1")
            return health is not None and health.events is wanted and bool(health.reason)

        await until(told)
        await until(lambda: state(roster) is CameraState.ONLINE)
        assert home.failed == 0
