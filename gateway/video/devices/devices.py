"""All ONVIF devices of one worker: a session for each, whichever cameras share it."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol, TypeVar

from gateway.errors import AuthFailed, DeviceError, Unreachable
from gateway.model import DeviceHealth, DeviceRemark, DeviceSignal, EventsState, Kind
from gateway.observability.logs import logger
from gateway.video.devices.device import Desk, DeviceSession
from gateway.video.devices.farewell import farewell
from gateway.video.devices.link import Happening, View
from gateway.video.devices.logins import DeviceKey
from gateway.video.devices.memory import DeviceMemory
from gateway.video.devices.note import Note
from gateway.video.devices.outbox import Outbox
from gateway.video.devices.quota import Quota
from gateway.video.wire import CameraOrder

STOP_S = 4.0
"""For the goodbyes: a pull point that is not given back is missing to the next who wants one. The core gives a worker 5 s."""
ASKED_AT_ONCE = 2
"""Asking what a device offers costs a child process a tenth of a second of work; a box has other things to do."""
ASK_AGAIN_S = 120.0
OVERRUN_SAID_S = 600.0
DOUBT_S = 600.0
"""A camera that is dark at the addresses its device gave has the device asked again, this often."""

_T = TypeVar("_T")


class DeviceWatchers(Protocol):
    """Who is told of the devices. No call waits."""

    def device_changed(self, camera_id: str, note: Note) -> None: ...
    def readdressed(self) -> None:
        """``Devices.addressed`` gives other addresses now."""


@dataclass(slots=True)
class Running:
    """A session at work, and what is known of its device beside it."""

    session: DeviceSession
    task: asyncio.Task[None]
    asking: asyncio.Task[Sequence[View]] | None = None
    asked_at: float | None = None
    lack: str | None = None  # why it has not said what it offers
    barred: dict[str, str] = field(default_factory=dict)  # what its user may not do → its words


class Devices:
    """The sessions, by device."""

    def __init__(self, desk: Desk, outbox: Outbox, memory: DeviceMemory, watchers: DeviceWatchers) -> None:
        self._desk = desk
        self._outbox = outbox
        self._memory = memory
        memory.untold = outbox.awaits
        self._watchers = watchers
        self._running: dict[DeviceKey, Running] = {}
        self._cameras: dict[str, DeviceKey] = {}
        self._asks = asyncio.Semaphore(ASKED_AT_ONCE)
        self._leaving: asyncio.Task[None] | None = None
        self._quota = Quota()
        self._said_overrun: dict[DeviceKey, float] = {}

    async def apply(self, orders: Sequence[CameraOrder], refused: Mapping[str, str] | None = None) -> None:
        """Make these the cameras; those without an ONVIF address, or disabled, are none of ours. Sessions that would be the
        same stay up. ``refused``: cameras whose device refused us in the life of another worker, and why."""
        if self._leaving is not None:
            return
        wanted: dict[DeviceKey, list[CameraOrder]] = defaultdict(list)
        for order in orders:
            if order.onvif is not None and order.enabled:
                wanted[DeviceKey.of(order.onvif)].append(order)
        for mine in wanted.values():
            mine.sort(key=lambda order: order.onvif is not None and order.onvif.events == "off")
        kept = {key for key, running in self._running.items() if _serves(running.session, wanted.get(key))}
        await self._stop([key for key in self._running if key not in kept])
        self._cameras = {order.id: key for key, mine in wanted.items() for order in mine}
        for key, mine in wanted.items():
            if key in kept:
                self._running[key].session.orders = {order.id: order for order in mine}
                self._ask_if_needed(key)
            else:
                self._start(
                    key, mine, next((refused[order.id] for order in mine if refused and order.id in refused), None)
                )
            self.changed(self._running[key].session)

    def addressed(self, orders: Sequence[CameraOrder]) -> list[CameraOrder]:
        """The orders, with what their devices said of streams where no stream is configured."""
        return [self._addressed(order) for order in orders]

    def health(self, camera_id: str) -> DeviceHealth | None:
        running = self._of(camera_id)
        if running is None:
            return None
        session = running.session
        views = self._memory.views(session.name)
        view = _view(session.orders[camera_id], views)
        health = session.health(camera_id, view.profile is not None if view is not None else session.has_ptz)
        return replace(health, reason=health.reason or running.lack)

    def last_event_at(self, camera_id: str) -> datetime | None:
        running = self._of(camera_id)
        return None if running is None else running.session.last_event_at

    def figures(self) -> dict[str, object]:
        states = [running.session.events for running in self._running.values()]
        return {
            "sessions": len(states),
            "listening": states.count(EventsState.LISTENING),
            "refused": states.count(EventsState.REFUSED),
            "requests": dict(self._desk.connector.requests),
        }

    def check(self) -> None:
        """Now and then: ask those again that have not said what they offer."""
        now = self._desk.clock.mono()
        for key, running in self._running.items():
            if running.lack is not None and (running.asked_at is None or now - running.asked_at >= ASK_AGAIN_S):
                self._ask_if_needed(key)

    def doubt(self, camera_id: str) -> None:
        """No picture comes from the addresses that the device gave: perhaps it has others now."""
        running = self._of(camera_id)
        if running is None or running.asking is not None or not self._memory.views(running.session.name):
            return
        if running.asked_at is None or self._desk.clock.mono() - running.asked_at >= DOUBT_S:
            self._ask(running)

    def retry(self, camera_id: str) -> None:
        """One more attempt with a refused credential."""
        running = self._of(camera_id)
        if running is not None:
            running.barred.clear()
            running.session.retry()
            self._desk.lockout.release(camera_id, running.session.login)

    def leave(self) -> "asyncio.Task[None]":
        """Begin to say goodbye to all of them, and take no more; ``close`` waits for it."""
        if self._leaving is None:
            self._leaving = asyncio.create_task(self._stop(list(self._running)), name="goodbyes to devices")
        return self._leaving

    async def close(self) -> None:
        await self.leave()
        self._memory.close()
        await self._desk.connector.close()

    def known(self, camera_id: str) -> Running:
        """The device of a camera. Raises AuthFailed or Unreachable."""
        running = self._of(camera_id)
        if running is None:
            raise Unreachable(f"camera {camera_id} has no ONVIF address here, or is disabled")
        if (reason := self._desk.lockout.refusal(camera_id)) is not None:
            raise AuthFailed(reason)
        if (other := running.session.stranger(camera_id)) is not None:
            raise Unreachable(other)
        return running

    async def view(self, camera_id: str) -> View:
        """As remembered, else as the device says. Raises DeviceError."""
        running = self.known(camera_id)
        session = running.session
        session.link()
        order = session.orders[camera_id]
        view = _view(order, self._memory.views(session.name))
        if view is None:
            view = _view(order, await asyncio.shield(self._ask(running)))
        if view is None:
            raise Unreachable(_no_such_source(order))
        return view

    # -------------------------------------------------------------------------------------- DeviceAudience

    def heard(self, session: DeviceSession, happening: Happening) -> None:
        if happening.initial and happening.kind is Kind.MOTION:
            return  # that nothing moved when we came is no news
        order, sure = _camera(session, happening.source)
        clock = self._desk.clock
        if not self._quota.takes(order.id, happening.kind, happening.active, clock.mono()):
            self._overrun(session, order.id, happening.kind)
            return
        detail = dict(happening.detail)
        if happening.initial:
            detail["initial"] = True
        if happening.source is not None and not sure:
            detail["source"] = happening.source
        self._outbox.put(
            lambda name: DeviceSignal(
                name,
                order.id,
                happening.kind,
                clock.now(),
                clock.mono(),
                happening.active,
                happening.device_time,
                session.clock,
                happening.topic,
                detail,
            ),
            session.name,
        )

    def _overrun(self, session: DeviceSession, camera_id: str, kind: Kind) -> None:
        self._outbox.dropped += 1
        now = self._desk.clock.mono()
        if now - self._said_overrun.get(session.key, -OVERRUN_SAID_S) >= OVERRUN_SAID_S:
            self._said_overrun[session.key] = now
            logger("video").warning(
                "a device says more than can be taken; the rest is dropped",
                device=session.name,
                camera=camera_id,
                kind=kind.value,
                dropped=self._quota.refused,
            )

    def changed(self, session: DeviceSession) -> None:
        running = self._running.get(session.key)
        lack = running.lack if running is not None else None
        note = session.note
        for camera in session.orders:
            trouble = session.stranger(camera) or note.trouble or lack
            self._watchers.device_changed(camera, replace(note, trouble=trouble))

    def recognised(self, session: DeviceSession) -> None:
        if any(map(session.stranger, session.orders)):
            self._memory.keep_views(session.name, ())  # the next who is here is asked for its own
        self._watchers.readdressed()

    def came_up(self, session: DeviceSession) -> None:
        self._ask_if_needed(session.key)

    def clock_was_set(self, session: DeviceSession, remark: str) -> None:
        camera = next(iter(session.orders))
        self._outbox.put(lambda name: DeviceRemark(name, camera, self._desk.clock.now(), remark), session.name)

    # -------------------------------------------------------------------------------------- inside

    def _of(self, camera_id: str) -> Running | None:
        key = self._cameras.get(camera_id)
        return None if key is None else self._running.get(key)

    def _start(self, key: DeviceKey, orders: Sequence[CameraOrder], refused: str | None) -> None:
        session = DeviceSession(key, orders, self._desk, self, refused)
        task = asyncio.create_task(session.run(), name=f"ONVIF device {session.name}")
        task.add_done_callback(_tell_of_a_fault)
        self._running[key] = Running(session, task)

    async def _stop(self, keys: Sequence[DeviceKey]) -> None:
        stopping = [self._running.pop(key) for key in keys]
        self._said_overrun = {key: at for key, at in self._said_overrun.items() if key in self._running}
        for running in stopping:
            if running.asking is not None:
                running.asking.cancel()
        await farewell([running.task for running in stopping], STOP_S)

    def _addressed(self, order: CameraOrder) -> CameraOrder:
        onvif, running = order.onvif, self._of(order.id)
        if running is not None and order.id in running.session.orders and running.session.stranger(order.id):
            return replace(order, main=None, sub=None)  # no picture of another place
        if onvif is None or order.url is not None:
            return order
        view = _view(order, self._memory.views(f"{onvif.host.lower()}:{onvif.port}"))
        if view is None or view.main is None:
            return order
        return replace(order, main=view.main, sub=view.sub, credential=order.credential or onvif.credential)

    def _ask_if_needed(self, key: DeviceKey) -> None:
        """Where streams are missing, once the device has let us in."""
        running = self._running[key]
        session = running.session
        views = self._memory.views(session.name)
        lacking = any(order.url is None and _view(order, views) is None for order in session.orders.values())
        if lacking and running.asking is None and session.is_in:
            self._ask(running)

    def _ask(self, running: Running) -> "asyncio.Task[Sequence[View]]":
        if running.asking is None:
            running.asking = asyncio.create_task(self._find_views(running), name=f"views of {running.session.name}")
            running.asking.add_done_callback(lambda done: self._asked(running, done))
        return running.asking

    async def _find_views(self, running: Running) -> Sequence[View]:
        async with self._asks:
            running.asked_at = self._desk.clock.mono()
            return await self._desk.connector.views(running.session.address)

    def _asked(self, running: Running, done: "asyncio.Task[Sequence[View]]") -> None:
        running.asking = None
        if done.cancelled():
            return
        fault = done.exception()
        session = running.session
        if fault is None:
            before, views = self._memory.views(session.name), done.result()
            running.lack = self._missing(session, views)
            if list(before) != list(views):
                self._memory.keep_views(session.name, views)
                self._watchers.readdressed()
        elif isinstance(fault, DeviceError):
            running.lack = f"what it offers could not be asked: {fault}"
        else:
            running.lack = f"a fault in the gateway's own code ({type(fault).__name__}); please report it"
            logger("video").error("a fault in the gateway's own code", device=session.name, exc_info=fault)
        self.changed(session)

    def _missing(self, session: DeviceSession, views: Sequence[View]) -> str | None:
        lost = [order for order in session.orders.values() if order.url is None and _view(order, views) is None]
        return _no_such_source(lost[0]) if lost else None


def _serves(session: DeviceSession, orders: Sequence[CameraOrder] | None) -> bool:
    """Whether the session that stands is the one these cameras need."""
    if not orders or orders[0].onvif is None or _identities(session.orders.values()) != _identities(orders):
        return False
    return session.address == replace(orders[0].onvif, source=None, identity=session.address.identity)


def _identities(orders: Iterable[CameraOrder]) -> set[str | None]:
    return {order.onvif.identity for order in orders if order.onvif is not None}


def _view(order: CameraOrder, views: Sequence[View]) -> View | None:
    source = None if order.onvif is None else order.onvif.source
    if source is None:
        return views[0] if views else None
    return next((view for view in views if view.source == source), None)


def _camera(session: DeviceSession, source: str | None) -> tuple[CameraOrder, bool]:
    """The camera that a happening is of, and whether its source says so: else the device's first."""
    orders = [order for name, order in session.orders.items() if session.stranger(name) is None]
    named = [order for order in orders if order.onvif is not None and order.onvif.source == source]
    if source is not None and named:
        return named[0], True
    return orders[0], len(orders) == 1


def _no_such_source(order: CameraOrder) -> str:
    source = order.onvif.source if order.onvif is not None else None
    if source is None:
        return f"the ONVIF device of camera {order.id} offers no video"
    return f"the ONVIF device of camera {order.id} has no video source “{source}”; see onvif.source"


def _tell_of_a_fault(task: asyncio.Task[None]) -> None:
    fault = None if task.cancelled() else task.exception()
    if fault is not None:
        logger("video").critical("an ONVIF device is no longer supervised", task=task.get_name(), exc_info=fault)
