"""The nouns of the gateway: frozen values that cross every border inside it.

Times are timezone-aware UTC ``datetime``; ``*_mono`` is CLOCK_MONOTONIC in seconds (``time.monotonic()``), which all
processes of one boot share. Positions are WGS84 degrees.
"""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from typing import Any


class Level(StrEnum):
    VILLAGE = "village"
    TOWNSHIP = "township"
    COUNTY = "county"
    CITY = "city"


class Kind(StrEnum):
    """What happened."""

    SOS = "sos"
    FIRE = "fire"
    MEDICAL = "medical"
    INTRUSION = "intrusion"
    MOTION = "motion"
    LINE_CROSSING = "line_crossing"
    TAMPER = "tamper"
    DIGITAL_INPUT = "digital_input"
    VIDEO_LOSS = "video_loss"
    IMAGE_FAULT = "image_fault"
    DEVICE_OFFLINE = "device_offline"
    REPORT = "report"
    OTHER = "other"


PRESS_KINDS = frozenset({Kind.SOS, Kind.FIRE, Kind.MEDICAL, Kind.INTRUSION, Kind.OTHER})


class Status(StrEnum):
    """CAP 1.2 §3.2.1 `status`: is it meant."""

    ACTUAL = "actual"
    TEST = "test"
    DRILL = "drill"


class Workflow(StrEnum):
    NEW = "new"
    ACKNOWLEDGED = "acknowledged"
    DISPATCHED = "dispatched"
    ON_SCENE = "on_scene"
    CLOSED = "closed"
    CANCELLED = "cancelled"


class Condition(StrEnum):
    ACTIVE = "active"
    CLEARED = "cleared"


class Disposition(StrEnum):
    REAL = "real"
    FALSE_ALARM = "false_alarm"
    DRILL = "drill"
    DUPLICATE = "duplicate"
    NO_ANSWER = "no_answer"
    OTHER = "other"


class Stage(StrEnum):
    """How far a press has come; what its terminal is told."""

    RECEIVED = "received"
    FORWARDED = "forwarded"
    ACCEPTED = "accepted"
    CLOSED = "closed"

    @property
    def rank(self) -> int:
        return list(Stage).index(self)


class Lane(IntEnum):
    """Delivery lanes of a sink, most urgent first; a lane never waits for a lower one."""

    ALARM = 0
    UPDATE = 1
    PICTURE = 2
    HEALTH = 3


class Scene(StrEnum):
    STREET = "street"
    RURAL = "rural"
    VILLAGE = "village"
    HOUSEHOLD = "household"


class CameraState(StrEnum):
    ONLINE = "online"
    CONNECTING = "connecting"
    OFFLINE = "offline"
    AUTH_FAILED = "auth_failed"
    DISABLED = "disabled"


class PictureState(StrEnum):
    PENDING = "pending"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Place:
    lon: float | None = None
    lat: float | None = None
    address: str | None = None
    area_code: str | None = None


@dataclass(frozen=True, slots=True)
class Credential:
    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class StreamAddress:
    """RTSP addresses of a camera, without credentials in them."""

    main: str | None = None
    sub: str | None = None
    credential: Credential | None = None


@dataclass(frozen=True, slots=True)
class Camera:
    id: str
    name: str
    scene: Scene = Scene.STREET
    place: Place = Place()
    rtsp: StreamAddress | None = None
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Household:
    name: str | None = None
    phone: str | None = None
    address: str | None = None


