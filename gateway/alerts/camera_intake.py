"""Cameras' signals in, alerts out: what the rules want is raised, joins its open alert or clears it, in one transaction.

A signal is told until its worker hears that it is on disk, so it may come twice: each has an id of its own, which the
ledger remembers for a day together with what became of it.
"""

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from gateway.alerts import device_clock, grading, image_faults
from gateway.alerts.arming import Arming
from gateway.alerts.evidence import Evidence, wants_pictures
from gateway.alerts.linking import Link
from gateway.alerts.policy import IntakePolicy
from gateway.alerts.reading import names
from gateway.alerts.register import Register
from gateway.alerts.rules import Rules, Verdict
from gateway.canonical import canonical_json
from gateway.codec import optional_time, place_json, source_json
from gateway.model import (
    Alert,
    Camera,
    DeviceSignal,
    Draft,
    Kind,
    Scene,
    Signal,
    SourceRef,
    Status,
    rfc3339,
    uuid7,
)
from gateway.observability import events
from gateway.ports import Ledger, Transaction

VIA = "onvif"
_AT_ONCE = 25  # signals in one piece of the ledger's work: a burst from a hundred cameras must not keep a press waiting
_MOST_DETAIL = 8 * 1024  # bytes of what a device says that are kept with an alert
_MOST_WORDS = 200
_MOST_OPEN = 20  # alerts of a camera and kind that nobody closes; what began before them ends unheard
_TITLES = {Kind.OTHER: "设备事件"}  # of a press it would be a call for help

_Told = Callable[[], None]


