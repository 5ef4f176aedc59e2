"""Deletion of what is over: once a day at a quiet hour, in small steps that let presses by, each sealed by the ledger.

Files go after the commit that lets go of them; what a kill leaves behind, the next run finds, because nobody refers to it.
When the disk runs short, the oldest media of closed alerts goes early, but never before the law's time.
"""

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, tzinfo
from functools import partial
from typing import Any, Protocol

from gateway.calm import Calm
from gateway.errors import StoreFailed, UsageError
from gateway.model import rfc3339, uuid7
from gateway.observability import upkeep_events as events
from gateway.ports import AuditRecord, Clock, Expired, KeptFacts, Ledger, MediaFile, MediaKeeping, Reader, Transaction
from gateway.ports.retention import MEDIA_KINDS
from gateway.upkeep.steady import SteadyClock

KINDS = (*MEDIA_KINDS, "alerts", "audit", "figures", "logins")

_LOOK_S = 600.0
_PAUSE_S = 0.02  # between two steps: a press that came meanwhile is not behind the next one too
_PATIENCE_S = 10.0  # of a step while presses come in many; a storm is over before the night is
_LATEST = timedelta(hours=36)  # since the last run or the first look: then at any hour, for a box that is off at night
_TOUCHED = timedelta(hours=1)  # a file that was stored again so lately is about to be referred to
_ORPHAN = timedelta(days=2)  # a lower node's file may come that long before its entry
_END = datetime(9999, 1, 1, tzinfo=UTC)
_BITE = 200
_FEW = 60  # rows of each kind of figures
_ROOM_TIMES = 2  # deletion for room begins at so many times what has to stay free for clips
_ROOM_STEP = 7  # days
_LAST = "retention/last"
_FIRST = "retention/first"  # look, of a box that never had a run


class Terms(Protocol):
    """RetentionSettings: days by kind, and the fewest that may be."""

    @property
    def between(self) -> tuple[int, int]: ...
    @property
    def below_the_law(self) -> bool: ...
    def days(self, kind: str) -> int: ...
    def floor(self, kind: str) -> int: ...


@dataclass(frozen=True, slots=True)
class Run:
    """``gone``: by kind, what was deleted; ``freed``: bytes of files; ``kept``: alerts that are over and stay, by reason;
    ``fault``: why it ended half way."""

    id: str
    at: datetime
    by: str
    gone: Mapping[str, int] = field(default_factory=dict)
    freed: int = 0
    kept: Mapping[str, int] = field(default_factory=dict)
    digest: str | None = None
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """What the page shows of a kind; ``bytes``: None where that is not known by kind."""

    kind: str
    days: int
    floor: int
    facts: KeptFacts | None
    bytes: int | None


@dataclass(frozen=True, slots=True)
class Overview:
    kinds: Sequence[Kept]
    last: Run | None
    next_at: datetime
    waits: str | None  # why nothing is deleted now though it may be over
    short: str | None
    below_the_law: bool


