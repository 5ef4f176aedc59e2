"""分级分类推送: who is told of an alert, and which partners get its entries, by place, kind, class, grade, hour and escalation.

What is owed to people stands in the outbox with the entry that is its reason; what came of it is the entry `notified`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any

from gateway.alerts import telling
from gateway.alerts.duties import Duty
from gateway.alerts.reactions import lane_of
from gateway.alerts.spans import Span
from gateway.alerts.timers import owe
from gateway.model import (
    ENDED,
    Alert,
    Draft,
    Entry,
    Kind,
    Lane,
    Level,
    Notice,
    Parcel,
    ParcelDraft,
    Receipt,
    Status,
    Timer,
    rfc3339,
)
from gateway.ports import Clock, FeedEntry, StoredAlert, Transaction

REST = "notify_rest"
_SENSIBLE = datetime(2020, 1, 1, tzinfo=UTC)
_MOST_A_MINUTE = 10
"""Messages to one person; robots take 20 a minute in all, and nobody reads more. The rest is told in one."""
_MINUTE_S = 60.0
_MOST_NAMED = 50
_MOST_TEXT = 2_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which alerts are meant: each list that is not empty has to name the alert. ``areas``: beginnings of the area code;
    ``classes``: codes of classes, or beginnings of sub-classes' codes. An alert from nowhere known is everybody's, whatever their areas."""

    areas: tuple[str, ...] = ()
    kinds: frozenset[Kind] = frozenset()
    severities: frozenset[int] = frozenset()
    grades: frozenset[int] = frozenset()
    classes: tuple[str, ...] = ()
    statuses: frozenset[Status] = frozenset()

    def fits(self, alert: Alert) -> bool:
        case = alert.detail.get("case")
        case = case if isinstance(case, Mapping) else {}
        area = alert.place.area_code
        return (
            (not self.areas or area is None or area.startswith(self.areas))
            and (not self.kinds or alert.kind in self.kinds)
            and (not self.severities or alert.severity in self.severities)
            and (not self.grades or _grade(case, alert) in self.grades)
            and (not self.classes or case.get("class") in self.classes or _code(case).startswith(self.classes))
            and (not self.statuses or alert.status in self.statuses)
        )


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody to be told through the sink ``sink``. ``when``: raised | escalated; ``levels``: only of an escalation to
    one of these; ``full``: told the household, its address and its phone."""

    id: str
    sink: str
    role: str = "other"
    wanted: Wanted = Wanted()
    span: Span | None = None
    when: frozenset[str] = frozenset({"raised"})
    levels: frozenset[Level] = frozenset()
    drills: bool = False
    full: bool = False
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    sinks: frozenset[str]
    wanted: Wanted = Wanted()


@dataclass(frozen=True, slots=True)
class Plan:
    """``partners``: the sinks that get entries by route; one that no route names gets all. ``zone``: of the hours."""

    zone: tzinfo
    people: Sequence[Person] = ()
    partners: Sequence[str] = ()
    routes: Sequence[Route] = ()

    def takes(self, partner: str, alert: Alert) -> bool:
        own = [route for route in self.routes if partner in route.sinks]
        return not own or any(route.wanted.fits(alert) for route in own)

    def routed(self, partner: str) -> bool:
        return any(partner in route.sinks for route in self.routes)

    def in_hours(self, span: Span | None, now: datetime) -> bool:
        """A clock that was never set knows no hours: then everybody is told."""
        return span is None or now < _SENSIBLE or span.holds(now, self.zone)


@dataclass(slots=True)
class _Minute:
    """What one person was told since ``began`` (monotonic), and what was left out. Lost at a restart, as the minute is."""

    began: float
    told: int = 0
    left_out: list[str] = field(default_factory=list)
    more: int = 0


class Routing(Duty):
    """Posts notices to people and entries to partners."""

    timers = frozenset({REST})

    def __init__(self, plan: Plan, clock: Clock) -> None:
        self._plan = plan
        self._clock = clock
        self._people = {person.id: person for person in plan.people}
        self._minutes: dict[str, _Minute] = {}

    def react(self, tx: Transaction, fed: FeedEntry, stored: StoredAlert | None, via: str | None) -> None:
        entry = fed.entry
        for partner in self._plan.partners:
            if partner != via:
                self._forward(tx, partner, entry, stored)
        if stored is None or not self._people or stored.alert.workflow in ENDED:
            return
        if entry.action == "raised":
            self._tell_of(tx, stored.alert, "raised", {})
            for to in _names(stored.alert.detail.get("escalated_to")):  # the escalation may have come before it
                self._tell_of(tx, stored.alert, "escalated", {"to": to})
        elif entry.action == "escalate":
            self._tell_of(tx, stored.alert, "escalated", entry.data)
        elif entry.action == "reopen":  # somebody pressed again, or it was closed too soon
            self._tell_of(tx, stored.alert, "raised", {})

    def _forward(self, tx: Transaction, partner: str, entry: Entry, stored: StoredAlert | None) -> None:
        if not self._plan.routed(partner):
            tx.post(ParcelDraft(partner, lane_of(entry.action), entry_id=entry.id))
            return
        if stored is None:
            return
        named = entry.action == "escalate" and partner in _names(entry.data.get("to"))
        if not self._plan.takes(partner, stored.alert) and not named:
            return
        # Nothing could be decided of what came before its ``raised``, and who is named in an escalation has had nothing.
        whole = named or entry.action == "raised"
        for one in [line.entry for line in tx.entries(entry.alert_id)] if whole else [entry]:
            tx.post(ParcelDraft(partner, lane_of(one.action), entry_id=one.id))

    # ------------------------------------------------------------------------------------------------ people

    def _tell_of(self, tx: Transaction, alert: Alert, when: str, data: Mapping[str, Any]) -> None:
        """An alert is raised once and opened anew seldom, but rungs are told of by every level: each only once."""
        now, to = self._clock.now(), _names(data.get("to"))
        key = f"told/{alert.id}/{when}/{','.join(to)}"
        if when == "escalated":
            if tx.idempotent(key) is not None:
                return
            tx.remember_answer(key, "")
        for person in self._people.values():
            if self._is_told(person, alert, when, to, now):
                self._tell(tx, person, alert, when, data, now)

    def _is_told(self, person: Person, alert: Alert, when: str, to: Sequence[str], now: datetime) -> bool:
        if alert.status is not Status.ACTUAL and not person.drills:
            return False
        if person.id in to:
            return True  # by name, whatever the hour
        named_others = bool(to) and not any(name in tuple(Level) for name in to)
        if when not in person.when or (when == "escalated" and named_others):
            return False
        if when == "escalated" and person.levels and not person.levels & set(to):
            return False
        return person.wanted.fits(alert) and self._plan.in_hours(person.span, now)

    def _tell(
        self, tx: Transaction, person: Person, alert: Alert, when: str, data: Mapping[str, Any], now: datetime
    ) -> None:
        minute = self._minute(person.id)
        if minute.told >= _MOST_A_MINUTE:
            self._leave_out(tx, person, minute, alert, now)
            return
        minute.told += 1
        said = telling.message(
            alert,
            self._plan.zone,
            full=person.full,
            answer=person.answer,
            escalated=data if when == "escalated" else None,
        )
        told = {"role": person.role, "title": telling.headline(alert), "when": when}
        tx.post(ParcelDraft(person.sink, Lane.ALARM, notice=Notice("person", person.id, alert.id, now, said, told)))

    def _minute(self, person_id: str) -> _Minute:
        mono, minute = self._clock.mono(), self._minutes.get(person_id)
        if minute is None or (mono - minute.began >= _MINUTE_S and not minute.left_out):
            minute = self._minutes[person_id] = _Minute(mono)
        return minute

    def _leave_out(self, tx: Transaction, person: Person, minute: _Minute, alert: Alert, now: datetime) -> None:
        if len(minute.left_out) < _MOST_NAMED:
            minute.left_out.append(alert.id)
        minute.more += 1
        if minute.more > _MOST_NAMED and minute.more % _MOST_NAMED:
            return  # the timer stands; in a storm it need not be written for every press
        wait = max(1.0, _MINUTE_S - (self._clock.mono() - minute.began))
        owe(tx, REST, person.id, now, wait, {"alerts": list(minute.left_out), "count": minute.more})

    def expired(self, tx: Transaction, timer: Timer) -> None:
        """The minute is over: what was left out is told in one message."""
        minute, person = self._minutes.pop(timer.key, None), self._people.get(timer.key)
        if person is None:
            return
        now, count, ids = self._clock.now(), timer.data.get("count"), _names(timer.data.get("alerts"))
        if minute is not None and isinstance(count, int):
            count = max(count, minute.more)
        told = {"role": person.role, "title": telling.FLOOD, "when": "raised", "alerts": list(ids), "count": count}
        self._minute(person.id).told += 1
        said = telling.flood(count if isinstance(count, int) else len(ids), person.answer)
        tx.post(ParcelDraft(person.sink, Lane.ALARM, notice=Notice("person", person.id, None, now, said, told)))

    def settle(self, tx: Transaction, parcel: Parcel, receipt: Receipt | None) -> None:
        notice = parcel.content
        if not isinstance(notice, Notice) or notice.kind != "person":
            return
        by = "" if receipt is None else receipt.id
        ids = [notice.alert_id] if notice.alert_id is not None else _names(notice.data.get("alerts"))
        for alert_id in ids:
            note_told(tx, alert_id, notice, str(notice.data.get("role", "other")), by, self._clock.now())


def note_told(tx: Transaction, alert_id: str, notice: Notice, role: str, by: str, now: datetime) -> None:
    """The entry `notified`: who was told what, when, and by what kind of channel; never by which address."""
    if tx.alert(alert_id) is None:  # the ledger is an older one than the outbox's
        return
    data = {"to": notice.to, "role": role, "by": by, "at": rfc3339(now), "text": notice.text[:_MOST_TEXT]}
    comment = f"{notice.to} ({role}) was told" + (f" by {by}" if by else "")
    tx.append(Draft(alert_id, "notified", "gateway", now, comment, data))


def _grade(case: Mapping[str, Any], alert: Alert) -> int:
    grade = case.get("grade")
    return grade if isinstance(grade, int) else alert.severity


def _code(case: Mapping[str, Any]) -> str:
    code = case.get("subclass")
    return code if isinstance(code, str) else ""


def _names(value: object) -> tuple[str, ...]:
    """One name or several, as far as they are some."""
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, Iterable) or isinstance(value, Mapping | bytes):
        return ()
    return tuple(name for name in value if isinstance(name, str))[:_MOST_NAMED]
