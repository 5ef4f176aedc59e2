"""What the gateway makes of every fault of the lab's ONVIF devices: one worker, a device for each fault, real sockets.

The devices run side by side for the whole module, with the deadlines of production and their streams from the device; each
test looks at one of them. They are not asked in turn: what a case is wanted to be, it has to be while all the others are.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC

import pytest
import pytest_asyncio

from adapters.onvif.events.states import FLAPS
from gateway.alerts.rules import Rules, Verdict
from gateway.errors import DeviceError
from gateway.lab.encoder import Clip
from gateway.lab.feeds import ClipFeed
from gateway.lab.onvif.control import DeviceControl
from gateway.lab.onvif.device import SimulatedDevice
from gateway.lab.onvif.faults import FAULTS, parse
from gateway.lab.onvif.park import OnvifPark
from gateway.lab.rtsp_server import RtspServer, loopback_hosts
from gateway.model import (
    Camera,
    CameraState,
    Credential,
    DeviceHealth,
    DeviceSignal,
    EventsState,
    Kind,
    OnvifAddress,
    Place,
    Scene,
)
from gateway.supervision.clock import SystemClock
from gateway.video.cameras.connect import Connector
from gateway.video.cameras.fleet import Fleet
from gateway.video.devices.connect import OnvifConnector
from gateway.video.devices.memory import DeviceMemory
from gateway.video.devices.outbox import Outbox
from gateway.video.pictures.ring import KeyframeRing
from gateway.video.roster import Roster
from gateway.video.wire import CameraOrder

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(1200)]

LISTENING, REFUSED, UNREACHABLE = EventsState.LISTENING, EventsState.REFUSED, EventsState.UNREACHABLE
ONLINE, OFFLINE, SHUT_OUT = CameraState.ONLINE, CameraState.OFFLINE, CameraState.AUTH_FAILED
LOGIN = Credential("admin", "s3cret pass")
WITHIN_S = 240.0
NO_WAY = "wants a login for the snapshot and offers no scheme"  # a picture is fetched, and has no room for a token
NOTICED = ("input", "tamper", "line", "intrusion", "motion", "storage", "unheard_of")
HEARD = (Kind.DIGITAL_INPUT, Kind.TAMPER, Kind.LINE_CROSSING, Kind.INTRUSION, Kind.MOTION, Kind.OTHER)
"""Of a device that notices each once: motion, which comes by two topics, too, and nothing of a topic that nobody knows."""
ALERTS = {Kind.DIGITAL_INPUT, Kind.TAMPER, Kind.LINE_CROSSING, Kind.INTRUSION}


@dataclass(frozen=True, slots=True)
class Case:
    """Faults (joined by +) and what comes of them. ``said`` is part of the reason; ``shows``: what stands on the camera.

    ``crowd``: subscriptions of others that were there before. ``tells``: what it notices comes. ``picture``: what is said of
    its snapshot where there is none; ``failed``: passwords that it found wrong.
    """

    fault: str
    events: EventsState = LISTENING
    said: str = ""
    shows: tuple[str, ...] = ()
    video: CameraState = ONLINE
    password: str = LOGIN.password
    crowd: int = 0
    tells: bool = True
    picture: str = ""
    failed: int = 0

    def __str__(self) -> str:
        wrong = self.password != LOGIN.password
        return f"{self.fault}{' and a wrong password' if wrong else ''}{' crowded' if self.crowd else ''}"


def shut_out(fault: str, password: str = "wrong", shows: tuple[str, ...] = ()) -> Case:
    """Its password is tried once, and the camera stopped: the video too."""
    said = "refuses the user name or the password"
    return Case(fault, REFUSED, said, (*shows, "onvif_refused"), SHUT_OUT, password, tells=False, failed=1)


def deaf(fault: str, said: str, video: CameraState = ONLINE, crowd: int = 0) -> Case:
    """Its events are not heard, and the reason is told."""
    return Case(fault, UNREACHABLE, said, video=video, crowd=crowd, tells=False)


CASES = (
    # clock
    Case("wrong_clock", said="its clock is 30 min ahead; set it", shows=("clock",)),
    Case("wrong_clock=-7200", said="its clock is 2 h behind; set it", shows=("clock",)),
    shut_out("wrong_clock", shows=("clock",)),  # by digest, which knows no time
    Case(
        "wrong_clock+wsse_only",
        UNREACHABLE,
        "which may be why; set its clock, or check the password",
        ("clock",),
        OFFLINE,
        password="wrong",
        tells=False,
        failed=1,
    ),
    Case("wrong_clock+wsse_only", said="its clock is 30 min ahead; set it", shows=("clock",), picture=NO_WAY),
    Case("no_clock_without_login"),
    Case("local_time_only"),
    # login
    shut_out("wrong_password", LOGIN.password),
    shut_out("lockout"),
    Case("lockout=1"),
    Case("digest_only"),
    shut_out("digest_only"),
    Case("sha256_only"),
    shut_out("sha256_only"),
    Case("wsse_only", picture=NO_WAY),
    shut_out("wsse_only"),
    Case("events_not_authorized", REFUSED, "although the password is right", tells=False),
    # answers
    deaf("html_with_200", "with a web page", OFFLINE),
    deaf("login_page", "with a log-in page", OFFLINE),
    Case("junk_before_xml"),
    deaf("hanging", "did not answer GetSystemDateAndTime within 10 s", OFFLINE),
    Case("ns0_refused"),
    Case("gbk_names"),
    Case("bad_times"),
    # addresses
    Case("nat_addresses"),
    Case("double_ports"),
    # pictures
    Case("endless_snapshot", picture="did not finish the snapshot within 10 s"),
    Case("snapshot_html", picture="answered the snapshot with a web page, not with a JPEG"),
    Case("snapshot_hanging", picture="the snapshot within 10 s"),
    Case("no_media2"),
    Case("h265_without_encoding"),
    Case("no_services"),
    # events
    deaf("blocked_thread_upper_limit", "no event subscription left for us; it is left alone for some minutes"),
    deaf("few_pull_points", "no event subscription left for us; it is left alone for some minutes", crowd=1),
    Case("few_pull_points"),
    Case("no_pull_point"),
    Case("no_events", EventsState.UNSUPPORTED, "has no events service", tells=False),
    Case("pull_closes=4"),
    Case("lease_a_year_ahead"),
    Case("reference_parameters"),
    Case("silent_events", tells=False),
    Case("flapping", tells=False),
    Case("topics_hikvision"),
    Case("topics_axis"),
    Case("topics_tapo"),
)
NUMBERS = {case: number for number, case in enumerate(CASES, 1)}
LISTENED = [case for case in CASES if case.events is LISTENING]
TELLING = [case for case in CASES if case.tells]
TAKEN = {case: 1 for case in LISTENED}


class Village:
    """The lab's devices and the worker that hears them."""

    def __init__(self, park: OnvifPark, rtsp: RtspServer, roster: Roster) -> None:
        self.park, self.rtsp, self.roster = park, rtsp, roster
        self.pictures: dict[Case, asyncio.Task[bytes]] = {}
        self.closed = False

    def device(self, case: Case) -> SimulatedDevice:
        return self.park.devices[NUMBERS[case]]

    def health(self, case: Case) -> DeviceHealth:
        found = self.roster.devices.health(str(NUMBERS[case]))
        assert found is not None
        return found

    def video(self, case: Case) -> CameraState | None:
        found = (one for one in self.roster.fleet.health() if one.camera_id == str(NUMBERS[case]))
        return next((one.state for one in found), None)

    def signals(self, case: Case) -> list[DeviceSignal]:
        """What happened, without how things stood when we came."""
        items = self.roster.outbox.after(None, 0, 9999).items
        mine = [one for one in items if isinstance(one, DeviceSignal) and one.camera_id == str(NUMBERS[case])]
        return [one for one in mine if not one.detail.get("initial")]

    def heard(self, case: Case) -> list[tuple[Kind, bool]]:
        """Some devices say when a line is crossed no more, others only that it was."""
        return [(one.kind, one.active is not False) for one in self.signals(case)]

    async def picture(self, case: Case) -> bytes:
        await self.until(lambda: self.health(case).events is LISTENING)
        return await self.roster.abilities.picture(str(NUMBERS[case]))

    def failed(self, case: Case) -> int:
        """Passwords compared and found wrong, at its ONVIF and its RTSP door."""
        return self.device(case).figures.failed_logins + self.rtsp.figures.wrong_passwords[NUMBERS[case]]

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(WITHIN_S):
            while not holds(condition):
                await asyncio.sleep(0.05)


