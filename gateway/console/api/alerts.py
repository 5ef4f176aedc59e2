"""Alerts: lists, one alert, its pictures and clips."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from starlette.responses import JSONResponse

from gateway.alerts.causality import order
from gateway.console.api.description import answers
from gateway.console.api.looking_back import Why, required_reason
from gateway.console.api.moments import Asked, in_reach
from gateway.console.api.paging import Cursor, Limit, page, unknown_cursor
from gateway.console.api.schemas import Alert, AlertInList, Page
from gateway.console.api.schemas import Problem as NotThere
from gateway.console.auth import Caller, Reader, concerns, may_call
from gateway.console.problems import Problem
from gateway.console.ranges import ranged
from gateway.console.services import House, Services
from gateway.console.views import API, alert_json, entries_of, full_alert_json, without_callers_phone
from gateway.model import Clip, Kind, PictureState, Snapshot, Workflow
from gateway.ports import AlertFilter, StoredAlert
from gateway.ports import Reader as LedgerReader

router = APIRouter(prefix=API, tags=["alerts"])

NO_ALERT: dict[int | str, dict[str, Any]] = {404: {"model": NotThere, "description": "it is not here"}}
GONE: dict[int | str, dict[str, Any]] = {410: {"model": NotThere, "description": "its time was over and it is deleted"}}
AlertId = Annotated[str, Path(min_length=1, max_length=128)]


@router.get("/alerts", response_model=Page[AlertInList])
async def alerts(
    found: Reader,
    house: House,
    workflow: Annotated[list[str] | None, Query(description="repeated or comma separated")] = None,
    severity: Annotated[list[str] | None, Query(description="1 to 4; repeated or comma separated")] = None,
    kind: Annotated[list[str] | None, Query(description="repeated or comma separated")] = None,
    area: Annotated[str | None, Query(max_length=32, description="beginning of the area code")] = None,
    since: Annotated[Asked | None, Query(description="raised at or after, RFC 3339")] = None,
    until: Annotated[Asked | None, Query(description="raised before, RFC 3339")] = None,
    q: Annotated[str | None, Query(max_length=200, description="text in title, address, source")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """Newest first."""
    wanted = AlertFilter(
        workflow=_members("workflow", workflow, tuple(Workflow)),
        severity=tuple(int(value) for value in _members("severity", severity, ("1", "2", "3", "4"))),
        kind=_members("kind", kind, tuple(Kind)),
        area=area or None,
        areas=found.principal.areas,
        since=aware("since", since),
        until=aware("until", until),
        q=q or None,
    )
    try:
        items, following = await house.ledger.read(lambda reader: reader.alerts(wanted, cursor, limit))
    except ValueError:
        raise unknown_cursor() from None
    return JSONResponse(page([_shown(alert_json(stored), found) for stored in items], following))


@router.get("/alerts/{alert_id}", response_model=Alert, responses=NO_ALERT)
async def alert(alert_id: AlertId, found: Reader, house: House) -> Response:
    full = await house.ledger.read(lambda reader: full_alert(reader, visible_alert(reader, alert_id, found)))
    return JSONResponse(_shown(full, found))


@router.get(
    "/alerts/{alert_id}/snapshots/{snapshot_id}",
    response_class=Response,
    responses={**NO_ALERT, **GONE, 200: answers("image/jpeg", "the picture")},
)
async def snapshot(
    alert_id: AlertId,
    snapshot_id: Annotated[str, Path(min_length=1, max_length=128)],
    found: Reader,
    house: House,
    request: Request,
    reason: Why = None,
) -> Response:
    """The picture as it was taken; every viewing is audited. 422 with `needs: reason` for a closed alert of more than
    24 hours ago where no reason is given."""
    stored = await house.ledger.read(lambda reader: visible_alert(reader, alert_id, found))
    why = required_reason(house, stored, reason)
    wanted = _find_snapshot(stored, snapshot_id)
    await _require_kept(house, alert_id, wanted.sha256)
    picture = None if wanted.sha256 is None else await house.media.read(wanted.sha256)
    if picture is None:
        raise Problem(404, "This picture has not come from its node yet.", state=str(wanted.state))
    await house.audit(found, "view_snapshot", f"alerts/{alert_id}/snapshots/{snapshot_id}", reason=why)
    content, media_type = picture
    headers = {"ETag": f'"{wanted.sha256}"', "Cache-Control": "private, max-age=3600, immutable"}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=media_type, headers=headers)


@router.head("/alerts/{alert_id}/clips/{clip_id}.mp4", include_in_schema=False)
@router.get(
    "/alerts/{alert_id}/clips/{clip_id}.mp4",
    response_class=Response,
    responses={
        **NO_ALERT,
        **GONE,
        200: answers("video/mp4", "the clip"),
        206: answers("video/mp4", "the range that was asked for"),
        416: {"model": NotThere, "description": "no byte of the range is there"},
    },
)
async def clip(
    alert_id: AlertId,
    clip_id: Annotated[str, Path(min_length=1, max_length=128)],
    found: Reader,
    house: House,
    request: Request,
    reason: Why = None,
) -> Response:
    """The clip as MP4, whole or in ranges; every viewing is audited once, however many ranges it takes. 422 with `needs:
    reason` as for pictures."""
    stored = await house.ledger.read(lambda reader: visible_alert(reader, alert_id, found))
    why = required_reason(house, stored, reason)
    wanted = _find_clip(stored, clip_id)
    await _require_kept(house, alert_id, wanted.sha256)
    media = None if wanted.sha256 is None else await house.media.find(wanted.sha256)
    if media is None or media.media_type != "video/mp4":
        raise Problem(404, "This clip has not come from its node yet.", state=str(wanted.state))
    headers = {"Cache-Control": "private, max-age=3600, immutable"}
    answer = ranged(request, media, f'"{wanted.sha256}"', headers)
    if request.method != "HEAD":
        await _audit_viewing(house, found, f"alerts/{alert_id}/clips/{clip_id}", why)
    return answer


def visible_alert(reader: LedgerReader, alert_id: str, found: Caller) -> StoredAlert:
    """Raises Problem 404, the same for an alert that is not there and for one of somebody else's area."""
    stored = reader.alert(alert_id)
    if stored is None or not concerns(found.principal, stored.alert.place.area_code):
        raise Problem(404, f"There is no alert {alert_id} here.")
    return stored


