"""What the event streams tell, gathered once for all of them.

The ledger's feed is read once and its newest part kept in memory (`Tail`); a stream that is further behind is served
from the ledger itself. Cameras' and terminals' states are kept by their newest revision. Nothing here is a queue.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial

from gateway.console.device_news import DeviceNews
from gateway.console.inventory import Inventory
from gateway.console.lower_news import LowerNodes
from gateway.console.problems import Problem
from gateway.console.states import State, States, compact
from gateway.console.tail import AlertChange, Tail
from gateway.console.views import alert_json
from gateway.observability import events, metrics
from gateway.ports import AlertFilter, Clock, Ledger, Reader, StoredAlert, VideoService
from gateway.reporting.subtree import Subtree

_BELOW_POLL_S = 1.0
_RECEIPTS_S = 0.2  # in a storm receipts come by hundreds a second: they are gathered
_RECENT = 200  # alerts whose receipts are told as they come; older ones show theirs when the list is loaded
_BATCH = 500  # entries read from the feed at once
_RESUMABLE = 200_000  # entries; two a second for a day. Who missed more has to load the list anew
_STREAMS = 200
_STREAMS_EACH = 12


class Newsroom:
    """Follows the ledger, the cameras and the terminals while at least one stream is open."""

    def __init__(
        self,
        ledger: Ledger,
        video: VideoService | None,
        inventory: Inventory,
        clock: Clock,
        below: Subtree | None = None,
    ) -> None:
        self._ledger = ledger
        self.clock = clock
        self._tail: Tail | None = None
        self._states = States()
        self._devices = DeviceNews(inventory, video, self._states, self._wake_all, clock)
        self._below = None if below is None else LowerNodes(below, self._states)
        self._recent: dict[str, int] = {}  # the versions of the newest alerts, as they were told
        self._receipted: dict[str, State] = {}
        self._seats: dict[asyncio.Event, str] = {}
        self._followers: list[asyncio.Task[None]] = []

    @property
    def revision(self) -> int:
        return self._states.revision

    @property
    def broken(self) -> bool:
        """A follower has ended, so streams would fall silent: they end instead, and their clients come back."""
        return any(task.done() for task in self._followers)

    def reload_of(self, node: str) -> int:
        """See ``views.node_json``."""
        return 0 if self._below is None else self._below.reloads(node)

    @asynccontextmanager
    async def seat(self, name: str, wake: asyncio.Event) -> AsyncIterator[None]:
        """Keep ``wake`` set whenever there may be news. Raises Problem 429 | 503 where too many streams are open."""
        if sum(holder == name for holder in self._seats.values()) >= _STREAMS_EACH:
            raise Problem(429, f"{name} has {_STREAMS_EACH} event streams open: close one first.")
        if len(self._seats) >= _STREAMS:
            raise Problem(503, "Too many event streams are open on this node.", headers={"Retry-After": "10"})
        self._seats[wake] = name
        metrics.event_streams.set(len(self._seats))
        try:
            await self._open()
            yield
        finally:
            del self._seats[wake]
            metrics.event_streams.set(len(self._seats))
            if not self._seats:
                self._close()

    async def changes(self, position: int) -> tuple[list[AlertChange], int]:
        """Alerts that changed after ``position``, and the position reached: from memory, else from the ledger."""
        tail = self._tail
        if tail is not None and position >= tail.start:
            return tail.after(position), max(position, tail.position)
        return await self._ledger.read(lambda reader: _changes(reader, position))

    def states(self, revision: int, receipts_after: int) -> list[State]:
        """States newer than ``revision``; with them alerts whose receipts are newer than that and ``receipts_after``."""
        after = max(revision, receipts_after)
        newer = self._states.after(revision)
        newer += [state for state in self._receipted.values() if state.revision > after]
        return sorted(newer, key=lambda state: state.revision)

    async def begin(self, last: int | None) -> tuple[int, bool]:
        """Where a stream starts, and whether that leaves no gap behind the event ``last``."""
        newest = await self._ledger.read(lambda reader: reader.newest_feed())
        if last is None or last > newest or newest - last > _RESUMABLE:
            return newest, last is None or last == newest
        return last, True

    async def _open(self) -> None:
        if self._followers and not self.broken:
            return
        self._close()
        newest, recent = await self._ledger.read(_newest)
        if self._followers:  # another stream was opened meanwhile
            return
        self._tail = Tail(newest)
        self._recent = recent
        follow = [self._follow_alerts(self._tail), self._follow_receipts(), *self._devices.followers()]
        if self._below is not None:
            follow.append(self._follow_below(self._below))
        self._followers = [asyncio.create_task(each) for each in follow]
        for task in self._followers:
            task.add_done_callback(self._follower_ended)

    def _close(self) -> None:
        for task in self._followers:
            task.cancel()
        self._followers = []
        self._tail = None
        self._states.clear()
        self._receipted.clear()

    def _follower_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            events.stream_source_failed(str(task.exception()))
        self._wake_all()

    def _wake_all(self) -> None:
        for wake in self._seats:
            wake.set()

    async def _follow_alerts(self, tail: Tail) -> None:
        seen = 0
        while True:
            position = tail.position
            changes, reached = await self._ledger.read(partial(_changes, after=position))
            if reached > position:
                tail.extend(changes, reached)
                self._remember(changes)
                self._wake_all()
                continue
            seen = await self._ledger.changed("entry", seen)

    def _remember(self, changes: Sequence[AlertChange]) -> None:
        for change in changes:
            if change.version >= self._recent.pop(change.alert_id, 0):
                self._receipted.pop(change.alert_id, None)  # its receipts are told with the change
            self._recent[change.alert_id] = change.version
        while len(self._recent) > _RECENT:
            oldest = next(iter(self._recent))
            del self._recent[oldest]
            self._receipted.pop(oldest, None)

    async def _follow_receipts(self) -> None:
        """A receipt (R2) is no entry and has no position in the feed: the newest alerts are looked at again."""
        seen = 0
        while True:
            seen = await self._ledger.changed("receipt", seen)
            await asyncio.sleep(_RECEIPTS_S)
            for stored in await self._ledger.read(partial(_newer, versions=dict(self._recent))):
                alert = stored.alert
                self._recent[alert.id] = max(stored.version, self._recent.get(alert.id, 0))
                self._states.revision += 1
                data = compact(alert_json(stored))
                self._receipted[alert.id] = State(self.revision, alert.place.area_code, (), "alert", data)
            self._wake_all()

    async def _follow_below(self, below: LowerNodes) -> None:
        below.begin()
        while True:
            if below.look():
                self._wake_all()
            await asyncio.sleep(_BELOW_POLL_S)


def _changes(reader: Reader, after: int) -> tuple[list[AlertChange], int]:
    """The alerts touched by the next entries, each once, at the position of its last entry among them."""
    feed = reader.feed(after, _BATCH)
    last = {line.entry.alert_id: line.position for line in feed}
    changes = []
    for alert_id, position in sorted(last.items(), key=lambda item: item[1]):
        stored = reader.alert(alert_id)
        if stored is not None:  # None: its first entry has not come from its node yet
            changes.append(
                AlertChange(
                    position, alert_id, stored.version, stored.alert.place.area_code, compact(alert_json(stored))
                )
            )
    return changes, feed[-1].position if feed else after


def _newest(reader: Reader) -> tuple[int, dict[str, int]]:
    """The feed's position, and the versions of the newest alerts, oldest of them first."""
    newest = reader.newest_feed()
    alerts, _ = reader.alerts(AlertFilter(), None, _RECENT)
    return newest, {stored.alert.id: stored.version for stored in reversed(alerts)}


def _newer(reader: Reader, versions: Mapping[str, int]) -> list[StoredAlert]:
    found = (reader.alert(alert_id) for alert_id in versions)
    return [stored for stored in found if stored is not None and stored.version > versions[stored.alert.id]]
