"""One unit of work on the writer's connection: entries and whatever is owed because of them."""

# ruff: noqa: S608 – queries are put together from constants of this room; every value is bound

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import apsw

from gateway.alerts import causality, lifecycle
from gateway.canonical import canonical_and_plain, canonical_json
from gateway.codec import entry_json
from gateway.ledger import audit, rows
from gateway.ledger.chain import Chain
from gateway.ledger.erasure import Erasure
from gateway.ledger.figures import Figures
from gateway.ledger.folds import Folds
from gateway.ledger.outages import Outages
from gateway.ledger.outbox import Outbox
from gateway.ledger.presses import Presses
from gateway.ledger.reader import IDEMPOTENT_FOR
from gateway.ledger.rows import millis
from gateway.ledger.tasks import Tasks
from gateway.ledger.verdicts import Verdicts
from gateway.model import ENDED, Alert, Draft, Entry, Kind, rfc3339, uuid7
from gateway.ports import AuditRecord, Clock, FeedEntry, Reaction, StoredAlert

# Every entry that does not follow all the others costs a fold of them all. An honest alert has a few heads, one for each
# node that was cut off; these bounds keep a forger from occupying the writer. Heads have to fit into an entry's parents,
# of which 256 may pass between nodes (codec.py).
_MAX_HEADS = 128
_MAX_TANGLE = 5_000
_MAX_MISSING = 500
_COLUMNS = ["node", "kind", "severity", "status", "workflow", "open", "source_id", "area_code", "raised_at", "words"]
_MEDIA = {"picture": "pictures", "clip": "clips"}
_NOTHING = (None,) * len(_COLUMNS)