def full_alert(reader: LedgerReader, stored: StoredAlert) -> dict[str, Any]:
    told = full_alert_json(stored, order(entries_of(reader.entries(stored.alert.id))))
    for camera in told["cameras"]:
        for media in (*camera["snapshots"], camera["clip"]):
            if media["sha256"] is not None and not reader.refers(stored.alert.id, media["sha256"]):
                media["url"] = None  # deleted here: its time was over
    return told


def _shown(alert: dict[str, Any], found: Caller) -> dict[str, Any]:
    return alert if may_call(found.principal) else without_callers_phone(alert)


def _find_snapshot(stored: StoredAlert, snapshot_id: str) -> Snapshot:
    found = next((s for camera in stored.alert.cameras for s in camera.snapshots if s.id == snapshot_id), None)
    if found is None:
        raise Problem(404, f"There is no snapshot {snapshot_id} of this alert.")
    if found.state is PictureState.READY:
        return found
    why = found.reason or ("it is still being taken" if found.state is PictureState.PENDING else "it failed")
    raise Problem(404, f"There is no picture for this snapshot: {why}.", state=str(found.state))


def _find_clip(stored: StoredAlert, clip_id: str) -> Clip:
    clips = (camera.clip for camera in stored.alert.cameras)
    found = next((clip for clip in clips if clip is not None and clip.id == clip_id), None)
    if found is None:
        raise Problem(404, f"There is no clip {clip_id} of this alert.")
    if found.state is PictureState.READY:
        return found
    why = found.reason or ("it is still being made" if found.state is PictureState.PENDING else "it failed")
    raise Problem(404, f"This clip is not there: {why}.", state=str(found.state))


async def _require_kept(house: Services, alert_id: str, sha256: str | None) -> None:
    """Raises Problem 410 for what was deleted because its time was over."""
    if sha256 is not None and not await house.ledger.read(lambda reader: reader.refers(alert_id, sha256)):
        raise Problem(410, "This was deleted here, because its time was over.", state="deleted")


async def _audit_viewing(house: Services, found: Caller, clip: str, why: str | None) -> None:
    now, viewer = house.clock.mono(), found.principal.name
    if not house.viewings.known(viewer, clip, now):
        await house.audit(found, "view_clip", clip, reason=why)
        house.viewings.began(viewer, clip, now)


def _members(name: str, given: list[str] | None, accepted: tuple[str, ...]) -> tuple[str, ...]:
    """Values of a filter, given repeated or comma separated. Raises Problem 422 for one that is not accepted."""
    values = [value.strip() for each in given or () for value in each.split(",") if value.strip()]
    for value in values:
        if value not in accepted:
            raise Problem(422, f"query.{name}: {value[:64]!r} is none of {', '.join(accepted)}")
    return tuple(dict.fromkeys(values))


def aware(name: str, at: datetime | None) -> datetime | None:
    """A filter's time in UTC. Raises Problem 422."""
    if at is None:
        return None
    if at.tzinfo is None:
        raise Problem(422, f"query.{name}: an RFC 3339 time with its offset, such as 2026-01-31T08:00:00Z, is accepted")
    try:
        return in_reach(at)
    except ValueError as error:
        raise Problem(422, f"query.{name}: {error}") from None
