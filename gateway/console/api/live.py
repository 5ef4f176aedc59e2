"""Live views in the browser: WHEP (draft-ietf-wish-whep), for cameras of this node and, as ``node:id``, of those below it."""

from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Header, Path, Query, Request, Response

from gateway.console.api import schemas
from gateway.console.api.access import require_look
from gateway.console.auth import Caller, Reader
from gateway.console.below import split
from gateway.console.looks import login_of
from gateway.console.problems import Problem
from gateway.console.services import House, Services
from gateway.console.views import API
from gateway.console.watching import View, Watching
from gateway.errors import DeviceError, NotAllowed, NotSpoken
from gateway.model import FeedSource, LiveSession, LowerFeed, OwnFeed
from gateway.ports import LiveService

router = APIRouter(prefix=API, tags=["cameras"])

CameraId = Annotated[str, Path(min_length=1, max_length=130)]
SessionId = Annotated[str, Path(min_length=1, max_length=128)]
Reason = Annotated[str, Query(min_length=1, max_length=500, description="why you look; it is audited")]
_SDP = "application/sdp"
_CANDIDATES = "application/trickle-ice-sdpfrag"
_NO_VIEW: dict[int | str, dict[str, Any]] = {404: {"model": schemas.Problem, "description": "it is not here"}}
_UNSHOWN: dict[int | str, dict[str, Any]] = {
    **_NO_VIEW,
    201: {"content": {_SDP: {"schema": {"type": "string"}}}, "description": "the answer; Location names the session"},
    406: {"model": schemas.Problem, "description": "a codec that browsers are not shown; it says what would do"},
    415: {"model": schemas.Problem, "description": "the offer is no application/sdp"},
}
_OFFER = {"required": True, "content": {_SDP: {"schema": {"type": "string"}}}}
_FRAGMENT = {"required": True, "content": {_CANDIDATES: {"schema": {"type": "string"}}}}


@router.post(
    "/cameras/{camera_id}/whep",
    status_code=201,
    response_class=Response,
    responses=_UNSHOWN,
    openapi_extra={"requestBody": _OFFER},
)
async def watch(
    camera_id: CameraId,
    request: Request,
    found: Reader,
    house: House,
    reason: Reason,
    stream: Annotated[Literal["sub", "main"], Query(description="main: full size, opened for it")] = "sub",
) -> Response:
    """Begin a view. `Live-Start: gop`: moving pictures at once; `idr`: with the next keyframe. 403 for a household's camera
    without an open alert of that household, or its consent."""
    live, watching = _served(house)
    offer = await _body(request, _SDP)
    why = reason.strip()
    if not why:
        raise Problem(422, "query.reason: say why you look; it is audited")
    consent = await require_look(house, camera_id, found)
    await house.look(found, camera_id, why, detail=consent)
    try:
        source = await _source(house, camera_id, stream, found, why)
        session = await live.open(source, offer, viewer=login_of(found))
    except NotSpoken as error:
        raise Problem(406, str(error)) from None
    except NotAllowed as error:
        raise Problem(403, str(error)) from None
    except DeviceError as error:
        raise Problem(503, f"Camera {camera_id} cannot be shown live: {error}") from None
    watching.began(session.id, found, camera_id, session.etag)
    return Response(session.answer, 201, headers=_headers(camera_id, session), media_type=_SDP)


@router.options("/cameras/{camera_id}/whep", status_code=204, response_class=Response)
async def offers(camera_id: CameraId, found: Reader) -> Response:
    """What is accepted, in `Accept-Post`."""
    return Response(status_code=204, headers={"Accept-Post": _SDP, "Allow": "OPTIONS, POST"})


@router.patch(
    "/cameras/{camera_id}/whep/{session_id}",
    status_code=204,
    response_class=Response,
    responses=_NO_VIEW,
    openapi_extra={"requestBody": _FRAGMENT},
)
async def add_candidates(
    camera_id: CameraId,
    session_id: SessionId,
    request: Request,
    found: Reader,
    house: House,
    if_match: Annotated[str | None, Header(max_length=200)] = None,
) -> Response:
    """More ICE candidates (RFC 8840 §9). They are not needed: the answer holds all of ours."""
    live, watching = _served(house)
    fragment = await _body(request, _CANDIDATES)
    view = _view(watching, session_id, found, camera_id)
    if if_match not in (None, "*", _quoted(view.etag)):
        raise Problem(412, "This is not the ICE session of the view; a new one needs a new view.")
    if view.ended or not await live.trickle(session_id, fragment):
        view.ended = True
        raise Problem(404, "This live view has ended.")
    return Response(status_code=204)


@router.delete("/cameras/{camera_id}/whep/{session_id}", response_class=Response, responses=_NO_VIEW)
async def leave(camera_id: CameraId, session_id: SessionId, found: Reader, house: House) -> Response:
    """End the view; also where it has ended by itself."""
    _, watching = _served(house)
    await watching.end(_view(watching, session_id, found, camera_id))
    return Response(status_code=200)


def _served(house: Services) -> tuple[LiveService, Watching]:
    if house.live is None or house.watching is None:
        raise Problem(503, "This node shows no live views.")
    return house.live, house.watching


def _view(watching: Watching, session_id: str, found: Caller, camera_id: str) -> View:
    view = watching.view(session_id, found, camera_id)
    if view is None:
        raise Problem(404, "There is no such live view of yours.")
    return view


async def _source(house: Services, camera_id: str, stream: str, found: Caller, reason: str) -> FeedSource:
    """Of a lower node once it comes. Raises DeviceError | NotAllowed."""
    below = split(camera_id)
    if below is None:
        return OwnFeed(camera_id, stream)
    if house.uplinks is None:
        raise DeviceError("this node has no way to the nodes below it")
    return LowerFeed(await house.uplinks.ask(*below, stream, found.principal.name, reason))


async def _body(request: Request, wanted: str) -> str:
    """Raises Problem 415 or 400."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != wanted:
        raise Problem(415, f"{wanted} is accepted here.", headers={"Accept-Post": _SDP})
    try:
        return (await request.body()).decode()
    except UnicodeDecodeError:
        raise Problem(400, "The body is not UTF-8.") from None


def _headers(camera_id: str, session: LiveSession) -> dict[str, str]:
    return {
        "Location": f"{API}/cameras/{quote(camera_id, safe='')}/whep/{quote(session.id, safe='')}",
        "ETag": _quoted(session.etag),
        "Accept-Patch": _CANDIDATES,
        "Live-Start": session.start,
        "Live-Codec": session.codec,
    }


def _quoted(etag: str) -> str:
    return etag if etag.startswith('"') else f'"{etag}"'
