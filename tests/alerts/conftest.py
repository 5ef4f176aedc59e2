from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.alerts.intake import Intake, IntakePolicy
from gateway.alerts.reactions import Reactions
from gateway.alerts.register import Register
from gateway.ledger.sqlite import SqliteLedger
from gateway.model import Camera, Household, Kind, Lane, Place, Press, ReplyTo, Signal, SourceRef, Status, Terminal

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
        return [(parcel.content.press_id, parcel.content.stage.value) for parcel in sorted(parcels, key=lambda p: p.id)]

    async def parcels(self, lane: Lane) -> list[Any]:
        due = self.clock.now() + timedelta(days=1)
        return await self.ledger.read(lambda reader: reader.parcels("county", lane, 1000, due))

    async def tasks(self) -> list[Any]:
        return await self.ledger.read(lambda reader: reader.picture_tasks(1000))


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
