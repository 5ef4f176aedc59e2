"""The end of a shift: what it leaves, given by one user and taken by the next."""

import asyncio
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse

from gateway.canonical import canonical_json, sha256_hex
from gateway.codec import optional_time
from gateway.console.api import tasks
from gateway.console.api.alerts import aware
from gateway.console.api.moments import Asked, Moment
from gateway.console.api.paging import Cursor, Limit, after_cursor, page, page_of_rows, unknown_cursor
from gateway.console.api.schemas import Page, Shape
from gateway.console.api.schemas import Problem as ProblemShape
from gateway.console.auth import Actor, Caller, Reader, covers
from gateway.console.handovers import Handover, Handovers, NotForTaking, TooManyGiven
from gateway.console.problems import Problem
from gateway.console.services import House, Services
from gateway.console.shift import shift
from gateway.console.views import API
from gateway.errors import StoreFailed
from gateway.model import rfc3339

router = APIRouter(prefix=API, tags=["handovers"])

_SHIFT = timedelta(hours=12)  # where nobody has handed over yet
_LONGEST = timedelta(days=8)
_TASKS = 200


def _printable(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("a name is accepted")
    return text.strip()


class Given(BaseModel):
    """To whom, and what the next shift has to know. ``since``: where the shift began."""

    model_config = ConfigDict(extra="forbid")

    to: Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_printable)]
    notes: str = Field("", max_length=8000)
    since: Moment


class Kept(Shape):
    """Without its ``report``, as a list shows it."""

    id: int
    given_by: str
    to: str
    given_at: datetime
    since: datetime
    notes: str
    taken_by: str | None
    taken_at: datetime | None


class Whole(Kept):
    """``report``: what stood when it was given, as GET /handover said it then."""

    report: dict[str, Any]


class Report(Shape):
    """``whole``: false where more happened than is read for it. ``open`` names the first 200 by severity, ``missed`` the
    service levels that were not kept."""

    since: datetime
    until: datetime
    whole: bool
    counts: dict[str, Any]
    open: list[dict[str, Any]]
    missed: list[dict[str, Any]]
    notes: list[dict[str, Any]]
    tasks: list[dict[str, Any]]
    silent_nodes: list[dict[str, Any]]


async def _handovers(request: Request) -> Handovers:
    found: Handovers = request.app.state.handovers
    return found


Book = Annotated[Handovers, Depends(_handovers)]
Id = Annotated[int, Path(ge=1, le=2**53)]
_TAKEN: dict[int | str, dict[str, Any]] = {409: {"model": ProblemShape, "description": "it cannot be taken"}}


@router.get("/handover", response_model=Report)
async def handover(
    found: Reader,
    house: House,
    book: Book,
    since: Annotated[Asked | None, Query(description="the shift's beginning, RFC 3339; else the last handover")] = None,
) -> Response:
    """What a handover would say now."""
    began = aware("since", since) or await _last(house, book, found)
    return JSONResponse(await _report(house, found, began))


@router.get("/handovers", response_model=Page[Kept])
async def handovers(found: Reader, book: Book, cursor: Cursor = None, limit: Limit = 50) -> Response:
    """Newest first."""
    after = after_cursor(cursor)
    if after and not after.isdecimal():
        raise unknown_cursor()
    rows = await asyncio.to_thread(book.newest, min(int(after), 1 << 62) if after else None, limit + 1)
    shown, following = page_of_rows(rows, lambda each: str(each.id), limit)
    return JSONResponse(page([_json(each) for each in shown if _concerns(found, each)], following))


@router.get("/handovers/{handover_id}", response_model=Whole)
async def one_handover(handover_id: Id, found: Reader, book: Book) -> Response:
    return JSONResponse(_whole(await _find(book, handover_id, found)))


