"""Terminals that fall silent: an alert ``device_offline`` each, or one of the node's own when many go at once."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from gateway.alerts import grading
from gateway.alerts.register import Register
from gateway.alerts.silences import Silences, TerminalModel
from gateway.codec import optional_time, place_json, source_json
from gateway.errors import StoreFailed
from gateway.model import (
    OPEN,
    Alert,
    Condition,
    Draft,
    Kind,
    Place,
    SourceRef,
    Status,
    Terminal,
    rfc3339,
    uuid7,
)
from gateway.observability import events
from gateway.observability.logs import logger
from gateway.ports import AlertFilter, Clock, Ledger, Reader, Transaction

_log = logger("alerts")
_LOOK_S = 5.0
_MOST_OPEN = 200  # the node's own: one for each group of cameras that nobody closed, and that of the terminals
_AT_ONCE = 25  # alerts in one piece of the ledger's work: a press must not wait for a village that went dark
_OVER = 0.5  # of those that went together: when fewer are still away, the outage is over
_OPEN = tuple(state.value for state in OPEN)

_Told = Callable[[], None]


class OfflineDesk:
    """Watches the presence of ``register``'s terminals. ``models``: by name; ``default`` is for all others."""

    def __init__(
        self,
        ledger: Ledger,
        register: Register,
        models: Mapping[str, TerminalModel],
        clock: Clock,
        *,
        node_id: str,
        node_place: Place = Place(),
        grades: Mapping[Kind, int],
    ) -> None:
        self._ledger = ledger
        self._register = register
        self._models = models
        self._default = models.get("default", TerminalModel())
        self._clock = clock
        self._node = SourceRef("node", node_id)
        self._place = node_place
        self._grades = grades
        self._silences = Silences(self._model_of)
        self._seen = 0
        self._replaced = register.replaced
        self._told: set[str] = set()  # terminals with an alert that says they are away
        self._outage: set[str] = set()  # those that went together, while that alert stands

    async def run(self) -> None:
        """Until cancelled. A ledger that takes nothing is asked again at the next look."""
        while not await self._remembers():
            await self._clock.sleep(_LOOK_S)
        while True:
            try:
                await self.look()
            except StoreFailed as error:
                _log.debug("who is offline could not be told", reason=str(error))
            await asyncio.sleep(_LOOK_S)

    async def look(self) -> None:
        """Tell what has become due since the last look."""
        now = self._clock.mono()
        self._follow(now)
        for terminal in self._silences.silent(now):
            self._register.seen(terminal, self._clock.now(), online=False)
        self._follow(now)
        await self._end_outage()
        overdue = [each for each in self._silences.overdue(now) if each not in self._told and each not in self._outage]
        known = sum(self._register.presence(each.id).online is not None for each in self._register.terminals())
        together = self._silences.together(overdue, known) if overdue else []
        if together:
            await self._begin_outage(together, known)
        alone = set(together)
        await self._tell([each for each in overdue if each not in alone], self._raise, self._told.add)
        back = [each for each in self._told if not self._silences.is_offline(each)]
        await self._tell(back, self._clear, self._told.discard)

    def _model_of(self, terminal_id: str) -> TerminalModel:
        terminal = self._register.terminal(terminal_id)
        return self._default if terminal is None else self._models.get(terminal.model, self._default)

    async def _remembers(self) -> bool:
        try:
            await self._load()
        except StoreFailed as error:
            _log.warning("terminals cannot be watched before the ledger is read", reason=str(error))
            return False
        return True

    async def _load(self) -> None:
        """What stood open when the node ended; those who are away still are, until they are heard."""
        for alert in await self._ledger.read(lambda reader: list(_standing(reader))):
            if alert.source.type == "terminal":
                self._told.add(alert.source.id)
            elif (alert.source.type, alert.source.id) == ("node", self._node.id) and _of_terminals(alert):
                self._outage = {each.id for each in self._register.offline()}
        self._outage -= self._told
        now = self._clock.mono()
        for terminal in self._register.terminals():
            self._silences.note(terminal.id, self._register.presence(terminal.id).online, now)

    def _follow(self, now: float) -> None:
        before, self._seen = self._seen, self._register.changes
        for terminal in self._register.presence_changes(before):
            self._silences.note(terminal, self._register.presence(terminal).online, now)
        if self._register.replaced != self._replaced:
            self._replaced = self._register.replaced
            self._forget_the_removed(now)

    def _forget_the_removed(self, now: float) -> None:
        """A terminal that is in no household any more is not away: its alert clears."""
        here = {each.id for each in self._register.terminals()}
        self._silences.keep_only(here)
        self._outage &= here
        for terminal in self._register.terminals():  # its model may be another
            self._silences.note(terminal.id, self._register.presence(terminal.id).online, now)

    async def _tell(
        self, terminals: Sequence[str], work: Callable[[Transaction, str], _Told], done: Callable[[str], None]
    ) -> None:
        for start in range(0, len(terminals), _AT_ONCE):
            some = terminals[start : start + _AT_ONCE]
            for tell in await self._ledger.write(partial(_each, some, work)):
                tell()
            for terminal in some:
                done(terminal)

    # -------------------------------------------------------------------------------- inside the transaction

    def _raise(self, tx: Transaction, terminal_id: str) -> _Told:
        terminal = self._register.terminal(terminal_id) or Terminal(terminal_id)
        presence = self._register.presence(terminal_id)
        away = {"last_seen": optional_time(presence.last_seen), "since": optional_time(presence.since)}
        source = SourceRef("terminal", terminal_id, terminal.household.name)
        household = {"household": terminal.household.as_detail()}
        place = terminal.place
        if place.address is None and terminal.household.address is not None:
            place = Place(place.lon, place.lat, terminal.household.address, place.area_code)
        return self._put(tx, source, place, {**away, **household})

    def _clear(self, tx: Transaction, terminal_id: str) -> _Told:
        return self._cleared(tx, SourceRef("terminal", terminal_id))

    def _put(self, tx: Transaction, source: SourceRef, place: Place, detail: dict[str, Any]) -> _Told:
        """Raise it, or go on with the one that stands open: away again."""
        now = self._clock.now()
        before = _open(tx, source)
        if before is not None and before.condition is Condition.ACTIVE:
            return _nothing
        if before is not None:
            data: dict[str, Any] = {"press_id": None, "device_time": None, "detail": detail, "cameras": []}
            tx.append(Draft(before.id, "pressed", "gateway", now, data=data))
            count = before.count + 1
            return lambda: events.signal_joined(before.id, count, source.id)
        alert_id, severity = uuid7(), grading.severity(Kind.DEVICE_OFFLINE, self._grades)
        base = _base(source, place, severity, detail, now)
        tx.append(Draft(alert_id, "raised", "gateway", now, data={"base": base}))
        return lambda: events.alert_raised(alert_id, Kind.DEVICE_OFFLINE, severity, Status.ACTUAL, source)

    def _cleared(self, tx: Transaction, source: SourceRef) -> _Told:
        before = _open(tx, source)
        if before is None or before.condition is Condition.CLEARED:
            return _nothing
        data: dict[str, Any] = {"what": "", "still": [], "device_time": None}
        tx.append(Draft(before.id, "cleared", "gateway", self._clock.now(), data=data))
        return lambda: events.terminal_back(before.id, source.id)

    # -------------------------------------------------------------------------------- many at once

    async def _begin_outage(self, terminals: Sequence[str], known: int) -> None:
        group = self._outage | set(terminals)
        detail = {"terminals": len(group), "of": known, "some": sorted(group)[:20]}
        tell = await self._ledger.write(lambda tx: self._put(tx, self._node, self._place, detail))
        self._outage = group
        tell()

    async def _end_outage(self) -> None:
        """Over when most are back; those who stay away are told one by one."""
        if not self._outage:
            return
        away = sum(map(self._silences.is_offline, self._outage))
        if away > _OVER * len(self._outage):
            return
        tell = await self._ledger.write(lambda tx: self._cleared(tx, self._node))
        self._outage = set()
        tell()


