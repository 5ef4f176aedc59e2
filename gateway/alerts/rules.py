"""Which of a camera's signals become alerts, and how severe: the configuration's rules, the first that fits. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from enum import StrEnum
from fnmatch import fnmatchcase

from gateway.alerts.spans import Span
from gateway.model import Camera, Kind, Scene

ALERTING = frozenset(
    {
        Kind.SOS,
        Kind.FIRE,
        Kind.MEDICAL,
        Kind.INTRUSION,
        Kind.LINE_CROSSING,
        Kind.TAMPER,
        Kind.DIGITAL_INPUT,
        Kind.VIDEO_LOSS,
    }
)
"""What becomes an alert where no rule speaks. Motion does not: a street has it all day. Nor does ``other``, a device's own
faults: they are shown with the camera; nor what a device says of its picture, which the gateway's own diagnosis looks at twice."""
GUARDED = frozenset({Kind.INTRUSION, Kind.LINE_CROSSING, Kind.MOTION})
"""What disarming silences (撤防): it only means something where nobody should be. A button on an input, a covered lens, a
lost picture and fire are never silenced, as the 24-hour zones of an alarm panel are not."""


class Verdict(StrEnum):
    """What becomes of a signal; the label of its counter."""

    ALERT = "alert"
    DISARMED = "disarmed"
    NOT_WANTED = "not_wanted"


@dataclass(frozen=True, slots=True)
class Scope:
    """The cameras that are meant: each list that is not empty has to name the camera. ``cameras``: ids or patterns with
    ``*`` and ``?``; ``areas``: beginnings of the area code."""

    cameras: tuple[str, ...] = ()
    scenes: tuple[Scene, ...] = ()
    areas: tuple[str, ...] = ()

    def covers(self, camera: Camera) -> bool:
        if self.cameras and not any(fnmatchcase(camera.id, pattern) for pattern in self.cameras):
            return False
        if self.scenes and camera.scene not in self.scenes:
            return False
        return not self.areas or (camera.place.area_code or "").startswith(self.areas)


@dataclass(frozen=True, slots=True)
class Rule:
    """``armed``: fits only while the camera is armed (True) or disarmed (False). ``severity``: None leaves it to the kind.

    A rule that says nothing of ``armed`` still raises no alert of a guarded kind while the camera is disarmed.
    """

    kinds: frozenset[Kind] = frozenset()
    scope: Scope = Scope()
    span: Span | None = None
    armed: bool | None = None
    alert: bool = True
    severity: int | None = None

    def may_fit(self, kind: Kind, camera: Camera) -> bool:
        """Whether it fits at some time."""
        return (not self.kinds or kind in self.kinds) and self.scope.covers(camera)

    def fits(self, kind: Kind, camera: Camera, at: datetime, zone: tzinfo, armed: bool) -> bool:
        if not self.may_fit(kind, camera) or self.armed not in (None, armed):
            return False
        return self.span is None or self.span.holds(at, zone)


@dataclass(frozen=True, slots=True)
class Judgement:
    verdict: Verdict
    severity: int | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules in their order, in the time zone that their hours are meant in."""

    zone: tzinfo
    rules: Sequence[Rule] = ()

    def judge(self, kind: Kind, camera: Camera, at: datetime, *, armed: bool, usual: bool | None = None) -> Judgement:
        """``at``: the moment of the signal; ``armed``: whether the camera was; ``usual``: whether it is an alert where no rule
        speaks, unless told by its kind."""
        for rule in self.rules:
            if rule.fits(kind, camera, at, self.zone, armed):
                return _judgement(rule.alert, kind, rule.severity, silenced=not armed and rule.armed is None)
        return _judgement(kind in ALERTING if usual is None else usual, kind, None, silenced=not armed)

    def may_alert(self, kind: Kind, camera: Camera) -> bool:
        """Whether a signal of this kind can be an alert at any time; if not, its end is of no interest either."""
        return kind in ALERTING or any(rule.alert and rule.may_fit(kind, camera) for rule in self.rules)


def _judgement(alert: bool, kind: Kind, severity: int | None, *, silenced: bool) -> Judgement:
    if not alert:
        return Judgement(Verdict.NOT_WANTED)
    if silenced and kind in GUARDED:
        return Judgement(Verdict.DISARMED)
    return Judgement(Verdict.ALERT, severity)
