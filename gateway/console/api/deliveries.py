"""Deliveries: what waits for whom and why, what was refused, each sink's state, and comparing books with upper nodes."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse

from gateway.codec import optional_time
from gateway.console.api import schemas
from gateway.console.api.paging import Cursor, Limit, page, unknown_cursor
from gateway.console.auth import Auditor, Configurer
from gateway.console.problems import Problem
from gateway.console.services import House, Services
from gateway.console.views import API
from gateway.delivery.desk import DeliveryDesk, LaneState, SinkCard
from gateway.delivery.reconciliation import Reconciliation
from gateway.model import OutboxItem, rfc3339

router = APIRouter(prefix=API, tags=["deliveries"])

ParcelId = Annotated[int, Path(ge=0, lt=2**62)]
SinkName = Annotated[str | None, Query(max_length=64)]


class Delivery(schemas.Shape):
    """`what`: the entry's action, the answer's stage or the notice's kind. `parked`: refused for good; it waits for a person."""

    id: int
    sink: str
    lane: str
    alert_id: str | None
    what: str
    created_at: datetime
    due: datetime
    attempts: int
    reason: str | None
    parked: bool


class BooksCompared(schemas.Shape):
    """`missing`: entries that the upper node had receipted and lost, which were given to it again; `gaps` names a hundred of
    them. `extra`: entries it has of which no receipt is here. `fault`: why it was not finished."""

    sink: str
    at: datetime
    since: datetime | None
    until: datetime | None
    compared: int
    missing: int
    gaps: list[str]
    extra: int
    fault: str | None


class Deliveries(schemas.Page[Delivery]):
    reconciliation: list[BooksCompared]


class LaneShape(schemas.Shape):
    lane: str
    open: bool
    waiting: int
    parked: int
    oldest: datetime | None


class SinkShape(schemas.Shape):
    """`state`: open while all its lanes are. `budget`: bits a second for pictures, clips and health."""

    id: str
    kind: str
    state: str
    standby_for: str | None
    budget: int | None
    lanes: list[LaneShape]


class ReconcileOrder(BaseModel):
    """`sink`: one upper node; all of them unless told."""

    model_config = ConfigDict(extra="forbid")

    sink: str | None = Field(None, max_length=64)


class Comparisons(schemas.Shape):
    items: list[BooksCompared]


@router.get("/deliveries", response_model=Deliveries)
async def deliveries(
    found: Auditor, house: House, sink: SinkName = None, parked: bool = False, cursor: Cursor = None, limit: Limit = 50
) -> Response:
    """What waits, or with `parked` what was refused; newest first."""
    desk = _desk(house)
    try:
        items, following = await desk.items(sink, cursor, limit, parked=parked)
    except ValueError:
        raise unknown_cursor() from None
    shown = page([_item_json(item) for item in items], following)
    return JSONResponse({**shown, "reconciliation": _compared_json(desk.reconciliations())})


@router.post("/deliveries/reconcile", response_model=Comparisons)
async def reconcile(found: Configurer, house: House, order: ReconcileOrder | None = None) -> Response:
    """Compare our receipts with the upper nodes' own books now; what is missing there is given again."""
    try:
        results = await _desk(house).reconcile(None if order is None else order.sink, found.principal.name)
    except KeyError:
        raise Problem(404, "There is no upper node of that name.") from None
    return JSONResponse({"items": _compared_json(results)})


@router.post("/deliveries/{parcel_id}/resend", status_code=204, response_class=Response)
async def resend(parcel_id: ParcelId, found: Configurer, house: House) -> Response:
    """Send a parked or waiting one now, as if it had never failed."""
    if not await _desk(house).resend(parcel_id, found.principal.name):
        raise _gone()
    return Response(status_code=204)


@router.delete("/deliveries/{parcel_id}", status_code=204, response_class=Response)
async def discard(
    parcel_id: ParcelId,
    found: Configurer,
    house: House,
    reason: Annotated[str | None, Query(max_length=500)] = None,
) -> Response:
    """Take a parked one out for good. The audit keeps who did it and why."""
    if not await _desk(house).discard(parcel_id, found.principal.name, reason):
        raise _gone()
    return Response(status_code=204)


@router.get("/sinks", response_model=schemas.Page[SinkShape])
async def sinks(found: Auditor, house: House) -> Response:
    """Where this node forwards to, and how each does."""
    return JSONResponse(page([_sink_json(card, lanes) for card, lanes in await _desk(house).sinks()], None))


def _desk(house: Services) -> DeliveryDesk:
    if house.deliveries is None:
        raise Problem(503, "This node forwards to nobody.")
    return house.deliveries


def _gone() -> Problem:
    return Problem(404, "There is no such delivery any more: it was sent, discarded, or is not parked.")


def _item_json(item: OutboxItem) -> dict[str, Any]:
    return {
        "id": item.id,
        "sink": item.sink,
        "lane": item.lane.name.lower(),
        "alert_id": item.alert_id,
        "what": item.what,
        "created_at": rfc3339(item.created_at),
        "due": rfc3339(item.due),
        "attempts": item.attempts,
        "reason": item.reason,
        "parked": item.parked,
    }


def _compared_json(results: Sequence[Reconciliation]) -> list[dict[str, Any]]:
    return [
        {
            "sink": result.sink,
            "at": rfc3339(result.at),
            "since": optional_time(result.since),
            "until": optional_time(result.until),
            "compared": result.compared,
            "missing": result.missing,
            "gaps": list(result.gaps),
            "extra": result.extra,
            "fault": result.fault,
        }
        for result in results
    ]


def _sink_json(card: SinkCard, lanes: Sequence[LaneState]) -> dict[str, Any]:
    return {
        "id": card.id,
        "kind": card.kind,
        "state": "open" if all(lane.open for lane in lanes) else "shut",
        "standby_for": card.standby_for,
        "budget": card.budget,
        "lanes": [
            {
                "lane": lane.lane.name.lower(),
                "open": lane.open,
                "waiting": lane.waiting,
                "parked": lane.parked,
                "oldest": optional_time(lane.oldest),
            }
            for lane in lanes
        ],
    }
