"""Writing households and their terminals down, changing, replacing and removing them; what is written is put in force at once."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse

from gateway.console.api import schemas
from gateway.console.api.linking import Linking
from gateway.console.api.writing import writing
from gateway.console.auth import Caller, Configurer, covers
from gateway.console.households import AlreadyHere, Households
from gateway.console.problems import Problem, sentence
from gateway.console.registrar import Noted
from gateway.console.services import House, Services
from gateway.console.views import API, terminal_json
from gateway.model import Terminal
from gateway.values import AreaCode, Identifier

router = APIRouter(prefix=API, tags=["terminals"])

TerminalId = Annotated[str, Path(min_length=1, max_length=130)]
_NO_TERMINAL: dict[int | str, dict[str, Any]] = {404: {"model": schemas.Problem, "description": "it is not here"}}
_TAKEN: dict[int | str, dict[str, Any]] = {
    409: {"model": schemas.Problem, "description": "there is one of this id, or the file cannot take the change"}
}
Text = Annotated[str, Field(max_length=256)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class HouseholdOrder(_Body):
    """`instructions`: what whoever answers its alarm has to know."""

    name: Text | None = None
    phone: Annotated[str, Field(max_length=64)] | None = None
    address: Text | None = None
    instructions: Annotated[str, Field(max_length=500)] | None = None


class SpotOrder(_Body):
    """WGS 84 degrees."""

    lon: float | None = Field(None, ge=-180, le=180)
    lat: float | None = Field(None, ge=-90, le=90)
    address: Text | None = None
    area_code: AreaCode | None = None


class TerminalChange(_Body):
    """What is left out stays; null takes it away. `presets`: of each camera the one that shows this household. `model`:
    what kind of device it is, which decides when its silence is a fault."""

    household: HouseholdOrder | None = None
    place: SpotOrder | None = None
    cameras: Annotated[list[Identifier], Field(max_length=16)] | None = None
    neighbours: Annotated[list[Identifier], Field(max_length=64)] | None = None
    presets: Annotated[dict[Identifier, Annotated[str, Field(max_length=64)] | None], Field(max_length=16)] | None = (
        None
    )
    model: Annotated[str, Field(max_length=64)] | None = None


class NewTerminal(TerminalChange):
    id: Identifier


class Replacement(_Body):
    """The id of the new box."""

    id: Identifier


@router.post("/terminals", status_code=201, response_model=schemas.Terminal, responses=_TAKEN)
async def add_terminal(wanted: NewTerminal, found: Configurer, house: House) -> Response:
    """Write a household's terminal down."""
    households = _households(house)
    _require_area(found, None if wanted.place is None else wanted.place.area_code)
    record = wanted.model_dump(exclude_none=True, mode="json")
    _require_linkable(house, found, record, None)
    await _told(lambda: households.add(record, _noted(found, house)))
    return JSONResponse(_json(house, wanted.id), 201)


@router.patch("/terminals/{terminal_id}", response_model=schemas.Terminal, responses={**_NO_TERMINAL, **_TAKEN})
async def change_terminal(terminal_id: TerminalId, wanted: TerminalChange, found: Configurer, house: House) -> Response:
    """The terminal as it stands after the change."""
    households = _households(house)
    stands = _visible(house, terminal_id, found)
    said = wanted.model_fields_set
    if "place" in said and (wanted.place is None or "area_code" in wanted.place.model_fields_set):
        _require_area(found, None if wanted.place is None else wanted.place.area_code)
    patch = wanted.model_dump(exclude_unset=True, mode="json")
    _require_linkable(house, found, patch, stands)
    await _told(lambda: households.change(terminal_id, patch, _noted(found, house)))
    return JSONResponse(_json(house, terminal_id))


@router.delete("/terminals/{terminal_id}", status_code=204, responses={**_NO_TERMINAL, **_TAKEN})
async def remove_terminal(terminal_id: TerminalId, found: Configurer, house: House) -> Response:
    """Take the terminal out of the register; neighbours name it no more. Its alerts stay."""
    households = _households(house)
    _visible(house, terminal_id, found)
    await _told(lambda: households.remove(terminal_id, _noted(found, house)))
    return Response(status_code=204)


@router.post(
    "/terminals/{terminal_id}/replacement",
    status_code=201,
    response_model=schemas.Terminal,
    responses={**_NO_TERMINAL, **_TAKEN},
)
async def replace_terminal(terminal_id: TerminalId, wanted: Replacement, found: Configurer, house: House) -> Response:
    """Another box in the same household: household, cameras and neighbours go to the new id, the history stays."""
    households = _households(house)
    _visible(house, terminal_id, found)
    await _told(lambda: households.replace(terminal_id, wanted.id, _noted(found, house)))
    return JSONResponse(_json(house, wanted.id), 201)


async def _told(work: Callable[[], Awaitable[None]]) -> None:
    """Every way in which it can fail, as the problem that it is."""
    with writing():
        try:
            await work()
        except KeyError:
            raise Problem(404, "This terminal does not stand in the configuration any more.") from None
        except AlreadyHere as error:
            raise Problem(409, sentence(error)) from None


def _households(house: Services) -> Households:
    if house.households is None:
        raise Problem(503, "This node has no configuration file to write terminals into.")
    return house.households


def _visible(house: Services, terminal_id: str, found: Caller) -> Terminal:
    """Raises Problem 404, the same for a terminal that is not there and for one of somebody else's area."""
    wanted = house.inventory.terminal(terminal_id)
    if wanted is None or not covers(found.principal, wanted.place.area_code):
        raise Problem(404, f"There is no terminal {terminal_id} here.")
    return wanted


def _require_area(found: Caller, area_code: str | None) -> None:
    if not covers(found.principal, area_code):
        areas = ", ".join(found.principal.areas)
        raise Problem(403, f"Your areas are {areas}: say place.area_code within them.")


def _require_linkable(house: Services, found: Caller, said: dict[str, Any], stands: Terminal | None) -> None:
    """Raises Problem 409 for a camera that is not there, or not within the caller's areas; 403 for a household's."""
    linking = Linking(found, house.inventory.cameras())
    before = None if stands is None else {"cameras": stands.cameras, "presets": stands.presets}
    if (fault := linking.absent(said, before)) is not None:
        raise Problem(409, "The configuration would have faults; nothing was written.", faults=[fault])
    if (fault := linking.opens_a_home(said, before)) is not None:
        raise Problem(403, f"{fault.capitalize()}.")


def _noted(found: Caller, house: Services) -> Noted:
    async def note(action: str, object_: str, detail: str | None) -> None:
        await house.audit(found.principal, action, object_, detail=detail)

    return note


def _json(house: Services, terminal_id: str) -> dict[str, Any]:
    terminal = house.inventory.terminal(terminal_id)
    if terminal is None:
        raise Problem(409, f"Terminal {terminal_id} is written, but not in force yet.")
    return terminal_json(terminal, house.inventory.presence(terminal_id))
