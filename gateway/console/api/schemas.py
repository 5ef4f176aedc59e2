"""The shapes of the API's answers, for its OpenAPI description. A test holds the answers to them."""

from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict

from gateway.model import CameraState, Condition, Disposition, Kind, PictureState, Scene, Status, Workflow

Item = TypeVar("Item")


class Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Page(Shape, Generic[Item]):
    """`next` is an opaque string for `cursor`, or null on the last page."""

    items: list[Item]
    next: str | None


class Problem(BaseModel):
    """RFC 9457 problem details. `detail` is a sentence for a person; some problems have further members."""

    type: str
    title: str
    status: int
    detail: str


class Conflict(Problem):
    """The alert's present state, which does not allow the step."""

    alert: str
    workflow: Workflow
    condition: Condition
    disposition: str | None
    assignee: str | None
    version: int


class Place(Shape):
    """WGS 84 degrees."""

    lon: float | None
    lat: float | None
    address: str | None
    area_code: str | None


class Source(Shape):
    type: Literal["terminal", "camera", "node", "report"]
    id: str
    name: str | None
    known: bool


class Snapshot(Shape):
    """Offsets in ms from the receipt of press number `press` (1 = the first); `offset_ms` is the keyframe's true one."""

    id: str
    wanted_ms: int
    offset_ms: int | None
    taken_at: datetime | None
    state: PictureState
    reason: str | None
    url: str | None
    sha256: str | None
    width: int | None
    height: int | None
    press: int


class Clip(Shape):
    state: Literal["none", "pending", "ready", "failed"]
    reason: str | None
    url: str | None
    from_ms: int | None
    to_ms: int | None
    sha256: str | None
    codec: str | None


class LinkedCamera(Shape):
    id: str
    name: str
    distance_m: int | None
    snapshots: list[Snapshot]
    clip: Clip


class Forwarding(Shape):
    sink: str
    at: datetime
    seq: int


class Receipts(Shape):
    """R1 received (on this node's disk), R2 forwarded (on the upper node's), R3 accepted (an operator took it)."""

    received_at: datetime
    forwarded: list[Forwarding]
    accepted_at: datetime | None


class Entry(Shape):
    id: str
    at: datetime
    node: str
    actor: str
    action: str
    comment: str | None


class AlertInList(Shape):
    id: str
    node: str
    kind: Kind
    severity: Literal[1, 2, 3, 4]
    status: Status
    workflow: Workflow
    condition: Condition
    disposition: Disposition | None
    assignee: str | None
    count: int
    raised_at: datetime
    device_time: datetime | None
    received_at: datetime
    source: Source
    place: Place
    title: str
    detail: dict[str, Any]
    cameras: list[LinkedCamera]
    receipts: Receipts
    version: int


class Alert(AlertInList):
    """With its history, in causal order."""

    entries: list[Entry]


class Camera(Shape):
    id: str
    name: str
    scene: Scene
    place: Place
    state: CameraState
    reason: str | None
    since: datetime | None
    last_keyframe_at: datetime | None
    codec: str | None
    width: int | None
    height: int | None
    faults: list[str]


class Household(Shape):
    name: str | None
    phone: str | None
    address: str | None


class Terminal(Shape):
    id: str
    household: Household
    place: Place
    state: Literal["online", "offline", "unknown"]
    last_seen: datetime | None
    last_press: datetime | None


class Node(Shape):
    id: str
    name: str
    level: Literal["village", "township", "county", "city"]
    own: bool
    state: Literal["online", "degraded"]
    reason: str | None


class AuditLine(Shape):
    id: int
    at: datetime
    actor: str
    action: str
    object: str
    reason: str | None
    detail: dict[str, Any]
