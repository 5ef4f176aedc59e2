"""The dial governor: how many devices may be dialled at once, and whose turn is next.

After a power cut a whole village comes back in the same second. Without a budget a thousand dials at once would flood the
uplink, the switch and the recorder, and the more so the more of them failed.
"""

import asyncio
from bisect import bisect_left, insort
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from gateway.supervision.place import Place

HEAD_START_S = 30.0
"""What one step of importance is worth in waiting. Not infinite: a hundred important cameras that are dead for ever are
dialled for ever, and the others have to come up all the same."""
MOST_URGENT, LEAST_URGENT = 0, 9


@dataclass(frozen=True, slots=True)
class Budget:
    """The most dials under way at once: in all, to one subnet, to one host. Each at least 1."""

    box: int = 64
    subnet: int = 16
    host: int = 4


class Ticket:
    """One wish to dial. ``rank``: 0 goes first (somebody is waiting for a picture), then by importance."""

    __slots__ = ("asked_at", "key", "place", "rank", "under_way")

    def __init__(self, place: Place, rank: int) -> None:
        self.place = place
        self.rank = rank
        self.asked_at = 0.0
        self.key: tuple[float, int] | None = None  # while it waits
        self.under_way = False


_Key = tuple[float, int]
_Level = TypeVar("_Level")


@dataclass(slots=True)
class _Host:
    waiting: "list[tuple[_Key, Ticket]]" = field(default_factory=list)
    under_way: int = 0
    offered: _Key | None = None  # under which it stands in its subnet's list


@dataclass(slots=True)
class _Subnet:
    hosts: dict[str, _Host] = field(default_factory=dict)
    ready: "list[tuple[_Key, _Host]]" = field(default_factory=list)
    under_way: int = 0
    offered: _Key | None = None


