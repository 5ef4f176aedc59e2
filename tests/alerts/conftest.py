import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.alerts import causality
from gateway.alerts.callbacks import CallBacks
from gateway.alerts.duties import Duties
from gateway.alerts.escalation import Escalation, Rung, default_ladder
from gateway.alerts.intake import Intake
from gateway.alerts.neighbours import Neighbours
from gateway.alerts.policy import IntakePolicy
from gateway.alerts.reactions import Reactions
from gateway.alerts.register import Register
from gateway.alerts.second_way import SecondWay
from gateway.alerts.service_levels import ServiceClock, ServiceLevels
from gateway.alerts.timers import TimerDesk
from gateway.codec import entry_digest
from gateway.ledger.sqlite import SqliteLedger
from gateway.model import (
    Answer,
    Camera,
    Draft,
    Entry,
    Household,
    Kind,
    Lane,
    Level,
    Place,
    Press,
    Receipt,
    ReplyTo,
    Signal,
    SourceRef,
    Status,
    Terminal,
    uuid7,
)
from gateway.observability import metrics

START = datetime(2026, 5, 1, 8, 0, tzinfo=UTC)


class HandClock:
    """A clock turned by hand."""

    def __init__(self) -> None:
        self.at = START

    def now(self) -> datetime:
        return self.at

    def mono(self) -> float:
        return (self.at - START).total_seconds() + 1000

    def turn(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)

    async def sleep(self, seconds: float) -> None:
        self.turn(seconds)


class House:
    """A township with one terminal, two cameras, an upper node, and a ledger on disk."""

    def __init__(self, ledger: SqliteLedger, clock: HandClock, reactions: Reactions) -> None:
        self.ledger = ledger
        self.clock = clock
        self.reactions = reactions
        self.register = Register(
            [Camera("near", "近", place=Place(107.2, 30.7)), Camera("far", "远", place=Place(107.201, 30.7))],
            [Terminal("tv-1", Household("张桂芳", "13800000001", "北大街 12 号"), Place(107.2, 30.7), ("near",))],
        )
        self.policy = IntakePolicy("town")
        self.intake = Intake(ledger, self.register, self.policy, clock)

    def press(self, press_id: str | None = None, terminal: str = "tv-1", **words: Any) -> Signal:
        made = Press(
            press_id,
            words.pop("repeat_key", None),
            words.pop("digest", "d"),
            words.pop("redelivered", False),
            words.pop("reply_to", None),
        )
        return Signal(
            via="tv",
            source=SourceRef("terminal", terminal),
            kind=words.pop("kind", Kind.SOS),
            received_at=self.clock.now(),
            received_mono=self.clock.mono(),
            device_time=words.pop("device_time", None),
            status=words.pop("status", Status.ACTUAL),
            press=made,
            detail=words.pop("detail", {}),
        )

    async def alert(self, alert_id: str) -> Any:
        stored = await self.ledger.read(lambda reader: reader.alert(alert_id))
        assert stored is not None
        return stored.alert

    async def answers(self) -> list[tuple[str, str]]:
        """(press id, stage) still to be told, oldest first."""
        due = self.clock.now() + timedelta(days=1)
        parcels = await self.ledger.read(lambda reader: reader.parcels("tv", Lane.ALARM, 1000, due))
        told = [parcel.content for parcel in sorted(parcels, key=lambda parcel: parcel.id)]
        return [(answer.press_id, answer.stage.value) for answer in told if isinstance(answer, Answer)]

    async def parcels(self, lane: Lane) -> list[Any]:
        due = self.clock.now() + timedelta(days=1)
        return await self.ledger.read(lambda reader: reader.parcels("county", lane, 1000, due))

    async def tasks(self) -> list[Any]:
        return await self.ledger.read(lambda reader: reader.picture_tasks(1000))

    async def clips(self) -> list[Any]:
        return await self.ledger.read(lambda reader: reader.clip_tasks(1000))


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    clock = HandClock()
    reactions = Reactions("town", ["county"], clock)
    ledger = await SqliteLedger.open(tmp_path / "ledger.db", "town", clock, reactions.react)
    yield House(ledger, clock, reactions)
    await ledger.close()


@pytest.fixture
def reply_to() -> ReplyTo:
    return ReplyTo("stb/7/answers", b"\x01")


