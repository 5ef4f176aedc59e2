"""What operators do with alerts: one step on one alert, or the same step on many."""

import hashlib
import json
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal, get_args

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.responses import JSONResponse

from gateway.alerts.escalation import level_above
from gateway.alerts.lifecycle import permitted
from gateway.console.api.alerts import NO_ALERT, AlertId, full_alert, visible_alert
from gateway.console.api.moments import Moment
from gateway.console.api.repeats import Key, remembered, replayed, scoped
from gateway.console.api.schemas import Alert, Conflict, Shape
from gateway.console.auth import Actor, Caller
from gateway.console.problems import Problem
from gateway.console.services import House, Services
from gateway.console.views import API
from gateway.model import Disposition, Draft, Level, Workflow, rfc3339
from gateway.ports import StoredAlert, Transaction

router = APIRouter(prefix=API, tags=["alerts"])

MOST_AT_ONCE = 200
Action = Literal[
    "acknowledge",
    "dispatch",
    "arrive",
    "close",
    "cancel",
    "reopen",
    "escalate",
    "assign",
    "note",
    "urge",
    "defer",
    "return",
    "suspend",
    "shelve",
    "unshelve",
]
ACTIONS: tuple[str, ...] = get_args(Action)
_ALIKE = ("acknowledge", "assign", "close", "note", "shelve", "unshelve")


class Act(BaseModel):
    """What an operator does. ``disposition`` is required to close, ``assignee`` or ``subclass`` (which corrects the case's
    class) to assign, ``until`` to defer, ``until`` and a ``comment`` to shelve, and ``comment`` for a note, unless it says what came of calling the household back
    (``callback``). ``to``: the level that an escalation goes to, the next one unless told. ``department``: whom it is
    dispatched to."""

    model_config = ConfigDict(extra="forbid")

    action: Action
    comment: str | None = Field(None, max_length=2000)
    disposition: Disposition | None = None
    assignee: str | None = Field(None, min_length=1, max_length=64)
    until: Moment | None = None
    callback: Literal["reached", "no_answer", "line_busy"] | None = None
    to: Literal["township", "county", "city"] | None = None
    department: str | None = Field(None, min_length=1, max_length=64)
    subclass: str | None = Field(None, min_length=1, max_length=32)

    @model_validator(mode="after")
    def _complete(self) -> "Act":
        if self.action == "close" and self.disposition is None:
            raise ValueError(f"closing needs a disposition: {', '.join(Disposition)}")
        if self.action == "assign" and self.assignee is None and self.subclass is None:
            raise ValueError("assigning needs an assignee, or a subclass")
        if self.action == "note" and self.callback is None and not (self.comment or "").strip():
            raise ValueError("a note needs a comment")
        if self.action == "defer" and self.until is None:
            raise ValueError("deferring needs until: the moment by which it is to be done instead")
        if self.action == "shelve" and (self.until is None or not (self.comment or "").strip()):
            raise ValueError("shelving needs until, when it ends, and a comment, why")
        if self.callback is not None and self.action != "note":
            raise ValueError("callback stands with the action note")
        if self.to is not None and self.action != "escalate":
            raise ValueError("to stands with the action escalate")
        if self.department is not None and self.action != "dispatch":
            raise ValueError("department stands with the action dispatch")
        if self.subclass is not None and self.action != "assign":
            raise ValueError("subclass stands with the action assign")
        return self

    def data(self, level: Level) -> dict[str, Any]:
        """The entry's data: what was given, in its JSON form, and the level at which it is done. Raises Problem 422."""
        until = None if self.until is None else rfc3339(self.until)
        given = {
            "disposition": self.disposition,
            "assignee": self.assignee,
            "until": until,
            "callback": self.callback,
            "to": self._addressee(level) if self.action == "escalate" else None,
            "department": self.department,
            "level": level.value,
        }
        return {key: str(value) for key, value in given.items() if value is not None}

    def _addressee(self, level: Level) -> str:
        above = self.to or level_above(level)
        if above is None:
            raise Problem(422, f"body.to: no level is above a {level}; name one of township, county, city")
        return str(above)

    def digest(self) -> str:
        return hashlib.sha256(self.model_dump_json(exclude_none=True).encode()).hexdigest()


