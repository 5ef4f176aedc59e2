"""Maintenance windows (计划检修) and outages: what may be down, by whose word and until when, and what is down with what."""

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from starlette.responses import JSONResponse

from gateway.codec import optional_time
from gateway.console.api import schemas
from gateway.console.api.repeats import Key, answered, remembered, replayed, scoped
from gateway.console.api.schemas.maintenance import (
    CameraOutage,
    MaintenancePlan,
    MaintenanceWindow,
    Reason,
    WindowChange,
    WindowOrder,
)
from gateway.console.auth import Caller, Configurer, Reader, covers
from gateway.console.problems import Problem
from gateway.console.services import House, Services
from gateway.console.views import API
from gateway.errors import NotAllowed
from gateway.model import Camera, PlannedWork, Principal, rfc3339, uuid7
from gateway.upkeep.maintenance import MaintenanceBook, Window
from gateway.upkeep.outage_alerts import Outage
from gateway.values import Day

router = APIRouter(prefix=API, tags=["maintenance"])

_DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LONGEST = timedelta(days=366)
_MOST_OVER = 50  # windows that are over, of all that are kept

WorkId = Annotated[str, Path(min_length=1, max_length=64)]
_NONE: dict[int | str, dict[str, Any]] = {
    403: {"model": schemas.Problem, "description": "it is wider than the caller's areas, or the configuration's"},
    404: {"model": schemas.Problem, "description": "there is no such window"},
    409: {"model": schemas.Problem, "description": "it is over, or too many stand"},
}


@router.get("/maintenance", response_model=MaintenancePlan)
async def maintenance(found: Reader, house: House) -> Response:
    """The configuration's windows, then those that people made, the one that ends last first."""
    book, now, own = _book(house), house.clock.now(), _own(house, found)
    shown = [_window_json(book, window, now, own) for window in _visible(book.windows(), found, now, own)]
    covered = [
        {"id": camera.id, "window": window.text(), "until": optional_time(book.ends(window, now))}
        for camera in own
        if (window := book.window(camera, now)) is not None
    ]
    return JSONResponse({"items": shown, "next": None, "covered": covered})


@router.post("/maintenance", status_code=201, response_model=MaintenanceWindow, responses=_NONE)
async def plan_maintenance(
    wanted: WindowOrder, found: Configurer, house: House, idempotency_key: Key = None
) -> Response:
    """Plan work: what these cameras lack then is no outage, no alert and no minus in the figures. It is audited. A repeat
    with the same key plans nothing twice."""
    key = scoped(found, "maintenance", idempotency_key)
    digest = hashlib.sha256(wanted.model_dump_json().encode()).hexdigest()
    before = await answered(house, key, digest)
    if before is not None:
        return _planned(before)
    book, now = _book(house), house.clock.now()
    work = _ordered(house, wanted, found, now)
    answer = json.dumps(_window_json(book, Window.of(work), now, _own(house, found)), ensure_ascii=False)
    try:
        first = await book.plan(work, None if key is None else (key, remembered(digest, answer)))
    except NotAllowed as error:
        raise Problem(409, f"It was not planned: {error}.") from None
    return _planned(answer if first is None else replayed(first, digest))


@router.patch("/maintenance/{work_id}", response_model=MaintenanceWindow, responses=_NONE)
async def change_maintenance(work_id: WorkId, wanted: WindowChange, found: Configurer, house: House) -> Response:
    """Another name, or another end: sooner or later than planned. One that is over stays as it was."""
    book, now = _book(house), house.clock.now()
    work = _made(house, work_id, found)
    if work.until <= now:
        raise Problem(409, f"This maintenance window ended at {rfc3339(work.until)}: plan another.")
    until = wanted.until or work.until
    _require_span(work.since, until, now)
    changed = replace(work, name=wanted.name or work.name, until=until)
    await book.change(changed, found.principal.name, now, wanted.reason)
    return JSONResponse(_window_json(book, Window.of(changed), now, _own(house, found)))


@router.delete("/maintenance/{work_id}", status_code=204, response_model=None, responses=_NONE)
async def end_maintenance(
    work_id: WorkId, found: Configurer, house: House, reason: Annotated[Reason, Query(description="why")]
) -> Response:
    """Over now. What is still down then becomes an ordinary outage. One that has not begun is dropped."""
    work = _made(house, work_id, found)
    try:
        await _book(house).end(work, found.principal.name, house.clock.now(), reason)
    except NotAllowed as error:
        raise Problem(409, f"It was not ended: {error}.") from None
    return Response(status_code=204)


@router.get("/outages", response_model=schemas.Page[CameraOutage])
async def outages(found: Reader, house: House) -> Response:
    """The outages of this node's cameras that stand, the latest first; of each the cameras within the caller's areas."""
    desk = house.care.outages
    own = {camera.id: camera for camera in _own(house, found)}
    shown = [] if desk is None else [_outage_json(house, each, own) for each in desk.outages()]
    return JSONResponse({"items": [each for each in shown if each["cameras"]], "next": None})


def _book(house: Services) -> MaintenanceBook:
    if house.care.maintenance is None:
        raise Problem(503, "This node watches no cameras.")
    return house.care.maintenance


def _planned(answer: str) -> Response:
    return Response(answer, status_code=201, media_type="application/json")


