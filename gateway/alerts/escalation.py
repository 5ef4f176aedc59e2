"""Nobody has acted in time: the alert is told further up, rung by rung.

Every level has its own clock for every alert that it holds, so a level that is cut off escalates too. A rung counts from
the raising (or the reopening) as this node learned of it. The default ladder goes one level at a time: for a lower node's
alert it waits twice as long, so that the level below goes first, and counts anew from what that level did; if the level
below is dead, it is not waited for. What is shelved is told to nobody until the shelving ends; then it is, at once, or
after the whole time anew where somebody ended it by hand.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.alerts.duties import Duty
from gateway.alerts.lifecycle import shelved_until
from gateway.alerts.timers import owe
from gateway.model import ENDED, Alert, Draft, Entry, Kind, Level, Status, Timer, Workflow
from gateway.observability import events
from gateway.ports import Clock, FeedEntry, StoredAlert, Transaction

_TIMER = "escalate"
_LEVELS = tuple(Level)
_REACHED = {
    "acknowledged": frozenset(Workflow) - {Workflow.NEW},
    "dispatched": frozenset(Workflow) - {Workflow.NEW, Workflow.ACKNOWLEDGED},
    "closed": ENDED,
}
_SET_BY = frozenset({"raised", "reopen", "return", "unshelve"})
_CLEARED_BY = frozenset({"acknowledge", "dispatch", "arrive", "close", "cancel"})
_WORDS = {"acknowledged": "acknowledged", "dispatched": "sent anybody for", "closed": "closed"}


@dataclass(frozen=True, slots=True)
class Rung:
    """``to``: a level, or names of people or sinks. ``unless``: acknowledged | dispatched | closed. ``after``: seconds.
    ``areas``: beginnings of area codes. ``staged``: lets the level below go first."""

    to: tuple[str, ...]
    after: float
    unless: str = "acknowledged"
    kinds: frozenset[Kind] = field(default_factory=frozenset)
    severities: frozenset[int] = field(default_factory=frozenset)
    classes: frozenset[str] = field(default_factory=frozenset)
    areas: tuple[str, ...] = ()
    drills: bool = False
    staged: bool = False

    def fits(self, alert: Alert) -> bool:
        case = alert.detail.get("case")
        code = case.get("class") if isinstance(case, dict) else None
        return (
            (alert.status is Status.ACTUAL or self.drills)
            and (not self.kinds or alert.kind in self.kinds)
            and (not self.severities or alert.severity in self.severities)
            and (not self.classes or code in self.classes)
            and (not self.areas or (alert.place.area_code or "").startswith(self.areas))
        )

    def reached(self, alert: Alert) -> bool:
        return alert.workflow in _REACHED[self.unless]


def level_above(level: Level) -> Level | None:
    at = _LEVELS.index(level)
    return _LEVELS[at + 1] if at + 1 < len(_LEVELS) else None


def default_ladder(level: Level) -> tuple[Rung, ...]:
    """Severity 1 that nobody has acknowledged goes to the level above after a minute, severity 2 after five."""
    above = level_above(level)
    if above is None:
        return ()
    to = (above.value,)
    return (
        Rung(to, 60.0, severities=frozenset({1}), staged=True),
        Rung(to, 300.0, severities=frozenset({2}), staged=True),
    )


class Escalation(Duty):
    """``rungs`` are those of this node, which stands at ``level``."""

    timers = frozenset({_TIMER})

    def __init__(self, node_id: str, level: Level, rungs: Sequence[Rung], clock: Clock) -> None:
        self._node_id = node_id
        self._level = level
        self._rungs = tuple(rungs)
        self._clock = clock

    def react(self, tx: Transaction, fed: FeedEntry, stored: StoredAlert | None, via: str | None) -> None:
        if stored is None or not self._rungs:
            return
        entry = fed.entry
        if entry.action in _CLEARED_BY:
            self._acted(tx, entry)
        elif entry.action in _SET_BY:
            self._set(tx, stored.alert, entry)
        elif entry.action == "escalate" and entry.node != self._node_id:
            self._passed_on(tx, stored.alert, entry)

    def _acted(self, tx: Transaction, entry: Entry) -> None:
        stored = tx.alert(entry.alert_id)  # as it is by now: what ended it may have been answered with a reopen
        for number, rung in enumerate(self._rungs):
            if stored is not None and rung.reached(stored.alert):
                tx.clear_timer(_TIMER, _key(entry.alert_id, number))

    def _set(self, tx: Transaction, alert: Alert, entry: Entry) -> None:
        for number, rung in enumerate(self._rungs):
            # a ``return`` takes back a dispatch: only what counts dispatches begins anew
            if (
                rung.reached(alert)
                or not rung.fits(alert)
                or (entry.action == "return" and rung.unless != "dispatched")
            ):
                continue
            own = alert.node == self._node_id or not rung.staged
            self._owe(tx, alert, number, rung, rung.after if own else 2 * rung.after)

    def _passed_on(self, tx: Transaction, alert: Alert, entry: Entry) -> None:
        """The level below has escalated: to us, or to somebody between it and us."""
        to = entry.data.get("to")
        if to not in _LEVELS or _LEVELS.index(Level(to)) > _LEVELS.index(self._level):
            return
        if _told_before(tx, entry):
            return  # else whoever is below could put us off without end
        for number, rung in enumerate(self._rungs):
            if rung.staged and rung.fits(alert) and not rung.reached(alert):
                self._owe(tx, alert, number, rung, rung.after if to == self._level else 2 * rung.after)

    def _owe(self, tx: Transaction, alert: Alert, number: int, rung: Rung, wait: float) -> None:
        data = {"alert": alert.id, "to": list(rung.to), "unless": rung.unless, "after_s": wait, "rung": number}
        owe(tx, _TIMER, _key(alert.id, number), self._clock.now(), wait, data)

    def expired(self, tx: Transaction, timer: Timer) -> None:
        """As the rung was when the timer was set: the configuration may have changed since."""
        said = timer.data
        stored = tx.alert(said["alert"])
        if stored is None or stored.alert.workflow in _REACHED[said["unless"]]:
            return
        until, now = shelved_until(stored.alert, self._clock.now()), self._clock.now()
        if until is not None:
            owe(tx, _TIMER, timer.key, now, (until - now).total_seconds(), said)
            return
        comment = f"nobody has {_WORDS[said['unless']]} it within {said['after_s']:g} s"
        names: list[str] = said["to"]
        data: dict[str, Any] = {
            "to": names[0] if len(names) == 1 and names[0] in _LEVELS else names,
            "because": f"not_{said['unless']}",
            "rung": said["rung"],
            "level": self._level.value,
        }
        tx.append(Draft(stored.alert.id, "escalate", "gateway", self._clock.now(), comment, data))
        events.alert_escalated(stored.alert.id, names, f"not_{said['unless']}")


def _told_before(tx: Transaction, entry: Entry) -> bool:
    others = (line.entry for line in tx.entries(entry.alert_id) if line.entry.id != entry.id)
    return any(other.action == "escalate" and other.data.get("to") == entry.data.get("to") for other in others)


def _key(alert_id: str, number: int) -> str:
    return f"{alert_id}|{number}"
