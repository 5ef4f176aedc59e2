"""What one POST of events holds, sorted into what the exchange may judge and what is refused unread. Pure."""

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from adapters.cascade import wire
from adapters.cascade.problems import Problem
from gateway.ports import Arrival, Report


@dataclass(slots=True)
class Batch:
    """``ids`` are the events' ids, one per arrival; ``refused`` are ``{"id", "reason"}`` as they are answered."""

    arrivals: list[Arrival | Report] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    refused: list[dict[str, Any]] = field(default_factory=list)


def read_batch(body: bytes, node: str) -> Batch:
    """One event or a list, from the lower node ``node``. Raises Problem where the body as a whole cannot be read."""
    try:
        events, listed = wire.read_body(body)
    except ValueError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from None
    if len(events) > wire.MAX_EVENTS:
        raise Problem(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"{len(events)} events in one list; at most {wire.MAX_EVENTS} are accepted",
        )
    batch = Batch()
    for event in events:
        try:
            batch.arrivals.append(wire.read_arrival(event, None if listed else body, node))
            batch.ids.append(event["id"])
        except ValueError as error:
            batch.refused.append({"id": wire.event_id(event), "reason": str(error)})
    return batch