def _ordered(house: Services, wanted: WindowOrder, found: Caller, now: datetime) -> PlannedWork:
    """Raises Problem 403 or 422."""
    since = max(wanted.since or now, now)
    _require_span(since, wanted.until, now)
    hours = wanted.between or (None, None)
    days = tuple(sorted({_DAYS.index(day) for day in wanted.days}))
    work = PlannedWork(
        id=uuid7(),
        name=wanted.name,
        since=since,
        until=wanted.until,
        by=found.principal.name,
        at=now,
        reason=wanted.reason,
        cameras=tuple(dict.fromkeys(wanted.cameras)),
        scenes=tuple(scene.value for scene in dict.fromkeys(wanted.scenes)),
        areas=tuple(dict.fromkeys(wanted.areas)),
        hosts=tuple(dict.fromkeys(wanted.hosts)),
        start=hours[0],
        end=hours[1],
        days=days,
    )
    _require_own(house, work, found)
    return work


def _own(house: Services, found: Caller) -> list[Camera]:
    return [camera for camera in house.inventory.cameras() if covers(found.principal, camera.place.area_code)]


def _made(house: Services, work_id: str, found: Caller) -> PlannedWork:
    """Raises Problem 404 for one that is not there, or that is none of the caller's business; 403 where it is wider, of
    the cameras that are still there."""
    work, own = _book(house).made(work_id), _own(house, found)
    if work is None or not _concerns(Window.of(work), found.principal, own):
        raise Problem(404, f"There is no maintenance window {work_id} here.")
    others = {camera.id for camera in house.inventory.cameras()} - {camera.id for camera in own}
    _require_within(work, found.principal, others)
    return work


def _require_span(since: datetime, until: datetime, now: datetime) -> None:
    if until <= now or until <= since:
        raise Problem(422, "until: a time to come, after since, is accepted")
    if until - since > _LONGEST:
        raise Problem(
            422, f"until: a window of up to {_LONGEST.days} days is accepted; what is longer is no maintenance"
        )


def _require_own(house: Services, work: PlannedWork, found: Caller) -> None:
    """Raises Problem 422 for a camera that is not there, 403 for a window wider than the caller's areas."""
    own = {camera.id for camera in _own(house, found)}
    absent = [name for name in work.cameras if not _is_pattern(name) and name not in own]
    if absent:
        raise Problem(422, f"cameras: there is no camera {absent[0]} here")
    _require_within(work, found.principal)


def _require_within(work: PlannedWork, principal: Principal, others: Collection[str] = ()) -> None:
    """``others``: cameras outside the caller's areas."""
    if not principal.areas:
        return
    named = bool(work.cameras) and not any(_is_pattern(name) or name in others for name in work.cameras)
    within = bool(work.areas) and all(covers(principal, area) for area in work.areas)
    if not (named or within):
        raise Problem(
            403,
            f"This may be wider than your areas ({', '.join(principal.areas)}): name areas of yours, or cameras by their ids.",
        )


def _is_pattern(name: str) -> bool:
    return "*" in name or "?" in name


def _visible(windows: Sequence[Window], found: Caller, now: datetime, own: Sequence[Camera]) -> list[Window]:
    concerned = [window for window in windows if _concerns(window, found.principal, own)]
    over = [window for window in concerned if window.until is not None and window.until <= now][:_MOST_OVER]
    return [window for window in concerned if window.until is None or window.until > now] + over


def _concerns(window: Window, principal: Principal, own: Sequence[Camera]) -> bool:
    return not principal.areas or any(map(window.concerns, own))


def _window_json(book: MaintenanceBook, window: Window, now: datetime, own: Sequence[Camera]) -> dict[str, Any]:
    work, running = window.work, book.holds(window, now)
    over = window.until is not None and window.until <= now
    return {
        "id": None if work is None else work.id,
        "name": window.name,
        "reason": window.reason,
        "by": None if work is None else work.by,
        "at": None if work is None else rfc3339(work.at),
        "since": optional_time(window.since),
        "until": optional_time(window.until),
        "between": _hours(window),
        "days": []
        if window.span is None or len(window.span.days) == 7
        else [_DAYS[n] for n in sorted(window.span.days)],
        "cameras": list(window.scope.cameras),
        "scenes": [scene.value for scene in window.scope.scenes],
        "areas": list(window.scope.areas),
        "hosts": list(window.hosts),
        "state": "over" if over else "running" if running else "waiting",
        "ends_at": optional_time(book.ends(window, now)) if running else None,
        "count": None if over else sum(map(window.concerns, own)),
    }


def _hours(window: Window) -> str | None:
    span = window.span
    if span is None or (span.start, span.end) == (0, 24 * 60):
        return None
    return f"{_clock(span.start)}-{_clock(span.end)}"


def _clock(minutes: int) -> str:
    return f"{minutes // 60 % 24:02}:{minutes % 60:02}"


def _outage_json(house: Services, outage: Outage, own: dict[str, Camera]) -> dict[str, Any]:
    members = [(own[name], member) for name, member in sorted(outage.members.items()) if name in own]
    return {
        "alert": outage.alert_id,
        "cause": outage.cause.value,
        "group": outage.group,
        "total": outage.total,
        "lost": len(outage.away),
        "cameras": [
            {
                "id": camera.id,
                "name": camera.name,
                "lost_at": rfc3339(member.lost_at),
                "state": _state(house, camera.id),
                "back": member.back,
                "flapping": member.flapping,
            }
            for camera, member in members
        ],
    }


def _state(house: Services, camera_id: str) -> str | None:
    health = None if house.video is None else house.video.health(camera_id)
    return None if health is None else health.state.value
