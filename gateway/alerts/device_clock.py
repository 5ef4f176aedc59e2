"""How far a device's clock can be believed: the evidence that each alert keeps. Pure."""

from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.model import Signal, rfc3339

_UNSET_BEFORE = datetime(2020, 1, 1, tzinfo=UTC)


def evidence(signal: Signal, late_after: float) -> dict[str, Any]:
    """What goes into the alert's detail: ``clock`` where the device's offset was measured, and whether the signal is
    ``late`` (by more than ``late_after`` seconds, by the corrected time where there is one) or the clock was never set."""
    found: dict[str, Any] = {}
    at = signal.device_time
    if signal.clock is not None:
        found["clock"] = {
            "offset_s": round(signal.clock.offset_s, 3),
            "uncertainty_s": round(signal.clock.uncertainty_s, 3),
            "measured_at": rfc3339(signal.clock.at),
        }
        at = _corrected(signal)
        if at is not None:
            found["clock"]["device_time"] = rfc3339(at)
    if at is None:
        return found
    if at < _UNSET_BEFORE:
        return {**found, "clock_unset": True}
    behind = (signal.received_at - at).total_seconds()
    if behind > late_after:
        found |= {"late": True, "late_by_s": round(behind)}
    return found


def _corrected(signal: Signal) -> datetime | None:
    """The device's time by our clock; as it was told where that leaves the calendar."""
    if signal.device_time is None or signal.clock is None:
        return signal.device_time
    try:
        return signal.device_time - timedelta(seconds=signal.clock.offset_s)
    except OverflowError:
        return signal.device_time
