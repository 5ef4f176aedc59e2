"""What one shift leaves to the next: kept with the accounts, each given by one user and taken by another."""

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.console.account_file import AccountFile
from gateway.console.account_records import areas_of, time_of
from gateway.errors import GatewayError

_COLUMNS = "id, given_by, given_to, given_at, since, areas, notes, report, taken_by, taken_at"
_LISTED = _COLUMNS.replace(" report,", " '{}',")  # a report has some 100 kB: a list does without


MOST_A_DAY = 50
"""Of one user: a shift has one, and each is kept for good with all that stood then."""
_DAY_S = 86_400.0


class TooManyGiven(GatewayError):
    """The user has given as many as anybody may within a day."""


class NotForTaking(GatewayError):
    """It has been taken already, or by this user it cannot be."""


@dataclass(frozen=True, slots=True)
class Handover:
    """``areas``: of whoever gave it; empty means all. ``report``: what stood then, as JSON; nothing in a list."""

    id: int
    given_by: str
    given_to: str
    given_at: datetime
    since: datetime
    areas: tuple[str, ...]
    notes: str
    report: Mapping[str, Any]
    taken_by: str | None
    taken_at: datetime | None


class Handovers:
    """From any thread; every call reads or writes the disk. Raises UsageError where the file cannot be used."""

    def __init__(self, file: AccountFile, now: Callable[[], datetime]) -> None:
        self._file = file
        self._now = now

    def give(
        self, by: str, to: str, since: datetime, areas: Sequence[str], notes: str, report: Mapping[str, Any]
    ) -> Handover:
        """Raises TooManyGiven."""
        text = json.dumps(report, ensure_ascii=True)
        now = self._now().timestamp()
        values = (by, to, now, since.timestamp(), json.dumps(list(areas)), notes, text)
        with self._file.writing() as connection:
            counted = "SELECT count(*) FROM handovers WHERE given_by = ? AND given_at > ?"
            if connection.execute(counted, (by, now - _DAY_S)).fetchone()[0] >= MOST_A_DAY:
                raise TooManyGiven(f"{MOST_A_DAY} handovers of yours within a day are enough")
            made = connection.execute(
                "INSERT INTO handovers (given_by, given_to, given_at, since, areas, notes, report)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                values,
            )
            return _one(connection, int(made.lastrowid or 0))

    def take(self, handover_id: int, by: str) -> Handover:
        """Raises NotForTaking."""
        with self._file.writing() as connection:
            found = _one(connection, handover_id)
            if found.taken_by is not None:
                raise NotForTaking(f"this handover was taken already, by {found.taken_by}")
            if found.given_by == by:
                raise NotForTaking("who gives a handover does not take it: the next shift does")
            connection.execute(
                "UPDATE handovers SET taken_by = ?, taken_at = ? WHERE id = ?",
                (by, self._now().timestamp(), handover_id),
            )
            return _one(connection, handover_id)

    def withdraw(self, handover_id: int) -> None:
        """As if it had never been given: its line of the audit could not be written."""
        with self._file.writing() as connection:
            connection.execute("DELETE FROM handovers WHERE id = ?", (handover_id,))

    def untake(self, handover_id: int) -> None:
        with self._file.writing() as connection:
            connection.execute("UPDATE handovers SET taken_by = NULL, taken_at = NULL WHERE id = ?", (handover_id,))

    def find(self, handover_id: int) -> Handover | None:
        with self._file.reading() as connection:
            row = connection.execute(f"SELECT {_COLUMNS} FROM handovers WHERE id = ?", (handover_id,)).fetchone()  # noqa: S608
            return None if row is None else _handover(row)

    def newest(self, before: int | None, limit: int) -> list[Handover]:
        """Newest first, those with a smaller id than ``before``; without their reports."""
        query = f"SELECT {_LISTED} FROM handovers WHERE id < ? ORDER BY id DESC LIMIT ?"  # noqa: S608
        with self._file.reading() as connection:
            rows = connection.execute(query, (before if before is not None else 1 << 62, limit)).fetchall()
            return [_handover(row) for row in rows]


def _one(connection: sqlite3.Connection, handover_id: int) -> Handover:
    row = connection.execute(f"SELECT {_COLUMNS} FROM handovers WHERE id = ?", (handover_id,)).fetchone()  # noqa: S608
    if row is None:
        raise NotForTaking("this handover is no longer there")
    return _handover(row)


def _handover(row: tuple[Any, ...]) -> Handover:
    id_, by, to, given, since, areas, notes, report, taken_by, taken_at = row
    return Handover(
        id_,
        by,
        to,
        time_of(given),
        time_of(since),
        areas_of(areas),
        notes,
        json.loads(report),
        taken_by,
        None if taken_at is None else time_of(taken_at),
    )
