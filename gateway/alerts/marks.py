"""Marks on an alert beside its workflow: told further up, on its way up or not, taken back, called back, set aside. Part of the fold:
pure, and never raising because of what an entry says."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from gateway.alerts import reading
from gateway.model import Alert, Entry, Level, rfc3339, said_time

Mark = Mapping[str, Any]
_LEVELS: tuple[object, ...] = tuple(Level)
CALLBACK_OUTCOMES = ("reached", "no_answer", "line_busy")


def escalated(alert: Alert, entry: Entry) -> Alert:
    """``to``: a level, or names of people. Whoever was told stays named, also when the alert is opened anew."""
    said = entry.data.get("to")
    told = reading.names(alert.detail.get("escalated_to"))
    more = [name for name in reading.names([said] if isinstance(said, str) else said) if name]
    names = list(dict.fromkeys([*told, *more]))[: reading.MAX_NAMES]
    return replace(alert, detail={**alert.detail, "escalated_to": names}) if more else alert


def _withdrawn(alert: Alert, entry: Entry) -> Alert:
    """Somebody may have stood beside the presser: the household is to be called back after it, even if it was before."""
    kept = {key: value for key, value in alert.detail.items() if key != "callback"}
    return replace(alert, detail={**kept, "withdrawn_at": rfc3339(entry.at)})


def _noted(alert: Alert, entry: Entry) -> Alert:
    outcome = entry.data.get("callback")
    if not isinstance(outcome, str) or outcome not in CALLBACK_OUTCOMES:
        return alert
    callback = {"outcome": outcome, "at": rfc3339(entry.at), "by": entry.actor}
    return replace(alert, detail={**alert.detail, "callback": callback})


def shelving(entry: Entry) -> Mark | None:
    """What a ``shelve`` puts into ``detail.shelved``; None for one without an end, because nothing is set aside for good."""
    until = said_time(entry.data.get("until"))
    if until is None:
        return None
    return {"until": rfc3339(until), "reason": reading.text(entry.comment, reading.MAX_TEXT), "by": entry.actor}


def shelved(alert: Alert, mark: Mark | None) -> Alert:
    """The alert with this for its ``detail.shelved``, or without."""
    if mark is None and "shelved" not in alert.detail:
        return alert
    rest = {key: value for key, value in alert.detail.items() if key != "shelved"}
    return replace(alert, detail=rest if mark is None else {**rest, "shelved": dict(mark)})


def holding(entry: Entry) -> Mark:
    """What a ``hold`` (封存) puts into ``detail.held``."""
    reason = reading.text(entry.comment, reading.MAX_TEXT)
    level = reading.text(entry.data.get("level"), reading.MAX_TEXT)
    return {"at": rfc3339(entry.at), "reason": reason, "by": entry.actor, "node": entry.node, "level": level}


def rank(level: object) -> int:
    """How far up a level is, as an entry or a mark names it; -1 where it names none."""
    return _LEVELS.index(level) if level in _LEVELS else -1


def held(alert: Alert, mark: Mark | None) -> Alert:
    """The alert with this for its ``detail.held``, or without."""
    if mark is None and "held" not in alert.detail:
        return alert
    rest = {key: value for key, value in alert.detail.items() if key != "held"}
    return replace(alert, detail=rest if mark is None else {**rest, "held": dict(mark)})


def undelivered(alert: Alert, node: str) -> list[str]:
    """The sinks of ``node`` whose receiver has not said in time that it has this alert."""
    marks = reading.names(alert.detail.get("undelivered"))
    if node == alert.node:
        return [mark for mark in marks if ":" not in mark]
    return [mark.removeprefix(f"{node}:") for mark in marks if mark.startswith(f"{node}:")]


def _undelivered(alert: Alert, entry: Entry) -> Alert:
    mark = _way(alert, entry)
    marks = reading.names(alert.detail.get("undelivered"))
    if mark is None or mark in marks or len(marks) >= reading.MAX_NAMES:
        return alert
    return replace(alert, detail={**alert.detail, "undelivered": [*marks, mark]})


def _delivered(alert: Alert, entry: Entry) -> Alert:
    marks = reading.names(alert.detail.get("undelivered"))
    left = [mark for mark in marks if mark != _way(alert, entry)]
    if len(left) == len(marks):
        return alert
    rest = {key: value for key, value in alert.detail.items() if key != "undelivered"}
    return replace(alert, detail={**rest, "undelivered": left} if left else rest)


def _way(alert: Alert, entry: Entry) -> str | None:
    """Which way up an entry speaks of: a sink of the alert's own node, or ``node:sink`` of one on its way. No node can
    speak of another's."""
    sink = reading.text(entry.data.get("sink"), 64)
    if sink is None or ":" in sink:
        return None
    return sink if entry.node == alert.node else f"{entry.node}:{sink}"


EFFECTS: Mapping[str, Callable[[Alert, Entry], Alert]] = {
    "withdrawn": _withdrawn,
    "note": _noted,
    "undelivered": _undelivered,
    "delivered": _delivered,
}
