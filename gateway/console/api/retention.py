"""How long what is kept is kept, what was deleted, and what is held (封存) against it."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse

from gateway.alerts.lifecycle import is_held, release_refused
from gateway.console.api.alerts import NO_ALERT, AlertId, full_alert, visible_alert
from gateway.console.api.schemas import Alert, Conflict, Shape
from gateway.console.api.schemas import Problem as Refused
from gateway.console.auth import Administrator, Auditor, Caller, Reader, Right, concerns, having_one, may_call
from gateway.console.problems import Problem
from gateway.console.services import House, Services
from gateway.console.views import API, without_callers_phone
from gateway.model import Alert as HeldAlert
from gateway.model import Draft, rfc3339
from gateway.ports import AuditRecord, Transaction
from gateway.upkeep.retention import Overview, RetentionDesk, Run

router = APIRouter(prefix=API, tags=["retention"])

_MOST_HELD = 500
_REASON = 500
Holder = Annotated[Caller, Depends(having_one(Right.ACT, Right.ADMINISTER))]


class KeptKind(Shape):
    """`days`: as it is set; `floor`: the fewest that the law leaves; `oldest`: when what is oldest came; `bytes`: of pictures
    and clips, as the last run counted them."""

    kind: str
    days: int
    floor: int
    oldest: datetime | None
    count: int | None
    bytes: int | None


class RetentionRun(Shape):
    """`kept`: alerts that are over and stay, by reason: open, held, owed. `digest`: of the audit's records that seal what went."""

    id: str
    at: datetime
    by: str
    deleted: dict[str, int]
    bytes: int
    kept: dict[str, int]
    digest: str | None
    fault: str | None


class Retention(Shape):
    """`waits`: why nothing is deleted now; `short`: why the disk runs short though all was deleted that may be."""

    kinds: list[KeptKind]
    last: RetentionRun | None
    next_at: datetime
    waits: str | None
    short: str | None
    below_the_law: bool
    held: int


class Held(Shape):
    alert: str
    node: str
    title: str
    raised_at: datetime
    workflow: str
    held_at: str | None
    held_by: str | None
    reason: str | None


class Holds(Shape):
    items: list[Held]
    next: str | None


