"""The formulas by which ops teams are paid, written down in deploy/FIGURES.md. Pure.

Spans are whole milliseconds, rates 0 to 1 or None where there is nothing to divide by.
"""

import math
from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gateway.ports import FIGURE_STAGES, AlertFigure, Tally

HOUR_MS = 3_600_000


def due(tally: Tally) -> int:
    """How long the camera should have been online: planned work, times switched off and what nobody saw are not in it."""
    return tally.online + tally.down


def recorded(tally: Tally) -> int:
    """How long it is known how the camera stood, whichever way."""
    return tally.online + tally.down + tally.planned + tally.off


def online_rate(tally: Tally) -> float | None:
    """在线率: online ÷ should be online."""
    return _share(tally.online, due(tally))


def intact_rate(tally: Tally) -> float | None:
    """完好率: online with an acceptable image ÷ should be online, a fault of the image during planned work left out.
    Never above the online rate."""
    return _share(tally.intact, due(tally) - tally.worked_on)


def unknown(expected: int, tally: Tally) -> int:
    """What of the time that a camera was there for nobody recorded: the gateway was down, starting, or its clock unset."""
    return max(0, expected - recorded(tally))


def is_over(tally: Tally, limit: int) -> bool:
    """Whether a channel was down for longer than a contract allows, planned work left out."""
    return tally.down > limit


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole > 0 else None


def cut(rate: float, digits: int) -> float:
    """``rate`` without what follows so many digits; what only binary numbers lack of a digit is no difference."""
    scale = 10.0**digits
    return math.floor(rate * scale + 1e-6) / scale


@dataclass(slots=True)
class Sum:
    """Cameras taken together. ``over``: months of channels that were down for too long."""

    cameras: int = 0
    tally: Tally = field(default_factory=Tally)
    unknown: int = 0
    over: int = 0

    def add(self, tally: Tally, unknown: int, over: int) -> None:
        self.cameras += 1
        self.tally += tally
        self.unknown += unknown
        self.over += over

    def to_json(self) -> dict[str, Any]:
        return {"cameras": self.cameras, "over": self.over, **tally_json(self.tally, self.unknown)}


def tally_json(tally: Tally, unknown: int) -> dict[str, Any]:
    """Seconds and rates."""
    return {
        "online_rate": _rounded(online_rate(tally)),
        "intact_rate": _rounded(intact_rate(tally)),
        "online_s": tally.online // 1000,
        "intact_s": tally.intact // 1000,
        "down_s": tally.down // 1000,
        "planned_s": tally.planned // 1000,
        "worked_on_s": tally.worked_on // 1000,
        "off_s": tally.off // 1000,
        "unknown_s": unknown // 1000,
        "outages": tally.losses,
    }


def _rounded(rate: float | None) -> float | None:
    """Six digits, downwards: 0.9799999 is not the 98 % that a contract asks for."""
    return None if rate is None else cut(rate, 6)


# ---------------------------------------------------------------------------------------------------- alerts


@dataclass(slots=True)
class Stage:
    """One stage of all alerts. ``took``: seconds of those that reached it; the service level counts those that have one:
    in time, late (done too late, or not done and too late already), or still waiting. What ended before it was reached
    counts nowhere."""

    took: "array[float]" = field(default_factory=lambda: array("d"))
    in_time: int = 0
    late: int = 0
    waiting: int = 0

    def reached(self, took: float, limit: float | None) -> None:
        self.took.append(took)
        if limit is not None:
            self.in_time += took <= limit
            self.late += took > limit

    def not_reached(self, limit: float, age: float) -> None:
        """Of an alert that goes on."""
        self.waiting += age <= limit
        self.late += age > limit

    def merge(self, other: "Stage") -> None:
        self.took.extend(other.took)
        self.in_time += other.in_time
        self.late += other.late
        self.waiting += other.waiting

    def to_json(self) -> dict[str, Any]:
        ordered = sorted(self.took)
        return {
            "reached": len(ordered),
            "p50_s": quantile(ordered, 0.5),
            "p90_s": quantile(ordered, 0.9),
            "max_s": quantile(ordered, 1.0),
            "in_time": self.in_time,
            "late": self.late,
            "waiting": self.waiting,
            "in_time_share": _rounded(_share(self.in_time, self.in_time + self.late)),
        }