async def open_streams(clip: Clip, hosts: list[str]) -> RtspServer:
    rtsp = RtspServer(hosts=hosts, credential=LOGIN)
    feeds = ClipFeed.family(clip, 2 * len(hosts))
    for number in range(1, len(hosts) + 1):
        for stream in ("main", "sub"):
            rtsp.mount(f"/cam/{number}/{stream}", feeds.pop(), number)
    await rtsp.start()
    return rtsp


def order(park: OnvifPark, case: Case) -> CameraOrder:
    login = Credential(LOGIN.username, case.password)
    return CameraOrder(str(NUMBERS[case]), onvif=OnvifAddress(park.devices[NUMBERS[case]].host, park.port, login))


def holds(condition: Callable[[], object]) -> bool:
    try:
        return bool(condition())
    except (LookupError, StopIteration):  # what it looks at is not there yet
        return False


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def village(small_clip: Clip) -> AsyncIterator[Village]:
    hosts = loopback_hosts(len(CASES))
    rtsp = await open_streams(small_clip, hosts)
    park = OnvifPark(len(CASES), hosts=hosts, credential=LOGIN, rtsp=rtsp)
    control = DeviceControl(park, random.Random(1))
    for case, number in NUMBERS.items():
        for fault in case.fault.split("+"):
            await control.assign(f"{fault}:{number}")
        for _ in range(case.crowd):
            park.devices[number].subscriptions.create(3600.0)
    await park.start()
    clock, memory = SystemClock(), DeviceMemory()
    fleet = Fleet(Connector(), KeyframeRing(64 << 20), clock)
    roster = Roster(fleet, OnvifConnector(memory), clock, Outbox(), memory)
    chores = [asyncio.create_task(chore()) for chore in (fleet.watch, roster.follow, roster.watch)]
    one = Village(park, rtsp, roster)
    try:
        await roster.apply([order(park, case) for case in CASES])
        yield one
    finally:
        for task in [*chores, *one.pictures.values()]:
            task.cancel()
        await asyncio.gather(*chores, *one.pictures.values(), return_exceptions=True)
        if not one.closed:
            await roster.close()
        await park.stop()
        await rtsp.stop()


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_outcome(village: Village, case: Case) -> None:
    def as_expected() -> bool:
        health = village.health(case)
        settled = (health.events, health.faults, village.video(case)) == (case.events, case.shows, case.video)
        return settled and case.said in (health.reason or "") and bool(health.reason) is bool(case.said)

    try:
        await village.until(as_expected)
    except TimeoutError:
        pytest.fail(f"{case} is wanted to be {case!r}, and is {village.health(case)}, {village.video(case)}")


