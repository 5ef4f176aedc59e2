"""Active test runs: every household's terminal is asked to be tried, and who did not answer is named."""

import csv
import io
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse

from gateway.alerts.trials import Outcome, Trial, Trials, TrialUnderWay, counts
from gateway.codec import optional_time
from gateway.config.csv_table import harmless_cell
from gateway.console.api import schemas
from gateway.console.api.moments import Moment
from gateway.console.api.paging import page
from gateway.console.auth import Caller, Reader, Right, caller, covers, may_call
from gateway.console.problems import Problem, sentence
from gateway.console.services import House, Services
from gateway.console.views import API
from gateway.errors import StoreFailed, UsageError
from gateway.model import Terminal, rfc3339
from gateway.values import AreaCode

router = APIRouter(prefix=API, tags=["terminals"])

RunId = Annotated[str, Path(min_length=1, max_length=64)]
_NO_RUN: dict[int | str, dict[str, Any]] = {404: {"model": schemas.Problem, "description": "it is not here"}}
_MOST_NAMED = 500  # in JSON; the table names all


async def _asker(found: Annotated[Caller, Depends(caller)]) -> Caller:
    if not (found.may(Right.ACT) or found.may(Right.CONFIGURE)):
        raise Problem(403, f"The role {found.principal.role} has no right to begin or end test runs.")
    return found


Asker = Annotated[Caller, Depends(_asker)]
"""Whoever handles alerts or looks after the devices."""


class TestRunOrder(BaseModel):
    """`areas`: beginnings of area codes; all that are yours unless told. `until`: then it ends and is kept."""

    __test__ = False
    model_config = ConfigDict(extra="forbid")
    name: str = Field(min_length=1, max_length=128)
    areas: list[AreaCode] = Field(default_factory=list, max_length=64)
    until: Moment


@router.post(
    "/test-runs",
    status_code=201,
    response_model=schemas.TestRun,
    responses={409: {"model": schemas.Problem, "description": "a run is under way"}},
)
async def start_test_run(wanted: TestRunOrder, found: Asker, house: House) -> Response:
    """Ask the terminals, one every 50 ms, to be pressed once as a test, and wait for them."""
    trials = _trials(house)
    where = ", ".join(wanted.areas) or None
    await house.audit(found.principal, "start_test_run", "terminals", reason=wanted.name, detail=where)
    try:
        trial = await trials.start(
            wanted.name, wanted.areas, wanted.until, found.principal.name, lambda area: covers(found.principal, area)
        )
    except TrialUnderWay as error:
        raise Problem(409, sentence(error)) from None
    except UsageError as error:
        raise Problem(422, sentence(error)) from None
    except StoreFailed as error:
        raise Problem(503, sentence(error)) from None
    shown = await _one(house, trial.id, found)
    return JSONResponse(_run_json(house, *shown), 201)


@router.get("/test-runs", response_model=schemas.Page[schemas.TestRun])
async def test_runs(found: Reader, house: House) -> Response:
    """Newest first, without the terminals that did not answer."""
    listed = []
    for trial in await _trials(house).trials():
        shown = await _one(house, trial.id, found)
        if shown[1]:
            listed.append(_run_json(house, *shown, most=0))
    return JSONResponse(page(listed, None))


