"""Cameras that are away: one alert for what has one cause, cleared by itself, and none for what is planned."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import groupby
from typing import NoReturn, TypeVar

from gateway.errors import StoreFailed
from gateway.model import Cause, Kind, Place, SourceRef
from gateway.observability import metrics
from gateway.observability.logs import logger
from gateway.ports import Clock, Ledger, Transaction
from gateway.supervision.losses import Damping
from gateway.supervision.outages import Incident, Together, explain, groups_of
from gateway.upkeep.absences import Absences
from gateway.upkeep.outage_alerts import Lost, Outage, OutageAlerts, Tell

T = TypeVar("T")

_log = logger("upkeep")
_LOOK_S = 2.0
_AT_ONCE = 25  # alerts in one piece of the ledger's work: a press must not wait for a village that went dark
_OVER = 0.5  # of those that went together: when no more are still away, the outage is over


@dataclass(frozen=True, slots=True)
class OutageRules:
    """Seconds. ``after``: from the loss to the alert, which also waits ``window`` for others; ``start``: for so long after the
    node's start nobody is missed."""

    after: float = 60.0
    window: float = 30.0
    start: float = 120.0
    together: Together = Together()  # noqa: RUF009 -- frozen
    damping: Damping = Damping()  # noqa: RUF009 -- frozen


