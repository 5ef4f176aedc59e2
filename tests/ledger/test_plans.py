"""Every look-up walks an index, so that it stays flat at a million alerts."""

from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import apsw
import pytest

from gateway.ledger.connection import open_reader
from gateway.ledger.sqlite import SqliteLedger
from gateway.ledger.transaction import SqliteTransaction
from gateway.model import Draft, Lane, ParcelDraft, Receipt, Stage
from gateway.ports import AlertFilter, PressRecord, Transaction

AT = datetime(2026, 3, 1, tzinfo=UTC)
LATER = datetime(2026, 3, 2, tzinfo=UTC)
OPEN = ("new", "acknowledged", "dispatched", "on_scene")


@pytest.fixture
async def connection(
    open_ledger: Callable[..., Awaitable[SqliteLedger]], draft: Callable[..., Draft], tmp_path: Path
) -> Iterator[apsw.Connection]:
    ledger = await open_ledger()

    def work(tx: Transaction) -> None:
        for n in range(20):
            entry = tx.append(draft(f"a{n}", severity=n % 4 + 1))
            tx.post(ParcelDraft("county", Lane.ALARM, entry_id=entry.id))
            tx.remember_receipt("county", entry.id, Receipt(entry.id, "00", n + 1, AT))
            tx.remember_press(PressRecord("tv-1", f"p{n}", f"a{n}", Stage.RECEIVED, AT, "tv"), "d")

    await ledger.write(work)
    reader = open_reader(tmp_path / "ledger.db")
    yield reader
    reader.close()


def plans(connection: apsw.Connection, clock: Any, look: Callable[[Any], object]) -> Iterator[tuple[str, str]]:
    """(query, line of its plan) of everything that ``look`` asks."""
    asked: list[tuple[str, Any]] = []

    def note(_: Any, query: str, values: Any) -> bool:
        asked.append((query, values))
        return True

    connection.exec_trace = note
    look(SqliteTransaction(connection, "low", clock, None))
    connection.exec_trace = None
    assert asked
    for query, values in asked:
        for *_, line in connection.execute(f"EXPLAIN QUERY PLAN {query}", values):
            yield query, line


LOOKS: dict[str, Callable[[Any], object]] = {
    "plain list": lambda tx: tx.alerts(AlertFilter(), None, 5),
    "second page": lambda tx: tx.alerts(AlertFilter(), "9", 5),
    "open list": lambda tx: tx.alerts(AlertFilter(workflow=OPEN, severity=(1, 2)), "9", 5),
    "open list of an area": lambda tx: tx.alerts(AlertFilter(workflow=OPEN, areas=("511724",)), None, 5),
    "by severity": lambda tx: tx.alerts(AlertFilter(severity=(1,)), None, 5),
    "by kind": lambda tx: tx.alerts(AlertFilter(kind=("fire", "sos")), None, 5),
    "since": lambda tx: tx.alerts(AlertFilter(since=AT, until=AT, q="x"), None, 5),
    "of an area": lambda tx: tx.alerts(AlertFilter(area="511724"), None, 5),
    "of an operator's areas": lambda tx: tx.alerts(AlertFilter(areas=("511724", "9"), severity=(1,)), None, 5),
    "closed ones of an area": lambda tx: tx.alerts(AlertFilter(workflow=("closed",), area="5117"), "9", 5),
    "by workflow and kind": lambda tx: tx.alerts(AlertFilter(workflow=OPEN, kind=("sos",), since=AT), None, 5),
    "outbox": lambda tx: tx.outbox(None, None, 5, parked=False),
    "parked of a sink": lambda tx: tx.outbox("county", "9", 5, parked=True),
    "receipts": lambda tx: tx.receipts("county", AT, LATER, 3, 5),
    "receipts' times": lambda tx: tx.receipt_times("county", 3),
    "receipts' end": lambda tx: tx.receipts_end("county", AT, 5),
    "admissions": lambda tx: tx.admissions("low", 3, 9),
    "feed's times": lambda tx: tx.feed_times(3, 5),
    "due timers": lambda tx: tx.due_timers(LATER, 5),
    "one timer": lambda tx: tx.timer("r2", "alert|county"),
    "alert": lambda tx: tx.alert("a1"),
    "entries": lambda tx: tx.entries("a1"),
    "feed": lambda tx: tx.feed(3, 10),
    "newest feed": lambda tx: tx.newest_feed(),
    "due parcels": lambda tx: tx.parcels("county", Lane.ALARM, 10, AT),
    "next due": lambda tx: tx.next_due("county", Lane.ALARM),
    "admitted": lambda tx: tx.admitted("low", "x"),
    "route": lambda tx: tx.route("x"),
    "bookmark": lambda tx: tx.bookmark("x"),
    "idempotent": lambda tx: tx.idempotent("x"),
    "audit": lambda tx: tx.audit(None, 5),
    "oldest unacknowledged": lambda tx: tx.oldest_unacknowledged(),
    "press": lambda tx: tx.press("tv-1", "p1", AT),
    "press by payload": lambda tx: tx.press_by_payload("tv-1", "d", AT),
    "presses": lambda tx: tx.presses("a1"),
    "open alert": lambda tx: tx.open_alert("tv-1", "sos", "actual"),
}


@pytest.mark.parametrize("name", list(LOOKS))
def test_walks_an_index_in_its_order(connection: apsw.Connection, clock: Any, name: str) -> None:
    for query, line in plans(connection, clock, LOOKS[name]):
        reads_another = line.startswith(("CO-ROUTINE", "SCAN (subquery", "COMPOUND"))
        assert line.startswith("SEARCH") or reads_another or query == "SELECT max(position) FROM entry", (query, line)
        assert "TEMP B-TREE" not in line, (query, line)


@pytest.mark.parametrize(
    "look",
    [lambda tx: tx.backlog(), lambda tx: tx.open_counts(), lambda tx: tx.picture_tasks(5), lambda tx: tx.clip_tasks(5)],
)
def test_figures_read_an_index_of_what_is_open_and_sort_nothing(
    connection: apsw.Connection, clock: Any, look: Callable[[Any], object]
) -> None:
    for query, line in plans(connection, clock, look):
        assert "TEMP B-TREE" not in line, (query, line)
        assert "INDEX" in line or line in ("SCAN picture_task", "SCAN clip_task") or "PRIMARY KEY" in line, (
            query,
            line,
        )


def test_a_page_reads_as_many_rows_as_it_shows(connection: apsw.Connection, clock: Any) -> None:
    """However many alerts there are: the walk stops at the limit."""
    tx = SqliteTransaction(connection, "low", clock, None)
    page, cursor = tx.alerts(AlertFilter(workflow=("new",)), None, 5)
    assert [stored.alert.id for stored in page] == ["a19", "a18", "a17", "a16", "a15"]
    assert cursor is not None
