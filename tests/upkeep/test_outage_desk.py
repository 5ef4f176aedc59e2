"""Cameras that go, together and alone, against a ledger on disk and a clock turned by hand."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gateway.alerts.offline import OfflineDesk
from gateway.alerts.register import Register
from gateway.errors import StoreFailed
from gateway.ledger.sqlite import SqliteLedger
from gateway.model import (
    Camera,
    CameraHealth,
    CameraState,
    Cause,
    Condition,
    Draft,
    Household,
    Kind,
    Place,
    PlannedWork,
    Scene,
    SourceRef,
    StreamAddress,
    Terminal,
)
from gateway.observability import metrics
from gateway.ports import AlertFilter
from gateway.supervision.losses import Damping
from gateway.upkeep.absences import Absences
from gateway.upkeep.maintenance import MaintenanceBook
from gateway.upkeep.outage_alerts import Outage
from gateway.upkeep.outage_desk import OutageDesk, OutageRules

START = datetime(2026, 5, 1, 8, 0, tzinfo=UTC)
RULES = OutageRules(damping=Damping(4, 900))


class HandClock:
    def __init__(self) -> None:
        self.at = START

    def now(self) -> datetime:
        return self.at

    def mono(self) -> float:
        return (self.at - START).total_seconds() + 1000

    async def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


class Video:
    """The workers: how each camera stands, by hand."""

    def __init__(self) -> None:
        self.states: dict[str, CameraState] = {}

    def health(self, camera_id: str) -> CameraHealth | None:
        state = self.states.get(camera_id)
        return None if state is None else CameraHealth(camera_id, state, START)


def camera(name: str, host: str, area: str | None = "511724001001", scene: Scene = Scene.STREET) -> Camera:
    rtsp = StreamAddress(sub=f"rtsp://{host}/1")
    return Camera(name, f"{name}号", scene, Place(107.2, 30.7, None, area), rtsp)


class Town:
    """``cameras``, all online to begin with, watched by a desk whose start is long ago."""

    def __init__(self, ledger: SqliteLedger, clock: HandClock) -> None:
        self.ledger = ledger
        self.clock = clock
        self.video = Video()
        self.register = Register()
        self.rules = RULES
        self.book = MaintenanceBook(ledger, (), ZoneInfo("Asia/Shanghai"))

    async def watch(self, *cameras: Camera) -> None:
        self.register.replace(Register(cameras))
        self.set(CameraState.ONLINE, *(each.id for each in cameras))
        await self.start()
        await self.wait(121)

    async def start(self) -> None:
        self.begin()
        await self.desk.load()
        await self.desk.look()

    def begin(self) -> None:
        absences = Absences(self.register, self.video, self.book, self.rules.damping)
        self.desk = OutageDesk(
            self.ledger,
            absences,
            self.rules,
            self.clock,
            node=SourceRef("node", "town"),
            node_place=Place(area_code="511724001"),
            grades={},
        )

    def set(self, state: CameraState, *names: str) -> None:
        self.video.states.update(dict.fromkeys(names, state))

    def cut(self, *names: str) -> None:
        self.set(CameraState.OFFLINE, *names)

    def mend(self, *names: str) -> None:
        self.set(CameraState.ONLINE, *names)

    async def wait(self, seconds: float, *, step: float = 10.0) -> None:
        """Let time pass, looking now and then."""
        left = seconds
        while left > 0:
            await self.desk.look()
            await self.clock.sleep(min(step, left))
            left -= step
        await self.desk.look()

    async def alerts(self) -> list[Any]:
        """Oldest first."""
        found, _ = await self.ledger.read(lambda reader: reader.alerts(AlertFilter(), None, 100))
        return [stored.alert for stored in reversed(found)]

    async def active(self) -> list[Any]:
        return [alert for alert in await self.alerts() if alert.condition is Condition.ACTIVE]

    async def actions(self, alert_id: str) -> list[str]:
        found = await self.ledger.read(lambda reader: reader.entries(alert_id))
        return [line.entry.action for line in found]


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    clock = HandClock()
    ledger = await SqliteLedger.open(tmp_path / "ledger.db", "town", clock, None)
    yield Town(ledger, clock)
    await ledger.close()


def forty() -> list[Camera]:
    return [camera(f"c{n:02}", f"10.0.{n // 8}.{n % 8 + 1}", f"51172400100{n // 20}") for n in range(40)]


ALL = [f"c{n:02}" for n in range(40)]


async def test_forty_cut_at_once_are_one_alert_which_clears_by_itself(town: Town) -> None:
    await town.watch(*forty())
    town.cut(*ALL)
    await town.wait(50)
    assert await town.alerts() == []
    await town.wait(30)
    (alert,) = await town.alerts()
    assert (alert.kind, alert.severity, alert.source) == (Kind.DEVICE_OFFLINE, 3, SourceRef("node", "town", None, True))
    assert alert.detail["cause"] == "upstream"
    assert alert.detail["cameras"] == ALL
    assert (alert.detail["lost"], alert.detail["total"]) == (40, 40)
    assert alert.detail["lost_at"] == "2026-05-01T08:02:01.000Z"
    assert len(alert.cameras) == 16
    assert alert.place.area_code == "511724001"
    town.mend(*ALL)
    await town.wait(10)
    assert await town.active() == []
    assert await town.actions(alert.id) == ["raised", "cleared"]


async def test_one_alone_is_an_alert_of_that_camera(town: Town) -> None:
    await town.watch(*forty())
    town.cut("c39")
    await town.wait(70)
    (alert,) = await town.alerts()
    assert (alert.source.type, alert.source.id, alert.title) == ("camera", "c39", "设备离线 · c39号")
    assert (alert.detail["cause"], alert.detail["cameras"]) == ("single", ["c39"])
    assert [linked.id for linked in alert.cameras] == ["c39"]
    await town.wait(3600, step=300)
    assert await town.alerts() == [alert]
    town.mend("c39")
    await town.wait(5)
    assert await town.active() == []


async def test_a_short_loss_is_none(town: Town) -> None:
    await town.watch(*forty())
    for _ in range(3):
        town.cut(*ALL)
        await town.wait(40)
        town.mend(*ALL)
        await town.wait(1300, step=100)
    assert await town.alerts() == []


async def test_however_slowly_they_are_noticed_they_are_one(town: Town) -> None:
    """A first one is told of alone; when the others of its village turn out to be away too, it is part of that."""
    await town.watch(*forty())
    for name in ALL[:20]:
        town.cut(name)
        await town.wait(4, step=4)
    await town.wait(100)
    active = await town.active()
    assert [alert.detail["lost"] for alert in active] == [20]
    assert (active[0].detail["cause"], active[0].detail["group"]) == ("area_power", "511724001000")


async def test_who_goes_later_joins(town: Town) -> None:
    await town.watch(*forty())
    town.cut(*ALL[:7])
    await town.wait(80)
    (alert,) = await town.alerts()
    assert (alert.detail["cause"], alert.detail["group"], alert.detail["lost"]) == ("switch", "10.0.0.0/24", 7)
    town.cut("c07", "c30")
    await town.wait(80)
    alert, other = await town.alerts()
    assert (alert.detail["lost"], alert.count, "c07" in alert.detail["cameras"]) == (8, 2, True)
    assert other.source.id == "c30"


async def test_when_half_are_back_the_rest_are_told_of_by_themselves(town: Town) -> None:
    await town.watch(*forty())
    town.cut(*ALL[:8])
    await town.wait(80)
    (alert,) = await town.alerts()
    town.mend(*ALL[:3])
    await town.wait(600, step=60)
    assert await town.active() == [alert]
    town.mend("c03")
    await town.wait(5)
    assert await town.active() == []
    town.mend("c04", "c05")
    await town.wait(50)
    assert await town.active() == []
    await town.wait(30)
    assert [alert.source.id for alert in await town.active()] == ["c06", "c07"]


async def test_a_restart_doubles_nothing_and_forgets_nothing(town: Town) -> None:
    await town.watch(*forty())
    town.cut(*ALL[:8], "c39")
    await town.wait(80)
    before = await town.alerts()
    assert len(before) == 2
    town.set(CameraState.CONNECTING, *ALL)
    await town.start()
    await town.wait(30)
    town.mend(*ALL[8:39])
    town.cut(*ALL[:8], "c39")
    await town.wait(600, step=30)
    assert await town.alerts() == before
    assert metrics.REGISTRY.get_sample_value("gateway_camera_incidents", {"cause": "subnet"}) == 1
    await town.start()
    town.mend(*ALL)
    await town.wait(5)
    assert await town.active() == []
    await town.start()
    assert town.desk.outages() == []


async def test_what_went_while_nobody_watched_is_told_of_once_two_minutes_after_the_start(town: Town) -> None:
    await town.watch(*forty())
    town.cut(*ALL[:8])
    await town.start()
    await town.wait(110)
    assert await town.alerts() == []
    await town.wait(20)
    assert len(await town.alerts()) == 1


async def test_a_ledger_that_takes_nothing_is_asked_again(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    await town.watch(*forty())
    town.cut(*ALL)

    async def full(*_: Any, **__: Any) -> None:
        raise StoreFailed("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(town.ledger, "write", full)
        await town.wait(50)
        with pytest.raises(StoreFailed):
            await town.wait(60)
    await town.wait(2)
    assert len(await town.alerts()) == 1


async def test_a_ledger_that_cannot_be_read_at_the_start_is_asked_again(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    await town.watch(*forty())
    town.cut(*ALL[:8])
    await town.wait(80)
    assert len(await town.alerts()) == 1
    town.begin()
    read, refused = town.ledger.read, []

    async def slow(work: Any) -> Any:
        if len(refused) < 2:
            refused.append(work)
            raise StoreFailed("the ledger cannot be read: disk I/O error")
        return await read(work)

    monkeypatch.setattr(town.ledger, "read", slow)
    running = asyncio.create_task(town.desk.run())
    async with asyncio.timeout(60):
        while not town.desk.outages() and not running.done():
            await asyncio.sleep(0.01)
    assert not running.done(), "the node ends with it"
    running.cancel()
    await asyncio.wait([running])
    await town.wait(600, step=60)
    assert len(await town.alerts()) == 1


async def test_an_outage_that_an_operator_closed_is_not_raised_again_while_it_lasts(town: Town) -> None:
    await town.watch(*forty())
    town.cut("c01")
    await town.wait(80)
    (alert,) = await town.alerts()
    closing = Draft(alert.id, "close", "li", town.clock.now(), data={"disposition": "real", "level": "township"})
    await town.ledger.write(lambda tx: tx.append(closing))
    await town.start()
    await town.wait(600, step=60)
    town.mend("c01")
    await town.wait(10)
    assert len(await town.alerts()) == 1
    assert await town.actions(alert.id) == ["raised", "close"]
    town.cut("c01")
    await town.wait(80)
    assert len(await town.alerts()) == 2


async def test_what_is_lost_after_its_outage_was_closed_is_told_anew(town: Town) -> None:
    await town.watch(*forty())
    town.cut(*ALL[:8])
    await town.wait(110)
    (alert,) = await town.alerts()
    town.mend(*ALL[:3])
    await town.wait(20)
    closing = Draft(alert.id, "close", "li", town.clock.now(), data={"disposition": "real", "level": "township"})
    await town.ledger.write(lambda tx: tx.append(closing))
    await town.wait(3600, step=60)
    town.cut(*ALL[:3])
    await town.wait(110)
    closed, *others = await town.alerts()
    assert others != [], "three cameras are away, and nobody was told"
    assert {camera.id for each in others for camera in each.cameras} == set(ALL[:3])
    assert await town.actions(closed.id) == ["raised", "close"]
    town.mend(*ALL)
    await town.wait(20)
    assert await town.active() == []


async def test_a_camera_that_comes_and_goes_is_one_alert(town: Town) -> None:
    await town.watch(*forty())
    for _ in range(12):
        town.cut("c01")
        await town.wait(100)
        town.mend("c01")
        await town.wait(100)
    (alert,) = await town.alerts()
    assert alert.condition is Condition.ACTIVE
    assert (alert.detail["flapping"], alert.count) == (True, 4)
    await town.wait(900, step=100)
    assert await town.active() == []


async def test_short_losses_without_end_are_flapping_too_and_many_are_one(town: Town) -> None:
    await town.watch(*forty())
    for _ in range(6):
        town.cut(*ALL[:8])
        await town.wait(20)
        town.mend(*ALL[:8])
        await town.wait(40)
    (alert,) = await town.alerts()
    assert (alert.detail["cause"], alert.detail["flapping"], alert.detail["lost"]) == ("subnet", True, 8)
    await town.wait(1000, step=50)
    assert await town.active() == []
    assert len(await town.alerts()) == 1


@pytest.mark.parametrize("state", [CameraState.AUTH_FAILED, CameraState.DISABLED, CameraState.CONNECTING])
async def test_other_states_are_no_outage(town: Town, state: CameraState) -> None:
    await town.watch(*forty())
    town.set(state, *ALL)
    await town.wait(600, step=60)
    assert await town.alerts() == []


async def test_a_camera_that_is_taken_away_is_no_outage_any_more(town: Town) -> None:
    await town.watch(*forty())
    town.cut("c01", "c02")
    await town.wait(80)
    assert len(await town.active()) == 2
    town.register.replace(Register(forty()[2:]))
    await town.wait(5)
    assert [alert.source.id for alert in await town.active()] == ["c02"]
    town.register.replace(Register(forty()[3:]))
    await town.start()
    assert await town.active() == []


async def test_what_is_planned_is_no_outage_until_the_window_is_over(town: Town) -> None:
    await town.watch(*forty())
    at = town.clock.now()
    until = at + timedelta(minutes=30)
    work = PlannedWork("w1", "换交换机", at, until, "li", at, "端口坏", hosts=("10.0.0.*",))
    await town.book.plan(work)
    town.cut(*ALL[:8], "c39")
    await town.wait(600, step=60)
    assert [alert.source.id for alert in await town.alerts()] == ["c39"]
    assert metrics.REGISTRY.get_sample_value("gateway_cameras_in_maintenance") == 8
    town.mend(*ALL[:4])
    await town.wait(1140, step=60)
    assert len(await town.alerts()) == 1
    await town.wait(130)
    assert [alert.detail["lost"] for alert in await town.alerts()] == [1, 4]


async def test_an_outage_stays_told_of_when_work_on_it_is_planned(town: Town) -> None:
    await town.watch(*forty())
    town.cut(*ALL[:8])
    await town.wait(80)
    (alert,) = await town.alerts()
    at = town.clock.now()
    work = PlannedWork("w1", "换交换机", at, at + timedelta(minutes=30), "li", at, "坏了", cameras=("*",))
    await town.book.plan(work)
    await town.wait(60)
    assert await town.active() == [alert]
    town.mend(*ALL[:8])
    await town.wait(10)
    assert await town.active() == []


async def test_a_households_camera_is_not_linked(town: Town) -> None:
    """Its alert must not open it."""
    await town.watch(camera("home", "10.0.0.1", scene=Scene.HOUSEHOLD))
    town.cut("home")
    await town.wait(80)
    (alert,) = await town.alerts()
    assert (alert.source.id, alert.cameras) == ("home", ())


async def test_cameras_without_an_area_leave_the_alert_to_the_nodes_own(town: Town) -> None:
    await town.watch(*(camera(f"n{n}", f"10.0.{n}.1", None if n else "511724001") for n in range(4)))
    town.cut("n0", "n1", "n2", "n3")
    await town.wait(80)
    (alert,) = await town.alerts()
    assert alert.place.area_code == "511724001"


async def test_terminals_and_cameras_that_go_together_are_two_alerts_of_the_node(town: Town) -> None:
    await town.watch(*forty())
    terminals = [Terminal(f"tv-{n}", Household("张")) for n in range(20)]
    known = Register([], terminals)
    desk = OfflineDesk(town.ledger, known, {}, town.clock, node_id="town", grades={})
    for terminal in terminals:
        known.seen(terminal.id, town.clock.now(), online=True)
        known.seen(terminal.id, town.clock.now(), online=False)
    await desk.look()
    town.cut(*ALL)
    await town.wait(700, step=50)
    await desk.look()
    of_cameras, of_terminals = await town.active()
    assert "terminals" in of_terminals.detail
    assert "cause" in of_cameras.detail
    town.mend(*ALL)
    await town.wait(10)
    assert [alert.id for alert in await town.active()] == [of_terminals.id]
    for terminal in terminals:
        known.seen(terminal.id, town.clock.now(), online=True)
    await desk.look()
    assert await town.active() == []


async def test_who_asks_is_told_which_outage_a_camera_is_in(town: Town) -> None:
    await town.watch(*forty())
    town.cut(*ALL[:8])
    await town.wait(80)
    found = town.desk.outage_of("c03")
    assert isinstance(found, Outage)
    assert (found.cause, found.group, found.total, len(found.away)) == (Cause.SUBNET, "10.0.0.0/24", 8, 8)
    assert town.desk.outage_of("c30") is None
    town.mend("c03")
    await town.wait(5)
    assert town.desk.outage_of("c03") is None
    town.cut("c03")
    await town.wait(5)
    assert town.desk.outage_of("c03") is not None
