"""The life of an alert: a pure fold over its entries, equal on every node that has the same entries.

Order is by cause and never by clocks: depth in the parents' graph, then node, sequence and id. Concurrent acts:

- an advance (acknowledge, dispatch, arrive) never moves the workflow backwards; ``return`` and ``reopen`` take back only
  the advances that their author had seen;
- ``close`` and ``cancel`` stand until a ``reopen`` whose author had seen them; of several, the first in order speaks;
- whoever acts on an alert that he has seen closed changes nothing, but for ``reopen`` (and notes, which never do).

Entries may come from newer or from hostile nodes: unknown actions are kept without effect, malformed data is read as far
as it makes sense, and nothing in here raises because of what an entry says.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

from gateway.model import (
    Alert,
    Condition,
    Entry,
    Kind,
    LinkedCamera,
    PictureState,
    Place,
    Snapshot,
    SourceRef,
    Status,
    Workflow,
    rfc3339,
)

# A button that sticks must not let one alert grow without end: of its presses the first ids are named (all are counted),
# of its pictures the first sets are kept. Every press is still an entry of its own.
MAX_PRESS_IDS = 100
MAX_CAMERAS = 64
MAX_SNAPSHOTS = 100
_MAX_TEXT = 1_000
_MAX_NUMBER = 2**53

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

E = TypeVar("E", bound=StrEnum)
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
    alert, standing = _raised(first), _Standing()
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


def order(entries: Iterable[Entry]) -> list[Entry]:
    """A linear extension of the causal order, the same for every arrival order: by (depth, node, seq, id), where depth
    is one more than the deepest known parent's. Linear in entries and parents, whatever a hostile node has drawn."""
    known = {entry.id: entry for entry in entries}
    depth, _ = _depths(_known_parents(known))
    return sorted(known.values(), key=lambda entry: (depth[entry.id], entry.node, entry.seq, entry.id))


def heads(entries: Iterable[Entry]) -> list[str]:
    """The ids that a new entry has to name as parents to follow all of these: those that none of them names, and those
    on forged cycles, which name each other."""
    known = {entry.id: entry for entry in entries}
    parents = _known_parents(known)
    _, cyclic = _depths(parents)
    named = {parent for named in parents.values() for parent in named}.difference(cyclic)
    return [id for id in known if id not in named]


def _known_parents(known: Mapping[str, Entry]) -> dict[str, list[str]]:
    return {id: [p for p in dict.fromkeys(entry.parents) if p in known and p != id] for id, entry in known.items()}


def _depths(parents: Mapping[str, Sequence[str]]) -> tuple[dict[str, int], list[str]]:
    """The depth of every entry, and the entries on cycles."""
    children: dict[str, list[str]] = {id: [] for id in parents}
    for id, named in parents.items():
        for parent in named:
            children[parent].append(id)
    depth: dict[str, int] = {}
    waiting = {id: len(named) for id, named in parents.items()}
    _descend([id for id, count in waiting.items() if not count], parents, children, waiting, depth)
    # Only a forger draws cycles. Their members count from their parents outside; who follows them honestly still does.
    cyclic = _cyclic(parents, children, depth)
    waiting.update(dict.fromkeys(cyclic, 0))
    _descend(cyclic, parents, children, waiting, depth)
    return depth, cyclic


def _descend(
    ready: list[str],
    parents: Mapping[str, Sequence[str]],
    children: Mapping[str, Sequence[str]],
    waiting: dict[str, int],
    depth: dict[str, int],
) -> None:
    """Give a depth to every entry whose parents all have one (Kahn's algorithm); ``ready`` all at once."""
    depth.update({id: 1 + max((depth.get(parent, 0) for parent in parents[id]), default=0) for id in ready})
    stack = list(ready)
    while stack:
        for child in children[stack.pop()]:
            waiting[child] -= 1
            if waiting[child] == 0:
                depth[child] = 1 + max(depth[parent] for parent in parents[child])
                stack.append(child)


def _cyclic(
    parents: Mapping[str, Sequence[str]], children: Mapping[str, Sequence[str]], done: Mapping[str, int]
) -> list[str]:
    """Of the entries without a depth, those that lie on cycles or between them: the rest merely follows."""
    left = {id: sum(child not in done for child in children[id]) for id in parents if id not in done}
    stack = [id for id, count in left.items() if not count]
    while stack:
        id = stack.pop()
        del left[id]
        for parent in parents[id]:
            if parent in left:
                left[parent] -= 1
                if left[parent] == 0:
                    stack.append(parent)
    return list(left)


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
        return replace(alert, assignee=_text(entry.data.get("assignee"), 128) or alert.assignee)
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
    disposition = _text(entry.data.get("disposition"), 64)
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
    press_id = _text(entry.data.get("press_id"), _MAX_TEXT)
    ids = alert.detail.get("press_ids", [])
    if press_id is not None and len(ids) < MAX_PRESS_IDS and press_id not in ids:
        alert = replace(alert, detail={**alert.detail, "press_ids": [*ids, press_id]})
    cameras = _joined(alert.cameras, _cameras(entry.data.get("cameras"), press=count))
    return replace(alert, count=count, last_press_at=entry.at, cameras=cameras)


def _withdrawn(alert: Alert, entry: Entry) -> Alert:
    return replace(alert, detail={**alert.detail, "withdrawn_at": rfc3339(entry.at)})


def _cleared(alert: Alert, entry: Entry) -> Alert:
    # A press latches until it is closed by hand (GB 50394-2007 §5.2.2).
    return alert if alert.source.type == "terminal" else replace(alert, condition=Condition.CLEARED)


