"""Finding cameras, writing them down, changing and removing them. What is written is put in force at once."""

import hashlib
import json
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Path, Response
from starlette.responses import JSONResponse

from gateway.address_ranges import parse_range
from gateway.console.api import schemas
from gateway.console.api.access import visible_camera
from gateway.console.api.enrolment_orders import CameraChange, NewCamera, SearchOrder
from gateway.console.api.paging import page
from gateway.console.api.repeats import Key, answered, remembered, scoped
from gateway.console.api.writing import writing
from gateway.console.auth import Caller, Configurer, covers
from gateway.console.problems import Problem, sentence
from gateway.console.registrar import (
    AlreadyEnrolled,
    ChannelsToChoose,
    Discovered,
    Enrolment,
    Noted,
    Registrar,
    SearchUnderWay,
)
from gateway.console.services import House, Services
from gateway.console.views import API, camera_json
from gateway.errors import DeviceError, UsageError
from gateway.model import Scene

router = APIRouter(prefix=API, tags=["cameras"])

CameraId = Annotated[str, Path(min_length=1, max_length=130)]
_MOST_ASKED = 4096  # addresses: more than that are asked from the command line, which shows progress
_NO_CAMERA: dict[int | str, dict[str, Any]] = {404: {"model": schemas.Problem, "description": "it is not here"}}


@router.post("/discovery", response_model=schemas.Page[schemas.FoundDevice])
async def discover(found: Configurer, house: House, order: SearchOrder = SearchOrder()) -> Response:
    """Search the network for ONVIF devices. Those that are cameras already name them."""
    registrar = _registrar(house)
    if sum(len(parse_range(each)) for each in order.ranges) > _MOST_ASKED:
        raise Problem(422, f"body.ranges: at most {_MOST_ASKED} addresses are asked here; gateway discover takes more.")
    await house.audit(found.principal, "discover", f"nodes/{house.node.id}", detail=", ".join(order.ranges) or None)
    try:
        devices = await registrar.discover(order.timeout, order.ranges)
    except SearchUnderWay as error:
        raise Problem(409, sentence(error)) from None
    except UsageError as error:
        raise Problem(422, sentence(error)) from None
    return JSONResponse(page([_device_json(each, house, found) for each in devices], None))


@router.post(
    "/cameras",
    status_code=201,
    response_model=schemas.Camera | schemas.Page[schemas.Camera],
    responses={409: {"model": schemas.Enrolled, "description": "the device or the id is enrolled already"}},
)
async def enrol(
    wanted: NewCamera,
    found: Configurer,
    house: House,
    idempotency_key: Key = None,
) -> Response:
    """Ask the device, write the camera down and watch it, in one step; a wrong password is tried once. With `channels` the
    answer is a list."""
    registrar = _registrar(house)
    _require_area(found, None if wanted.place is None else wanted.place.area_code)
    if wanted.consent is not None:
        _require_admin(found, "A household's consent is recorded")
    key = scoped(found, "cameras", idempotency_key)
    request = hashlib.sha256(wanted.model_dump_json(exclude={"onvif": {"password"}, "rtsp": {"password"}}).encode())
    digest = request.hexdigest()
    before = await answered(house, key, digest)
    if before is not None:
        return _created(before)
    record = _record(wanted.model_dump(exclude={"inspect", "channels"}, exclude_none=True, mode="json"), wanted)
    order = Enrolment(record, wanted.inspect, wanted.channels == "all")
    try:
        ids = await _told(lambda: registrar.enrol(order, _noted(found, house)))
    except Problem as problem:
        # The same request may have been under way: what it did is then the answer to this one.
        if problem.status == 409 and (before := await answered(house, key, digest)) is not None:
            return _created(before)
        raise
    cameras = [_json(house, each) for each in ids]
    answer = json.dumps(page(cameras, None) if wanted.channels == "all" else cameras[0], ensure_ascii=False)
    if key is not None:
        kept = remembered(digest, answer)
        await house.ledger.write(lambda tx: tx.remember_answer(key, kept))
    return _created(answer)


