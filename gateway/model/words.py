"""The words that the contract fixes: enumerations whose values are what the outside reads."""

from enum import IntEnum, StrEnum


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


ENDED = frozenset({Workflow.CLOSED, Workflow.CANCELLED})
OPEN = tuple(state for state in Workflow if state not in ENDED)
"""Where somebody has still something to do."""


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
    CLIP = 4


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


class EventsState(StrEnum):
    """Whether a device tells us what it notices."""

    OFF = "off"  # not wanted
    CONNECTING = "connecting"
    LISTENING = "listening"
    UNREACHABLE = "unreachable"
    REFUSED = "refused"  # its credential, or the user's right to events
    UNSUPPORTED = "unsupported"
