"""Frozen pictures: a suspicion (freeze.py) becomes a fault of the camera once a decode has confirmed it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from gateway.errors import DeviceError
from gateway.model import Keyframe
from gateway.observability.logs import logger
from gateway.ports import Clock
from gateway.video.cameras.camera import CameraSession
from gateway.video.cameras.freeze import Suspicion
from gateway.video.pictures.ring import KeyframeRing

APART_S = 5.0
"""The two pictures compared are at least this far apart."""
AGAIN_S = 600.0
"""How long a camera whose picture was seen to move is not decoded again for the same suspicion."""
UNDECODED_S = 60.0
WEAK_EVERY_S = 3.0
"""A weak suspicion is looked into so often in all: a thousand quiet cameras cost a decode in three seconds, no more."""
MEAN = 0.09
BLOCK = 1.0
"""Pictures are the same below both (grey levels of 255; of the mean, and of the block that differs most). Seconds apart, with
libx264 and libx265 at 128 kbit/s to 2 Mbit/s, one picture encoded again and again gave at most 0.06 and 0.5; a still scene
under a sensor whose noise has a deviation of half a grey level at least 0.13."""


class Difference(Protocol):
    """How far two pictures differ, in grey levels, as 64 × 36: on average, and in the block that differs most."""

    @property
    def mean(self) -> float: ...
    @property
    def block(self) -> float: ...


Differ = Callable[[bytes, bytes, str], Awaitable[Difference]]
"""(keyframe, keyframe, codec) → how far their pictures differ. Raises DeviceError."""


class FrozenDesk:
    """Confirms suspicions by a decode of two keyframes, one camera at a time: alarms' pictures need the decoder more."""

    def __init__(self, differ: Differ, ring: KeyframeRing, clock: Clock) -> None:
        self._differ = differ
        self._ring = ring
        self._clock = clock
        self._under_way: asyncio.Task[None] | None = None
        self._weak_not_before = 0.0

    def consider(self, session: CameraSession, now_mono: float) -> None:
        """Have a suspected camera's pictures compared, if it is time."""
        if self._under_way is not None or session.frozen or now_mono < session.not_compared_before:
            return
        weak = session.suspicion is Suspicion.WEAK
        if weak and now_mono < self._weak_not_before:
            return
        pair = self._pair(session)
        if pair is not None:
            if weak:
                self._weak_not_before = now_mono + WEAK_EVERY_S
            self._under_way = asyncio.create_task(self._compare(session, *pair), name="frozen picture")
            self._under_way.add_done_callback(self._done)

    async def close(self) -> None:
        if self._under_way is not None:
            self._under_way.cancel()
            await asyncio.wait([self._under_way])

    def _pair(self, session: CameraSession) -> tuple[Keyframe, Keyframe] | None:
        """The newest picture, and the last one of the suspected time that is well before it."""
        frames = self._ring.keyframes(session.order.id)
        before = [
            frame
            for frame in frames
            if session.freeze.since <= frame.received_mono <= frames[-1].received_mono - APART_S
        ]
        return (before[-1], frames[-1]) if before else None

    async def _compare(self, session: CameraSession, first: Keyframe, last: Keyframe) -> None:
        camera_id = session.order.id
        one, other = self._ring.get(camera_id, first.id), self._ring.get(camera_id, last.id)
        if one is None or other is None or one.codec != other.codec:
            return
        try:
            difference = await self._differ(one.payload, other.payload, one.codec)
        except DeviceError:
            session.not_compared_before = self._clock.mono() + UNDECODED_S
            return
        if difference.mean >= MEAN or difference.block >= BLOCK:
            session.not_compared_before = self._clock.mono() + AGAIN_S
            session.freeze.vindicated()
        elif session.suspicion:
            session.set_frozen(True)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._under_way = None
        if not task.cancelled() and (fault := task.exception()) is not None:
            logger("video").error("a fault in the gateway's own code", exc_info=fault)