def _base(source: SourceRef, place: Place, severity: int, detail: dict[str, Any], now: datetime) -> dict[str, Any]:
    many = source.type == "node"
    title = f"大面积终端离线 · {detail['terminals']}" if many else None
    return {
        "kind": Kind.DEVICE_OFFLINE.value,
        "severity": severity,
        "status": Status.ACTUAL.value,
        "source": source_json(source),
        "place": place_json(place),
        "title": title or grading.title(Kind.DEVICE_OFFLINE, source.name or source.id),
        "device_time": None,
        "raised_at": rfc3339(now),
        "detail": {**detail, "standing": [""]},
        "cameras": [],
    }


def _each(terminals: Sequence[str], work: Callable[[Transaction, str], _Told], tx: Transaction) -> list[_Told]:
    return [work(tx, terminal) for terminal in terminals]


def _nothing() -> None:
    """It stood on disk already."""


def _open(tx: Transaction, source: SourceRef) -> Alert | None:
    """A camera may have the same id as a terminal, and what the node tells of cameras is no alert of terminals."""
    found = tx.open_alerts(source.id, Kind.DEVICE_OFFLINE.value, Status.ACTUAL.value, _MOST_OPEN)
    alerts = (stored.alert for stored in found if stored.alert.source.type == source.type)
    return next((alert for alert in alerts if alert.source.type != "node" or _of_terminals(alert)), None)


def _of_terminals(alert: Alert) -> bool:
    return "terminals" in alert.detail


def _standing(reader: Reader) -> Iterator[Alert]:
    cursor: str | None = None
    wanted = AlertFilter(workflow=_OPEN, kind=(Kind.DEVICE_OFFLINE.value,))
    while True:
        found, cursor = reader.alerts(wanted, cursor, 500)
        yield from (stored.alert for stored in found if stored.alert.condition is Condition.ACTIVE)
        if cursor is None:
            return
