"""What the event streams tell, gathered once for all of them.

The ledger's feed is read once and its newest part kept in memory (`Tail`); a stream that is further behind is served
from the ledger itself. Cameras' and terminals' states are kept by their newest revision. Nothing here is a queue.
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from gateway.console.inventory import Inventory
from gateway.console.problems import Problem
from gateway.console.views import alert_json, camera_json, terminal_json
from gateway.model import Camera, CameraHealth
from gateway.observability import events, metrics
from gateway.ports import AlertFilter, Clock, Ledger, Reader, StoredAlert, VideoService

_PRESENCE_POLL_S = 0.5  # terminals report by thousands: their changes are gathered
_RELOAD_POLL_S = 5.0  # a reloaded configuration changes cameras and terminals without a word
_RECEIPTS_S = 0.2  # in a storm receipts come by hundreds a second: they are gathered
_RECENT = 200  # alerts whose receipts are told as they come; older ones show theirs when the list is loaded
_BATCH = 500  # entries read from the feed at once
_TAIL = 2000  # alerts kept for streams that are a little behind
_TAIL_CHARACTERS = 8 << 20  # and not more of them than this: a stuck button makes an alert of a megabyte
_RESUMABLE = 200_000  # entries; two a second for a day. Who missed more has to load the list anew
_STREAMS = 200
_STREAMS_EACH = 12


@dataclass(frozen=True, slots=True)
class AlertChange:
    """An alert as it stands after the entry at feed ``position``, rendered once for all streams."""

    position: int
    alert_id: str
    version: int
    area_code: str | None
    data: str


@dataclass(frozen=True, slots=True)
class State:
    """A camera's or terminal's state, or an alert that got a receipt. ``revision`` rises over all of them, so a stream knows what it has sent."""

    revision: int
    area_code: str | None
    key: tuple[object, ...]  # what counts as a change: a newer keyframe alone does not
    event: str
    data: str


class Tail:
    """The newest changes of alerts. It covers the feed after ``start`` up to ``position``."""

    def __init__(self, position: int) -> None:
        self.start = position
        self.position = position
        self._changes: deque[AlertChange] = deque()
        self._characters = 0

    def extend(self, changes: Sequence[AlertChange], position: int) -> None:
        self._changes.extend(changes)
        self._characters += sum(len(change.data) for change in changes)
        self.position = position
        while len(self._changes) > _TAIL or self._characters > _TAIL_CHARACTERS:
            oldest = self._changes.popleft()
            self.start = oldest.position
            self._characters -= len(oldest.data)

    def after(self, position: int) -> list[AlertChange]:
        newer = []
        for change in reversed(self._changes):
            if change.position <= position:
                break
            newer.append(change)
        return newer[::-1]


class Newsroom:
    """Follows the ledger, the cameras and the terminals while at least one stream is open."""

    def __init__(self, ledger: Ledger, video: VideoService | None, inventory: Inventory, clock: Clock) -> None:
        self._ledger = ledger
        self._video = video
        self._inventory = inventory
        self.clock = clock
        self._tail: Tail | None = None
        self._states: dict[tuple[str, str], State] = {}
        self._recent: dict[str, int] = {}  # the versions of the newest alerts, as they were told
        self._receipted: dict[str, State] = {}
        self.revision = 0
        self._seats: dict[asyncio.Event, str] = {}
        self._followers: list[asyncio.Task[None]] = []

    @property
    def broken(self) -> bool:
        """A follower has ended, so streams would fall silent: they end instead, and their clients come back."""
        return any(task.done() for task in self._followers)

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
        newer = [state for state in self._states.values() if state.revision > revision]
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
        self._look_at_cameras()
        self._look_at_terminals()
        follow = [self._follow_alerts(self._tail), self._follow_receipts(), self._follow_inventory()]
        if self._video is not None:
            follow.append(self._follow_cameras(self._video))
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
                self.revision += 1
                data = compact(alert_json(stored))
                self._receipted[alert.id] = State(self.revision, alert.place.area_code, (), "alert", data)
            self._wake_all()

    async def _follow_cameras(self, video: VideoService) -> None:
        seen = 0
        while True:
            seen = await video.health_changed(seen)
            self._look_at_cameras()

    async def _follow_inventory(self) -> None:
        seen, looked_at = self._inventory.changes, self.clock.mono()
        while True:
            await asyncio.sleep(_PRESENCE_POLL_S)
            if self._inventory.changes != seen:
                seen = self._inventory.changes
                self._look_at_terminals()
            if self.clock.mono() - looked_at >= _RELOAD_POLL_S:
                looked_at = self.clock.mono()
                self._look_at_cameras()
                self._look_at_terminals()

    def _look_at_cameras(self) -> None:
        cameras = self._inventory.cameras()
        self._forget("camera", {camera.id for camera in cameras})
        for camera in cameras:
            health = None if self._video is None else self._video.health(camera.id)
            self._note(
                "camera",
                camera.id,
                camera.place.area_code,
                _camera_key(camera, health),
                partial(camera_json, camera, health),
            )

    def _look_at_terminals(self) -> None:
        terminals = self._inventory.terminals()
        self._forget("terminal", {terminal.id for terminal in terminals})
        for terminal in terminals:
            presence = self._inventory.presence(terminal.id)
            self._note(
                "terminal",
                terminal.id,
                terminal.place.area_code,
                (terminal, presence.online, presence.last_press),
                partial(terminal_json, terminal, presence),
            )

    def _forget(self, event: str, present: set[str]) -> None:
        for known in [key for key in self._states if key[0] == event and key[1] not in present]:
            del self._states[known]

    def _note(
        self,
        event: str,
        id_: str,
        area_code: str | None,
        key: tuple[object, ...],
        render: Callable[[], Mapping[str, Any]],
    ) -> None:
        known = self._states.get((event, id_))
        if known is not None and known.key == key:
            return
        self.revision += 1
        self._states[event, id_] = State(self.revision, area_code, key, event, compact(render()))
        self._wake_all()


def _camera_key(camera: Camera, health: CameraHealth | None) -> tuple[object, ...]:
    if health is None:
        return (camera, None)
    return (camera, health.state, health.reason, health.codec, health.width, health.height, health.faults)


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


def compact(value: Mapping[str, Any]) -> str:
    """JSON on one line."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
