"""Look-ups, all of them over an index: a million alerts are as quick as ten."""

# ruff: noqa: S608 – queries are put together from constants of this room; every value is bound

import math
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

import apsw

from gateway.ledger import audit_trail, rows, verdict_rows
from gateway.ledger.alert_looks import AlertRows
from gateway.ledger.figure_looks import FigureRows
from gateway.ledger.looks import NEWEST, position
from gateway.ledger.parcel_looks import ParcelRows
from gateway.ledger.rows import ENTRY_COLUMNS, millis, moment
from gateway.model import (
    ClipTask,
    Entry,
    OutageMember,
    PictureTask,
    PlannedWork,
    Receipt,
    TerminalState,
    Timer,
    Verdict,
)
from gateway.ports import (
    AuditFilter,
    AuditRecord,
    Clock,
    FeedEntry,
    KeptFacts,
    Reader,
    SealedLine,
)

T = TypeVar("T")

LONGEST_READ_S = 30.0
_STEPS_BETWEEN_LOOKS = 10_000
IDEMPOTENT_FOR = timedelta(hours=24)


class SqliteReader(AlertRows, ParcelRows, FigureRows):
    """gateway.ports.Reader over one connection, inside one transaction: everything it says is of one moment."""

    def __init__(self, connection: apsw.Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock
        self._until = math.inf

    def at_one_moment(self, work: Callable[[Reader], T]) -> T:
        """Run ``work`` in a read transaction of its own. Raises apsw.InterruptError where it takes too long: while it lasts
        the log of what is written cannot be emptied, and would take the disk."""
        self._until = time.monotonic() + LONGEST_READ_S
        self._connection.set_progress_handler(self._is_late, _STEPS_BETWEEN_LOOKS)
        try:
            self._connection.execute("BEGIN")
            try:
                return work(self)
            finally:
                self._connection.execute("ROLLBACK")
        finally:
            self._connection.set_progress_handler(None)
            self._until = math.inf

    def _is_late(self) -> bool:
        return time.monotonic() > self._until

    def entries(self, alert_id: str) -> list[FeedEntry]:
        found = self._rows(
            f"SELECT {ENTRY_COLUMNS} FROM entry WHERE alert_id = ? AND body <> '' ORDER BY position", alert_id
        )
        return [rows.feed_entry(row) for row in found]

    def entry(self, entry_id: str) -> Entry | None:
        body = self._text("SELECT body FROM entry WHERE id = ?", entry_id)
        return rows.entry_from_body(body) if body else None

    def feed(self, after: int, limit: int) -> list[FeedEntry]:
        query = f"SELECT {ENTRY_COLUMNS} FROM entry WHERE position > ? AND body <> '' ORDER BY position LIMIT ?"
        return [rows.feed_entry(row) for row in self._rows(query, after, limit)]

    def newest_feed(self) -> int:
        return int(self._value("SELECT max(position) FROM entry") or 0)

    def feed_times(self, after: int, limit: int) -> tuple[int, int, datetime, datetime] | None:
        query = """SELECT count(*), max(position), min(committed_at), max(committed_at)
            FROM (SELECT position, committed_at FROM entry WHERE position > ? ORDER BY position LIMIT ?)"""
        row = self._row(query, after, limit)
        assert row is not None
        count, last, earliest, latest = row
        return (count, last, moment(earliest), moment(latest)) if count else None

    def due_timers(self, before: datetime, limit: int) -> list[Timer]:
        query = "SELECT name, key, due, data FROM timer WHERE due <= ? ORDER BY due LIMIT ?"
        return [rows.timer(row) for row in self._rows(query, millis(before), limit)]

    def timer(self, name: str, key: str) -> Timer | None:
        found = self._rows("SELECT name, key, due, data FROM timer WHERE name = ? AND key = ?", name, key)
        return next((rows.timer(row) for row in found), None)

    def next_timer(self) -> datetime | None:
        due = self._value("SELECT min(due) FROM timer")
        return None if due is None else moment(due)

    def terminal_states(self) -> list[TerminalState]:
        query = "SELECT terminal, online, since, last_seen, last_press, last_test FROM terminal_state"
        return [rows.terminal_state(row) for row in self._rows(query)]

    def planned_work(self) -> list[PlannedWork]:
        query = "SELECT body FROM planned_work ORDER BY until, id"
        return [rows.planned_work(body) for (body,) in self._rows(query)]

    def outage_members(self) -> list[OutageMember]:
        query = f"SELECT {rows.MEMBER_COLUMNS} FROM outage_member ORDER BY alert_id, camera_id"
        return [rows.outage_member(row) for row in self._rows(query)]

    def verdicts(self, camera: str, before: str | None, limit: int) -> list[Verdict]:
        return verdict_rows.of_camera(self._rows, camera, before, limit)

    def verdict(self, verdict_id: str) -> Verdict | None:
        return verdict_rows.one(self._rows, verdict_id)

    def standing_verdicts(self) -> list[Verdict]:
        return verdict_rows.standing(self._rows)

    def pending_verdicts(self, limit: int) -> list[Verdict]:
        return verdict_rows.pending(self._rows, limit)

    def picture_tasks(self, limit: int, after: int = 0) -> list[PictureTask]:
        query = """SELECT alert_id, snapshot_id, camera_id, wanted_ms, zero_at, zero_mono, boot_id, late, id
            FROM picture_task WHERE id > ? ORDER BY id LIMIT ?"""
        return [rows.picture_task(row) for row in self._rows(query, after, limit)]

    def clip_tasks(self, limit: int) -> list[ClipTask]:
        query = """SELECT alert_id, clip_id, camera_id, from_ms, to_ms, zero_at, zero_mono, boot_id
            FROM clip_task ORDER BY id LIMIT ?"""
        return [rows.clip_task(row) for row in self._rows(query, limit)]

    def admitted(self, node: str, entry_id: str) -> Receipt | None:
        query = "SELECT position, sha256, committed_at FROM entry WHERE id = ? AND via = ?"
        row = self._row(query, entry_id, node)
        return None if row is None else Receipt(entry_id, row[1], row[0], moment(row[2]))

    def admissions(self, node: str, after: int, last: int) -> list[Receipt]:
        query = """SELECT id, sha256, position, committed_at FROM entry
            WHERE position > ? AND position <= ? AND via = ? ORDER BY position"""
        found = self._rows(query, after, last, node)
        return [Receipt(entry_id, sha256, position, moment(at)) for entry_id, sha256, position, at in found]

    def route(self, node: str) -> str | None:
        return self._text("SELECT via FROM route WHERE node = ?", node)

    def bookmark(self, name: str) -> str | None:
        return self._text("SELECT value FROM bookmark WHERE name = ?", name)

    def idempotent(self, key: str) -> str | None:
        oldest = millis(self._clock.now() - IDEMPOTENT_FOR)
        return self._text("SELECT answer FROM idempotency WHERE key = ? AND at >= ?", key, oldest)

    def audit(
        self,
        cursor: str | None,
        limit: int,
        wanted: AuditFilter = AuditFilter(),
    ) -> tuple[list[AuditRecord], str | None]:
        before = NEWEST if cursor is None else position(cursor)
        return audit_trail.page_of(self._connection, before, limit, wanted)

    def sealed(self, alert_id: str) -> tuple[list[SealedLine], list[SealedLine]]:
        return audit_trail.sealed(self._connection, alert_id)

    def newest_link(self) -> tuple[int, str]:
        return audit_trail.newest_link(self._connection)

    def unreferenced(self, hashes: Sequence[str]) -> list[str]:
        queries = ("SELECT 1 FROM media WHERE sha256 = ? LIMIT 1", "SELECT 1 FROM verdict WHERE sha256 = ? LIMIT 1")
        return [sha for sha in dict.fromkeys(hashes) if not any(self._row(query, sha) is not None for query in queries)]

    def refers(self, alert_id: str, sha256: str) -> bool:
        query = "SELECT 1 FROM media m JOIN alert a ON a.first = m.first WHERE m.sha256 = ? AND a.id = ? LIMIT 1"
        return self._row(query, sha256, alert_id) is not None

    def kept(self, kind: str) -> KeptFacts:
        """See ports.Reader. Of alerts that are deleted only numbers stay, which are not counted."""
        if kind == "audit":
            count = self._value("SELECT count(*) FROM audit")
            text = self._text("SELECT json_extract(body, '$.at') FROM audit ORDER BY id LIMIT 1")
            return KeptFacts(None if text is None else datetime.fromisoformat(text), count)
        if kind == "alerts":
            count, first = self._value("SELECT count(*) FROM alert"), self._value("SELECT min(first) FROM alert")
        else:
            count = self._value("SELECT count(*) FROM media WHERE kind = ?", kind)
            first = self._value("SELECT min(first) FROM media WHERE kind = ?", kind)
        at = self._value("SELECT received_at FROM alert WHERE first = ?", first)
        return KeptFacts(None if at is None else moment(at), count)

    # ------------------------------------------------------------------------------------------------ rows

    def _rows(self, query: str, *values: Any) -> Iterable[tuple[Any, ...]]:
        if self._until != math.inf and self._is_late():
            raise apsw.InterruptError("it takes too long")
        return self._connection.execute(query, values)
