"""What is deleted when its time is over, and what the ledger says of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

MEDIA_KINDS = ("pictures", "clips", "evidence")
"""Files of the media store, by what they are of: an alert's pictures, its clips, and pictures of image faults."""


@dataclass(frozen=True, slots=True)
class Expired:
    """One step of deletion. ``after``: where the next goes on, None at the end. ``count``: alerts, or lines of the audit.
    ``files``: hashes that nothing refers to any more. ``kept``: of alerts whose time is over and that stay, by their
    first position, why: ``open``, ``held``, ``owed`` (something of them is not delivered or made yet). ``record``: of the
    audit, that seals it."""

    after: int | None
    count: int = 0
    entries: int = 0
    files: tuple[str, ...] = ()
    kept: Mapping[int, str] = field(default_factory=dict)
    record: int | None = None


@dataclass(frozen=True, slots=True)
class KeptFacts:
    """Of one kind: since when it is kept, how much there is of it."""

    oldest: datetime | None
    count: int