@router.get(
    "/test-runs/{run_id}",
    response_model=schemas.TestRun,
    responses={**_NO_RUN, 200: {"content": {"text/csv": {}}, "description": "the run; as a table with every terminal"}},
)
async def test_run(
    run_id: RunId,
    found: Reader,
    house: House,
    format: Annotated[Literal["json", "csv"] | None, Query(description="csv: a table with every terminal")] = None,
    accept: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> Response:
    """Counts, by area too, and the terminals that did not answer: those of your areas."""
    trial, outcomes = await _visible(house, run_id, found)
    if format == "csv" or (format is None and "text/csv" in (accept or "")):
        return _table(house, trial, outcomes, phones=may_call(found.principal))
    return JSONResponse(_run_json(house, trial, outcomes))


@router.post("/test-runs/{run_id}/end", response_model=schemas.TestRun, responses=_NO_RUN)
async def end_test_run(run_id: RunId, found: Asker, house: House) -> Response:
    """End it before its time; one that has ended stays as it is."""
    trial, _ = await _visible(house, run_id, found)
    if _others(house, trial, found):
        raise Problem(403, "This test run asks terminals outside your areas: whoever has them all may end it.")
    await house.audit(found.principal, "end_test_run", f"test-runs/{run_id}")
    try:
        await _trials(house).end(run_id)
    except StoreFailed as error:
        raise Problem(503, sentence(error)) from None
    return JSONResponse(_run_json(house, *await _one(house, run_id, found)))


def _trials(house: Services) -> Trials:
    if house.trials is None:
        raise Problem(503, "This node hears no terminals.")
    return house.trials


async def _one(house: Services, run_id: str, found: Caller) -> tuple[Trial, Sequence[Outcome]]:
    """With what the caller's areas hold of it. Raises Problem 404."""
    shown = await _trials(house).trial(run_id)
    if shown is None:
        raise Problem(404, f"There is no test run {run_id} here.")
    trial, outcomes = shown
    return trial, [each for each in outcomes if covers(found.principal, _area(house, each.terminal))]


async def _visible(house: Services, run_id: str, found: Caller) -> tuple[Trial, Sequence[Outcome]]:
    """Raises Problem 404, the same for a run that is not there and for one of somebody else's areas."""
    trial, outcomes = await _one(house, run_id, found)
    if not outcomes:
        raise Problem(404, f"There is no test run {run_id} here.")
    return trial, outcomes


def _others(house: Services, trial: Trial, found: Caller) -> bool:
    """Whether it asks terminals of areas that are not the caller's."""
    known = (house.inventory.terminal(name) for name in trial.terminals)
    return any(each is not None and not covers(found.principal, each.place.area_code) for each in known)


def _area(house: Services, terminal_id: str) -> str | None:
    terminal = house.inventory.terminal(terminal_id)
    return None if terminal is None else terminal.place.area_code


def _run_json(house: Services, trial: Trial, outcomes: Sequence[Outcome], most: int = _MOST_NAMED) -> dict[str, Any]:
    by_area: dict[str, list[Outcome]] = {}
    for each in outcomes:
        by_area.setdefault(_area(house, each.terminal) or "", []).append(each)
    silent = [each for each in outcomes if each.state != "tested"]
    return {
        "id": trial.id,
        "name": trial.name,
        "areas": list(trial.areas),
        "started_by": trial.started_by,
        "started_at": rfc3339(trial.started_at),
        "until": rfc3339(trial.until),
        "ended_at": optional_time(trial.ended_at),
        "state": _state(trial),
        "asked": trial.asked,
        "counts": counts(outcomes),
        "by_area": [{"area_code": area or None, **counts(some)} for area, some in sorted(by_area.items())],
        "unanswered": [_unanswered_json(house, each) for each in silent[:most]],
    }


def _state(trial: Trial) -> str:
    if trial.ended_at is not None:
        return "ended"
    return "waiting" if trial.asked == len(trial.terminals) else "asking"


def _unanswered_json(house: Services, outcome: Outcome) -> dict[str, Any]:
    terminal = house.inventory.terminal(outcome.terminal) or Terminal(outcome.terminal)
    return {
        "terminal": terminal.id,
        "name": terminal.household.name,
        "address": terminal.household.address or terminal.place.address,
        "area_code": terminal.place.area_code,
        "state": outcome.state,
        "heard_at": optional_time(outcome.heard_at),
    }


def _table(house: Services, trial: Trial, outcomes: Sequence[Outcome], *, phones: bool) -> Response:
    written = io.StringIO(newline="")
    table = csv.writer(written)
    table.writerow(["terminal", "name", "phone", "address", "area_code", "state", "tested_at", "heard_at"])
    for each in outcomes:
        terminal = house.inventory.terminal(each.terminal) or Terminal(each.terminal)
        household = terminal.household
        address = household.address or terminal.place.address
        phone = household.phone if phones else None
        texts = (terminal.id, household.name, phone, address, terminal.place.area_code, each.state)
        table.writerow([*(harmless_cell(text or "") for text in texts), _time(each.tested_at), _time(each.heard_at)])
    return Response(
        "\ufeff" + written.getvalue(),
        media_type="text/csv",
        headers={"Content-Disposition": f'attachment; filename="test-run-{trial.id}.csv"'},
    )


def _time(at: datetime | None) -> str:
    return "" if at is None else rfc3339(at)
