"""The ledger: what it keeps, what can be looked up in it, and what can be done in one transaction."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeVar

from gateway.model import (
    Alert,
    ClipTask,
    Draft,
    Entry,
    Forwarding,
    Lane,
    OutageMember,
    OutboxItem,
    Parcel,
    ParcelDraft,
    PictureTask,
    PlannedWork,
    Receipt,
    ReplyTo,
    Stage,
    TerminalState,
    Timer,
    Verdict,
)
from gateway.ports.figures import FigureKeeping, FigureLooks
from gateway.ports.retention import Expired, KeptFacts

T = TypeVar("T")


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


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """``object``: that one and what lies within it (``alerts/…`` finds its pictures). ``since`` ≤ at < ``until``."""

    actor: str | None = None
    action: tuple[str, ...] = ()
    object: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    q: str | None = None  # text in actor, object, reason and detail


@dataclass(frozen=True, slots=True)
class SealedLine:
    """A record with its link of the hash chain, as whoever holds a copy can check it: ``text`` is what was sealed, the
    rest is hex. See ``gateway.ledger.audit``."""

    n: int
    kind: str
    ref: int
    text: str
    salt: str
    digest: str
    link: str
    previous: str


@dataclass(frozen=True, slots=True)
class ChainVerdict:
    """How many links of the chain hold, the last good one (hex), and the first line that does not with its reason."""

    checked: int
    newest: str
    first_broken: tuple[int, str] | None = None


class Reader(FigureLooks, Protocol):
    """Synchronous look-ups, run on a ledger thread by ``Ledger.read``/``Ledger.write``."""

    def alert(self, alert_id: str) -> StoredAlert | None: ...
    def alerts(self, wanted: AlertFilter, cursor: str | None, limit: int) -> tuple[list[StoredAlert], str | None]:
        """Newest first (by this node's first commit of the alert). Raises ValueError for a cursor not of its making."""

    def entries(self, alert_id: str) -> list[FeedEntry]:
        """In commit order here."""

    def entry(self, entry_id: str) -> Entry | None: ...
    def feed(self, after: int, limit: int) -> list[FeedEntry]:
        """Entries committed here after a position, in commit order."""

    def newest_feed(self) -> int: ...
    def feed_times(self, after: int, limit: int) -> tuple[int, int, datetime, datetime] | None:
        """Of the next ``limit`` entries after a position: (how many, position of the last, earliest and latest commit); None
        at the end."""

    def parcels(self, sink: str, lane: Lane, limit: int, due_before: datetime) -> list[Parcel]:
        """Due parcels of a lane, the newest alert's first and each alert's in the order of their making; parked ones
        left out."""

    def next_due(self, sink: str, lane: Lane) -> datetime | None: ...
    def backlog(self) -> list[tuple[str, Lane, int, datetime, int]]:
        """(sink, lane, waiting, oldest created_at, parked) for every lane that holds something."""

    def outbox(
        self, sink: str | None, cursor: str | None, limit: int, *, parked: bool
    ) -> tuple[list[OutboxItem], str | None]:
        """What waits (or is parked), newest first, of one sink or of all. Raises ValueError for a foreign cursor."""

    def receipts(self, sink: str, since: datetime, until: datetime, after: int, limit: int) -> list[Receipt]:
        """An upper node's receipts committed there in [since, until), with ``seq`` > ``after``, in the order of ``seq``."""

    def receipt_times(self, sink: str, after: int) -> tuple[datetime, datetime] | None:
        """When the first of an upper node's receipts with ``seq`` > ``after`` was committed there, and when the last of all
        was; None without any."""

    def receipts_end(self, sink: str, since: datetime, count: int) -> datetime | None:
        """The moment before which the first ``count`` receipts since ``since`` were committed there; None where there are
        no more than these. More than ``count`` only where several have one time."""

    def due_timers(self, before: datetime, limit: int) -> list[Timer]:
        """Those due at or before a moment, in the order of their moments."""

    def timer(self, name: str, key: str) -> Timer | None: ...
    def next_timer(self) -> datetime | None: ...
    def terminal_states(self) -> list[TerminalState]: ...
    def planned_work(self) -> list[PlannedWork]:
        """All windows that people made and that are kept, by their end."""

    def outage_members(self) -> list[OutageMember]:
        """The cameras of the outages that stand."""

    def verdicts(self, camera: str, before: str | None, limit: int) -> list[Verdict]:
        """Of a camera's pictures, newest first, those before an id."""

    def verdict(self, verdict_id: str) -> Verdict | None: ...
    def standing_verdicts(self) -> list[Verdict]:
        """Those that have not ended, by camera."""

    def pending_verdicts(self, limit: int) -> list[Verdict]:
        """Those whose picture is still to be had, the oldest first."""

    def picture_tasks(self, limit: int, after: int = 0) -> list[PictureTask]:
        """In the order of their asking, those above an id; while the ledger is open no id is given twice."""

    def clip_tasks(self, limit: int) -> list[ClipTask]:
        """In the order of their asking."""

    def admitted(self, node: str, entry_id: str) -> Receipt | None:
        """The receipt given before for this entry of a lower node, or None."""

    def admissions(self, node: str, after: int, last: int) -> list[Receipt]:
        """The receipts given to a lower node at positions in (``after``, ``last``], in commit order; ``seq`` is the position."""

    def route(self, node: str) -> str | None:
        """The directly connected lower node through which ``node`` is reached, or None."""

    def bookmark(self, name: str) -> str | None:
        """A remembered position, e.g. of a downlink."""

    def idempotent(self, key: str) -> str | None:
        """The stored answer to an Idempotency-Key of the last 24 h, or None."""

    def audit(
        self,
        cursor: str | None,
        limit: int,
        wanted: AuditFilter = AuditFilter(),
    ) -> tuple[list[AuditRecord], str | None]:
        """Newest first. A page of what is ``wanted`` may be short, or empty, and have a next one all the same: so far it
        was looked back. Raises ValueError for a cursor not of its making."""

    def sealed(self, alert_id: str) -> tuple[list[SealedLine], list[SealedLine]]:
        """An alert's entries, and the lines of the audit that name it."""

    def newest_link(self) -> tuple[int, str]:
        """The newest end of the chain: its number and its link (hex)."""

    def holds(self, limit: int) -> list[StoredAlert]:
        """Alerts that are held (封存), newest first."""

    def unreferenced(self, hashes: Sequence[str]) -> list[str]:
        """Which of these files no alert refers to."""

    def refers(self, alert_id: str, sha256: str) -> bool:
        """Whether the alert still has this file of the media store; False once its time was over."""

    def kept(self, kind: str) -> KeptFacts:
        """Of ``alerts``, ``audit`` or a kind of media."""

    def open_counts(self) -> list[tuple[str, int, int]]:
        """(workflow, severity, count) of alerts neither closed nor cancelled."""

    def oldest_unacknowledged(self) -> dict[int, datetime]:
        """severity → raised_at of the oldest alert still new."""


class Transaction(Reader, FigureKeeping, Protocol):
    """One unit of work on the writer's thread; everything in it is on disk together, or nothing is."""

    def append(self, draft: Draft) -> Entry:
        """Write an entry of this node: gives it id, sequence and parents (the alert's heads), refolds the alert, lets
        the ledger's ``reaction`` add parcels, answers and picture tasks."""

    def admit(self, entry: Entry, via: str, sha256: str) -> FeedEntry:
        """Write another node's entry as it is; ``via`` is the sink or lower node it came by. A known id changes
        nothing and gives its first position. Entries may come before those they follow."""

    def press(self, terminal: str, press_id: str, since: datetime, until: datetime | None = None) -> PressRecord | None:
        """The newest that was received in [since, until], by the clock as it stood then."""

    def press_by_payload(
        self, terminal: str, digest: str, since: datetime, until: datetime | None = None
    ) -> PressRecord | None: ...
    def remember_press(self, record: PressRecord, digest: str) -> None: ...
    def presses(self, alert_id: str) -> list[PressRecord]: ...
    def raise_stage(self, terminal: str, press_id: str, alert_id: str, stage: Stage) -> None: ...
    def open_alert(self, source_id: str, kind: str, status: str) -> StoredAlert | None:
        """This node's newest alert of that source, kind and status that is neither closed nor cancelled."""

    def open_alerts(self, source_id: str, kind: str, status: str, limit: int) -> Sequence[StoredAlert]:
        """As ``open_alert``, several: newest first."""

    def post(self, parcel: ParcelDraft) -> None:
        """Put something into the outbox."""

    def delivered(self, parcel_id: int) -> None: ...
    def put_off(self, parcel_id: int, until: datetime, reason: str) -> None: ...
    def park(self, parcel_id: int, reason: str) -> None: ...
    def resend(self, parcel_id: int) -> bool:
        """Make a parked or waiting parcel due now, as if it had never failed; False where it is gone."""

    def discard(self, parcel_id: int) -> bool:
        """Take a parked parcel out for good; False where there is no such parked one. The caller audits it."""

    def remember_receipt(self, sink: str, entry_id: str, receipt: Receipt) -> None:
        """Keep an upper node's receipt for reconciliation; the first of an entry stands."""

    def forget_receipt(self, sink: str, entry_id: str, seq: int) -> None:
        """The upper node has lost what it gave a receipt for: neither that entry's nor that number's stands any more."""

    def set_timer(self, name: str, key: str, due: datetime, data: Mapping[str, Any] | None = None) -> None: ...
    def clear_timer(self, name: str, key: str) -> None: ...
    def keep_terminal_states(self, states: Sequence[TerminalState]) -> None:
        """Write these over what was known of the same terminals."""

    def keep_planned_work(self, work: PlannedWork) -> None:
        """Write it over the one of the same id."""

    def drop_planned_work(self, work_id: str) -> None: ...
    def drop_planned_work_before(self, until: datetime) -> None:
        """Forget what ended before a moment."""

    def keep_outage_members(self, members: Iterable[OutageMember]) -> None:
        """Write these over the same cameras of the same alerts."""

    def end_outage(self, alert_id: str) -> None:
        """Nobody is in it any more; the alert itself is not touched."""

    def note_forwarding(self, alert_id: str, forwarding: Forwarding) -> None: ...
    def keep_verdict(self, verdict: Verdict) -> Verdict:
        """The one that is kept: of a signal that was told before, the former; of a fault that stands already, that which
        stands, told by another signal."""

    def end_verdicts(self, camera: str, fault: str, at: datetime, mono: float, boot: str) -> None:
        """The fault is gone, since ``mono`` of ``boot``'s monotonic clock: what began after that stands, for an end may be told
        again."""

    def change_verdict(self, verdict: Verdict) -> None:
        """What became of its picture and its alert."""

    def ask_picture(self, task: PictureTask) -> None: ...
    def picture_done(self, alert_id: str, snapshot_id: str) -> None: ...
    def ask_clip(self, task: ClipTask) -> None: ...
    def clip_done(self, alert_id: str, clip_id: str) -> None: ...
    def claim_route(self, node: str, via: str) -> bool:
        """First come, first kept: False where ``node`` is already reached another way."""

    def set_bookmark(self, name: str, value: str) -> None: ...
    def remember_answer(self, key: str, answer: str) -> None: ...
    def record(self, record: AuditRecord) -> None:
        """Append to the audit; it joins the hash chain."""

    def expire_media(self, kind: str, before: datetime, after: int, run: str) -> Expired:
        """One step: let go of the files of one kind (``ports.retention.MEDIA_KINDS``) of alerts that ended and were quiet since
        ``before``, from the alert behind position ``after`` on, and seal that in the audit under the name ``run``."""

    def expire_verdicts(self, before: datetime, run: str) -> Expired:
        """One step: let go of the pictures of image faults that were gone before a moment; what was decided stays."""

    def expire_alerts(self, before: datetime, after: int, run: str, tests_of: str | None = None) -> Expired:
        """One step, likewise: delete such alerts whole, with their entries, presses and files. ``tests_of``: only tests of
        this terminal."""

    def expire_audit(self, before: datetime, after: int, run: str) -> Expired:
        """One step: delete lines of the audit from before a moment, behind the line ``after``."""

    def expire_receipts(self, sink: str, limit: int) -> int:
        """Forget the oldest receipts of an upper node whose entries are deleted, up to the first that is still kept: what is
        left is compared with the upper node's book from there on. Returns how many."""


Reaction = Callable[[Transaction, FeedEntry, StoredAlert | None, str | None], None]
"""Called inside the transaction for every new entry: (tx, entry, alert as folded now or None while its ``raised`` is
missing, via or None for an entry of this node)."""


class Ledger(Protocol):
    """The truth of a node. One writer, group commit, fsync before anyone is told."""

    async def write(self, work: Callable[[Transaction], T], *, urgent: bool = False) -> T:
        """Run ``work`` in the next group commit; return when it is fsynced. ``urgent``: before what is not. What ``work`` raises rolls back its own
        part only. Raises StoreFailed when the commit failed: then nothing of the group happened, and the ledger
        refuses every further write until it is opened anew (a retried fsync may lie)."""

    async def read(self, work: Callable[[Reader], T]) -> T: ...

    async def changed(self, topic: str, seen: int) -> int:
        """Wait until the count of commits that touched ``topic`` exceeds ``seen``; return the count. Topics:
        ``entry``, ``picture``, ``clip``, ``parcel/{sink}/{lane.value}``, ``receipt``, ``audit``, ``timer``. Starts at 0; never misses one."""

    def fresh(self, sink: str, lane: Lane) -> list[Parcel] | None:
        """What was posted to a lane since this was last asked, in the order of posting; None where that is not known in
        full (nobody asked before, too much came) and the outbox has to be read."""

    async def verify(self, within_s: float) -> ChainVerdict:
        """Walk the whole hash chain, giving way to all else; whoever asks meanwhile shares the walk. Raises StoreFailed
        where it takes longer."""

    def fault(self) -> str | None:
        """None while writable, else the sentence that says why not."""

    async def close(self) -> None: ...
