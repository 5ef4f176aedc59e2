"""Presses as the ledger remembers them, and the open alerts that they may join."""

# ruff: noqa: S608 – queries are put together from constants of this room; every value is bound

from datetime import UTC, datetime
from typing import Any

from gateway.ledger import rows
from gateway.ledger.rows import millis
from gateway.ledger.work import Work
from gateway.model import Stage
from gateway.ports import PressRecord, StoredAlert

_PRESS_COLUMNS = "terminal, press_id, alert_id, stage, received_at, source, reply_to"
_EVER = datetime(9999, 1, 1, tzinfo=UTC)


class Presses(Work):
    """The part of gateway.ports.Transaction that decides whether a press is new, joins, or is the same again."""

    def press(self, terminal: str, press_id: str, since: datetime, until: datetime | None = None) -> PressRecord | None:
        query = f"""SELECT {_PRESS_COLUMNS} FROM press
            WHERE terminal = ? AND press_id = ? AND received_at BETWEEN ? AND ? ORDER BY received_at DESC LIMIT 1"""
        return self._press(query, terminal, press_id, millis(since), millis(until or _EVER))

    def press_by_payload(
        self, terminal: str, digest: str, since: datetime, until: datetime | None = None
    ) -> PressRecord | None:
        query = f"""SELECT {_PRESS_COLUMNS} FROM press
            WHERE terminal = ? AND digest = ? AND received_at BETWEEN ? AND ? ORDER BY received_at DESC LIMIT 1"""
        return self._press(query, terminal, digest, millis(since), millis(until or _EVER))

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

    def open_alerts(self, source_id: str, kind: str, status: str, limit: int) -> list[StoredAlert]:
        query = """SELECT first FROM alert INDEXED BY alert_open_by_source
            WHERE source_id = ? AND kind = ? AND status = ? AND node = ? AND open = 1 ORDER BY first DESC LIMIT ?"""
        found = self._rows(query, source_id, kind, status, self._node, limit)
        return [stored for (first,) in found if (stored := self._alert_at(first)) is not None]