@router.post("/handovers", response_model=Whole, status_code=201)
async def give(wanted: Given, found: Actor, house: House, book: Book) -> Response:
    """Signed by the giver: the audit keeps who gave it and the report's hash."""
    by, areas = found.principal.name, found.principal.areas
    report = await _report(house, found, wanted.since)
    try:
        made = await asyncio.to_thread(book.give, by, wanted.to, wanted.since, areas, wanted.notes, report)
    except TooManyGiven as error:
        raise Problem(409, f"{error}.") from None
    signature = sha256_hex(canonical_json(_whole(made)))
    try:
        await house.audit(
            found.principal, "handover", f"handovers/{made.id}", detail=f"to {wanted.to}, sha256 {signature}"
        )
    except StoreFailed:
        await asyncio.to_thread(book.withdraw, made.id)
        raise
    return JSONResponse(_whole(made), 201)


@router.post("/handovers/{handover_id}/take", response_model=Whole, responses=_TAKEN)
async def take(handover_id: Id, found: Actor, house: House, book: Book) -> Response:
    """By somebody else than gave it, once."""
    await _find(book, handover_id, found)
    try:
        taken = await asyncio.to_thread(book.take, handover_id, found.principal.name)
    except NotForTaking as error:
        sentence = str(error)
        raise Problem(409, f"{sentence[:1].upper()}{sentence[1:]}.") from None
    try:
        await house.audit(found.principal, "take_handover", f"handovers/{handover_id}", detail=f"from {taken.given_by}")
    except StoreFailed:
        await asyncio.to_thread(book.untake, handover_id)
        raise
    return JSONResponse(_whole(taken))


async def _last(house: Services, book: Handovers, found: Caller) -> datetime:
    earliest = house.clock.now() - _SHIFT
    given = await asyncio.to_thread(book.newest, None, 20)
    return next((each.given_at for each in given if _concerns(found, each)), earliest)


async def _report(house: Services, found: Caller, since: datetime) -> dict[str, Any]:
    """Raises Problem 422 for a shift without end, or one that has not begun."""
    now = house.clock.now()
    if since > now:
        raise Problem(422, "since: a shift that has begun is accepted")
    began = max(since, now - _LONGEST)
    areas = found.principal.areas
    report = await house.ledger.read(lambda reader: shift(reader, areas, began, now))
    owed, _ = await house.ledger.read(lambda reader: tasks.owed_now(reader, house, found, _TASKS, now))
    return {**report, "tasks": owed, "silent_nodes": _silent(house, found)}


def _silent(house: Services, found: Caller) -> list[dict[str, Any]]:
    views = house.below.views() if house.below is not None else ()
    return [
        {
            "id": view.card.id,
            "name": view.card.name or view.card.id,
            "state": view.state.value,
            "since": optional_time(view.since),
        }
        for view in views
        if view.state.value not in ("online", "degraded") and covers(found.principal, view.card.area_code)
    ]


async def _find(book: Handovers, handover_id: int, found: Caller) -> Handover:
    """Raises Problem 404, the same for one that is not there and for one of other areas."""
    kept = await asyncio.to_thread(book.find, handover_id)
    if kept is None or not _concerns(found, kept):
        raise Problem(404, f"There is no handover {handover_id} here.")
    return kept


def _concerns(found: Caller, kept: Handover) -> bool:
    """It tells of all areas of whoever gave it; nobody reads of more than his own."""
    if not found.principal.areas:
        return True
    return bool(kept.areas) and all(covers(found.principal, area) for area in kept.areas)


def _json(kept: Handover) -> dict[str, Any]:
    return {
        "id": kept.id,
        "given_by": kept.given_by,
        "to": kept.given_to,
        "given_at": rfc3339(kept.given_at),
        "since": rfc3339(kept.since),
        "notes": kept.notes,
        "taken_by": kept.taken_by,
        "taken_at": optional_time(kept.taken_at),
    }


def _whole(kept: Handover) -> dict[str, Any]:
    return {**_json(kept), "report": dict(kept.report)}
