"""Parcels looked up, and the receipts that upper nodes gave for them."""

# ruff: noqa: S608 – queries are put together from constants of this room; every value is bound

import heapq
from datetime import datetime
from itertools import islice

from gateway.ledger import rows
from gateway.ledger.looks import NEWEST, Looks, position
from gateway.ledger.rows import millis, moment
from gateway.model import Lane, OutboxItem, Parcel, Receipt

# An upper node's sequence and its clock mostly rise together; the order of ``seq`` is walked between the span's ends.
_RECEIPT_SPAN = "SELECT min(seq), max(seq) FROM receipt WHERE sink = ? AND committed_at >= ? AND committed_at < ?"


class ParcelRows(Looks):
    """gateway.ports.Reader's look-ups of parcels and receipts."""

    def parcels(self, sink: str, lane: Lane, limit: int, due_before: datetime) -> list[Parcel]:
        query = """SELECT p.id, p.sink, p.lane, p.attempts, p.answer, p.notice, e.body
            FROM parcel p INDEXED BY parcel_waiting LEFT JOIN entry e ON e.position = p.entry
            WHERE p.sink = ? AND p.lane = ? AND p.parked = 0 AND p.due <= ? ORDER BY p.rank DESC, p.id LIMIT ?"""
        return [rows.parcel(row) for row in self._rows(query, sink, int(lane), millis(due_before), limit)]

    def next_due(self, sink: str, lane: Lane) -> datetime | None:
        query = "SELECT min(due) FROM parcel WHERE sink = ? AND lane = ? AND parked = 0"
        due = self._value(query, sink, int(lane))
        return None if due is None else moment(due)

    def backlog(self) -> list[tuple[str, Lane, int, datetime, int]]:
        lanes: dict[tuple[str, int], list[int]] = {}
        for parked, index in enumerate(("parcel_due", "parcel_parked")):
            query = f"""SELECT sink, lane, count(*), min(id) FROM parcel INDEXED BY {index}
                WHERE parked = {parked} GROUP BY sink, lane"""
            for sink, lane, count, oldest in self._rows(query):
                found = lanes.setdefault((sink, lane), [0, 0, oldest])
                found[parked] = count
                found[2] = min(found[2], oldest)
        return [
            (sink, Lane(lane), waiting, moment(self._value("SELECT created_at FROM parcel WHERE id = ?", id)), parked)
            for (sink, lane), (waiting, parked, id) in sorted(lanes.items())
        ]

    def outbox(
        self, sink: str | None, cursor: str | None, limit: int, *, parked: bool
    ) -> tuple[list[OutboxItem], str | None]:
        before = NEWEST if cursor is None else position(cursor)
        sinks = [sink] if sink is not None else self._sinks(parked=parked)
        walk = "SELECT id FROM parcel WHERE parked = ? AND sink = ? AND id < ? ORDER BY id DESC LIMIT ?"
        walks = [(id for (id,) in self._rows(walk, int(parked), each, before, limit + 1)) for each in sinks]
        ids = list(islice(heapq.merge(*walks, reverse=True), limit + 1))
        query = """SELECT p.id, p.sink, p.lane, p.created_at, p.due, p.attempts, p.reason, p.parked, p.answer, p.notice, e.body
            FROM parcel p LEFT JOIN entry e ON e.position = p.entry WHERE p.id = ?"""
        items = [rows.outbox_item(row) for id in ids[:limit] for row in self._rows(query, id)]
        return items, str(ids[limit - 1]) if len(ids) > limit else None

    def _sinks(self, *, parked: bool) -> list[str]:
        """Those that anything waits for (or is parked for), one seek each."""
        found: list[str] = []
        query = "SELECT min(sink) FROM parcel WHERE parked = ? AND sink > ?"
        while (sink := self._text(query, int(parked), found[-1] if found else "")) is not None:
            found.append(sink)
        return found

    def receipts(self, sink: str, since: datetime, until: datetime, after: int, limit: int) -> list[Receipt]:
        span = (sink, millis(since), millis(until))
        lowest, highest = next(iter(self._rows(_RECEIPT_SPAN, *span)))
        if lowest is None:
            return []
        query = """SELECT entry_id, sha256, seq, committed_at FROM receipt
            WHERE sink = ? AND +committed_at >= ? AND +committed_at < ? AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?"""
        found = self._rows(query, *span, max(after, lowest - 1), highest, limit)
        return [Receipt(entry_id, sha256, seq, moment(at)) for entry_id, sha256, seq, at in found]

    def receipt_times(self, sink: str, after: int) -> tuple[datetime, datetime] | None:
        latest = self._value("SELECT max(committed_at) FROM receipt WHERE sink = ?", sink)
        if latest is None:
            return None
        earliest = self._value("SELECT min(+committed_at) FROM receipt WHERE sink = ? AND seq > ?", sink, after)
        return moment(latest if earliest is None else earliest), moment(latest)

    def receipts_end(self, sink: str, since: datetime, count: int) -> datetime | None:
        times = "SELECT committed_at FROM receipt WHERE sink = ? AND committed_at"
        last = self._value(f"{times} >= ? ORDER BY committed_at LIMIT 1 OFFSET ?", sink, millis(since), count - 1)
        if last is None:
            return None
        after = self._value(f"{times} > ? ORDER BY committed_at LIMIT 1", sink, last)
        return None if after is None else moment(after)
