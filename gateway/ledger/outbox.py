"""What sinks have still to be given, and the receipts that they gave."""

from dataclasses import replace
from datetime import datetime

from gateway.ledger import rows
from gateway.ledger.news import lane_topic
from gateway.ledger.rows import millis
from gateway.ledger.work import Work
from gateway.model import Answer, Entry, Forwarding, Notice, Parcel, ParcelDraft, Receipt

_SAME_ANSWERS = 2  # one on its way, one behind it


class Outbox(Work):
    """The part of gateway.ports.Transaction that owes parcels to sinks."""

    def post(self, parcel: ParcelDraft) -> None:
        if sum(each is not None for each in (parcel.entry_id, parcel.answer, parcel.notice)) != 1:
            raise ValueError("a parcel carries an entry, an answer or a notice, and one of them alone")
        position, entry = None, None
        if parcel.entry_id is not None:
            position, entry = self._position_of(parcel.entry_id)
            if position is None:
                raise ValueError(f"there is no entry {parcel.entry_id} to be sent to {parcel.sink}")
        answer = None if parcel.answer is None else rows.answer_body(parcel.answer)
        notice = None if parcel.notice is None else rows.notice_body(parcel.notice)
        told = parcel.answer or parcel.notice or entry
        rank = self._rank(told.alert_id if told is not None else self._alert_of(position))
        if parcel.again and parcel.answer is not None and self._waits(parcel, parcel.answer, rank):
            return
        self._rows(
            """INSERT INTO parcel (sink, lane, rank, entry, answer, notice, created_at, due)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
            *(parcel.sink, int(parcel.lane), rank, position, answer, notice, self._now, self._now),
        )
        self._hand_over(parcel, told)

    def _waits(self, parcel: ParcelDraft, answer: Answer, rank: int) -> bool:
        """Whether the same waits already, made at another time: one that was put off is due now. A broker that is slow must
        not be given an answer for each repeat beside, or terminals that repeat because it is slow would make it slower.
        One that is due may be on its way, and the repeat was perhaps made because it got lost: one more is added."""
        query = """SELECT id, due, answer FROM parcel INDEXED BY parcel_waiting
            WHERE sink = ? AND lane = ? AND rank = ? AND parked = 0 AND answer IS NOT NULL"""
        found = self._rows(query, parcel.sink, int(parcel.lane), rank)
        same = [(id, due) for id, due, body in found if replace(rows.answer_from_body(body), at=answer.at) == answer]
        put_off = next((id for id, due in same if due > self._now), None)
        if put_off is None:
            return len(same) >= _SAME_ANSWERS
        self._rows("UPDATE parcel SET due = ? WHERE id = ?", self._now, put_off)
        topic = lane_topic(parcel.sink, parcel.lane.value)
        self.touched.add(topic)
        self.posted[topic] = None  # it is no new one: the lane's loop has to look
        return True

    def _hand_over(self, parcel: ParcelDraft, content: Entry | Answer | Notice | None) -> None:
        """To the lane's loop with the commit, so that it need not read; without content it has to."""
        topic = lane_topic(parcel.sink, parcel.lane.value)
        self.touched.add(topic)
        so_far = self.posted.setdefault(topic, [])
        if content is None:
            self.posted[topic] = None
        elif so_far is not None:
            id = self._connection.last_insert_rowid()
            so_far.append(Parcel(id, parcel.sink, parcel.lane, content))

    def _position_of(self, entry_id: str) -> tuple[int | None, Entry | None]:
        """The entry itself only where it is the newest, as a reaction asks."""
        if self._newest is not None and self._newest[1].id == entry_id:
            return self._newest
        found: int | None = self._value("SELECT position FROM entry WHERE id = ?", entry_id)
        return found, None

    def _alert_of(self, position: int | None) -> str | None:
        found: str | None = self._value("SELECT alert_id FROM entry WHERE position = ?", position)
        return found

    def _rank(self, alert_id: str | None) -> int:
        """The newest alert's parcels go first: by the position of its first entry; 0 where there is no alert."""
        if alert_id is None:
            return 0
        if alert_id not in self._first_of:
            self._first_of[alert_id] = self._value("SELECT first FROM alert WHERE id = ?", alert_id) or 0
        return self._first_of[alert_id]

    def delivered(self, parcel_id: int) -> None:
        self._rows("DELETE FROM parcel WHERE id = ?", parcel_id)

    def put_off(self, parcel_id: int, until: datetime, reason: str) -> None:
        query = "UPDATE parcel SET attempts = attempts + 1, due = ?, reason = ? WHERE id = ?"
        self._rows(query, millis(until), reason, parcel_id)

    def park(self, parcel_id: int, reason: str) -> None:
        query = "UPDATE parcel SET attempts = attempts + 1, parked = 1, reason = ? WHERE id = ?"
        self._rows(query, reason, parcel_id)

    def resend(self, parcel_id: int) -> bool:
        row = self._row("SELECT sink, lane FROM parcel WHERE id = ?", parcel_id)
        if row is None:
            return False
        self._rows("UPDATE parcel SET parked = 0, due = ?, reason = NULL WHERE id = ?", self._now, parcel_id)
        topic = lane_topic(*row)
        self.touched.add(topic)
        self.posted[topic] = None
        return True

    def discard(self, parcel_id: int) -> bool:
        self._rows("DELETE FROM parcel WHERE id = ? AND parked = 1", parcel_id)
        return bool(self._connection.changes())

    def remember_receipt(self, sink: str, entry_id: str, receipt: Receipt) -> None:
        query = """INSERT INTO receipt (sink, seq, entry_id, sha256, committed_at) VALUES (?, ?, ?, ?, ?)
            ON CONFLICT DO NOTHING"""
        self._rows(query, sink, receipt.seq, entry_id, receipt.sha256, millis(receipt.committed_at))

    def forget_receipt(self, sink: str, entry_id: str, seq: int) -> None:
        self._rows("DELETE FROM receipt WHERE sink = ? AND (entry_id = ? OR seq = ?)", sink, entry_id, seq)

    def note_forwarding(self, alert_id: str, forwarding: Forwarding) -> None:
        query = "INSERT INTO forwarding (alert_id, sink, at, seq) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
        self._rows(query, alert_id, forwarding.sink, millis(forwarding.at), forwarding.seq)
        if self._connection.changes():  # the first receipt of a sink stands
            self._rows("UPDATE alert SET version = version + 1 WHERE id = ?", alert_id)
            self.touched.add("receipt")
