"""Signals in, alerts out: decides, inside one ledger transaction, whether a press is new, joins, or is the same again."""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gateway.alerts import grading, linking
from gateway.alerts.answers import answer, stage_of
from gateway.alerts.reading import MAX_SNAPSHOTS
from gateway.alerts.register import Register
from gateway.codec import optional_time, place_json, source_json
from gateway.model import (
    PRESS_KINDS,
    Accepted,
    Alert,
    Draft,
    Kind,
    Lane,
    ParcelDraft,
    PictureState,
    PictureTask,
    Place,
    Press,
    Signal,
    SourceRef,
    Stage,
    Status,
    Terminal,
    rfc3339,
    uuid7,
)
from gateway.observability import events
from gateway.ports import Clock, Ledger, PressRecord, StoredAlert, Transaction

SAME_PRESS_WITHIN = timedelta(hours=24)
SAME_PAYLOAD_WITHIN = timedelta(minutes=10)
FRESH_PICTURES_AFTER = timedelta(seconds=10)
_TOLD_AFTER_S = 0.02
_CLOCK_UNSET_BEFORE = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class IntakePolicy:
    """The settings that decide. Times in seconds; offsets in ms from the receipt of the press."""

    node_id: str
    offsets_ms: tuple[int, ...] = (-5000, 0, 3000, 10000)
    merge_window: float = 60.0
    late_after: float = 60.0
    nearest: int = 2
    within_m: float = 500.0
    grading: Mapping[Kind, int] = field(default_factory=dict)


