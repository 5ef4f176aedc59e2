"""The node itself: its state, its event stream."""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from starlette.responses import JSONResponse

from gateway.console.api import schemas
from gateway.console.api.description import answers
from gateway.console.api.paging import Cursor, Limit, page, page_by_id
from gateway.console.auth import Reader, covers
from gateway.console.services import House, Services
from gateway.console.stream import EventStream
from gateway.console.views import API, camera_state, node_json, own_node_json, terminal_state

router = APIRouter(prefix=API, tags=["node"])


@router.get("/nodes", response_model=schemas.Page[schemas.Node])
async def nodes(found: Reader, house: House, cursor: Cursor = None, limit: Limit = 50) -> Response:
    """This node, then those below it in the order of ids; `parent` tells the tree."""
    shown = [_own(house)]
    for view in house.below.views() if house.below is not None else ():
        whole = covers(found.principal, view.card.area_code)
        if whole or _holds(view.card.area_code, found.principal.areas):
            shown.append(node_json(view, house.newsroom.reload_of(view.card.id), whole=whole))
    # "!" stands before all characters of ids
    items, following = page_by_id(shown, lambda each: "!" if each["own"] else str(each["id"]), cursor, limit)
    return JSONResponse(page(items, following))


def _own(house: Services) -> dict[str, Any]:
    inventory, video = house.inventory, house.video
    cameras = Counter(
        camera_state(each, None if video is None else video.health(each.id)) for each in inventory.cameras()
    )
    terminals = Counter(terminal_state(inventory.presence(each.id)) for each in inventory.terminals())
    return own_node_json(house.node, house.ready(), cameras, terminals)


def _holds(node_area: str | None, areas: Sequence[str]) -> bool:
    """Whether an area of the caller's lies within the node's."""
    return bool(node_area) and any(area.startswith(str(node_area)) for area in areas)


@router.get("/stream", response_class=Response, responses={200: answers("text/event-stream", "events")})
async def stream(
    request: Request,
    found: Reader,
    house: House,
    last_event_id: Annotated[str | None, Header(max_length=64)] = None,
    resume_after: Annotated[str | None, Query(alias="last_event_id", max_length=64)] = None,
) -> Response:
    """Server-sent events: `alert` (with an id to resume from), `camera`, `terminal`, `node`, `ping`. When a stream begins
    it tells the state of every device of this node and of every lower node; lower nodes' devices only as they change, and
    of a node where very many change at once only `node` with a higher `reload`."""

    def still() -> bool:
        if house.watching is not None:
            house.watching.present()
        return house.gatekeeper.still(found)

    still()
    return EventStream(house.newsroom, found, _position(last_event_id or resume_after), still)


def _position(given: str | None) -> int | None:
    """An id that is none of ours starts the stream afresh: a browser could not mend it."""
    return int(given) if given is not None and given.isascii() and given.isdigit() and len(given) < 19 else None