class CameraIntake:
    """Takes cameras' signals to the ledger. ``recorded``: ids of the cameras whose video is kept for clips."""

    def __init__(self, ledger: Ledger, register: Register, policy: IntakePolicy, rules: Rules, arming: Arming) -> None:
        self._ledger = ledger
        self._register = register
        self._policy = policy
        self._rules = rules
        self._arming = arming
        self._evidence = Evidence(register, policy, "signal")
        self.recorded: Collection[str] = frozenset()

    async def hear(self, told: Sequence[DeviceSignal], *, via: str = VIA) -> None:
        """Return once whatever these have to change is on disk. ``via``: ``image_faults.VIA`` for the verdicts of our own
        diagnosis. Raises StoreFailed: then they have to be told again."""
        wanted = [found for each in told if (found := self._judged(each, via)) is not None]
        for start in range(0, len(wanted), _AT_ONCE):
            some = wanted[start : start + _AT_ONCE]
            for tell in await self._ledger.write(partial(self._take_all, some)):
                tell()

    def _judged(self, told: DeviceSignal, via: str) -> tuple[Signal, Camera, int | None] | None:
        """The signal, its camera and the severity that a rule gives it; None where it changes nothing."""
        camera = self._register.camera(told.camera_id)
        if camera is None or not camera.enabled:
            events.camera_signal(told.camera_id, told.kind, "unknown_camera")
            return None
        verdict = True if via == image_faults.VIA else None
        if not (verdict or self._rules.may_alert(told.kind, camera)):
            events.camera_signal(camera.id, told.kind, Verdict.NOT_WANTED)
            return None
        signal = _signal(told, camera, via)
        if signal.active is False:
            return signal, camera, None
        if told.detail.get("initial") is True:
            # How things stood when we first asked is no occurrence: a normally closed contact is "active" all its life.
            events.camera_signal(camera.id, told.kind, "initial")
            return None
        armed = self._arming.armed(camera, signal.received_at)
        judged = self._rules.judge(signal.kind, camera, signal.received_at, armed=armed, usual=verdict)
        events.camera_signal(camera.id, told.kind, judged.verdict)
        return (signal, camera, judged.severity) if judged.verdict is Verdict.ALERT else None

    # -------------------------------------------------------------------------------- inside the transaction

    def _take_all(self, some: Sequence[tuple[Signal, Camera, int | None]], tx: Transaction) -> list[_Told]:
        return [self._take(tx, *each) for each in some]

    def _take(self, tx: Transaction, signal: Signal, camera: Camera, severity: int | None) -> _Told:
        key = f"signal/{signal.occurrence}"
        if tx.idempotent(key) is not None:
            return lambda: events.signal_repeated(signal.kind, camera.id)
        newest = next(iter(_open(tx, signal, 1)), None)
        if signal.active is False:
            alert_id, tell = self._clear(tx, signal)
        elif newest is not None and self._joins(newest, signal):
            alert_id, tell = self._join(tx, signal, camera, newest)
        else:
            if newest is not None and signal.active:
                self._end(tx, signal)
            alert_id, tell = self._raise(tx, signal, camera, severity)
        tx.remember_answer(key, alert_id)
        return tell

    def _joins(self, alert: Alert, signal: Signal) -> bool:
        if image_faults.joins(alert, signal):
            return True
        # a clock that was set back must not split one emergency in two: a negative age joins
        return (
            signal.received_at - (alert.last_press_at or alert.raised_at)
        ).total_seconds() <= self._policy.merge_window

    def _raise(self, tx: Transaction, signal: Signal, camera: Camera, severity: int | None) -> tuple[str, _Told]:
        alert_id, detail = uuid7(), self._detail(signal)
        late = bool(detail.get("late"))
        cameras = self._pictures(tx, alert_id, signal, camera, press=1, late=late)
        if not image_faults.is_verdict(signal):
            self._evidence.clips(tx, alert_id, signal, cameras, late=late, recorded=self.recorded)
        kind, status = signal.kind.value, signal.status.value
        case = self._policy.taxonomy.case_of(signal.kind, signal.received_at, camera.scene)
        graded = self._graded(signal, case) if severity is None else severity
        due = self._policy.service_levels.due(graded, signal.received_at)
        detail.update({key: value for key, value in (("case", case), ("due", due)) if value})
        base = {
            "kind": kind,
            "severity": graded,
            "status": status,
            "source": source_json(signal.source),
            "place": place_json(camera.place),
            "title": _title(signal, camera),
            "device_time": optional_time(signal.device_time),
            "raised_at": rfc3339(signal.received_at),
            "detail": {**detail, "standing": [_what(signal)]},
            "cameras": cameras,
        }
        tx.append(Draft(alert_id, "raised", _actor(signal), signal.received_at, data={"base": base}))
        return alert_id, lambda: events.alert_raised(alert_id, kind, graded, status, signal.source)

    def _join(self, tx: Transaction, signal: Signal, camera: Camera, alert: Alert) -> tuple[str, _Told]:
        detail, cameras = self._detail(signal), []
        if image_faults.is_verdict(signal) or wants_pictures(alert, signal.received_at):
            late = bool(detail.get("late"))
            cameras = self._pictures(tx, alert.id, signal, camera, press=alert.count + 1, late=late)
        data = {"device_time": optional_time(signal.device_time), "detail": detail, "cameras": cameras}
        tx.append(Draft(alert.id, "pressed", _actor(signal), signal.received_at, data=data))
        return alert.id, lambda: events.signal_joined(alert.id, alert.count + 1, camera.id)

    def _clear(self, tx: Transaction, signal: Signal) -> tuple[str, _Told]:
        """The condition went by itself, wherever it had begun: of all inputs where the signal names none, else of that one."""
        what, cleared = _what(signal), ""
        for alert, still in _without(tx, signal):
            data = {"what": what, "still": still, "device_time": optional_time(signal.device_time)}
            tx.append(Draft(alert.id, "cleared", _actor(signal), signal.received_at, data=data))
            cleared = cleared or alert.id
        if not cleared:
            return "", lambda: events.camera_signal(signal.source.id, signal.kind, "ended")
        return cleared, lambda: events.signal_cleared(cleared, signal.kind, signal.source.id)

    def _end(self, tx: Transaction, signal: Signal) -> None:
        """What began anew had ended, though nobody was told when. Other inputs of the camera go on where they began."""
        comment = "it began again, so it had ended; the end was not heard"
        for alert, still in _without(tx, signal):
            data = {"what": _what(signal), "still": still}
            tx.append(Draft(alert.id, "cleared", "gateway", signal.received_at, comment, data))

    def _links(self, camera: Camera, kind: Kind) -> list[Link]:
        """The camera itself first, then the nearest, as many in all as a press would have.

        A household's camera opens on that household's own alarm alone: a button on the camera's input is one, what the
        camera notices by itself is not.
        """
        policy = self._policy
        private = camera.scene is Scene.HOUSEHOLD and kind is not Kind.DIGITAL_INPUT
        near = self._register.link(camera.place, (), nearest=policy.nearest, within_m=policy.within_m)
        others = [found for found in near if found.camera.id != camera.id]
        own = [] if private else [Link(camera, 0)]
        return [*own, *others][: max(1, policy.nearest)]

    def _pictures(
        self, tx: Transaction, alert_id: str, signal: Signal, camera: Camera, *, press: int, late: bool
    ) -> list[dict[str, Any]]:
        if image_faults.is_verdict(signal):
            return image_faults.evidence(signal, camera)
        links = self._links(camera, signal.kind)
        return self._evidence.pictures(tx, alert_id, signal, links, press=press, late=late)

    def _graded(self, signal: Signal, case: Mapping[str, Any] | None) -> int:
        usual = grading.severity(signal.kind, self._policy.grading, case)
        return image_faults.severity(signal, self._policy, usual) if image_faults.is_verdict(signal) else usual

    def _detail(self, signal: Signal) -> dict[str, Any]:
        if image_faults.is_verdict(signal):
            return image_faults.detail(signal)
        return {**signal.detail, **device_clock.evidence(signal, self._policy.late_after)}


