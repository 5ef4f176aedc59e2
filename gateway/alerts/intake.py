"""Signals in, alerts out: decides, inside one ledger transaction, whether a press is new, joins, or is the same again."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from gateway.alerts import device_clock, grading, neighbours
from gateway.alerts.answers import answer, proof_again, stage_of
from gateway.alerts.clock_steps import ClockSteps
from gateway.alerts.evidence import Evidence, boot_id, wants_pictures
from gateway.alerts.policy import IntakePolicy
from gateway.alerts.reading import names
from gateway.alerts.register import Register
from gateway.calm import Calm
from gateway.codec import optional_time, place_json, source_json
from gateway.model import (
    PRESS_KINDS,
    Accepted,
    Alert,
    Draft,
    Lane,
    ParcelDraft,
    Place,
    Press,
    Signal,
    SourceRef,
    Stage,
    Status,
    Terminal,
    Workflow,
    rfc3339,
    uuid7,
)
from gateway.observability import events
from gateway.ports import Clock, Ledger, PressRecord, StoredAlert, Transaction

SAME_PRESS_WITHIN = timedelta(hours=24)
SAME_PAYLOAD_WITHIN = timedelta(minutes=10)
_TOLD_AFTER_S = 0.02
_MOST_LATE = 20  # open alerts of one terminal that a late press is held against

_Told = Callable[[float], None]
"""Logs and counts what became of a signal, given the seconds from its receipt until it was on disk."""


class Intake:
    """Takes signals to the ledger. Every method returns only when what it says is on disk."""

    def __init__(
        self, ledger: Ledger, register: Register, policy: IntakePolicy, clock: Clock, calm: Calm | None = None
    ) -> None:
        self._ledger = ledger
        self._register = register
        self._policy = policy
        self._clock = clock
        self._evidence = Evidence(register, policy, "press")
        self._calm = calm or Calm()
        self._steps = ClockSteps(clock, SAME_PRESS_WITHIN, boot_id())

    async def emit(self, signal: Signal) -> Accepted:
        """Raises StoreFailed: then nothing happened, and nobody may be told otherwise."""
        self._steps.look()
        with self._calm.disturbed():
            accepted, tell, steps = await self._ledger.write(
                lambda tx: self._take_by_the_clock(tx, signal), urgent=True
            )
        self._steps.kept(steps)
        took = self._clock.mono() - signal.received_mono
        if signal.source.type == "terminal":
            test = signal.status is Status.TEST
            self._register.seen(signal.source.id, signal.received_at, pressed=True, test=test)
        # the receipt to the household goes before the line in our log
        asyncio.get_running_loop().call_later(_TOLD_AFTER_S, tell, took)
        return accepted

    async def withdraw(self, terminal_id: str, press_id: str | None) -> None:
        """The presser takes it back: an entry and a mark on the open alert, never a closing."""
        self._steps.look()
        await self._ledger.write(lambda tx: self._withdraw(tx, terminal_id, press_id), urgent=True)

    def presence(self, terminal_id: str, online: bool | None) -> None:
        self._register.seen(terminal_id, self._clock.now(), online=online)

    # -------------------------------------------------------------------------------- inside the transaction

    def _take_by_the_clock(self, tx: Transaction, signal: Signal) -> tuple[Accepted, _Told, str]:
        steps = self._steps.keep(tx)
        return *self._take(tx, signal), steps

    def _take(self, tx: Transaction, signal: Signal) -> tuple[Accepted, _Told]:
        if signal.press is not None:
            known = self._same_press(tx, signal, signal.press)
            if known is not None:
                return self._again(tx, signal, signal.press, known)
        press_id = None if signal.press is None else signal.press.press_id or signal.press.repeat_key or uuid7()
        joined = self._to_join(tx, signal)
        accepted, tell = (
            self._raise(tx, signal, press_id) if joined is None else self._join(tx, signal, press_id, joined)
        )
        if signal.press is not None and press_id is not None:
            reply_to = signal.press.reply_to
            record = PressRecord(
                signal.source.id, press_id, accepted.alert_id, Stage.RECEIVED, signal.received_at, signal.via, reply_to
            )
            tx.remember_press(record, signal.press.payload_digest)
            if joined is None:
                self._tell_neighbours(tx, signal, accepted.alert_id)
            self._answer(tx, record, Stage.RECEIVED, signal.press, None)
            reached = None if joined is None else stage_of(joined.alert)
            if reached is not None:  # somebody already sees to the alert that it joined
                tx.raise_stage(record.terminal, record.press_id, record.alert_id, reached)
                self._answer(tx, record, reached, signal.press, joined)
        return accepted, tell

    def _same_press(self, tx: Transaction, signal: Signal, press: Press) -> PressRecord | None:
        terminal, key, digest = signal.source.id, press.press_id or press.repeat_key, press.payload_digest
        if key is not None:
            return self._within(SAME_PRESS_WITHIN, signal.received_at, partial(tx.press, terminal, key))
        if press.redelivered:
            look_up = partial(tx.press_by_payload, terminal, digest)
            return self._within(SAME_PAYLOAD_WITHIN, signal.received_at, look_up)
        return None

    def _within(
        self, within: timedelta, now: datetime, look_up: Callable[[datetime, datetime], PressRecord | None]
    ) -> PressRecord | None:
        """Elapsed time counts, whatever the clock was set to meanwhile."""
        looks = (look_up(span.since, span.until) for span in self._steps.spans(now, within))
        return next((found for found in looks if found is not None), None)

    def _again(self, tx: Transaction, signal: Signal, press: Press, known: PressRecord) -> tuple[Accepted, _Told]:
        self._answer(tx, known, known.stage, press, tx.alert(known.alert_id), again=True)
        accepted = Accepted(known.alert_id, known.press_id, known.stage, repeated=True)
        return accepted, lambda _: events.press_repeated(known.alert_id, signal.kind, signal.source.id, known.press_id)

    def _to_join(self, tx: Transaction, signal: Signal) -> StoredAlert | None:
        if signal.source.type != "terminal":
            return None
        if device_clock.evidence(signal, self._policy.late_after).get("late"):
            return self._late_to_join(tx, signal)
        stored = tx.open_alert(signal.source.id, signal.kind, signal.status)
        if stored is not None and stored.alert.detail.get("late"):
            # What is pressed now must not be taken for what was pressed hours ago and told only today.
            open_alerts = tx.open_alerts(signal.source.id, signal.kind, signal.status, _MOST_LATE)
            stored = next((each for each in open_alerts if not each.alert.detail.get("late")), None)
        if stored is None or stored.alert.source.type != "terminal":
            return None
        if signal.source.id == self._policy.heartbeat and signal.status is Status.TEST:
            return stored if _beats_on(stored.alert, signal.received_at) else None
        last = stored.alert.last_press_at or stored.alert.raised_at
        age = (signal.received_at - last).total_seconds()
        # a clock that was set back must not split one emergency in two: a negative age joins
        return stored if age <= self._policy.merge_window else None

    def _late_to_join(self, tx: Transaction, signal: Signal) -> StoredAlert | None:
        """A device that was cut off tells its store at once: by its own clock these were one emergency, or several. One
        whose clock is merely slow presses now: its time and ours go on together."""
        window, said = self._policy.merge_window, signal.device_time or signal.received_at
        for stored in tx.open_alerts(signal.source.id, signal.kind, signal.status, _MOST_LATE):
            alert = stored.alert
            apart = (said - (alert.device_time or alert.raised_at)).total_seconds()
            gone = (signal.received_at - alert.raised_at).total_seconds()
            quiet = (signal.received_at - (alert.last_press_at or alert.raised_at)).total_seconds()
            goes_on = quiet <= window and abs(apart - gone) <= window
            if alert.source.type == "terminal" and (abs(apart) <= window or goes_on):
                return stored
        return None

    def _raise(self, tx: Transaction, signal: Signal, press_id: str | None) -> tuple[Accepted, _Told]:
        alert_id = uuid7()
        terminal = self._register.terminal(signal.source.id) if signal.source.type == "terminal" else None
        source = _source(signal, terminal)
        place = _place(signal, terminal)
        detail = self._detail(signal)
        if press_id is not None:
            detail["press_ids"] = [press_id]
        if terminal is not None:
            # the county calls back too, and has no register of its own for this household
            detail["household"] = terminal.household.as_detail()
        late = bool(detail.get("late"))
        cameras = self._cameras(tx, alert_id, signal, terminal, place, press=1, late=late)
        self._evidence.clips(tx, alert_id, signal, cameras, late=late)
        case = self._policy.taxonomy.case_of(signal.kind, signal.received_at)
        kind, status = signal.kind.value, signal.status.value
        severity = grading.severity(signal.kind, self._policy.grading, case)
        due = self._policy.service_levels.due(severity, signal.received_at, signal.status)
        told = neighbours.neighbours_of(signal, terminal, self._register, self._policy.neighbours)
        detail.update({key: value for key, value in (("case", case), ("due", due), ("neighbours", told)) if value})
        base = {
            "kind": kind,
            "severity": severity,
            "status": status,
            "source": source_json(source),
            "place": place_json(place),
            "title": grading.title(signal.kind, source.name or source.id),
            "device_time": optional_time(signal.device_time),
            "raised_at": rfc3339(signal.received_at),
            "detail": detail,
            "cameras": cameras,
        }
        tx.append(Draft(alert_id, "raised", _actor(signal), signal.received_at, data={"base": base}))
        accepted = Accepted(alert_id, press_id, Stage.RECEIVED)

        def tell(took: float) -> None:
            events.stage_reached("receive", severity, took)
            events.alert_raised(alert_id, kind, severity, status, source)

        return accepted, tell

    def _join(
        self, tx: Transaction, signal: Signal, press_id: str | None, stored: StoredAlert
    ) -> tuple[Accepted, _Told]:
        alert = stored.alert
        detail = self._detail(signal)
        cameras: list[dict[str, Any]] = []
        if wants_pictures(alert, signal.received_at):
            terminal = self._register.terminal(signal.source.id)
            late = bool(detail.get("late"))
            number = alert.count + 1
            cameras = self._cameras(tx, alert.id, signal, terminal, alert.place, press=number, late=late)
        data = {
            "press_id": press_id,
            "device_time": optional_time(signal.device_time),
            "detail": detail,
            "cameras": cameras,
        }
        tx.append(Draft(alert.id, "pressed", _actor(signal), signal.received_at, data=data))
        accepted = Accepted(alert.id, press_id, Stage.RECEIVED)

        def tell(took: float) -> None:
            events.stage_reached("receive", alert.severity, took)
            events.press_joined(alert.id, alert.count + 1, signal.source.id, press_id or "")

        return accepted, tell

    def _tell_neighbours(self, tx: Transaction, signal: Signal, alert_id: str) -> None:
        terminal = self._register.terminal(signal.source.id)
        stored = tx.alert(alert_id) if terminal is not None and terminal.neighbours else None
        told = [] if stored is None else names(stored.alert.detail.get("neighbours"))
        if stored is not None and told:
            neighbours.tell(tx, stored.alert, signal.via, told, self._clock.now())

    def _detail(self, signal: Signal) -> dict[str, Any]:
        return {**signal.detail, **device_clock.evidence(signal, self._policy.late_after)}

    def _cameras(
        self,
        tx: Transaction,
        alert_id: str,
        signal: Signal,
        terminal: Terminal | None,
        place: Place,
        *,
        press: int,
        late: bool,
    ) -> list[dict[str, Any]]:
        named = terminal.cameras if terminal is not None else ()
        policy = self._policy
        links = self._register.link(place, named, nearest=policy.nearest, within_m=policy.within_m)
        return self._evidence.pictures(tx, alert_id, signal, links, press=press, late=late)

    def _answer(
        self,
        tx: Transaction,
        record: PressRecord,
        stage: Stage,
        press: Press,
        stored: StoredAlert | None,
        *,
        again: bool = False,
    ) -> None:
        told = answer(
            record,
            stage,
            self._policy.node_id,
            self._clock.now(),
            reply_to=press.reply_to or record.reply_to,
            proof=proof_again(tx, stored, stage),
        )
        tx.post(ParcelDraft(record.source, Lane.ALARM, answer=told, again=again))

    def _withdraw(self, tx: Transaction, terminal_id: str, press_id: str | None) -> None:
        now = self._clock.now()
        alert_id = self._withdrawn_alert(tx, terminal_id, press_id, now)
        if alert_id is None:
            events.signal_rejected("nothing_to_withdraw", terminal_id, press=press_id)
            return
        tx.append(Draft(alert_id, "withdrawn", f"terminal/{terminal_id}", now, data={"press_id": press_id}))

    def _withdrawn_alert(self, tx: Transaction, terminal_id: str, press_id: str | None, now: datetime) -> str | None:
        if press_id is not None:
            record = self._within(SAME_PRESS_WITHIN, now, partial(tx.press, terminal_id, press_id))
            return None if record is None else record.alert_id
        open_alerts = (tx.open_alert(terminal_id, kind, status) for kind in PRESS_KINDS for status in Status)
        ids = [stored.alert.id for stored in open_alerts if stored is not None]
        return max(ids, default=None)  # UUIDv7: the newest sorts last


def _beats_on(alert: Alert, now: datetime) -> bool:
    """One that somebody has taken tells its terminal of nothing but that: the next press has to be heard of anew."""
    return alert.workflow is Workflow.NEW and abs(now - alert.raised_at) < timedelta(hours=24)


def _actor(signal: Signal) -> str:
    return f"{signal.source.type}/{signal.source.id}"


def _source(signal: Signal, terminal: Terminal | None) -> SourceRef:
    if signal.source.type != "terminal":
        return signal.source
    if terminal is None:
        return SourceRef("terminal", signal.source.id, None, known=False)
    return SourceRef("terminal", terminal.id, terminal.household.name, known=True)


def _place(signal: Signal, terminal: Terminal | None) -> Place:
    if terminal is None:
        return signal.place or Place()
    if terminal.place.address is None and terminal.household.address is not None:
        return Place(terminal.place.lon, terminal.place.lat, terminal.household.address, terminal.place.area_code)
    return terminal.place
