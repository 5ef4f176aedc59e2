"""Figures looked up: cameras' days and outages, alerts without their stories, terminals' tests."""

# ruff: noqa: S608 – queries are put together from constants of this module; every value is bound

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from gateway.ledger.looks import Looks
from gateway.ledger.rows import alert_from_body, millis, moment
from gateway.model import Alert, Status, Workflow, said_time
from gateway.ports.figures import FIGURE_STAGES, AlertFigure, Outage, Tally, TerminalTest, WatchedCamera

_TALLY = "online, intact, worked_on, down, planned, off, losses, longest"
_SUMS = ", ".join([f"sum(d.{name})" for name in _TALLY.split(", ")[:-1]] + ["max(d.longest)"])
_OUTAGE = "o.began_at, w.id, o.ended_at, o.down, o.planned, o.reason"
_ALERT = (
    "first, raised_at, node, area, kind, severity, ended, disposition, "
    + ", ".join(FIGURE_STAGES)
    + ", "
    + ", ".join(f"{stage}_limit" for stage in FIGURE_STAGES)
)
_ACTED = frozenset({Workflow.DISPATCHED, Workflow.ON_SCENE, Workflow.CLOSED})
_LAST = (2**62, "")


class FigureRows(Looks):
    """gateway.ports.FigureLooks over a reader's connection."""

    def watched_cameras(self) -> list[WatchedCamera]:
        query = "SELECT id, name, area, scene, vendor, first_at, last_at FROM watched_camera ORDER BY id"
        return [
            WatchedCamera(id_, name, area, scene, vendor, moment(first), moment(last))
            for id_, name, area, scene, vendor, first, last in self._rows(query)
        ]

    def camera_tallies(self, first_day: int, last_day: int) -> dict[str, Tally]:
        # Summed before it is joined: the numbers are sorted, and not the ids.
        query = f"""SELECT w.id, s.* FROM
            (SELECT d.camera, {_SUMS} FROM camera_day d WHERE d.day BETWEEN ? AND ? GROUP BY d.camera) s
            JOIN watched_camera w ON w.n = s.camera"""
        return {id_: Tally(*sums) for id_, _, *sums in self._rows(query, first_day, last_day)}

    def camera_days(self, camera_id: str, first_day: int, last_day: int) -> dict[int, Tally]:
        query = "SELECT min(day), max(day) FROM camera_day WHERE day BETWEEN ? AND ?"
        first, last = next(iter(self._rows(query, first_day, last_day)))
        if first is None:
            return {}
        query = f"""SELECT d.day, {_TALLY} FROM camera_day d JOIN watched_camera w ON w.n = d.camera
            WHERE w.id = ? AND d.day BETWEEN ? AND ? ORDER BY d.day"""
        return {day: Tally(*sums) for day, *sums in self._rows(query, camera_id, first, last)}

    def open_outages(self) -> list[Outage]:
        query = f"""SELECT {_OUTAGE} FROM camera_outage o JOIN watched_camera w ON w.n = o.camera
            WHERE o.ended_at IS NULL ORDER BY o.began_at, o.camera"""
        return [_outage(row) for row in self._rows(query)]

    def outages(
        self, since: datetime, until: datetime, before: tuple[int, str] | None, limit: int
    ) -> list[tuple[tuple[int, str], Outage]]:
        """By an index over either the beginnings or the ends: those that began within, then those that reach into it."""
        at, id_ = before or _LAST
        query = f"""SELECT {_OUTAGE} FROM camera_outage o JOIN watched_camera w ON w.n = o.camera
            WHERE o.began_at >= ? AND o.began_at < ? AND (o.began_at < ? OR (o.began_at = ? AND w.id < ?))
            ORDER BY o.began_at DESC, w.id DESC LIMIT ?"""
        start = millis(since)
        found = [_outage(row) for row in self._rows(query, start, millis(until), at, at, id_, limit)]
        if len(found) < limit:
            found += self._reaching_into(start, min(at, start), (at, id_), limit - len(found))
        return [((millis(each.began_at), each.camera_id), each) for each in found]

    def _reaching_into(self, start: int, below: int, mark: tuple[int, str], limit: int) -> list[Outage]:
        """Begun before ``start`` and not over by then."""
        at, id_ = mark
        found: list[Outage] = []
        for condition, values in (("o.ended_at IS NULL", ()), ("o.ended_at >= ?", (start,))):
            query = f"""SELECT {_OUTAGE} FROM camera_outage o INDEXED BY camera_outage_by_end
                JOIN watched_camera w ON w.n = o.camera
                WHERE {condition} AND o.began_at < ? AND o.began_at <= ? AND (o.began_at < ? OR w.id < ?)
                ORDER BY o.began_at DESC, w.id DESC LIMIT ?"""
            found += [_outage(row) for row in self._rows(query, *values, start, below, at, id_, limit)]
        return sorted(found, key=lambda each: (each.began_at, each.camera_id), reverse=True)[:limit]

    def alerts_touched(self, after: int, limit: int) -> tuple[int, list[str]]:
        query = "SELECT position, alert_id FROM entry WHERE position > ? ORDER BY position LIMIT ?"
        found = list(self._rows(query, after, limit))
        return (found[-1][0] if found else after), list(dict.fromkeys(alert for _, alert in found))

    def alert_figure(self, alert_id: str) -> AlertFigure | None:
        query = "SELECT a.first, f.body FROM alert a JOIN fold f ON f.first = a.first WHERE a.id = ?"
        row = next(iter(self._rows(query, alert_id)), None)
        if row is None:
            return None
        alert = alert_from_body(row[1])
        if alert.status is not Status.ACTUAL:
            return None
        due = alert.detail.get("due")
        limits = due if isinstance(due, Mapping) else {}
        return AlertFigure(
            first=row[0],
            raised_at=alert.raised_at,
            node=alert.node,
            area=alert.place.area_code,
            kind=alert.kind.value,
            severity=alert.severity,
            ended=alert.workflow in (Workflow.CLOSED, Workflow.CANCELLED),
            disposition=alert.disposition,
            took=_after(alert, self._reached(alert)),
            limits=_after(alert, {stage: said_time(limits.get(stage)) for stage in FIGURE_STAGES}),
        )

    def _reached(self, alert: Alert) -> dict[str, datetime | None]:
        return {
            "acknowledge": alert.accepted_at,
            "dispatch": self._first_entry(alert, "dispatch"),
            "arrive": self._first_entry(alert, "arrive"),
            "close": self._entry_time(alert.closings[0]) if alert.closings else None,
        }

    def _first_entry(self, alert: Alert, action: str) -> datetime | None:
        """When somebody first did that; asked of those alone where it can have happened."""
        if alert.workflow not in _ACTED:
            return None
        # What was erased is no JSON any more.
        query = """SELECT json_extract(body, '$.at') FROM entry WHERE alert_id = ?
            AND iif(body = '', NULL, json_extract(body, '$.action')) = ? ORDER BY position LIMIT 1"""
        return next((said_time(at) for (at,) in self._rows(query, alert.id, action)), None)

    def _entry_time(self, entry_id: str) -> datetime | None:
        found = self._rows("SELECT body FROM entry WHERE id = ?", entry_id)
        return next((said_time(json.loads(body).get("at")) for (body,) in found if body), None)

    def alert_figures(
        self, since: datetime, until: datetime, after: tuple[int, int] | None, limit: int
    ) -> tuple[list[AlertFigure], tuple[int, int] | None]:
        at, first = after or (millis(since), -1)
        query = f"""SELECT {_ALERT} FROM alert_figure
            WHERE (raised_at, first) > (?, ?) AND raised_at < ? ORDER BY raised_at, first LIMIT ?"""
        found = [_alert(row) for row in self._rows(query, at, first, millis(until), limit)]
        return found, (millis(found[-1].raised_at), found[-1].first) if len(found) == limit else None

    def terminal_tests(self, quarter: int) -> list[TerminalTest]:
        query = "SELECT terminal, area, tested_at FROM terminal_test WHERE quarter = ? ORDER BY terminal"
        found = self._rows(query, quarter)
        return [TerminalTest(id_, area, None if at is None else moment(at)) for id_, area, at in found]


def _outage(row: Sequence[Any]) -> Outage:
    """From _OUTAGE."""
    began, id_, ended, down, planned, reason = row
    return Outage(id_, moment(began), None if ended is None else moment(ended), down, planned, reason)


def _alert(row: Sequence[Any]) -> AlertFigure:
    """From _ALERT."""
    first, raised, node, area, kind, severity, ended, disposition = row[:8]
    took, limits = _said(row[8:12]), _said(row[12:16])
    return AlertFigure(first, moment(raised), node, area, kind, severity, bool(ended), disposition, took, limits)


def _said(times: Sequence[float | None]) -> dict[str, float]:
    found = {}
    for stage, at in zip(FIGURE_STAGES, times, strict=True):  # a year's report reads a hundred thousand of these
        if at is not None:
            found[stage] = at
    return found


def _after(alert: Alert, times: Mapping[str, datetime | None]) -> dict[str, float]:
    """Seconds from the raising; clocks of two nodes may differ, so never less than none."""
    return {stage: max(0.0, (at - alert.raised_at).total_seconds()) for stage, at in times.items() if at is not None}
