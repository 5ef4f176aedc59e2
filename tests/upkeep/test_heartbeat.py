"""The drill press: one alert a day that nobody has to handle, and what is told when it does not come through."""

import asyncio
import hashlib
import itertools
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog

from gateway.alerts.intake import Intake
from gateway.alerts.policy import IntakePolicy
from gateway.alerts.register import Register
from gateway.errors import GatewayError, Unreachable
from gateway.ledger.sqlite import SqliteLedger
from gateway.model import Draft, Kind, Press, Signal, SourceRef, Stage, Status, Workflow
from gateway.observability import metrics
from gateway.ports import AlertFilter, PressHeard, StoredAlert
from gateway.upkeep.heartbeat import KIND, Heartbeat

START = datetime(2026, 5, 1, 8, 0, tzinfo=UTC)
EVERY = 300.0


class HandClock:
    def __init__(self) -> None:
        self.at = START

    def now(self) -> datetime:
        return self.at

    def mono(self) -> float:
        return (self.at - START).total_seconds()

    async def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
        await asyncio.sleep(0)


class Button:
    """Presses straight into the intake, as the MQTT source does. ``stages``: what is heard; ``fault`` is raised instead."""

    def __init__(self, intake: Intake, clock: HandClock) -> None:
        self.stages: dict[Stage, float] = {Stage.RECEIVED: 0.004, Stage.FORWARDED: 0.2}
        self.fault: GatewayError | None = None
        self.asked: list[tuple[Stage, float]] = []
        self._intake = intake
        self._clock = clock

    async def press(self, press_id: str, kind: Kind, text: str, until: Stage, within: float) -> PressHeard:
        self.asked.append((until, within))
        if self.fault is not None:
            raise self.fault
        accepted = await self._intake.emit(signal(self._clock, "heartbeat", press_id, kind, Status.TEST))
        return PressHeard(accepted.alert_id, dict(self.stages))


def signal(clock: HandClock, terminal: str, press_id: str, kind: Kind, status: Status) -> Signal:
    press = Press(press_id, None, hashlib.sha256(press_id.encode()).hexdigest())
    return Signal("tv", SourceRef("terminal", terminal), kind, clock.now(), clock.mono(), status=status, press=press)


class House:
    def __init__(self, ledger: SqliteLedger, clock: HandClock) -> None:
        self.ledger, self.clock = ledger, clock
        self.intake = Intake(ledger, Register([], []), IntakePolicy("town", heartbeat="heartbeat"), clock)
        self.button = Button(self.intake, clock)

    def heart(self, *, forwards: bool = True) -> Heartbeat:
        return Heartbeat(
            self.button, self.ledger, self.clock, terminal="heartbeat", every=EVERY, within=20.0, forwards=forwards
        )

    async def alerts(self) -> list[StoredAlert]:
        found, _ = await self.ledger.read(lambda reader: reader.alerts(AlertFilter(), None, 50))
        return found


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    clock = HandClock()
    ledger = await SqliteLedger.open(tmp_path / "ledger.db", "town", clock)
    yield House(ledger, clock)
    await ledger.close()


async def test_a_day_of_beats_is_one_alert_and_the_next_day_closes_it(house: House) -> None:
    heart = house.heart()
    for _ in range(int(24 * 3600 / EVERY)):
        await heart.beat()
        await house.clock.sleep(EVERY)
    (only,) = await house.alerts()
    assert (only.alert.count, only.alert.status, only.alert.kind) == (288, Status.TEST, KIND)
    assert (only.alert.severity, only.alert.workflow) == (4, Workflow.NEW)
    await heart.beat()
    new, old = await house.alerts()
    assert (old.alert.workflow, old.alert.disposition, old.alert.count) == (Workflow.CLOSED, "drill", 288)
    assert (new.alert.workflow, new.alert.count) == (Workflow.NEW, 1)


