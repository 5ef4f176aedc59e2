"""What core and video worker say of cameras as ONVIF devices: health, signals, remarks, as JSON."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from gateway.model import (
    ClockReading,
    DeviceHealth,
    DeviceInformation,
    DeviceRemark,
    DeviceSignal,
    EventsState,
    Kind,
    PtzMove,
)

LONGEST_MOVE_S = 60.0


def device_to_json(health: DeviceHealth) -> dict[str, Any]:
    return {
        "id": health.camera_id,
        "events": health.events,
        "reason": health.reason,
        "information": None if health.information is None else asdict(health.information),
        "clock": _clock_to_json(health.clock),
        "last_event_at": _time_to_json(health.last_event_at),
        "has_ptz": health.has_ptz,
        "faults": list(health.faults),
    }


def device_from_json(value: Mapping[str, Any]) -> DeviceHealth:
    information = value["information"]
    return DeviceHealth(
        camera_id=value["id"],
        events=EventsState(value["events"]),
        reason=value["reason"],
        information=None if information is None else DeviceInformation(**information),
        clock=_clock(value["clock"]),
        last_event_at=_time(value["last_event_at"]),
        has_ptz=value["has_ptz"],
        faults=tuple(value["faults"]),
    )


def signal_to_json(signal: DeviceSignal) -> dict[str, Any]:
    return {
        "id": signal.id,
        "camera": signal.camera_id,
        "kind": signal.kind,
        "received_at": signal.received_at.isoformat(),
        "received_mono": signal.received_mono,
        "active": signal.active,
        "device_time": _time_to_json(signal.device_time),
        "clock": _clock_to_json(signal.clock),
        "topic": signal.topic,
        "detail": dict(signal.detail),
    }


def signal_from_json(value: Mapping[str, Any]) -> DeviceSignal:
    return DeviceSignal(
        id=value["id"],
        camera_id=value["camera"],
        kind=Kind(value["kind"]),
        received_at=datetime.fromisoformat(value["received_at"]),
        received_mono=value["received_mono"],
        active=value["active"],
        device_time=_time(value["device_time"]),
        clock=_clock(value["clock"]),
        topic=value["topic"],
        detail=value["detail"],
    )


def remark_to_json(remark: DeviceRemark) -> dict[str, Any]:
    return {"id": remark.id, "camera": remark.camera_id, "at": remark.at.isoformat(), "text": remark.text}


def remark_from_json(value: Mapping[str, Any]) -> DeviceRemark:
    return DeviceRemark(value["id"], value["camera"], datetime.fromisoformat(value["at"]), value["text"])


def move_to_json(move: PtzMove) -> dict[str, float]:
    return asdict(move)


def move_from_json(value: object) -> PtzMove:
    """Raises ValueError with a sentence."""
    if not isinstance(value, dict):
        raise ValueError("a move is an object with pan, tilt, zoom and seconds")
    pan, tilt, zoom = (_number(value, key) for key in ("pan", "tilt", "zoom"))
    if not all(-1 <= speed <= 1 for speed in (pan, tilt, zoom)):
        raise ValueError("pan, tilt and zoom are numbers from -1 to 1")
    seconds = _number(value, "seconds", 1.0)
    if not 0 < seconds <= LONGEST_MOVE_S:
        raise ValueError(f"seconds is a number above 0, up to {LONGEST_MOVE_S:g}")
    return PtzMove(pan, tilt, zoom, seconds)


def _number(value: Mapping[str, object], key: str, unless: float = 0.0) -> float:
    number = value.get(key, unless)
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise ValueError(f"{key} is a number")
    return float(number)


def _clock_to_json(clock: ClockReading | None) -> list[object] | None:
    return None if clock is None else [clock.offset_s, clock.uncertainty_s, clock.at.isoformat()]


def _clock(value: Any) -> ClockReading | None:
    return None if value is None else ClockReading(value[0], value[1], datetime.fromisoformat(value[2]))


def _time_to_json(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _time(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)
