"""Terminals: the households' buttons and TVs."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Response
from starlette.responses import JSONResponse

from gateway.console.api import schemas
from gateway.console.api.paging import Cursor, Limit, page, page_by_id
from gateway.console.auth import Configurer, Reader, covers
from gateway.console.problems import Problem
from gateway.console.services import House
from gateway.console.views import API, terminal_json

router = APIRouter(prefix=API, tags=["terminals"])

_NO_TERMINAL: dict[int | str, dict[str, Any]] = {404: {"model": schemas.Problem, "description": "it is not here"}}
TerminalId = Annotated[str, Path(min_length=1, max_length=130)]


@router.get("/terminals", response_model=schemas.Page[schemas.Terminal])
async def terminals(found: Reader, house: House, cursor: Cursor = None, limit: Limit = 50) -> Response:
    """In the order of ids."""
    inventory = house.inventory
    visible = [each for each in inventory.terminals() if covers(found.principal, each.place.area_code)]
    shown, following = page_by_id(visible, lambda terminal: terminal.id, cursor, limit)
    return JSONResponse(page([terminal_json(each, inventory.presence(each.id)) for each in shown], following))


@router.get("/terminals/{terminal_id}", response_model=schemas.Terminal, responses=_NO_TERMINAL)
async def terminal(terminal_id: TerminalId, found: Reader, house: House) -> Response:
    wanted = house.inventory.terminal(terminal_id)
    if wanted is None or not covers(found.principal, wanted.place.area_code):
        raise Problem(404, f"There is no terminal {terminal_id} here.")
    return JSONResponse(terminal_json(wanted, house.inventory.presence(terminal_id)))


@router.post("/terminals", status_code=501, include_in_schema=False)
@router.patch("/terminals/{terminal_id}", status_code=501, include_in_schema=False)
@router.delete("/terminals/{terminal_id}", status_code=501, include_in_schema=False)
async def change_terminal(found: Configurer) -> Response:
    raise Problem(501, "Terminals are changed in the configuration; changing them here comes with the register.")
