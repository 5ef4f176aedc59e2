"""Looks every second whether the lower nodes are still heard, has their silence made an alert, and writes down who they
are, so that a node that goes away while this one is down is missed too."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Protocol

from gateway.codec import optional_time
from gateway.errors import StoreFailed
from gateway.model import SourceRef, said_time
from gateway.observability.logs import logger
from gateway.ports import Clock, Ledger
from gateway.reporting import wire
from gateway.reporting.attendance import NodeState
from gateway.reporting.holding import NodeCard
from gateway.reporting.subtree import NodeView, Subtree

LOOK_EVERY_S = 1.0
_WRITE_EVERY_S = 60.0
_BOOKMARK = "reporting/nodes"

_log = logger("reporting")


class Alarm(Protocol):
    """Makes a silence known, once, and takes it back."""

    async def settle(
        self, node: SourceRef, area_code: str | None, last_heard: datetime | None, *, missed: bool, reason: str
    ) -> None: ...


class Watch:
    def __init__(self, below: Subtree, ledger: Ledger, alarm: Alarm, clock: Clock) -> None:
        self._below = below
        self._ledger = ledger
        self._alarm = alarm
        self._clock = clock
        self._settled: dict[str, bool] = {}  # whether the node is missed, as the alerts have it
        self._states: dict[str, NodeState] = {}
        self._written_at = float("-inf")

    async def run(self) -> None:
        while not await self._remembers():
            await self._clock.sleep(LOOK_EVERY_S)
        while True:
            await self._clock.sleep(LOOK_EVERY_S)
            await self.look()

    async def _remembers(self) -> bool:
        try:
            await self.restore()
        except StoreFailed as error:
            _log.warning("lower nodes cannot be watched before the ledger is read", reason=str(error))
            return False
        return True

    async def restore(self) -> None:
        """Who was known before a restart; each is given the full time to be heard again. Who has told of itself meanwhile
        is known better than that."""
        kept = await self._ledger.read(lambda reader: reader.bookmark(_BOOKMARK))
        awaited = self._below.awaited()
        for told in map(wire.mapping, wire.items(json.loads(kept or "[]"))):
            node, via = wire.node_id(told, "node"), wire.node_id(told, "via")
            if not node or not via or (awaited is not None and via not in awaited):
                continue
            if self._below.holding(node) is not None:
                continue
            self._below.restore(wire.read_card(node, told, NodeCard(node)), via)
            state = told.get("state")
            if via == node and isinstance(state, str):
                since, last_heard = said_time(told.get("since")), said_time(told.get("last_heard"))
                missed = told.get("missed") is True
                self._below.attendance.restore(node, state, since, last_heard, missed=missed)

    async def look(self) -> None:
        attendance = self._below.attendance
        if attendance.look(self._clock.mono(), self._clock.now()):
            self._below.changes += 1
        awaited = self._below.awaited()
        for node in [node for node in attendance.records if awaited is not None and node not in awaited]:
            await self._let_go(node)
        states = {node: record.state for node, record in attendance.records.items()}
        if states != self._states:
            self._tell(states)
            self._states, self._written_at = states, float("-inf")
        try:
            await self._settle()
            if states and self._clock.mono() - self._written_at >= _WRITE_EVERY_S:
                await self._write_down()
        except StoreFailed as error:
            _log.debug("what is known of the lower nodes cannot be written now", reason=str(error))

    def _tell(self, states: dict[str, NodeState]) -> None:
        for node, state in states.items():
            if state is not self._states.get(node, NodeState.UNKNOWN):
                tell = _log.warning if state is NodeState.SILENT else _log.info
                tell("a lower node's state changed", node=node, state=state.value)

    async def _settle(self) -> None:
        for node, record in list(self._below.attendance.records.items()):
            heard = record.state in (NodeState.ONLINE, NodeState.STOPPED)
            missed = record.missed
            if not (heard or missed) or not record.reported or self._settled.get(node) is missed:
                continue
            view = self._below.view(node)
            await self._alarm.settle(
                _source(view), view.card.area_code, record.last_heard, missed=missed, reason=_why(view, missed=missed)
            )
            self._settled[node] = missed

    async def _let_go(self, node: str) -> None:
        """Its token was revoked: it is no node of ours any more, and nobody shall look for it."""
        view = self._below.view(node)
        try:
            if self._settled.get(node, True):
                reason = "its token was revoked: it is not awaited any more"
                await self._alarm.settle(
                    _source(view), view.card.area_code, view.last_heard, missed=False, reason=reason
                )
        except StoreFailed:
            return  # again in a second
        self._below.forget(node)
        self._settled.pop(node, None)
        self._states.pop(node, None)

    async def _write_down(self) -> None:
        text = json.dumps(list(self._kept()), ensure_ascii=False)
        await self._ledger.write(lambda tx: tx.set_bookmark(_BOOKMARK, text))
        self._written_at = self._clock.mono()

    def _kept(self) -> Iterable[dict[str, Any]]:
        for holding in self._below.holdings():
            node = holding.card.id
            record = self._below.attendance.records.get(node)
            told = record is not None and record.reported
            yield {
                **wire.card_json(holding.card),
                "via": self._below.via(node),
                "state": record.state.value if record is not None and told else None,
                "missed": record is not None and record.missed,
                "since": optional_time(record.since) if record is not None else None,
                "last_heard": optional_time(record.last_heard) if record is not None else None,
            }


def _source(view: NodeView) -> SourceRef:
    return SourceRef("node", view.card.id, view.card.name or view.card.id)


def _why(view: NodeView, *, missed: bool) -> str:
    if not missed:
        return "it is heard again" if view.state is NodeState.ONLINE else "it said that it stops"
    if view.state is NodeState.STOPPED:
        return "it said that it stops, and has not come back for five minutes"
    return view.reason or "nothing is heard from it"
