"""What is wrong with a camera's picture: what stands, what was measured, what was decided before, and on which picture."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import chain
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Depends, Path, Query, Response
from starlette.responses import JSONResponse

from gateway.codec import optional_time
from gateway.console.api import schemas
from gateway.console.api.access import require_open, visible_camera
from gateway.console.api.description import answers
from gateway.console.api.paging import Limit, unknown_cursor
from gateway.console.auth import Caller, Configurer, Reader, Right, having_one
from gateway.console.problems import Problem
from gateway.console.services import House, Services
from gateway.console.views import API
from gateway.errors import DeviceError
from gateway.model import FIELD_CODES, EvidenceState, ImageFault, Verdict, rfc3339
from gateway.video.diagnosis.desk import DiagnosisDesk
from gateway.video.diagnosis.verdicts import LIMITS
from gateway.video.diagnosis.wire import Look, Report, ViewTold

router = APIRouter(prefix=API, tags=["cameras"])

CameraId = Annotated[str, Path(min_length=1, max_length=130)]
Mender = Annotated[Caller, Depends(having_one(Right.ACT, Right.CONFIGURE))]
_NOT_THERE: dict[int | str, dict[str, Any]] = {404: {"model": schemas.Problem, "description": "it is not here"}}


class Limits(schemas.Shape):
    """Where this measure makes a fault: `side` it."""

    fault: str
    threshold: str
    limit: float
    side: Literal["above", "below"]


class Measure(schemas.Shape):
    """`value`: null where it takes more than one picture, or a reference view."""

    name: str
    value: float | None
    limits: list[Limits]


class SeenPicture(schemas.Shape):
    """A look at the newest keyframe. `found`: what that picture shows; `trouble`: why nothing could be measured."""

    at: datetime
    night: bool
    found: list[str]
    trouble: str | None


class ReferenceView(schemas.Shape):
    """`by`: who set it; `learned` where nobody did."""

    period: Literal["day", "night"]
    at: datetime
    by: str


class VerdictTold(schemas.Shape):
    """`until`: null while it stands. `planned`: the planned work during which it came, which is why there is no alert."""

    id: str
    fault: str
    code: int | None
    name: str
    night: bool
    since: datetime
    until: datetime | None
    measures: dict[str, float]
    picture: Literal["pending", "ready", "failed", "deleted"]
    reason: str | None
    url: str | None
    sha256: str | None
    width: int | None
    height: int | None
    planned: str | None
    alert: str | None


class Diagnosis(schemas.Shape):
    """`standing`: the verdicts that stand, of the camera's health where none was kept. `every_s`: how often it is looked at.
    `trouble`: why its video worker tells nothing. `history`: verdicts, newest first."""

    id: str
    enabled: bool
    every_s: float | None
    standing: list[str]
    look: SeenPicture | None
    trouble: str | None
    measures: list[Measure]
    references: list[ReferenceView]
    history: list[VerdictTold]
    next: str | None


class Looked(schemas.Shape):
    """`standing`: after this look; a verdict takes two."""

    at: datetime
    night: bool
    found: list[str]
    standing: list[str]
    trouble: str | None


@router.get("/cameras/{camera_id}/diagnosis", response_model=Diagnosis, responses=_NOT_THERE)
async def diagnosis(
    camera_id: CameraId,
    found: Reader,
    house: House,
    cursor: Annotated[str | None, Query(max_length=64, description="`next` of the page before, of the history")] = None,
    limit: Limit = 20,
) -> Response:
    """The last look, what stands, and the history of verdicts. No picture of now: numbers alone."""
    camera = visible_camera(house, camera_id, found)
    if cursor is not None and not cursor.replace("-", "").isalnum():
        raise unknown_cursor()
    history = await house.ledger.read(lambda reader: reader.verdicts(camera.id, cursor, limit + 1))
    report, trouble = await _report(house, camera.id)
    health = None if house.video is None else house.video.health(camera.id)
    known = [fault for fault in (() if health is None else health.faults) if fault in _FAULTS]
    desk = house.care.diagnosis
    return JSONResponse(
        {
            "id": camera.id,
            "enabled": desk is not None and desk.order.enabled,
            "every_s": None if report is None else report.every,
            "standing": known,
            "look": None if report is None or report.look is None else _look_json(report.look),
            "trouble": trouble,
            "measures": [] if report is None else list(_measures(report)),
            "references": [] if report is None else _views_json(report.views),
            "history": [_verdict_json(verdict) for verdict in history[:limit]],
            "next": history[limit - 1].id if len(history) > limit else None,
        }
    )


@router.post(
    "/cameras/{camera_id}/diagnosis",
    response_model=Looked,
    responses={**_NOT_THERE, 503: {"model": schemas.Problem, "description": "there is no picture of it now"}},
)
async def look_now(camera_id: CameraId, found: Mender, house: House) -> Response:
    """Have its newest picture looked at now. It counts as every look does; the same picture counts once."""
    camera = visible_camera(house, camera_id, found)
    desk = _desk(house)
    await house.audit(found.principal, "diagnose_camera", f"cameras/{camera.id}")
    try:
        look = await desk.look(camera.id)
    except DeviceError as fault:
        raise Problem(503, f"The picture of camera {camera.id} cannot be looked at: {fault}") from None
    return JSONResponse({**_look_json(look), "standing": list(look.standing)})


@router.get(
    "/cameras/{camera_id}/diagnosis/{verdict_id}.jpg",
    response_class=Response,
    responses={**_NOT_THERE, 200: answers("image/jpeg", "the picture")},
)
async def evidence(
    camera_id: CameraId,
    verdict_id: Annotated[str, Path(min_length=1, max_length=64)],
    found: Reader,
    house: House,
    reason: Annotated[str, Query(min_length=1, max_length=500, description="why you look; it is audited")],
) -> Response:
    """The picture that a verdict stands on. Every viewing is audited; 403 for a household's camera without an open alert of
    that household, or its consent."""
    if not reason.strip():
        raise Problem(422, "query.reason: say why you look; it is audited")
    camera = visible_camera(house, camera_id, found)
    verdict = await house.ledger.read(lambda reader: reader.verdict(verdict_id))
    if verdict is None or verdict.camera != camera.id:
        raise Problem(404, f"There is no verdict {verdict_id} of camera {camera.id} here.")
    consent = await require_open(house, camera)
    picture = None if verdict.sha256 is None else await house.media.read(verdict.sha256)
    if picture is None:
        why = verdict.reason or ("its time was over" if verdict.evidence is EvidenceState.DELETED else "it is to come")
        raise Problem(404, f"The picture of this verdict is not here: {why}", state=verdict.evidence.value)
    object_ = f"cameras/{camera.id}/diagnosis/{verdict.id}"
    await house.audit(found.principal, "view_evidence", object_, reason=reason.strip(), detail=consent)
    content, media_type = picture
    return Response(content, media_type=media_type, headers={"Cache-Control": "no-store"})


@router.put(
    "/cameras/{camera_id}/reference",
    response_model=list[ReferenceView],
    responses={**_NOT_THERE, 503: {"model": schemas.Problem, "description": "there is no picture of it now"}},
)
async def set_reference(camera_id: CameraId, found: Configurer, house: House) -> Response:
    """What the camera shows now is what it is to show: `moved` is judged by it, in this light; of the other light another view
    is learned. Nobody sees the view."""
    camera = visible_camera(house, camera_id, found)
    desk = _desk(house)
    await house.audit(found.principal, "set_reference", f"cameras/{camera.id}")
    try:
        report = await desk.set_reference(camera.id, found.principal.name)
    except DeviceError as fault:
        raise Problem(503, f"The reference view of camera {camera.id} was not set: {fault}") from None
    return JSONResponse(_views_json(report.views))


@router.delete("/cameras/{camera_id}/reference", status_code=204, responses=_NOT_THERE)
async def forget_reference(camera_id: CameraId, found: Configurer, house: House) -> Response:
    """Forget what it usually shows; that is learned anew. 404 where nothing was known."""
    camera = visible_camera(house, camera_id, found)
    desk = _desk(house)
    await house.audit(found.principal, "forget_reference", f"cameras/{camera.id}")
    try:
        known = await desk.forget_reference(camera.id)
    except DeviceError as fault:
        raise Problem(503, f"The reference view of camera {camera.id} was not forgotten: {fault}") from None
    if not known:
        raise Problem(404, f"Camera {camera.id} has no reference view.")
    return Response(status_code=204)


_FAULTS = frozenset(ImageFault)


def _desk(house: Services) -> DiagnosisDesk:
    if house.care.diagnosis is None:
        raise Problem(503, "This node looks at no cameras' pictures.")
    return house.care.diagnosis


async def _report(house: Services, camera_id: str) -> tuple[Report | None, str | None]:
    if house.care.diagnosis is None:
        return None, "this node looks at no cameras' pictures"
    try:
        return await house.care.diagnosis.report(camera_id), None
    except DeviceError as fault:
        return None, str(fault)


def _look_json(look: Look) -> dict[str, Any]:
    return {"at": rfc3339(look.at), "night": look.night, "found": list(look.found), "trouble": look.trouble}


def _measures(report: Report) -> Iterator[dict[str, Any]]:
    """Those that something is judged by, each with its limits in the light of that look."""
    limits: dict[str, list[dict[str, Any]]] = {}
    for fault, groups in LIMITS.items():
        for each in chain.from_iterable(groups):
            limit = report.thresholds.get(each.threshold)
            if limit is not None:
                told = {"fault": fault.value, "threshold": each.threshold, "limit": limit, "side": each.side}
                limits.setdefault(each.measure, []).append(told)
    measures: Mapping[str, float | None] = {} if report.look is None else report.look.measures
    for name, value in measures.items():
        if name in limits:
            yield {"name": name, "value": value, "limits": limits[name]}


def _views_json(views: Mapping[str, ViewTold]) -> list[dict[str, Any]]:
    return [{"period": period, "at": rfc3339(view.at), "by": view.by} for period, view in sorted(views.items())]


def _verdict_json(verdict: Verdict) -> dict[str, Any]:
    code = FIELD_CODES[ImageFault(verdict.fault)]
    ready = verdict.evidence is EvidenceState.READY
    path = f"{API}/cameras/{quote(verdict.camera, safe='')}/diagnosis/{quote(verdict.id, safe='')}.jpg"
    return {
        "id": verdict.id,
        "fault": verdict.fault,
        "code": code.number,
        "name": code.name,
        "night": verdict.night,
        "since": rfc3339(verdict.since),
        "until": optional_time(verdict.until),
        "measures": dict(verdict.measures),
        "picture": verdict.evidence.value,
        "reason": verdict.reason,
        "url": path if ready else None,
        "sha256": verdict.sha256,
        "width": verdict.width,
        "height": verdict.height,
        "planned": verdict.planned,
        "alert": verdict.alert,
    }