class RetentionDesk:
    """``forget_logins``: what the accounts keep of before a moment, deleted; returns how many. ``uppers``: sinks whose receipts
    are kept. ``heartbeat``: the terminal whose tests go early. ``room``: whether media goes early when the disk runs short."""

    def __init__(
        self,
        ledger: Ledger,
        media: MediaKeeping,
        terms: Terms,
        clock: Clock,
        *,
        calm: Calm | None = None,
        zone: tzinfo = UTC,
        uppers: Sequence[str] = (),
        forget_logins: Callable[[datetime], int] | None = None,
        heartbeat: str | None = None,
    ) -> None:
        self._ledger = ledger
        self._media = media
        self._terms = terms
        self._clock = clock
        self._calm = calm or Calm()
        self._zone = zone
        self._uppers = tuple(uppers)
        self._forget_logins = forget_logins
        self._heartbeat = heartbeat
        self._steady = SteadyClock(ledger, clock, at_once=terms.below_the_law)
        self._one = asyncio.Lock()
        self._last: Run | None = None
        self._first: datetime | None = None
        self._bytes: dict[str, int] = {}
        self._short: str | None = None

    async def run(self) -> None:
        """For ever."""
        while True:
            try:
                await self.look()
            except (StoreFailed, OSError) as error:
                events.retention_failed(str(error))
            await self._clock.sleep(_LOOK_S)

    async def look(self) -> None:
        """Delete what is due now, and make room where it is short."""
        if self._last is None:
            self._last = await self._ledger.read(_last_run)
        if self._last is None and self._first is None:
            self._first = await self._first_look()
        await self._steady.look()
        if self._steady.waits() is None:
            if self._is_due():
                await self.sweep()
            await self.make_room()

    async def _first_look(self) -> datetime:
        """When a box that never had a run was first looked at, over restarts."""
        told = await self._ledger.read(lambda reader: reader.bookmark(_FIRST))
        if told is not None:
            return datetime.fromisoformat(told)
        now = self._clock.now()
        await self._ledger.write(lambda tx: tx.set_bookmark(_FIRST, rfc3339(now)))
        return now

    def _is_due(self) -> bool:
        now = self._clock.now()
        last = self._last.at if self._last is not None else self._first
        if last is None or abs(now - last) > _LATEST:
            return True
        return self._is_quiet(now) and (self._last is None or now - last > timedelta(hours=12))

    def _is_quiet(self, at: datetime) -> bool:
        local = at.astimezone(self._zone)
        minute, (begin, end) = local.hour * 60 + local.minute, self._terms.between
        return begin <= minute < end if begin <= end else minute >= begin or minute < end

    def _next_at(self) -> datetime:
        now, begin = self._clock.now().astimezone(self._zone), self._terms.between[0]
        at = now.replace(hour=begin // 60 % 24, minute=begin % 60, second=0, microsecond=0)
        return (at if at > now else at + timedelta(days=1)).astimezone(UTC)

    async def overview(self) -> Overview:
        facts = await self._ledger.read(
            lambda reader: {kind: reader.kept(kind) for kind in (*MEDIA_KINDS, "alerts", "audit")}
        )
        kinds = [
            Kept(kind, self._terms.days(kind), self._terms.floor(kind), facts.get(kind), self._bytes.get(kind))
            for kind in KINDS
        ]
        waits = self._steady.waits()
        return Overview(kinds, self._last, self._next_at(), waits, self._short, self._terms.below_the_law)

    async def waits(self) -> str | None:
        """Why nothing may be deleted now, as a sentence."""
        await self._steady.look()
        return self._steady.waits()

    async def believe_clock(self) -> None:
        """A person has looked, and says that the clock is right."""
        await self._steady.believe()

    @property
    def short(self) -> str | None:
        """Why the disk runs short though all was deleted that may be; None while there is room."""
        return self._short

    # ------------------------------------------------------------------------------------------------ a run

    async def sweep(self, by: str = "gateway") -> Run:
        """All that is over now. What fails ends the run half way, and the next goes on. Raises StoreFailed where not even
        that can be written down."""
        async with self._one:
            work = _Sweep(self, Run(uuid7(), self._clock.now(), by))
            try:
                await work.everything()
            except (StoreFailed, UsageError) as error:
                events.retention_failed(str(error))
                work.fault = str(error)
            self._last = run = work.told()
            self._bytes = dict(work.bytes) or self._bytes
            await self._ledger.write(lambda tx: _seal_run(tx, run))
            events.retention_ran(run.id, run.gone, run.freed)
            return run

    async def make_room(self) -> None:
        """While the disk is short: media of alerts that ended, the oldest first, down to the law's days."""
        free, needed = self._media.room()
        if free >= _ROOM_TIMES * needed:
            events.room_enough(again=self._short is not None)
            self._short = None
            return
        async with self._one:
            work = _Sweep(self, Run(uuid7(), self._clock.now(), "room"))
            for days in self._ladder():
                for kind in ("clips", "pictures", "evidence"):
                    await work.media(kind, min(self._terms.days(kind), max(days, self._terms.floor(kind))))
                if self._media.room()[0] >= _ROOM_TIMES * needed:
                    break
            run = work.told()
            if run.gone:
                await self._ledger.write(lambda tx: _seal_run(tx, run))
        free, _ = self._media.room()
        if free < _ROOM_TIMES * needed:
            reason = (
                f"the disk has {free >> 20} MiB left, and everything older than the law's days is deleted: "
                f"{_kept_in_words(run.kept)}make room, or close alerts that are done"
            )
            events.room_short(reason, first=self._short is None)
            self._short = reason

    def _ladder(self) -> Iterable[int]:
        """Days, from what is set down to what the law leaves."""
        longest = max(self._terms.days(kind) for kind in MEDIA_KINDS)
        lowest = min(self._terms.floor(kind) for kind in MEDIA_KINDS)
        return [*range(longest, lowest, -_ROOM_STEP), lowest]

    async def step(self, work: Callable[[Transaction], Any]) -> Any:
        await self._calm.rest(_PATIENCE_S)
        done = await self._ledger.write(work)
        await self._clock.sleep(_PAUSE_S)
        return done


class _Sweep:
    """One run: what is deleted, step by step, and what came of it."""

    def __init__(self, desk: RetentionDesk, run: Run) -> None:
        self._desk = desk
        self._run = run
        self._gone: Counter[str] = Counter()
        self._kept: dict[int, str] = {}  # by alert: several walks meet the same one
        self._freed = 0
        self._records: list[int] = []
        self.bytes: Counter[str] = Counter()
        self.fault: str | None = None

    def told(self) -> Run:
        proof = hashlib.sha256("".join(f"{record}\n" for record in self._records).encode()).hexdigest()
        digest = proof if self._records else None
        return replace(
            self._run,
            gone=dict(self._gone),
            freed=self._freed,
            kept=Counter(self._kept.values()),
            digest=digest,
            fault=self.fault,
        )

    async def everything(self) -> None:
        terms = self._desk._terms
        for kind in MEDIA_KINDS:
            await self.media(kind, terms.days(kind))
        await self._alerts()
        await self._audit()
        for sink in self._desk._uppers:
            await self._receipts(sink)
        await self._figures()
        await self._logins()
        await self._orphans()

    def _before(self, days: int) -> datetime:
        return self._run.at - timedelta(days=days)

    async def media(self, kind: str, days: int) -> None:
        before = self._before(days)
        await self._steps(kind, lambda tx, after: tx.expire_media(kind, before, after, self._run.id))
        if kind == "evidence":
            await self._steps(kind, lambda tx, _: tx.expire_verdicts(before, self._run.id))

    async def _alerts(self) -> None:
        terms, heartbeat = self._desk._terms, self._desk._heartbeat
        if heartbeat is not None:
            early = self._before(terms.days("heartbeats"))
            await self._steps("alerts", lambda tx, after: tx.expire_alerts(early, after, self._run.id, heartbeat))
        before = self._before(terms.days("alerts"))
        self._kept.clear()  # of alerts that are over as a whole it is told again, and once
        await self._steps("alerts", lambda tx, after: tx.expire_alerts(before, after, self._run.id))

    async def _audit(self) -> None:
        before = self._before(self._desk._terms.days("audit"))
        await self._steps("audit", lambda tx, after: tx.expire_audit(before, after, self._run.id))

    async def _steps(self, kind: str, step: Callable[[Transaction, int], Expired]) -> None:
        after: int | None = 0
        while after is not None:
            done: Expired = await self._desk.step(partial(_at, step, after))
            after = done.after
            self._kept.update(done.kept)
            if done.record is None:
                continue
            self._records.append(done.record)
            self._gone[kind] += done.count
            freed = await self._remove(done.files, self._run.at - _TOUCHED)
            events.retention_deleted(kind, done.count, freed)

    async def _remove(self, files: Iterable[str], before: datetime) -> int:
        freed = 0
        for sha256 in files:
            freed += await self._desk._media.remove(sha256, before.timestamp())
        self._freed += freed
        return freed

    async def _receipts(self, sink: str) -> None:
        while await self._desk.step(lambda tx: tx.expire_receipts(sink, _BITE)) == _BITE:
            continue

    async def _figures(self) -> None:
        before = self._before(self._desk._terms.days("figures"))
        day = int(before.astimezone(self._desk._zone).strftime("%Y%m%d"))
        while gone := await self._desk.step(lambda tx: tx.forget_figures(day, before, _FEW)):
            self._gone["figures"] += gone
            events.retention_deleted("figures", gone, 0)

    async def _logins(self) -> None:
        forget = self._desk._forget_logins
        if forget is not None:
            gone = await asyncio.to_thread(forget, self._before(self._desk._terms.days("logins")))
            if gone:
                self._gone["logins"] += gone
                events.retention_deleted("logins", gone, 0)

    async def _orphans(self) -> None:
        """Files that nobody refers to: of a run that was killed, or of an entry that never came."""
        before = self._run.at - _ORPHAN
        for number in range(256):
            files = await self._desk._media.folder(f"{number:02x}")
            for file in files:
                self.bytes["clips" if file.media_type == "video/mp4" else "pictures"] += file.size
            old = [file for file in files if file.touched < before.timestamp()]
            for start in range(0, len(old), _BITE):
                await self._orphaned(old[start : start + _BITE], before)
            # A file from a clock that was ahead would be young until the year it told.
            ahead = [file for file in files if file.touched > (self._run.at + _ORPHAN).timestamp()]
            for start in range(0, len(ahead), _BITE):
                await self._orphaned(ahead[start : start + _BITE], _END)

    async def _orphaned(self, files: Sequence[MediaFile], before: datetime) -> None:
        hashes = [file.sha256 for file in files]
        alone = await self._desk._ledger.read(lambda reader: reader.unreferenced(hashes))
        freed = await self._remove(alone, before)
        if alone:
            self._gone["orphans"] += len(alone)
            events.retention_deleted("orphans", len(alone), freed)


def _at(step: Callable[[Transaction, int], Expired], after: int, tx: Transaction) -> Expired:
    return step(tx, after)


def _seal_run(tx: Transaction, run: Run) -> None:
    """The run's own line of the audit, where anything went; each step has sealed what it took."""
    if run.gone:
        detail = {
            "run": run.id,
            "deleted": dict(run.gone),
            "bytes": run.freed,
            "kept": dict(run.kept),
            "digest": run.digest,
        }
        tx.record(
            AuditRecord(
                run.at, run.by if run.by != "room" else "gateway", "retention", "ledger", _WHY.get(run.by), detail
            )
        )
    if run.by != "room":
        tx.set_bookmark(_LAST, json.dumps(_as_json(run)))


_WHY = {"room": "the disk ran short"}


def _as_json(run: Run) -> dict[str, Any]:
    told = {"id": run.id, "at": rfc3339(run.at), "by": run.by, "gone": dict(run.gone), "freed": run.freed}
    return {**told, "kept": dict(run.kept), "digest": run.digest, "fault": run.fault}


def _last_run(reader: Reader) -> Run | None:
    kept = reader.bookmark(_LAST)
    if kept is None:
        return None
    told = json.loads(kept)
    return Run(**{**told, "at": datetime.fromisoformat(told["at"])})


def _kept_in_words(kept: Mapping[str, int]) -> str:
    words = {"open": "are still open", "held": "are held", "owed": "wait to be delivered"}
    told = [f"{count} alerts {words[reason]}" for reason, count in kept.items() if reason in words]
    return f"{', '.join(told)}; " if told else ""
