"""Deletion and holds over two levels: each deletes by its own days, nothing comes back, the books agree."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.alerts.exchange import LedgerExchange
from gateway.alerts.upper import LedgerUpper
from gateway.codec import entry_digest
from gateway.config.sections.upkeep import RetentionSettings
from gateway.delivery.reconciliation import Reconciler
from gateway.ledger.soundness import first_fault
from gateway.ledger.sqlite import SqliteLedger
from gateway.model import Draft, Lane, Parcel, ParcelDraft, Receipt
from gateway.ports import AlertFilter, Arrival, Digest, Transaction
from gateway.upkeep.retention import RetentionDesk
from gateway.video.media import FileMediaStore

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Clock:
    at: datetime = BEGAN

    def now(self) -> datetime:
        return self.at

    def mono(self) -> float:
        return self.at.timestamp()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


@dataclass
class Level:
    """A node: its ledger, its files, and the desk that deletes."""

    id: str
    ledger: SqliteLedger
    desk: RetentionDesk
    path: Path
    media: FileMediaStore

    async def alerts(self) -> dict[str, Any]:
        found, _ = await self.ledger.read(lambda reader: reader.alerts(AlertFilter(), None, 500))
        return {stored.alert.id: stored.alert for stored in found}


@dataclass
class Way:
    """To the upper node, as the cascade sink goes it."""

    exchange: LedgerExchange
    id: str = "county"
    concurrency: int = 1
    sent: list[str] = field(default_factory=list)

    async def send(self, parcel: Parcel) -> Receipt:
        entry = parcel.content
        self.sent.append(entry.id)
        [answer] = await self.exchange.admit("low", [Arrival(entry, entry_digest(entry))])
        assert isinstance(answer, Receipt), answer
        return answer

    async def digest(self, since: datetime, until: datetime) -> Digest:
        return await self.exchange.digest("low", since, until)

    async def report(self, *_: Any) -> None: ...
    async def close(self) -> None: ...


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def level(id: str, folder: Path, clock: Clock, react: Any, **days: int) -> Level:
    folder.mkdir()
    ledger = await SqliteLedger.open(folder / "ledger.db", id, clock, react)
    media = FileMediaStore(folder / "media")
    desk = RetentionDesk(ledger, media, RetentionSettings(**days), clock, uppers=["county"])
    return Level(id, ledger, desk, folder / "ledger.db", media)


@pytest.fixture
async def low(tmp_path: Path, clock: Clock) -> AsyncIterator[Level]:
    def react(tx: Transaction, fed: Any, _: Any, via: str | None) -> None:
        if via != "county":
            tx.post(ParcelDraft("county", Lane.UPDATE, entry_id=fed.entry.id))

    made = await level("low", tmp_path / "low", clock, react, alerts=200)
    yield made
    await made.ledger.close()
    await made.media.close()


@pytest.fixture
async def county(tmp_path: Path, clock: Clock) -> AsyncIterator[Level]:
    made = await level("county", tmp_path / "county", clock, None, pictures=30, clips=30, evidence=30, alerts=60)
    yield made
    await made.ledger.close()
    await made.media.close()


@pytest.fixture
def way(county: Level, clock: Clock) -> Way:
    return Way(LedgerExchange(county.ledger, "county", now=clock.now))


async def deliver(low: Level, way: Way, clock: Clock) -> None:
    """What the forwarder does, until nothing is left."""
    while parcels := await low.ledger.read(lambda reader: reader.parcels("county", Lane.UPDATE, 50, clock.now())):
        for parcel in parcels:
            receipt = await way.send(parcel)

            def settle(tx: Transaction, parcel: Parcel = parcel, receipt: Receipt = receipt) -> None:
                tx.remember_receipt("county", parcel.content.id, receipt)
                tx.delivered(parcel.id)

            await low.ledger.write(settle)


async def case(low: Level, clock: Clock, id: str) -> None:
    base = {"kind": "sos", "severity": 1, "source": {"type": "terminal", "id": id}, "title": "求助"}
    await low.ledger.write(lambda tx: tx.append(Draft(id, "raised", "terminal/tv", clock.at, None, {"base": base})))
    await low.ledger.write(lambda tx: tx.append(Draft(id, "close", "wang", clock.at, None, {"disposition": "real"})))


async def take_down(low: Level, county: Level, seen: int) -> int:
    """The downlink: what was made above."""
    upper = LedgerUpper(low.ledger, "county")
    for fed in await county.ledger.read(lambda reader, after=seen: reader.feed(after, 500)):
        seen = fed.position
        if fed.entry.node == "county":
            await upper.take(fed.position, fed.entry)
    return seen


async def test_the_upper_deletes_first_and_nothing_is_told_again(
    low: Level, county: Level, way: Way, clock: Clock
) -> None:
    for number in range(5):
        await case(low, clock, f"a{number}")
        clock.at += timedelta(days=1)
    await deliver(low, way, clock)
    assert (await county.alerts()).keys() == (await low.alerts()).keys()
    reconciler = Reconciler(low.ledger, [way], clock)  # type: ignore[list-item]
    before = await county.ledger.read(lambda reader: reader.newest_feed())
    clock.at += timedelta(days=70)
    await county.desk.sweep()
    assert await county.alerts() == {} and len(await low.alerts()) == 5
    way.sent.clear()
    result = await reconciler.reconcile("county")
    assert (result.fault, result.missing, result.extra, result.compared) == (None, 0, 0, 10)
    assert way.sent == []  # the books agree: nobody asks
    for fed in await low.ledger.read(lambda reader: reader.feed(0, 50)):  # and if somebody did
        receipt = await way.send(Parcel(0, "county", Lane.UPDATE, fed.entry))
        assert receipt.seq <= before
    assert await county.alerts() == {}
    clock.at += timedelta(days=200)
    await low.desk.sweep()
    assert await low.alerts() == {}
    result = await reconciler.reconcile("county")
    assert (result.fault, result.missing) == (None, 0)
    for each in (low, county):
        assert first_fault(each.path) is None


async def test_what_is_done_below_after_that_is_receipted_and_brings_nothing_back(
    low: Level, county: Level, way: Way, clock: Clock
) -> None:
    await case(low, clock, "a1")
    await deliver(low, way, clock)
    clock.at += timedelta(days=70)
    await county.desk.sweep()
    await low.ledger.write(lambda tx: tx.append(Draft("a1", "note", "wang", clock.at, "后续回访")))
    await deliver(low, way, clock)
    assert await county.alerts() == {} and len(await low.alerts()) == 1
    result = await Reconciler(low.ledger, [way], clock).reconcile("county")  # type: ignore[list-item]
    assert (result.fault, result.missing, result.compared) == (None, 0, 3)
    assert first_fault(county.path) is None


async def test_nothing_goes_while_the_upper_has_not_got_it(low: Level, county: Level, way: Way, clock: Clock) -> None:
    await case(low, clock, "a1")
    clock.at += timedelta(days=300)
    run = await low.desk.sweep()
    assert (dict(run.gone), dict(run.kept)) == ({}, {"owed": 1})
    await deliver(low, way, clock)
    assert (await county.alerts()).keys() == {"a1"}
    await low.desk.sweep()
    assert await low.alerts() == {}


async def test_a_hold_of_either_level_holds_on_both(low: Level, county: Level, way: Way, clock: Clock) -> None:
    await case(low, clock, "up")
    await case(low, clock, "down")
    await low.ledger.write(lambda tx: tx.append(Draft("up", "hold", "wang", clock.at, "派出所")))
    await deliver(low, way, clock)
    await county.ledger.write(lambda tx: tx.append(Draft("down", "hold", "li", clock.at, "法院")))
    seen = await take_down(low, county, 0)
    held = {id: alert.detail["held"]["reason"] for id, alert in (await low.alerts()).items()}
    assert held == {"up": "派出所", "down": "法院"}
    clock.at += timedelta(days=400)
    for each in (low, county):
        run = await each.desk.sweep()
        assert dict(run.kept) == {"held": 2} and len(await each.alerts()) == 2
    await county.ledger.write(lambda tx: tx.append(Draft("up", "release", "li", clock.at, "结案")))
    await take_down(low, county, seen)
    assert {id: "held" in alert.detail for id, alert in (await low.alerts()).items()} == {"up": False, "down": True}
    clock.at += timedelta(days=400)
    for each in (low, county):
        await each.desk.sweep()
        assert (await each.alerts()).keys() == {"down"}
        assert first_fault(each.path) is None
