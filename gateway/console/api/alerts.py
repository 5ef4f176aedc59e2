"""Alerts: lists, one alert, what operators do with it, its pictures."""

import hashlib
import json
from datetime import datetime
from typing import Annotated, Any, Literal, get_args

from fastapi import APIRouter, Header, Path, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from starlette.responses import JSONResponse

from gateway.alerts.causality import order
from gateway.alerts.lifecycle import permitted
from gateway.console.api.description import answers
from gateway.console.api.paging import Cursor, Limit, page, unknown_cursor
from gateway.console.api.schemas import Alert, AlertInList, Conflict, Page
from gateway.console.api.schemas import Problem as NotThere
from gateway.console.auth import Actor, Caller, Reader, concerns
from gateway.console.problems import Problem
from gateway.console.services import House
from gateway.console.views import API, alert_json, entries_of, full_alert_json
from gateway.model import Disposition, Draft, Kind, PictureState, Snapshot, Workflow, rfc3339
from gateway.ports import AlertFilter, StoredAlert, Transaction
from gateway.ports import Reader as LedgerReader

router = APIRouter(prefix=API, tags=["alerts"])

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
_NO_ALERT: dict[int | str, dict[str, Any]] = {404: {"model": NotThere, "description": "it is not here"}}
AlertId = Annotated[str, Path(min_length=1, max_length=128)]


class Act(BaseModel):
    """What an operator does. ``disposition`` is required to close, ``assignee`` to assign, ``comment`` for a note."""

    model_config = ConfigDict(extra="forbid")

    action: Action
    comment: str | None = Field(None, max_length=2000)
    disposition: Disposition | None = None
    assignee: str | None = Field(None, min_length=1, max_length=64)
    until: AwareDatetime | None = None

    @model_validator(mode="after")
    def _complete(self) -> "Act":
        if self.action == "close" and self.disposition is None:
            raise ValueError(f"closing needs a disposition: {', '.join(Disposition)}")
        if self.action == "assign" and self.assignee is None:
            raise ValueError("assigning needs an assignee")
        if self.action == "note" and not (self.comment or "").strip():
            raise ValueError("a note needs a comment")
        return self

    def data(self) -> dict[str, Any]:
        """The entry's data: what was given, in its JSON form."""
        until = None if self.until is None else rfc3339(self.until)
        given = {"disposition": self.disposition, "assignee": self.assignee, "until": until}
        return {key: str(value) for key, value in given.items() if value is not None}

    def digest(self) -> str:
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


@router.get("/alerts", response_model=Page[AlertInList])
async def alerts(
    found: Reader,
    house: House,
    workflow: Annotated[list[str] | None, Query(description="repeated or comma separated")] = None,
    severity: Annotated[list[str] | None, Query(description="1 to 4; repeated or comma separated")] = None,
    kind: Annotated[list[str] | None, Query(description="repeated or comma separated")] = None,
    area: Annotated[str | None, Query(max_length=32, description="beginning of the area code")] = None,
    since: Annotated[datetime | None, Query(description="raised at or after, RFC 3339")] = None,
    until: Annotated[datetime | None, Query(description="raised before, RFC 3339")] = None,
    q: Annotated[str | None, Query(max_length=200, description="text in title, address, source")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """Newest first."""
    wanted = AlertFilter(
        workflow=_members("workflow", workflow, tuple(Workflow)),
        severity=tuple(int(value) for value in _members("severity", severity, ("1", "2", "3", "4"))),
        kind=_members("kind", kind, tuple(Kind)),
        area=area or None,
        areas=found.principal.areas,
        since=_aware("since", since),
        until=_aware("until", until),
        q=q or None,
    )
    try:
        items, following = await house.ledger.read(lambda reader: reader.alerts(wanted, cursor, limit))
    except ValueError:
        raise unknown_cursor() from None
    return JSONResponse(page([alert_json(stored) for stored in items], following))


@router.get("/alerts/{alert_id}", response_model=Alert, responses=_NO_ALERT)
async def alert(alert_id: AlertId, found: Reader, house: House) -> Response:
    return JSONResponse(await house.ledger.read(lambda reader: _full(reader, _visible(reader, alert_id, found))))


@router.post(
    "/alerts/{alert_id}/actions",
    response_model=Alert,
    responses={**_NO_ALERT, 409: {"model": Conflict, "description": "the alert's state does not allow it"}},
)
async def act(
    alert_id: AlertId,
    wanted: Act,
    found: Actor,
    house: House,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=255)] = None,
) -> Response:
    """The alert as it stands after the step. 409 with its present ``workflow`` where that does not allow the step."""
    key = None if idempotency_key is None else _scoped(found, alert_id, idempotency_key)
    at = house.clock.now()

    def work(tx: Transaction) -> str:
        stored = _visible(tx, alert_id, found)
        if key is not None and (answered := tx.idempotent(key)) is not None:
            return _replayed(answered, wanted)
        refusal = permitted(stored.alert, wanted.action)
        if refusal is not None:
            raise Problem(409, f"{refusal[:1].upper()}{refusal[1:]}.", **_present_state(stored))
        tx.append(Draft(alert_id, wanted.action, found.principal.name, at, wanted.comment, wanted.data()))
        answer = json.dumps(_full(tx, _visible(tx, alert_id, found)), ensure_ascii=False, separators=(",", ":"))
        if key is not None:
            tx.remember_answer(key, json.dumps({"request": wanted.digest(), "answer": answer}))
        return answer

    return Response(await house.ledger.write(work), media_type="application/json")


