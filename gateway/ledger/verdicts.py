"""Verdicts of image diagnosis: kept with what they stand on."""

# ruff: noqa: S608 – queries are put together from constants of this room; every value is bound

from datetime import datetime

from gateway.ledger import verdict_rows
from gateway.ledger.rows import millis
from gateway.ledger.work import Work
from gateway.model import Verdict

_PLACES = ", ".join("?" * (verdict_rows.COLUMNS.count(",") + 1))


class Verdicts(Work):
    """The part of gateway.ports.Transaction that keeps verdicts."""

    def keep_verdict(self, verdict: Verdict) -> Verdict:
        query = f"SELECT {verdict_rows.COLUMNS} FROM verdict WHERE signal = ?"
        known = self._row(query, verdict.signal)
        if known is None:
            query = f"SELECT {verdict_rows.COLUMNS} FROM verdict WHERE camera = ? AND fault = ? AND until IS NULL ORDER BY id"
            known = self._row(query, verdict.camera, verdict.fault)
        if known is not None:
            return verdict_rows.verdict(known)
        self._rows(f"INSERT INTO verdict ({verdict_rows.COLUMNS}) VALUES ({_PLACES})", *verdict_rows.values(verdict))
        return verdict

    def end_verdicts(self, camera: str, fault: str, at: datetime, mono: float, boot: str) -> None:
        # By the monotonic clock: one that began before the wall clock was set back would never end.
        self._rows(
            """UPDATE verdict SET until = ? WHERE camera = ? AND fault = ? AND until IS NULL
                AND (boot <> ? OR since_mono <= ?)""",
            *(millis(at), camera, fault, boot, mono),
        )

    def change_verdict(self, verdict: Verdict) -> None:
        self._rows(
            """UPDATE verdict SET evidence = ?, reason = ?, sha256 = ?, width = ?, height = ?, planned = ?, alert = ?, shown = ?
                WHERE id = ?""",
            *(verdict.evidence.value, verdict.reason, verdict.sha256, verdict.width, verdict.height),
            *(verdict.planned, verdict.alert, int(verdict.shown), verdict.id),
        )
