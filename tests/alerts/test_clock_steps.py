"""A press that is repeated after the clock was set is the same press; an old id is a new one after 24 h all the same."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.alerts.clock_steps import ClockSteps
from gateway.alerts.intake import Intake
from gateway.alerts.policy import IntakePolicy
from gateway.alerts.register import Register
from gateway.ledger.sqlite import SqliteLedger
from gateway.model import Kind, Press, Signal, SourceRef

BOOT = datetime(1970, 1, 1, 0, 0, 20, tzinfo=UTC)
NOW = datetime(2026, 5, 1, 8, 0, tzinfo=UTC)


class SetClock:
    """A wall clock that can be set, beside one that cannot."""

    def __init__(self, at: datetime) -> None:
        self._passed = 100.0
        self._offset = at - timedelta(seconds=self._passed)

    def now(self) -> datetime:
        return self._offset + timedelta(seconds=self._passed)

    def mono(self) -> float:
        return self._passed

    async def sleep(self, seconds: float) -> None:
        self._passed += seconds

    def turn(self, seconds: float) -> None:
        self._passed += seconds

    def set(self, at: datetime) -> None:
        self._offset = at - timedelta(seconds=self._passed)


class Box:
    """A node's intake, on a ledger that outlives it."""

    def __init__(self, ledger: SqliteLedger, clock: SetClock) -> None:
        self._clock = clock
        self.intake = Intake(ledger, Register(), IntakePolicy("town"), clock)

    async def press(self, press_id: str | None = "p1", *, redelivered: bool = False) -> Any:
        press = Press(press_id, None, "digest", redelivered)
        source, now, mono = SourceRef("terminal", "tv-1"), self._clock.now(), self._clock.mono()
        return await self.intake.emit(Signal("tv", source, Kind.SOS, now, mono, press=press))


@pytest.fixture
def clock() -> SetClock:
    return SetClock(BOOT)


@pytest.fixture
async def ledger(tmp_path: Path, clock: SetClock) -> Any:
    ledger = await SqliteLedger.open(tmp_path / "ledger.db", "town", clock)
    yield ledger
    await ledger.close()


async def test_a_press_repeated_after_the_clock_was_set_is_the_same(ledger: SqliteLedger, clock: SetClock) -> None:
    box = Box(ledger, clock)
    first = await box.press()
    clock.turn(5)
    clock.set(NOW)
    again = await box.press()
    assert (again.alert_id, again.repeated) == (first.alert_id, True)
    clock.turn(23 * 3600)
    assert (await box.press()).repeated


async def test_also_when_it_is_set_to_and_fro_and_was_never_asked_between(
    ledger: SqliteLedger, clock: SetClock
) -> None:
    clock.set(NOW)
    box = Box(ledger, clock)
    first = await box.press()
    for there in (NOW + timedelta(days=3650), BOOT, NOW + timedelta(days=2)):
        clock.turn(60)
        clock.set(there)
        assert (await box.press()).alert_id == first.alert_id


async def test_a_redelivery_without_an_id_too(ledger: SqliteLedger, clock: SetClock) -> None:
    box = Box(ledger, clock)
    first = await box.press(None)
    clock.set(NOW)
    assert (await box.press(None, redelivered=True)).alert_id == first.alert_id
    clock.turn(601)
    assert (await box.press(None, redelivered=True)).alert_id != first.alert_id


async def test_after_24_hours_an_old_id_is_a_new_press_whatever_the_clock_did(
    ledger: SqliteLedger, clock: SetClock
) -> None:
    clock.set(NOW)
    box = Box(ledger, clock)
    first = await box.press()
    clock.turn(12 * 3600)
    clock.set(NOW + timedelta(days=400))
    assert (await box.press("p2")).alert_id != first.alert_id
    clock.turn(13 * 3600)
    again = await box.press()
    assert not again.repeated and again.alert_id != first.alert_id


async def test_a_press_that_a_former_process_took_before_the_clock_was_set(
    ledger: SqliteLedger, clock: SetClock
) -> None:
    first = await Box(ledger, clock).press()
    clock.set(NOW)
    assert (await Box(ledger, clock).press()).alert_id == first.alert_id


async def test_a_process_that_was_killed_between_the_step_and_the_repeat(ledger: SqliteLedger, clock: SetClock) -> None:
    clock.set(NOW + timedelta(days=40))  # wrong, and not 1970
    await Box(ledger, clock).press()
    clock.turn(60)
    clock.set(NOW)
    assert (await Box(ledger, clock).press()).repeated
    clock.turn(60)
    clock.set(NOW + timedelta(days=3))
    box = Box(ledger, clock)
    assert (await box.press()).repeated
    clock.turn(24 * 3600)
    assert not (await box.press()).repeated


async def test_a_box_that_boots_with_its_clock_before_the_newest_commit(
    ledger: SqliteLedger, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock.set(NOW + timedelta(days=40))
    await Box(ledger, clock).press()
    monkeypatch.setattr("gateway.alerts.intake.boot_id", lambda: "another boot")
    clock.set(NOW)
    box = Box(ledger, clock)
    assert (await box.press()).repeated
    clock.turn(25 * 3600)
    assert not (await box.press()).repeated


async def test_a_cancel_finds_its_press(ledger: SqliteLedger, clock: SetClock) -> None:
    box = Box(ledger, clock)
    first = await box.press()
    clock.set(NOW)
    await box.intake.withdraw("tv-1", "p1")
    entries = await ledger.read(lambda reader: reader.entries(first.alert_id))
    assert [line.entry.action for line in entries] == ["raised", "withdrawn"]


def test_a_clock_that_is_never_set_has_nothing_before() -> None:
    clock = SetClock(NOW)
    steps = ClockSteps(clock, timedelta(hours=24), "boot")
    clock.turn(25 * 3600)
    steps.look()
    assert list(steps.before(timedelta(hours=24))) == []


def test_it_is_kept_track_of_in_bounds() -> None:
    clock = SetClock(NOW)
    steps = ClockSteps(clock, timedelta(hours=24), "boot")
    for turn in range(500):
        clock.turn(10)
        clock.set(NOW + timedelta(days=turn % 7))
        steps.look()
    assert len(steps.before(timedelta(hours=24))) <= 32
