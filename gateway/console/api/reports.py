"""What ops teams are paid by: online and intact rates, outages, response times, tested terminals; to be looked at and handed in."""

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Response
from starlette.responses import JSONResponse

from gateway.codec import optional_time
from gateway.console.api.description import answers
from gateway.console.api.paging import Cursor, Limit, page, page_by_id, unknown_cursor
from gateway.console.api.schemas import Page
from gateway.console.api.schemas.reports import Channel, FigureReport, OutageShape
from gateway.console.auth import Reader
from gateway.console.problems import Problem
from gateway.console.services import House, Services
from gateway.console.views import API
from gateway.model import rfc3339
from gateway.ports import Outage, WatchedCamera
from gateway.upkeep.report import LONGEST_DAYS, FigureBook, Report, Wanted
from gateway.upkeep.spans import Days, last_of_month
from gateway.upkeep.tables import PARTS, Tables
from gateway.upkeep.wording import Language
from gateway.upkeep.workbook import csv_table, workbook

router = APIRouter(prefix=API, tags=["reports"])

_SHEET_OUTAGES = 10_000
_CSV_OUTAGES = 100_000
_WAITING = 6
_YEARS = range(2000, 3000)
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

First = Annotated[date | None, Query(alias="from", description="first day; the first of the month unless told")]
Last = Annotated[
    date | None, Query(alias="to", description="last day, within; today, or the month's last, unless told")
]
Area = Annotated[str | None, Query(max_length=12, pattern=r"^\d*$", description="beginning of the area code")]
By = Literal["area", "scene", "vendor"]


async def _book(house: House) -> FigureBook:
    if house.care.figures is None:
        raise Problem(503, "This node keeps no figures.")
    return house.care.figures


Book = Annotated[FigureBook, Depends(_book)]


async def _wanted(
    found: Reader, house: House, book: Book, first: First = None, last: Last = None, area: Area = None
) -> Wanted:
    today = house.clock.now().astimezone(book.zone).date()
    begin = first or (last or today).replace(day=1)
    end = last or min(last_of_month(begin), max(today, begin))
    if begin.year not in _YEARS or end.year not in _YEARS:
        raise Problem(422, "query.from: a day between the years 2000 and 2999 is accepted, such as 2026-11-01.")
    if not begin <= end or (end - begin).days >= LONGEST_DAYS:
        raise Problem(422, f"query.from: a day before query.to, and at most {LONGEST_DAYS} days with it, is accepted.")
    return Wanted(Days(begin, end), area or None, found.principal.areas)


Span = Annotated[Wanted, Depends(_wanted)]


@router.get("/reports/figures", response_model=FigureReport)
async def figure_report(found: Reader, house: House, book: Book, wanted: Span, by: By = "area") -> Response:
    """Cameras, alerts and terminals of a span, of the caller's areas."""
    report = await _report(book, wanted)
    return JSONResponse(await asyncio.to_thread(report.to_json, by))


