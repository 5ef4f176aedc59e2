"""What a large screen shows of the day: how many alerts there were by the hour, and how soon they were seen to."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from starlette.responses import JSONResponse

from gateway.console.api import schemas
from gateway.console.api.moments import Asked
from gateway.console.auth import Reader
from gateway.console.problems import Problem
from gateway.console.services import House
from gateway.console.views import API
from gateway.model import ENDED, Alert, Status, Workflow, rfc3339, said_time
from gateway.ports import AlertFilter, StoredAlert
from gateway.ports import Reader as LedgerReader

router = APIRouter(prefix=API, tags=["alerts"])

_LONGEST = timedelta(hours=24)
_MOST = 2000  # alerts, the newest: what a day's storm holds more of says nothing new of it
_PAGE = 200
_HOUR = timedelta(hours=1)
_SENT = (Workflow.DISPATCHED, Workflow.ON_SCENE, Workflow.CLOSED)


class Hour(schemas.Shape):
    """Alerts raised from `start` on, within the hour. `severe`: of severity 1."""

    start: str
    alerts: int
    severe: int


class Stage(schemas.Shape):
    """Seconds from the press until it was done, of those alerts that have a service level for it. `late`: done too late, or
    not done and too late already; `waiting`: not done, and still in time."""

    done: int
    late: int
    waiting: int
    p50_s: float | None
    p90_s: float | None
    limit_s: float | None


class Figures(schemas.Shape):
    """`complete` false: there were more alerts than are counted; these are the newest."""

    since: str
    until: str
    alerts: int
    complete: bool
    by_severity: dict[str, int]
    closed: int
    false_alarms: int
    hours: list[Hour]
    stages: dict[str, Stage]


@router.get("/figures", response_model=Figures)
async def figures(found: Reader, house: House, since: Annotated[Asked | None, Query()] = None) -> Response:
    """Of real alerts since a moment, no more than 24 hours back; without one, of the last 24 hours."""
    now = house.clock.now()
    if since is not None and since.tzinfo is None:
        raise Problem(422, "since needs its offset from UTC, such as 2026-01-01T00:00:00+08:00.")
    start = now - _LONGEST if since is None else min(now, max(since, now - _LONGEST))
    wanted = AlertFilter(areas=found.principal.areas, since=start)
    return JSONResponse(await house.ledger.read(lambda reader: _figures(reader, wanted, start, now)))


def _figures(reader: LedgerReader, wanted: AlertFilter, since: datetime, now: datetime) -> dict[str, Any]:
    stored, complete = _newest(reader, wanted)
    alerts = [each.alert for each in stored if each.alert.status is Status.ACTUAL]
    severities = Counter(str(alert.severity) for alert in alerts)
    return {
        "since": rfc3339(since),
        "until": rfc3339(now),
        "alerts": len(alerts),
        "complete": complete,
        "by_severity": {severity: severities[severity] for severity in ("1", "2", "3", "4")},
        "closed": sum(alert.workflow in ENDED for alert in alerts),
        "false_alarms": sum(alert.disposition == "false_alarm" for alert in alerts),
        "hours": _hours(alerts, since, now),
        "stages": {
            "acknowledge": _stage("acknowledge", [(alert, alert.accepted_at) for alert in alerts], now),
            "dispatch": _stage("dispatch", [(alert, _dispatched(reader, alert)) for alert in alerts], now),
        },
    }


def _newest(reader: LedgerReader, wanted: AlertFilter) -> tuple[list[StoredAlert], bool]:
    """The newest of them, and whether these are all."""
    held: list[StoredAlert] = []
    cursor: str | None = None
    while len(held) < _MOST:
        page, cursor = reader.alerts(wanted, cursor, _PAGE)
        held += page
        if cursor is None:
            return held, True
    return held, False


def _hours(alerts: Sequence[Alert], since: datetime, now: datetime) -> list[dict[str, Any]]:
    """Whole hours of UTC, without a gap, from the one that ``since`` lies in to the one of ``now``."""
    counts = Counter(_hour(alert.raised_at) for alert in alerts)
    severe = Counter(_hour(alert.raised_at) for alert in alerts if alert.severity == 1)
    starts = [_hour(since)]
    while starts[-1] < _hour(now):
        starts.append(starts[-1] + _HOUR)
    return [{"start": rfc3339(start), "alerts": counts[start], "severe": severe[start]} for start in starts]


def _hour(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _stage(step: str, alerts: Sequence[tuple[Alert, datetime | None]], now: datetime) -> dict[str, Any]:
    took: list[float] = []
    limits: list[float] = []
    late = waiting = 0
    for alert, done_at in alerts:
        due = said_time(_due(alert).get(step))
        if due is None:
            continue
        if done_at is not None:
            took.append(max(0.0, (done_at - alert.raised_at).total_seconds()))
        elif alert.workflow in ENDED:
            continue  # it was over before anybody had to
        else:
            waiting += now <= due
        late += (done_at or now) > due
        limits.append((due - alert.raised_at).total_seconds())
    took.sort()
    return {
        "done": len(took),
        "late": late,
        "waiting": waiting,
        "p50_s": _quantile(took, 0.5),
        "p90_s": _quantile(took, 0.9),
        "limit_s": min(limits, default=None),
    }


def _due(alert: Alert) -> Mapping[str, Any]:
    found = alert.detail.get("due")
    return found if isinstance(found, Mapping) else {}


def _dispatched(reader: LedgerReader, alert: Alert) -> datetime | None:
    """When somebody was first sent. Asked of those alone that can have been dispatched and have a limit for it."""
    if alert.workflow not in _SENT or "dispatch" not in _due(alert):
        return None
    return next((each.entry.at for each in reader.entries(alert.id) if each.entry.action == "dispatch"), None)


def _quantile(ordered: Sequence[float], share: float) -> float | None:
    """The smallest value that ``share`` of all do not exceed."""
    return round(ordered[max(0, math.ceil(share * len(ordered)) - 1)], 3) if ordered else None
