"""Terminals: the households' buttons and TVs."""

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Response
from starlette.responses import JSONResponse

from gateway.console import below
from gateway.console.api import schemas
from gateway.console.api.moments import AskedMoment
from gateway.console.api.paging import Cursor, Limit, after_cursor, page, page_of_rows
from gateway.console.auth import Caller, Reader, covers, may_call
from gateway.console.below import Wanted
from gateway.console.inventory import PresenceView
from gateway.console.problems import Problem
from gateway.console.services import House
from gateway.console.views import API, terminal_json, terminal_state, without_phone
from gateway.model import Terminal

router = APIRouter(prefix=API, tags=["terminals"])

_NO_TERMINAL: dict[int | str, dict[str, Any]] = {404: {"model": schemas.Problem, "description": "it is not here"}}
_NEVER = datetime.min.replace(tzinfo=UTC)
_PHONE = re.compile(r"phone|电话|手机|联系方式|(?<!\d)1\d{10}(?!\d)|(?<!\d)0\d{2,3}-?\d{7,8}(?!\d)")
_BITE = 500  # rows looked at before others have a turn
TerminalId = Annotated[str, Path(min_length=1, max_length=130)]


@router.get("/terminals", response_model=schemas.Page[schemas.Terminal])
async def terminals(
    found: Reader,
    house: House,
    node: Annotated[str | None, Query(max_length=64, description="of this node only; one below is listed too")] = None,
    state: Literal["online", "offline", "unknown"] | None = None,
    area: Annotated[str | None, Query(pattern=r"^\d{2,12}$", description="beginning of the area code")] = None,
    q: Annotated[str | None, Query(min_length=1, max_length=128, description="in id, name, phone or address")] = None,
    untested_since: Annotated[
        AskedMoment | None, Query(description="without a test press since then; of this node's own alone")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """In the order of ids; those of lower nodes as `node:id`. Telephone numbers are shown to those who call back."""
    sought = Sought(area, None if q is None else q.casefold(), untested_since, may_call(found.principal), state)
    fitting = await _fitting(house, sought, Wanted(found.principal, node, state), after_cursor(cursor), limit + 1)
    shown, following = page_of_rows(fitting, lambda row: row.id, limit)
    return JSONResponse(page([_shown(row.render(), found) for row in shown], following))


async def _fitting(house: House, sought: "Sought", wanted: Wanted, after: str, limit: int) -> list[below.Listed]:
    """The first that fit. A search may have to look at every lower node's terminals: between two bites others have a turn,
    and it goes on behind the last one looked at."""
    fitting: list[below.Listed] = []
    while True:
        bite = list(islice(_rows(house, sought, wanted, after), _BITE))
        fitting += (row for row in bite if ":" not in row.id or sought.fits_below(row))
        if len(bite) < _BITE or len(fitting) >= limit:
            return fitting[:limit]
        after = bite[-1].id
        await asyncio.sleep(0)


def _rows(house: House, sought: "Sought", wanted: Wanted, after: str) -> Iterator[below.Listed]:
    """Those of this node that fit and all of lower nodes', in the order of ids."""
    inventory = house.inventory
    known = ((each, inventory.presence(each.id)) for each in inventory.terminals_by_id(after))
    own = (_row(each, presence) for each, presence in known if sought.fits(each, presence))
    return below.terminals(house.below, own, wanted, after)


@dataclass(frozen=True, slots=True)
class Sought:
    """``q``: casefolded. ``phones``: whether telephone numbers are looked into."""

    area: str | None
    q: str | None
    untested_since: datetime | None
    phones: bool
    state: str | None = None

    def fits(self, terminal: Terminal, presence: PresenceView) -> bool:
        if self.state is not None and terminal_state(presence) != self.state:
            return False
        if self.area is not None and not (terminal.place.area_code or "").startswith(self.area):
            return False
        if self.untested_since is not None and (presence.last_test or _NEVER) >= self.untested_since:
            return False
        if self.q is None:
            return True
        household = terminal.household
        phone = household.phone if self.phones else None
        return self._said(terminal.id, household.name, household.address, terminal.place.address, phone)

    def fits_below(self, row: below.Listed) -> bool:
        """What a lower node told of; it does not tell of tests."""
        if self.untested_since is not None or (
            self.area is not None and not (row.area_code or "").startswith(self.area)
        ):
            return False
        if self.q is None:
            return True
        shown = row.render()
        household = shown["household"]
        phone = household["phone"] if self.phones else None
        return self._said(row.id, household["name"], household["address"], shown["place"]["address"], phone)

    def _said(self, *texts: str | None) -> bool:
        return self.q is not None and any(text is not None and self.q in text.casefold() for text in texts)


def record_of(terminal: Terminal, found: Caller) -> dict[str, str]:
    """Without telephone numbers for those who call nobody back."""
    if may_call(found.principal):
        return dict(terminal.record)
    return {key: text for key, text in terminal.record.items() if not _PHONE.search(key) and not _PHONE.search(text)}


def _shown(terminal: dict[str, Any], found: Caller) -> dict[str, Any]:
    return terminal if may_call(found.principal) else without_phone(terminal)


def _row(terminal: Terminal, presence: PresenceView) -> below.Listed:
    return below.Listed(
        terminal.id, terminal.place.area_code, terminal_state(presence), lambda: terminal_json(terminal, presence)
    )


@router.get("/terminals/{terminal_id}", response_model=schemas.Terminal, responses=_NO_TERMINAL)
async def terminal(terminal_id: TerminalId, found: Reader, house: House) -> Response:
    named = below.split(terminal_id)
    if named is not None and house.below is not None:
        held = house.below.terminal(*named)
        if held is not None and covers(found.principal, held.area_code):
            return JSONResponse(_shown(below.lower_terminal(house.below, named[0], held), found))
    wanted = house.inventory.terminal(terminal_id)
    if wanted is None or not covers(found.principal, wanted.place.area_code):
        raise Problem(404, f"There is no terminal {terminal_id} here.")
    shown = _shown(terminal_json(wanted, house.inventory.presence(terminal_id)), found)
    return JSONResponse({**shown, "record": record_of(wanted, found)})
