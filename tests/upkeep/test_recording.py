"""History on a real ledger: what a restart finds, what a full disk leaves waiting, what is asked for at once."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import StoreFailed
from gateway.ledger.sqlite import SqliteLedger
from gateway.model import (
    Camera,
    CameraHealth,
    CameraState,
    DeviceHealth,
    DeviceInformation,
    Draft,
    EventsState,
    Place,
    Scene,
    Terminal,
    uuid7,
)
from gateway.ports import Tally
from gateway.upkeep.recording import KEEP_S, AlertHistory, History
from gateway.upkeep.report import FigureBook, Wanted
from gateway.upkeep.spans import Days

AT = datetime(2026, 11, 22, 8, tzinfo=UTC)
NOVEMBER = Days(AT.date().replace(day=1), AT.date().replace(day=30))


@dataclass
class Clock:
    """``sleep`` lets the tests' time go on at once."""

    at: datetime = AT
    elapsed: float = 0.0

    def now(self) -> datetime:
        return self.at

    def mono(self) -> float:
        return self.elapsed

    async def sleep(self, seconds: float) -> None:
        self.forward(seconds)
        await asyncio.sleep(0)

    def forward(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
        self.elapsed += seconds


@dataclass
class Presence:
    last_test: datetime | None = None


@dataclass
class Park:
    """Cameras and terminals as the test says that they are."""

    every: list[Camera] = field(default_factory=lambda: [_camera("c1"), _camera("c2")])
    states: dict[str, CameraState] = field(default_factory=dict)
    homes: list[Terminal] = field(default_factory=list)
    presences: dict[str, Presence] = field(default_factory=dict)

    def cameras(self) -> Sequence[Camera]:
        return self.every

    def terminals(self) -> Sequence[Terminal]:
        return self.homes

    def terminal(self, terminal_id: str) -> Terminal | None:
        return next((each for each in self.homes if each.id == terminal_id), None)

    def presence(self, terminal_id: str) -> Presence:
        return self.presences.get(terminal_id, Presence())

    def health(self, camera_id: str) -> CameraHealth:
        return CameraHealth(camera_id, self.states.get(camera_id, CameraState.ONLINE), AT, reason="no answer")

    def device(self, camera_id: str) -> DeviceHealth | None:
        return DeviceHealth(camera_id, EventsState.LISTENING, information=DeviceInformation("海康"))


@dataclass
class Planned:
    """Maintenance of the cameras named."""

    cameras: set[str]

    def covers(self, camera: Camera, at: datetime) -> str | None:
        return "换杆" if camera.id in self.cameras else None


def _camera(id_: str) -> Camera:
    return Camera(id_, id_, Scene.STREET, Place(area_code="511724001"))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def ledger(tmp_path: Path, clock: Clock) -> AsyncIterator[SqliteLedger]:
    opened = await SqliteLedger.open(tmp_path / "ledger.db", "low", clock)
    yield opened
    await opened.close()


async def watch(history: History, clock: Clock, seconds: float) -> None:
    for _ in range(round(seconds / 10)):
        clock.forward(10)
        await history.look()


async def sums(ledger: SqliteLedger) -> dict[str, Tally]:
    return dict(await ledger.read(lambda reader: reader.camera_tallies(*NOVEMBER.numbers)))


async def test_what_is_kept_is_what_was_seen(ledger: SqliteLedger, clock: Clock) -> None:
    park = Park(states={"c2": CameraState.OFFLINE})
    history = History(ledger, park, park, clock, UTC)
    await history.look()
    await watch(history, clock, 600)
    await history.keep()
    await watch(history, clock, 600)
    await history.keep()
    found = await sums(ledger)
    assert found["c1"] == Tally(1_200_000, 1_200_000)
    assert found["c2"] == Tally(down=1_200_000, losses=1, longest=1_200_000)
    [camera, _] = await ledger.read(lambda reader: reader.watched_cameras())
    assert (camera.vendor, camera.area, camera.last_at) == ("海康", "511724001", clock.now())


async def test_a_kill_costs_what_was_not_kept_and_doubles_nothing(ledger: SqliteLedger, clock: Clock) -> None:
    park = Park(states={"c2": CameraState.OFFLINE})
    history = History(ledger, park, park, clock, UTC)
    await history.look()
    await watch(history, clock, 600)
    await history.keep()
    await watch(history, clock, 300)  # killed here
    clock.forward(3600)
    again = History(ledger, park, park, clock, UTC)
    running = asyncio.create_task(again.run())
    while (await sums(ledger))["c2"].down < 600_000 + KEEP_S * 1000:
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    found = await sums(ledger)
    [outage] = await ledger.read(lambda reader: reader.open_outages())
    assert found["c2"].losses == 1  # the same outage
    assert outage.began_at == AT
    assert outage.down == found["c2"].down
    assert found["c1"].online == found["c2"].down


async def test_a_stop_keeps_what_came_last(ledger: SqliteLedger, clock: Clock) -> None:
    park = Park()
    history = History(ledger, park, park, clock, UTC)
    running = asyncio.create_task(history.run())
    while clock.elapsed < 100:
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert (await sums(ledger))["c1"].online >= 90_000


async def test_planned_work_is_told_apart(ledger: SqliteLedger, clock: Clock) -> None:
    park = Park(states={"c2": CameraState.OFFLINE})
    history = History(ledger, park, park, clock, UTC, Planned({"c1", "c2"}))
    await history.look()
    await watch(history, clock, 100)
    await history.keep()
    assert await sums(ledger) == {"c1": Tally(100_000, 100_000), "c2": Tally(planned=100_000)}


@dataclass
class Refusing:
    """A ledger that takes nothing until it is told to; ``after``: it takes so many first."""

    ledger: SqliteLedger
    refuses: bool = False
    after: int = 0

    async def write(self, work: Any, *, urgent: bool = False) -> Any:
        if self.refuses and self.after == 0:
            raise StoreFailed("the disk is full")
        self.after -= self.refuses
        return await self.ledger.write(work)

    async def read(self, work: Any) -> Any:
        return await self.ledger.read(work)


async def test_what_a_full_disk_refuses_waits_and_is_kept_once(ledger: SqliteLedger, clock: Clock) -> None:
    park = Park(every=[_camera(f"c{number:03}") for number in range(600)])
    refusing = Refusing(ledger)
    history = History(refusing, park, park, clock, UTC)
    await history.look()
    await watch(history, clock, 100)
    refusing.refuses, refusing.after = True, 1  # the first piece is taken
    await history.keep()
    assert history.kept_at is None
    await watch(history, clock, 100)
    refusing.refuses = False
    await history.keep()
    found = await sums(ledger)
    assert len(found) == 600
    assert set(found.values()) == {Tally(200_000, 200_000)}


async def test_a_report_is_of_the_last_minute(ledger: SqliteLedger, clock: Clock) -> None:
    park = Park()
    history = History(ledger, park, park, clock, UTC)
    book = FigureBook(ledger, history, park, clock, UTC)
    await history.look()
    await watch(history, clock, 120)
    park.states["c1"] = CameraState.OFFLINE
    await watch(history, clock, 120)
    report = await book.report(Wanted(NOVEMBER))
    assert report.total.tally.down == 120_000
    assert report.kept_at == clock.now()
    assert report.total.unknown == 0


async def test_time_in_which_the_gateway_was_down_is_unknown(ledger: SqliteLedger, clock: Clock) -> None:
    park = Park(every=[_camera("c1")])
    for _ in range(2):
        history = History(ledger, park, park, clock, UTC)
        await history.look()
        await watch(history, clock, 600)
        await history.keep()
        clock.forward(3000)
    report = await FigureBook(ledger, None, park, clock, UTC).report(Wanted(NOVEMBER))
    [channel] = report.channels
    assert channel.tally == Tally(1_200_000, 1_200_000)
    assert channel.unknown == 3_000_000
    assert report.total.to_json()["online_rate"] == 1.0


async def test_terminals_tested_in_the_quarter_are_kept(ledger: SqliteLedger, clock: Clock) -> None:
    park = Park(homes=[Terminal("tv-1"), Terminal("tv-2"), Terminal("tv-3")])
    park.presences = {"tv-1": Presence(AT - timedelta(days=1)), "tv-2": Presence(AT - timedelta(days=90))}
    history = History(ledger, park, park, clock, UTC)
    await history.keep()
    park.presences["tv-1"] = Presence(AT - timedelta(days=200))  # what is kept of the quarter stands
    park.homes.pop()
    await history.keep()
    tests = await ledger.read(lambda reader: reader.terminal_tests(20264))
    assert [(each.terminal_id, each.tested_at) for each in tests] == [("tv-1", AT - timedelta(days=1)), ("tv-2", None)]


async def test_a_test_in_the_last_minutes_of_a_quarter_is_of_that_quarter(ledger: SqliteLedger) -> None:
    clock = Clock(datetime(2026, 12, 31, 23, 50, tzinfo=UTC))
    park = Park(homes=[Terminal("tv-1"), Terminal("tv-2")])
    park.presences = {"tv-1": Presence(None), "tv-2": Presence(None)}
    going = History(ledger, park, park, clock, UTC)
    await going.keep()
    park.presences["tv-1"] = Presence(clock.now() + timedelta(minutes=5))
    clock.forward(720)
    await going.keep()
    park.presences["tv-2"] = Presence(clock.now() - timedelta(minutes=4))
    await History(ledger, park, park, clock, UTC).keep()  # started anew
    ended = await ledger.read(lambda reader: reader.terminal_tests(20264))
    assert [each.tested_at is not None for each in ended] == [True, True]
    begun = await ledger.read(lambda reader: reader.terminal_tests(20271))
    assert [each.tested_at for each in begun] == [None, None]


async def raise_alert(ledger: SqliteLedger, **fields: Any) -> str:
    base = {
        "kind": "sos",
        "severity": 1,
        "status": "actual",
        "source": {"type": "terminal", "id": "tv-1", "name": "Li", "known": True},
        "place": {"area_code": "511724001"},
        "title": "Help",
        "raised_at": AT.isoformat(),
        "detail": {"due": {"acknowledge": (AT + timedelta(seconds=10)).isoformat()}},
        "cameras": [],
        **fields,
    }
    alert = uuid7()
    await act(ledger, alert, "raised", 0, base=base)
    return alert


async def act(ledger: SqliteLedger, alert: str, action: str, after: float, **data: Any) -> None:
    draft = Draft(alert, action, "li", AT + timedelta(seconds=after), None, data)
    await ledger.write(lambda tx: tx.append(draft))


async def figures(ledger: SqliteLedger) -> list[Any]:
    day = timedelta(days=1)
    found, _ = await ledger.read(lambda reader: reader.alert_figures(AT - day, AT + day, None, 1000))
    return list(found)


async def test_what_became_of_alerts_is_kept_as_it_goes_on(ledger: SqliteLedger, clock: Clock) -> None:
    alert = await raise_alert(ledger)
    await raise_alert(ledger, status="drill")
    history = AlertHistory(ledger, clock)
    await history.catch_up()
    [raised] = await figures(ledger)
    assert (raised.took, raised.limits, raised.ended, raised.area) == ({}, {"acknowledge": 10.0}, False, "511724001")
    await act(ledger, alert, "acknowledge", 4, level="township")
    await act(ledger, alert, "dispatch", 30, level="township")
    await act(ledger, alert, "arrive", 300, level="township")
    await act(ledger, alert, "close", 900, level="township", disposition="real")
    await history.catch_up()
    [closed] = await figures(ledger)
    assert closed.took == {"acknowledge": 4.0, "dispatch": 30.0, "arrive": 300.0, "close": 900.0}
    assert (closed.ended, closed.disposition) == (True, "real")


async def test_alerts_of_before_are_taken_up_and_each_entry_once(ledger: SqliteLedger, clock: Clock) -> None:
    for _ in range(450):
        await raise_alert(ledger)
    await AlertHistory(ledger, clock).catch_up()
    assert len(await figures(ledger)) == 450
    before = await ledger.read(lambda reader: reader.bookmark("figures/alerts"))
    await AlertHistory(ledger, clock).catch_up()
    assert await ledger.read(lambda reader: reader.bookmark("figures/alerts")) == before


async def test_alerts_are_followed_while_it_runs(ledger: SqliteLedger, clock: Clock) -> None:
    running = asyncio.create_task(AlertHistory(ledger, clock).run())
    await raise_alert(ledger)
    while not await figures(ledger):
        await asyncio.sleep(0)
    alert = await raise_alert(ledger)
    await act(ledger, alert, "acknowledge", 4, level="township")
    while not any(each.took for each in await figures(ledger)):
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