class Intake:
    """Takes signals to the ledger. Every method returns only when what it says is on disk."""

    def __init__(self, ledger: Ledger, register: Register, policy: IntakePolicy, clock: Clock) -> None:
        self._ledger = ledger
        self._register = register
        self._policy = policy
        self._clock = clock
        self._boot_id = boot_id()

    async def emit(self, signal: Signal) -> Accepted:
        """Raises StoreFailed: then nothing happened, and nobody may be told otherwise."""
        accepted, tell = await self._ledger.write(lambda tx: self._take(tx, signal))
        if signal.source.type == "terminal":
            self._register.seen(signal.source.id, signal.received_at, pressed=True)
        # the receipt to the household goes before the line in our log
        asyncio.get_running_loop().call_later(_TOLD_AFTER_S, tell)
        return accepted

    async def withdraw(self, terminal_id: str, press_id: str | None) -> None:
        """The presser takes it back: an entry and a mark on the open alert, never a closing."""
        await self._ledger.write(lambda tx: self._withdraw(tx, terminal_id, press_id))

    def presence(self, terminal_id: str, online: bool | None) -> None:
        self._register.seen(terminal_id, self._clock.now(), online=online)

    # -------------------------------------------------------------------------------- inside the transaction

    def _take(self, tx: Transaction, signal: Signal) -> tuple[Accepted, Any]:
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
            self._answer(tx, record, Stage.RECEIVED, signal.press)
            reached = None if joined is None else stage_of(joined.alert)
            if reached is not None:  # somebody already sees to the alert that it joined
                tx.raise_stage(record.terminal, record.press_id, record.alert_id, reached)
                self._answer(tx, record, reached, signal.press)
        return accepted, tell

    def _same_press(self, tx: Transaction, signal: Signal, press: Press) -> PressRecord | None:
        key = press.press_id or press.repeat_key
        if key is not None:
            return tx.press(signal.source.id, key, signal.received_at - SAME_PRESS_WITHIN)
        if press.redelivered:
            return tx.press_by_payload(signal.source.id, press.payload_digest, signal.received_at - SAME_PAYLOAD_WITHIN)
        return None

    def _again(self, tx: Transaction, signal: Signal, press: Press, known: PressRecord) -> tuple[Accepted, Any]:
        self._answer(tx, known, known.stage, press)
        accepted = Accepted(known.alert_id, known.press_id, known.stage, repeated=True)
        return accepted, lambda: events.press_repeated(known.alert_id, signal.kind, signal.source.id, known.press_id)

    def _to_join(self, tx: Transaction, signal: Signal) -> StoredAlert | None:
        if signal.source.type != "terminal":
            return None
        stored = tx.open_alert(signal.source.id, signal.kind, signal.status)
        if stored is None:
            return None
        last = stored.alert.last_press_at or stored.alert.raised_at
        age = (signal.received_at - last).total_seconds()
        # a clock that was set back must not split one emergency in two: a negative age joins
        return stored if age <= self._policy.merge_window else None

    def _raise(self, tx: Transaction, signal: Signal, press_id: str | None) -> tuple[Accepted, Any]:
        alert_id = uuid7()
        terminal = self._register.terminal(signal.source.id) if signal.source.type == "terminal" else None
        source = _source(signal, terminal)
        place = _place(signal, terminal)
        detail = self._detail(signal)
        if press_id is not None:
            detail["press_ids"] = [press_id]
        if terminal is not None:
            # the county calls back too, and has no register of its own for this household
            detail["household"] = asdict(terminal.household)
        cameras = self._cameras(tx, alert_id, signal, terminal, place, press=1, late=bool(detail.get("late")))
        kind, severity, status = (
            signal.kind.value,
            grading.severity(signal.kind, self._policy.grading),
            signal.status.value,
        )
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
        return accepted, lambda: events.alert_raised(alert_id, kind, severity, status, source)

    def _join(self, tx: Transaction, signal: Signal, press_id: str | None, stored: StoredAlert) -> tuple[Accepted, Any]:
        alert = stored.alert
        detail = self._detail(signal)
        cameras: list[dict[str, Any]] = []
        if not _full(alert) and _pictures_are_old(alert, signal.received_at):
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
        return accepted, lambda: events.press_joined(alert.id, alert.count + 1, signal.source.id, press_id or "")

    def _detail(self, signal: Signal) -> dict[str, Any]:
        detail = dict(signal.detail)
        if signal.device_time is None:
            return detail
        behind = (signal.received_at - signal.device_time).total_seconds()
        if signal.device_time < _CLOCK_UNSET_BEFORE:
            detail["clock_unset"] = True
        elif behind > self._policy.late_after:
            detail["late"] = True
            detail["late_by_s"] = round(behind)
        return detail

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
        links = linking.link(place, named, self._register.cameras(), nearest=policy.nearest, within_m=policy.within_m)
        return [
            {
                "id": found.camera.id,
                "name": found.camera.name,
                "distance_m": found.distance_m,
                "snapshots": [
                    self._snapshot(tx, alert_id, signal, found.camera.id, wanted, press, late=late)
                    for wanted in policy.offsets_ms
                ],
            }
            for found in links
        ]

    def _snapshot(
        self, tx: Transaction, alert_id: str, signal: Signal, camera_id: str, wanted_ms: int, press: int, *, late: bool
    ) -> dict[str, Any]:
        snapshot: dict[str, Any] = {"id": uuid7(), "wanted_ms": wanted_ms, "press": press}
        if late and wanted_ms < 0:
            snapshot["state"] = PictureState.FAILED.value
            snapshot["reason"] = "the press came late: no picture from before it was kept"
            return snapshot
        tx.ask_picture(
            PictureTask(
                alert_id,
                snapshot["id"],
                camera_id,
                wanted_ms,
                signal.received_at,
                signal.received_mono,
                self._boot_id,
                late,
            )
        )
        return snapshot

    def _answer(self, tx: Transaction, record: PressRecord, stage: Stage, press: Press) -> None:
        told = answer(
            record, stage, self._policy.node_id, self._clock.now(), reply_to=press.reply_to or record.reply_to
        )
        tx.post(ParcelDraft(record.source, Lane.ALARM, answer=told))

    def _withdraw(self, tx: Transaction, terminal_id: str, press_id: str | None) -> None:
        now = self._clock.now()
        alert_id = self._withdrawn_alert(tx, terminal_id, press_id, now)
        if alert_id is None:
            events.signal_rejected("nothing_to_withdraw", terminal_id, press=press_id)
            return
        tx.append(Draft(alert_id, "withdrawn", f"terminal/{terminal_id}", now, data={"press_id": press_id}))

    def _withdrawn_alert(self, tx: Transaction, terminal_id: str, press_id: str | None, now: datetime) -> str | None:
        if press_id is not None:
            record = tx.press(terminal_id, press_id, now - SAME_PRESS_WITHIN)
            return None if record is None else record.alert_id
        open_alerts = (tx.open_alert(terminal_id, kind, status) for kind in PRESS_KINDS for status in Status)
        ids = [stored.alert.id for stored in open_alerts if stored is not None]
        return max(ids, default=None)  # UUIDv7: the newest sorts last


def _pictures_are_old(alert: Alert, now: datetime) -> bool:
    return alert.pictures_at is None or now - alert.pictures_at > FRESH_PICTURES_AFTER


def _full(alert: Alert) -> bool:
    """A button that sticks asks for pictures until the alert holds as many as it keeps, and then only counts."""
    return any(len(camera.snapshots) >= MAX_SNAPSHOTS for camera in alert.cameras)


def boot_id() -> str:
    """This boot's identity: monotonic times of another boot mean nothing now."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return "unknown"


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
