"""Service levels: by when an alert has to be taken, sent out for, reached and closed, and what is counted of it.

``detail.due`` is written where the alert is raised, so that every node shows the same moments; its home node counts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gateway.alerts.duties import Duty
from gateway.alerts.timers import owe
from gateway.model import ENDED, Alert, Entry, Status, Timer, Workflow, rfc3339
from gateway.observability import events
from gateway.ports import Clock, FeedEntry, StoredAlert, Transaction

STAGES = ("acknowledge", "dispatch", "arrive", "close")
_TIMER = "service"
_OUT = frozenset({Workflow.DISPATCHED, Workflow.ON_SCENE, *ENDED})


@dataclass(frozen=True, slots=True)
class ServiceLevels:
    """Seconds from the raising, by stage and severity."""

    limits: Mapping[str, Mapping[int, float]] = field(default_factory=dict)

    def of(self, severity: int) -> dict[str, float]:
        return {stage: self.limits[stage][severity] for stage in STAGES if severity in self.limits.get(stage, {})}

    def due(self, severity: int, raised_at: datetime, status: Status = Status.ACTUAL) -> dict[str, str]:
        """``detail.due`` of an alert; nobody is held to anything by a test."""
        if status is not Status.ACTUAL:
            return {}
        return {stage: rfc3339(raised_at + timedelta(seconds=wait)) for stage, wait in self.of(severity).items()}


class ServiceClock(Duty):
    """Counts how long each stage took, and the stages that were not reached in time, of this node's own alerts."""

    timers = frozenset({_TIMER})

    def __init__(self, node_id: str, levels: ServiceLevels, clock: Clock) -> None:
        self._node_id = node_id
        self._levels = levels
        self._clock = clock

    def react(self, tx: Transaction, fed: FeedEntry, stored: StoredAlert | None, via: str | None) -> None:
        if stored is None or stored.alert.node != self._node_id or stored.alert.status is not Status.ACTUAL:
            return
        entry, alert = fed.entry, stored.alert
        if entry.action == "raised":
            self._wait(tx, alert, 0.0)
        elif _began(alert, entry):
            took = (self._clock.now() - alert.raised_at).total_seconds()
            events.stage_reached(entry.action, alert.severity, took)
            if entry.action == "close":
                tx.clear_timer(_TIMER, alert.id)

    def expired(self, tx: Transaction, timer: Timer) -> None:
        stored = tx.alert(timer.key)
        if stored is None or stored.alert.workflow in ENDED:
            return
        elapsed = float(timer.data["elapsed"])
        for stage, limit in self._levels.of(stored.alert.severity).items():
            if limit == elapsed and not _reached(stored.alert, stage):
                events.service_level_missed(stored.alert.id, stage, stored.alert.severity, limit)
        self._wait(tx, stored.alert, elapsed)

    def _wait(self, tx: Transaction, alert: Alert, elapsed: float) -> None:
        """Until the next stage is due; ``elapsed`` seconds after the raising."""
        following = min((limit for limit in self._levels.of(alert.severity).values() if limit > elapsed), default=None)
        if following is not None:
            owe(tx, _TIMER, alert.id, self._clock.now(), following - elapsed, {"elapsed": following})


def _began(alert: Alert, entry: Entry) -> bool:
    """Whether this entry is what brought the alert to its stage."""
    if entry.action == "acknowledge":
        return alert.accepted_at == entry.at and alert.accepted_by == entry.actor
    if entry.action == "dispatch":
        return alert.workflow is Workflow.DISPATCHED
    return entry.action == "close" and alert.closings == (entry.id,)


def _reached(alert: Alert, stage: str) -> bool:
    if stage == "acknowledge":
        return alert.accepted_at is not None or alert.workflow is not Workflow.NEW
    if stage == "dispatch":
        return alert.workflow in _OUT
    return alert.workflow in ENDED or (stage == "arrive" and alert.workflow is Workflow.ON_SCENE)