@router.get("/reports/figures/channels", response_model=Page[Channel])
async def figure_channels(
    found: Reader,
    house: House,
    book: Book,
    wanted: Span,
    sort: Annotated[Literal["id", "down"], Query(description="`down`: the longest down first")] = "id",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Camera by camera."""
    async with _turn(book):
        channels = await book.channels(wanted)
    keyed = [
        (each.camera.id if sort == "id" else f"{10**15 - each.tally.down:016}/{each.camera.id}", each)
        for each in channels
    ]
    shown, following = page_by_id(keyed, lambda each: each[0], cursor, limit)
    return JSONResponse(page([each.to_json() for _, each in shown], following))


@router.get("/reports/figures/outages", response_model=Page[OutageShape])
async def figure_outages(
    found: Reader,
    house: House,
    book: Book,
    wanted: Span,
    camera: Annotated[str | None, Query(max_length=64)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Outages that lie in the span with any part, newest first; a page may be short, or empty, and have a next one."""
    names = await book.names(wanted)
    if camera is not None:
        names = {id_: each for id_, each in names.items() if id_ == camera}
    found_, mark = await book.outages(wanted, names, _mark(cursor), limit) if names else ([], None)
    return JSONResponse(page([_outage_json(each, names[each.camera_id]) for each in found_], _cursor(mark)))


@router.get(
    "/reports/figures.xlsx",
    response_class=Response,
    responses={200: answers(_XLSX, "a workbook with every table and the formulas")},
)
async def figure_workbook(found: Reader, house: House, book: Book, wanted: Span, lang: Language = "zh") -> Response:
    """Every export is audited."""
    await _note(house, found.principal.name, wanted, "xlsx")
    async with house.exports.turn():
        tables = await _tables(house.node.name, book, wanted, lang, _SHEET_OUTAGES)
        content = await asyncio.to_thread(lambda: workbook(tables.sheets()))
    return _file(content, _XLSX, wanted, "xlsx")


@router.get(
    "/reports/figures.csv",
    response_class=Response,
    responses={200: answers("text/csv", "one of the tables")},
)
async def figure_table(
    found: Reader,
    house: House,
    book: Book,
    wanted: Span,
    part: Annotated[str, Query(pattern=f"^({'|'.join(PARTS)})$", description=", ".join(PARTS))] = "channels",
    lang: Language = "zh",
) -> Response:
    """Every export is audited."""
    await _note(house, found.principal.name, wanted, f"csv {part}")
    async with house.exports.turn():
        tables = await _tables(house.node.name, book, wanted, lang, _CSV_OUTAGES if part == "outages" else 0)
        content = await asyncio.to_thread(lambda: csv_table(tables.part(part)).encode())
    return _file(content, "text/csv; charset=utf-8", wanted, f"{part}.csv")


@asynccontextmanager
async def _turn(book: FigureBook) -> AsyncIterator[None]:
    """One report at a time, and few that wait: each reads for a good part of a second."""
    if book.waiting >= _WAITING:
        raise Problem(503, "Several reports are being made just now: try again.", headers={"Retry-After": "5"})
    async with book.turn():
        yield


async def _report(book: FigureBook, wanted: Wanted) -> Report:
    async with _turn(book):
        return await book.report(wanted)


async def _tables(node: str, book: FigureBook, wanted: Wanted, lang: Language, most: int) -> Tables:
    report = await _report(book, wanted)
    names = await book.names(wanted)
    outages: list[Outage] = []
    mark: tuple[int, str] | None = None
    cut = False
    while most and names:
        some, mark = await book.outages(wanted, names, mark, min(1000, most - len(outages)))
        outages += some
        cut = mark is not None
        if mark is None or len(outages) >= most:
            break
    return Tables(report, node, lang, book.zone, outages, names, cut=cut)


async def _note(house: Services, actor: str, wanted: Wanted, form: str) -> None:
    span = f"{wanted.days.first} – {wanted.days.last}, {form}"
    await house.audit(
        actor, "export_figures", "reports/figures", detail=span if wanted.area is None else f"{span}, {wanted.area}"
    )


def _file(content: bytes, media_type: str, wanted: Wanted, ending: str) -> Response:
    name = f"figures-{wanted.days.first}-{wanted.days.last}-{ending}".replace("-xlsx", ".xlsx")
    return Response(
        content,
        media_type=media_type,
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


def _outage_json(each: Outage, camera: WatchedCamera) -> dict[str, Any]:
    return {
        "camera": each.camera_id,
        "name": camera.name,
        "area": camera.area,
        "began_at": rfc3339(each.began_at),
        "ended_at": optional_time(each.ended_at),
        "down_s": each.down // 1000,
        "planned_s": each.planned // 1000,
        "reason": each.reason,
    }


def _cursor(mark: tuple[int, str] | None) -> str | None:
    return None if mark is None else base64.urlsafe_b64encode(f"{mark[0]}/{mark[1]}".encode()).decode().rstrip("=")


def _mark(cursor: str | None) -> tuple[int, str] | None:
    if cursor is None:
        return None
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
        at, _, id_ = text.partition("/")
        found = int(at)
    except (binascii.Error, ValueError):
        raise unknown_cursor() from None
    if abs(found) >= 2**62:
        raise unknown_cursor()
    return found, id_