@dataclass(frozen=True, slots=True)
class Terminal:
    id: str
    household: Household = Household()
    place: Place = Place()
    cameras: tuple[str, ...] = ()
    neighbours: tuple[str, ...] = ()


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
class Signal:
    """A normalised occurrence from a device. ``via`` is the id of the configured source that heard it."""

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


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of a signal, once it is on disk."""

    alert_id: str
    press_id: str | None
    stage: Stage
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of an alert's append-only history.

    ``seq`` rises per authoring node over all its entries; ``parents`` are the ids of the entries its author had last
    seen of this alert (the heads). Order is by cause, never by ``at``: boxes boot in 1970.
    """

    id: str
    alert_id: str
    node: str
    seq: int
    parents: tuple[str, ...]
    at: datetime
    actor: str
    action: str
    comment: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Draft:
    """An entry before the ledger gives it id, node, sequence and parents."""

    alert_id: str
    action: str
    actor: str
    at: datetime
    comment: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A JPEG tied to an alert and a camera. Offsets are ms from the receipt of press number ``press`` (1 = the first)."""

    id: str
    wanted_ms: int
    press: int = 1
    offset_ms: int | None = None
    taken_at: datetime | None = None
    state: PictureState = PictureState.PENDING
    reason: str | None = None
    sha256: str | None = None
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, slots=True)
class LinkedCamera:
    id: str
    name: str
    distance_m: int | None = None
    snapshots: tuple[Snapshot, ...] = ()


@dataclass(frozen=True, slots=True)
class Alert:
    """What an operator handles: the fold of an alert's entries (alerts/lifecycle.py), equal on every node."""

    id: str
    node: str
    kind: Kind
    severity: int
    status: Status
    raised_at: datetime
    source: SourceRef
    title: str
    place: Place = Place()
    device_time: datetime | None = None
    workflow: Workflow = Workflow.NEW
    condition: Condition = Condition.ACTIVE
    disposition: str | None = None
    assignee: str | None = None
    count: int = 1
    last_press_at: datetime | None = None
    pictures_at: datetime | None = None  # the latest press that asked for pictures
    detail: Mapping[str, Any] = field(default_factory=dict)
    cameras: tuple[LinkedCamera, ...] = ()
    accepted_at: datetime | None = None
    accepted_by: str | None = None
    accepted_node: str | None = None
    closings: tuple[str, ...] = ()  # closing entries still in force, until a reopen that has seen them


@dataclass(frozen=True, slots=True)
class Forwarding:
    """R2: the upper node committed the entry that raised (or repeated) the alert."""

    sink: str
    at: datetime
    seq: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What a terminal is told about its press. ``source`` is the id of the configured source that heard the press."""

    source: str
    terminal: str
    press_id: str
    alert_id: str
    stage: Stage
    node: str
    at: datetime
    text: str
    reply_to: ReplyTo | None = None


@dataclass(frozen=True, slots=True)
class ParcelDraft:
    """Something a sink has to be given. ``entry_id`` or ``answer``, never both."""

    sink: str
    lane: Lane
    entry_id: str | None = None
    answer: Answer | None = None


@dataclass(frozen=True, slots=True)
class Parcel:
    """A row of the outbox, with its content loaded. ``content``: Entry for upper nodes, Answer for terminals."""

    id: int
    sink: str
    lane: Lane
    content: Entry | Answer
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class Receipt:
    """The receiver's proof: of these bytes (sha256 hex), committed at, under its own rising sequence number."""

    id: str
    sha256: str
    seq: int
    committed_at: datetime


@dataclass(frozen=True, slots=True)
class PictureTask:
    """A snapshot still to be taken. ``zero_mono`` counts in the boot named ``boot_id``."""

    alert_id: str
    snapshot_id: str
    camera_id: str
    wanted_ms: int
    zero_at: datetime
    zero_mono: float
    boot_id: str
    late: bool = False


@dataclass(frozen=True, slots=True)
class Keyframe:
    """One encoded keyframe in a worker's ring, named by ``id`` (unique per worker run)."""

    id: str
    received_mono: float


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded, masked and scaled keyframe as JPEG."""

    jpeg: bytes = field(repr=False)
    width: int
    height: int


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
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking: a console user or the holder of a token. ``node`` is set for node tokens."""

    name: str
    role: str
    areas: tuple[str, ...] = ()
    node: str | None = None


def utc_now() -> datetime:
    """Now in UTC, cut to whole milliseconds: what is written is what is read back on every node."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def uuid7(at_ms: int | None = None) -> str:
    """A UUID version 7 (RFC 9562 §5.7): sorts by millisecond, random below it."""
    millis = time.time_ns() // 1_000_000 if at_ms is None else at_ms
    random = int.from_bytes(os.urandom(10)) & ~(0xF << 76 | 0b11 << 62)
    digits = f"{(millis & 0xFFFF_FFFF_FFFF) << 80 | 0x7 << 76 | 0b10 << 62 | random:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def rfc3339(at: datetime) -> str:
    """RFC 3339 in UTC with milliseconds and ``Z``: the one form in which times leave the gateway."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
