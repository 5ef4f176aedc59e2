"""Which of the things a device says are news. Pure: the clock is handed in.

Cameras say one thing twice (CellMotion and MotionAlarm), repeat how things stand whenever somebody subscribes, flap, and
forget to say that something is over. What comes out of here is one beginning and one end of each.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from adapters.onvif.events.notifications import nothing
from adapters.onvif.events.topics import Occurrence
from gateway.model import Kind

# Devices tell how things stand in the first answers after SetSynchronizationPoint, slow ones over several seconds. What
# is Initialized later is new: an object that came in (ONVIF Core: its property was created), or a firmware that calls
# every message so.
SETTLING: Final = 15.0
# A motion or an intrusion of which nothing more was heard for so long: its end was lost on the way. What may stay true
# for days (a covered lens, a closed contact, a broken disk) is never ended by a timer.
FORGOTTEN: Final = 600.0
ENDING: Final = frozenset((Kind.MOTION, Kind.LINE_CROSSING, Kind.INTRUSION))
FLAPS: Final = 8  # changes within FLAP_WINDOW, from which on they are held back and counted: a loose wire, rain
FLAP_WINDOW: Final = 60.0
CALM: Final = 20.0  # seconds without a change, after which it flaps no more
HELD_TOLD: Final = 60.0  # what flaps on and on is told so often, with its count
TWICE: Final = 1.0  # seconds within which the very same message is the same event
_MOST_FINDINGS: Final = 256  # of one device
_MOST_MEMBERS: Final = 64  # of one finding: the objects inside a field
_MOST_MOMENTS: Final = 128  # remembered against hearing them twice
_MOST_KEPT: Final = 64  # findings of one device, and
_MEMBERS_KEPT: Final = 8  # members of one, across a restart
_LONGEST_KEPT: Final = 1024


@dataclass(slots=True)
class _Finding:
    """One thing of one source, whichever topics tell of it.

    ``members``: which of them say that it is so, and when they last did. ``subscription``: in which it was first heard
    of. ``held``: changes that were not told, while it flaps.
    """

    source: str | None
    subscription: int
    last: Occurrence
    members: OrderedDict[str, float] = field(default_factory=OrderedDict)
    told: bool = False
    told_at: float = 0.0
    flaps: bool = False
    held: int = 0
    changes: deque[float] = field(default_factory=lambda: deque(maxlen=FLAPS))

    def take(self, occurrence: Occurrence, now: float) -> bool:
        """Whether other members say now that it is so."""
        self.last = occurrence
        known = occurrence.member in self.members
        if not occurrence.active:
            self.members.pop(occurrence.member, None)
            return known
        self.members[occurrence.member] = now
        self.members.move_to_end(occurrence.member)
        if len(self.members) > _MOST_MEMBERS:
            self.members.popitem(last=False)
        return not known

    def forget(self, before: float) -> bool:
        """Drop what was last confirmed before then; True where that ended it."""
        was = bool(self.members)
        while self.members and next(iter(self.members.values())) < before:
            self.members.popitem(last=False)
        return was and not self.members

    def change(self, now: float) -> bool:
        """Count a change; True where it is to be told."""
        self.changes.append(now)
        self.flaps = self.flaps or (len(self.changes) == FLAPS and now - self.changes[0] <= FLAP_WINDOW)
        if self.flaps:
            self.held += 1
            return False
        self.told, self.told_at = bool(self.members), now
        return True

    def release(self, now: float) -> int:
        """How many changes were held back, where it is time to tell of them; else 0."""
        calm = now - self.changes[-1] >= CALM
        if not calm and now - self.told_at < HELD_TOLD:
            return 0
        held, self.held, self.flaps = self.held, 0, not calm
        if calm:
            self.changes.clear()
        worth_it = bool(held) and (bool(self.members) or self.told or self.last.active is None)
        self.told, self.told_at = bool(self.members), now
        return held if worth_it else 0

    def tell(
        self, *, initial: bool = False, at: datetime | None = None, detail: Mapping[str, str] | None = None
    ) -> Occurrence:
        """The state as it is now, in the words of its latest notification."""
        last = self.last
        return replace(
            last,
            active=None if last.active is None else bool(self.members),
            source=last.source or self.source,
            initial=initial,
            at=at,
            detail={**last.detail, **(detail or {})},
        )


class States:
    """What one device's states were when last heard of.

    Keep it from one attempt to the next: what was untrue when last heard of and is true now happened while nobody
    listened, and is told. A device heard for the first time tells how things stand: that is handed on as ``initial``.
    ``changed`` is called where ``kept`` may be another.
    """

    def __init__(self, changed: Callable[[], None] = lambda: None) -> None:
        self._changed = changed
        self._findings: OrderedDict[tuple[str, str | None], _Finding] = OrderedDict()
        self._moments: OrderedDict[tuple[str, datetime], float] = OrderedDict()
        self._subscription = 0
        self._begun_at = float("-inf")

    def begin(self, now: float) -> None:
        """A subscription begins: what is Initialized in the next seconds is how things stand."""
        self._subscription += 1
        self._begun_at = now

    def note(self, occurrence: Occurrence, now: float) -> list[Occurrence]:
        """What is news in it: nothing, or the occurrence as it is to be told. ``now``: monotonic seconds."""
        if occurrence.active is None:
            return self._happened(occurrence, now)
        finding = self._finding(occurrence)
        was = bool(finding.members)
        if finding.take(occurrence, now):
            self._changed()
        if bool(finding.members) == was:
            return []
        if self._stood_already(finding, occurrence, now):
            finding.told = bool(finding.members)
            return [finding.tell(initial=True, at=occurrence.at)] if finding.members else []
        missed = occurrence.initial and self._settling(now)
        detail = {"missed": "it changed while nobody listened"} if missed else None
        return [finding.tell(at=occurrence.at, detail=detail)] if finding.change(now) else []

    def due(self, now: float) -> list[Occurrence]:
        """What became news by the mere passing of time: call it every few seconds."""
        told = []
        for finding in self._findings.values():
            if finding.last.kind in ENDING and finding.forget(self._confirmed_since(now)) and finding.told:
                finding.told = False
                self._changed()
                ended = finding.tell(detail={"unknown": "its end was never told"})
                told.append(replace(ended, active=False))
            if finding.flaps and (held := finding.release(now)):
                self._changed()
                told.append(finding.tell(detail={"changes": str(held)}))
        return told

    def kept(self) -> list[list[object]]:
        """The states as they were told, for ``restore`` in another process: plain lists that JSON can hold.

        Motion is left out: it changes all the time, and one that was missed is no loss.
        """
        lasting = [
            one for one in self._findings.values() if one.last.active is not None and one.last.kind is not Kind.MOTION
        ]
        return [_kept(finding) for finding in lasting[-_MOST_KEPT:]]

    def restore(self, kept: object, now: float) -> None:
        """Begin with what ``kept`` gave; whatever else is in it is left out."""
        for line in kept if isinstance(kept, list) else ():
            if (finding := _restored(line, now)) is not None:
                self._findings[finding.last.family, finding.source] = finding

    def _confirmed_since(self, now: float) -> float:
        """A state that is not told again to a new subscription ended while nobody listened."""
        oldest = now - FORGOTTEN
        return oldest if self._settling(now) else max(oldest, self._begun_at)

    def _settling(self, now: float) -> bool:
        return now < self._begun_at + SETTLING

    def _happened(self, occurrence: Occurrence, now: float) -> list[Occurrence]:
        """What has no state: Initialized, it is long past; told again, it is no news."""
        if occurrence.initial:
            return []
        if occurrence.at is not None and self._heard_before(occurrence.member, occurrence.at, now):
            return []
        finding = self._finding(occurrence)
        finding.last = occurrence
        return [finding.tell(at=occurrence.at)] if finding.change(now) else []

    def _heard_before(self, member: str, at: datetime, now: float) -> bool:
        """Some devices hand a new subscription what they had in their queue for the last. Only then is the same time the
        same event: there are clocks that stand still."""
        before = self._moments.pop((member, at), None)
        self._moments[member, at] = now
        if len(self._moments) > _MOST_MOMENTS:
            self._moments.popitem(last=False)
        if before is None:
            return False
        return now - before < TWICE or (before < self._begun_at and self._settling(now))

    def _stood_already(self, finding: _Finding, occurrence: Occurrence, now: float) -> bool:
        """We never knew it otherwise, and it did not change since: it is how things stood when we came."""
        fresh = finding.subscription == self._subscription and self._settling(now)
        return occurrence.initial and fresh and not finding.told and not finding.changes

    def _finding(self, occurrence: Occurrence) -> _Finding:
        key = self._key(occurrence.family, occurrence.source)
        finding = self._findings.get(key)
        if finding is None:
            finding = _Finding(occurrence.source, self._subscription, occurrence)
            self._findings[key] = finding
            self._changed()
            if len(self._findings) > _MOST_FINDINGS:
                self._findings.popitem(last=False)
        else:
            self._findings.move_to_end(key)
        return finding

    def _key(self, family: str, source: str | None) -> tuple[str, str | None]:
        """Of twins often only one names its source: they are one as long as no second source is known of."""
        if (family, source) in self._findings:
            return family, source
        if source is not None:
            if (unnamed := self._findings.pop((family, None), None)) is not None:
                unnamed.source = source
                self._findings[family, source] = unnamed
            return family, source
        named = [key for key in self._findings if key[0] == family]
        return named[0] if len(named) == 1 else (family, None)


def _kept(finding: _Finding) -> list[object]:
    last = finding.last
    members = list(finding.members)[-_MEMBERS_KEPT:] or [last.member]
    words = [last.kind, last.family, finding.source, last.what]
    return [
        *(word and word[:_LONGEST_KEPT] for word in words),
        finding.told,
        members if finding.told else [],
        dict(last.detail),
    ]


def _restored(line: object, now: float) -> _Finding | None:
    match line:
        case [str(kind), str(family), None | str() as source, str(what), bool(told), list(members), dict(detail)]:
            if kind not in list(Kind):
                return None
            words = {str(name): str(value) for name, value in detail.items()} or nothing()
            last = Occurrence(Kind(kind), told, source, what, family=family, detail=words)
            standing = OrderedDict((str(member), now) for member in members)
            return _Finding(source, 0, last, standing, told, now)
    return None
