"""Deletion in small steps, each sealed in the chain by a record of the transaction that deletes.

Contents and salts go; digests and links stay, so the chain still holds. Of an entry its row stays too, emptied: whoever
tells of it again is answered as before and brings nothing back, and the books of two levels still agree.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from gateway.ledger import audit_trail, rows
from gateway.ledger.ages import Ages
from gateway.ledger.audit import DELETED, erased_digest
from gateway.ledger.chain import Chain
from gateway.ledger.rows import millis, moment
from gateway.ledger.work import Work
from gateway.model import Lane, rfc3339
from gateway.ports import AuditRecord
from gateway.ports.retention import MEDIA_KINDS, Expired

MOST_ENTRIES = 40
"""Entries erased in one transaction: some milliseconds, for which a press may have to wait."""

_ALERTS = 25
_RECORDS = 60
_AHEAD = 2000  # alerts looked at behind a page of young ones, of each no more than when it came: a millisecond or two
_RECORDS_AHEAD = 500
_EMPTIED = "SELECT position, id, alert_id, node, seq, committed_at, via, sha256 FROM entry WHERE position = ?"
_OLDER_ALERT = """SELECT min(first) FILTER (WHERE received_at NOT BETWEEN ? AND ?), count(*), max(first)
    FROM (SELECT first, received_at FROM alert WHERE first > ? ORDER BY first LIMIT ?)"""
_OLDER_RECORD = """SELECT min(id) FILTER (WHERE at NOT BETWEEN ? AND ?), count(*), max(id)
    FROM (SELECT id, json_extract(body, '$.at') AS at FROM audit WHERE id > ? ORDER BY id LIMIT ?)"""
_KEPT_FOR_THE_CHAIN = (DELETED, "restored")
Line = tuple[int, str, int, bytes]  # number, kind, ref, digest


class Erasure(Work):
    """The part of gateway.ports.Transaction that deletes."""

    _chain: Chain

    def write_record(self, record: AuditRecord) -> int:
        """Append to the audit and return the record's id."""
        raise NotImplementedError

    # ------------------------------------------------------------------------------------------------ media

    def expire_media(self, kind: str, before: datetime, after: int, run: str) -> Expired:
        """See ports.Transaction."""
        query = "SELECT DISTINCT first FROM media WHERE kind = ? AND first > ? ORDER BY first LIMIT ?"
        firsts = [first for (first,) in self._rows(query, kind, after, _ALERTS)]
        over, kept, end = self._over(firsts, before)
        if not over:
            return Expired(end, kept=kept)
        ids, span = self._told(over)
        files: list[str] = []
        for first in over:
            files += [
                sha for (sha,) in self._rows("SELECT sha256 FROM media WHERE kind = ? AND first = ?", kind, first)
            ]
            self._rows("DELETE FROM media WHERE kind = ? AND first = ?", kind, first)
        digest = hashlib.sha256("".join(f"{sha}\n" for sha in sorted(set(files))).encode()).hexdigest()
        detail = {"kind": kind, "alerts": ids, "files": len(set(files)), "span": span, "digest": digest}
        record = self._seal([], run, "media", detail)
        return Expired(end, len(over), 0, tuple(self.unreferenced(files)), kept, record)

    def expire_verdicts(self, before: datetime, run: str) -> Expired:
        """See ports.Transaction."""
        query = """SELECT id, sha256 FROM verdict v WHERE until < ? AND evidence = 'ready' AND NOT EXISTS
            (SELECT 1 FROM alert a WHERE a.id = v.alert AND (a.held = 1 OR a.open = 1)) ORDER BY id LIMIT ?"""
        found = list(self._rows(query, millis(before), _RECORDS))
        if not found:
            return Expired(None)
        for id, _ in found:
            self._rows("UPDATE verdict SET evidence = 'deleted', sha256 = NULL WHERE id = ?", id)
        files = sorted({sha for _, sha in found if sha is not None})
        digest = hashlib.sha256("".join(f"{sha}\n" for sha in files).encode()).hexdigest()
        detail = {"kind": "evidence", "verdicts": len(found), "files": len(files), "span": None, "digest": digest}
        record = self._seal([], run, "media", detail)
        return Expired(
            0 if len(found) == _RECORDS else None, len(found), files=tuple(self.unreferenced(files)), record=record
        )

    # ------------------------------------------------------------------------------------------------ alerts

    def expire_alerts(self, before: datetime, after: int, run: str, tests_of: str | None = None) -> Expired:
        """See ports.Transaction."""
        unfinished = self._row("SELECT alert_id FROM erasing LIMIT 1")
        if unfinished is not None:
            return self._go_on(unfinished[0], after, run)
        query = "SELECT first FROM alert WHERE first > ? ORDER BY first LIMIT ?"
        bound: tuple[Any, ...] = (after, _ALERTS)
        if tests_of is not None:
            query = (
                "SELECT first FROM alert WHERE source_id = ? AND status = 'test' AND first > ? ORDER BY first LIMIT ?"
            )
            bound = (tests_of, *bound)
        firsts = [first for (first,) in self._rows(query, *bound)]
        over, kept, end = self._over(firsts, before)
        chosen: list[int] = []
        lines: list[Line] = []
        for first in over:
            of_alert = self._lines_of(first)
            if lines and len(lines) + len(of_alert) > MOST_ENTRIES:
                end = chosen[-1]  # the others with the next step
                break
            chosen.append(first)
            lines += of_alert
        if not chosen:
            return Expired(end, kept=kept)
        ids, span = self._told(chosen)
        files = [sha for first in chosen for sha in self._forget_alert(first)]
        if len(lines) > MOST_ENTRIES:  # one alert of a button that stuck
            self._rows("INSERT INTO erasing (alert_id) VALUES (?)", ids[0])
            lines = lines[:MOST_ENTRIES]
        record = self._erase_entries(lines, run, {"alerts": ids, "span": span})
        return Expired(end, len(chosen), len(lines), tuple(self.unreferenced(files)), kept, record)

    def _go_on(self, alert_id: str, after: int, run: str) -> Expired:
        lines = self._lines(self._positions(alert_id, MOST_ENTRIES))
        if len(lines) < MOST_ENTRIES:
            self._rows("DELETE FROM erasing WHERE alert_id = ?", alert_id)
        if not lines:
            return Expired(after)
        return Expired(
            after, 0, len(lines), record=self._erase_entries(lines, run, {"alerts": [alert_id], "span": None})
        )

    def _lines_of(self, first: int) -> list[Line]:
        return self._lines(
            self._positions(self._value("SELECT id FROM alert WHERE first = ?", first), MOST_ENTRIES + 1)
        )

    def _positions(self, alert_id: str, most: int) -> list[int]:
        query = "SELECT position FROM entry WHERE alert_id = ? AND body <> '' ORDER BY position LIMIT ?"
        return [position for (position,) in self._rows(query, alert_id, most)]

    def _lines(self, positions: Sequence[int]) -> list[Line]:
        return self._lines_at("entry", positions)

    def _lines_at(self, kind: str, refs: Sequence[int]) -> list[Line]:
        """Mostly they lie together: one look finds them, and a search each the others."""
        if not refs:
            return []
        first = audit_trail.number_of(self._connection, kind, refs[0])
        query = "SELECT n, ref, digest FROM chain WHERE n >= ? AND n < ? AND kind = ?"
        near = {ref: (n, kind, ref, digest) for n, ref, digest in self._rows(query, first, first + 4 * len(refs), kind)}
        return [near.get(ref) or self._line(kind, ref) for ref in refs]

    def _line(self, kind: str, ref: int) -> Line:
        n = audit_trail.number_of(self._connection, kind, ref)
        return n, kind, ref, self._value("SELECT digest FROM chain WHERE n = ?", n)

    def _forget_alert(self, first: int) -> list[str]:
        """What was made of its entries; returns the hashes of its files."""
        id: str = self._value("SELECT id FROM alert WHERE first = ?", first)
        files = [
            sha
            for kind in MEDIA_KINDS
            for (sha,) in self._rows("SELECT sha256 FROM media WHERE kind = ? AND first = ?", kind, first)
        ]
        with self._overwriting():
            for kind in MEDIA_KINDS:
                self._rows("DELETE FROM media WHERE kind = ? AND first = ?", kind, first)
            self._rows("DELETE FROM fold WHERE first = ?", first)
            self._rows("DELETE FROM alert WHERE first = ?", first)
            self._rows("DELETE FROM forwarding WHERE alert_id = ?", id)
            self._rows("DELETE FROM press WHERE alert_id = ?", id)
        return files

    def _erase_entries(self, lines: Sequence[Line], run: str, detail: Mapping[str, Any]) -> int:
        """Rows that only shrink keep their pages, and years of them the whole file: they are taken out and come back small,
        side by side."""
        with self._overwriting():
            kept = [row for _, _, position, _ in lines for row in self._rows(_EMPTIED, position)]
            for position, *_ in kept:
                self._rows("DELETE FROM entry WHERE position = ?", position)
            for row in kept:
                self._rows("INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?, '')", *row)
        return self._seal(lines, run, "ledger", {"kind": "alerts", **detail})

    def was_erased(self, alert_id: str) -> bool:
        """Whether there was an alert of this id that was deleted."""
        return self._row("SELECT 1 FROM entry WHERE alert_id = ? AND body = '' LIMIT 1", alert_id) is not None

    def erase_late(self, position: int) -> None:
        """An entry of an alert that was deleted here before: it has its place and its receipt, and nothing else."""
        id: str = self._value("SELECT alert_id FROM entry WHERE position = ?", position)
        self._erase_entries([self._line("entry", position)], "", {"alerts": [id], "span": None, "late": True})

    # ------------------------------------------------------------------------------------------------ audit

    def expire_audit(self, before: datetime, after: int, run: str) -> Expired:
        """See ports.Transaction."""
        found = self._rows("SELECT id, body FROM audit WHERE id > ? ORDER BY id LIMIT ?", after, _RECORDS)
        records = [rows.audit_record(row) for row in found]
        if not records:
            return Expired(None)
        held = self._held()
        over: list[AuditRecord] = []
        kept: dict[int, str] = {}
        ages = Ages(self, self._now)
        for record, at in zip(records, ages.of_records(records), strict=True):
            if at is None or at >= millis(before):
                continue
            if record.actor == "gateway" and record.action in _KEPT_FOR_THE_CHAIN:
                continue
            about = next((first for id, first in held.items() if f"{record.object}/".startswith(f"alerts/{id}/")), None)
            if about is not None:
                kept[about] = "held"
                continue
            over.append(record)
        young = before, moment(ages.records_end())
        end: int | None = records[-1].id
        if len(records) < _RECORDS:
            end = None
        elif all(young[0] <= record.at <= young[1] for record in records):
            told = rfc3339(young[0]), rfc3339(young[1])
            end = self._on_to_older(_OLDER_RECORD, records[-1].id, told, _RECORDS_AHEAD)
        if not over:
            return Expired(end, kept=kept)
        lines = self._lines_at("audit", [record.id for record in over])
        with self._overwriting():
            for record in over:
                self._rows("DELETE FROM audit WHERE id = ?", record.id)
        times = [record.at for record in over]
        detail = {"kind": "audit", "records": len(over), "span": [rfc3339(min(times)), rfc3339(max(times))]}
        return Expired(end, len(over), kept=kept, record=self._seal(lines, run, "audit", detail))

    def _held(self) -> dict[str, int]:
        """Ids of held alerts, with their first positions."""
        return dict(self._rows("SELECT id, first FROM alert INDEXED BY alert_held WHERE held = 1"))

    # ------------------------------------------------------------------------------------------------ receipts

    def expire_receipts(self, sink: str, limit: int) -> int:
        """See ports.Transaction."""
        query = """SELECT r.seq, e.body FROM receipt r INDEXED BY receipt_by_time LEFT JOIN entry e ON e.id = r.entry_id
            WHERE r.sink = ? ORDER BY r.committed_at, r.seq LIMIT ?"""
        gone: list[int] = []
        for seq, body in list(self._rows(query, sink, limit)):
            if body:
                break
            gone.append(seq)
        for seq in gone:
            self._rows("DELETE FROM receipt WHERE sink = ? AND seq = ?", sink, seq)
        return len(gone)

    # ------------------------------------------------------------------------------------------------ judging

    def _over(self, firsts: Sequence[int], before: datetime) -> tuple[list[int], Mapping[int, str], int | None]:
        """Of these alerts the ones to be deleted; why others stay though their time is over; where to go on."""
        over: list[int] = []
        kept: dict[int, str] = {}
        owed, ages = _Owed(self), Ages(self, self._now)
        for first in firsts:
            why = self._stays(first, millis(before), owed, ages)
            if why is None:
                over.append(first)
            elif why != "young":
                kept[first] = why
        if len(firsts) < _ALERTS:
            return over, kept, None
        came = [self._value("SELECT received_at FROM alert WHERE first = ?", first) for first in firsts]
        young = millis(before), ages.entries_end()
        if all(at is not None and young[0] <= at <= young[1] for at in came):
            return over, kept, self._on_to_older(_OLDER_ALERT, firsts[-1], young, _AHEAD)
        return over, kept, firsts[-1]

    def _on_to_older(self, query: str, after: int, young: tuple[int, int] | tuple[str, str], most: int) -> int | None:
        """Where the walk goes on behind a page of young ones; None: behind it there are only younger.

        They stand in the order of their coming, which a clock that was wrong for an hour does not follow, and what was written
        on one since says nothing of the next: so it is not the page that ends the walk, but that nothing older is behind it.
        """
        older, count, last = self._row(query, *young, after, most) or (None, 0, after)
        if older is not None:
            return int(older) - 1
        return int(last) if count == most else None

    def _stays(self, first: int, before: int, owed: "_Owed", ages: Ages) -> str | None:
        row = self._row("SELECT id, open, held, feed, received_at FROM alert WHERE first = ?", first)
        if row is None:
            return None
        id, open_, held, feed, received_at = row
        last = ages.of_entry(feed, self._value("SELECT committed_at FROM entry WHERE position = ?", feed))
        if last is None or last >= before or before <= received_at <= self._now:
            return "young"
        if ages.follows_young(feed, before):
            return "young"
        if held:
            return "held"
        if open_ != 0:
            return "open"
        return "owed" if owed.of(first, id) else None

    def _told(self, firsts: Sequence[int]) -> tuple[list[str], list[str]]:
        """Ids of alerts, and from when to when they came."""
        found = [
            row for first in firsts for row in self._rows("SELECT id, received_at FROM alert WHERE first = ?", first)
        ]
        times = [at for _, at in found] or [self._now]
        return [id for id, _ in found], [rfc3339(moment(min(times))), rfc3339(moment(max(times)))]

    def _seal(self, lines: Sequence[Line], run: str, object_: str, detail: Mapping[str, Any]) -> int:
        told = {**detail, "run": run, "lines": len(lines)}
        if lines:
            told["digest"] = erased_digest([(n, digest) for n, _, _, digest in lines])
        record = self.write_record(AuditRecord(moment(self._now), "gateway", DELETED, object_, None, told))
        for n, _, _, _ in lines:
            self._rows("UPDATE chain SET salt = x'', erased = ? WHERE n = ?", record, n)
        return record

    @contextmanager
    def _overwriting(self) -> Iterator[None]:
        """Deleted bytes are overwritten in the file, and not only given free."""
        self._connection.pragma("secure_delete", 1)
        try:
            yield
        finally:
            self._connection.pragma("secure_delete", 0)


class _Owed:
    """What of an alert is not delivered or made yet. Of one transaction."""

    def __init__(self, work: Erasure) -> None:
        self._work = work
        self._sinks = work._sinks(parked=False)
        self._parked = {rank for (rank,) in work._rows("SELECT DISTINCT rank FROM parcel WHERE parked = 1")}

    def of(self, first: int, alert_id: str) -> bool:
        row = self._work._row
        query = """SELECT 1 FROM parcel INDEXED BY parcel_waiting
            WHERE sink = ? AND lane = ? AND rank = ? AND parked = 0 LIMIT 1"""
        if first in self._parked or any(
            row(query, sink, lane.value, first) is not None for sink in self._sinks for lane in Lane
        ):
            return True
        tasks = ("picture_task", "clip_task")
        return any(row(f"SELECT 1 FROM {task} WHERE alert_id = ? LIMIT 1", alert_id) is not None for task in tasks)  # noqa: S608
