"""考核: were the steps of each case taken in time, and how do the departments stand over a span. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gateway.alerts import casework
from gateway.alerts.taxonomy import STEPS
from gateway.model import ENDED, Alert, Status

_EVIDENCE = {
    "register": ("register", "dispatch", "arrive", "close"),
    "dispatch": ("dispatch", "arrive"),
    "close": ("close",),
}
"""Whoever arrived had been sent, and whoever acted had registered it: the first trace of a step counts."""
_COUNTED = ("urged", "deferred", "returned", "suspended")


@dataclass(frozen=True, slots=True)
class Assessed:
    """One alert. ``steps``: True in time, False overdue (done late, or not done and past its limit), None where there is
    nothing to say yet, or ever. ``handling_s``: from raising to closing without suspensions; None while open.
    ``department``: None without a case."""

    department: str | None
    ended: bool
    steps: Mapping[str, bool | None]
    handling_s: float | None
    counts: Mapping[str, int]

    @property
    def on_time(self) -> bool | None:
        """False where any step is overdue, None while that may still come; an open alert is not yet in time."""
        if any(step is False for step in self.steps.values()):
            return False
        return True if self.ended and any(self.steps.values()) else None


def assess(alert: Alert, now: datetime) -> Assessed:
    """Deferred and suspended time are in the limits (casework.py), so neither counts against anybody."""
    found = alert.detail.get("case")
    case: Mapping[str, Any] = found if isinstance(found, Mapping) else {}
    ended = alert.workflow in ENDED
    department = case.get("department")
    return Assessed(
        department[:64] if isinstance(department, str) and department else None,
        ended,
        {step: _in_time(case, step, ended, now) for step in STEPS},
        _handling(alert, case) if ended else None,
        {what: casework.counted(case, what) for what in _COUNTED},
    )


def _in_time(case: Mapping[str, Any], step: str, ended: bool, now: datetime) -> bool | None:
    due = casework.due(case, step, now)
    if due is None:
        return None
    traces = [at for trace in _EVIDENCE[step] if (at := casework.done(case, trace)) is not None]
    if traces:
        return min(traces) <= due
    if ended or now <= due:  # closed without being sent anywhere, or there is time left
        return None
    return False


def _handling(alert: Alert, case: Mapping[str, Any]) -> float | None:
    closed = casework.done(case, "close")
    if closed is None:
        return None
    return max(0.0, (closed - alert.raised_at).total_seconds() - casework.suspension(case, closed))


@dataclass(slots=True)
class Figures:
    """Sums over alerts; times in seconds."""

    alerts: int = 0
    ended: int = 0
    on_time: int = 0
    overdue: int = 0
    steps: dict[str, list[int]] = field(default_factory=lambda: {step: [0, 0] for step in STEPS})
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_COUNTED, 0))
    handling: list[float] = field(default_factory=list)

    def add(self, one: Assessed) -> None:
        self.alerts += 1
        self.ended += one.ended
        self.on_time += one.on_time is True
        self.overdue += one.on_time is False
        for step, in_time in one.steps.items():
            if in_time is not None:
                self.steps[step][0 if in_time else 1] += 1
        for what, count in one.counts.items():
            self.counts[what] += count
        if one.handling_s is not None:
            self.handling.append(one.handling_s)

    def to_json(self) -> dict[str, Any]:
        judged = self.on_time + self.overdue
        return {
            "alerts": self.alerts,
            "open": self.alerts - self.ended,
            "ended": self.ended,
            "on_time": self.on_time,
            "overdue": self.overdue,
            "on_time_share": round(self.on_time / judged, 4) if judged else None,
            "steps": {step: {"on_time": well, "overdue": ill} for step, (well, ill) in self.steps.items()},
            "handling_median_s": _quantile(self.handling, 0.5),
            "handling_p90_s": _quantile(self.handling, 0.9),
            **self.counts,
        }


class Assessment:
    """Fed with alerts; tests and drills are left out."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self.total = Figures()
        self._departments: defaultdict[str | None, Figures] = defaultdict(Figures)

    def add(self, alerts: Iterable[Alert]) -> None:
        for alert in alerts:
            if alert.status is Status.ACTUAL:
                one = assess(alert, self._now)
                self.total.add(one)
                self._departments[one.department].add(one)

    def departments(self) -> list[tuple[str | None, Figures]]:
        """By name; what is nobody's business comes last."""
        return sorted(self._departments.items(), key=lambda item: (item[0] is None, item[0] or ""))


def _quantile(values: list[float], share: float) -> float | None:
    """The nearest rank: a time that was really taken."""
    if not values:
        return None
    ordered = sorted(values)
    rank = max(1, -(-len(ordered) * share // 1))  # rounded up
    return round(ordered[int(rank) - 1], 3)
