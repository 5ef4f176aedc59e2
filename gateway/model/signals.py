"""What is heard from devices, and what became of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gateway.model.devices import Place
from gateway.model.words import Kind, Stage, Status


@dataclass(frozen=True, slots=True)
class SourceRef:
    """Who a signal comes from. ``type``: terminal | camera | node | report."""

    type: str
    id: str
    name: str | None = None
    known: bool = True


@dataclass(frozen=True, slots=True)
class ReplyTo:
    """MQTT 5 Response Topic and Correlation Data of a press (OASIS MQTT 5.0 §4.10)."""

    topic: str
    correlation: bytes | None = None


@dataclass(frozen=True, slots=True)
class Press:
    """What makes a press the same press.

    ``press_id``: as the terminal sent it, or None. ``repeat_key``: derived from seq and pressed_at where no id was sent,
    or None. ``payload_digest``: SHA-256 hex of the payload, compared only when ``redelivered`` (MQTT DUP).
    """

    press_id: str | None
    repeat_key: str | None
    payload_digest: str
    redelivered: bool = False
    reply_to: ReplyTo | None = None


@dataclass(frozen=True, slots=True)
class ClockReading:
    """How a device's clock stood against ours: device − gateway in seconds, and how far that may be wrong."""

    offset_s: float
    uncertainty_s: float
    at: datetime


@dataclass(frozen=True, slots=True)
class Signal:
    """A normalised occurrence from a device. ``via`` is the id of the configured source that heard it.

    ``active``: True where a state began, False where it ended, None for what merely happened. ``clock``: of the device
    whose ``device_time`` this is. ``occurrence``: names it, so that the same one told twice is one; None for presses.
    """

    via: str
    source: SourceRef
    kind: Kind
    received_at: datetime
    received_mono: float
    device_time: datetime | None = None
    status: Status = Status.ACTUAL
    place: Place | None = None
    press: Press | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    active: bool | None = None
    clock: ClockReading | None = None
    occurrence: str | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of a signal, once it is on disk."""

    alert_id: str
    press_id: str | None
    stage: Stage
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class DeviceSignal:
    """What a camera noticed, as its worker heard it. ``id`` is unique; it is told until the core has it on disk.

    ``active`` as in ``Signal``. ``topic`` and ``detail`` keep what the device said, for the record.
    """

    id: str
    camera_id: str
    kind: Kind
    received_at: datetime
    received_mono: float
    active: bool | None = None
    device_time: datetime | None = None
    clock: ClockReading | None = None
    topic: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DeviceRemark:
    """What the gateway did to a camera by itself, for the audit. ``id`` is unique; told until the core has it on disk."""

    id: str
    camera_id: str
    at: datetime
    text: str
