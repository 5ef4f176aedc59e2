"""The narrow protocols between the rooms. Adapters implement or receive them; tests have hand-written doubles.

Alerts are awaited and never dropped; frames are never awaited and may be dropped, but counted.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeVar

from gateway.model import (
    Accepted,
    Alert,
    CameraHealth,
    Draft,
    Entry,
    Forwarding,
    Keyframe,
    Lane,
    Parcel,
    ParcelDraft,
    Picture,
    PictureTask,
    Principal,
    Receipt,
    ReplyTo,
    Signal,
    Stage,
)

T = TypeVar("T")


class Clock(Protocol):
    """Time, injected, so that a seeded test can drive years of faults in seconds."""

    def now(self) -> datetime: ...
    def mono(self) -> float: ...
    async def sleep(self, seconds: float) -> None: ...


# ---------------------------------------------------------------------------------------------- sources and sinks


class Source(Protocol):
    """Hears signals. ``run`` is one attempt: it connects, translates and raises when broken; it never retries."""

    id: str

    async def run(self, outlet: "Outlet") -> None: ...


class Outlet(Protocol):
    """Where a source puts what it hears."""

    def online(self) -> None:
        """The connection stands: resets the back-off and logs the recovery once."""

    async def emit(self, signal: Signal) -> Accepted:
        """Return once the signal is on disk. Raises StoreFailed: then acknowledge nothing."""

    async def withdraw(self, terminal_id: str, press_id: str | None) -> None:
        """The presser takes it back (an entry and a mark, never a closing). Returns once on disk."""

    def presence(self, terminal_id: str, online: bool | None) -> None:
        """A terminal's state: True online, False offline (LWT), None a sign of life without a statement."""


class Sink(Protocol):
    """Takes parcels. Raises TryLater | Refused; never retries, never sleeps.

    ``concurrency`` is how many ``send`` calls of one lane may be under way at once.
    """

    id: str
    concurrency: int

    async def send(self, parcel: Parcel) -> Receipt | None:
        """Return the receiver's receipt (None where the protocol has none) once it truly has the parcel."""

    async def close(self) -> None: ...


class MediaStore(Protocol):
    """Pictures and clips by SHA-256 (hex) of their bytes. Writing twice is writing once."""

    async def put(self, content: bytes, media_type: str) -> str:
        """Store (write, fsync, rename) and return the sha256 hex. Raises StoreFailed."""

    async def read(self, sha256: str) -> tuple[bytes, str] | None:
        """(content, media type), or None where it is not here."""


# ---------------------------------------------------------------------------------------------- ledger


@dataclass(frozen=True, slots=True)
class PressRecord:
    """What the ledger remembers of a press: ``stage`` is the highest its terminal was told."""

    terminal: str
    press_id: str
    alert_id: str
    stage: Stage
    received_at: datetime
    source: str
    reply_to: ReplyTo | None = None  # kept: every later stage is told there too


@dataclass(frozen=True, slots=True)
class AlertFilter:
    workflow: tuple[str, ...] = ()
    severity: tuple[int, ...] = ()
    kind: tuple[str, ...] = ()
    area: str | None = None  # prefix of the area code
    areas: tuple[str, ...] = ()  # the asker's own areas, any of these prefixes, or none known; empty: all
    since: datetime | None = None
    until: datetime | None = None
    q: str | None = None  # text in title, address, source id or name


