"""The life of an alert: a pure fold over its entries, equal on every node that has the same entries.

Order is by cause and never by clocks: depth in the parents' graph, then node, sequence and id. Concurrent acts:

- an advance (acknowledge, dispatch, arrive) never moves the workflow backwards; ``return`` and ``reopen`` take back only
  the advances that their author had seen;
- ``close`` and ``cancel`` stand until a ``reopen`` whose author had seen them; of several, the first in order speaks;
- of several who shelve, the last in order speaks; ``unshelve`` and ``reopen`` take back what their author had seen; a
  shelving that ends by itself is the reader's to see (``shelved_until``), because a fold knows no present moment;
- a ``hold`` stands, whatever becomes of the alert, until a ``release`` whose author had seen it, of its own level or one
  further up: nobody below lets go of what was held above; of several, that of the highest level speaks;
- whoever acts on an alert that he has seen closed changes nothing, but for ``reopen`` (and notes, which never do).

What was told further up, is not confirmed above, was taken back or called back is marked beside it (marks.py); a case has
steps of its own (casework.py).

Entries may come from newer or from hostile nodes: unknown actions are kept without effect, malformed data is read as far
as it makes sense, and nothing in here raises because of what an entry says.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from gateway.alerts import casework, incidents, marks, reading
from gateway.alerts.causality import order
from gateway.model import (
    Alert,
    Condition,
    Entry,
    Kind,
    Level,
    Workflow,
    said_time,
)

_RANKED = (Workflow.NEW, Workflow.ACKNOWLEDGED, Workflow.DISPATCHED, Workflow.ON_SCENE)
_ADVANCES = {"acknowledge": 1, "dispatch": 2, "arrive": 3}
_CLOSINGS = {"close": Workflow.CLOSED, "cancel": Workflow.CANCELLED}
_MARKS = frozenset({*_ADVANCES, *_CLOSINGS, "return", "shelve", "hold"})

_OPEN = frozenset(_RANKED)
_OUT = frozenset({Workflow.DISPATCHED, Workflow.ON_SCENE})
_ENDED = frozenset(_CLOSINGS.values())
_PERMITTED: Mapping[str, frozenset[Workflow]] = {
    "acknowledge": frozenset({Workflow.NEW}),
    "dispatch": frozenset({Workflow.ACKNOWLEDGED, *_OUT}),
    "arrive": frozenset({Workflow.DISPATCHED}),
    "close": _OPEN,
    "cancel": _OPEN,
    "reopen": _ENDED,
    "return": _OUT,
    "hold": frozenset(Workflow),
    "release": frozenset(Workflow),
    **dict.fromkeys(("suspend", "defer", "urge", "assign", "escalate", "shelve", "unshelve"), _OPEN),
    "note": frozenset(Workflow),
}

Seen = Callable[[str], bool]
"""Whether the author of the entry at hand had seen the entry of this id."""


def permitted(alert: Alert, action: str) -> str | None:
    """None where the alert's present state allows the operator's ``action``, else the sentence that says why not."""
    states = _PERMITTED.get(action)
    if states is None:
        return f"there is no action {action!r}; accepted are {', '.join(sorted(_PERMITTED))}"
    if action in ("shelve", "unshelve") and is_press(alert):
        return "a press is never shelved"
    if alert.workflow not in states:
        allowed = ", ".join(state for state in Workflow if state in states)
        return f"the alert is {alert.workflow}; {action} is allowed while it is {allowed}"
    return None


def fold(entries: Iterable[Entry]) -> Alert | None:
    """The alert that these entries make, in whatever order they come; None while its ``raised`` is missing."""
    ordered = order(entries)
    first = next((entry for entry in ordered if entry.action == "raised"), None)
    if first is None:
        return None
    alert, standing = reading.raised(first), _Standing()
    bits: dict[str, int] = {}
    masks: dict[str, int] = {}  # entry id → the marks among it and its ancestors
    for entry in ordered:
        mask = 0
        for parent in entry.parents:
            mask |= masks.get(parent, 0)
        alert = casework.apply(_taken(alert, standing, entry, _seen_in(mask, bits)), entry)
        if entry.action in _MARKS:
            bits[entry.id] = 1 << len(bits)
        masks[entry.id] = mask | bits.get(entry.id, 0)
    return alert


def apply(alert: Alert, entry: Entry) -> Alert:
    """The alert after one more entry, which must name all ``heads`` of those before among its parents, and which none of
    them may name: then this is ``fold`` of them all."""
    return casework.apply(_taken(alert, _Standing.of(alert), entry, lambda mark: True), entry)


def _seen_in(mask: int, bits: Mapping[str, int]) -> Seen:
    return lambda mark: bool(mask & bits[mark])


@dataclass(slots=True)
class _Standing:
    """What is still in force: (id, rank) of advances, (id, workflow, disposition) of closings and (id, mark) of shelvings and
    of holds, each in order."""

    advances: list[tuple[str, int]] = field(default_factory=list)
    closings: list[tuple[str, Workflow, str | None]] = field(default_factory=list)
    shelvings: list[tuple[str, marks.Mark]] = field(default_factory=list)
    holds: list[tuple[str, marks.Mark]] = field(default_factory=list)

    @classmethod
    def of(cls, alert: Alert) -> "_Standing":
        """As far as an entry can tell that has seen everything."""
        mark = alert.detail.get("shelved")
        shelvings = [("", mark)] if isinstance(mark, Mapping) else []
        held = alert.detail.get("held")
        holds = [("", held)] if isinstance(held, Mapping) else []
        if alert.closings:
            closings = [(id, alert.workflow, alert.disposition) for id in alert.closings]
            return cls(closings=closings, shelvings=shelvings, holds=holds)
        rank = _RANKED.index(alert.workflow)
        return cls(advances=[("", rank)] if rank else [], shelvings=shelvings, holds=holds)

    def shown_on(self, alert: Alert) -> Alert:
        if self.closings:
            _, workflow, disposition = self.closings[0]
        else:
            workflow, disposition = _RANKED[max((rank for _, rank in self.advances), default=0)], None
        ids = tuple(id for id, _, _ in self.closings)
        return replace(alert, workflow=workflow, disposition=disposition, closings=ids)


def _taken(alert: Alert, standing: _Standing, entry: Entry, seen: Seen) -> Alert:
    if entry.action == "reopen":
        return _reopened(alert, standing, seen)
    if entry.action in ("hold", "release"):
        return _held(alert, standing, entry, seen)
    effect = _EFFECTS.get(entry.action)
    if effect is not None:
        return effect(alert, entry)
    if any(seen(closing) for closing, _, _ in standing.closings) and entry.action not in _CLOSINGS:
        return alert
    if entry.action in _ADVANCES:
        return _advanced(alert, standing, entry)
    if entry.action in _CLOSINGS:
        return _closed(alert, standing, entry)
    if entry.action == "return":
        return _returned(alert, standing, entry, seen)
    if entry.action == "assign":
        return replace(alert, assignee=reading.text(entry.data.get("assignee"), 128) or alert.assignee)
    if entry.action == "escalate":
        return marks.escalated(alert, entry)
    if entry.action == "shelve":
        return _shelved(alert, standing, entry)
    if entry.action == "unshelve":
        return _unshelved(alert, standing, seen)
    return alert


def _shelved(alert: Alert, standing: _Standing, entry: Entry) -> Alert:
    mark = None if is_press(alert) else marks.shelving(entry)
    if mark is None:
        return alert
    standing.shelvings.append((entry.id, mark))
    return marks.shelved(alert, mark)


def _unshelved(alert: Alert, standing: _Standing, seen: Seen) -> Alert:
    standing.shelvings = [(id, mark) for id, mark in standing.shelvings if not seen(id)]
    return marks.shelved(alert, standing.shelvings[-1][1] if standing.shelvings else None)


def _held(alert: Alert, standing: _Standing, entry: Entry, seen: Seen) -> Alert:
    if entry.action == "hold":
        standing.holds.append((entry.id, marks.holding(entry)))
    else:
        rank = marks.rank(entry.data.get("level"))
        standing.holds = [
            (id, mark) for id, mark in standing.holds if not seen(id) or marks.rank(mark.get("level")) > rank
        ]
    held = [mark for _, mark in reversed(standing.holds)]
    return marks.held(alert, max(held, key=lambda mark: marks.rank(mark.get("level")), default=None))


def release_refused(alert: Alert, level: str) -> str | None:
    """Why nobody at ``level`` releases it, as a sentence; None where somebody may."""
    held = alert.detail.get("held")
    if not isinstance(held, Mapping) or marks.rank(held.get("level")) <= marks.rank(level):
        return None
    return f"the alert is held by {held.get('by')} at {held.get('node')}, a node above: it is released there, or further up"


def is_held(alert: Alert) -> bool:
    """Whether nothing of it may be deleted (封存)."""
    return isinstance(alert.detail.get("held"), Mapping)


def _advanced(alert: Alert, standing: _Standing, entry: Entry) -> Alert:
    standing.advances.append((entry.id, _ADVANCES[entry.action]))
    if entry.action == "acknowledge" and alert.assignee is None:
        alert = replace(alert, assignee=entry.actor)
    return standing.shown_on(_accepted(alert, entry))


def _returned(alert: Alert, standing: _Standing, entry: Entry, seen: Seen) -> Alert:
    kept = [(id, rank) for id, rank in standing.advances if rank < 2 or not seen(id)]
    if len(kept) == len(standing.advances):
        return alert
    standing.advances = [*kept, (entry.id, 1)]
    return standing.shown_on(alert)


def _closed(alert: Alert, standing: _Standing, entry: Entry) -> Alert:
    disposition = reading.text(entry.data.get("disposition"), 64)
    if entry.action == "close" and disposition is None:
        return alert
    standing.closings.append((entry.id, _CLOSINGS[entry.action], disposition))
    alert = _accepted(alert, entry) if entry.action == "close" else alert
    return replace(standing.shown_on(alert), condition=Condition.CLEARED)


def _reopened(alert: Alert, standing: _Standing, seen: Seen) -> Alert:
    kept = [closing for closing in standing.closings if not seen(closing[0])]
    if len(kept) == len(standing.closings):
        return alert
    standing.closings = kept
    standing.advances = [(id, rank) for id, rank in standing.advances if not seen(id)]
    alert = _unshelved(standing.shown_on(alert), standing, seen)
    return alert if kept else replace(alert, condition=Condition.ACTIVE)


def _accepted(alert: Alert, entry: Entry) -> Alert:
    if alert.accepted_at is not None:
        return alert
    said = entry.data.get("level")
    level = next((level.value for level in Level if level == said), None)
    return replace(alert, accepted_at=entry.at, accepted_by=entry.actor, accepted_node=entry.node, accepted_level=level)


def _pressed(alert: Alert, entry: Entry) -> Alert:
    count = alert.count + 1
    press_id = reading.text(entry.data.get("press_id"), reading.MAX_TEXT)
    ids = alert.detail.get("press_ids", [])
    if press_id is not None and len(ids) < reading.MAX_PRESS_IDS and press_id not in ids:
        alert = replace(alert, detail={**alert.detail, "press_ids": [*ids, press_id]})
    more = reading.linked_cameras(entry.data.get("cameras"), press=count)
    if more:
        alert = replace(alert, cameras=reading.joined(alert.cameras, more), pictures_at=entry.at)
    if not is_press(alert):
        alert = _begun_again(alert, entry)
    return replace(alert, count=count, last_press_at=entry.at)


def _begun_again(alert: Alert, entry: Entry) -> Alert:
    """What had cleared by itself is there again, or another input or rule of the camera is."""
    said = entry.data.get("detail")
    what = said.get("what") if isinstance(said, Mapping) else None
    standing = reading.names([*reading.names(alert.detail.get("standing")), what if isinstance(what, str) else ""])
    condition = alert.condition if alert.closings else Condition.ACTIVE
    detail = {**alert.detail, **incidents.as_it_stands(alert, said), "standing": list(dict.fromkeys(standing))}
    return replace(alert, condition=condition, detail=detail)


def is_press(alert: Alert) -> bool:
    """A press latches until it is closed by hand (GB 50394-2007 §5.2.2); a terminal that was away comes back by itself."""
    return alert.source.type == "terminal" and alert.kind is not Kind.DEVICE_OFFLINE


def shelved_until(alert: Alert, now: datetime) -> datetime | None:
    """Until when it is set aside; None while it calls for attention, as every press always does."""
    mark = alert.detail.get("shelved")
    until = said_time(mark.get("until")) if isinstance(mark, Mapping) and alert.workflow in _OPEN else None
    return until if until is not None and until > now and not is_press(alert) else None


def _cleared(alert: Alert, entry: Entry) -> Alert:
    # ``still``: what else goes on, such as another input.
    if is_press(alert):
        return alert
    still = reading.names(entry.data.get("still"))
    detail = (
        {**alert.detail, "standing": still}
        if "standing" in alert.detail or alert.source.type == "camera"
        else alert.detail
    )
    return replace(alert, condition=alert.condition if still else Condition.CLEARED, detail=detail)


def _pictured(alert: Alert, entry: Entry) -> Alert:
    wanted, news = entry.data.get("snapshot"), reading.picture(entry.data)
    for at, camera in enumerate(alert.cameras):
        for place, snapshot in enumerate(camera.snapshots):
            if snapshot.id != wanted or camera.id != entry.data.get("camera"):
                continue
            if news is None or reading.settled(snapshot) >= reading.settled(news):
                return alert
            filled = replace(news, id=snapshot.id, wanted_ms=snapshot.wanted_ms, press=snapshot.press)
            snapshots = (*camera.snapshots[:place], filled, *camera.snapshots[place + 1 :])
            changed = replace(camera, snapshots=snapshots)
            return replace(alert, cameras=(*alert.cameras[:at], changed, *alert.cameras[at + 1 :]))
    return alert


def _clipped(alert: Alert, entry: Entry) -> Alert:
    news = reading.clip(entry.data)
    for at, camera in enumerate(alert.cameras):
        if news is None or camera.id != entry.data.get("camera"):
            continue
        known = camera.clip  # None: a fold of the former version, which passed over what ``raised`` says of clips
        if known is not None and (known.id != news.id or reading.settled(known) >= reading.settled(news)):
            return alert
        return replace(alert, cameras=(*alert.cameras[:at], replace(camera, clip=news), *alert.cameras[at + 1 :]))
    return alert


_EFFECTS: Mapping[str, Callable[[Alert, Entry], Alert]] = {
    "pressed": _pressed,
    **marks.EFFECTS,
    "cleared": _cleared,
    "picture": _pictured,
    "clip": _clipped,
}
