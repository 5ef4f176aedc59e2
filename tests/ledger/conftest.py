"""Ledgers to test, and short ways to say what goes into them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.ledger.sqlite import SqliteLedger
from gateway.model import Draft, uuid7
from gateway.ports import Reaction


@dataclass
class StandingClock:
    """Stands still until it is told to move."""

    at: datetime = field(default=datetime(2026, 3, 1, 8, 0, 0, 123_000, tzinfo=UTC))

    def now(self) -> datetime:
        return self.at

    def mono(self) -> float:
        return self.at.timestamp()

    async def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock()


@pytest.fixture(params=["sqlite"])
def kind(request: pytest.FixtureRequest) -> str:
    """The implementations that keep the contract of gateway.ports.Ledger."""
    return str(request.param)


@pytest.fixture
async def open_ledger(
    kind: str, tmp_path: Path, clock: StandingClock
) -> AsyncIterator[Callable[..., Awaitable[SqliteLedger]]]:
    """``await open_ledger(reaction=None, node="low", name="ledger.db")``; opened ones are closed at the end."""
    opened: list[SqliteLedger] = []

    async def open(reaction: Reaction | None = None, node: str = "low", name: str = "ledger.db") -> SqliteLedger:
        ledger = await SqliteLedger.open(tmp_path / name, node, clock, reaction)
        opened.append(ledger)
        return ledger

    yield open
    for ledger in opened:
        await ledger.close()


@pytest.fixture
async def ledger(open_ledger: Callable[..., Awaitable[SqliteLedger]]) -> SqliteLedger:
    return await open_ledger()


@pytest.fixture
def draft(clock: StandingClock) -> Callable[..., Draft]:
    """``draft(alert_id, action="raised", base…)``: an entry of terminal tv-1 in area 511724."""

    def make(alert_id: str | None = None, action: str = "raised", **fields: Any) -> Draft:
        if action != "raised":
            return Draft(alert_id or uuid7(), action, "wang", clock.at, fields.pop("comment", None), fields)
        base = {
            "kind": "sos",
            "severity": 1,
            "status": "actual",
            "source": {"type": "terminal", "id": "tv-1", "name": "Li Family", "known": True},
            "place": {"lon": 107.2, "lat": 30.7, "address": "1 Main St", "area_code": "511724001001"},
            "title": "Help",
            "device_time": None,
            "raised_at": clock.at.isoformat(),
            "detail": {"press_ids": ["p1"]},
            "cameras": [{"id": "c1", "name": "Crossing", "snapshots": [{"id": uuid7(), "wanted_ms": 0}]}],
            **fields,
        }
        return Draft(alert_id or uuid7(), "raised", "terminal/tv-1", clock.at, None, {"base": base})

    return make
