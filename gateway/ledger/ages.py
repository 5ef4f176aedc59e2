"""When a line was written, as far as its neighbours tell: a deletion counts from then, and the clock may have been wrong."""

from collections.abc import Sequence
from datetime import UTC, datetime

from gateway.ledger.reader import SqliteReader
from gateway.ledger.rows import millis, moment
from gateway.model import rfc3339
from gateway.ports import AuditRecord

# A clock without a battery begins before that.
_UNSET = millis(datetime(2020, 1, 1, tzinfo=UTC))
# Entries before one that are asked whether its date can be: the longest stretch under a clock that was behind.
_BEFORE = 2000
_NEVER = millis(datetime(9999, 1, 1, tzinfo=UTC))


class Ages:
    """Of one transaction at ``now`` (milliseconds). What is dated before a clock can be set, or beyond now, is as old as what
    was written next."""

    def __init__(self, reader: SqliteReader, now: int) -> None:
        self._reader = reader
        self._now = now
        self._wrong = range(0)  # positions of a stretch that was looked through, and what is behind it
        self._behind: int | None = None
        self._looked = range(0)  # positions among which there is none so young

    def entries_end(self) -> int:
        """What is dated behind that is from a clock that was ahead; never, where it is the clock of now that is behind."""
        newest = self._reader._row("SELECT committed_at FROM entry ORDER BY position DESC LIMIT 1")
        return self._now if newest is None or newest[0] <= self._now else _NEVER

    def records_end(self) -> int:
        """Of the audit, likewise."""
        newest = self._reader._row("SELECT json_extract(body, '$.at') FROM audit ORDER BY id DESC LIMIT 1")
        return self._now if newest is None or newest[0] <= rfc3339(moment(self._now)) else _NEVER

    def of_entry(self, position: int, at: int) -> int | None:
        """None while nothing tells: where nothing was written since, or where it is the clock of now that is behind."""
        if self._may_be(at):
            return at
        if position not in self._wrong:
            self._look_behind(position)
        return self._behind

    def follows_young(self, position: int, before: int) -> bool:
        """Whether an entry shortly before this one is younger than ``before``: then this one is, too, whatever it says, for
        a clock that lost its time begins years ago. Where a clock was ahead instead, what followed stays by so much longer."""
        begin, looked = max(1, position - _BEFORE), self._looked
        if not looked.start <= begin <= looked.stop:
            looked = range(begin, begin)
        query = "SELECT 1 FROM entry WHERE position >= ? AND position < ? AND committed_at BETWEEN ? AND ? LIMIT 1"
        if self._reader._row(query, looked.stop, position, before, self._now) is not None:
            return True
        self._looked = range(looked.start, max(looked.stop, position))
        return False

    def of_records(self, records: Sequence[AuditRecord]) -> list[int | None]:
        """Of a page of the audit, likewise."""
        at = millis(records[-1].at)
        following = at if self._may_be(at) else self._record_behind(records[-1].id)
        told: list[int | None] = []
        for record in reversed(records):
            at = millis(record.at)
            following = at if self._may_be(at) else following
            told.append(following)
        return told[::-1]

    def _may_be(self, at: int) -> bool:
        return _UNSET <= at <= self._now

    def _look_behind(self, position: int) -> None:
        self._wrong, self._behind = range(position, position + 1), None
        if self.entries_end() == _NEVER:
            return
        query = """SELECT position, committed_at FROM entry
            WHERE position > ? AND committed_at BETWEEN ? AND ? ORDER BY position LIMIT 1"""
        found = self._reader._row(query, position, _UNSET, self._now)
        if found is not None:
            self._wrong, self._behind = range(position, found[0]), found[1]

    def _record_behind(self, id: int | None) -> int | None:
        if self.records_end() == _NEVER:
            return None
        query = """SELECT json_extract(body, '$.at') AS at FROM audit WHERE id > ? AND at BETWEEN ? AND ? ORDER BY id LIMIT 1"""
        found = self._reader._row(query, id, rfc3339(moment(_UNSET)), rfc3339(moment(self._now)))
        return None if found is None else millis(datetime.fromisoformat(found[0]))
