"""What image diagnosis has decided of a camera, as it is kept."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class EvidenceState(StrEnum):
    """Of the picture that a verdict stands on."""

    PENDING = "pending"
    READY = "ready"
    FAILED = "failed"
    DELETED = "deleted"  # retention has taken it


@dataclass(frozen=True, slots=True)
class Verdict:
    """``signal``: the one that told of it, by which it is known again. ``until``: None while it stands. ``frame``: the keyframe
    that it stands on, received at ``frame_mono``. ``planned``: why no alert was raised, in words. ``alert``: the one that
    was. ``shown``: the alert has the picture too; a household camera's has not."""

    id: str
    signal: str
    camera: str
    fault: str
    night: bool
    since: datetime
    since_mono: float
    boot: str
    frame: str | None
    frame_mono: float
    measures: Mapping[str, Any] = field(default_factory=dict)
    until: datetime | None = None
    evidence: EvidenceState = EvidenceState.PENDING
    reason: str | None = None
    sha256: str | None = None
    width: int | None = None
    height: int | None = None
    planned: str | None = None
    alert: str | None = None
    shown: bool = False
