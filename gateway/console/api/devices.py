"""Cameras as ONVIF devices: what they are, whether they tell us of events, and turning those that can be turned."""

import asyncio
from collections.abc import Awaitable
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.responses import JSONResponse

from gateway.codec import optional_time
from gateway.console.api import schemas
from gateway.console.api.access import require_open, visible_camera
from gateway.console.api.paging import Cursor, Limit, page, page_by_id
from gateway.console.auth import Actor, Caller, Reader, covers
from gateway.console.problems import Problem
from gateway.console.services import House, Services
from gateway.console.views import API
from gateway.errors import DeviceError
from gateway.model import Camera, DeviceHealth, DeviceInformation, EventsState, PtzMove, rfc3339
from gateway.ports import DeviceService

router = APIRouter(prefix=API, tags=["cameras"])

T = TypeVar("T")
CameraId = Annotated[str, Path(min_length=1, max_length=130)]
Speed = Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)]
_NOT_THERE: dict[int | str, dict[str, Any]] = {404: {"model": schemas.Problem, "description": "it is not here"}}
_NOT_ONVIF: dict[int | str, dict[str, Any]] = {
    **_NOT_THERE,
    409: {"model": schemas.Problem, "description": "it cannot be turned"},
    504: {"model": schemas.Problem, "description": "it did not answer in time"},
}
_DEVICE_S = 10.0
_LONGEST_MOVE_S = 10.0  # a console that loses its link while a button is held must not leave a dome spinning


class Clock(schemas.Shape):
    """The device's clock minus ours, in seconds, and how far that may be wrong."""

    offset_s: float
    uncertainty_s: float
    measured_at: datetime


class Device(schemas.Shape):
    """`vendor` to `hardware` are the device's own words; `armed`: whether what it notices may be an alert now."""

    id: str
    events: EventsState
    reason: str | None
    vendor: str
    model: str
    firmware: str
    serial: str
    hardware: str
    clock: Clock | None
    last_event_at: datetime | None
    has_ptz: bool
    armed: bool
    faults: list[str]


class Preset(schemas.Shape):
    token: str
    name: str


class PtzOrder(BaseModel):
    """One of three: `preset` (token or name), a move (`pan`, `tilt`, `zoom`, each a speed from -1 to 1, for `seconds`), or
    `stop`."""

    model_config = ConfigDict(extra="forbid")

    preset: str | None = Field(None, min_length=1, max_length=64)
    pan: Speed | None = None
    tilt: Speed | None = None
    zoom: Speed | None = None
    seconds: float = Field(1.0, gt=0, le=_LONGEST_MOVE_S)
    stop: Literal[True] | None = None

    @model_validator(mode="after")
    def _one(self) -> "PtzOrder":
        if sum((self.preset is not None, self._moves(), self.stop is not None)) != 1:
            raise ValueError("say one of preset, stop, and a move by pan, tilt or zoom")
        return self

    def _moves(self) -> bool:
        return not (self.pan is self.tilt is self.zoom is None)

    def move(self) -> PtzMove:
        return PtzMove(self.pan or 0.0, self.tilt or 0.0, self.zoom or 0.0, self.seconds)

    def words(self) -> str:
        """For the audit."""
        if self.stop:
            return "stop"
        if self.preset is not None:
            return f"preset {self.preset}"
        move = self.move()
        return f"pan {move.pan:g}, tilt {move.tilt:g}, zoom {move.zoom:g} for {move.seconds:g} s"


@router.get("/devices", response_model=schemas.Page[Device])
async def devices(found: Reader, house: House, cursor: Cursor = None, limit: Limit = 50) -> Response:
    """Every camera with an ONVIF address, in the order of ids."""
    visible = [
        camera
        for camera in house.inventory.cameras()
        if camera.onvif is not None and covers(found.principal, camera.place.area_code)
    ]
    shown, following = page_by_id(visible, lambda camera: camera.id, cursor, limit)
    return JSONResponse(page([_device_json(house, camera) for camera in shown], following))


@router.get("/cameras/{camera_id}/device", response_model=Device, responses=_NOT_THERE)
async def device(camera_id: CameraId, found: Reader, house: House) -> Response:
    return JSONResponse(_device_json(house, visible_camera(house, camera_id, found)))


@router.get("/cameras/{camera_id}/presets", response_model=schemas.Page[Preset], responses=_NOT_ONVIF)
async def presets(camera_id: CameraId, found: Actor, house: House) -> Response:
    """The camera's PTZ presets, asked of it now."""
    camera, turning, _ = await _turnable(house, camera_id, found)
    known = await _within(camera, turning.presets(camera.id))
    return JSONResponse(page([{"token": each.token, "name": each.name} for each in known], None))


@router.post("/cameras/{camera_id}/ptz", status_code=204, response_class=Response, responses=_NOT_ONVIF)
async def ptz(camera_id: CameraId, wanted: PtzOrder, found: Actor, house: House) -> Response:
    """Turn the camera, or stop it; it is audited. 403 for a household's camera without an open alert of that household."""
    camera, turning, consent = await _turnable(house, camera_id, found)
    words = wanted.words() if consent is None else f"{wanted.words()}; {consent}"
    await house.audit(found.principal, "turn_camera", f"cameras/{camera.id}", detail=words)
    if wanted.preset is not None:
        await _within(camera, turning.go_to_preset(camera.id, wanted.preset))
    elif wanted.stop:
        await _within(camera, turning.stop_moving(camera.id))
    else:
        await _within(camera, turning.move(camera.id, wanted.move()))
    return Response(status_code=204)


async def _turnable(house: Services, camera_id: str, found: Caller) -> tuple[Camera, DeviceService, str | None]:
    """Raises Problem 404, 403, 409 or 503."""
    camera = visible_camera(house, camera_id, found)
    consent = await require_open(house, camera)
    if house.devices is None:
        raise Problem(503, "This node watches no cameras.")
    if camera.onvif is None:
        raise Problem(409, f"Camera {camera.id} has no ONVIF address: it cannot be turned from here.")
    return camera, house.devices, consent


async def _within(camera: Camera, asked: Awaitable[T]) -> T:
    """Raises Problem 504 or 503."""
    try:
        async with asyncio.timeout(_DEVICE_S):
            return await asked
    except TimeoutError:
        raise Problem(504, f"Camera {camera.id} did not answer in {_DEVICE_S:.0f} s.") from None
    except DeviceError as error:
        raise Problem(503, f"Camera {camera.id} could not be asked: {error}") from None


def _device_json(house: Services, camera: Camera) -> dict[str, Any]:
    known = None if house.devices is None else house.devices.device(camera.id)
    if known is None and camera.onvif is None:
        known = DeviceHealth(camera.id, EventsState.OFF, "it has no ONVIF address")
    elif known is None:
        known = DeviceHealth(camera.id, EventsState.CONNECTING, "its video worker has not reported yet")
    own, clock = known.information or DeviceInformation(), known.clock
    return {
        "id": camera.id,
        "events": known.events,
        "reason": known.reason,
        "vendor": own.vendor,
        "model": own.model,
        "firmware": own.firmware,
        "serial": own.serial,
        "hardware": own.hardware,
        "clock": clock
        and {
            "offset_s": round(clock.offset_s, 3),
            "uncertainty_s": round(clock.uncertainty_s, 3),
            "measured_at": rfc3339(clock.at),
        },
        "last_event_at": optional_time(known.last_event_at),
        "has_ptz": known.has_ptz,
        "armed": house.arming is None or house.arming.armed(camera, house.clock.now()),
        "faults": list(known.faults),
    }
