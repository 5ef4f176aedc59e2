"""Image faults as alerts: one of each camera, with all that stand, and with the very keyframe that a verdict stands on.

Of no other camera and without a clip: what hides a lens is to be seen in that lens's picture, for hours.
"""

from datetime import datetime
from typing import Any

from gateway.alerts import grading
from gateway.alerts.policy import IntakePolicy
from gateway.alerts.reading import names
from gateway.model import (
    ENDED,
    FIELD_CODES,
    Alert,
    Camera,
    Condition,
    Draft,
    ImageFault,
    Kind,
    Scene,
    Signal,
    Verdict,
)
from gateway.ports import Transaction

GRAVE = frozenset({ImageFault.COVERED, ImageFault.BLACK, ImageFault.SIGNAL_LOST})
"""The camera sees nothing of its scene: as tamper and lost video."""
GRAVE_SEVERITY = 3
VIA = "diagnosis"
VERDICT = "verdict"
"""Of a signal's detail: the verdict's id, which is the name of its picture in the alert."""


def is_verdict(signal: Signal) -> bool:
    """Of our own diagnosis; a device may tell of its picture too."""
    return signal.via == VIA


def joins(alert: Alert, signal: Signal) -> bool:
    """While any fault of the camera stands, another is of the same alert, however long after."""
    return (
        is_verdict(signal)
        and alert.kind is Kind.IMAGE_FAULT
        and alert.condition is Condition.ACTIVE
        and not alert.closings
    )


def severity(signal: Signal, policy: IntakePolicy, usual: int) -> int:
    graded = Kind.IMAGE_FAULT in policy.grading
    return usual if graded or _fault(signal) not in GRAVE else min(usual, GRAVE_SEVERITY)


def title(signal: Signal, camera: Camera) -> str:
    fault = _fault(signal)
    return (
        f"{grading.title(Kind.IMAGE_FAULT, camera.name)}"
        if fault is None
        else f"{FIELD_CODES[fault].name} · {camera.name}"
    )


def evidence(signal: Signal, camera: Camera) -> list[dict[str, Any]]:
    """The camera as an entry names it, with the picture that is being fetched; nothing of a household's camera, which opens on
    that household's own alarm alone: its picture stays with the verdict."""
    verdict = signal.detail.get(VERDICT)
    if camera.scene is Scene.HOUSEHOLD or not isinstance(verdict, str):
        return []
    return [
        {
            "id": camera.id,
            "name": camera.name,
            "distance_m": 0,
            "snapshots": [{"id": verdict, "wanted_ms": 0, "press": 1}],
        }
    ]


def detail(signal: Signal) -> dict[str, Any]:
    """What an alert says of the verdict that raised it, or that came to it."""
    told = {
        name: signal.detail[name] for name in ("what", "fault", "night", "measures", VERDICT) if name in signal.detail
    }
    fault = _fault(signal)
    return told if fault is None else {**told, "code": FIELD_CODES[fault].number}


def alert_of(tx: Transaction, occurrence: str) -> str | None:
    """The alert that a signal raised or joined, of the last day; None where it made none."""
    return tx.idempotent(f"signal/{occurrence}") or None


def clear(tx: Transaction, verdict: Verdict, at: datetime, why: str) -> str | None:
    """The verdict's fault is gone from its alert, though its camera does not say so. The alert's id; None where it did not
    stand there, or a person has closed the alert, which is left as it is."""
    stored = None if verdict.alert is None else tx.alert(verdict.alert)
    if stored is None or stored.alert.workflow in ENDED:
        return None
    standing = set(names(stored.alert.detail.get("standing")))
    if verdict.fault not in standing:
        return None
    data = {"what": verdict.fault, "still": sorted(standing - {verdict.fault}), "device_time": None}
    tx.append(Draft(stored.alert.id, "cleared", "gateway", at, why, data))
    return stored.alert.id


def _fault(signal: Signal) -> ImageFault | None:
    said = signal.detail.get("fault")
    return next((fault for fault in ImageFault if fault == said), None)
