"""Sirens of a village: sounded by an alert in their area, silenced when somebody acts, and never for a test or a drill."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.alerts.duties import Duty
from gateway.alerts.routing import Plan, Wanted, note_told
from gateway.alerts.spans import Span
from gateway.alerts.timers import owe
from gateway.model import ENDED, Alert, Entry, Lane, Notice, Parcel, ParcelDraft, Receipt, Status, Timer, Workflow
from gateway.ports import Clock, FeedEntry, StoredAlert, Transaction

LONGEST = "siren"
_HANDLING = frozenset({"acknowledge", "dispatch", "arrive", "close", "cancel"})
_MOST_HELD = 100


@dataclass(frozen=True, slots=True)
class Siren:
    """Reached through the MQTT source ``via``. ``on`` and ``off``: payloads; without ``off`` it ends by itself. ``until``:
    acknowledged | closed. ``longest``: seconds, after which it is silenced although nobody acted."""

    id: str
    via: str
    topic: str
    on: Any
    off: Any = None
    wanted: Wanted = field(default_factory=Wanted)
    span: Span | None = None
    until: str = "acknowledged"
    longest: float = 180.0


class Sirens(Duty):
    """Which alerts hold each siren stands in the ledger: one of two that are answered does not silence it."""

    timers = frozenset({LONGEST})

    def __init__(self, sirens: Sequence[Siren], plan: Plan, clock: Clock) -> None:
        self._sirens = {siren.id: siren for siren in sirens}
        self._plan = plan
        self._clock = clock

    def react(self, tx: Transaction, fed: FeedEntry, stored: StoredAlert | None, via: str | None) -> None:
        if stored is None or not self._sirens:
            return
        if fed.entry.action == "raised":
            self._sound(tx, stored.alert)
        elif fed.entry.action in _HANDLING:
            self._release(tx, fed.entry, stored.alert)

    def _sound(self, tx: Transaction, alert: Alert) -> None:
        if alert.status is not Status.ACTUAL or alert.workflow is not Workflow.NEW or alert.detail.get("late"):
            return  # of an hour ago, or somebody has it already
        for siren in self._sirens.values():
            if siren.wanted.fits(alert) and self._plan.in_hours(siren.span, self._clock.now()):
                held = _held(tx, siren)
                _hold(tx, siren, [*held, alert.id][:_MOST_HELD])
                owe(tx, LONGEST, siren.id, self._clock.now(), siren.longest)
                if not held or siren.off is None:
                    self._post(tx, siren, alert.id, "on", siren.on)

    def _release(self, tx: Transaction, entry: Entry, alert: Alert) -> None:
        for siren in self._sirens.values():
            over = alert.workflow in ENDED if siren.until == "closed" else alert.workflow is not Workflow.NEW
            held = _held(tx, siren) if over else []
            if entry.alert_id in held:
                rest = [id for id in held if id != entry.alert_id]
                _hold(tx, siren, rest)
                if not rest:
                    self._silence(tx, siren, alert.id)

    def expired(self, tx: Transaction, timer: Timer) -> None:
        """It has sounded long enough."""
        siren = self._sirens.get(timer.key)
        held = [] if siren is None else _held(tx, siren)
        if siren is not None and held:
            _hold(tx, siren, [])
            self._silence(tx, siren, held[-1])

    def _silence(self, tx: Transaction, siren: Siren, alert_id: str) -> None:
        tx.clear_timer(LONGEST, siren.id)
        if siren.off is not None:
            self._post(tx, siren, alert_id, "off", siren.off)

    def _post(self, tx: Transaction, siren: Siren, alert_id: str, state: str, payload: Any) -> None:
        data = {"topic": siren.topic, "payload": payload, "state": state}
        text = "警笛鸣响" if state == "on" else "警笛停止"
        told = Notice("siren", siren.id, alert_id, self._clock.now(), text, data)
        tx.post(ParcelDraft(siren.via, Lane.ALARM, notice=told))

    def settle(self, tx: Transaction, parcel: Parcel, receipt: Receipt | None) -> None:
        notice = parcel.content
        if isinstance(notice, Notice) and notice.kind == "siren" and notice.alert_id is not None:
            note_told(tx, notice.alert_id, notice, "siren", "mqtt", self._clock.now())


def _held(tx: Transaction, siren: Siren) -> list[str]:
    text = tx.bookmark(f"siren/{siren.id}")
    held = [] if text is None else json.loads(text)
    return [str(id) for id in held]


def _hold(tx: Transaction, siren: Siren, alerts: Sequence[str]) -> None:
    tx.set_bookmark(f"siren/{siren.id}", json.dumps(alerts))