@pytest.fixture
def start() -> datetime:
    return START


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], Any]:
    """Wait for what other tasks bring about."""

    async def wait(there: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not there():
                await asyncio.sleep(0.01)

    return wait


class Town(House):
    """A node with all the duties of handling; ``county`` is above it, ``city2`` and ``hub`` stand by for the county."""

    def __init__(self, path: Path, node_id: str = "town", level: Level = Level.TOWNSHIP) -> None:
        self.path, self.node_id, self.level = path, node_id, level
        self.rungs: tuple[Rung, ...] = default_ladder(level)
        self.uppers: tuple[str, ...] = ("county",)
        self.levels = ServiceLevels({"acknowledge": {1: 10.0}, "dispatch": {1: 60.0}, "close": {1: 60.0}})
        self.clock = HandClock()

    async def open(self) -> None:
        """Anew on the same file, as after a restart."""
        clock = self.clock
        self.reactions = Reactions(self.node_id, self.uppers, clock, [*self.uppers, "city2"])
        standby = {"county": ("city2", "hub")}
        self.duties = Duties(
            self.reactions,
            SecondWay(self.node_id, self.uppers, standby, 15.0, clock),
            Escalation(self.node_id, self.level, self.rungs, clock),
            CallBacks(self.node_id, 120.0, clock),
            ServiceClock(self.node_id, self.levels, clock),
            Neighbours(self.node_id, clock),
        )
        ledger = await SqliteLedger.open(self.path, self.node_id, clock, self.duties.react)
        House.__init__(self, ledger, clock, self.reactions)
        household = Household("李国富", "13800000002", "北大街 14 号")
        named = ("tv-2", "tv-3", "tv-1", "nowhere", "tv-2")
        self.register.replace(
            Register(
                self.register.cameras(),
                [
                    replace(self.register.terminals()[0], neighbours=named),
                    Terminal("tv-2", household, neighbours=("tv-1",)),
                    Terminal("tv-3"),
                ],
            )
        )
        self.policy = IntakePolicy(self.node_id, service_levels=self.levels)
        self.intake = Intake(ledger, self.register, self.policy, clock)
        self.desk = TimerDesk(ledger, self.duties, clock)
        await self.desk.shorten()

    async def restart(self) -> None:
        await self.ledger.close()
        await self.open()

    async def wait(self, seconds: float) -> None:
        """Time passes, second by second, and what comes due is done."""
        whole = int(seconds)
        for step in [1.0] * whole + ([seconds - whole] if seconds > whole else []):
            self.clock.turn(step)
            while await self.desk.run_due():
                pass

    async def act(self, alert_id: str, action: str, actor: str = "wang", **data: Any) -> None:
        draft = Draft(alert_id, action, actor, self.clock.now(), None, data)
        await self.ledger.write(lambda tx: tx.append(draft))

    async def admit(self, alert_id: str, action: str, node: str, via: str, **data: Any) -> Entry:
        """An entry of another node that has seen all that is here."""
        lines = await self.ledger.read(lambda reader: reader.entries(alert_id))
        heads = tuple(causality.heads([line.entry for line in lines]))
        id = uuid7()
        entry = Entry(id, alert_id, node, len(lines) + 1, heads, self.clock.now(), f"{node}-man", action, None, data)
        await self.ledger.write(lambda tx: tx.admit(entry, via, entry_digest(entry)))
        return entry

    async def actions(self, alert_id: str) -> list[str]:
        lines = await self.ledger.read(lambda reader: reader.entries(alert_id))
        return [line.entry.action for line in lines]

    async def given(self, sink: str, lane: Lane = Lane.ALARM) -> list[Any]:
        """What waits for a sink, in the order of its making."""
        due = self.clock.now() + timedelta(days=1)
        found = await self.ledger.read(lambda reader: reader.parcels(sink, lane, 1000, due))
        return [parcel.content for parcel in sorted(found, key=lambda parcel: parcel.id)]

    async def confirm(self, sink: str) -> None:
        """The receiver takes all that waits in its alarm lane, and says so."""
        due = self.clock.now() + timedelta(days=1)
        parcels = await self.ledger.read(lambda reader: reader.parcels(sink, Lane.ALARM, 1000, due))

        def work(tx: Any) -> None:
            for number, parcel in enumerate(sorted(parcels, key=lambda parcel: parcel.id), tx.newest_feed()):
                tx.delivered(parcel.id)
                self.duties.settle(tx, parcel, Receipt(parcel.content.id, "0" * 64, number, self.clock.now()))

        await self.ledger.write(work)

    async def timers(self) -> list[tuple[str, float]]:
        """(name, seconds left) of all that is owed."""
        far = self.clock.now() + timedelta(days=36500)
        found = await self.ledger.read(lambda reader: reader.due_timers(far, 1000))
        return [(timer.name, (timer.due - self.clock.now()).total_seconds()) for timer in found]


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    """Changed before use with ``rungs`` and the like, then ``await town.restart()``."""
    made = Town(tmp_path / "town.db")
    await made.open()
    yield made
    await made.ledger.close()


@pytest.fixture
def metric() -> Callable[..., float]:
    """The value of a metric by its name and labels; 0 where it was never counted."""

    def value(name: str, **labels: str) -> float:
        return metrics.REGISTRY.get_sample_value(name, labels) or 0.0

    return value


@pytest.fixture(scope="session")
def town_type() -> type[Town]:
    """For tests that need several nodes at once."""
    return Town