@router.get(
    "/alerts/{alert_id}/snapshots/{snapshot_id}",
    response_class=Response,
    responses={**_NO_ALERT, 200: answers("image/jpeg", "the picture")},
)
async def snapshot(
    alert_id: AlertId,
    snapshot_id: Annotated[str, Path(min_length=1, max_length=128)],
    found: Reader,
    house: House,
    request: Request,
) -> Response:
    """The picture as it was taken; every viewing is audited."""
    stored = await house.ledger.read(lambda reader: _visible(reader, alert_id, found))
    wanted = _find_snapshot(stored, snapshot_id)
    picture = None if wanted.sha256 is None else await house.media.read(wanted.sha256)
    if picture is None:
        raise Problem(404, "This picture has not come from its node yet.", state=str(wanted.state))
    await house.audit(found.principal, "view_snapshot", f"alerts/{alert_id}/snapshots/{snapshot_id}")
    content, media_type = picture
    headers = {"ETag": f'"{wanted.sha256}"', "Cache-Control": "private, max-age=3600, immutable"}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=media_type, headers=headers)


@router.get(
    "/alerts/{alert_id}/clips/{clip}.mp4",
    response_class=Response,
    responses={**_NO_ALERT, 200: answers("video/mp4", "the clip")},
)
async def clip(alert_id: AlertId, clip: str, found: Reader, house: House) -> Response:
    await house.ledger.read(lambda reader: _visible(reader, alert_id, found))
    raise Problem(404, f"There is no clip {clip} of this alert.")


def _visible(reader: LedgerReader, alert_id: str, found: Caller) -> StoredAlert:
    """Raises Problem 404, the same for an alert that is not there and for one of somebody else's area."""
    stored = reader.alert(alert_id)
    if stored is None or not concerns(found.principal, stored.alert.place.area_code):
        raise Problem(404, f"There is no alert {alert_id} here.")
    return stored


def _full(reader: LedgerReader, stored: StoredAlert) -> dict[str, Any]:
    return full_alert_json(stored, order(entries_of(reader.entries(stored.alert.id))))


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


def _scoped(found: Caller, alert_id: str, key: str) -> str:
    return hashlib.sha256(f"{found.principal.name}\n{alert_id}\n{key}".encode()).hexdigest()


def _replayed(answered: str, wanted: Act) -> str:
    kept = json.loads(answered)
    if kept["request"] != wanted.digest():
        raise Problem(422, "This Idempotency-Key was used for another request: give each request a key of its own.")
    answer: str = kept["answer"]
    return answer


def _find_snapshot(stored: StoredAlert, snapshot_id: str) -> Snapshot:
    found = next((s for camera in stored.alert.cameras for s in camera.snapshots if s.id == snapshot_id), None)
    if found is None:
        raise Problem(404, f"There is no snapshot {snapshot_id} of this alert.")
    if found.state is PictureState.READY:
        return found
    why = found.reason or ("it is still being taken" if found.state is PictureState.PENDING else "it failed")
    raise Problem(404, f"There is no picture for this snapshot: {why}.", state=str(found.state))


def _members(name: str, given: list[str] | None, accepted: tuple[str, ...]) -> tuple[str, ...]:
    """Values of a filter, given repeated or comma separated. Raises Problem 422 for one that is not accepted."""
    values = [value.strip() for each in given or () for value in each.split(",") if value.strip()]
    for value in values:
        if value not in accepted:
            raise Problem(422, f"query.{name}: {value[:64]!r} is none of {', '.join(accepted)}")
    return tuple(dict.fromkeys(values))


def _aware(name: str, at: datetime | None) -> datetime | None:
    if at is not None and at.tzinfo is None:
        raise Problem(422, f"query.{name}: an RFC 3339 time with its offset, such as 2026-01-31T08:00:00Z, is accepted")
    return at
