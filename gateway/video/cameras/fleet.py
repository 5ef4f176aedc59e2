"""All cameras of one worker: starts and stops what changed, and tells how they are."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from gateway.errors import Unreachable
from gateway.model import CameraHealth, Keyframe, Mask
from gateway.observability.logs import logger
from gateway.ports import Clock
from gateway.supervision.governor import Budget, Governor
from gateway.supervision.lockout import Lockout
from gateway.supervision.place import Login
from gateway.video.cameras.camera import CameraSession, Connect, in_words
from gateway.video.cameras.frozen import Differ, FrozenDesk
from gateway.video.cameras.stream import Switchboard
from gateway.video.changes import NamedChanges
from gateway.video.clips.recorder import Recorder
from gateway.video.devices.logins import device_login
from gateway.video.devices.note import Note
from gateway.video.live.tap import Reader
from gateway.video.pictures.ring import KeyframeRing, StoredKeyframe
from gateway.video.wire import CameraOrder, digest

STOP_S = 3.0
"""A camera gets this long for its TEARDOWN; the connection is dropped after it."""
CHECK_S = 1.0
MAIN_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True)
class Applied:
    """What a new camera list changed."""

    started: tuple[str, ...]
    stopped: tuple[str, ...]
    kept: int


class Fleet:
    """The cameras of a worker, by id. ``differ`` compares two keyframes by their pictures; without it nothing is ever
    called frozen."""

    def __init__(
        self,
        connect: Connect,
        ring: KeyframeRing,
        clock: Clock,
        *,
        recorder: Recorder | None = None,
        budget: Budget | None = None,
        differ: Differ | None = None,
    ) -> None:
        self.ring = ring
        self.recorder = recorder or Recorder(0)
        self.governor = Governor(budget or Budget(), clock.mono)
        self.changes = NamedChanges()
        self.lockout = self._lockout = Lockout()
        self._clock = clock
        self._board = Switchboard(connect, self.governor, self._lockout, clock)
        self._notes: dict[str, Note] = {}
        self._frozen = FrozenDesk(differ, ring, clock) if differ is not None else None
        self._running: dict[str, tuple[CameraSession, asyncio.Task[None]]] = {}
        self._masks: dict[str, tuple[Mask, ...]] = {}
        self._forget: list[Callable[[str], None]] = [ring.forget, self.recorder.forget]
        self._digest: str | None = None
        self._applying = asyncio.Lock()

    @property
    def digest(self) -> str:
        """A name for the list in force; asked for often, so it is worked out once."""
        if self._digest is None:
            self._digest = digest([session.order for session, _ in self._running.values()])
        return self._digest

    def sessions(self) -> list[CameraSession]:
        """Of the cameras that are enabled, in the order of the list."""
        return [session for session, _ in self._running.values() if session.order.enabled]

    def session(self, camera_id: str) -> CameraSession:
        """Raises Unreachable."""
        return self._session(camera_id)

    def health(self) -> list[CameraHealth]:
        return [session.health() for session, _ in self._running.values()]

    def health_since(self, seen: int, limit: int) -> tuple[int, list[CameraHealth]]:
        """Of the cameras that changed after ``seen``, ``limit`` at most, and the count that this reaches."""
        changed = self.changes.since(seen)
        reached = changed[limit - 1][1] if len(changed) > limit else self.changes.count
        known = [self._running[name][0] for name, _ in changed[:limit] if name in self._running]
        return reached, [session.health() for session in known]

    async def apply(self, orders: Sequence[CameraOrder], refused: Mapping[str, str] | None = None) -> Applied:
        """Make these the cameras. Those whose order is the same are left alone, as are those that differ in nothing that
        needs another connection. ``refused``: cameras whose credential was refused in the life of another worker, and
        why; they are not tried until it changes or ``retry`` is called."""
        async with self._applying:
            wanted = {order.id: order for order in orders}
            self._masks = {order.id: self._masks_between(order) for order in orders}
            kept = {name for name, (session, _) in self._running.items() if _same_line(wanted.get(name), session.order)}
            # First hang up, then dial: many cameras allow two sessions, some one.
            stopped = await self._stop([name for name in self._running if name not in kept], wanted)
            self._masks = {order.id: order.masks for order in orders}
            self._lockout.keep({login for order in orders for login in _logins(order)})
            for order in orders:
                self.recorder.keep(order.id, order.record_s if order.enabled and order.url else 0.0)
                if order.id in kept:
                    self._running[order.id][0].reorder(order)
            started = [order for order in orders if order.id not in kept]
            for order in started:
                if refused and order.id in refused:
                    self._lockout.remember(order.id, refused[order.id])
                self._start(order)
            self._running = {name: self._running[name] for name in wanted}
            self._notes = {name: note for name, note in self._notes.items() if name in wanted}
            self._digest = None
            return Applied(tuple(order.id for order in started), tuple(stopped), len(kept))

    def note_device(self, camera_id: str, note: Note) -> None:
        """What the session with its ONVIF device means for this camera."""
        self._notes[camera_id] = note
        if camera_id in self._running:
            self._running[camera_id][0].note_device(note)

    async def watch(self) -> None:
        """Look at every camera's last keyframe once a second, for ever."""
        while True:
            await self._clock.sleep(CHECK_S)
            self.check(self._clock.mono())

    def check(self, now_mono: float) -> None:
        """Once a second."""
        self.ring.prune(now_mono)
        self.recorder.prune(now_mono)
        for session, _ in self._running.values():
            session.check(now_mono)
            if session.suspicion and self._frozen is not None:
                self._frozen.consider(session, now_mono)

    def keyframes(self, camera_id: str) -> list[Keyframe]:
        """Oldest first. Raises Unreachable with the camera's state in words when there is nothing of the last minute."""
        session = self._session(camera_id)
        health = session.health()
        frames = self.ring.keyframes(camera_id)
        if health.reason:
            session.nudge()
        if not frames or (self._clock.mono() - frames[-1].received_mono > self.ring.max_age_s and health.reason):
            raise Unreachable(in_words(health))
        return frames

    async def main_keyframe(self, camera_id: str, within_s: float = MAIN_WITHIN_S) -> StoredKeyframe:
        """A keyframe of now of the main stream, which is opened for it and shared while open; where it is the stream always
        received, or there is none, that one's. Raises AuthFailed or Unreachable with the reason in words."""
        return await self._session(camera_id).main_keyframe(within_s)

    async def tap(self, camera_id: str, stream: str, within_s: float = MAIN_WITHIN_S) -> Reader:
        """Read ``sub`` (the stream always received) or ``main`` as it comes; see ``live.tap``. Raises AuthFailed or
        Unreachable with the reason in words."""
        return await self._session(camera_id).tap(stream == "main", within_s)

    def end_taps(self) -> None:
        """The worker stops: nobody is to wait for more."""
        for session, _ in self._running.values():
            session.end_taps()

    def tapped(self) -> tuple[int, int]:
        """How many read streams now, and how many units they were too slow for."""
        counts = [session.tapped for session, _ in self._running.values()]
        return sum(readers for readers, _ in counts), sum(dropped for _, dropped in counts)

    def masks(self, camera_id: str) -> tuple[Mask, ...]:
        """What nobody is shown of its pictures, of the list that was given last. Raises Unreachable."""
        if camera_id not in self._masks:
            raise Unreachable(f"camera {camera_id} is not known to the video worker")
        return self._masks[camera_id]

    def also_forget(self, forget: Callable[[str], None]) -> None:
        """Have it called with the id of every camera whose pictures are to be let go of: it is gone, or has another address,
        which may be another view, under masks that were not drawn for these pictures."""
        self._forget.append(forget)

    def hold(self, camera_id: str, from_mono: float, until_mono: float) -> None:
        """Keep the video of this span as far as it is here or comes: see Recorder.hold. Raises Unreachable."""
        session = self._session(camera_id)
        self.recorder.hold(camera_id, from_mono, until_mono)
        session.nudge()

    def retry(self, camera_id: str) -> None:
        """One more attempt with a refused credential, and behind it those that it stopped. Raises Unreachable."""
        self._session(camera_id).retry()

    async def close(self) -> None:
        async with self._applying:
            await self._stop(list(self._running), {})
        if self._frozen is not None:
            await self._frozen.close()
        self.changes.release()

    def _session(self, camera_id: str) -> CameraSession:
        if camera_id not in self._running:
            raise Unreachable(f"camera {camera_id} is not known to the video worker")
        return self._running[camera_id][0]

    def _masks_between(self, order: CameraOrder) -> tuple[Mask, ...]:
        """While the pictures of a former address are still here, the masks that were drawn for them hold too."""
        session = self._running[order.id][0] if order.id in self._running else None
        if session is None or session.order.url == order.url:
            return order.masks
        return joined(session.order.masks, order.masks)

    def _start(self, order: CameraOrder) -> None:
        track = self.recorder.track(order.id)
        session = CameraSession(order, self._board, self.ring, track, partial(self.changes.note, order.id))
        if order.onvif is not None and order.id in self._notes:
            session.note_device(self._notes[order.id])
        task = asyncio.create_task(session.run(), name=f"camera {order.id}")
        task.add_done_callback(_tell_of_a_fault)
        self._running[order.id] = (session, task)
        self.changes.note(order.id)

    async def _stop(self, names: Sequence[str], wanted: Mapping[str, CameraOrder]) -> list[str]:
        stopping = {name: self._running.pop(name) for name in names}
        for session, task in stopping.values():
            session.close()
            task.cancel()
        try:
            if stopping:
                await asyncio.wait([task for _, task in stopping.values()], timeout=STOP_S)
        finally:
            self._let_go_of(stopping, wanted)
        return list(stopping)

    def _let_go_of(
        self, stopping: Mapping[str, tuple[CameraSession, object]], wanted: Mapping[str, CameraOrder]
    ) -> None:
        for name, (session, _) in stopping.items():
            self.changes.forget(name)
            self._lockout.forget(name, *_logins(session.order))
            # A changed password keeps the pictures; another address may be another view.
            if name not in wanted or wanted[name].url != session.order.url:
                for forget in self._forget:
                    forget(name)


