"""Maintenance windows (计划检修): those of the configuration, and those that people made. See ports.Maintenance.

Whoever asks gets an answer from memory; what people made lies in the ledger, with a line of the audit for each change.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta, tzinfo
from fnmatch import fnmatchcase

from gateway.alerts.rules import Scope
from gateway.alerts.spans import Span
from gateway.errors import NotAllowed, StoreFailed
from gateway.model import Camera, PlannedWork, Scene, rfc3339
from gateway.observability.logs import logger
from gateway.ports import AuditRecord, Clock, Ledger, Transaction
from gateway.supervision.sites import Site

_log = logger("upkeep")
MOST = 500
"""Windows of people that have not ended: each is looked at for every camera."""
_LOAD_AGAIN_S = 10.0
_KEPT = timedelta(days=400)
"""How long an ended window is shown."""


@dataclass(frozen=True, slots=True)
class Window:
    """The cameras of ``scope`` whose host is one of ``hosts`` (patterns; none: any), in [``since``, ``until``) and within
    ``span``. ``work``: what somebody made it of; None for one of the configuration."""

    name: str
    scope: Scope = Scope()  # noqa: RUF009 -- frozen
    hosts: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    span: Span | None = None
    reason: str = ""
    work: PlannedWork | None = None

    @classmethod
    def of(cls, work: PlannedWork) -> "Window":
        days = frozenset(work.days) or frozenset(range(7))
        span = None if work.start is None or work.end is None else Span(work.start, work.end, days)
        if span is None and work.days:
            span = Span(days=days)
        scope = Scope(work.cameras, tuple(Scene(each) for each in work.scenes), work.areas)
        return cls(work.name, scope, work.hosts, work.since, work.until, span, work.reason, work)

    def holds(self, at: datetime, zone: tzinfo) -> bool:
        if (self.since is not None and at < self.since) or (self.until is not None and at >= self.until):
            return False
        return self.span is None or self.span.holds(at, zone)

    def concerns(self, camera: Camera) -> bool:
        if not self.scope.covers(camera):
            return False
        if not self.hosts:
            return True
        host = Site.of(camera).host
        return host is not None and any(fnmatchcase(host, pattern) for pattern in self.hosts)

    def ends(self, at: datetime, zone: tzinfo) -> datetime | None:
        """When it will be over, where it holds at ``at``; None for one without an end."""
        if self.span is None or self.span.start == self.span.end:
            return self.until
        local = at.astimezone(zone)
        end = datetime.combine(local.date(), time(), zone) + timedelta(minutes=self.span.end)
        if end <= local:
            end += timedelta(days=1)
        today = end.astimezone(UTC)
        return today if self.until is None else min(today, self.until)

    def text(self) -> str:
        return f"{self.name}: {self.reason}" if self.reason else self.name


class MaintenanceBook:
    """``planned``: of the configuration, whose hours are meant in ``zone``. ``load`` before anything."""

    def __init__(self, ledger: Ledger, planned: Sequence[Window], zone: tzinfo) -> None:
        self._ledger = ledger
        self._planned = tuple(planned)
        self._zone = zone
        self._made: dict[str, Window] = {}
        self._in_force: tuple[datetime | None, tuple[Window, ...]] = (None, ())

    async def remember(self, clock: Clock) -> None:
        """``load``, again and again until the ledger can be read."""
        while True:
            try:
                return await self.load()
            except StoreFailed as error:
                _log.warning("planned work cannot be heeded before the ledger is read", reason=str(error))
                await clock.sleep(_LOAD_AGAIN_S)

    async def load(self) -> None:
        self._take(await self._ledger.read(lambda reader: reader.planned_work()))

    def covers(self, camera: Camera, at: datetime) -> str | None:
        """See ports.Maintenance."""
        found = self.window(camera, at)
        return None if found is None else found.text()

    def window(self, camera: Camera, at: datetime) -> Window | None:
        """The one that lets this camera be down then; of several the one that ends last."""
        found = [window for window in self._holding(at) if window.concerns(camera)]
        return max(found, key=lambda window: (self.ends(window, at) or _FOREVER, window.name)) if found else None

    def ends(self, window: Window, at: datetime) -> datetime | None:
        return window.ends(at, self._zone)

    def holds(self, window: Window, at: datetime) -> bool:
        return window.holds(at, self._zone)

    def windows(self) -> list[Window]:
        """The configuration's, then those that people made, the one that ends last first."""
        made = sorted(self._made.values(), key=lambda window: (window.until or _FOREVER, window.name), reverse=True)
        return [*self._planned, *made]

    def made(self, work_id: str) -> PlannedWork | None:
        """The one of this id that somebody made."""
        found = self._made.get(work_id)
        return None if found is None else found.work

    async def plan(self, work: PlannedWork, once: tuple[str, str] | None = None) -> str | None:
        """Return once it is on disk, audited and in force. ``once``: a key, and the answer to be remembered with the work.
        Where the key has an answer already nothing is planned, and that is returned. Raises NotAllowed where too many
        stand already."""
        standing = sum(window.until is None or window.until > work.at for window in self._made.values())
        if standing >= MOST:
            raise NotAllowed(
                f"{MOST} maintenance windows stand already: end some, or plan areas instead of single cameras"
            )
        return await self._write(work, "plan_maintenance", work.by, work.at, work.reason, once)

    async def change(self, work: PlannedWork, by: str, at: datetime, reason: str) -> None:
        """Put ``work`` in the place of the one of its id."""
        await self._write(work, "change_maintenance", by, at, reason)

    async def end(self, work: PlannedWork, by: str, at: datetime, reason: str) -> None:
        """Over now; one that has not begun goes. Raises NotAllowed where it is over already."""
        if work.until <= at:
            raise NotAllowed(f"it ended at {rfc3339(work.until)}")
        if work.since < at:
            await self._write(replace(work, until=at), "end_maintenance", by, at, reason)
            return

        def drop(tx: Transaction) -> list[PlannedWork]:
            tx.drop_planned_work(work.id)
            tx.record(_record(work, "drop_maintenance", by, at, reason))
            return tx.planned_work()

        self._take(await self._ledger.write(drop))

    async def _write(
        self,
        work: PlannedWork,
        action: str,
        by: str,
        at: datetime,
        reason: str,
        once: tuple[str, str] | None = None,
    ) -> str | None:
        def keep(tx: Transaction) -> tuple[list[PlannedWork], str | None]:
            if once is not None:
                if (answered := tx.idempotent(once[0])) is not None:
                    return tx.planned_work(), answered
                tx.remember_answer(*once)
            tx.drop_planned_work_before(at - _KEPT)
            tx.keep_planned_work(work)
            tx.record(_record(work, action, by, at, reason))
            return tx.planned_work(), None

        kept, answered = await self._ledger.write(keep)
        self._take(kept)
        return answered

    def _take(self, kept: Sequence[PlannedWork]) -> None:
        self._made = {work.id: Window.of(work) for work in kept}
        self._in_force = (None, ())

    def _holding(self, at: datetime) -> tuple[Window, ...]:
        """A thousand cameras are asked for with one moment, one after the other."""
        known, windows = self._in_force
        if known != at:
            windows = tuple(window for window in self.windows() if window.holds(at, self._zone))
            self._in_force = (at, windows)
        return windows


def _record(work: PlannedWork, action: str, by: str, at: datetime, reason: str) -> AuditRecord:
    said = {"name": work.name, "since": rfc3339(work.since), "until": rfc3339(work.until)}
    lists = {"cameras": work.cameras, "scenes": work.scenes, "areas": work.areas, "hosts": work.hosts}
    named = {name: list(found) for name, found in lists.items() if found}
    return AuditRecord(at, by, action, f"maintenance/{work.id}", reason, {**said, **named})


_FOREVER = datetime.max.replace(tzinfo=UTC)