def _signal(told: DeviceSignal, camera: Camera, via: str) -> Signal:
    clock = told.clock
    if clock is not None and not (math.isfinite(clock.offset_s) and math.isfinite(clock.uncertainty_s)):
        clock = None
    return Signal(
        via=via,
        source=SourceRef("camera", camera.id, camera.name),
        kind=told.kind,
        received_at=told.received_at,
        received_mono=told.received_mono,
        device_time=_in_calendar(told.device_time),
        status=Status.ACTUAL,
        place=camera.place,
        detail=dict(told.detail) if via == image_faults.VIA else _kept(told),
        active=told.active,
        clock=clock,
        occurrence=told.id,
    )


def _title(signal: Signal, camera: Camera) -> str:
    if image_faults.is_verdict(signal):
        return image_faults.title(signal, camera)
    return grading.title(signal.kind, camera.name, _TITLES)


def _in_calendar(at: datetime | None) -> datetime | None:
    """In UTC; None for one that the calendar has no UTC for, such as midnight of the year 1 in the east."""
    try:
        return None if at is None else at.astimezone(UTC)
    except OverflowError:
        return None


def _kept(told: DeviceSignal) -> dict[str, Any]:
    """What the device said, as far as an entry can carry it: its bytes are the device's own making, and so stand apart
    from what the gateway says of the alert."""
    what = told.detail.get("what")
    named = {"what": _plain(what)} if isinstance(what, str) and what else {}
    kept: dict[str, Any] = {**named, "topic": _plain(told.topic)}
    try:
        if len(canonical_json(dict(told.detail))) <= _MOST_DETAIL:
            return {**kept, "device": dict(told.detail)}
        fault = f"what the device said is longer than {_MOST_DETAIL} bytes; it was left out"
    except ValueError:
        fault = "what the device said cannot be written as JSON; it was left out"
    return {**kept, "device_fault": fault}


def _plain(text: str) -> str:
    return text.encode("utf-8", "replace").decode()[:_MOST_WORDS]


def _what(signal: Signal) -> str:
    """Which input, rule or line of the camera it is; empty where the device has only one, or does not say."""
    return _named(signal.detail)


def _open(tx: Transaction, signal: Signal, limit: int) -> list[Alert]:
    """The camera's own alerts of this kind that nobody has closed, newest first: a terminal may have the same id."""
    found = tx.open_alerts(signal.source.id, signal.kind, signal.status, limit)
    return [stored.alert for stored in found if stored.alert.source.type == "camera"]


def _without(tx: Transaction, signal: Signal) -> Iterator[tuple[Alert, list[str]]]:
    """The open alerts in which what the signal names goes on (anything, where it names nothing), and what else goes on."""
    what = _what(signal)
    for alert in _open(tx, signal, _MOST_OPEN):
        standing = _standing(alert)
        if what in standing or (standing and not what):
            yield alert, sorted(standing - {what}) if what else []


def _standing(alert: Alert) -> set[str]:
    """What began in this alert and has not ended: the fold keeps it, for a camera may begin and end thousands of times."""
    return set(names(alert.detail.get("standing")))


def _named(detail: Mapping[str, Any]) -> str:
    what = detail.get("what")
    return what if isinstance(what, str) else ""


def _actor(signal: Signal) -> str:
    return f"camera/{signal.source.id}"
