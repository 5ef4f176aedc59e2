"""The audit: who did or saw what, and why; and whether anything of it was changed since."""

import asyncio
import csv
import io
from collections.abc import Iterator
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Response
from starlette.responses import JSONResponse

from gateway.config.csv_table import harmless_cell
from gateway.console.api import schemas
from gateway.console.api.alerts import aware
from gateway.console.api.moments import Asked
from gateway.console.api.paging import Cursor, Limit, page, unknown_cursor
from gateway.console.auth import Auditor
from gateway.console.problems import Problem
from gateway.console.services import House, Services
from gateway.console.viewing_register import VIEWINGS, register, subject
from gateway.console.views import API, audit_json
from gateway.model import rfc3339
from gateway.ports import AuditFilter, AuditRecord
from gateway.upkeep.workbook import csv_table, workbook

router = APIRouter(prefix=API, tags=["audit"])

_MOST_IN_TABLE = 20_000
_PAGE = 500
_VERIFY_S = 120.0
_WORD = 128


@router.get(
    "/audit",
    response_model=schemas.Page[schemas.AuditLine],
    responses={200: {"content": {"text/csv": {}}, "description": "the lines; as a table, at most 20,000 of them"}},
)
async def audit(
    found: Auditor,
    house: House,
    actor: Annotated[str | None, Query(max_length=_WORD, description="this one alone")] = None,
    action: Annotated[list[str] | None, Query(description="repeated or comma separated")] = None,
    object: Annotated[
        str | None, Query(max_length=300, description="such as alerts/ID, with what lies within it")
    ] = None,
    since: Annotated[Asked | None, Query(description="at or after, RFC 3339")] = None,
    until: Annotated[Asked | None, Query(description="before, RFC 3339")] = None,
    q: Annotated[str | None, Query(max_length=200, description="text in actor, object, reason, detail")] = None,
    format: Annotated[Literal["json", "csv"], Query(description="csv: a table of all that is asked for")] = "json",
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """Newest first. A page may be short, or empty, and have a `next` all the same: so far was looked back."""
    wanted = AuditFilter(
        actor or None,
        tuple(dict.fromkeys(word.strip() for each in action or () for word in each.split(",") if word.strip())),
        object.rstrip("/") if object else None,
        aware("since", since),
        aware("until", until),
        q or None,
    )
    if len(wanted.action) > _WORD:
        raise Problem(422, f"query.action: at most {_WORD} of them are accepted")
    if format == "csv":
        await house.audit(found.principal, "export_audit", "audit", detail=_in_words(wanted))
        return await asyncio.to_thread(_table, await _all(house, wanted))  # presses do not wait for it
    try:
        records, following = await house.ledger.read(lambda reader: reader.audit(cursor, limit, wanted))
    except ValueError:
        raise unknown_cursor() from None
    return JSONResponse(page([audit_json(record) for record in records], following))


@router.get("/audit/verify", response_model=schemas.Verified)
async def verify_audit(found: Auditor, house: House) -> Response:
    """Walk the hash chain of alerts' entries and the audit from its first line. 503 where that takes longer than two
    minutes: `gateway audit verify` takes its time."""
    await house.audit(found.principal, "verify_audit", "audit")
    verdict = await house.ledger.verify(_VERIFY_S)
    broken = verdict.first_broken
    return JSONResponse(
        {
            "ok": broken is None,
            "checked": verdict.checked,
            "newest": verdict.newest,
            "first_broken": None if broken is None else {"line": broken[0], "reason": broken[1]},
        }
    )


_REGISTER = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


@router.get(
    "/audit/viewings.{form}",
    response_class=Response,
    responses={200: {"content": {kind: {} for kind in _REGISTER.values()}, "description": "the register as a table"}},
)
async def viewing_register(
    form: Annotated[Literal["csv", "xlsx"], Path(description="the file's form")],
    found: Auditor,
    house: House,
    since: Annotated[Asked | None, Query(description="at or after, RFC 3339")] = None,
    until: Annotated[Asked | None, Query(description="before, RFC 3339")] = None,
) -> Response:
    """The register of viewings (调阅登记): who looked at or took along what, when, from where and why; at most 20,000 lines, the
    newest of the span."""
    wanted = AuditFilter(action=VIEWINGS, since=aware("since", since), until=aware("until", until))
    await house.audit(found, "export_viewings", "audit", detail=_in_words(wanted))
    lines = await _all(house, wanted)
    users = await house.gatekeeper.manage(lambda accounts: accounts.users())
    own = house.node.name
    units = {user.name: f"{own} {','.join(user.areas)}".strip() for user in users}
    names = await _names(house, lines)

    def table() -> bytes:
        sheet = register(lines, units, names, own)
        return workbook([sheet]) if form == "xlsx" else csv_table(sheet).encode()

    headers = {"Content-Disposition": f'attachment; filename="viewings.{form}"', "Cache-Control": "no-store"}
    return Response(await asyncio.to_thread(table), media_type=_REGISTER[form], headers=headers)


async def _names(house: Services, lines: list[AuditRecord]) -> dict[str, str]:
    """What people call the cameras and alerts that were looked at, as far as they are still here."""
    subjects = {subject(line.object) for line in lines}
    names = {f"cameras/{camera.id}": camera.name for camera in house.inventory.cameras()}
    alerts = sorted(each.removeprefix("alerts/") for each in subjects if each.startswith("alerts/"))
    for start in range(0, len(alerts), _PAGE):
        some = alerts[start : start + _PAGE]
        found = await house.ledger.read(lambda reader, some=some: [reader.alert(id) for id in some])  # type: ignore[misc]
        names |= {f"alerts/{each.alert.id}": each.alert.title for each in found if each is not None}
    return names


async def _all(house: Services, wanted: AuditFilter) -> list[AuditRecord]:
    lines: list[AuditRecord] = []
    cursor: str | None = None
    while len(lines) < _MOST_IN_TABLE:
        records, cursor = await house.ledger.read(lambda reader, at=cursor: reader.audit(at, _PAGE, wanted))  # type: ignore[misc]
        lines += records
        if cursor is None:
            break
    return lines[:_MOST_IN_TABLE]


def _table(lines: list[AuditRecord]) -> Response:
    written = io.StringIO(newline="")
    table = csv.writer(written)
    table.writerow(["id", "at", "actor", "action", "object", "reason", "detail"])
    for line in lines:
        texts = (line.actor, line.action, line.object, line.reason or "", "; ".join(_details(line)))
        table.writerow([line.id, rfc3339(line.at), *map(harmless_cell, texts)])
    return Response(
        "\ufeff" + written.getvalue(),
        media_type="text/csv",
        headers={"Content-Disposition": 'attachment; filename="audit.csv"'},
    )


def _details(line: AuditRecord) -> Iterator[str]:
    for key, value in line.detail.items():
        yield str(value) if key == "detail" else f"{key}: {value}"


def _in_words(wanted: AuditFilter) -> str | None:
    given = {
        "actor": wanted.actor,
        "action": ",".join(wanted.action) or None,
        "object": wanted.object,
        "since": None if wanted.since is None else rfc3339(wanted.since),
        "until": None if wanted.until is None else rfc3339(wanted.until),
        "q": wanted.q,
    }
    return ", ".join(f"{key} {value}" for key, value in given.items() if value is not None) or None