class ActOnMany(Act):
    """The same step on each of ``ids``: acknowledge, assign, close, note, shelve or unshelve."""

    ids: list[Annotated[str, Field(min_length=1, max_length=128)]] = Field(min_length=1, max_length=MOST_AT_ONCE)

    @model_validator(mode="after")
    def _alike(self) -> "ActOnMany":
        if self.action not in _ALIKE:
            raise ValueError(f"action: {self.action} is a step for one alert; accepted are {', '.join(_ALIKE)}")
        return self

    def each(self) -> Act:
        return Act.model_validate(self.model_dump(exclude={"ids"}))


class Acted(Shape):
    """``reason``: the sentence that says why not; ``workflow``: as the alert stands now, null where there is none."""

    id: str
    ok: bool
    reason: str | None
    workflow: Workflow | None


class ActedOnMany(Shape):
    items: list[Acted]


@router.post(
    "/alerts/{alert_id}/actions",
    response_model=Alert,
    responses={**NO_ALERT, 409: {"model": Conflict, "description": "the alert's state does not allow it"}},
)
async def act(
    alert_id: AlertId,
    wanted: Act,
    found: Actor,
    house: House,
    idempotency_key: Key = None,
) -> Response:
    """The alert as it stands after the step. 409 with its present ``workflow`` where that does not allow the step."""
    key = scoped(found, alert_id, idempotency_key)
    answer = await house.ledger.write(_step(house, found, alert_id, wanted, key))
    return Response(answer, media_type="application/json")


@router.post("/alerts/actions", response_model=ActedOnMany)
async def act_on_many(wanted: ActOnMany, found: Actor, house: House, idempotency_key: Key = None) -> Response:
    """The same step on up to 200 alerts, each checked and written by itself: one that is refused stops no other. A repeat
    with the same key does nothing twice."""
    step, items = wanted.each(), []
    for alert_id in dict.fromkeys(wanted.ids):
        key = None if idempotency_key is None else scoped(found, alert_id, f"many\n{idempotency_key}")
        # One after the other: presses that come meanwhile go between, not behind.
        items.append(await _acted(house, alert_id, _step(house, found, alert_id, step, key)))
    return JSONResponse({"items": items})


async def _acted(house: Services, alert_id: str, work: Callable[[Transaction], str]) -> dict[str, Any]:
    try:
        answer = json.loads(await house.ledger.write(work))
    except Problem as problem:
        if problem.status not in (404, 409):
            raise
        return {"id": alert_id, "ok": False, "reason": problem.detail, "workflow": problem.members.get("workflow")}
    return {"id": alert_id, "ok": True, "reason": None, "workflow": answer["workflow"]}


def _step(house: Services, found: Caller, alert_id: str, wanted: Act, key: str | None) -> Callable[[Transaction], str]:
    """The work that does it and gives the alert's JSON. Raises Problem 422; the work raises Problem 404, 409 or 422."""
    at: datetime = house.clock.now()
    data = {**wanted.data(Level(house.node.level)), **_classed(house, wanted)}

    def work(tx: Transaction) -> str:
        stored = visible_alert(tx, alert_id, found)
        if key is not None and (answered := tx.idempotent(key)) is not None:
            return replayed(answered, wanted.digest())
        refusal = permitted(stored.alert, wanted.action)
        if refusal is not None:
            raise Problem(409, f"{refusal[:1].upper()}{refusal[1:]}.", **_present_state(stored))
        tx.append(Draft(alert_id, wanted.action, found.principal.name, at, wanted.comment, data))
        answer = json.dumps(
            full_alert(tx, visible_alert(tx, alert_id, found)), ensure_ascii=False, separators=(",", ":")
        )
        if key is not None:
            tx.remember_answer(key, remembered(wanted.digest(), answer))
        return answer

    return work


def _present_state(stored: StoredAlert) -> dict[str, Any]:
    alert = stored.alert
    return {
        "alert": alert.id,
        "workflow": str(alert.workflow),
        "condition": str(alert.condition),
        "disposition": alert.disposition,
        "assignee": alert.assignee,
        "version": stored.version,
    }


def _classed(house: Services, wanted: Act) -> dict[str, Any]:
    """The sub-class as it stands in this node's list: other nodes may have another list, or none. Raises Problem 422."""
    if wanted.subclass is None:
        return {}
    case = house.taxonomy.carried(wanted.subclass)
    if case is None:
        raise Problem(
            422, f"body.subclass: {wanted.subclass} is no sub-class of this node's list (GET /taxonomy has them)"
        )
    return {"case": case}
