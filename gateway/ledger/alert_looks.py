"""Alerts looked up: one, pages of those that are wanted, and how many are open."""

# ruff: noqa: S608 – queries are put together from constants of this room; every value is bound

import heapq
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from gateway.ledger import rows
from gateway.ledger.looks import NEWEST, Looks, position
from gateway.ledger.rows import millis, moment
from gateway.model import Forwarding, Workflow
from gateway.ports import AlertFilter, StoredAlert

_ALERT_ROW = "a.id, a.version, a.feed, a.received_at, f.body"
_ALERT_TABLES = "alert a JOIN fold f ON f.first = a.first"
_SINCE_PROBE = 10_000
_AREAS_PROBE = 200
_NEXT_AREA = "SELECT min(area_code) FROM alert WHERE area_code"
_OPEN = frozenset({"new", "acknowledged", "dispatched", "on_scene"})


class AlertRows(Looks):
    """gateway.ports.Reader's look-ups of alerts."""

    def alert(self, alert_id: str) -> StoredAlert | None:
        row = self._row(f"SELECT {_ALERT_ROW} FROM {_ALERT_TABLES} WHERE a.id = ?", alert_id)
        return None if row is None else self._stored(row)

    def alerts(self, wanted: AlertFilter, cursor: str | None, limit: int) -> tuple[list[StoredAlert], str | None]:
        before = NEWEST if cursor is None else position(cursor)
        firsts = list(islice(self._firsts(wanted, before, limit + 1), limit + 1))
        page = [self._alert_at(first) for first in firsts[:limit]]
        return page, str(firsts[limit - 1]) if len(firsts) > limit else None

    def holds(self, limit: int) -> list[StoredAlert]:
        query = "SELECT first FROM alert INDEXED BY alert_held WHERE held = 1 ORDER BY first DESC LIMIT ?"
        return [stored for (first,) in list(self._rows(query, limit)) if (stored := self._alert_at(first)) is not None]

    def open_counts(self) -> list[tuple[str, int, int]]:
        query = """SELECT workflow, severity, count(*) FROM alert
            WHERE workflow IN ('new', 'acknowledged', 'dispatched', 'on_scene') AND open = 1 AND status = 'actual'
            GROUP BY workflow, severity"""
        return [(workflow, severity, count) for workflow, severity, count in self._rows(query)]

    def oldest_unacknowledged(self) -> dict[int, datetime]:
        query = "SELECT min(raised_at) FROM alert WHERE workflow = 'new' AND status = 'actual' AND severity = ?"
        found = {severity: self._value(query, severity) for severity in (1, 2, 3, 4)}
        return {severity: moment(at) for severity, at in found.items() if at is not None}

    def _firsts(self, wanted: AlertFilter, before: int, limit: int) -> Iterator[int]:
        """Positions of the alerts that are wanted, newest first, merged from as many index walks as it takes."""
        conditions, values = _residual(wanted)
        if wanted.since is not None:
            conditions.append("a.first >= ?")
            values.append(self._floor(wanted.since))
        codes = self._area_codes(wanted)
        if codes is not None:
            steps = (self._in_area(code, before, conditions, values) for code in codes)
            return heapq.merge(*steps, reverse=True)
        walks = []
        for walk, keys in _walks(wanted):
            where = " AND ".join([*walk, "a.first < ?", "a.node IS NOT NULL", *conditions])
            query = f"SELECT a.first FROM alert a WHERE {where} ORDER BY a.first DESC LIMIT ?"
            walks.append(first for (first,) in self._rows(query, *keys, before, *values, limit))
        return heapq.merge(*walks, reverse=True)

    def _area_codes(self, wanted: AlertFilter) -> list[str | None] | None:
        """The area codes to walk one by one; None where that is not worth it: no area is asked for, or so much of all
        there is that the other walks find it soon, or only open alerts, which are few."""
        prefixes = [wanted.area] if wanted.area else wanted.areas
        if not prefixes or (wanted.workflow and _OPEN.issuperset(wanted.workflow)):
            return None
        found: list[str | None] = [] if wanted.area else [None]  # nowhere known: everybody's
        for prefix in dict.fromkeys(prefixes):
            code = self._text(f"{_NEXT_AREA} >= ?", prefix)
            while code is not None and code.startswith(prefix):
                found.append(code)
                if len(found) > _AREAS_PROBE:
                    return None
                code = self._text(f"{_NEXT_AREA} > ?", code)
        return list(dict.fromkeys(found))  # one prefix may lie within another

    def _in_area(
        self, code: str | None, before: int, conditions: Sequence[str], values: Sequence[Any]
    ) -> Iterator[int]:
        """One look-up each, so that hundreds of areas are hundreds of short looks with one plan."""
        where = " AND ".join(["a.area_code IS ?", "a.first < ?", "a.node IS NOT NULL", *conditions])
        query = f"SELECT a.first FROM alert a WHERE {where} ORDER BY a.first DESC LIMIT 1"
        first: int | None = before
        while first is not None:
            first = self._value(query, code, first, *values)
            if first is not None:
                yield first

    def _floor(self, since: datetime) -> int:
        """A position below which nothing is as young as ``since``: saves the walk through all that is older."""
        query = """SELECT min(first), count(*) FROM
            (SELECT first FROM alert WHERE raised_at >= ? ORDER BY raised_at DESC LIMIT ?)"""
        row = self._row(query, millis(since), _SINCE_PROBE)
        assert row is not None
        lowest, count = row
        if count == _SINCE_PROBE:
            return 0
        return NEWEST if lowest is None else int(lowest)

    def _alert_at(self, first: int) -> StoredAlert:
        row = self._row(f"SELECT {_ALERT_ROW} FROM {_ALERT_TABLES} WHERE a.first = ?", first)
        assert row is not None
        return self._stored(row)

    def _stored(self, row: Sequence[Any]) -> StoredAlert:
        id, version, feed, received_at, body = row
        return StoredAlert(rows.alert_from_body(body), version, self._forwarded(id), feed, moment(received_at))

    def _forwarded(self, alert_id: str) -> tuple[Forwarding, ...]:
        query = "SELECT sink, at, seq FROM forwarding WHERE alert_id = ? ORDER BY sink"
        return tuple(Forwarding(sink, moment(at), seq) for sink, at, seq in self._rows(query, alert_id))


