"""Registers of cameras (一机一档) and of households as tables: shown before they are taken, taken whole, given out again."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Path, Query, Request, Response
from starlette.responses import JSONResponse

from gateway.console.api import schemas
from gateway.console.api.description import answers
from gateway.console.api.schemas.registers import RegisterImport
from gateway.console.api.table_rights import may_camera, may_terminal
from gateway.console.api.writing import writing
from gateway.console.auth import Caller, Configurer, covers
from gateway.console.problems import Problem, sentence
from gateway.console.registers import (
    Headers,
    Import,
    NoPreview,
    Overtaken,
    Remark,
    Row,
    Tables,
    Upload,
)
from gateway.console.registrar import Noted
from gateway.console.services import House, Services
from gateway.console.views import API

router = APIRouter(prefix=API, tags=["registers"])
T = TypeVar("T")

LARGEST_TABLE = 8 << 20
UPLOADS = (f"{API}/cameras/import", f"{API}/terminals/import")
_MOST_SHOWN = 500  # of each list; the counts are of all
_TYPES = {"csv": "text/csv; charset=utf-8", "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}
_GONE: dict[int | str, dict[str, Any]] = {404: {"model": schemas.Problem, "description": "there is no such preview"}}
_OVERTAKEN: dict[int | str, dict[str, Any]] = {
    409: {"model": schemas.Problem, "description": "the register has changed since, or the file cannot take it"}
}
_TABLE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            media: {"schema": {"type": "string", "format": "binary"}}
            for media in ("text/csv", _TYPES["xlsx"], "application/octet-stream")
        },
    }
}
_FILES: dict[int | str, dict[str, Any]] = {200: answers("application/octet-stream", "the table")}
Token = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{8,64}$")]
Form = Literal["csv", "xlsx"]
FileName = Annotated[str, Query(max_length=128, description="of the file, for sentences; what it is, its bytes tell")]
System = Annotated[
    Literal["", "WGS84", "CGCS2000", "GCJ-02", "BD-09"],
    Query(description="of positions whose table names none; WGS84 unless told"),
]
Whole = Annotated[bool, Query(description="one refused row, and nothing is written")]
Titles = Annotated[Headers, Query(description="what the columns are called")]


@router.post("/cameras/import", response_model=RegisterImport, openapi_extra=_TABLE)
async def preview_cameras(
    request: Request,
    found: Configurer,
    house: House,
    name: FileName = "table",
    coordinates: System = "",
    whole: Whole = False,
) -> Response:
    """What a .csv or .xlsx table of cameras would add and change, and which rows are refused; nothing is written yet."""
    tables = _cameras(house)
    upload = Upload(name, await request.body(), coordinates, whole, may_camera(found), found.principal.name)
    return await _shown(tables, upload)


@router.post("/terminals/import", response_model=RegisterImport, openapi_extra=_TABLE)
async def preview_terminals(
    request: Request,
    found: Configurer,
    house: House,
    name: FileName = "table",
    coordinates: System = "",
    whole: Whole = False,
) -> Response:
    """The same of a table of households and their terminals."""
    tables = _terminals(house)
    may = may_terminal(found, house.inventory.cameras())
    upload = Upload(name, await request.body(), coordinates, whole, may, found.principal.name)
    return await _shown(tables, upload)


@router.post("/cameras/import/{token}", response_model=RegisterImport, responses={**_GONE, **_OVERTAKEN})
async def take_cameras(token: Token, found: Configurer, house: House) -> Response:
    """Do what the preview showed: all sound rows in one write, or nothing."""
    tables = _cameras(house)
    done = await _told(lambda: tables.confirm(token, found.principal.name, _noted(found, house), may_camera(found)))
    return JSONResponse(_json(done))


@router.post("/terminals/import/{token}", response_model=RegisterImport, responses={**_GONE, **_OVERTAKEN})
async def take_terminals(token: Token, found: Configurer, house: House) -> Response:
    """Do what the preview showed: all sound rows in one write, or nothing."""
    tables = _terminals(house)
    may = may_terminal(found, house.inventory.cameras())
    done = await _told(lambda: tables.confirm(token, found.principal.name, _noted(found, house), may))
    return JSONResponse(_json(done))


@router.get("/cameras/import/{token}/refused.{form}", response_class=Response, responses={**_GONE, **_FILES})
async def refused_cameras(token: Token, form: Form, found: Configurer, house: House) -> Response:
    """The refused rows under their own header, each with the reason beside it, to be handed back to who made the table."""
    tables = _cameras(house)
    return _file(await _told(lambda: tables.refused(token, found.principal.name, form)), form, "cameras-refused")


@router.get("/terminals/import/{token}/refused.{form}", response_class=Response, responses={**_GONE, **_FILES})
async def refused_terminals(token: Token, form: Form, found: Configurer, house: House) -> Response:
    """The same of households."""
    tables = _terminals(house)
    return _file(await _told(lambda: tables.refused(token, found.principal.name, form)), form, "terminals-refused")


@router.get("/cameras/export.{form}", response_class=Response, responses=_FILES)
async def export_cameras(form: Form, found: Configurer, house: House, headers: Titles = Headers.ZH) -> Response:
    """The register of this node's cameras in the caller's areas, without passwords; it can be taken in again."""
    return await _exported(_cameras(house), form, found, house, headers, "cameras")


@router.get("/terminals/export.{form}", response_class=Response, responses=_FILES)
async def export_terminals(form: Form, found: Configurer, house: House, headers: Titles = Headers.ZH) -> Response:
    """The register of this node's households in the caller's areas; it can be taken in again."""
    return await _exported(_terminals(house), form, found, house, headers, "terminals")


@router.get("/cameras/template.{form}", response_class=Response, responses=_FILES)
async def template_cameras(form: Form, found: Configurer, house: House, headers: Titles = Headers.ZH) -> Response:
    """An empty table to fill in, with an example row."""
    tables = _cameras(house)
    return _file(await _told(lambda: tables.template(form, headers)), form, "cameras-template")


@router.get("/terminals/template.{form}", response_class=Response, responses=_FILES)
async def template_terminals(form: Form, found: Configurer, house: House, headers: Titles = Headers.ZH) -> Response:
    """An empty table to fill in, with an example row."""
    tables = _terminals(house)
    return _file(await _told(lambda: tables.template(form, headers)), form, "terminals-template")


async def _shown(tables: Tables, upload: Upload) -> Response:
    if not upload.content:
        raise Problem(422, "The body is empty: send the .csv or .xlsx file itself.")
    preview = await _told(lambda: tables.preview(upload))
    return JSONResponse(_json(preview.planned, preview.token, round(preview.seconds)))


async def _exported(
    tables: Tables, form: Form, found: Caller, house: Services, headers: Headers, what: str
) -> Response:
    """The line is in the audit before anything is given out."""
    content, rows = await _told(lambda: tables.exported(form, headers, lambda area: covers(found.principal, area)))
    await house.audit(found.principal, f"export_{what}", what, detail=f"{rows} rows, .{form}")
    return _file(content, form, f"{what}-{house.node.id}")


def _file(content: bytes, form: Form, name: str) -> Response:
    shown = {"Content-Disposition": f'attachment; filename="{name}.{form}"', "Cache-Control": "no-store"}
    return Response(content, media_type=_TYPES[form], headers=shown)


def _json(done: Import, token: str | None = None, seconds: int | None = None) -> dict[str, Any]:
    table = done.table
    rows = {row.id: row for row in table.rows}
    return {
        "token": token,
        "expires_in": seconds,
        "counts": {
            "added": len(done.added),
            "changed": len(done.changed),
            "same": done.same,
            "refused": len(table.refused),
            "warnings": len(table.remarks),
        },
        "added": [_added(rows[name]) for name in done.added[:_MOST_SHOWN]],
        "changed": [_changed(name, rows.get(name), done) for name in done.changed[:_MOST_SHOWN]],
        "refused": [
            {"line": each.line, "id": each.id or None, "reason": each.reason} for each in table.refused[:_MOST_SHOWN]
        ],
        "warnings": [_warning(each) for each in table.remarks[:_MOST_SHOWN]],
        "kept_columns": list(table.kept),
        "withheld": done.withheld,
    }


def _added(row: Row) -> dict[str, Any]:
    record = row.record
    onvif, rtsp, household = (record.get(room) or {} for room in ("onvif", "rtsp", "household"))
    at = onvif.get("host") or rtsp.get("main") or rtsp.get("sub") or household.get("address")
    return {"line": row.line, "id": row.id, "name": _name(record), "at": at}


def _changed(name: str, row: Row | None, done: Import) -> dict[str, Any]:
    return {
        "line": 0 if row is None else row.line,
        "id": name,
        "name": None if row is None else _name(row.record),
        "fields": [
            {"key": each.key, "before": each.before, "after": each.after} for each in done.differences.get(name, ())
        ],
    }


def _name(record: Mapping[str, Any]) -> str | None:
    return record.get("name") or (record.get("household") or {}).get("name")


def _warning(each: Remark) -> dict[str, Any]:
    return {"line": each.line or None, "id": each.id or None, "text": each.text}


def _noted(found: Caller, house: Services) -> Noted:
    async def note(action: str, object_: str, detail: str | None) -> None:
        await house.audit(found.principal, action, object_, detail=detail)

    return note


def _cameras(house: Services) -> Tables:
    if house.registrar is None:
        raise Problem(503, "This node has no configuration file to write cameras into.")
    return house.registrar.tables


def _terminals(house: Services) -> Tables:
    if house.households is None:
        raise Problem(503, "This node has no configuration file to write terminals into.")
    return house.households.tables


async def _told(work: Callable[[], Awaitable[T]]) -> T:
    """Every way in which it can fail, as the problem that it is."""
    with writing():
        try:
            return await work()
        except NoPreview as error:
            raise Problem(404, sentence(error)) from None
        except Overtaken as error:
            raise Problem(409, sentence(error)) from None