@dataclass(slots=True)
class AlertSum:
    """Real alerts, no tests and drills. The share of false alarms is of those that were closed with a finding."""

    alerts: int = 0
    ended: int = 0
    judged: int = 0
    false_alarms: int = 0
    stages: dict[str, Stage] = field(default_factory=lambda: {stage: Stage() for stage in FIGURE_STAGES})

    def add(self, alert: AlertFigure, now: datetime) -> None:
        self.alerts += 1
        self.ended += alert.ended
        if alert.ended and alert.disposition is not None:
            self.judged += 1
            self.false_alarms += alert.disposition == "false_alarm"
        took, limits = alert.took, alert.limits
        for name, seconds in took.items():
            self.stages[name].reached(seconds, limits.get(name))
        if alert.ended or limits.keys() <= took.keys():
            return
        age = (now - alert.raised_at).total_seconds()
        for name, limit in limits.items():
            if name not in took:
                self.stages[name].not_reached(limit, age)

    def merge(self, other: "AlertSum") -> None:
        self.alerts += other.alerts
        self.ended += other.ended
        self.judged += other.judged
        self.false_alarms += other.false_alarms
        for name, stage in self.stages.items():
            stage.merge(other.stages[name])

    def to_json(self) -> dict[str, Any]:
        return {
            "alerts": self.alerts,
            "ended": self.ended,
            "judged": self.judged,
            "false_alarms": self.false_alarms,
            "false_alarm_share": _rounded(_share(self.false_alarms, self.judged)),
            "stages": {name: stage.to_json() for name, stage in self.stages.items()},
        }


DIMENSIONS = ("severity", "kind", "area", "node")
_MOST_KEYS = 500
"""Of a dimension: a county has so many villages; what comes after them stands in the total alone."""


class AlertSums:
    """All alerts of a span, together and by severity, kind, area and node."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._cells: dict[tuple[str | None, ...], AlertSum] = {}
        """By all dimensions at once: an alert is counted once, and the few cells are summed at the end."""

    def add(self, alerts: Iterable[AlertFigure]) -> None:
        for alert in alerts:
            key = (str(alert.severity), alert.kind, alert.area, alert.node)
            cell = self._cells.get(key)
            if cell is None:
                cell = self._cells[key] = AlertSum()
            cell.add(alert, self._now)

    def total(self) -> AlertSum:
        found = AlertSum()
        for cell in self._cells.values():
            found.merge(cell)
        return found

    def by(self, dimension: str) -> list[tuple[str | None, AlertSum]]:
        """In the order of the keys; what has none comes last."""
        place, sums = DIMENSIONS.index(dimension), dict[str | None, AlertSum]()
        for key, cell in self._cells.items():
            if key[place] in sums or len(sums) < _MOST_KEYS:
                sums.setdefault(key[place], AlertSum()).merge(cell)
        return [(key, sums[key]) for key in sorted(sums, key=lambda key: (key is None, key or ""))]

    def to_json(self) -> dict[str, Any]:
        return {
            **self.total().to_json(),
            **{f"by_{name}": [{"key": key, **found.to_json()} for key, found in self.by(name)] for name in DIMENSIONS},
        }


def quantile(ordered: "list[float]", share: float) -> float | None:
    """The smallest value that ``share`` of all do not exceed (nearest rank)."""
    return round(ordered[max(0, math.ceil(share * len(ordered)) - 1)], 3) if ordered else None


# ---------------------------------------------------------------------------------------------------- terminals


def quarter_of(at: datetime) -> int:
    """20264 for the last of 2026, of the time's own calendar."""
    return at.year * 10 + (at.month + 2) // 3


def trial_counts(tested: Iterable[bool]) -> dict[str, Any]:
    counts = Counter(tested)
    total = counts[True] + counts[False]
    return {"total": total, "tested": counts[True], "tested_share": _rounded(_share(counts[True], total))}
