"""A camera whose address changed is found again, and nobody else is taken for it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.onvif.discovery.hello import Listener
from adapters.onvif.discovery.probes import Announcement, Found
from gateway.config.sections.video import DiscoverySettings
from gateway.enrolment.healing import GONE_S, Healer
from gateway.errors import ListenFailed, RunningError
from gateway.model import (
    Camera,
    CameraHealth,
    CameraState,
    DeviceHealth,
    EventsState,
    OnvifAddress,
    StreamAddress,
)

A, B = "00000000-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-00000000000b"


@dataclass
class Time:
    at: float = 0.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.at, UTC)

    def mono(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += seconds
        await asyncio.sleep(0)


class Deaf(Listener):
    async def run(self, heard: Any) -> None:
        raise ListenFailed("the port is taken")


@dataclass
class Village:
    """Cameras, how they stand, who answers a search, and who proves to be itself."""

    cameras: list[Camera] = field(default_factory=list)
    states: dict[str, CameraState] = field(default_factory=dict)
    events: dict[str, EventsState] = field(default_factory=dict)
    answers: list[Found] = field(default_factory=list)
    impostors: set[str] = field(default_factory=set)
    serials: dict[str, str] = field(default_factory=dict)  # by host, told when asked
    asked: list[str] = field(default_factory=list)
    searches: list[int] = field(default_factory=list)
    moves: list[tuple[str, str, int]] = field(default_factory=list)
    fault: Exception | None = None
    time: Time = field(default_factory=Time)
    healer: Healer = field(init=False)

    def __post_init__(self) -> None:
        settings = DiscoverySettings(ranges=("10.0.9.0/30",))
        self.healer = Healer(
            lambda: self.cameras,
            self.health,
            self.device,
            self.move,
            self.note,
            settings,
            self.time,
            search=self.search,
            identities=self.identities,
            listener=Deaf(),
        )

    def add(self, name: str, host: str, identity: str = A, *, basic: bool = False, **onvif: Any) -> None:
        rtsp = StreamAddress(f"rtsp://{host}/1", allow_basic=basic)
        self.cameras.append(Camera(name, name, rtsp=rtsp, onvif=OnvifAddress(host, identity=identity, **onvif)))
        self.states[name] = CameraState.OFFLINE

    def health(self, name: str) -> CameraHealth | None:
        return CameraHealth(name, self.states[name], self.time.now()) if name in self.states else None

    def device(self, name: str) -> DeviceHealth | None:
        return DeviceHealth(name, self.events[name]) if name in self.events else None

    async def search(self, interfaces: Sequence[str], ranges: Sequence[Any], timeout: float) -> AsyncIterator[Found]:
        self.searches.append(sum(map(len, ranges)))
        for each in self.answers:
            yield each

    async def identities(self, found: Found) -> set[str]:
        self.asked.append(found.host)
        return {found.endpoint, self.serials.get(found.host, "")} if found.host not in self.impostors else set()

    async def move(self, identity: str, host: str, port: int, tls: bool, noted: Any) -> Sequence[str]:
        if self.fault is not None:
            raise self.fault
        self.moves.append((identity, host, port))
        return [each.id for each in self.cameras]

    async def note(self, action: str, object_: str, detail: str | None) -> None: ...

    async def pass_(self, seconds: float) -> None:
        for _ in range(round(seconds / 5)):
            await self.healer.look()
            self.time.at += 5


@pytest.fixture
def village() -> Village:
    return Village()


async def test_a_camera_that_is_gone_is_found_at_its_new_address(village: Village) -> None:
    village.add("c1", "10.0.0.5")
    village.answers = [Found(B, "10.0.0.6"), Found(A, "10.0.0.77", 8080)]
    await village.pass_(GONE_S - 5)
    assert village.searches == []  # it may only be restarting
    await village.pass_(10)
    assert village.moves == [(A, "10.0.0.77", 8080)]
    assert village.searches == [2]


async def test_searches_grow_rarer_and_begin_anew_with_another_camera(village: Village) -> None:
    village.add("c1", "10.0.0.5")
    await village.pass_(GONE_S + 120 + 240 + 480 + 10)  # at 60, 180, 420 and 900 s
    assert len(village.searches) == 4
    village.add("c2", "10.0.0.6", B)
    await village.pass_(GONE_S + 65)
    assert len(village.searches) == 5


@pytest.mark.parametrize("state", [CameraState.ONLINE, CameraState.CONNECTING, CameraState.DISABLED])
async def test_who_is_here_is_not_looked_for(village: Village, state: CameraState) -> None:
    village.add("c1", "10.0.0.5")
    village.states["c1"] = state
    village.answers = [Found(A, "10.0.0.77")]
    await village.pass_(300)
    assert village.searches == []


async def test_who_answers_over_onvif_is_here(village: Village) -> None:
    village.add("c1", "10.0.0.5")
    village.events["c1"] = EventsState.LISTENING
    await village.pass_(300)
    assert village.searches == []


async def test_a_refused_password_may_be_another_device_at_the_old_address(village: Village) -> None:
    village.add("c1", "10.0.0.5")
    village.states["c1"] = CameraState.AUTH_FAILED
    village.answers = [Found(A, "10.0.0.77")]
    await village.pass_(GONE_S + 10)
    assert village.moves == [(A, "10.0.0.77", 80)]


async def test_one_channel_in_good_health_speaks_for_its_recorder(village: Village) -> None:
    village.add("c1", "10.0.0.5", source="V1")
    village.add("c2", "10.0.0.5", source="V2")
    village.states["c2"] = CameraState.ONLINE
    await village.pass_(300)
    assert village.searches == []


async def test_one_that_still_answers_where_it_was_stays(village: Village) -> None:
    village.add("c1", "10.0.0.5")
    village.answers = [Found(A, "10.0.0.5"), Found(A, "10.0.0.77")]
    await village.pass_(GONE_S + 10)
    assert (len(village.searches), village.moves) == (1, [])


async def test_two_that_claim_to_be_it_are_left_to_a_person(village: Village) -> None:
    village.add("c1", "10.0.0.5")
    village.answers = [Found(A, "10.0.0.77"), Found(A, "10.0.0.78")]
    await village.pass_(GONE_S + 10)
    assert village.moves == []
    village.impostors = {"10.0.0.78"}
    await village.pass_(300)
    assert village.moves[0] == (A, "10.0.0.77", 80)


async def test_two_that_swapped_their_addresses_are_both_found(village: Village) -> None:
    village.add("c1", "10.0.0.5")
    village.add("c2", "10.0.0.6", B)
    village.answers = [Found(A, "10.0.0.6"), Found(B, "10.0.0.5")]
    await village.pass_(GONE_S + 10)
    assert sorted(village.moves) == [(A, "10.0.0.6", 80), (B, "10.0.0.5", 80)]


async def test_where_another_camera_stands_in_good_health_nobody_is_moved(village: Village) -> None:
    village.add("c1", "10.0.0.5")
    village.add("c2", "10.0.0.77", B)
    village.states["c2"] = CameraState.ONLINE
    village.answers = [Found(A, "10.0.0.77")]  # made with the same identity
    await village.pass_(GONE_S + 10)
    assert (len(village.searches), village.moves) == (1, [])


async def test_a_password_that_would_go_readable_is_sent_to_no_new_address(village: Village) -> None:
    village.add("c1", "10.0.0.5", basic=True)
    village.answers = [Found(A, "10.0.0.77")]
    await village.pass_(GONE_S + 10)
    assert village.moves == []


@pytest.mark.parametrize("found", [Found(A, "10.0.0.77", 443, tls=True), Found(A, "10.0.0.77")])
@pytest.mark.parametrize("tls", [True, False])
async def test_over_tls_anybody_may_ask_for_the_readable_password(village: Village, found: Found, tls: bool) -> None:
    village.add("c1", "10.0.0.5", tls=tls)
    village.answers = [found]
    await village.pass_(2 * GONE_S)
    assert bool(village.moves) == (not tls and not found.tls)


async def test_over_rtsps_anybody_may_ask_for_the_readable_password(village: Village) -> None:
    village.add("c1", "10.0.0.5")
    village.cameras = [replace(each, rtsp=StreamAddress("rtsps://10.0.0.5/1")) for each in village.cameras]
    village.answers = [Found(A, "10.0.0.77")]
    await village.pass_(2 * GONE_S)
    assert village.moves == []


async def test_strangers_that_do_not_answer_are_asked_together(village: Village) -> None:
    village.add("c1", "10.0.0.5", identity="serial-1")
    village.answers = [Found("", f"10.0.0.{number}") for number in range(100, 140)]
    asked, all_asked = [], asyncio.Event()

    async def identities(found: Found) -> set[str]:
        asked.append(found.host)
        if len(asked) == 40:
            all_asked.set()
        async with asyncio.timeout(60):
            await all_asked.wait()
        return set()

    village.healer._identities_of = identities
    await village.pass_(2 * GONE_S)
    assert len(set(asked)) == 40


async def test_a_device_known_by_its_serial_number_is_asked_for_it(village: Village) -> None:
    village.add("c1", "10.0.0.5", "DS-123")
    village.add("c2", "10.0.0.6", B)
    village.states["c2"] = CameraState.OFFLINE
    village.answers = [Found(A, "10.0.0.50"), Found(B, "10.0.0.6"), Found("other", "10.0.0.51")]
    village.serials = {"10.0.0.50": "ds-123"}
    await village.pass_(GONE_S + 10)
    assert village.moves == [("ds-123", "10.0.0.50", 80)]


async def test_however_many_are_gone_each_stranger_is_asked_once_a_search(village: Village) -> None:
    for number in range(100):
        village.add(f"c{number}", f"10.0.0.{number}", f"DS-{number}")
        village.serials[f"10.0.1.{number}"] = f"ds-{number}"
    village.answers = [Found("", f"10.0.1.{number}") for number in range(100)]
    await village.pass_(GONE_S + 5)
    assert len(village.searches) == 1
    assert sorted(village.asked) == sorted(village.serials), "once each, also those beyond the first 64"
    assert len(village.moves) == 100


async def test_a_file_that_cannot_be_written_ends_nothing(village: Village) -> None:
    village.add("c1", "10.0.0.5")
    village.answers = [Found(A, "10.0.0.77")]
    village.fault = RunningError("the disk is full")
    await village.pass_(GONE_S + 10)
    village.fault = None
    await village.pass_(200)
    assert village.moves[0] == (A, "10.0.0.77", 80)


async def test_a_hello_is_answered_at_once(village: Village) -> None:
    village.add("c1", "10.0.0.5")
    village.answers = [Found(A, "10.0.0.77")]
    running = asyncio.create_task(village.healer.run())
    village.healer.heard(Announcement((Found(B, "10.0.0.77"), Found(A, "10.0.0.5")), hello=True))
    village.healer.heard(Announcement((Found(A, "10.0.0.77"),), hello=True))
    async with asyncio.timeout(30):
        while not village.moves:
            await asyncio.sleep(0)
    running.cancel()
    assert village.moves[0] == (A, "10.0.0.77", 80)
    assert village.searches[0] == 2 + 1  # the one that said hello is asked by itself too


async def test_a_hello_of_a_camera_in_good_health_moves_nothing(village: Village) -> None:
    village.add("c1", "10.0.0.5")
    village.states["c1"] = CameraState.ONLINE
    village.answers = [Found(A, "10.0.0.66")]
    village.healer.heard(Announcement((Found(A, "10.0.0.66"),), hello=True))
    running = asyncio.create_task(village.healer.run())
    for _ in range(200):
        await asyncio.sleep(0)
    running.cancel()
    assert (village.searches, village.moves) == ([], [])