async def test_every_fault_has_an_outcome() -> None:
    assert set(FAULTS) == {parse(fault).fault.name for case in CASES for fault in case.fault.split("+")}


@pytest.mark.parametrize("case", TELLING, ids=str)
async def test_what_it_notices_is_told_once_each_and_becomes_an_alert_where_it_should(
    village: Village, case: Case
) -> None:
    await village.until(lambda: village.health(case).events is LISTENING)
    for event in NOTICED:
        village.device(case).fire(event)
    await village.until(lambda: sorted(village.heard(case)) == sorted((kind, True) for kind in HEARD))
    camera = Camera(str(NUMBERS[case]), "", Place(0.0, 0.0), Scene.STREET)
    judged = {
        one.kind: Rules(UTC).judge(one.kind, camera, one.received_at, armed=True) for one in village.signals(case)
    }
    assert {kind for kind, judgement in judged.items() if judgement.verdict is Verdict.ALERT} == ALERTS


@pytest.mark.parametrize("case", TELLING, ids=str)
async def test_its_snapshot_is_a_picture_or_a_reason(village: Village, case: Case) -> None:
    """All are asked for at once: those that hang take ten seconds each."""
    for each in TELLING:
        if each not in village.pictures:
            village.pictures[each] = asyncio.create_task(village.picture(each))
    if case.picture:
        with pytest.raises(DeviceError, match=case.picture):
            await village.pictures[case]
    else:
        assert (await village.pictures[case]).startswith(b"\xff\xd8\xff")