async def test_one_that_somebody_took_is_left_so_that_the_next_is_heard_of_anew(house: House) -> None:
    await house.heart().beat()
    (taken,) = await house.alerts()
    await house.ledger.write(lambda tx: tx.append(Draft(taken.alert.id, "acknowledge", "wang", house.clock.now())))
    await house.clock.sleep(EVERY)
    await house.heart().beat()  # after a restart, too
    new, old = await house.alerts()
    assert (old.alert.id, old.alert.workflow, new.alert.workflow) == (taken.alert.id, Workflow.CLOSED, Workflow.NEW)


async def test_neither_a_real_press_by_that_name_nor_anothers_test_joins_a_beat(house: House) -> None:
    await house.heart().beat()
    for terminal, status in (("heartbeat", Status.ACTUAL), ("tv-1", Status.TEST)):
        await house.intake.emit(signal(house.clock, terminal, "p1", KIND, status))
        await house.clock.sleep(120)
        await house.intake.emit(signal(house.clock, terminal, "p2", KIND, status))
    assert [each.alert.count for each in await house.alerts()] == [1, 1, 1, 1, 1]  # 60 s are the window of all others
    await house.heart().beat()
    kept = [each.alert for each in await house.alerts()]
    assert [each.workflow for each in kept] == [Workflow.NEW] * 5 and sorted(each.count for each in kept) == [
        1,
        1,
        1,
        1,
        2,
    ]


def value(metric: str, /, **labels: str) -> float:
    return metrics.REGISTRY.get_sample_value(f"gateway_heartbeat_{metric}", labels) or 0.0


async def test_what_does_not_come_through_is_loud_once_and_counted_each_time(house: House) -> None:
    heart, missed = house.heart(), value("misses_total", stage="forwarded")
    await heart.beat()
    heard = {stage: value("last_success_timestamp_seconds", stage=stage) for stage in ("received", "forwarded")}
    assert set(heard.values()) == {house.clock.now().timestamp()}
    del house.button.stages[Stage.FORWARDED]
    with structlog.testing.capture_logs() as lines:
        for _ in range(3):
            await house.clock.sleep(EVERY)
            await heart.beat()
        house.button.stages[Stage.ACCEPTED] = 0.3  # a later stage is as good
        await heart.beat()
    assert value("misses_total", stage="forwarded") == missed + 3
    told = [(line["log_level"], line["stage"]) for line in lines if line["log_level"] != "debug" and "stage" in line]
    assert told == [("error", "forwarded"), ("warning", "forwarded")]
    assert value("last_success_timestamp_seconds", stage="forwarded") == house.clock.now().timestamp()


async def test_a_broker_that_cannot_be_reached_misses_every_stage_with_its_reason(house: House) -> None:
    house.button.fault = Unreachable("broker mqtt://127.0.0.1:1883: connection refused; is Mosquitto running?")
    before = value("misses_total", stage="received")
    with structlog.testing.capture_logs() as lines:
        await house.heart().beat()
    assert {line["reason"] for line in lines if "stage" in line} == {str(house.button.fault)}
    assert value("misses_total", stage="received") == before + 1
    assert await house.alerts() == []


async def test_without_an_upper_node_receipt_is_enough(house: House) -> None:
    await house.heart(forwards=False).beat()
    assert house.button.asked == [(Stage.RECEIVED, 20.0)]


async def test_it_beats_at_its_interval_and_says_so_from_the_start(house: House) -> None:
    beats: list[float] = []
    press: Callable[..., object] = house.button.press

    async def noted(*words: object) -> object:
        beats.append(house.clock.mono())
        if len(beats) == 4:
            raise asyncio.CancelledError
        await house.clock.sleep(7)  # what a press takes is no part of the pause
        return await press(*words)  # type: ignore[misc]

    house.button.press = noted  # type: ignore[method-assign,assignment]
    with pytest.raises(asyncio.CancelledError):
        await house.heart().run()
    assert [round(later - earlier) for earlier, later in itertools.pairwise(beats)] == [300, 300, 300]
    assert metrics.REGISTRY.get_sample_value("gateway_heartbeat_interval_seconds") == EVERY