class Hold(BaseModel):
    """Why it is to be kept, such as who wants it and by which document."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=1, max_length=_REASON)


@router.get("/retention", response_model=Retention)
async def retention(found: Auditor, house: House) -> Response:
    """By kind how long it is kept, since when there is any, and what the last run deleted."""
    desk = _desk(house)
    held = await house.ledger.read(lambda reader: len(reader.holds(_MOST_HELD)))
    return JSONResponse(_retention_json(await desk.overview(), held))


@router.post(
    "/retention/run",
    response_model=RetentionRun,
    responses={
        409: {"model": Refused, "description": "the clock may be wrong, and what is deleted does not come back"}
    },
)
async def run_retention(
    found: Administrator,
    house: House,
    clock_is_right: Annotated[
        bool, Query(description="you looked, and the node's clock is right; it is audited")
    ] = False,
) -> Response:
    """Delete now what is over, instead of tonight; by the same rules."""
    desk = _desk(house)
    waits = await desk.waits()
    if waits is not None and not clock_is_right:
        raise Problem(409, f"{waits[:1].upper()}{waits[1:]}.", clock=rfc3339(house.clock.now()))
    said = None if waits is None else f"says that the clock is right: {rfc3339(house.clock.now())}"
    await house.audit(found.principal, "run_retention", "ledger", detail=said)
    if waits is not None:
        await desk.believe_clock()
    return JSONResponse(_run_json(await desk.sweep(by=found.principal.name)))


@router.get("/holds", response_model=Holds)
async def holds(found: Reader, house: House) -> Response:
    """Alerts that are held, newest first, at most 500."""
    stored = await house.ledger.read(lambda reader: reader.holds(_MOST_HELD))
    mine = [each for each in stored if concerns(found.principal, each.alert.place.area_code)]
    return JSONResponse({"items": [_held_json(each.alert) for each in mine], "next": None})


@router.post(
    "/alerts/{alert_id}/hold",
    response_model=Alert,
    responses={**NO_ALERT, 409: {"model": Conflict, "description": "it is held already"}},
)
async def hold(alert_id: AlertId, wanted: Hold, found: Holder, house: House) -> Response:
    """Keep the alert, its pictures, clips and lines of the audit, on every node that has it, until it is released."""
    return await _mark(house, found, alert_id, "hold", wanted.reason)


@router.delete(
    "/alerts/{alert_id}/hold",
    response_model=Alert,
    responses={**NO_ALERT, 409: {"model": Conflict, "description": "it is not held, or held by a node above"}},
)
async def release(
    alert_id: AlertId,
    found: Administrator,
    house: House,
    reason: Annotated[str, Query(min_length=1, max_length=_REASON, description="why; it is audited")],
) -> Response:
    """Let go of it: from then on its time counts anew."""
    return await _mark(house, found, alert_id, "release", reason)


async def _mark(house: Services, found: Caller, alert_id: str, action: str, reason: str) -> Response:
    why = reason.strip()
    if not why:
        raise Problem(422, "reason: say why, such as who wants it and by which document; it is audited")
    by, at = found.principal.name, house.clock.now()

    def work(tx: Transaction) -> dict[str, Any]:
        stored = visible_alert(tx, alert_id, found)
        if is_held(stored.alert) is (action == "hold"):
            state = "is held already" if action == "hold" else "is not held"
            raise Problem(409, f"The alert {state}.", workflow=str(stored.alert.workflow))
        refused = release_refused(stored.alert, house.node.level) if action == "release" else None
        if refused is not None:
            raise Problem(409, f"{refused[:1].upper()}{refused[1:]}.", workflow=str(stored.alert.workflow))
        tx.append(Draft(alert_id, action, by, at, why, {"level": house.node.level}))
        tx.record(AuditRecord(at, by, action, f"alerts/{alert_id}", why))
        return full_alert(tx, visible_alert(tx, alert_id, found))

    told = await house.ledger.write(work)
    return JSONResponse(told if may_call(found.principal) else without_callers_phone(told))


def _desk(house: Services) -> RetentionDesk:
    if house.care.retention is None:
        raise Problem(404, "This node deletes nothing by itself.")
    return house.care.retention


def _retention_json(seen: Overview, held: int) -> dict[str, Any]:
    kinds = [
        {
            "kind": each.kind,
            "days": each.days,
            "floor": each.floor,
            "oldest": None if each.facts is None or each.facts.oldest is None else rfc3339(each.facts.oldest),
            "count": None if each.facts is None else each.facts.count,
            "bytes": each.bytes,
        }
        for each in seen.kinds
    ]
    return {
        "kinds": kinds,
        "last": None if seen.last is None else _run_json(seen.last),
        "next_at": rfc3339(seen.next_at),
        "waits": seen.waits,
        "short": seen.short,
        "below_the_law": seen.below_the_law,
        "held": held,
    }


def _run_json(run: Run) -> dict[str, Any]:
    return {
        "id": run.id,
        "at": rfc3339(run.at),
        "by": run.by,
        "deleted": dict(run.gone),
        "bytes": run.freed,
        "kept": dict(run.kept),
        "digest": run.digest,
        "fault": run.fault,
    }


def _held_json(alert: HeldAlert) -> dict[str, Any]:
    mark = alert.detail.get("held", {})
    return {
        "alert": alert.id,
        "node": alert.node,
        "title": alert.title,
        "raised_at": rfc3339(alert.raised_at),
        "workflow": alert.workflow,
        "held_at": mark.get("at"),
        "held_by": mark.get("by"),
        "reason": mark.get("reason"),
    }
