"""The life of an alert: a pure fold over its entries, equal on every node that has the same entries.

Order is by cause and never by clocks: depth in the parents' graph, then node, sequence and id. Concurrent acts:

- an advance (acknowledge, dispatch, arrive) never moves the workflow backwards; ``return`` and ``reopen`` take back only
  the advances that their author had seen;
- ``close`` and ``cancel`` stand until a ``reopen`` whose author had seen them; of several, the first in order speaks;
- whoever acts on an alert that he has seen closed changes nothing, but for ``reopen`` (and notes, which never do).

Entries may come from newer or from hostile nodes: unknown actions are kept without effect, malformed data is read as far
as it makes sense, and nothing in here raises because of what an entry says.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from gateway.alerts import reading
from gateway.alerts.causality import order
from gateway.model import (
    Alert,
    Condition,
    Entry,
    Workflow,
    rfc3339,
)

_RANKED = (Workflow.NEW, Workflow.ACKNOWLEDGED, Workflow.DISPATCHED, Workflow.ON_SCENE)
_ADVANCES = {"acknowledge": 1, "dispatch": 2, "arrive": 3}
_CLOSINGS = {"close": Workflow.CLOSED, "cancel": Workflow.CANCELLED}
_MARKS = frozenset({*_ADVANCES, *_CLOSINGS, "return"})

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
    if action in ("shelve", "unshelve") and alert.source.type == "terminal":
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
        alert = _taken(alert, standing, entry, _seen_in(mask, bits))
        if entry.action in _MARKS:
            bits[entry.id] = 1 << len(bits)
        masks[entry.id] = mask | bits.get(entry.id, 0)
    return alert


def apply(alert: Alert, entry: Entry) -> Alert:
    """The alert after one more entry, which must name all ``heads`` of those before among its parents, and which none of
    them may name: then this is ``fold`` of them all."""
    return _taken(alert, _Standing.of(alert), entry, lambda mark: True)


def _seen_in(mask: int, bits: Mapping[str, int]) -> Seen:
    return lambda mark: bool(mask & bits[mark])


@dataclass(slots=True)
class _Standing:
    """What is still in force: (id, rank) of advances, (id, workflow, disposition) of closings in order."""

    advances: list[tuple[str, int]] = field(default_factory=list)
    closings: list[tuple[str, Workflow, str | None]] = field(default_factory=list)

    @classmethod
    def of(cls, alert: Alert) -> "_Standing":
        """As far as an entry can tell that has seen everything."""
        if alert.closings:
            return cls(closings=[(id, alert.workflow, alert.disposition) for id in alert.closings])
        rank = _RANKED.index(alert.workflow)
        return cls(advances=[("", rank)] if rank else [])

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
    return alert


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
    alert = standing.shown_on(alert)
    return alert if kept else replace(alert, condition=Condition.ACTIVE)


def _accepted(alert: Alert, entry: Entry) -> Alert:
    if alert.accepted_at is not None:
        return alert
    return replace(alert, accepted_at=entry.at, accepted_by=entry.actor, accepted_node=entry.node)


def _pressed(alert: Alert, entry: Entry) -> Alert:
    count = alert.count + 1
    press_id = reading.text(entry.data.get("press_id"), reading.MAX_TEXT)
    ids = alert.detail.get("press_ids", [])
    if press_id is not None and len(ids) < reading.MAX_PRESS_IDS and press_id not in ids:
        alert = replace(alert, detail={**alert.detail, "press_ids": [*ids, press_id]})
    more = reading.linked_cameras(entry.data.get("cameras"), press=count)
    if more:
        alert = replace(alert, cameras=reading.joined(alert.cameras, more), pictures_at=entry.at)
    return replace(alert, count=count, last_press_at=entry.at)


def _withdrawn(alert: Alert, entry: Entry) -> Alert:
    return replace(alert, detail={**alert.detail, "withdrawn_at": rfc3339(entry.at)})


def _cleared(alert: Alert, entry: Entry) -> Alert:
    # A press latches until it is closed by hand (GB 50394-2007 §5.2.2).
    return alert if alert.source.type == "terminal" else replace(alert, condition=Condition.CLEARED)


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


_EFFECTS: Mapping[str, Callable[[Alert, Entry], Alert]] = {
    "pressed": _pressed,
    "withdrawn": _withdrawn,
    "cleared": _cleared,
    "picture": _pictured,
}
