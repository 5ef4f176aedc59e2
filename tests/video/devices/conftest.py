import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.errors import AuthFailed, DeviceError
from gateway.model import (
    CameraHealth,
    ClockReading,
    Credential,
    DeviceInformation,
    DeviceRemark,
    DeviceSignal,
    Kind,
    OnvifAddress,
    Preset,
    PtzMove,
)
from gateway.ports import AccessUnit, VideoOutlet
from gateway.video.cameras.fleet import Fleet
from gateway.video.devices.link import DeviceLink, Happening, View
from gateway.video.devices.memory import DeviceMemory
from gateway.video.devices.outbox import Outbox
from gateway.video.pictures.ring import KeyframeRing
from gateway.video.roster import Roster
from gateway.video.wire import CameraOrder, Refused

ADMIN = Credential("admin", "right")


class StepClock:
    """Time that the test alone moves; whoever sleeps wakes in the order of their alarms."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.step = 0.0  # our own clock was set
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds + self.step)

    def mono(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.seconds + seconds, woken))
        await woken

    async def advance(self, seconds: float) -> None:
        until = self.seconds + seconds
        await settled()
        while due := [sleeper for sleeper in self._sleepers if sleeper[0] <= until]:
            first = min(due, key=lambda sleeper: sleeper[0])
            self._sleepers.remove(first)
            self.seconds = max(self.seconds, first[0])
            if not first[1].done():
                first[1].set_result(None)
            await settled()
        self.seconds = until


async def settled() -> None:
    for _ in range(60):
        await asyncio.sleep(0)


@dataclass
class Box:
    """A device in the test's hands, seen over ONVIF and RTSP alike. ``verified``: how often it compared a password, and
    with what outcome."""

    password: str = "right"
    offset_s: float = 0.0
    clock_told: bool = True
    needs_right_clock: bool = False
    onvif_users: dict[str, str] | None = None  # of its own; else those of RTSP
    no_events: DeviceError | None = None
    dark: DeviceError | None = None
    streams_dark: DeviceError | None = None
    keeps_clock: bool = True
    identity: str | None = None  # which it says it is
    open: bool = False  # asks for no login over ONVIF
    views: list[View] = field(default_factory=list)
    verified: list[tuple[str, bool]] = field(default_factory=list)
    links: int = 0
    listening: "list[Listening]" = field(default_factory=list)
    moves: list[str] = field(default_factory=list)
    moves_unanswered: DeviceError | None = None  # it moves, and does not say so
    asked: int = 0
    lines: "list[Line]" = field(default_factory=list)
    goodbyes: list[str] = field(default_factory=list)

    @property
    def failed(self) -> int:
        return sum(not right for _, right in self.verified)

    def check(self, door: str, credential: Credential | None) -> bool:
        users = self.onvif_users if door != "rtsp" and self.onvif_users is not None else {"admin": self.password}
        right = credential is not None and users.get(credential.username) == credential.password
        self.verified.append((door, right))
        return right

    def tells(self, kind: Kind, active: bool | None = True, source: str | None = None, **more: object) -> None:
        initial = bool(more.pop("initial", False))
        self.listening[-1].heard(Happening(kind, active, source, initial, None, "tns1:Topic", {"what": "1", **more}))


class Listening:
    def __init__(self, heard: Callable[[Happening], None], online: Callable[[], None]) -> None:
        self.heard, self.online = heard, online
        self.fate: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Link:
    """A ``DeviceLink`` to a Box."""

    def __init__(self, box: Box, address: OnvifAddress, refusal: Callable[[OnvifAddress], DeviceError]) -> None:
        self._box, self._address, self._refusal = box, address, refusal
        self.has_ptz = False
        self.logged_in = False
        box.links += 1

    def again(self) -> DeviceLink:
        return Link(self._box, self._address, self._refusal)

    async def measure_clock(self) -> ClockReading | None:
        if self._box.dark is not None:
            raise self._box.dark
        return ClockReading(self._box.offset_s, 0.5, datetime(2026, 1, 1, tzinfo=UTC)) if self._box.clock_told else None

    async def look(self) -> DeviceInformation:
        self._log_in("onvif")
        self.has_ptz = True
        return DeviceInformation("Maker", "Model", "1.0")

    async def another(self, identity: str) -> str | None:
        return self._box.identity if self._box.identity not in (None, identity) else None

    async def set_clock(self, at: datetime) -> None:
        self._log_in("onvif")
        if self._box.keeps_clock:
            self._box.offset_s = 0.2

    async def listen(self, heard: Callable[[Happening], None], online: Callable[[], None]) -> None:
        if self._box.no_events is not None:
            raise self._box.no_events
        listening = Listening(heard, online)
        self._box.listening.append(listening)
        online()
        try:
            await listening.fate
        finally:
            self._box.goodbyes.append("events")

    async def picture(self, url: str) -> bytes:
        self._log_in("snapshot")
        return url.encode()

    async def presets(self, profile: str) -> Sequence[Preset]:
        return [Preset("1", f"gate of {profile}")]

    async def go_to_preset(self, profile: str, preset: str) -> None:
        self._box.moves.append(f"{profile} to {preset}")

    async def move(self, profile: str, move: PtzMove) -> None:
        self._box.moves.append(f"{profile} moves")
        await asyncio.sleep(0)
        if self._box.moves_unanswered is not None:
            raise self._box.moves_unanswered

    async def stop_moving(self, profile: str) -> None:
        self._box.moves.append(f"{profile} stops")

    def _log_in(self, door: str) -> None:
        if self._box.open and door == "onvif":
            return
        if not self._box.check(door, self._address.credential):
            raise self._refusal(self._address)
        self.logged_in = True


class Line:
    """An RTSP connection to a Box, which verifies the password at once and shows a picture when told."""

    def __init__(self, box: Box, order: CameraOrder, url: str) -> None:
        self._box, self.order, self.url = box, order, url
        self.width: int | None = 640
        self.height: int | None = 360
        self.dropped = 0
        self.outlet: VideoOutlet | None = None
        self.fate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        box.lines.append(self)

    async def run(self, outlet: VideoOutlet) -> None:
        self.outlet = outlet
        if (dark := self._box.dark or self._box.streams_dark) is not None:
            raise dark
        if not self._box.check("rtsp", self.order.credential):
            raise AuthFailed("the camera refused the user name or password")
        outlet.playing()
        await self.fate

    def shows(self, at: float) -> None:
        assert self.outlet is not None
        self.outlet.online("h264")
        self.outlet.unit(AccessUnit(self.order.id, at, True, "h264", b"picture"))


class Yard:
    """A worker's cameras with every device in the test's hands: by address a ``Box``."""

    def __init__(self, memory: DeviceMemory) -> None:
        self.clock = StepClock()
        self.boxes: dict[str, Box] = {}
        self.refusal: Callable[[OnvifAddress], DeviceError] = lambda address: AuthFailed(
            f"{address.host}:{address.port} refuses the user name or the password"
        )
        self.fleet = Fleet(self._connect, KeyframeRing(), self.clock)
        self.outbox = Outbox()
        self.roster = Roster(self.fleet, _Connector(self), self.clock, self.outbox, memory)
        self.devices = self.roster.devices
        self.abilities = self.roster.abilities
        self.chores = [asyncio.create_task(self.roster.follow()), asyncio.create_task(self.roster.watch())]

    def box(self, host: str = "10.0.0.5", **known: object) -> Box:
        box = self.boxes[host] = Box(**known)  # type: ignore[arg-type]
        return box

    async def apply(self, *orders: CameraOrder, refused: Refused | None = None) -> None:
        await self.roster.apply(orders, refused)
        await settled()

    def health(self, camera_id: str = "c1") -> CameraHealth:
        return next(health for health in self.fleet.health() if health.camera_id == camera_id)

    @property
    def told(self) -> list[DeviceSignal]:
        return [item for item in self.outbox.after(None, 0, 9999).items if isinstance(item, DeviceSignal)]

    @property
    def remarks(self) -> list[DeviceRemark]:
        return [item for item in self.outbox.after(None, 0, 9999).items if isinstance(item, DeviceRemark)]

    async def close(self) -> None:
        for chore in self.chores:
            chore.cancel()
        await asyncio.gather(*self.chores, return_exceptions=True)
        await self.roster.close()

    def _connect(self, order: CameraOrder, url: str, keyframe_s: float) -> Line:
        host = url.split("/")[2].split(":")[0]
        return Line(self.boxes[host], order, url)


class _Connector:
    """The yard as a ``DeviceConnector``."""

    def __init__(self, yard: Yard) -> None:
        self._yard = yard
        self.requests = {"PullMessages/ok": 7}

    def link(self, address: OnvifAddress) -> Link:
        return Link(self._yard.boxes[address.host], address, lambda at: self._yard.refusal(at))

    async def views(self, address: OnvifAddress) -> Sequence[View]:
        box = self._yard.boxes[address.host]
        box.asked += 1
        await asyncio.sleep(0)
        if not box.views:
            raise DeviceError("it offers nothing")
        return box.views

    async def close(self) -> None:
        pass


@pytest.fixture
async def yard() -> AsyncIterator[Yard]:
    made = Yard(DeviceMemory())
    yield made
    await made.close()


def _order(
    name: str = "c1",
    host: str = "10.0.0.5",
    *,
    rtsp: bool = True,
    source: str | None = None,
    password: str = "right",
    **onvif: object,
) -> CameraOrder:
    credential = replace(ADMIN, password=password)
    address = OnvifAddress(host, credential=credential, source=source, **onvif)  # type: ignore[arg-type]
    main = f"rtsp://{host}/{name}/main" if rtsp else None
    return CameraOrder(name, main, None, credential if rtsp else None, onvif=address)


@pytest.fixture
def order() -> Callable[..., CameraOrder]:
    """``order(name, host, rtsp=…, source=…, password=…)``: a camera with one credential for RTSP and ONVIF."""
    return _order


@pytest.fixture
def settle() -> Callable[[], object]:
    return settled
