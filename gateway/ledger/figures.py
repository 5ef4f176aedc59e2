"""Figures kept: what is added to cameras' days, and written over of outages, alerts and tests."""

# ruff: noqa: S608 – queries are put together from constants of this module; every value is bound

from collections.abc import Mapping, Sequence
from datetime import datetime

from gateway.ledger.rows import millis
from gateway.ledger.work import Work
from gateway.ports.figures import FIGURE_STAGES, AlertFigure, Outage, Tally, TerminalTest, WatchedCamera

_ADDED = ", ".join(
    f"{name} = {name} + excluded.{name}"
    for name in ("online", "intact", "worked_on", "down", "planned", "off", "losses")
)
# A camera's last moment lies on a day of the node's own calendar, which no zone puts further away.
_MARGIN_MS = 2 * 86_400_000


class Figures(Work):
    """gateway.ports.FigureKeeping: the part of a transaction that keeps figures."""

    def keep_cameras(self, cameras: Sequence[WatchedCamera]) -> None:
        query = """INSERT INTO watched_camera (id, name, area, scene, vendor, first_at, last_at)
            VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET name = excluded.name, area = excluded.area,
            scene = excluded.scene, vendor = iif(excluded.vendor = '', vendor, excluded.vendor),
            first_at = min(first_at, excluded.first_at), last_at = excluded.last_at"""
        for each in cameras:
            first = self._now if each.first_at is None else millis(each.first_at)
            last = self._now if each.last_at is None else millis(each.last_at)
            self._rows(query, each.id, each.name, each.area, each.scene, each.vendor, first, last)

    def add_tallies(self, day: int, tallies: Mapping[str, Tally]) -> None:
        query = f"""INSERT INTO camera_day
            (day, camera, online, intact, worked_on, down, planned, off, losses, longest)
            SELECT ?, n, ?, ?, ?, ?, ?, ?, ?, ? FROM watched_camera WHERE id = ?
            ON CONFLICT (day, camera) DO UPDATE SET {_ADDED}, longest = max(longest, excluded.longest)"""
        for id_, each in tallies.items():
            sums = (each.online, each.intact, each.worked_on, each.down, each.planned, each.off)
            self._rows(query, day, *sums, each.losses, each.longest, id_)

    def keep_outages(self, outages: Sequence[Outage]) -> None:
        query = """INSERT INTO camera_outage (began_at, camera, ended_at, down, planned, reason)
            SELECT ?, n, ?, ?, ?, ? FROM watched_camera WHERE id = ?
            ON CONFLICT (began_at, camera) DO UPDATE SET ended_at = excluded.ended_at, down = excluded.down,
            planned = excluded.planned, reason = excluded.reason"""
        for each in outages:
            ended = None if each.ended_at is None else millis(each.ended_at)
            spent = (each.down, each.planned, each.reason)
            self._rows(query, millis(each.began_at), ended, *spent, each.camera_id)

    def keep_alert_figures(self, figures: Sequence[AlertFigure]) -> None:
        columns = (*FIGURE_STAGES, *(f"{stage}_limit" for stage in FIGURE_STAGES))
        query = f"""INSERT OR REPLACE INTO alert_figure
            (first, raised_at, node, area, kind, severity, ended, disposition, {", ".join(columns)})
            VALUES ({", ".join("?" * (8 + len(columns)))})"""
        for each in figures:
            times = [said.get(stage) for said in (each.took, each.limits) for stage in FIGURE_STAGES]
            words = (each.node, each.area, each.kind, each.severity, int(each.ended), each.disposition)
            self._rows(query, each.first, millis(each.raised_at), *words, *times)

    def keep_terminal_tests(self, quarter: int, tests: Sequence[TerminalTest], gone: Sequence[str]) -> None:
        query = "INSERT OR REPLACE INTO terminal_test (quarter, terminal, area, tested_at) VALUES (?, ?, ?, ?)"
        for each in tests:
            at = None if each.tested_at is None else millis(each.tested_at)
            self._rows(query, quarter, each.terminal_id, each.area, at)
        for id_ in gone:
            self._rows("DELETE FROM terminal_test WHERE quarter = ? AND terminal = ?", quarter, id_)

    def forget_figures(self, before_day: int, before: datetime, limit: int) -> int:
        year, month = before_day // 10_000, before_day // 100 % 100
        at = millis(before)
        queries = (
            ("camera_day", "(day, camera)", "day < ?", before_day),
            ("camera_outage", "(began_at, camera)", "ended_at < ?", at),
            ("alert_figure", "first", "raised_at < ?", at),
            ("terminal_test", "(quarter, terminal)", "quarter < ?", year * 10 + (month + 2) // 3),
        )
        gone = 0
        for table, key, condition, value in queries:
            chosen = f"SELECT {key.strip('()')} FROM {table} WHERE {condition} LIMIT ?"
            self._rows(f"DELETE FROM {table} WHERE {key} IN ({chosen})", value, limit)
            gone += self._connection.changes()
        return gone or self._forget_cameras(before_day, at, limit)

    def _forget_cameras(self, before_day: int, before: int, limit: int) -> int:
        """Names of cameras that are long gone and of which nothing is left: last of all, when little is left to look at."""
        chosen = """SELECT n FROM watched_camera WHERE last_at < ?
            AND n NOT IN (SELECT camera FROM camera_day WHERE day <= ?)
            AND n NOT IN (SELECT camera FROM camera_outage WHERE began_at <= ?) LIMIT ?"""
        self._rows(f"DELETE FROM watched_camera WHERE n IN ({chosen})", before - _MARGIN_MS, before_day, before, limit)
        return self._connection.changes()