def _pictured(alert: Alert, entry: Entry) -> Alert:
    wanted, news = entry.data.get("snapshot"), _picture(entry.data)
    for at, camera in enumerate(alert.cameras):
        for place, snapshot in enumerate(camera.snapshots):
            if snapshot.id != wanted or camera.id != entry.data.get("camera"):
                continue
            if news is None or _settled(snapshot) >= _settled(news):
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


# ------------------------------------------------------------------------------- reading what any node may have written


def _raised(entry: Entry) -> Alert:
    """Never fails: an alert whose base cannot be read in full is still an alert, and then a grave one."""
    base = _mapping(entry.data.get("base"))
    source, place = _mapping(base.get("source")), _mapping(base.get("place"))
    kind = _member(Kind, base.get("kind"), Kind.OTHER)
    severity = _whole(base.get("severity"))
    raised_at = _time(base.get("raised_at")) or entry.at
    press = source.get("type") == "terminal"
    detail = dict(_mapping(base.get("detail")))
    if "press_ids" in detail:
        ids = [id for id in _sequence(detail["press_ids"]) if _text(id, _MAX_TEXT) is not None]
        detail["press_ids"] = ids[:MAX_PRESS_IDS]
    return Alert(
        id=entry.alert_id,
        node=entry.node,
        kind=kind,
        severity=severity if severity in (1, 2, 3, 4) else 1,
        status=_member(Status, base.get("status"), Status.ACTUAL),
        raised_at=raised_at,
        source=SourceRef(
            type=_text(source.get("type"), 64) or "node",
            id=_text(source.get("id"), _MAX_TEXT) or entry.node,
            name=_text(source.get("name"), _MAX_TEXT),
            known=source.get("known") is True,
        ),
        title=_text(base.get("title"), _MAX_TEXT) or kind.value,
        place=Place(
            lon=_degrees(place.get("lon"), 180),
            lat=_degrees(place.get("lat"), 90),
            address=_text(place.get("address"), _MAX_TEXT),
            area_code=_text(place.get("area_code"), 64),
        ),
        device_time=_time(base.get("device_time")),
        last_press_at=raised_at if press else None,
        detail=detail,
        cameras=_joined((), _cameras(base.get("cameras"), press=1)),
    )


def _cameras(value: object, *, press: int) -> list[LinkedCamera]:
    cameras = []
    for item in _sequence(value)[:MAX_CAMERAS]:
        camera = _mapping(item)
        id = _text(camera.get("id"), _MAX_TEXT)
        if id is None:
            continue
        snapshots = (_snapshot(_mapping(one), press) for one in _sequence(camera.get("snapshots"))[:MAX_SNAPSHOTS])
        cameras.append(
            LinkedCamera(
                id=id,
                name=_text(camera.get("name"), _MAX_TEXT) or id,
                distance_m=_whole(camera.get("distance_m")),
                snapshots=tuple(snapshot for snapshot in snapshots if snapshot is not None),
            )
        )
    return cameras


def _snapshot(value: Mapping[str, Any], press: int) -> Snapshot | None:
    id, wanted_ms = _text(value.get("id"), 128), _whole(value.get("wanted_ms"))
    if id is None or wanted_ms is None:
        return None
    failed = value.get("state") == PictureState.FAILED
    return Snapshot(
        id=id,
        wanted_ms=wanted_ms,
        press=press,
        state=PictureState.FAILED if failed else PictureState.PENDING,
        reason=_text(value.get("reason"), _MAX_TEXT),
    )


def _joined(cameras: Sequence[LinkedCamera], more: Iterable[LinkedCamera]) -> tuple[LinkedCamera, ...]:
    joined = {camera.id: camera for camera in cameras}
    taken = {snapshot.id for camera in cameras for snapshot in camera.snapshots}
    for camera in more:
        before = joined.get(camera.id)
        if before is None and len(joined) >= MAX_CAMERAS:
            continue
        fresh = []
        for snapshot in camera.snapshots:
            if snapshot.id not in taken:
                taken.add(snapshot.id)
                fresh.append(snapshot)
        kept = (before.snapshots if before else ()) + tuple(fresh)
        joined[camera.id] = replace(before or camera, snapshots=kept[:MAX_SNAPSHOTS])
    return tuple(joined.values())


def _picture(data: Mapping[str, Any]) -> Snapshot | None:
    """What a ``picture`` entry says of its snapshot; None where it makes no sense."""
    if data.get("state") == PictureState.FAILED:
        return Snapshot("", 0, state=PictureState.FAILED, reason=_text(data.get("reason"), _MAX_TEXT))
    sha256 = _text(data.get("sha256"), 64)
    if data.get("state") != PictureState.READY or sha256 is None or len(sha256) != 64 or not _is_hex(sha256):
        return None
    return Snapshot(
        "",
        0,
        offset_ms=_whole(data.get("offset_ms")),
        taken_at=_time(data.get("taken_at")),
        state=PictureState.READY,
        sha256=sha256,
        width=_whole(data.get("width")),
        height=_whole(data.get("height")),
    )


def _settled(snapshot: Snapshot) -> int:
    return (PictureState.PENDING, PictureState.FAILED, PictureState.READY).index(snapshot.state)


def _is_hex(text: str) -> bool:
    return all(letter in "0123456789abcdef" for letter in text)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _sequence(value: object) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else ()


def _text(value: object, limit: int) -> str | None:
    return value[:limit] if isinstance(value, str) and value else None


def _whole(value: object) -> int | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _MAX_NUMBER else None


def _degrees(value: object, limit: int) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if -limit <= value <= limit else None


def _time(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value)
        return at.astimezone(UTC) if at.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def _member(members: type[E], value: object, otherwise: E) -> E:
    return next((member for member in members if member == value), otherwise)
