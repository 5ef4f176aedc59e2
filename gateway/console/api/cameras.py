"""Cameras: their state, and a look through one for a stated reason."""

import asyncio
from datetime import timedelta
from email.utils import format_datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Response
from starlette.responses import JSONResponse

from gateway.console import below
from gateway.console.api import schemas
from gateway.console.api.access import lower_camera, require_open, visible_camera
from gateway.console.api.description import answers
from gateway.console.api.paging import Cursor, Limit, after_cursor, page, page_of_rows
from gateway.console.auth import Caller, Reader
from gateway.console.below import Wanted
from gateway.console.problems import Problem
from gateway.console.services import House, Services
from gateway.console.views import API, camera_json, camera_state
from gateway.errors import DeviceError, NotAllowed
from gateway.model import Camera, CameraHealth, CameraState, Keyframe, Picture
from gateway.ports import VideoService

router = APIRouter(prefix=API, tags=["cameras"])

_NO_CAMERA: dict[int | str, dict[str, Any]] = {404: {"model": schemas.Problem, "description": "it is not here"}}
CameraId = Annotated[str, Path(min_length=1, max_length=130)]
_PICTURE_WIDTH = 1280
_PICTURE_S = 10.0
_MAIN_WIDTH = 3840
_MAIN_S = 30.0  # to dial the camera and wait for a keyframe of its main stream
_OLDEST_S = 60.0  # an older keyframe shows what was, not what is


@router.get("/cameras", response_model=schemas.Page[schemas.Camera])
async def cameras(
    found: Reader,
    house: House,
    node: Annotated[str | None, Query(max_length=64, description="of this node only; one below is listed too")] = None,
    state: CameraState | None = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """In the order of ids; those of lower nodes as `node:id`."""
    wanted = Wanted(found.principal, node, state)
    own = (_row(camera, _health(house, camera)) for camera in house.inventory.cameras())
    rows = below.cameras(house.below, own, wanted, after_cursor(cursor))
    shown, following = page_of_rows(rows, lambda row: row.id, limit)
    return JSONResponse(page([row.render() for row in shown], following))


def _row(camera: Camera, health: CameraHealth | None) -> below.Listed:
    return below.Listed(
        camera.id, camera.place.area_code, camera_state(camera, health), lambda: camera_json(camera, health)
    )


@router.get("/cameras/{camera_id}", response_model=schemas.Camera, responses=_NO_CAMERA)
async def camera(camera_id: CameraId, found: Reader, house: House) -> Response:
    elsewhere = lower_camera(house, camera_id, found)
    if elsewhere is not None and house.below is not None:
        return JSONResponse(below.lower_camera(house.below, *elsewhere))
    wanted = visible_camera(house, camera_id, found)
    return JSONResponse({**camera_json(wanted, _health(house, wanted)), "record": dict(wanted.record)})


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
    stream: Annotated[
        Literal["sub", "main"], Query(description="main: full size, from the main stream, which is opened for it")
    ] = "sub",
) -> Response:
    """The newest keyframe; of a lower node's camera as that node makes it, from the sub-stream. 403 for a household's camera
    without an open alert of that household, or its consent."""
    if not reason.strip():
        raise Problem(422, "query.reason: say why you look; it is audited")
    lower = lower_camera(house, camera_id, found)
    if lower is not None:
        node, held = lower
        return await _from_below(house, node, held.id, found, reason.strip())
    wanted = visible_camera(house, camera_id, found)
    consent = await require_open(house, wanted)
    if house.video is None:
        raise Problem(503, "This node watches no cameras.")
    # The picture is made while the audit is written; nobody is given it before that is on disk.
    noted = asyncio.create_task(house.look(found, camera_id, reason.strip(), detail=consent))
    try:
        keyframe, taken = await _look(house, house.video, wanted, stream)
    finally:
        await noted
    at = house.clock.now() - timedelta(seconds=_age(house, keyframe))
    return Response(taken.jpeg, media_type="image/jpeg", headers={"Last-Modified": format_datetime(at, usegmt=True)})


async def _from_below(house: Services, node: str, id_: str, found: Caller, reason: str) -> Response:
    """A picture of now, made by the lower node. Raises Problem 503, or 403 where that node keeps the camera closed."""
    if house.uplinks is None:
        raise Problem(503, "This node has no way to the cameras of the nodes below it.")
    await house.look(found, f"{node}:{id_}", reason)
    try:
        jpeg = await house.uplinks.still(node, id_, found.principal.name, reason)
    except NotAllowed as error:
        raise Problem(403, str(error)) from None
    except DeviceError as error:
        raise Problem(503, f"There is no picture of camera {node}:{id_}: {error}") from None
    at = format_datetime(house.clock.now(), usegmt=True)
    return Response(jpeg, media_type="image/jpeg", headers={"Last-Modified": at})


async def _look(house: Services, video: VideoService, camera: Camera, stream: str) -> tuple[Keyframe, Picture]:
    """Raises Problem 504 or 503."""
    within = _MAIN_S if stream == "main" else _PICTURE_S
    try:
        async with asyncio.timeout(within):
            if stream == "main":
                return await video.main_picture(camera.id, _MAIN_WIDTH)
            return await _newest(house, video, camera)
    except TimeoutError:
        raise Problem(504, f"The picture of camera {camera.id} did not come in {within:.0f} s.") from None
    except DeviceError as error:
        raise Problem(503, f"There is no picture of camera {camera.id}: {error}") from None


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
