"""What every group of look-ups stands on: rows of one connection, and the places where pages of them go on."""

from collections.abc import Iterable
from typing import Any

NEWEST = 2**62  # a position that none reaches


class Looks:
    """A group of look-ups; whoever is put together of them has the connection, and gives the rows."""

    def _rows(self, query: str, *values: Any) -> Iterable[tuple[Any, ...]]:
        raise NotImplementedError

    def _row(self, query: str, *values: Any) -> tuple[Any, ...] | None:
        return next(iter(self._rows(query, *values)), None)

    def _value(self, query: str, *values: Any) -> Any:
        row = self._row(query, *values)
        return None if row is None else row[0]

    def _text(self, query: str, *values: Any) -> str | None:
        found: str | None = self._value(query, *values)
        return found


def position(cursor: str) -> int:
    """Raises ValueError for a cursor that no page gave."""
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise ValueError("cursor: give back the `next` of the page before, unchanged")
    return int(cursor)
