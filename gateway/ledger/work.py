"""What every part of a piece of work knows of it, on the writer's connection."""

import apsw

from gateway.ledger.reader import SqliteReader
from gateway.ledger.rows import millis
from gateway.model import Entry, Parcel
from gateway.ports import Clock


class Work(SqliteReader):
    """``touched``: topics that the commit has to tell of. ``posted``: by topic of a lane, what was put into it; None where
    its loop has to read the outbox."""

    def __init__(self, connection: apsw.Connection, node: str, clock: Clock) -> None:
        super().__init__(connection, clock)
        self._node = node
        self.begin()

    def begin(self) -> None:
        """A new piece of work: nothing touched yet, and a moment at which all of it happens."""
        self.touched: set[str] = set()
        self.posted: dict[str, list[Parcel] | None] = {}
        self._now = millis(self._clock.now())
        self._newest: tuple[int, Entry] | None = None  # the entry written last, with its position
        self._first_of: dict[str, int] = {}  # alert id → its first position, of those that entries were written for