@router.patch(
    "/cameras/{camera_id}",
    response_model=schemas.Camera,
    responses={**_NO_CAMERA, 409: {"model": schemas.Problem, "description": "the file cannot take the change"}},
)
async def change(camera_id: CameraId, wanted: CameraChange, found: Configurer, house: House) -> Response:
    """The camera as it stands after the change."""
    registrar = _registrar(house)
    before = visible_camera(house, camera_id, found)
    if before.scene is Scene.HOUSEHOLD and "scene" in wanted.model_fields_set and wanted.scene is not before.scene:
        _require_admin(found, "A household's camera is given another scene")
    if wanted.consent is not None:
        _require_admin(found, "A household's consent is recorded")
    if wanted.place is not None and "area_code" in wanted.place.model_fields_set:
        _require_area(found, wanted.place.area_code)
    patch = _record(wanted.model_dump(exclude_unset=True, mode="json"), wanted)
    await _told(lambda: registrar.change(camera_id, patch, _noted(found, house)))
    return JSONResponse(_json(house, camera_id))


@router.delete(
    "/cameras/{camera_id}",
    status_code=204,
    responses={**_NO_CAMERA, 409: {"model": schemas.Problem, "description": "a terminal still names it"}},
)
async def remove(camera_id: CameraId, found: Configurer, house: House) -> Response:
    """Take the camera out of the configuration. Its alerts and pictures stay."""
    registrar = _registrar(house)
    visible_camera(house, camera_id, found)
    await _told(lambda: registrar.remove(camera_id, _noted(found, house)))
    return Response(status_code=204)


async def _told(work: Callable[[], Awaitable[Any]]) -> Any:
    """Every way in which it can fail, as the problem that it is."""
    with writing():
        try:
            return await work()
        except KeyError:
            raise Problem(404, "This camera does not stand in the configuration any more.") from None
        except AlreadyEnrolled as error:
            raise Problem(409, sentence(error), cameras=list(error.cameras)) from None
        except ChannelsToChoose as error:
            channels = [{"source": source, "name": name} for source, name in error.channels]
            raise Problem(422, sentence(error), channels=channels) from None
        except DeviceError as error:
            raise Problem(422, sentence(error)) from None


def _registrar(house: Services) -> Registrar:
    if house.registrar is None:
        raise Problem(503, "This node has no configuration file to write cameras into.")
    return house.registrar


def _noted(found: Caller, house: Services) -> Noted:
    async def note(action: str, object_: str, detail: str | None) -> None:
        await house.audit(found.principal, action, object_, detail=detail)

    return note


def _require_area(found: Caller, area_code: str | None) -> None:
    if not covers(found.principal, area_code):
        areas = ", ".join(found.principal.areas)
        raise Problem(403, f"Your areas are {areas}: say place.area_code within them.")


def _require_admin(found: Caller, what: str) -> None:
    """Whoever could call a household's camera one of the street, or say that the household agreed, could look into the
    home at any time."""
    if found.principal.role != "admin":
        raise Problem(403, f"{what} by an administrator alone.")


def _record(dumped: dict[str, Any], wanted: NewCamera | CameraChange) -> dict[str, Any]:
    """As the camera file has it, with the passwords that pydantic hides."""
    for room in ("onvif", "rtsp", "credential"):
        given = getattr(wanted, room, None)
        if given is not None and given.password is not None:
            dumped[room]["password"] = given.password.get_secret_value()
    if wanted.consent is not None:  # taken as a whole: a former one's end must not stay
        dumped["consent"] = wanted.consent.model_dump(mode="json")
    return dumped


def _json(house: Services, camera_id: str) -> dict[str, Any]:
    camera = house.inventory.camera(camera_id)
    if camera is None:
        raise Problem(409, f"Camera {camera_id} is written, but not in force yet.")
    return camera_json(camera, None if house.video is None else house.video.health(camera_id))


def _device_json(device: Discovered, house: Services, found: Caller) -> dict[str, Any]:
    own = (house.inventory.camera(name) for name in device.cameras)
    return {
        "identity": device.identity or None,
        "host": device.host,
        "port": device.port,
        "tls": device.tls,
        "name": device.name or None,
        "hardware": device.hardware or None,
        "location": device.location or None,
        "scopes": list(device.scopes),
        "xaddrs": list(device.xaddrs),
        "cameras": [each.id for each in own if each is not None and covers(found.principal, each.place.area_code)],
    }


def _created(answer: str) -> Response:
    return Response(answer, status_code=201, media_type="application/json")