def joined(before: tuple[Mask, ...], now: tuple[Mask, ...]) -> tuple[Mask, ...]:
    """All that either covers."""
    return before + tuple(mask for mask in now if mask not in before)


def _same_line(wanted: CameraOrder | None, order: CameraOrder) -> bool:
    """Whether the connection that stands serves the wanted order too."""
    if wanted is None:
        return False
    if _door(wanted) != _door(order):
        return False
    return (
        replace(wanted, importance=order.importance, record_s=order.record_s, onvif=order.onvif, masks=order.masks)
        == order
    )


def _door(order: CameraOrder) -> object:
    """Where and as whom its ONVIF device is asked: a refusal there has stopped the video too, so it begins anew with it."""
    onvif = order.onvif
    return None if onvif is None else (onvif.host, onvif.port, onvif.credential)


def _logins(order: CameraOrder) -> list[Login]:
    logins = [Login.of(url, order.credential, basic=order.allow_basic) for url in {order.url, order.main} if url]
    device = device_login(order)
    return logins if device is None or device in logins else [*logins, device]


def _tell_of_a_fault(task: asyncio.Task[None]) -> None:
    fault = None if task.cancelled() else task.exception()
    if fault is not None:
        logger("video").critical("a camera is no longer supervised", task=task.get_name(), exc_info=fault)
