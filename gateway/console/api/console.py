"""What the console's pages are told of the configuration: the map, and what to do by kind of alert."""

from typing import Literal

from fastapi import APIRouter, Response
from starlette.responses import JSONResponse

from gateway import __version__
from gateway.console.api import schemas
from gateway.console.auth import Reader
from gateway.console.services import House
from gateway.console.views import API
from gateway.model import Kind

router = APIRouter(prefix=API, tags=["node"])


class MapFace(schemas.Shape):
    """`tiles` null: a plain grid. `crs`: what the tiles are drawn in. `center`: longitude and latitude, WGS 84."""

    tiles: str | None
    attribution: str
    max_zoom: int
    crs: Literal["wgs84", "gcj02"]
    center: tuple[float, float] | None
    zoom: int


class ConsoleFace(schemas.Shape):
    """`instructions`: by kind of alert, beside what a household says itself."""

    map: MapFace
    instructions: dict[Kind, str]
    version: str


@router.get("/console", response_model=ConsoleFace)
async def console(found: Reader, house: House) -> Response:
    settings = house.settings
    instructions = {kind.value: text for kind, text in settings.instructions.items()}
    shown = {"map": settings.map.model_dump(mode="json"), "instructions": instructions, "version": __version__}
    return JSONResponse(shown)