async def test_a_loose_contact_is_told_a_few_times_and_then_counted(village: Village) -> None:
    case = next(case for case in CASES if case.fault == "flapping")
    await village.until(lambda: village.signals(case) and village.device(case).noticed > 3 * FLAPS)
    assert len(village.signals(case)) <= village.device(case).noticed / 3


async def test_what_a_device_does_not_tell_is_not_made_up(village: Village) -> None:
    mute = [case for case in CASES if not case.tells and case.fault != "flapping"]
    for case in mute:
        village.device(case).fire("input")
    await village.until(lambda: all(village.device(case).noticed for case in mute))
    assert {case: village.heard(case) for case in mute if village.heard(case)} == {}


async def test_each_holds_one_subscription_and_a_wrong_password_was_tried_once(village: Village) -> None:
    await village.until(lambda: all(village.health(case).events is case.events for case in CASES))
    assert {case: made for case in CASES if (made := village.device(case).figures.created - case.crowd)} == TAKEN
    assert {case: failed for case in CASES if (failed := village.failed(case))} == {
        case: case.failed for case in CASES if case.failed
    }


async def test_after_a_power_cut_they_are_heard_again_and_nothing_twice(village: Village) -> None:
    """They boot: their subscriptions are forgotten, and one has lost its clock."""
    await village.until(lambda: all(village.health(case).events is LISTENING for case in LISTENED))
    for case in TELLING:
        village.device(case).fire("input")
    await village.until(lambda: all((Kind.DIGITAL_INPUT, True) in village.heard(case) for case in TELLING))
    before = {case: village.heard(case) for case in TELLING}
    lost = next(case for case in TELLING if case.fault == "wsse_only")
    village.park.set_fault(FAULTS["wrong_clock"], [NUMBERS[lost]])
    village.park.power(False, [NUMBERS[case] for case in LISTENED])
    village.park.power(True, [NUMBERS[case] for case in LISTENED])
    again = [case for case in LISTENED if case.fault != "no_pull_point"]  # where it shows when that is to be renewed
    await village.until(lambda: all(village.device(case).figures.created == 2 for case in again))
    await village.until(lambda: all(village.health(case).events is LISTENING for case in again))
    await village.until(lambda: village.health(lost).faults == ("clock",))
    telling = [case for case in again if case.tells]
    for case in telling:
        village.device(case).fire("input", False)
    for case in telling:
        wanted = [*before[case], (Kind.DIGITAL_INPUT, False)]
        await village.until(lambda case=case, wanted=wanted: village.heard(case) == wanted)  # type: ignore[misc]
    assert village.failed(lost) <= 1, "the token by which it was noticed that the clock had moved"


async def test_nothing_is_left_behind(village: Village) -> None:
    village.closed = True
    await village.roster.close()
    assert {case: len(village.device(case).subscriptions) for case in CASES} == {case: case.crowd for case in CASES}