class OutageDesk:
    """What stands is in the ledger, so a restart doubles nothing and forgets nothing."""

    def __init__(
        self,
        ledger: Ledger,
        absences: Absences,
        rules: OutageRules,
        clock: Clock,
        *,
        node: SourceRef,
        node_place: Place = Place(),
        grades: Mapping[Kind, int],
    ) -> None:
        self._ledger = ledger
        self._absences = absences
        self._rules = rules
        self._clock = clock
        self._alerts = OutageAlerts(node, node_place, grades, clock.now)
        self._counts_from = clock.mono() + rules.start
        self._outages: dict[str, Outage] = {}  # those that stand, by alert
        self._told: dict[str, str] = {}  # camera → alert, of those that are away in it
        self._closed: set[str] = set()  # alerts that somebody has closed meanwhile: nothing joins them any more
        self._earlier: set[str] = set()  # alerts of before the start: when their cameras were lost is not known

    async def run(self) -> NoReturn:
        """Until cancelled. A ledger that takes nothing is asked again at the next look."""
        while not await self._remembers():
            await self._clock.sleep(_LOOK_S)
        while True:
            try:
                await self.look()
            except StoreFailed as error:
                _log.debug("who is away could not be told", reason=str(error))
            await asyncio.sleep(_LOOK_S)

    async def _remembers(self) -> bool:
        try:
            await self.load()
        except StoreFailed as error:
            _log.warning("cameras' outages cannot be watched before the ledger is read", reason=str(error))
            return False
        return True

    async def load(self) -> None:
        """What stood when the node ended; those who were away still are, until they are seen."""
        now = self._clock.mono()
        members = await self._ledger.read(lambda reader: reader.outage_members())
        for alert_id, some in groupby(members, lambda member: member.alert_id):
            found = {member.camera_id: member for member in some}
            first = next(iter(found.values()))
            total = max(len(found), self._absences.belonging(first.cause, first.group))
            self._keep(Outage(alert_id, first.cause, first.group, total, found))
        self._earlier = set(self._outages)
        for member in members:
            self._absences.remember(member, now)

    async def look(self) -> None:
        """Tell what has become due since the last look."""
        now, counting = self._clock.mono(), self._clock.mono() >= self._counts_from
        self._absences.follow(now, self._clock.now(), self._told, counting=counting)
        await self._settle(now)
        if counting:
            await self._tell(now)
        self._measure()

    def outages(self) -> list[Outage]:
        """Those that stand, the latest first."""
        return list(reversed(self._outages.values()))

    def outage_of(self, camera_id: str) -> Outage | None:
        """The one that this camera is away in."""
        alert_id = self._told.get(camera_id)
        return None if alert_id is None else self._outages[alert_id]

    # ------------------------------------------------------------------------------------------ who is back

    async def _settle(self, now: float) -> None:
        over: list[tuple[Outage, int]] = []
        changed: list[tuple[Outage, set[str]]] = []
        for outage in self._outages.values():
            back = {name for name in outage.members if not self._absences.is_away(name)}
            if outage.alert_id in self._closed:
                back |= outage.back
            left = len(outage.members) - len(back)
            if left <= _OVER * len(outage.members):
                over.append((outage, left))
            elif back != outage.back:
                changed.append((outage, back))
        for some in _batches(changed):
            for found, closed in await self._ledger.write(partial(self._back, some)):
                self._drop(found.alert_id, found.back)
                self._keep(found)
                if closed:
                    self._closed.add(found.alert_id)
        for ending in _batches(over):
            for tell in await self._ledger.write(partial(self._end, ending)):
                tell()
            for outage, _ in ending:
                self._forget(outage, now)

    def _back(self, some: Sequence[tuple[Outage, set[str]]], tx: Transaction) -> list[tuple[Outage, bool]]:
        return [self._alerts.note_back(tx, outage, back) for outage, back in some]

    def _end(self, some: Sequence[tuple[Outage, int]], tx: Transaction) -> list[Tell]:
        return [self._alerts.end(tx, outage, left) for outage, left in some]

    def _forget(self, outage: Outage, now: float) -> None:
        del self._outages[outage.alert_id]
        self._closed.discard(outage.alert_id)
        for name in self._drop(outage.alert_id, outage.members):
            self._absences.losses.begin_anew(name, now)

    def _drop(self, alert_id: str, names: Iterable[str]) -> list[str]:
        """Those of ``names`` that were told of as this alert are so no more."""
        gone = [name for name in names if self._told.get(name) == alert_id]
        for name in gone:
            del self._told[name]
        return gone

    def _keep(self, outage: Outage) -> None:
        self._outages[outage.alert_id] = outage
        for name in outage.away:
            self._told[name] = outage.alert_id

    # ------------------------------------------------------------------------------------------ who is to be told of

    async def _tell(self, now: float) -> None:
        fresh = {name: since for name, since in self._absences.away() if name not in self._told}
        due = {name for name, since in fresh.items() if now - since >= self._wait(name)}
        for outage, names in self._joining(fresh):
            ready = [name for name in names if name in due]
            if ready:
                grown = await self._ledger.write(partial(self._grow, outage, ready, now))
                if grown is None:
                    self._closed.add(outage.alert_id)
                    continue
                self._keep(grown[0])
                grown[1]()
            due.difference_update(names)
            for name in names:
                del fresh[name]
        if due:
            await self._begin(fresh, due, now)

    def _wait(self, name: str) -> float:
        rules = self._rules
        return rules.window if self._absences.losses.is_flapping(name) else max(rules.after, rules.window)

    def _joining(self, fresh: Iterable[str]) -> list[tuple[Outage, list[str]]]:
        """What is lost while others of its group are away is lost with them; of several groups the smallest."""
        standing = [
            each
            for each in self._outages.values()
            if each.cause is not Cause.SINGLE and each.alert_id not in self._closed
        ]
        by_group = {each.group: each for each in sorted(standing, key=lambda each: -each.total)}
        found: dict[str, list[str]] = {}
        for name in sorted(fresh):
            groups = (by_group.get(group.name) for group in groups_of(self._absences.sites[name]))
            mine = [outage for outage in groups if outage is not None]
            if mine:
                found.setdefault(min(mine, key=lambda each: each.total).alert_id, []).append(name)
        return [(self._outages[alert_id], names) for alert_id, names in found.items()]

    async def _begin(self, fresh: Mapping[str, float], due: set[str], now: float) -> None:
        """``fresh``: all that is away and not told of, of which ``due`` cannot wait any longer."""
        losses = {**self._lately_alone(min(fresh[name] for name in due)), **fresh}
        sites = {
            name: site
            for name, site in self._absences.sites.items()
            if self._absences.is_missed(name) and (name not in self._told or name in losses)
        }
        found = explain(losses, sites, self._rules.together)
        for incident in found.incidents:
            if due.intersection(incident.cameras):
                await self._begin_incident(incident, now)
        alone = [name for name in found.single if name in due]
        for some in _batches(alone):
            for outage, tell in await self._ledger.write(partial(self._begin_single, some, now)):
                self._keep(outage)
                tell()

    def _lately_alone(self, first: float) -> dict[str, float]:
        """Those told of by themselves who may have gone with these: forty are never forty, however slowly they are noticed."""
        lately = first - self._rules.together.within_s
        alone = {
            name
            for outage in self._outages.values()
            if outage.cause is Cause.SINGLE and not outage.flapping and outage.alert_id not in self._earlier
            for name in outage.away
        }
        return {name: since for name, since in self._absences.away() if name in alone and since >= lately}

    async def _begin_incident(self, incident: Incident, now: float) -> None:
        alone = [self._outages[self._told[name]] for name in incident.cameras if name in self._told]
        begun = Outage("", incident.cause, incident.group.name, incident.total, {})
        lost = [self._lost(name, now) for name in incident.cameras]

        def work(tx: Transaction) -> tuple[Outage, list[Tell]]:
            found, tell = self._alerts.begin(tx, begun, lost)
            comment = f"it is part of the outage {found.alert_id}"
            return found, [tell, *(self._alerts.end(tx, outage, 0, comment) for outage in alone)]

        found, tells = await self._ledger.write(work)
        for outage in alone:
            del self._outages[outage.alert_id]
        self._keep(found)
        for tell in tells:
            tell()

    def _begin_single(self, names: Sequence[str], now: float, tx: Transaction) -> list[tuple[Outage, Tell]]:
        alone = Outage("", Cause.SINGLE, "", 1, {})
        return [self._alerts.begin(tx, alone, [self._lost(name, now)]) for name in names]

    def _grow(self, outage: Outage, names: Sequence[str], now: float, tx: Transaction) -> tuple[Outage, Tell] | None:
        return self._alerts.grow(tx, outage, [self._lost(name, now) for name in names])

    def _lost(self, name: str, now: float) -> Lost:
        losses = self._absences.losses
        since = losses.since(name)
        ago = timedelta(seconds=0 if since is None else max(0.0, now - since))
        return Lost(self._absences.cameras[name], self._clock.now() - ago, losses.is_flapping(name))

    def _measure(self) -> None:
        standing = Counter(outage.cause for outage in self._outages.values())
        for cause in Cause:
            metrics.camera_incidents.labels(cause.value).set(standing[cause])
        metrics.cameras_in_maintenance.set(len(self._absences.planned))


def _batches(found: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(found), _AT_ONCE):
        yield found[start : start + _AT_ONCE]
