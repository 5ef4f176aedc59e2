"""One camera in a worker: its supervised connection, where its keyframes go, and how it is."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from gateway.backoff import Backoff
from gateway.model import CameraHealth, CameraState
from gateway.observability import events
from gateway.ports import AccessUnit, Clock, VideoSource
from gateway.supervision.health import KeyframePace
from gateway.supervision.supervisor import Supervisor
from gateway.video.ring import KeyframeRing
from gateway.video.wire import CameraOrder

BACKOFF_FIRST_S = 0.5
BACKOFF_CEILING_S = 15.0
"""A camera that returns after a power cut is seen within 15 s; a dead one costs four dials a minute."""


class CameraSource(VideoSource, Protocol):
    """A connection that also knows the size of what it receives, in pixels; None until its parameter sets came."""

    @property
    def width(self) -> int | None: ...
    @property
    def height(self) -> int | None: ...


SPACING_S = 0.4
"""Keyframes that follow closer are not kept: a camera that sends nothing but keyframes (MJPEG-like "all-I" settings) would
push everybody else's pictures of before a press out of the ring."""

Connect = Callable[[CameraOrder], CameraSource]


class CameraSession:
    """Runs one camera and is the outlet of its connection.

    ``changed`` is called when the health has a new state, reason, codec or size. Must be made inside a running loop.
    """

    wants_all = False

    def __init__(
        self,
        order: CameraOrder,
        connect: Connect,
        ring: KeyframeRing,
        clock: Clock,
        changed: Callable[[], None],
    ) -> None:
        self.order = order
        self._connect = connect
        self._ring = ring
        self._clock = clock
        self._changed = changed
        self._pace = KeyframePace()
        self._source: CameraSource | None = None
        self._trouble: str | None = None
        self._refused: str | None = None
        self._sessions = 0
        self._kept_at = -math.inf
        self._first_picture: Callable[[], None] | None = None
        state, reason = self._judge()
        self._health = CameraHealth(order.id, state, since=clock.now(), reason=reason)

    def health(self) -> CameraHealth:
        return self._health

    async def run(self) -> None:
        """Keep the camera connected until cancelled; returns at once where there is nothing to connect to."""
        if not self.order.enabled or self.order.url is None:
            return None
        supervisor = Supervisor(
            self.order.id,
            self._attempt,
            Backoff(first=BACKOFF_FIRST_S, ceiling=BACKOFF_CEILING_S),
            self._clock,
            self._broken,
            self._back,
            on_refused=self._shut_out,
        )
        await supervisor.run()

    def check(self) -> None:
        """Notice silence: to be called about once a second."""
        state, reason = self._judge()
        if (state, reason) != (self._health.state, self._health.reason):
            since = self._health.since if state is self._health.state else self._clock.now()
            self._health = replace(self._health, state=state, reason=reason, since=since)
            self._changed()

    # -------------------------------------------------------------------------------------- VideoOutlet

    def online(self, codec: str) -> None:
        if codec != self._health.codec:
            self._health = replace(self._health, codec=codec)
            self._changed()

    def unit(self, unit: AccessUnit) -> None:
        if not unit.keyframe:
            return
        if unit.received_mono - self._kept_at >= SPACING_S:
            self._kept_at = unit.received_mono
            self._ring.add(unit)
        self._pace.note(unit.received_mono)
        self._measure()
        self._health = replace(self._health, last_keyframe_at=self._clock.now())
        if self._first_picture is not None:
            self._first_picture()
        if self._health.state is not CameraState.ONLINE:
            self.check()

    def received(self, size: int) -> None:
        self._health = replace(self._health, received_bytes=self._health.received_bytes + size)

    # -------------------------------------------------------------------------------------- supervision

    async def _attempt(self, online: Callable[[], None]) -> None:
        # "Online" is the first keyframe, not the answer to PLAY: many a camera answers and then shows nothing.
        self._first_picture = online
        try:
            self._source = self._connect(self.order)
            await self._source.run(self)
        finally:
            self._source = None
            self._pace.broken()

    def _broken(self, reason: str, retry_in: float, first: bool) -> None:
        self._trouble = reason
        events.camera_broken(self.order.id, reason, retry_in, first=first)
        self.check()

    def _back(self) -> None:
        self._first_picture = None
        self._trouble = None
        self._health = replace(self._health, reconnects=self._sessions)
        self._sessions += 1
        events.camera_online(self.order.id)

    def _shut_out(self, reason: str) -> None:
        self._refused = reason
        events.camera_refused(self.order.id, reason)
        self.check()

    def _judge(self) -> tuple[CameraState, str | None]:
        if not self.order.enabled:
            return CameraState.DISABLED, None
        if self.order.url is None:
            return CameraState.DISABLED, "no stream address is configured"
        if self._refused is not None:
            return CameraState.AUTH_FAILED, self._refused
        # A connection that is re-made within seconds leaves the camera online: its last keyframe is young.
        if self._pace.alive(self._clock.mono()):
            return CameraState.ONLINE, None
        if self._trouble is not None:
            return CameraState.OFFLINE, self._trouble
        if self._pace.last is not None:
            return CameraState.OFFLINE, f"connected, but no keyframe for more than {self._pace.limit():.0f} s"
        return CameraState.CONNECTING, None

    def _measure(self) -> None:
        if self._source is None:
            return
        width, height = self._source.width, self._source.height
        if (width, height) != (self._health.width, self._health.height):
            self._health = replace(self._health, width=width, height=height)
            self._changed()
