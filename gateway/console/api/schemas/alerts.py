"""Alerts, what was done about them, and what is to be done."""

from datetime import datetime
from typing import Any, Literal

from gateway.console.api.schemas.base import Place, Problem, Shape
from gateway.model import Condition, Disposition, Kind, PictureState, Status, Workflow


class Conflict(Problem):
    """The alert's present state, which does not allow the step."""

    alert: str
    workflow: Workflow
    condition: Condition
    disposition: str | None
    assignee: str | None
    version: int


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
    """R1 received (on this node's disk), R2 forwarded (on the upper node's), R3 accepted (an operator took it: who, on
    which node, at which level)."""

    received_at: datetime
    forwarded: list[Forwarding]
    accepted_at: datetime | None
    accepted_by: str | None
    accepted_node: str | None
    accepted_level: str | None


class Entry(Shape):
    """`data`: what the action says besides, such as `disposition`, `to`, `sink` or `level`."""

    id: str
    at: datetime
    node: str
    actor: str
    action: str
    comment: str | None
    data: dict[str, Any]


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


class Task(Shape):
    """Something that somebody has to see to. `object`: what it is about, such as `alerts/…`. `due`: until when, where there
    is a limit; `overdue`: it has passed."""

    kind: Literal[
        "callback",
        "undelivered",
        "node_silent",
        "terminals_offline",
        "parked",
        "storage",
        "camera_password",
        "camera_offline",
        "camera_frozen",
        "camera_clock",
        "camera_stream",
        "camera_covered",
        "camera_place",
        "camera_sign",
        "image_signal_lost",
        "image_black",
        "image_too_dark",
        "image_too_bright",
        "image_low_contrast",
        "image_blurred",
        "image_colour_cast",
        "image_noise",
        "image_stripes",
        "image_shake",
        "image_covered",
        "image_moved",
    ]
    object: str
    title: str
    since: datetime | None
    due: datetime | None
    overdue: bool
    detail: dict[str, Any]
