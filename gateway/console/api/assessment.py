"""考核: how the departments stood over a span, computed from the alerts' own entries; and the list of classes."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from starlette.responses import JSONResponse

from gateway.alerts import casework
from gateway.alerts.assessment import Assessment, Figures, assess
from gateway.alerts.taxonomy import CaseClass, SubClass
from gateway.codec import optional_time
from gateway.console.api.moments import AskedMoment
from gateway.console.api.paging import page
from gateway.console.api.schemas import Page, Shape
from gateway.console.api.schemas import Problem as NotThere
from gateway.console.auth import Reader, concerns
from gateway.console.problems import Problem
from gateway.console.services import House
from gateway.console.views import API
from gateway.model import Alert, Kind, rfc3339
from gateway.ports import AlertFilter

router = APIRouter(prefix=API, tags=["assessment"])

_USUAL = timedelta(days=30)
_LONGEST = timedelta(days=366)
_PAGE = 200  # alerts read at once: a press must not wait for the reader's turn
_MOST = 50_000


class StepFigures(Shape):
    on_time: int
    overdue: int


class AssessmentFigures(Shape):
    """`on_time_share` of the alerts that can be judged; times in seconds, from raising to closing without suspensions.
    `steps`: by register (立案), dispatch (派遣) and close (处置)."""

    alerts: int
    open: int
    ended: int
    on_time: int
    overdue: int
    on_time_share: float | None
    steps: dict[str, StepFigures]
    handling_median_s: float | None
    handling_p90_s: float | None
    urged: int
    deferred: int
    returned: int
    suspended: int


class DepartmentFigures(AssessmentFigures):
    """`department`: null for alerts without a case."""

    department: str | None


class AssessmentReport(Shape):
    """`complete`: false where the span holds more alerts than are read for one answer; then these are the newest."""

    since: datetime
    until: datetime
    complete: bool
    total: AssessmentFigures
    departments: list[DepartmentFigures]


class StepOfCase(Shape):
    """`on_time`: null while there is nothing to say, or where the step has no limit."""

    due: datetime | None
    done: datetime | None
    on_time: bool | None


class CaseAssessment(Shape):
    """One alert's case; `on_time` null while it may still become either."""

    alert: str
    department: str | None
    on_time: bool | None
    steps: dict[str, StepOfCase]
    handling_s: float | None
    suspended_s: float
    urged: int
    deferred: int
    returned: int
    suspended: int


class SubClassShape(Shape):
    """`grade` 1 (highest) to 4; `kinds` of alerts that it is given to by itself; limits in seconds from the raising."""

    code: str
    name: str
    grade: int
    department: str
    kinds: list[Kind]
    limits: dict[str, float]


class CaseClassShape(Shape):
    code: str
    name: str
    subclasses: list[SubClassShape]


@router.get("/taxonomy", response_model=Page[CaseClassShape])
async def taxonomy(found: Reader, house: House) -> Response:
    """The classes of cases in force on this node, in the order of its list; empty where it has none."""
    return JSONResponse(page([_class_json(each) for each in house.taxonomy.classes], None))


@router.get("/assessment", response_model=AssessmentReport)
async def assessment(
    found: Reader,
    house: House,
    since: Annotated[
        AskedMoment | None, Query(description="raised at or after; 30 days before `until` unless told")
    ] = None,
    until: Annotated[AskedMoment | None, Query(description="raised before; now unless told")] = None,
    area: Annotated[str | None, Query(max_length=32, description="beginning of the area code")] = None,
) -> Response:
    """Alerts raised in [since, until), of the caller's areas; tests and drills are left out."""
    now = house.clock.now()
    end = until or now
    begin = since or end - _USUAL
    if not begin < end or end - begin > _LONGEST:
        raise Problem(422, f"query.since: a time before until, and at most {_LONGEST.days} days before it, is accepted")
    wanted = AlertFilter(area=area or None, areas=found.principal.areas, since=begin, until=end)
    figures, complete = Assessment(now), False
    cursor: str | None = None
    for _ in range(_MOST // _PAGE):
        at = cursor
        items, cursor = await house.ledger.read(lambda reader, at=at: reader.alerts(wanted, at, _PAGE))  # type: ignore[misc]
        figures.add(stored.alert for stored in items)
        if cursor is None:
            complete = True
            break
    return JSONResponse(
        {
            "since": rfc3339(begin),
            "until": rfc3339(end),
            "complete": complete,
            "total": figures.total.to_json(),
            "departments": [_department(name, each) for name, each in figures.departments()],
        }
    )


@router.get(
    "/alerts/{alert_id}/assessment",
    response_model=CaseAssessment,
    responses={404: {"model": NotThere, "description": "it is not here"}},
)
async def alert_assessment(
    alert_id: Annotated[str, Path(min_length=1, max_length=128)], found: Reader, house: House
) -> Response:
    """Step by step as it stands now: limits moved by deferrals and by the time for which it was suspended."""
    stored = await house.ledger.read(lambda reader: reader.alert(alert_id))
    if stored is None or not concerns(found.principal, stored.alert.place.area_code):
        raise Problem(404, f"There is no alert {alert_id} here.")
    return JSONResponse(_case_json(stored.alert, house.clock.now()))


def _case_json(alert: Alert, now: datetime) -> dict[str, Any]:
    one, said = assess(alert, now), alert.detail.get("case")
    case = said if isinstance(said, Mapping) else {}
    return {
        "alert": alert.id,
        "department": one.department,
        "on_time": one.on_time,
        "steps": {
            step: {
                "due": optional_time(casework.due(case, step, now)),
                "done": optional_time(casework.done(case, step)),
                "on_time": on_time,
            }
            for step, on_time in one.steps.items()
        },
        "handling_s": one.handling_s,
        "suspended_s": casework.suspension(case, now),
        **one.counts,
    }


def _department(name: str | None, figures: Figures) -> dict[str, Any]:
    return {"department": name, **figures.to_json()}


def _class_json(each: CaseClass) -> dict[str, Any]:
    return {"code": each.code, "name": each.name, "subclasses": [_subclass_json(found) for found in each.subclasses]}


def _subclass_json(found: SubClass) -> dict[str, Any]:
    return {
        "code": found.code,
        "name": found.name,
        "grade": found.grade,
        "department": found.department,
        "kinds": sorted(found.kinds),
        "limits": found.limits.to_json(),
    }
