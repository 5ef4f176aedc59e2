"""What the writer keeps in memory (the chain's end, the sequence, folds) is as untrue as the rest after a rollback."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from pprint import pformat
from typing import Any

import apsw
import pytest

from gateway.alerts.lifecycle import fold
from gateway.errors import StoreFailed
from gateway.ledger.audit import verify_file
from gateway.ledger.sqlite import SqliteLedger
from gateway.model import Draft, Lane, ParcelDraft
from gateway.ports import AuditRecord, Transaction

Drafts = Callable[..., Draft]
Opener = Callable[..., Awaitable[SqliteLedger]]


class TakenBack(Exception):
    """By whoever asked for the work."""


@pytest.mark.parametrize("seed", range(4))
async def test_works_and_whole_groups_that_are_taken_back_leave_no_trace(
    open_ledger: Opener, draft: Drafts, clock: Any, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    ledger = await open_ledger()

    def work(tx: Transaction) -> None:
        for _ in range(chance.randrange(1, 4)):
            alert_id = f"a{chance.randrange(5)}"
            known = tx.alert(alert_id) is not None
            entry = tx.append(draft(alert_id, chance.choice(["note", "pressed", "acknowledge"]) if known else "raised"))
            tx.post(ParcelDraft("county", Lane.ALARM, entry_id=entry.id))
            tx.record(AuditRecord(clock.at, "wang", "looked", f"alerts/{alert_id}"))
        fate = chance.random()
        if fate < 0.3:
            raise TakenBack
        if fate < 0.4:
            raise apsw.FullError("injected")

    for _ in range(25):
        works = [ledger.write(work) for _ in range(chance.randrange(1, 6))]
        results = await asyncio.gather(*works, return_exceptions=True)
        assert {type(result) for result in results} <= {type(None), TakenBack, StoreFailed}
    feed = await ledger.read(lambda reader: reader.feed(0, 10_000))
    assert feed
    assert [item.entry.seq for item in feed] == [item.position for item in feed] == list(range(1, len(feed) + 1))
    for alert_id in {item.entry.alert_id for item in feed}:
        stored = await ledger.read(lambda reader, id=alert_id: reader.alert(id))
        assert stored is not None
        assert stored.alert == fold([item.entry for item in feed if item.entry.alert_id == alert_id])
    await ledger.close()
    verdict = verify_file(tmp_path / "ledger.db")
    assert verdict.broken is None
    assert verdict.links == 2 * len(feed)


@pytest.mark.parametrize(
    "data",
    [
        {"a": [1, "x", None, True, {"b": [0.25]}]},
        {"a": (1, 2)},
        {"a": 1.0},
        {"a": 1e-7},
        {"é": 1},
        {"a": -0.0},
        {"a": Lane.ALARM},
    ],
)
async def test_what_is_told_of_an_entry_is_what_is_read_back(
    open_ledger: Opener, draft: Drafts, data: dict[str, Any]
) -> None:
    told: list[Any] = []
    ledger = await open_ledger(reaction=lambda tx, fed, stored, via: told.append(fed))
    await ledger.write(lambda tx: tx.append(draft("a1", detail=data)))
    await ledger.write(lambda tx: tx.append(draft("a1", "note", **data)))
    read = await ledger.read(lambda reader: reader.entries("a1"))
    assert [pformat(fed.entry.data) for fed in told] == [pformat(fed.entry.data) for fed in read]  # types too
    assert told == read
