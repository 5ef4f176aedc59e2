"""All cameras of one worker: starts and stops what changed, and tells how they are."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from gateway.errors import Unreachable
from gateway.model import CameraHealth, Keyframe
from gateway.observability.logs import logger
from gateway.ports import Clock
from gateway.video.camera import CameraSession, Connect
from gateway.video.changes import Changes
from gateway.video.ring import KeyframeRing
from gateway.video.wire import CameraOrder, digest

STOP_S = 3.0
"""A camera gets this long for its TEARDOWN; the connection is dropped after it."""
CHECK_S = 1.0


@dataclass(frozen=True, slots=True)
class Applied:
    """What a new camera list changed."""

    started: tuple[str, ...]
    stopped: tuple[str, ...]
    kept: int


class Fleet:
    """The cameras of a worker, by id."""

    def __init__(self, connect: Connect, ring: KeyframeRing, clock: Clock) -> None:
        self.ring = ring
        self.changes = Changes()
        self._clock = clock
        self._session = partial(CameraSession, connect=connect, ring=ring, clock=clock, changed=self.changes.note)
        self._running: dict[str, tuple[CameraSession, asyncio.Task[None]]] = {}
        self._applying = asyncio.Lock()

    @property
    def digest(self) -> str:
        return digest([session.order for session, _ in self._running.values()])

    def health(self) -> list[CameraHealth]:
        return [session.health() for session, _ in self._running.values()]

    async def apply(self, orders: Sequence[CameraOrder]) -> Applied:
        """Make these the cameras. Those whose order is the same are left alone."""
        async with self._applying:
            wanted = {order.id: order for order in orders}
            kept = {name for name, (session, _) in self._running.items() if wanted.get(name) == session.order}
            # First hang up, then dial: many cameras allow two sessions, some one.
            stopped = await self._stop([name for name in self._running if name not in kept], wanted)
            started = [order for order in orders if order.id not in kept]
            for order in started:
                session = self._session(order)
                task = asyncio.create_task(session.run(), name=f"camera {order.id}")
                task.add_done_callback(_tell_of_a_fault)
                self._running[order.id] = (session, task)
            self._running = {name: self._running[name] for name in wanted}
            if started or stopped:
                self.changes.note()
            return Applied(tuple(order.id for order in started), tuple(stopped), len(kept))

    async def watch(self) -> None:
        """Look at every camera's last keyframe once a second, for ever."""
        while True:
            await self._clock.sleep(CHECK_S)
            for session, _ in self._running.values():
                session.check()
            self.ring.prune(self._clock.mono())

    def keyframes(self, camera_id: str) -> list[Keyframe]:
        """Oldest first. Raises Unreachable with the camera's state in words when there is nothing of the last minute."""
        if camera_id not in self._running:
            raise Unreachable(f"camera {camera_id} is not known to the video worker")
        health = self._running[camera_id][0].health()
        frames = self.ring.keyframes(camera_id)
        if not frames or (self._clock.mono() - frames[-1].received_mono > self.ring.max_age_s and health.reason):
            raise Unreachable(in_words(health))
        return frames

    async def close(self) -> None:
        async with self._applying:
            await self._stop(list(self._running), {})
        self.changes.release()

    async def _stop(self, names: Sequence[str], wanted: dict[str, CameraOrder]) -> list[str]:
        stopping = {name: self._running.pop(name) for name in names}
        for _, task in stopping.values():
            task.cancel()
        if stopping:
            await asyncio.wait([task for _, task in stopping.values()], timeout=STOP_S)
        for name, (session, _) in stopping.items():
            # A changed password keeps the pictures; another address may be another view.
            if name not in wanted or wanted[name].url != session.order.url:
                self.ring.forget(name)
        return list(stopping)


def _tell_of_a_fault(task: asyncio.Task[None]) -> None:
    fault = None if task.cancelled() else task.exception()
    if fault is not None:
        logger("video").critical("a camera is no longer supervised", task=task.get_name(), exc_info=fault)


def in_words(health: CameraHealth) -> str:
    said = f"camera {health.camera_id} is {health.state.replace('_', ' ')}"
    return f"{said}: {health.reason}" if health.reason else f"{said}: no picture has come yet"