class DialQueue:
    """Who waits and who is under way; no I/O, time is an argument.

    Three levels of sorted lists (tickets of a host, hosts of a subnet that may go on, subnets that may go on), so that the
    next in turn is found without walking past those whose host or subnet is full. Every step costs O(log n) comparisons.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._subnets: dict[str, _Subnet] = {}
        self._ready: list[tuple[_Key, _Subnet]] = []
        self._number = 0
        self.under_way = 0
        self.waiting = 0

    def ask(self, ticket: Ticket, now: float) -> None:
        self._number += 1
        ticket.asked_at = now
        ticket.key = (now + HEAD_START_S * _bounded(ticket.rank), self._number)
        subnet, host = self._find(ticket.place)
        insort(host.waiting, (ticket.key, ticket), key=_first)
        self.waiting += 1
        self._offer(subnet, host)

    def take(self) -> Ticket | None:
        """The next in turn, now under way; None where nobody waits or every budget in question is used up."""
        if not self._ready or self.under_way >= self._budget.box:
            return None
        subnet = self._ready[0][1]
        host = subnet.ready[0][1]
        ticket = host.waiting.pop(0)[1]
        ticket.key, ticket.under_way = None, True
        self.waiting -= 1
        self._count(subnet, host, 1)
        return ticket

    def end(self, ticket: Ticket) -> None:
        """The dial is over, or no longer wanted; to be called as often as one likes."""
        subnet = self._subnets.get(ticket.place.subnet)
        if subnet is None or (host := subnet.hosts.get(ticket.place.host)) is None:
            return
        if ticket.under_way:
            ticket.under_way = False
            self._count(subnet, host, -1)
        elif ticket.key is not None:
            self._withdraw(subnet, host, ticket)
        self._forget(ticket.place, subnet, host)

    def hurry(self, ticket: Ticket) -> None:
        """Let it go before all that are less urgent; it keeps the time it has waited."""
        if ticket.key is None or ticket.rank <= MOST_URGENT:
            return
        subnet, host = self._find(ticket.place)
        number = ticket.key[1]
        del host.waiting[bisect_left(host.waiting, ticket.key, key=_first)]
        ticket.rank = MOST_URGENT
        ticket.key = (ticket.asked_at, number)
        insort(host.waiting, (ticket.key, ticket), key=_first)
        self._offer(subnet, host)

    def _find(self, place: Place) -> tuple[_Subnet, _Host]:
        subnet = self._subnets.setdefault(place.subnet, _Subnet())
        return subnet, subnet.hosts.setdefault(place.host, _Host())

    def _withdraw(self, subnet: _Subnet, host: _Host, ticket: Ticket) -> None:
        assert ticket.key is not None
        del host.waiting[bisect_left(host.waiting, ticket.key, key=_first)]
        ticket.key = None
        self.waiting -= 1
        self._offer(subnet, host)

    def _count(self, subnet: _Subnet, host: _Host, change: int) -> None:
        host.under_way += change
        subnet.under_way += change
        self.under_way += change
        self._offer(subnet, host)

    def _offer(self, subnet: _Subnet, host: _Host) -> None:
        """Let the lists above say what is true now of this host and its subnet."""
        may_go = host.under_way < self._budget.host and bool(host.waiting)
        host.offered = _stand(subnet.ready, host, host.offered, host.waiting[0][0] if may_go else None)
        may_go = subnet.under_way < self._budget.subnet and bool(subnet.ready)
        subnet.offered = _stand(self._ready, subnet, subnet.offered, subnet.ready[0][0] if may_go else None)

    def _forget(self, place: Place, subnet: _Subnet, host: _Host) -> None:
        if not host.waiting and not host.under_way:
            del subnet.hosts[place.host]
            if not subnet.hosts:
                del self._subnets[place.subnet]


class Turn(Ticket):
    """A place in the governor's queue, then a dial under way, until ``end``."""

    __slots__ = ("_came", "_governor")

    def __init__(self, governor: "Governor", place: Place, rank: int) -> None:
        super().__init__(place, rank)
        self._governor = governor
        self._came: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def come(self) -> None:
        """Wait for the turn; it is given back if this is cancelled."""
        try:
            await self._came
        except BaseException:
            self.end()
            raise

    def hurry(self) -> None:
        self._governor.hurry(self)

    def end(self) -> None:
        self._governor.end(self)

    def start(self) -> None:
        if not self._came.done():
            self._came.set_result(None)


class Governor:
    """Gives turns within a budget. ``mono``: CLOCK_MONOTONIC seconds."""

    def __init__(self, budget: Budget, mono: Callable[[], float]) -> None:
        self._queue = DialQueue(budget)
        self._mono = mono

    @property
    def under_way(self) -> int:
        return self._queue.under_way

    @property
    def waiting(self) -> int:
        return self._queue.waiting

    def ask(self, place: Place, rank: int) -> Turn:
        """Queue for a dial: ``await turn.come()`` next, and ``turn.end()`` in any case."""
        turn = Turn(self, place, rank)
        self._queue.ask(turn, self._mono())
        self._go()
        return turn

    def hurry(self, turn: Turn) -> None:
        self._queue.hurry(turn)

    def end(self, turn: Turn) -> None:
        self._queue.end(turn)
        self._go()

    def _go(self) -> None:
        while (turn := self._queue.take()) is not None:
            assert isinstance(turn, Turn)
            turn.start()


def _bounded(rank: int) -> int:
    return max(MOST_URGENT, min(LEAST_URGENT, rank))


def _stand(ready: list[tuple[_Key, _Level]], who: _Level, before: _Key | None, now: _Key | None) -> _Key | None:
    """Let ``who`` stand in a sorted list under the key ``now`` and no longer under ``before``."""
    if before != now:
        if before is not None:
            del ready[bisect_left(ready, before, key=_first)]
        if now is not None:
            insort(ready, (now, who), key=_first)
    return now


def _first(entry: tuple[_Key, object]) -> _Key:
    return entry[0]
