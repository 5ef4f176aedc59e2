"""The node itself: its state, its audit, its event stream."""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from starlette.responses import JSONResponse

from gateway.console.api import schemas
from gateway.console.api.description import answers
from gateway.console.api.paging import Cursor, Limit, page, unknown_cursor
from gateway.console.auth import Auditor, Reader
from gateway.console.services import House
from gateway.console.stream import EventStream
from gateway.console.views import API, audit_json

router = APIRouter(prefix=API, tags=["node"])


@router.get("/nodes", response_model=schemas.Page[schemas.Node])
async def nodes(found: Reader, house: House) -> Response:
    """This node."""
    faults = house.ready()
    own = {
        "id": house.node.id,
        "name": house.node.name,
        "level": str(house.node.level),
        "own": True,
        "state": "degraded" if faults else "online",
        "reason": " ".join(faults) or None,
    }
    return JSONResponse(page([own], None))


@router.get("/audit", response_model=schemas.Page[schemas.AuditLine])
async def audit(found: Auditor, house: House, cursor: Cursor = None, limit: Limit = 50) -> Response:
    """Who did or saw what, and why; newest first."""
    try:
        records, following = await house.ledger.read(lambda reader: reader.audit(cursor, limit))
    except ValueError:
        raise unknown_cursor() from None
    return JSONResponse(page([audit_json(record) for record in records], following))


@router.get("/stream", response_class=Response, responses={200: answers("text/event-stream", "events")})
async def stream(
    request: Request,
    found: Reader,
    house: House,
    last_event_id: Annotated[str | None, Header(max_length=64)] = None,
    resume_after: Annotated[str | None, Query(alias="last_event_id", max_length=64)] = None,
) -> Response:
    """Server-sent events: `alert` (with an id to resume from), `camera`, `terminal`, `ping`."""
    return EventStream(
        house.newsroom, found, _position(last_event_id or resume_after), lambda: house.gatekeeper.still(found)
    )


def _position(given: str | None) -> int | None:
    """An id that is none of ours starts the stream afresh: a browser could not mend it."""
    return int(given) if given is not None and given.isascii() and given.isdigit() and len(given) < 19 else None
