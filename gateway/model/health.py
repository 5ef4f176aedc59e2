"""How devices stand: terminals over restarts, cameras as their workers see them."""

from dataclasses import dataclass
from datetime import datetime

from gateway.model.signals import ClockReading
from gateway.model.words import CameraState, EventsState


@dataclass(frozen=True, slots=True)
class TerminalState:
    """What is remembered of a terminal over restarts. ``online``: None while unknown; ``since``: of that state."""

    terminal_id: str
    online: bool | None = None
    since: datetime | None = None
    last_seen: datetime | None = None
    last_press: datetime | None = None
    last_test: datetime | None = None


@dataclass(frozen=True, slots=True)
class CameraHealth:
    """A camera's state as its worker sees it. ``since`` and ``last_keyframe_at`` are wall-clock."""

    camera_id: str
    state: CameraState
    since: datetime
    reason: str | None = None
    last_keyframe_at: datetime | None = None
    codec: str | None = None
    width: int | None = None
    height: int | None = None
    received_bytes: int = 0
    reconnects: int = 0
    dropped: int = 0  # access units that could not be put together
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DeviceInformation:
    """In the device's own words (ONVIF Core, GetDeviceInformation)."""

    vendor: str = ""
    model: str = ""
    firmware: str = ""
    serial: str = ""
    hardware: str = ""


@dataclass(frozen=True, slots=True)
class DeviceHealth:
    """What a worker knows of a camera over ONVIF. ``reason``: why it is not listening, or what is wrong, in words."""

    camera_id: str
    events: EventsState
    reason: str | None = None
    information: DeviceInformation | None = None
    clock: ClockReading | None = None
    last_event_at: datetime | None = None
    has_ptz: bool = False
    faults: tuple[str, ...] = ()  # "clock"
