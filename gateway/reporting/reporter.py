"""Tells the nodes above what this one knows: the whole picture when a downlink connects and once a day, changes as they
come, and every five seconds a sign of life with the node's figures.

Reports are state: what could not be sent is not kept, for the next one says more. Nothing here waits on anybody but the
upper node, and no alarm waits on this.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from gateway.errors import Refused, TryLater
from gateway.model import rfc3339, uuid7
from gateway.observability.logs import logger
from gateway.ports import Clock, Reporting
from gateway.reporting import wire
from gateway.reporting.holding import Changes, Holding
from gateway.reporting.own import OwnDevices
from gateway.reporting.subtree import Subtree

LOOK_EVERY_S = 1.0
BEAT_EVERY_S = 5.0
_BEAT_WITHIN_S = 4.5  # on a connection that died unnoticed the next one shall not wait for this one
WHOLE_EVERY_S = 24 * 3600.0
_WHOLE_AGAIN_S = 15.0  # on a link that comes and goes the whole picture does not go out each time
_RELAY_EVERY_S = 60.0
PART = 100
"""Devices in a report: about 40 kB, which a line of 64 kbit/s carries within the sink's deadline of 10 s."""
_FRESHENED = 10  # devices a beat, whose times travel without a change: all of a thousand within ten minutes
_RETRY_S = 5.0

_log = logger("reporting")

T = TypeVar("T")


@dataclass(slots=True)
class _Told:
    """What an upper node was told of one node. ``revision``: None while it is owed the whole picture."""

    revision: int | None = None
    card: object = None
    state: object = None
    at: float = float("-inf")


class Reporter:
    """``sinks``: the upper nodes. ``figures``: this node's own, by the names of their metrics without the prefix."""

    def __init__(
        self,
        sinks: Sequence[Reporting],
        own: OwnDevices,
        below: Subtree,
        figures: Callable[[], Mapping[str, float]],
        clock: Clock,
    ) -> None:
        self._own = own
        self._figures = figures
        self._clock = clock
        self._couriers = {sink.id: Courier(sink, own.holding, below, figures, clock) for sink in sinks}

    async def run(self) -> None:
        if not self._couriers:
            return
        self._own.look(self._clock.mono())
        async with asyncio.TaskGroup() as group:
            for courier in self._couriers.values():
                group.create_task(courier.tell(), name=f"reports {courier.id}")
                group.create_task(courier.beat(), name=f"signs of life {courier.id}")
            while True:
                await self._clock.sleep(LOOK_EVERY_S)
                self._own.look(self._clock.mono())

    def connected(self, sink_id: str) -> None:
        """The downlink of that upper node stands: it may have been started anew, so it is told everything."""
        courier = self._couriers.get(sink_id)
        if courier is not None:
            courier.owe_all()

    async def goodbye(self, within: float) -> None:
        """This node stops in order: say so, as far as that can be said in ``within`` seconds. After ``run`` has ended."""
        async with asyncio.timeout(within):
            await asyncio.gather(*(courier.goodbye() for courier in self._couriers.values()))


