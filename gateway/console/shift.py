"""What a shift did and what it leaves, read from the ledger: for the handover to the next."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gateway.model import OPEN, Alert, Entry, Workflow, rfc3339, said_time
from gateway.ports import AlertFilter, Reader

_STEPS = ("acknowledge", "dispatch", "arrive", "close")
_BEHIND = {Workflow.NEW: 0, Workflow.ACKNOWLEDGED: 1, Workflow.DISPATCHED: 2, Workflow.ON_SCENE: 3}
_TOLD = frozenset({"raised", *_STEPS, "cancel", "note", "escalate", "reopen"})
_PAGE = 500
_MOST_ENTRIES = 50_000  # a bad week of a county; beyond it the report says that it is not whole
_MOST_OPEN = 200
_MOST_NOTES = 200
_MOST_MISSED = 200


@dataclass(slots=True)
class _Seen:
    """What the entries of the span say: alerts by action, the first moment of each step, the notes."""

    alerts: dict[str, Alert | None] = field(default_factory=dict)
    by_action: dict[str, set[str]] = field(default_factory=dict)
    steps: dict[tuple[str, str], datetime] = field(default_factory=dict)
    notes: list[Entry] = field(default_factory=list)
    whole: bool = True


def shift(reader: Reader, areas: tuple[str, ...], since: datetime, now: datetime) -> dict[str, Any]:
    """JSON: ``counts`` of alerts, those still ``open`` (the gravest first), limits ``missed``, ``notes`` of the span."""
    seen = _seen(reader, areas, since)
    still = _open(reader, areas)
    raised = [alert for id_ in seen.by_action.get("raised", ()) if (alert := seen.alerts[id_]) is not None]
    judged = {alert.id: alert for alert in (*raised, *still)}
    missed = sorted(
        (late for alert in judged.values() for late in _missed(alert, seen, now)), key=lambda one: str(one["due"])
    )
    return {
        "since": rfc3339(since),
        "until": rfc3339(now),
        "whole": seen.whole,
        "counts": _counts(seen, raised, len(still)),
        "open": [_line(alert) for alert in sorted(still, key=_gravity)[:_MOST_OPEN]],
        "missed": missed[-_MOST_MISSED:],
        "notes": [_note(entry, seen.alerts[entry.alert_id]) for entry in seen.notes[-_MOST_NOTES:]],
    }


def _counts(seen: _Seen, raised: list[Alert], still: int) -> dict[str, Any]:
    actual = [alert for alert in raised if alert.status == "actual"]
    ended = [alert for id_ in seen.by_action.get("close", ()) if (alert := seen.alerts[id_]) is not None]
    return {
        "raised": len(actual),
        "exercises": len(raised) - len(actual),
        "by_severity": {str(level): count for level, count in sorted(Counter(a.severity for a in actual).items())},
        "by_kind": dict(Counter(str(alert.kind) for alert in actual).most_common()),
        "acknowledged": len(seen.by_action.get("acknowledge", ())),
        "dispatched": len(seen.by_action.get("dispatch", ())),
        "closed": len(ended),
        "by_disposition": dict(Counter(str(alert.disposition) for alert in ended if alert.disposition).most_common()),
        "cancelled": len(seen.by_action.get("cancel", ())),
        "escalated": len(seen.by_action.get("escalate", ())),
        "open": still,
    }


def _seen(reader: Reader, areas: tuple[str, ...], since: datetime) -> _Seen:
    seen, read = _Seen(), 0
    for entry in _entries(reader, _position(reader, since)):
        read += 1
        if read > _MOST_ENTRIES:
            seen.whole = False
            break
        if entry.action not in _TOLD or not _visible(reader, seen, entry.alert_id, areas):
            continue
        seen.by_action.setdefault(entry.action, set()).add(entry.alert_id)
        seen.steps.setdefault((entry.alert_id, entry.action), entry.at)
        if entry.action == "note" and entry.comment:
            seen.notes.append(entry)
    return seen


def _visible(reader: Reader, seen: _Seen, alert_id: str, areas: tuple[str, ...]) -> bool:
    if alert_id not in seen.alerts:
        stored = reader.alert(alert_id)
        code = None if stored is None else stored.alert.place.area_code
        mine = not areas or code is None or code.startswith(areas)
        seen.alerts[alert_id] = stored.alert if stored is not None and mine else None
    return seen.alerts[alert_id] is not None


def _position(reader: Reader, since: datetime) -> int:
    """The last position committed before ``since``: positions rise without gaps, and so do their moments, but for steps of
    the clock."""
    low, high = 0, reader.newest_feed()
    while low < high:
        middle = (low + high) // 2
        found = reader.feed(middle, 1)
        if found and found[0].committed_at < since:
            low = middle + 1
        else:
            high = middle
    return low


def _entries(reader: Reader, after: int) -> Iterator[Entry]:
    while page := reader.feed(after, _PAGE):
        for fed in page:
            yield fed.entry
        after = page[-1].position


def _open(reader: Reader, areas: tuple[str, ...]) -> list[Alert]:
    found, cursor = [], None
    while True:
        page, cursor = reader.alerts(AlertFilter(workflow=OPEN, areas=areas), cursor, _PAGE)
        found += [stored.alert for stored in page]
        if cursor is None or len(found) >= 10 * _PAGE:
            return found


def _gravity(alert: Alert) -> tuple[int, int, str]:
    return (_BEHIND.get(alert.workflow, 9) > 0, alert.severity, rfc3339(alert.raised_at))


def _missed(alert: Alert, seen: _Seen, now: datetime) -> Iterator[dict[str, Any]]:
    """Limits that had passed before the step was done, or have and it is not."""
    due = alert.detail.get("due")
    for place, step in enumerate(_STEPS):
        limit = said_time(due.get(step)) if isinstance(due, Mapping) else None
        if limit is None:
            continue
        done = alert.accepted_at if step == "acknowledge" else seen.steps.get((alert.id, step))
        passed = alert.workflow in _BEHIND and _BEHIND[alert.workflow] <= place and done is None
        if (done is not None and done > limit) or (passed and now > limit):
            yield {**_line(alert), "step": step, "due": rfc3339(limit), "done": None if done is None else rfc3339(done)}


def _line(alert: Alert) -> dict[str, Any]:
    return {
        "id": alert.id,
        "kind": str(alert.kind),
        "severity": alert.severity,
        "status": str(alert.status),
        "workflow": str(alert.workflow),
        "assignee": alert.assignee,
        "raised_at": rfc3339(alert.raised_at),
        "who": alert.source.name or alert.source.id,
        "where": alert.place.address,
        "title": alert.title,
    }


def _note(entry: Entry, alert: Alert | None) -> dict[str, Any]:
    title = "" if alert is None else alert.title
    return {
        "alert": entry.alert_id,
        "title": title,
        "at": rfc3339(entry.at),
        "actor": entry.actor,
        "comment": entry.comment,
    }
