"""Pictures and clips between core and worker: the tasks, and what comes back."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class PictureTask:
    """A snapshot still to be taken. ``zero_mono`` counts in the boot named ``boot_id``; ``id``: as the ledger numbers them."""

    alert_id: str
    snapshot_id: str
    camera_id: str
    wanted_ms: int
    zero_at: datetime
    zero_mono: float
    boot_id: str
    late: bool = False
    id: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class ClipTask:
    """A clip still to be made, from ``from_ms`` to ``to_ms`` around ``zero``, which counts in the boot named ``boot_id``."""

    alert_id: str
    clip_id: str
    camera_id: str
    from_ms: int
    to_ms: int
    zero_at: datetime
    zero_mono: float
    boot_id: str


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
class Footage:
    """A piece of a stream as an MP4 file, never transcoded. Times are those of its first and last access unit."""

    mp4: bytes = field(repr=False)
    from_mono: float
    to_mono: float
    codec: str
