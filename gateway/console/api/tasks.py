"""What somebody has to see to: households to call back, alerts that are not confirmed above, nodes and terminals that are
silent, what a receiver refused, cameras in trouble and a node that cannot write."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from fastapi import APIRouter, Response
from starlette.responses import JSONResponse

from gateway.alerts.callbacks import owed
from gateway.console.api import schemas
from gateway.console.api.camera_tasks import camera_tasks
from gateway.console.api.paging import Cursor, Limit, page, unknown_cursor
from gateway.console.auth import Caller, Reader, covers, may_call
from gateway.console.services import House, Services
from gateway.console.views import API
from gateway.model import OPEN, Alert, Condition, Kind, rfc3339
from gateway.ports import AlertFilter
from gateway.ports import Reader as LedgerReader

router = APIRouter(prefix=API, tags=["tasks"])

_NAMED = 50  # terminals named in one task
_MOST_OF_AN_ALERT = 2  # a press that is to be called back and is not confirmed above

Task = dict[str, Any]


@router.get("/tasks", response_model=schemas.Page[schemas.Task])
async def tasks(found: Reader, house: House, cursor: Cursor = None, limit: Limit = 50) -> Response:
    """Those of the whole node and its cameras first, then those of open alerts, newest alert first. A page may be short or empty while
    `next` is not null: it ends after so many alerts, whether anything is owed for them or not."""
    now = house.clock.now()
    at_devices = [] if cursor is not None else [*_of_storage(house), *camera_tasks(house, found)]
    try:
        shown, following = await house.ledger.read(
            lambda reader: _page(reader, house, found, at_devices, cursor, limit, now)
        )
    except ValueError:
        raise unknown_cursor() from None
    return JSONResponse(page(shown, following))


def owed_now(
    reader: LedgerReader, house: Services, found: Caller, limit: int, now: datetime
) -> tuple[list[Task], str | None]:
    """The first page, without households' telephone numbers: for what is kept or printed."""
    at_devices = [*_of_storage(house), *camera_tasks(house, found)]
    shown, following = _page(reader, house, found, at_devices, None, limit, now)
    return [{**task, "detail": _without_phone(task["detail"])} for task in shown], following


def _without_phone(detail: dict[str, Any]) -> dict[str, Any]:
    household = detail.get("household")
    return {**detail, "household": {**household, "phone": None}} if isinstance(household, dict) else detail


def _page(
    reader: LedgerReader,
    house: Services,
    found: Caller,
    at_devices: list[Task],
    cursor: str | None,
    limit: int,
    now: datetime,
) -> tuple[list[Task], str | None]:
    shown = [] if cursor is not None else [*at_devices, *_of_node(reader, house, found)][:limit]
    wanted = AlertFilter(workflow=OPEN, areas=found.principal.areas)
    alerts, following = reader.alerts(wanted, cursor, max(1, (limit - len(shown)) // _MOST_OF_AN_ALERT))
    for stored in alerts:
        shown += _of_alert(stored.alert, house.callback_after, now, phones=may_call(found.principal))
    return shown, following


def _of_storage(house: Services) -> Iterator[Task]:
    reasons = house.ready()
    if reasons:
        yield _task("storage", f"nodes/{house.node.id}", "节点无法写入", None, detail={"reasons": reasons})
    short = None if house.care.retention is None else house.care.retention.short
    if short is not None:
        yield _task("storage", f"nodes/{house.node.id}", "磁盘空间不足", None, detail={"reasons": [short]})


def _of_node(reader: LedgerReader, house: Services, found: Caller) -> Iterator[Task]:
    inventory = house.inventory
    away = [
        each.id
        for each in inventory.terminals()
        if inventory.presence(each.id).online is False and covers(found.principal, each.place.area_code)
    ]
    if away:
        detail = {"count": len(away), "terminals": sorted(away)[:_NAMED]}
        yield _task("terminals_offline", "terminals", "终端离线", None, detail=detail)
    parked: dict[str, int] = {}
    for sink, _, _, _, refused in reader.backlog():
        parked[sink] = parked.get(sink, 0) + refused
    for sink, count in parked.items():
        if count:
            yield _task("parked", f"sinks/{sink}", "对方拒收，等待人工处理", None, detail={"count": count})


def _of_alert(alert: Alert, callback_after: float, now: datetime, *, phones: bool) -> Iterator[Task]:
    about = f"alerts/{alert.id}"
    if owed(alert):
        since = alert.raised_at
        due = since + timedelta(seconds=callback_after)
        found = alert.detail.get("household")
        household = dict(found) if isinstance(found, Mapping) else {}
        if not phones:
            household["phone"] = None
        detail = {"household": household, "terminal": alert.source.id}
        yield _task("callback", about, alert.title, since, due=due, overdue=now >= due, detail=detail)
    silent = alert.detail.get("undelivered")
    if silent:
        yield _task("undelivered", about, alert.title, alert.raised_at, detail={"sinks": silent})
    if _tells_of_silence(alert):
        yield _task("node_silent", about, alert.title, alert.raised_at, detail={"node": alert.source.id})
    if _covered(alert):
        yield _task("camera_covered", about, alert.title, alert.raised_at, detail={"camera": alert.source.id})


def _covered(alert: Alert) -> bool:
    """A camera that says itself that it is covered or was turned away, and still is."""
    return alert.kind is Kind.TAMPER and alert.source.type == "camera" and alert.condition is Condition.ACTIVE


def _tells_of_silence(alert: Alert) -> bool:
    """Of a node that is still not heard. What a node raises of itself, such as that many terminals are away, is not that."""
    silent = alert.kind is Kind.DEVICE_OFFLINE and alert.source.type == "node" and alert.source.id != alert.node
    return silent and alert.condition is Condition.ACTIVE


def _task(
    kind: str,
    about: str,
    title: str,
    since: datetime | None,
    *,
    due: datetime | None = None,
    overdue: bool = False,
    detail: dict[str, Any],
) -> Task:
    return {
        "kind": kind,
        "object": about,
        "title": title,
        "since": None if since is None else rfc3339(since),
        "due": None if due is None else rfc3339(due),
        "overdue": overdue,
        "detail": detail,
    }
