"""Planned work, and the cameras of outages that stand: few rows, read whole at the start."""

# ruff: noqa: S608 – queries are put together from constants of this room; every value is bound

from collections.abc import Iterable
from datetime import datetime

from gateway.ledger.rows import MEMBER_COLUMNS, millis, planned_work_body
from gateway.ledger.work import Work
from gateway.model import OutageMember, PlannedWork


class Outages(Work):
    """The part of gateway.ports.Transaction that keeps what is planned, and what was told of cameras that are away."""

    def keep_planned_work(self, work: PlannedWork) -> None:
        query = "INSERT OR REPLACE INTO planned_work (id, until, body) VALUES (?, ?, ?)"
        self._rows(query, work.id, millis(work.until), planned_work_body(work))

    def drop_planned_work(self, work_id: str) -> None:
        self._rows("DELETE FROM planned_work WHERE id = ?", work_id)

    def drop_planned_work_before(self, until: datetime) -> None:
        self._rows("DELETE FROM planned_work WHERE until < ?", millis(until))

    def keep_outage_members(self, members: Iterable[OutageMember]) -> None:
        query = f"INSERT OR REPLACE INTO outage_member ({MEMBER_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"
        for each in members:
            said = (each.alert_id, each.camera_id, each.cause.value, each.group, millis(each.lost_at))
            self._rows(query, *said, int(each.back), int(each.flapping))

    def end_outage(self, alert_id: str) -> None:
        self._rows("DELETE FROM outage_member WHERE alert_id = ?", alert_id)
