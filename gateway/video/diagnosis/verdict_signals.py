"""Verdicts as workers tell of them, and as the intake of alerts hears of them."""

from collections.abc import Mapping
from dataclasses import replace

from gateway.alerts import image_faults
from gateway.model import DeviceSignal, ImageFault, Kind, Verdict, uuid7
from gateway.video.diagnosis.wire import TOPIC


def is_verdict(signal: DeviceSignal) -> bool:
    return signal.kind is Kind.IMAGE_FAULT and signal.topic == TOPIC


def verdict_of(signal: DeviceSignal, planned: str | None, boot: str) -> Verdict:
    """``planned``: the work during which it was given; ``boot``: whose monotonic clock its times are of."""
    said = signal.detail
    frame, at, measures = said.get("frame"), said.get("frame_mono"), said.get("measures")
    return Verdict(
        uuid7(),
        signal.id,
        signal.camera_id,
        fault_of(signal),
        said.get("night") is True,
        signal.received_at,
        signal.received_mono,
        boot,
        frame if isinstance(frame, str) else None,
        float(at) if isinstance(at, int | float) else signal.received_mono,
        dict(measures) if isinstance(measures, Mapping) else {},
        planned=planned,
    )


def fault_of(signal: DeviceSignal) -> str:
    """Empty where it names none that is known here."""
    said = signal.detail.get("fault")
    return next((fault.value for fault in ImageFault if fault == said), "")


def is_held_back(verdict: Verdict | None) -> bool:
    """Planned work lasts: no alert is raised of it yet."""
    return verdict is not None and verdict.planned is not None


def named(signal: DeviceSignal, verdict: Verdict | None) -> DeviceSignal:
    """As the intake of alerts hears it."""
    return signal if verdict is None else replace(signal, detail=said_of(verdict))


def said_of(verdict: Verdict) -> dict[str, object]:
    """The detail of the signal that becomes its alert."""
    return {
        "what": verdict.fault,
        "fault": verdict.fault,
        "night": verdict.night,
        "measures": dict(verdict.measures),
        image_faults.VERDICT: verdict.id,
    }
