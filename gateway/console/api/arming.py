"""Arming and disarming (布防, 撤防): what stands, and setting it for a camera, an area, a scene or the node."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.responses import JSONResponse

from gateway.alerts.arming import Arming, Setting, Zone
from gateway.codec import optional_time
from gateway.console.api import schemas
from gateway.console.api.access import visible_camera
from gateway.console.api.moments import Moment
from gateway.console.auth import Actor, Caller, Reader, covers
from gateway.console.problems import Problem
from gateway.console.services import House, Services
from gateway.console.views import API
from gateway.errors import NotAllowed
from gateway.model import Principal, Scene, rfc3339

router = APIRouter(prefix=API, tags=["arming"])

ZoneType = Literal["node", "scene", "area", "camera"]


class ArmingOrder(BaseModel):
    """What to set. `id`: the camera's id, the beginning of the area code, or the scene; empty for the node. `armed`: null
    takes the setting back, so that wider settings and the schedule speak again."""

    model_config = ConfigDict(extra="forbid")

    type: ZoneType
    id: Annotated[str, Field(max_length=130)] = ""
    armed: bool | None
    reason: str | None = Field(None, max_length=500)
    until: Moment | None = None

    @model_validator(mode="after")
    def _named(self) -> "ArmingOrder":
        if self.type == "node" and self.id:
            raise ValueError("the node needs no id")
        if self.type == "scene" and self.id not in tuple(Scene):
            raise ValueError(f"a scene is one of {', '.join(Scene)}")
        if self.type == "area" and not (self.id.isascii() and self.id.isdigit() and 2 <= len(self.id) <= 12):
            raise ValueError("an area is the beginning of an area code, 2 to 12 digits")
        if self.armed is None and self.until is not None:
            raise ValueError("until belongs to arming or disarming, not to taking it back")
        return self

    @property
    def zone(self) -> Zone:
        return Zone(self.type, self.id)


class ArmingSetting(schemas.Shape):
    """Set by whom, when and why, until another is set or `until`."""

    type: ZoneType
    id: str
    armed: bool
    by: str
    at: datetime
    reason: str | None
    until: datetime | None


class ArmingState(schemas.Page[ArmingSetting]):
    """The settings in force, and the ids of the cameras that are disarmed now, by a setting or by the schedule."""

    disarmed: list[str]


@router.get("/arming", response_model=ArmingState)
async def arming(found: Reader, house: House) -> Response:
    """The narrowest setting speaks: a camera's, else that of the longest area, of the scene, of the node."""
    return JSONResponse(_state(house, _arming(house), found))


@router.put(
    "/arming",
    response_model=ArmingState,
    responses={
        404: {"model": schemas.Problem, "description": "there is no such camera"},
        409: {"model": schemas.Problem, "description": "too many settings stand already"},
    },
)
async def set_arming(wanted: ArmingOrder, found: Actor, house: House) -> Response:
    """Arm or disarm; it is audited. A button on a camera's input, a covered lens and fire are never silenced."""
    kept, at, by = _arming(house), house.clock.now(), found.principal.name
    _require_own(house, wanted.zone, found)
    reason = (wanted.reason or "").strip() or None
    if wanted.until is not None and wanted.until <= at:
        raise Problem(422, "until: a time to come is accepted")
    try:
        if wanted.armed is None:
            await kept.follow_schedule(wanted.zone, by, at, reason)
        else:
            await kept.set(Setting(wanted.zone, wanted.armed, by, at, reason, wanted.until))
    except NotAllowed as error:
        raise Problem(409, f"It was not set: {error}.") from None
    return JSONResponse(_state(house, kept, found))


def _arming(house: Services) -> Arming:
    if house.arming is None:
        raise Problem(503, "This node watches no cameras.")
    return house.arming


def _require_own(house: Services, zone: Zone, found: Caller) -> None:
    """Raises Problem 404 or 403 where it is not the caller's business."""
    if zone.type == "camera":
        visible_camera(house, zone.id, found)
    elif found.principal.areas and not (zone.type == "area" and covers(found.principal, zone.id)):
        raise Problem(403, f"This is wider than your areas ({', '.join(found.principal.areas)}): arm those.")


def _state(house: Services, kept: Arming, found: Caller) -> dict[str, Any]:
    now = house.clock.now()
    cameras = [camera for camera in house.inventory.cameras() if covers(found.principal, camera.place.area_code)]
    own = {camera.id for camera in cameras}
    shown = [_setting_json(each) for each in kept.settings(now) if _concerns(found.principal, each.zone, own)]
    disarmed = sorted(camera.id for camera in cameras if not kept.armed(camera, now))
    return {"items": shown, "next": None, "disarmed": disarmed}


def _concerns(principal: Principal, zone: Zone, own: set[str]) -> bool:
    if zone.type == "camera":
        return zone.id in own or not principal.areas
    wider = any(area.startswith(zone.id) for area in principal.areas)
    return zone.type != "area" or wider or covers(principal, zone.id)


def _setting_json(setting: Setting) -> dict[str, Any]:
    return {
        "type": setting.zone.type,
        "id": setting.zone.id,
        "armed": setting.armed,
        "by": setting.by,
        "at": rfc3339(setting.at),
        "reason": setting.reason,
        "until": optional_time(setting.until),
    }
