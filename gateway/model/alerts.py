"""An alert, the entries it is folded from, and its pictures and clips."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gateway.model.devices import Place
from gateway.model.signals import SourceRef
from gateway.model.words import Condition, Kind, PictureState, Status, Workflow


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
class Clip:
    """The video of a linked camera around the press, as MP4. Offsets are the true ones, in ms from its receipt."""

    id: str
    state: PictureState = PictureState.PENDING
    reason: str | None = None
    from_ms: int | None = None
    to_ms: int | None = None
    sha256: str | None = None
    codec: str | None = None


@dataclass(frozen=True, slots=True)
class LinkedCamera:
    id: str
    name: str
    distance_m: int | None = None
    snapshots: tuple[Snapshot, ...] = ()
    clip: Clip | None = None


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
    place: Place = field(default_factory=Place)
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
    accepted_level: str | None = None
    closings: tuple[str, ...] = ()  # closing entries still in force, until a reopen that has seen them
