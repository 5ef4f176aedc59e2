"""One unit of work on the writer's connection: entries and whatever is owed because of them."""

# ruff: noqa: S608 – queries are put together from constants of this room; every value is bound

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import apsw

from gateway.alerts import causality, lifecycle
from gateway.canonical import canonical_json
from gateway.ledger import audit, rows
from gateway.ledger.reader import IDEMPOTENT_FOR, SqliteReader
from gateway.ledger.rows import millis
from gateway.model import (
    Alert,
    Draft,
    Entry,
    Forwarding,
    ParcelDraft,
    PictureTask,
    Stage,
    Workflow,
    rfc3339,
    uuid7,
)
from gateway.ports import AuditRecord, Clock, FeedEntry, PressRecord, Reaction, StoredAlert

# Every entry that does not follow all the others costs a fold of them all. An honest alert has a few heads, one for each
# node that was cut off; these bounds keep a forger from occupying the writer. Heads have to fit into an entry's parents,
# of which 256 may pass between nodes (codec.py).
_MAX_HEADS = 128
_MAX_TANGLE = 5_000
_MAX_MISSING = 500
_COLUMNS = ["node", "kind", "severity", "status", "workflow", "open", "source_id", "area_code", "raised_at", "words"]
_PRESS_COLUMNS = "terminal, press_id, alert_id, stage, received_at, source, reply_to"


