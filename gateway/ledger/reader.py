"""Look-ups, all of them over an index: a million alerts are as quick as ten."""

# ruff: noqa: S608 – queries are put together from constants of this room; every value is bound

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, TypeVar

import apsw

from gateway.ledger import rows
from gateway.ledger.rows import ENTRY_COLUMNS, millis, moment
from gateway.model import Forwarding, Lane, Parcel, PictureTask, Receipt, Workflow
from gateway.ports import AlertFilter, AuditRecord, Clock, FeedEntry, Reader, StoredAlert

T = TypeVar("T")

IDEMPOTENT_FOR = timedelta(hours=24)
_ALERT_ROW = "a.id, a.version, a.feed, a.received_at, f.body"
_ALERT_TABLES = "alert a JOIN fold f ON f.first = a.first"
_NEWEST = 2**62  # a position that none reaches
_SINCE_PROBE = 10_000


class SqliteReader:
    """gateway.ports.Reader over one connection, inside one transaction: everything it says is of one moment."""

    def __init__(self, connection: apsw.Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock

    def at_one_moment(self, work: Callable[[Reader], T]) -> T:
        """Run ``work`` in a read transaction of its own."""
        self._connection.execute("BEGIN")
        try:
            return work(self)
        finally:
            self._connection.execute("ROLLBACK")

    def alert(self, alert_id: str) -> StoredAlert | None:
        row = self._row(f"SELECT {_ALERT_ROW} FROM {_ALERT_TABLES} WHERE a.id = ?", alert_id)
        return None if row is None else self._stored(row)

    def alerts(self, wanted: AlertFilter, cursor: str | None, limit: int) -> tuple[list[StoredAlert], str | None]:
        before = _NEWEST if cursor is None else _position(cursor)
        firsts = list(islice(self._firsts(wanted, before, limit + 1), limit + 1))
        page = [self._alert_at(first) for first in firsts[:limit]]
        return page, str(firsts[limit - 1]) if len(firsts) > limit else None

    def entries(self, alert_id: str) -> list[FeedEntry]:
        found = self._rows(f"SELECT {ENTRY_COLUMNS} FROM entry WHERE alert_id = ? ORDER BY position", alert_id)
        return [rows.feed_entry(row) for row in found]

    def feed(self, after: int, limit: int) -> list[FeedEntry]:
        query = f"SELECT {ENTRY_COLUMNS} FROM entry WHERE position > ? ORDER BY position LIMIT ?"
        return [rows.feed_entry(row) for row in self._rows(query, after, limit)]

    def newest_feed(self) -> int:
        return int(self._value("SELECT max(position) FROM entry") or 0)

    def parcels(self, sink: str, lane: Lane, limit: int, due_before: datetime) -> list[Parcel]:
        query = """SELECT p.id, p.sink, p.lane, p.attempts, p.answer, e.body
            FROM parcel p INDEXED BY parcel_waiting LEFT JOIN entry e ON e.position = p.entry
            WHERE p.sink = ? AND p.lane = ? AND p.parked = 0 AND p.due <= ? ORDER BY p.rank DESC, p.id LIMIT ?"""
        return [rows.parcel(row) for row in self._rows(query, sink, int(lane), millis(due_before), limit)]

    def next_due(self, sink: str, lane: Lane) -> datetime | None:
        query = "SELECT min(due) FROM parcel WHERE sink = ? AND lane = ? AND parked = 0"
        due = self._value(query, sink, int(lane))
        return None if due is None else moment(due)

    def backlog(self) -> list[tuple[str, Lane, int, datetime, int]]:
        lanes: dict[tuple[str, int], list[int]] = {}
        for parked in (0, 1):
            query = f"SELECT sink, lane, count(*), min(id) FROM parcel WHERE parked = {parked} GROUP BY sink, lane"
            for sink, lane, count, oldest in self._rows(query):
                found = lanes.setdefault((sink, lane), [0, 0, oldest])
                found[parked] = count
                found[2] = min(found[2], oldest)
        return [
            (sink, Lane(lane), waiting, moment(self._value("SELECT created_at FROM parcel WHERE id = ?", id)), parked)
            for (sink, lane), (waiting, parked, id) in sorted(lanes.items())
        ]

    def picture_tasks(self, limit: int) -> list[PictureTask]:
        query = """SELECT alert_id, snapshot_id, camera_id, wanted_ms, zero_at, zero_mono, boot_id, late
            FROM picture_task ORDER BY id LIMIT ?"""
        return [rows.picture_task(row) for row in self._rows(query, limit)]

    def admitted(self, node: str, entry_id: str) -> Receipt | None:
        query = "SELECT position, sha256, committed_at FROM entry WHERE id = ? AND via = ?"
        row = self._row(query, entry_id, node)
        return None if row is None else Receipt(entry_id, row[1], row[0], moment(row[2]))

    def route(self, node: str) -> str | None:
        return self._text("SELECT via FROM route WHERE node = ?", node)

    def bookmark(self, name: str) -> str | None:
        return self._text("SELECT value FROM bookmark WHERE name = ?", name)

    def idempotent(self, key: str) -> str | None:
        oldest = millis(self._clock.now() - IDEMPOTENT_FOR)
        return self._text("SELECT answer FROM idempotency WHERE key = ? AND at >= ?", key, oldest)

    def audit(self, cursor: str | None, limit: int) -> tuple[list[AuditRecord], str | None]:
        before = _NEWEST if cursor is None else _position(cursor)
        query = "SELECT id, body FROM audit WHERE id < ? ORDER BY id DESC LIMIT ?"
        records = [rows.audit_record(row) for row in self._rows(query, before, limit + 1)]
        return records[:limit], str(records[limit - 1].id) if len(records) > limit else None

    def open_counts(self) -> list[tuple[str, int, int]]:
        query = """SELECT workflow, severity, count(*) FROM alert
            WHERE workflow IN ('new', 'acknowledged', 'dispatched', 'on_scene') GROUP BY workflow, severity"""
        return [(workflow, severity, count) for workflow, severity, count in self._rows(query)]

    def oldest_unacknowledged(self) -> dict[int, datetime]:
        query = "SELECT min(raised_at) FROM alert WHERE workflow = 'new' AND severity = ?"
        found = {severity: self._value(query, severity) for severity in (1, 2, 3, 4)}
        return {severity: moment(at) for severity, at in found.items() if at is not None}

    # ------------------------------------------------------------------------------------------------ alerts

    def _firsts(self, wanted: AlertFilter, before: int, limit: int) -> Iterator[int]:
        """Positions of the alerts that are wanted, newest first, merged from as many index walks as it takes."""
        conditions, values = _residual(wanted)
        if wanted.since is not None:
            conditions.append("a.first >= ?")
            values.append(self._floor(wanted.since))
        walks = []
        for walk, keys in _walks(wanted):
            where = " AND ".join([*walk, "a.first < ?", "a.node IS NOT NULL", *conditions])
            query = f"SELECT a.first FROM alert a WHERE {where} ORDER BY a.first DESC LIMIT ?"
            walks.append(first for (first,) in self._rows(query, *keys, before, *values, limit))
        return heapq.merge(*walks, reverse=True)

    def _floor(self, since: datetime) -> int:
        """A position below which nothing is as young as ``since``: saves the walk through all that is older."""
        query = """SELECT min(first), count(*) FROM
            (SELECT first FROM alert WHERE raised_at >= ? ORDER BY raised_at DESC LIMIT ?)"""
        row = self._row(query, millis(since), _SINCE_PROBE)
        assert row is not None
        lowest, count = row
        if count == _SINCE_PROBE:
            return 0
        return _NEWEST if lowest is None else int(lowest)

    def _alert_at(self, first: int) -> StoredAlert:
        row = self._row(f"SELECT {_ALERT_ROW} FROM {_ALERT_TABLES} WHERE a.first = ?", first)
        assert row is not None
        return self._stored(row)

    def _stored(self, row: Sequence[Any]) -> StoredAlert:
        id, version, feed, received_at, body = row
        return StoredAlert(rows.alert_from_body(body), version, self._forwarded(id), feed, moment(received_at))

    def _forwarded(self, alert_id: str) -> tuple[Forwarding, ...]:
        query = "SELECT sink, at, seq FROM forwarding WHERE alert_id = ? ORDER BY sink"
        return tuple(Forwarding(sink, moment(at), seq) for sink, at, seq in self._rows(query, alert_id))

    # ------------------------------------------------------------------------------------------------ rows

    def _rows(self, query: str, *values: Any) -> Iterable[tuple[Any, ...]]:
        return self._connection.execute(query, values)

    def _row(self, query: str, *values: Any) -> tuple[Any, ...] | None:
        return next(iter(self._rows(query, *values)), None)

    def _value(self, query: str, *values: Any) -> Any:
        row = self._row(query, *values)
        return None if row is None else row[0]

    def _text(self, query: str, *values: Any) -> str | None:
        found: str | None = self._value(query, *values)
        return found


def _walks(wanted: AlertFilter) -> Iterator[tuple[list[str], tuple[Any, ...]]]:
    """Conditions of the index walks that together hold every wanted alert once, each in order of position."""
    if wanted.workflow or wanted.severity:
        for workflow in dict.fromkeys(wanted.workflow or tuple(Workflow)):
            for severity in dict.fromkeys(wanted.severity or (1, 2, 3, 4)):
                yield ["a.workflow = ?", "a.severity = ?"], (workflow, severity)
    elif wanted.kind:
        for kind in dict.fromkeys(wanted.kind):
            yield ["a.kind = ?"], (kind,)
    else:
        yield [], ()


def _residual(wanted: AlertFilter) -> tuple[list[str], list[Any]]:
    """What the walks do not decide, as conditions on the narrow row."""
    conditions: list[str] = []
    values: list[Any] = []
    if wanted.kind and (wanted.workflow or wanted.severity):
        conditions.append(f"a.kind IN ({', '.join('?' * len(wanted.kind))})")
        values += wanted.kind
    if wanted.area:
        conditions.append("substr(a.area_code, 1, ?) = ?")
        values += (len(wanted.area), wanted.area)
    if wanted.areas:
        # a press from nowhere known is everybody's: somebody has to answer it
        own = ["substr(a.area_code, 1, ?) = ?"] * len(wanted.areas)
        conditions.append(f"(a.area_code IS NULL OR {' OR '.join(own)})")
        for area in wanted.areas:
            values += (len(area), area)
    if wanted.since is not None:
        conditions.append("a.raised_at >= ?")
        values.append(millis(wanted.since))
    if wanted.until is not None:
        conditions.append("a.raised_at < ?")
        values.append(millis(wanted.until))
    if wanted.q:
        conditions.append("instr(a.words, ?) > 0")
        values.append(wanted.q.lower())
    return conditions, values


def _position(cursor: str) -> int:
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise ValueError("cursor: give back the `next` of the page before, unchanged")
    return int(cursor)