@dataclass(frozen=True, slots=True)
class StoredAlert:
    """An alert with what only this node knows of it. ``version`` rises with every change here."""

    alert: Alert
    version: int
    forwarded: tuple[Forwarding, ...] = ()
    feed: int = 0  # feed position of its newest entry here
    received_at: datetime | None = None  # when this node committed it


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """An entry with its position in this node's commit order (rises without gaps; never reused)."""

    position: int
    entry: Entry
    committed_at: datetime


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One line of the audit: who did or saw what, and why. ``object``: e.g. ``cameras/1`` or ``alerts/…``."""

    at: datetime
    actor: str
    action: str
    object: str
    reason: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    id: int = 0


class Reader(Protocol):
    """Synchronous look-ups, run on a ledger thread by ``Ledger.read``/``Ledger.write``."""

    def alert(self, alert_id: str) -> StoredAlert | None: ...
    def alerts(self, wanted: AlertFilter, cursor: str | None, limit: int) -> tuple[list[StoredAlert], str | None]:
        """Newest first (by this node's first commit of the alert). Raises ValueError for a cursor not of its making."""

    def entries(self, alert_id: str) -> list[FeedEntry]:
        """In commit order here."""

    def feed(self, after: int, limit: int) -> list[FeedEntry]:
        """Entries committed here after a position, in commit order."""

    def newest_feed(self) -> int: ...
    def parcels(self, sink: str, lane: Lane, limit: int, due_before: datetime) -> list[Parcel]:
        """Due parcels of a lane, the newest alert's first and each alert's in the order of their making; parked ones
        left out."""

    def next_due(self, sink: str, lane: Lane) -> datetime | None: ...
    def backlog(self) -> list[tuple[str, Lane, int, datetime, int]]:
        """(sink, lane, waiting, oldest created_at, parked) for every lane that holds something."""

    def picture_tasks(self, limit: int) -> list[PictureTask]: ...
    def admitted(self, node: str, entry_id: str) -> Receipt | None:
        """The receipt given before for this entry of a lower node, or None."""

    def route(self, node: str) -> str | None:
        """The directly connected lower node through which ``node`` is reached, or None."""

    def bookmark(self, name: str) -> str | None:
        """A remembered position, e.g. of a downlink."""

    def idempotent(self, key: str) -> str | None:
        """The stored answer to an Idempotency-Key of the last 24 h, or None."""

    def audit(self, cursor: str | None, limit: int) -> tuple[list[AuditRecord], str | None]: ...
    def open_counts(self) -> list[tuple[str, int, int]]:
        """(workflow, severity, count) of alerts neither closed nor cancelled."""

    def oldest_unacknowledged(self) -> dict[int, datetime]:
        """severity → raised_at of the oldest alert still new."""


class Transaction(Reader, Protocol):
    """One unit of work on the writer's thread; everything in it is on disk together, or nothing is."""

    def append(self, draft: Draft) -> Entry:
        """Write an entry of this node: gives it id, sequence and parents (the alert's heads), refolds the alert, lets
        the ledger's ``reaction`` add parcels, answers and picture tasks."""

    def admit(self, entry: Entry, via: str, sha256: str) -> FeedEntry:
        """Write another node's entry as it is; ``via`` is the sink or lower node it came by. A known id changes
        nothing and gives its first position. Entries may come before those they follow."""

    def press(self, terminal: str, press_id: str, since: datetime) -> PressRecord | None: ...
    def press_by_payload(self, terminal: str, digest: str, since: datetime) -> PressRecord | None: ...
    def remember_press(self, record: PressRecord, digest: str) -> None: ...
    def presses(self, alert_id: str) -> list[PressRecord]: ...
    def raise_stage(self, terminal: str, press_id: str, alert_id: str, stage: Stage) -> None: ...
    def open_alert(self, source_id: str, kind: str, status: str) -> StoredAlert | None:
        """This node's newest alert of that source, kind and status that is neither closed nor cancelled."""

    def post(self, parcel: ParcelDraft) -> None:
        """Put something into the outbox."""

    def delivered(self, parcel_id: int) -> None: ...
    def put_off(self, parcel_id: int, until: datetime, reason: str) -> None: ...
    def park(self, parcel_id: int, reason: str) -> None: ...
    def note_forwarding(self, alert_id: str, forwarding: Forwarding) -> None: ...
    def ask_picture(self, task: PictureTask) -> None: ...
    def picture_done(self, alert_id: str, snapshot_id: str) -> None: ...
    def claim_route(self, node: str, via: str) -> bool:
        """First come, first kept: False where ``node`` is already reached another way."""

    def set_bookmark(self, name: str, value: str) -> None: ...
    def remember_answer(self, key: str, answer: str) -> None: ...
    def record(self, record: AuditRecord) -> None:
        """Append to the audit; it joins the hash chain."""


Reaction = Callable[[Transaction, FeedEntry, StoredAlert | None, str | None], None]
"""Called inside the transaction for every new entry: (tx, entry, alert as folded now or None while its ``raised`` is
missing, via or None for an entry of this node)."""


class Ledger(Protocol):
    """The truth of a node. One writer, group commit, fsync before anyone is told."""

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run ``work`` in the next group commit; return when it is fsynced. What ``work`` raises rolls back its own
        part only. Raises StoreFailed when the commit failed: then nothing of the group happened, and the ledger
        refuses every further write until it is opened anew (a retried fsync may lie)."""

    async def read(self, work: Callable[[Reader], T]) -> T: ...

    async def changed(self, topic: str, seen: int) -> int:
        """Wait until the count of commits that touched ``topic`` exceeds ``seen``; return the count. Topics:
        ``entry``, ``picture``, ``parcel/{sink}/{lane.value}``, ``receipt``, ``audit``. Starts at 0; never misses one."""

    def fault(self) -> str | None:
        """None while writable, else the sentence that says why not."""

    async def close(self) -> None: ...


# ---------------------------------------------------------------------------------------------- video


class VideoService(Protocol):
    """What the core asks of the video workers."""

    async def keyframes(self, camera_id: str) -> list[Keyframe]:
        """The keyframes in the camera's ring, oldest first. Raises Unreachable with the camera's state in words."""

    async def picture(self, camera_id: str, keyframe_id: str, width: int) -> Picture:
        """Decode one keyframe to a JPEG at most ``width`` wide. Raises DeviceError (gone, or undecodable)."""

    def health(self, camera_id: str) -> CameraHealth | None: ...
    def all_health(self) -> Sequence[CameraHealth]: ...
    async def health_changed(self, seen: int) -> int: ...


@dataclass(frozen=True, slots=True)
class AccessUnit:
    """One picture as it came: ``payload`` is Annex B (start code + NAL unit each), parameter sets first if a keyframe."""

    camera_id: str
    received_mono: float
    keyframe: bool
    codec: str
    payload: bytes = field(repr=False)
    rtp_time: int = 0


class VideoOutlet(Protocol):
    """Where a camera's connection puts what it receives. Neither call waits, nor may it raise."""

    wants_all: bool  # False: pass keyframes only, copy nothing else

    def online(self, codec: str) -> None: ...
    def unit(self, unit: AccessUnit) -> None: ...
    def received(self, size: int) -> None:
        """Bytes read from the camera since the last call (for counters; called at most about once a second)."""


class VideoSource(Protocol):
    """One camera connection. ``run`` is one attempt and raises Unreachable | AuthFailed | ProtocolFault."""

    async def run(self, outlet: VideoOutlet) -> None: ...


# ---------------------------------------------------------------------------------------------- node to node


@dataclass(frozen=True, slots=True)
class Arrival:
    """An entry as a lower node sent it, with the SHA-256 of the event's bytes."""

    entry: Entry
    sha256: str


@dataclass(frozen=True, slots=True)
class Report:
    """What a lower node says of itself (inventory, health). Only the newest of a type is kept, unlike entries.

    ``id`` is the event's, ``node`` the node it speaks of, ``sha256`` and ``size`` of the event's bytes.
    """

    id: str
    type: str
    node: str
    sha256: str
    size: int
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Digest:
    """What was received in a span of time: how many entries, and the SHA-256 hex of their ids and digests in order."""

    count: int
    sha256: str


class Exchange(Protocol):
    """What the cascade source may do on this node."""

    async def admit(self, node: str, arrivals: Sequence[Arrival | Report]) -> list[Receipt | str]:
        """Commit entries and reports from the lower node ``node``; per arrival its receipt, or the sentence that
        refuses it. Raises StoreFailed: then nothing was taken."""

    async def digest(self, node: str, since: datetime, until: datetime) -> Digest:
        """Of the entries received from ``node`` and committed in [since, until)."""

    def downlink(self, node: str, after: int) -> AsyncIterator[FeedEntry]:
        """Entries of alerts in ``node``'s subtree that did not come from it, after a position, then as they come."""


class Upper(Protocol):
    """What the cascade sink's downlink may do on this node."""

    async def bookmark(self) -> int:
        """The last downlink position taken from this upper node."""

    async def take(self, position: int, entry: Entry) -> None:
        """Commit an entry made above, with the position; returns once on disk."""


class Tokens(Protocol):
    def holder(self, token: str) -> Principal | None:
        """Whose bearer token this is; None for a wrong or revoked one. Constant time in the secret; may be cached."""