class SqliteTransaction(SqliteReader):
    """gateway.ports.Transaction. The writer begins and ends each piece of work; see writer.py."""

    def __init__(self, connection: apsw.Connection, node: str, clock: Clock, reaction: Reaction | None) -> None:
        super().__init__(connection, clock)
        self._node = node
        self._reaction = reaction
        self.touched: set[str] = set()
        self.begin()

    def begin(self) -> None:
        """A new piece of work: nothing touched yet, and a moment at which all of it happens."""
        self.touched = set()
        self._newest = ("", 0)
        self._now = millis(self._clock.now())

    # ------------------------------------------------------------------------------------------------ entries

    def append(self, draft: Draft) -> Entry:
        before = self._history(draft.alert_id)
        entry = Entry(
            id=uuid7(),
            alert_id=draft.alert_id,
            node=self._node,
            seq=self._next("seq"),
            parents=tuple(before.heads) if before is not None else (),
            at=draft.at,
            actor=draft.actor,
            action=draft.action,
            comment=draft.comment,
            data=draft.data,
        )
        return self._write(entry, before, None, None).entry

    def admit(self, entry: Entry, via: str, sha256: str) -> FeedEntry:
        """See ports.Transaction. Raises ValueError for a forged repeat, and for what would tangle its alert further than
        any honest node does."""
        row = self._row(f"SELECT {rows.ENTRY_COLUMNS} FROM entry WHERE id = ?", entry.id)
        if row is None:
            before = self._history(entry.alert_id)
            if before is not None:
                self._require_order(entry, before)
            return self._write(entry, before, via, sha256)
        if row[2] != audit.canonical_entry(entry):
            raise ValueError(f"entry {entry.id}: a different entry of this id is already stored; it was not changed")
        return rows.feed_entry(row)

    def _require_order(self, entry: Entry, before: "_History") -> None:
        if before.body is None and entry.action == "raised":
            return
        unknown = self._unknown(entry, before)
        if unknown and len(before.missing) + len(unknown) > _MAX_MISSING:
            raise ValueError(
                f"entry {entry.id}: too many of those that alert {entry.alert_id} follows are not here yet"
            )
        if before.is_followed_by(entry):
            return
        query = "SELECT count(*) FROM (SELECT 1 FROM entry WHERE alert_id = ? LIMIT ?)"
        if len(before.heads) >= _MAX_HEADS or self._value(query, entry.alert_id, _MAX_TANGLE) >= _MAX_TANGLE:
            raise ValueError(
                f"entry {entry.id}: alert {entry.alert_id} already has too many entries that do not follow each other; "
                "only one that follows them all is taken"
            )

    def _write(self, entry: Entry, before: "_History | None", via: str | None, sha256: str | None) -> FeedEntry:
        body = audit.canonical_entry(entry)
        entry = rows.entry_from_body(body)  # what is folded here is what every reader will fold
        values = (entry.id, entry.alert_id, entry.node, entry.seq, self._now, via, sha256, body)
        query = """INSERT INTO entry (id, alert_id, node, seq, committed_at, via, sha256, body)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?)"""
        self._rows(query, *values)
        written = FeedEntry(self._connection.last_insert_rowid(), entry, rows.moment(self._now))
        self._seal("entry", written.position, audit.sealed_entry(body, self._now, via, sha256))
        self._newest = (entry.id, written.position)
        stored = self._first_fold(written) if before is None else self._refold(written, before)
        self.touched.add("entry")
        if self._reaction is not None:
            self._reaction(self, written, stored, via)
        return written

    def _history(self, alert_id: str) -> "_History | None":
        query = """SELECT a.first, a.version, a.received_at, a.heads, a.missing, f.body
            FROM alert a LEFT JOIN fold f ON f.first = a.first WHERE a.id = ?"""
        row = self._row(query, alert_id)
        if row is None:
            return None
        first, version, received_at, heads, missing, body = row
        return _History(first, version, received_at, rows.ids(heads), rows.ids(missing), body)

    def _refold(self, written: FeedEntry, before: "_History") -> StoredAlert | None:
        entry, known = written.entry, rows.alert_from_body(before.body) if before.body is not None else None
        alert: Alert | None = None
        if known is not None and before.is_followed_by(entry):
            alert = lifecycle.apply(known, entry)
            heads = [entry.id]
        elif known is None and entry.action != "raised":
            # A chain may come newest first: until its ``raised`` is here there is nothing to fold, so nothing is read.
            heads = [head for head in before.heads if head not in entry.parents]
            heads += [] if entry.id in before.missing else [entry.id]
        else:
            entries = [line.entry for line in self.entries(entry.alert_id)]
            alert, heads = lifecycle.fold(entries), causality.heads(entries)
        missing = [id for id in before.missing if id != entry.id] + self._unknown(entry, before)
        self._rows(
            "UPDATE alert SET version = ?, feed = ?, heads = ?, missing = ? WHERE first = ?",
            *(before.version + 1, written.position, rows.ids_text(heads), rows.ids_text(missing), before.first),
        )
        self._store(before.first, known, alert)
        if alert is None:
            return None
        forwarded, received = self._forwarded(entry.alert_id), rows.moment(before.received_at)
        return StoredAlert(alert, before.version + 1, forwarded, written.position, received)

    def _first_fold(self, written: FeedEntry) -> StoredAlert | None:
        entry, first = written.entry, written.position
        alert = lifecycle.fold([entry])
        missing = self._unknown(entry, None)
        columns = _columns(alert) if alert is not None else (None,) * len(_COLUMNS)
        self._rows(
            f"""INSERT INTO alert (first, id, version, feed, received_at, heads, missing, {", ".join(_COLUMNS)})
                VALUES (?, ?, 1, ?, ?, ?, ?, {", ".join("?" * len(_COLUMNS))})""",
            *(first, entry.alert_id, first, self._now, rows.ids_text([entry.id]), rows.ids_text(missing), *columns),
        )
        if alert is not None:
            self._rows("INSERT INTO fold (first, body) VALUES (?, ?)", first, rows.alert_body(alert))
        return None if alert is None else StoredAlert(alert, 1, (), first, rows.moment(self._now))

    def _unknown(self, entry: Entry, before: "_History | None") -> list[str]:
        """The parents of ``entry`` that are no entries of its alert here and were not missed before."""
        parents = set(entry.parents) - {entry.id}
        if before is not None:
            parents -= {*before.heads, *before.missing}
        query = "SELECT 1 FROM entry WHERE id = ? AND alert_id = ?"
        return sorted(parent for parent in parents if self._row(query, parent, entry.alert_id) is None)

    def _store(self, first: int, before: Alert | None, alert: Alert | None) -> None:
        if alert is None or alert == before:
            return
        self._rows("INSERT OR REPLACE INTO fold (first, body) VALUES (?, ?)", first, rows.alert_body(alert))
        columns = _columns(alert)
        if before is None or columns != _columns(before):
            places = ", ".join("?" * len(_COLUMNS))
            self._rows(f"UPDATE alert SET ({', '.join(_COLUMNS)}) = ({places}) WHERE first = ?", *columns, first)

    # ------------------------------------------------------------------------------------------------ presses

    def press(self, terminal: str, press_id: str, since: datetime) -> PressRecord | None:
        query = f"""SELECT {_PRESS_COLUMNS} FROM press
            WHERE terminal = ? AND press_id = ? AND received_at >= ? ORDER BY received_at DESC LIMIT 1"""
        return self._press(query, terminal, press_id, millis(since))

    def press_by_payload(self, terminal: str, digest: str, since: datetime) -> PressRecord | None:
        query = f"""SELECT {_PRESS_COLUMNS} FROM press
            WHERE terminal = ? AND digest = ? AND received_at >= ? ORDER BY received_at DESC LIMIT 1"""
        return self._press(query, terminal, digest, millis(since))

    def _press(self, query: str, *values: Any) -> PressRecord | None:
        row = self._row(query, *values)
        return None if row is None else rows.press_record(row)

    def remember_press(self, record: PressRecord, digest: str) -> None:
        self._rows(
            f"INSERT INTO press ({_PRESS_COLUMNS}, digest) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            *(record.terminal, record.press_id, record.alert_id, record.stage.value, millis(record.received_at)),
            *(record.source, rows.reply_body(record.reply_to), digest),
        )

    def presses(self, alert_id: str) -> list[PressRecord]:
        found = self._rows(f"SELECT {_PRESS_COLUMNS} FROM press WHERE alert_id = ? ORDER BY id", alert_id)
        return [rows.press_record(row) for row in found]

    def raise_stage(self, terminal: str, press_id: str, alert_id: str, stage: Stage) -> None:
        lower = [below.value for below in Stage if below.rank < stage.rank]
        self._rows(
            f"""UPDATE press SET stage = ? WHERE terminal = ? AND press_id = ? AND alert_id = ?
                AND stage IN ({", ".join("?" * len(lower))})""",
            *(stage.value, terminal, press_id, alert_id, *lower),
        )

    def open_alert(self, source_id: str, kind: str, status: str) -> StoredAlert | None:
        query = """SELECT max(first) FROM alert INDEXED BY alert_open_by_source
            WHERE source_id = ? AND kind = ? AND status = ? AND node = ? AND open = 1"""
        first = self._value(query, source_id, kind, status, self._node)
        return None if first is None else self._alert_at(first)

    # ------------------------------------------------------------------------------------------------ outbox

    def post(self, parcel: ParcelDraft) -> None:
        if (parcel.entry_id is None) == (parcel.answer is None):
            raise ValueError("a parcel carries an entry or an answer, and never both")
        position = None
        if parcel.entry_id is not None:
            position = self._position_of(parcel.entry_id)
            if position is None:
                raise ValueError(f"there is no entry {parcel.entry_id} to be sent to {parcel.sink}")
        answer = None if parcel.answer is None else rows.answer_body(parcel.answer)
        alert_id = parcel.answer.alert_id if parcel.answer is not None else self._alert_of(position)
        self._rows(
            """INSERT INTO parcel (sink, lane, rank, entry, answer, created_at, due)
                VALUES (?, ?, coalesce((SELECT first FROM alert WHERE id = ?), 0), ?, ?, ?, ?)""",
            *(parcel.sink, int(parcel.lane), alert_id, position, answer, self._now, self._now),
        )
        self.touched.add(f"parcel/{parcel.sink}/{parcel.lane.value}")

    def _position_of(self, entry_id: str) -> int | None:
        id, position = self._newest
        if id == entry_id:  # as a reaction asks
            return position
        found: int | None = self._value("SELECT position FROM entry WHERE id = ?", entry_id)
        return found

    def _alert_of(self, position: int | None) -> str | None:
        found: str | None = self._value("SELECT alert_id FROM entry WHERE position = ?", position)
        return found

    def delivered(self, parcel_id: int) -> None:
        self._rows("DELETE FROM parcel WHERE id = ?", parcel_id)

    def put_off(self, parcel_id: int, until: datetime, reason: str) -> None:
        query = "UPDATE parcel SET attempts = attempts + 1, due = ?, reason = ? WHERE id = ?"
        self._rows(query, millis(until), reason, parcel_id)

    def park(self, parcel_id: int, reason: str) -> None:
        query = "UPDATE parcel SET attempts = attempts + 1, parked = 1, reason = ? WHERE id = ?"
        self._rows(query, reason, parcel_id)

    def note_forwarding(self, alert_id: str, forwarding: Forwarding) -> None:
        query = "INSERT INTO forwarding (alert_id, sink, at, seq) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
        self._rows(query, alert_id, forwarding.sink, millis(forwarding.at), forwarding.seq)
        if self._connection.changes():  # the first receipt of a sink stands
            self._rows("UPDATE alert SET version = version + 1 WHERE id = ?", alert_id)
            self.touched.add("receipt")

    # ------------------------------------------------------------------------------------------------ the rest

    def ask_picture(self, task: PictureTask) -> None:
        self._rows(
            """INSERT INTO picture_task
                (alert_id, snapshot_id, camera_id, wanted_ms, zero_at, zero_mono, boot_id, late)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING""",
            *(task.alert_id, task.snapshot_id, task.camera_id, task.wanted_ms, millis(task.zero_at)),
            *(task.zero_mono, task.boot_id, int(task.late)),
        )
        self.touched.add("picture")

    def picture_done(self, alert_id: str, snapshot_id: str) -> None:
        self._rows("DELETE FROM picture_task WHERE alert_id = ? AND snapshot_id = ?", alert_id, snapshot_id)

    def claim_route(self, node: str, via: str) -> bool:
        self._rows("INSERT INTO route (node, via) VALUES (?, ?) ON CONFLICT DO NOTHING", node, via)
        return self.route(node) == via

    def set_bookmark(self, name: str, value: str) -> None:
        self._rows("INSERT OR REPLACE INTO bookmark (name, value) VALUES (?, ?)", name, value)

    def remember_answer(self, key: str, answer: str) -> None:
        oldest = millis(rows.moment(self._now) - IDEMPOTENT_FOR)
        self._rows("DELETE FROM idempotency WHERE at < ?", oldest)
        self._rows("INSERT OR REPLACE INTO idempotency (key, answer, at) VALUES (?, ?, ?)", key, answer, self._now)

    def record(self, record: AuditRecord) -> None:
        text = {
            "at": rfc3339(record.at),
            "actor": record.actor,
            "action": record.action,
            "object": record.object,
            "reason": record.reason,
            "detail": dict(record.detail),
        }
        body = canonical_json(text)
        self._rows("INSERT INTO audit (body) VALUES (?)", body.decode())
        self._seal("audit", self._connection.last_insert_rowid(), body)
        self.touched.add("audit")

    def _seal(self, kind: str, ref: int, sealed: bytes) -> None:
        row = self._row("SELECT n, link FROM chain ORDER BY n DESC LIMIT 1")
        n, previous = row if row is not None else (0, audit.GENESIS)
        salt = secrets.token_bytes(audit.SALT_BYTES)
        digest = audit.sealed_digest(salt, sealed)
        link = audit.next_link(previous, n + 1, kind, ref, digest)
        query = "INSERT INTO chain (n, kind, ref, salt, digest, link) VALUES (?, ?, ?, ?, ?, ?)"
        self._rows(query, n + 1, kind, ref, salt, digest, link)

    def _next(self, counter: str) -> int:
        query = """INSERT INTO counter (name, value) VALUES (?, 1)
            ON CONFLICT DO UPDATE SET value = value + 1 RETURNING value"""
        return int(self._value(query, counter))


@dataclass(frozen=True, slots=True)
class _History:
    """What there is of an alert before an entry comes."""

    first: int
    version: int
    received_at: int
    heads: list[str]
    missing: list[str]
    body: str | None

    def is_followed_by(self, entry: Entry) -> bool:
        return entry.id not in self.missing and set(self.heads).issubset(entry.parents)


def _columns(alert: Alert) -> Sequence[Any]:
    """The values of _COLUMNS: what lists are filtered by."""
    words = (alert.title, alert.place.address, alert.source.id, alert.source.name)
    return (
        alert.node,
        alert.kind.value,
        alert.severity,
        alert.status.value,
        alert.workflow.value,
        int(alert.workflow not in (Workflow.CLOSED, Workflow.CANCELLED)),
        alert.source.id,
        alert.place.area_code,
        millis(alert.raised_at),
        "\n".join(word for word in words if word).lower(),
    )
