"""The case of an alert (``detail.case``) through its steps: 立案 register, 派遣 dispatch, 处置 close, with 督办 urge, 延期
defer, 回退 return and 挂账 suspend. Part of the fold: pure, in causal order, never raising because of what an entry says.

| key | what it holds |
|---|---|
| ``class`` ``class_name`` ``subclass`` ``name`` ``grade`` ``department`` | what it is and whose business |
| ``due`` | the moment of each step that has a limit; moved by defer and by the end of a suspension |
| ``done`` | the moment of each step that was taken: register, dispatch, arrive, close |
| ``urged`` ``deferred`` ``returned`` ``suspended`` | how often |
| ``suspended_at`` ``suspended_until`` | while the clock stands still; without ``until``, to the next step |
| ``suspended_s`` | how long it stood still before |
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from gateway.alerts.taxonomy import STEPS, due_by, later
from gateway.model import ENDED, Alert, Entry, Workflow, rfc3339, said_time

_MOST_TEXT = 200
_MOST_COUNTED = 1_000_000
_STEP_OF = {"acknowledge": "register", "dispatch": "dispatch", "arrive": "arrive", "close": "close", "cancel": "close"}
_RESUMING = frozenset({*_STEP_OF, "return", "reopen", "defer", "assign", "suspend"})
"""Acts that move the work: a suspension without an ``until`` ends with them."""
_ENDING = frozenset({"close", "cancel"})
_KEPT = {Workflow.DISPATCHED: ("register", "dispatch"), Workflow.ON_SCENE: ("register", "dispatch", "arrive")}

Case = dict[str, Any]


def apply(alert: Alert, entry: Entry) -> Alert:
    """The alert with its case after this entry; to be called with the alert as the workflow's own fold left it. An entry
    that had no effect on the workflow because the alert was closed has none here either."""
    if entry.action not in _RESUMING and entry.action != "urge":
        return alert
    known = alert.detail.get("case")
    case: Case = dict(known) if isinstance(known, Mapping) else {}
    if not case and entry.action != "assign":
        return alert
    ended = alert.workflow in ENDED
    if ended and entry.action not in _ENDING:
        return alert
    if not ended and entry.action in _ENDING:
        return alert  # a closing that counted for nothing
    if entry.action in _RESUMING:
        case = _resumed(case, entry.at)
    effect = _EFFECTS.get(entry.action)
    if effect is not None:
        case = effect(case, alert, entry)
    if not case or case == known:
        return alert
    return replace(alert, detail={**alert.detail, "case": case})


def suspension(case: Mapping[str, Any], now: datetime) -> float:
    """Seconds for which its clock has stood still until ``now``."""
    return _seconds(case.get("suspended_s")) + _standing(case, now)


def due(case: Mapping[str, Any], step: str, now: datetime) -> datetime | None:
    """When the step has to be done, a suspension that still lasts counted in."""
    at = said_time(_part(case, "due").get(step))
    return None if at is None else later(at, _standing(case, now))


def done(case: Mapping[str, Any], step: str) -> datetime | None:
    return said_time(_part(case, "done").get(step))


def counted(case: Mapping[str, Any], what: str) -> int:
    """``what``: urged | deferred | returned | suspended."""
    count = case.get(what)
    return count if isinstance(count, int) and not isinstance(count, bool) and 0 <= count <= _MOST_COUNTED else 0


# ------------------------------------------------------------------------------------------------ what an act does


def _stepped(case: Case, alert: Alert, entry: Entry) -> Case:
    made = {_STEP_OF[entry.action]: rfc3339(entry.at), **_part(case, "done")}  # the first of several stands
    department = _text(entry.data.get("department"))
    named = {"department": department} if department is not None and entry.action == "dispatch" else {}
    return {**case, **named, "done": made}


def _deferred(case: Case, alert: Alert, entry: Entry) -> Case:
    until = said_time(entry.data.get("until"))
    moved = {} if until is None else {"due": {**_part(case, "due"), "close": rfc3339(until)}}
    return {**_one_more(case, "deferred"), **moved}


def _returned(case: Case, alert: Alert, entry: Entry) -> Case:
    """It goes back to be dispatched anew; the limit of the dispatch is not given twice."""
    return {**_one_more(case, "returned"), "done": _still_done(case, alert)}


def _suspended(case: Case, alert: Alert, entry: Entry) -> Case:
    until = said_time(entry.data.get("until"))
    stands = {} if until is None else {"suspended_until": rfc3339(until)}
    return {**_one_more(case, "suspended"), "suspended_at": rfc3339(entry.at), **stands}


def _urged(case: Case, alert: Alert, entry: Entry) -> Case:
    return _one_more(case, "urged")


def _reopened(case: Case, alert: Alert, entry: Entry) -> Case:
    return {**case, "done": _still_done(case, alert)}


def _still_done(case: Case, alert: Alert) -> Case:
    """What was registered stays so; of the others, what somebody did who had not seen that it is taken back."""
    kept = _KEPT.get(alert.workflow, ("register",))
    return {step: at for step, at in _part(case, "done").items() if step in kept}


def _assigned(case: Case, alert: Alert, entry: Entry) -> Case:
    """``data.case`` gives it another sub-class; limits count from the raising, as if it had been that from the beginning."""
    given = entry.data.get("case")
    if not isinstance(given, Mapping):
        return case
    named = {key: text for key in ("class", "class_name", "subclass", "name") if (text := _text(given.get(key)))}
    grade = given.get("grade")
    if "subclass" not in named or isinstance(grade, bool) or grade not in (1, 2, 3, 4):
        return case
    limits = {step: limit for step in STEPS if (limit := _limit(_part(given, "limits").get(step))) is not None}
    stood = _seconds(case.get("suspended_s"))
    times = due_by({step: limit + stood for step, limit in limits.items()}, alert.raised_at)
    if counted(case, "deferred") and "close" in _part(case, "due"):
        times["close"] = _part(case, "due")["close"]  # what was granted stands
    department = _text(given.get("department")) or ""
    return {**case, **named, "grade": int(grade), "department": department, "due": times}


_EFFECTS: Mapping[str, Callable[[Case, Alert, Entry], Case]] = {
    **dict.fromkeys(_STEP_OF, _stepped),
    "defer": _deferred,
    "return": _returned,
    "suspend": _suspended,
    "urge": _urged,
    "reopen": _reopened,
    "assign": _assigned,
}


# ------------------------------------------------------------------------------------------------ suspension


def _resumed(case: Case, at: datetime) -> Case:
    """The clock runs again: what is not done yet is due later by as long as it stood still."""
    if "suspended_at" not in case:
        return case
    stood = _standing(case, at)
    rest = {key: value for key, value in case.items() if key not in ("suspended_at", "suspended_until")}
    taken, times = _part(case, "done"), dict(_part(case, "due"))
    for step, text in times.items():
        before = said_time(text)
        after = None if before is None or step in taken else later(before, stood)
        times[step] = text if after is None else rfc3339(after)
    return {**rest, "due": times, "suspended_s": _seconds(case.get("suspended_s")) + stood}


def _standing(case: Mapping[str, Any], now: datetime) -> float:
    since, until = said_time(case.get("suspended_at")), said_time(case.get("suspended_until"))
    if since is None:
        return 0.0
    end = now if until is None else min(now, until)
    return round(max(0.0, (end - since).total_seconds()), 3)


# ------------------------------------------------------------------------------------------------ reading


def _one_more(case: Case, what: str) -> Case:
    return {**case, what: min(counted(case, what) + 1, _MOST_COUNTED)}


def _part(case: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = case.get(key)
    return found if isinstance(found, Mapping) else {}


def _text(value: object) -> str | None:
    return value[:_MOST_TEXT] if isinstance(value, str) and value else None


def _limit(value: object) -> float | None:
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if plain and 0 <= value <= 1e9 else None  # type: ignore[arg-type, operator]


def _seconds(value: object) -> float:
    return _limit(value) or 0.0
