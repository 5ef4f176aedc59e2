"""Cameras: their state, and a look through one for a stated reason."""

import asyncio
from datetime import timedelta
from email.utils import format_datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from starlette.responses import JSONResponse

from gateway.console.api import schemas
from gateway.console.api.description import answers
from gateway.console.api.paging import Cursor, Limit, page, page_by_id
from gateway.console.auth import Caller, Configurer, Reader, covers
from gateway.console.problems import Problem
from gateway.console.services import House, Services
from gateway.console.views import API, camera_json
from gateway.errors import DeviceError
from gateway.model import Camera, CameraHealth, Keyframe, Picture, Scene, Workflow
from gateway.ports import AlertFilter, VideoService
from gateway.ports import Reader as LedgerReader

router = APIRouter(prefix=API, tags=["cameras"])

_NO_CAMERA: dict[int | str, dict[str, Any]] = {404: {"model": schemas.Problem, "description": "it is not here"}}
CameraId = Annotated[str, Path(min_length=1, max_length=130)]
_PICTURE_WIDTH = 1280
_PICTURE_S = 10.0
_OLDEST_S = 60.0  # an older keyframe shows what was, not what is
_OPEN = tuple(state for state in Workflow if state not in (Workflow.CLOSED, Workflow.CANCELLED))


@router.get("/cameras", response_model=schemas.Page[schemas.Camera])
async def cameras(found: Reader, house: House, cursor: Cursor = None, limit: Limit = 50) -> Response:
    """In the order of ids."""
    visible = [camera for camera in house.inventory.cameras() if covers(found.principal, camera.place.area_code)]
    shown, following = page_by_id(visible, lambda camera: camera.id, cursor, limit)
    return JSONResponse(page([camera_json(camera, _health(house, camera)) for camera in shown], following))


@router.get("/cameras/{camera_id}", response_model=schemas.Camera, responses=_NO_CAMERA)
async def camera(camera_id: CameraId, found: Reader, house: House) -> Response:
    wanted = _visible(house, camera_id, found)
    return JSONResponse(camera_json(wanted, _health(house, wanted)))


@router.get(
    "/cameras/{camera_id}/snapshot.jpg",
    response_class=Response,
    responses={**_NO_CAMERA, 200: answers("image/jpeg", "the picture")},
)
async def picture(
    camera_id: CameraId,
    found: Reader,
    house: House,
    reason: Annotated[str, Query(min_length=1, max_length=500, description="why you look; it is audited")],
) -> Response:
    """The newest keyframe. 403 for a household's camera without an open alert of that household."""
    if not reason.strip():
        raise Problem(422, "query.reason: say why you look; it is audited")
    wanted = _visible(house, camera_id, found)
    if wanted.scene is Scene.HOUSEHOLD and not await _alarm_opens(house, wanted):
        raise Problem(403, "A household's camera opens only while an alert of that household is open.")
    if house.video is None:
        raise Problem(503, "This node watches no cameras.")
    await house.audit(found.principal, "view_camera", f"cameras/{camera_id}", reason=reason.strip())
    try:
        async with asyncio.timeout(_PICTURE_S):
            keyframe, taken = await _newest(house, house.video, wanted)
    except TimeoutError:
        raise Problem(504, f"The picture of camera {camera_id} did not come in {_PICTURE_S:.0f} s.") from None
    except DeviceError as error:
        raise Problem(503, f"There is no picture of camera {camera_id}: {error}") from None
    at = house.clock.now() - timedelta(seconds=_age(house, keyframe))
    return Response(taken.jpeg, media_type="image/jpeg", headers={"Last-Modified": format_datetime(at, usegmt=True)})


@router.post("/cameras", status_code=501, include_in_schema=False)
@router.patch("/cameras/{camera_id}", status_code=501, include_in_schema=False)
@router.delete("/cameras/{camera_id}", status_code=501, include_in_schema=False)
async def change_camera(found: Configurer) -> Response:
    raise Problem(501, "Cameras are changed in the configuration; changing them here comes with the register.")


def _visible(house: Services, camera_id: str, found: Caller) -> Camera:
    wanted = house.inventory.camera(camera_id)
    if wanted is None or not covers(found.principal, wanted.place.area_code):
        raise Problem(404, f"There is no camera {camera_id} here.")
    return wanted


def _health(house: Services, camera: Camera) -> CameraHealth | None:
    return None if house.video is None else house.video.health(camera.id)


async def _newest(house: Services, video: VideoService, camera: Camera) -> tuple[Keyframe, Picture]:
    keyframes = await video.keyframes(camera.id)
    if not keyframes:
        raise DeviceError("no keyframe has come yet.")
    newest = keyframes[-1]
    age = _age(house, newest)
    if age > _OLDEST_S:
        raise DeviceError(f"its newest one is {age:.0f} s old.")
    return newest, await video.picture(camera.id, newest.id, _PICTURE_WIDTH)


def _age(house: Services, keyframe: Keyframe) -> float:
    return max(0.0, house.clock.mono() - keyframe.received_mono)


async def _alarm_opens(house: Services, camera: Camera) -> bool:
    """Whether an open alert of the camera's own household links it."""
    households = [terminal.id for terminal in house.inventory.terminals() if camera.id in terminal.cameras]
    return await house.ledger.read(lambda reader: any(_linked(reader, camera.id, each) for each in households))


def _linked(reader: LedgerReader, camera_id: str, terminal_id: str) -> bool:
    cursor: str | None = None
    while True:
        alerts, cursor = reader.alerts(AlertFilter(workflow=_OPEN, q=terminal_id), cursor, 100)
        for stored in alerts:
            alert = stored.alert
            own = alert.source.type == "terminal" and alert.source.id == terminal_id
            if own and any(linked.id == camera_id for linked in alert.cameras):
                return True
        if cursor is None:
            return False