class Courier:
    """Brings one upper node what it has not been told."""

    def __init__(
        self,
        sink: Reporting,
        own: Holding,
        below: Subtree,
        figures: Callable[[], Mapping[str, float]],
        clock: Clock,
    ) -> None:
        self.id = sink.id
        self._sink = sink
        self._own = own
        self._below = below
        self._figures = figures
        self._clock = clock
        self._told: dict[str, _Told] = {}
        self._connected = asyncio.Event()
        self._whole_at = float("-inf")  # when the last whole picture of everything was complete
        self._owed = False
        self._fresh = 0
        self._fresh_at = float("-inf")
        self._failing = False

    def owe_all(self) -> None:
        self._owed = True
        self._connected.set()

    # -------------------------------------------------------------------------------- signs of life

    async def beat(self) -> None:
        while True:
            await self._sign_of_life({})
            await self._clock.sleep(BEAT_EVERY_S)

    async def goodbye(self) -> None:
        await self._sign_of_life({"stopping": 1})

    async def _sign_of_life(self, more: Mapping[str, float]) -> None:
        figures = {**dict(islice(self._figures().items(), wire.MAX_FIGURES - 1)), **more}
        data = {"node": self._own.card.id, "at": rfc3339(self._clock.now()), "figures": figures}
        try:
            async with asyncio.timeout(_BEAT_WITHIN_S):
                await self._sink.report(wire.HEALTH, data)
        except (TryLater, Refused, TimeoutError) as error:
            self._note_failure(str(error) or f"no answer within {_BEAT_WITHIN_S:g} s")
        else:
            self._failing = False

    def _note_failure(self, reason: str) -> None:
        tell = _log.debug if self._failing else _log.warning
        tell("the upper node cannot be told how this one stands", sink=self.id, reason=reason)
        self._failing = True

    # -------------------------------------------------------------------------------- devices

    async def tell(self) -> None:
        """One report after another, so that a later state never arrives before an earlier one."""
        await self._connected.wait()
        while True:
            wait = LOOK_EVERY_S
            try:
                await self._tell_all()
            except TryLater as error:
                self._note_failure(str(error))
                wait = min(60.0, max(_RETRY_S, error.after or 0.0))
            except Refused as error:
                # An upper node of an older version: it is not asked again before the next connection.
                _log.warning("the upper node refuses reports", sink=self.id, reason=str(error))
                self._connected.clear()
                await self._connected.wait()
            await self._clock.sleep(wait)

    async def _tell_all(self) -> None:
        now = self._clock.mono()
        again = now - self._whole_at
        if (self._owed and again >= _WHOLE_AGAIN_S) or again >= WHOLE_EVERY_S:
            self._owed, self._told = False, {}
        holdings = [self._own, *self._below.holdings()]
        whole = [each for each in holdings if self._about(each).revision is None]
        for holding in holdings:
            await self._tell_of(holding)
        if whole and len(whole) == len(holdings):
            self._whole_at = self._clock.mono()
        for gone in self._told.keys() - {holding.card.id for holding in holdings}:
            del self._told[gone]
        await self._freshen()

    def _about(self, holding: Holding) -> _Told:
        return self._told.setdefault(holding.card.id, _Told())

    async def _tell_of(self, holding: Holding) -> None:
        told = self._about(holding)
        changes = None if told.revision is None else holding.changes(told.revision)
        revision = holding.revision
        if changes is None:
            await self._send_whole(holding)
        elif changes.cameras or changes.terminals or told.card != holding.card:
            await self._send_changed(holding, changes)
        if changes is not None and (changes.camera_states or changes.terminal_states):
            await self._send_states(holding, changes)
        told.revision, told.card = revision, holding.card
        await self._relay_state(holding, told)

    async def _send_whole(self, holding: Holding) -> None:
        cameras, terminals = list(holding.cameras.ids()), list(holding.terminals.ids())
        parts = list(_parts(cameras, terminals)) or [([], [])]
        picture = uuid7()
        for number, (some_cameras, some_terminals) in enumerate(parts, 1):
            # What is sent is how it stands at that moment, not how it stood when the picture was begun.
            data = {"whole": True, "part": [number, len(parts)], "picture": picture}
            await self._send_inventory(holding, data, some_cameras, some_terminals)

    async def _send_changed(self, holding: Holding, changes: Changes) -> None:
        gone_cameras = sorted(id_ for id_ in changes.cameras if id_ not in holding.cameras)
        gone_terminals = sorted(id_ for id_ in changes.terminals if id_ not in holding.terminals)
        present = sorted(changes.cameras - set(gone_cameras)), sorted(changes.terminals - set(gone_terminals))
        for some_cameras, some_terminals in list(_parts(*present)) or [([], [])]:
            gone = {"cameras": gone_cameras, "terminals": gone_terminals}
            await self._send_inventory(holding, {"whole": False, "gone": gone}, some_cameras, some_terminals)
            gone_cameras, gone_terminals = [], []

    async def _send_inventory(
        self, holding: Holding, data: Mapping[str, Any], cameras: Iterable[str], terminals: Iterable[str]
    ) -> None:
        told = {
            **self._card(holding),
            **data,
            "cameras": [wire.camera_json(held) for held in _found(holding.cameras.get, cameras)],
            "terminals": [wire.terminal_json(held) for held in _found(holding.terminals.get, terminals)],
        }
        await self._sink.report(wire.INVENTORY, told)

    async def _send_states(self, holding: Holding, changes: Changes) -> None:
        for cameras, terminals in _parts(sorted(changes.camera_states), sorted(changes.terminal_states)):
            await self._send_health(holding, cameras, terminals)

    async def _send_health(self, holding: Holding, cameras: Iterable[str], terminals: Iterable[str]) -> None:
        data: dict[str, Any] = {
            "node": holding.card.id,
            "at": rfc3339(self._clock.now()),
            **self._as_relayed(holding),
            "cameras": [wire.camera_state_json(held) for held in _found(holding.cameras.get, cameras)],
            "terminals": [wire.terminal_state_json(held) for held in _found(holding.terminals.get, terminals)],
        }
        if holding is not self._own:
            data["figures"] = dict(holding.figures)
        await self._sink.report(wire.HEALTH, data)

    def _card(self, holding: Holding) -> dict[str, Any]:
        return {**wire.card_json(holding.card), **self._as_relayed(holding)}

    def _as_relayed(self, holding: Holding) -> dict[str, Any]:
        """Of a node below this one: how it is heard here, which the upper node cannot know."""
        if holding is self._own:
            return {}
        view = self._below.view(holding.card.id)
        return {
            "parent": view.card.parent,
            "node_state": view.state.value,
            "since": None if view.since is None else rfc3339(view.since),
            "last_heard": None if view.last_heard is None else rfc3339(view.last_heard),
        }

    async def _relay_state(self, holding: Holding, told: _Told) -> None:
        """A node below is spoken for: when its state changes, and once a minute."""
        if holding is self._own:
            return
        state, now = self._below.state(holding.card.id), self._clock.mono()
        if state is told.state and now - told.at < _RELAY_EVERY_S:
            return
        await self._send_health(holding, (), ())
        told.state, told.at = state, now

    async def _freshen(self) -> None:
        """The times of devices that do not change: a few at a time, in their turn."""
        now = self._clock.mono()
        if now - self._fresh_at < BEAT_EVERY_S:
            return
        self._fresh_at = now
        cameras, terminals = self._own.cameras.ids(), self._own.terminals.ids()
        some = [_turn(ids, self._fresh) for ids in (cameras, terminals)]
        self._fresh += _FRESHENED
        if any(some):
            await self._send_health(self._own, *some)


def _turn(ids: Sequence[str], start: int) -> Sequence[str]:
    if len(ids) <= _FRESHENED:
        return ids
    start %= len(ids)
    return ids[start : start + _FRESHENED]


def _parts(cameras: Sequence[str], terminals: Sequence[str]) -> Iterator[tuple[Sequence[str], Sequence[str]]]:
    """Both in runs of no more devices than a report has."""
    for start in range(0, len(cameras), PART):
        yield cameras[start : start + PART], ()
    for start in range(0, len(terminals), PART):
        yield (), terminals[start : start + PART]


def _found(get: Callable[[str], T | None], ids: Iterable[str]) -> Iterator[T]:
    return (held for id_ in ids if (held := get(id_)) is not None)
