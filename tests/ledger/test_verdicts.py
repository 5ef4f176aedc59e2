"""Verdicts in the ledger: one of each fault that stands, and an end that takes what began before it and no more."""

from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.ledger.sqlite import SqliteLedger
from gateway.model import Verdict, uuid7

AT = datetime(2026, 3, 1, 8, tzinfo=UTC)


def verdict(signal: str, after_s: float = 0.0, **more: Any) -> Verdict:
    fields = {"camera": "c1", "fault": "covered", "night": False, "boot": "boot-1", "frame": "k1", "frame_mono": 1.0}
    return Verdict(uuid7(), signal, since=AT + timedelta(seconds=after_s), since_mono=1000 + after_s, **fields | more)


async def keep(ledger: SqliteLedger, told: Verdict) -> Verdict:
    return await ledger.write(lambda tx: tx.keep_verdict(told))


async def standing(ledger: SqliteLedger) -> list[str]:
    return [each.signal for each in await ledger.read(lambda reader: reader.standing_verdicts())]


async def test_what_stands_already_is_kept_once_whoever_tells_of_it(ledger) -> None:
    first = await keep(ledger, verdict("a-1"))
    assert await keep(ledger, verdict("b-1", 20.0)) == first
    assert await keep(ledger, verdict("b-2", fault="moved")) != first
    assert await keep(ledger, verdict("b-3", camera="c2")) != first
    assert await standing(ledger) == ["a-1", "b-2", "b-3"]


async def end(ledger: SqliteLedger, after_s: float, boot: str = "boot-1", at: datetime = AT) -> None:
    await ledger.write(lambda tx: tx.end_verdicts("c1", "covered", at, 1000 + after_s, boot))


async def test_an_end_takes_what_began_before_it_and_no_more(ledger) -> None:
    await keep(ledger, verdict("a-1", 10.0))
    await end(ledger, 5.0)
    assert await standing(ledger) == ["a-1"]
    await end(ledger, 10.0)
    assert await standing(ledger) == []


async def test_the_wall_clock_may_be_set_back_and_the_box_restarted_in_between(ledger) -> None:
    await keep(ledger, verdict("a-1", 10.0))
    await end(ledger, 20.0, at=AT - timedelta(hours=1))
    assert await standing(ledger) == []
    await keep(ledger, verdict("a-2", 30.0))
    await end(ledger, -900.0, boot="boot-2")
    assert await standing(ledger) == []