def _walks(wanted: AlertFilter) -> Iterator[tuple[list[str], tuple[Any, ...]]]:
    """Conditions of the index walks that together hold every wanted alert once, each in order of position."""
    if wanted.workflow or wanted.severity:
        for workflow in dict.fromkeys(wanted.workflow or tuple(Workflow)):
            for severity in dict.fromkeys(wanted.severity or (1, 2, 3, 4)):
                yield ["a.workflow = ?", "a.severity = ?"], (workflow, severity)
    elif wanted.kind:
        for kind in dict.fromkeys(wanted.kind):
            yield ["a.kind = ?"], (kind,)
    else:
        yield [], ()


def _residual(wanted: AlertFilter) -> tuple[list[str], list[Any]]:
    """What the walks do not decide, as conditions on the narrow row."""
    conditions: list[str] = []
    values: list[Any] = []
    for column, accepted in (("workflow", wanted.workflow), ("severity", wanted.severity), ("kind", wanted.kind)):
        if accepted:
            # the plus keeps the planner from another index, whose order is not that of the walk
            conditions.append(f"+a.{column} IN ({', '.join('?' * len(accepted))})")
            values += accepted
    if wanted.area:
        conditions.append("substr(+a.area_code, 1, ?) = ?")
        values += (len(wanted.area), wanted.area)
    if wanted.areas:
        # a press from nowhere known is everybody's: somebody has to answer it
        own = ["substr(+a.area_code, 1, ?) = ?"] * len(wanted.areas)
        conditions.append(f"(a.area_code IS NULL OR {' OR '.join(own)})")
        for area in wanted.areas:
            values += (len(area), area)
    if wanted.since is not None:
        conditions.append("+a.raised_at >= ?")
        values.append(millis(wanted.since))
    if wanted.until is not None:
        conditions.append("+a.raised_at < ?")
        values.append(millis(wanted.until))
    if wanted.q:
        conditions.append("instr(a.words, ?) > 0")
        values.append(wanted.q.lower())
    return conditions, values