class SqliteTransaction(Presses, Outbox, Tasks, Outages, Verdicts, Figures, Erasure):
    """gateway.ports.Transaction. The group commits begin and end each piece of work; see commits.py."""

    def __init__(self, connection: apsw.Connection, node: str, clock: Clock, reaction: Reaction | None) -> None:
        super().__init__(connection, node, clock)
        self._reaction = reaction
        self._chain = Chain(connection)
        self._folds = Folds()

    def rolled_back(self) -> None:
        """Whatever was written since the last commit, or since the savepoint, is undone."""
        self._chain.forget()

    def append(self, draft: Draft) -> Entry:
        before = self._history(draft.alert_id)
        if before is None and draft.action != "raised" and self.was_erased(draft.alert_id):
            raise ValueError(f"alert {draft.alert_id} was deleted here, because its time was over")
        entry = Entry(
            id=uuid7(),
            alert_id=draft.alert_id,
            node=self._node,
            seq=self._chain.next_seq(),
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
            elif self.was_erased(entry.alert_id):
                return self._bury(entry, via, sha256)
            return self._write(entry, before, via, sha256)
        if not row[2]:
            self._require_same(entry, via, sha256)
            return FeedEntry(row[0], entry, rows.moment(row[1]))
        if row[2] != audit.canonical_entry(entry):
            raise ValueError(f"entry {entry.id}: a different entry of this id is already stored; it was not changed")
        return rows.feed_entry(row)

    def _require_same(self, entry: Entry, via: str, sha256: str) -> None:
        """Of an entry that was erased only the digest of the event that brought it is known."""
        known = self._value("SELECT sha256 FROM entry WHERE id = ? AND via = ?", entry.id, via)
        if known is not None and known != sha256:
            raise ValueError(
                f"entry {entry.id}: a different entry of this id was here and is deleted; it was not taken"
            )

    def _bury(self, entry: Entry, via: str, sha256: str) -> FeedEntry:
        """One of an alert that was deleted here: its sender gets its receipt, and it brings nothing back."""
        written = self._insert(entry, canonical_json(entry_json(entry)).decode(), via, sha256)
        self.erase_late(written.position)
        return written

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
        content, plain = canonical_and_plain(entry_json(entry))
        body = content.decode()
        if not (plain and _to_the_millisecond(entry.at)):
            entry = rows.entry_from_body(body)  # what is folded here is what every reader will fold
        written = self._insert(entry, body, via, sha256)
        self._newest = (written.position, entry)
        self._first_of[entry.alert_id] = written.position if before is None else before.first
        stored = self._first_fold(written) if before is None else self._refold(written, before)
        self._refer(entry, stored)
        self.touched.add("entry")
        if self._reaction is not None:
            self._reaction(self, written, stored, via)
        return written

    def _insert(self, entry: Entry, body: str, via: str | None, sha256: str | None) -> FeedEntry:
        values = (entry.id, entry.alert_id, entry.node, entry.seq, self._now, via, sha256, body)
        query = """INSERT INTO entry (id, alert_id, node, seq, committed_at, via, sha256, body)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?)"""
        self._rows(query, *values)
        written = FeedEntry(self._connection.last_insert_rowid(), entry, rows.moment(self._now))
        self._chain.seal("entry", written.position, audit.sealed_entry(body, self._now, via, sha256))
        return written

    def _refer(self, entry: Entry, stored: StoredAlert | None) -> None:
        """A file belongs to the alert from the commit on that says so."""
        kind, sha256 = _MEDIA.get(entry.action), entry.data.get("sha256")
        if kind is None or not isinstance(sha256, str):
            return
        if kind == "pictures" and stored is not None and stored.alert.kind is Kind.IMAGE_FAULT:
            kind = "evidence"
        first = self._first_of[entry.alert_id]
        self._rows("INSERT OR IGNORE INTO media (kind, first, sha256) VALUES (?, ?, ?)", kind, first, sha256[:64])

    def _history(self, alert_id: str) -> "_History | None":
        query = """SELECT a.first, a.version, a.received_at, a.heads, a.missing, f.body
            FROM alert a LEFT JOIN fold f ON f.first = a.first WHERE a.id = ?"""
        row = self._row(query, alert_id)
        if row is None:
            return None
        first, version, received_at, heads, missing, body = row
        return _History(first, version, received_at, rows.ids(heads), rows.ids(missing), body)

    def _refold(self, written: FeedEntry, before: "_History") -> StoredAlert | None:
        entry, known = written.entry, self._folds.alert(before.body) if before.body is not None else None
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
        columns = _columns(alert) if alert is not None else _NOTHING
        self._rows(
            f"""INSERT INTO alert (first, id, version, feed, received_at, heads, missing, {", ".join(_COLUMNS)})
                VALUES (?, ?, 1, ?, ?, ?, ?, {", ".join("?" * len(_COLUMNS))})""",
            *(first, entry.alert_id, first, self._now, rows.ids_text([entry.id]), rows.ids_text(missing), *columns),
        )
        if alert is not None:
            self._rows("INSERT INTO fold (first, body) VALUES (?, ?)", first, self._folds.body(alert))
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
        body = self._folds.body(alert)
        if before is None:
            self._rows("INSERT INTO fold (first, body) VALUES (?, ?)", first, body)
        else:
            self._rows("UPDATE fold SET body = ? WHERE first = ?", body, first)
        held = lifecycle.is_held(alert)
        if held != (before is not None and lifecycle.is_held(before)):
            self._rows("UPDATE alert SET held = ? WHERE first = ?", int(held), first)
        columns = zip(_COLUMNS, _columns(alert), _columns(before) if before is not None else _NOTHING, strict=True)
        changed = [(column, value) for column, value, former in columns if value != former]
        if changed:  # these alone: every column that is named costs its indexes
            names = ", ".join(f"{column} = ?" for column, _ in changed)
            self._rows(f"UPDATE alert SET {names} WHERE first = ?", *(value for _, value in changed), first)

    # ------------------------------------------------------------------------------------------------ the rest

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
        self.write_record(record)

    def write_record(self, record: AuditRecord) -> int:
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
        written = self._connection.last_insert_rowid()
        self._chain.seal("audit", written, body)
        self.touched.add("audit")
        return written


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
        int(alert.workflow not in ENDED),
        alert.source.id,
        alert.place.area_code,
        millis(alert.raised_at),
        "\n".join(word for word in words if word).lower(),
    )


def _to_the_millisecond(at: datetime) -> bool:
    """Whether its text says all of it."""
    return at.microsecond % 1000 == 0 and at.utcoffset() == timedelta(0)
