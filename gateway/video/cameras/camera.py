"""One camera in a worker: its streams, where its pictures go, and how it is."""

import asyncio
import math
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from gateway.errors import AuthFailed, Unreachable
from gateway.model import CameraHealth, CameraState
from gateway.observability import events
from gateway.ports import AccessUnit
from gateway.supervision.health import YOUNG_S
from gateway.video.cameras.freeze import FreezeWatch, Suspicion, picture_at
from gateway.video.cameras.on_demand import FRESH_S, MainStream
from gateway.video.cameras.stream import CameraSource as CameraSource
from gateway.video.cameras.stream import Connect as Connect
from gateway.video.cameras.stream import Stream, Switchboard
from gateway.video.clips.recorder import Track
from gateway.video.devices.note import Note
from gateway.video.live.tap import Reader, Taps
from gateway.video.pictures.ring import KeyframeRing, StoredKeyframe
from gateway.video.wire import ONVIF_REFUSED_WORDS, CameraOrder

SPACING_S = 0.4
"""Keyframes that follow closer are not kept: a camera that sends nothing but keyframes (MJPEG, "all-I" settings) would
push everybody else's pictures of before a press out of the ring."""


class CameraSession:
    """Receives one camera's stream for analysis always, its main stream on demand, and knows how the camera is.

    ``changed`` is called when the health has a new state, reason, codec, size or fault. ``check`` is to be called about
    once a second. Must be made inside a running loop.
    """

    def __init__(
        self, order: CameraOrder, board: Switchboard, ring: KeyframeRing, track: Track, changed: Callable[[], None]
    ) -> None:
        self.order = order
        self.freeze = FreezeWatch()
        self.suspicion = Suspicion.NONE  # that it shows the same picture again and again
        self.frozen = False  # a decode has confirmed it
        self.image_faults: tuple[str, ...] = ()  # that the patrol has confirmed
        self.not_compared_before = -math.inf
        self._ring = ring
        self._track = track
        self._changed = changed
        self._clock = board.clock
        self._lockout = board.lockout
        self._kept_at = -math.inf
        self._closed = False
        self._device = Note()
        self._last_keyframe_at: datetime | None = None
        self._awaiting: set[asyncio.Future[StoredKeyframe]] = set()
        self._taps = Taps(lambda: self._clock.now().timestamp() - self._clock.mono())
        self._stream = Stream(order, order.url, board, self, order.importance) if order.url else None
        self._want()
        self._main = (
            MainStream(order, order.main, board, ring.name, self.changed)
            if order.main is not None and order.main != order.url
            else None
        )
        self._state, self._reason, self._faults = self._judge(self._clock.mono())
        self._since = self._clock.now()
        self._told: tuple[object, ...] = ()

    async def run(self) -> None:
        """Keep the camera connected until cancelled; returns at once where there is nothing to connect to."""
        if not self.order.enabled or self._stream is None:
            return
        try:
            await self._stream.run()
        finally:
            self._taps.close()
            if self._main is not None:
                await self._main.close()

    def close(self) -> None:
        """It is being ended, which may take long; what its connection still brings is nobody's: the camera may have another
        address by then, and other masks."""
        self._closed = True

    def health(self) -> CameraHealth:
        stream = self._stream
        known = CameraHealth(
            self.order.id, self._state, self._since, self._reason, self._last_keyframe_at, faults=self._faults
        )
        if stream is None:
            return known
        return replace(
            known,
            codec=stream.codec,
            width=stream.width,
            height=stream.height,
            received_bytes=stream.received_bytes,
            reconnects=stream.reconnects,
            dropped=stream.dropped,
        )

    def check(self, now_mono: float) -> None:
        """Notice silence, and hang up a main stream that nobody looks at."""
        stream = self._stream
        if stream is None:
            return
        self._want()
        if self._main is not None:
            self._main.check(now_mono)
        if self._state is not CameraState.ONLINE or now_mono > stream.pace.until:
            self._look(now_mono)

    def reorder(self, order: CameraOrder) -> None:
        """An order that differs in nothing that needs another connection."""
        self.order = order
        if self._stream is not None:
            self._stream.rank = order.importance
        self._want()

    def retry(self) -> None:
        """One more attempt with a refused credential: perhaps the camera's password was changed."""
        streams = [self._stream, self._main.stream if self._main else None]
        if self._stream is not None and self._stream.refused is not None:
            self._stream.retry()  # ahead of those that the release wakes: this is the one that was asked for
        self._lockout.release(self.order.id, *(stream.login for stream in streams if stream is not None))
        self.changed()

    def nudge(self) -> None:
        """Somebody waits for a picture of this camera, or for its video: do not sit out the back-off."""
        self._want()
        if self._stream is not None and self._state is not CameraState.ONLINE:
            self._stream.nudge()

    def note_device(self, note: Note) -> None:
        """What the session with its ONVIF device means for it."""
        self._device = note
        self.changed()

    def set_frozen(self, frozen: bool) -> None:
        if frozen is not self.frozen:
            self.frozen = self.freeze.confirmed = frozen
            (events.camera_frozen if frozen else events.camera_moves_again)(self.order.id)
            self.changed()

    def set_image_faults(self, faults: tuple[str, ...]) -> None:
        """What is wrong with its picture, as often as a verdict takes."""
        if faults != self.image_faults:
            self.image_faults = faults
            self.changed()

    async def main_keyframe(self, within_s: float) -> StoredKeyframe:
        """A keyframe of now of the main stream, or of the only stream there is. Raises AuthFailed or Unreachable."""
        if not self.order.enabled or self._stream is None:
            raise Unreachable(in_words(self.health()))
        if (refusal := self._lockout.refusal(self.order.id)) is not None:
            raise AuthFailed(refusal)
        if self._main is not None:
            return await self._main.keyframe(within_s)
        newest = self._ring.newest(self.order.id)
        if newest is not None and self._clock.mono() - newest.received_mono <= FRESH_S:
            return newest
        return await self._next_keyframe(within_s)

    async def tap(self, main: bool, within_s: float) -> Reader:
        """Read the stream always received as it comes, or the main stream, which is opened for it. Raises AuthFailed or
        Unreachable."""
        if not self.order.enabled or self._stream is None:
            raise Unreachable(in_words(self.health()))
        if main and self._main is not None:
            if (refusal := self._lockout.refusal(self.order.id)) is not None:
                raise AuthFailed(refusal)
            return await self._main.tap(within_s)
        if self._state is not CameraState.ONLINE:
            self.nudge()
            raise Unreachable(in_words(self.health()))
        reader = self._taps.open(self._track.coming, self._ring.newest(self.order.id))
        self._want()
        return reader

    def end_taps(self) -> None:
        """Everybody who reads a stream is told that it has ended."""
        self._taps.close()
        if self._main is not None:
            self._main.taps.close()

    @property
    def online(self) -> bool:
        return self._state is CameraState.ONLINE

    @property
    def tapped(self) -> tuple[int, int]:
        """How many read its streams, and how many units they were too slow for."""
        taps = [self._taps] if self._main is None else [self._taps, self._main.taps]
        return sum(each.readers for each in taps), sum(each.dropped for each in taps)

    # -------------------------------------------------------------------------------------- Audience

    def unit(self, unit: AccessUnit) -> None:
        if self._closed:
            return
        if unit.keyframe:
            self._keyframe(unit)
        if self._taps.wanted:
            self._taps.unit(unit)
        # A keyframe that came while the rest passed unread would begin a GOP with holes.
        if self._track.wants and self._stream is not None and self._stream.wants_all:
            self._track.add(unit)

    def changed(self) -> None:
        self._look(self._clock.mono())

    def broke(self) -> None:
        self._track.gap()
        self._taps.broke()
        self.freeze.broken()

    # -------------------------------------------------------------------------------------- inside

    def _want(self) -> None:
        if self._stream is not None:
            self._stream.wants_all = self._track.wants or self._taps.wanted

    def _keyframe(self, unit: AccessUnit) -> None:
        stream = self._stream
        assert stream is not None
        self._last_keyframe_at = self._clock.now()
        if unit.received_mono - self._kept_at >= SPACING_S:
            self._kept_at = unit.received_mono
            frame = self._ring.add(unit)
            for waiting in self._awaiting:
                if not waiting.done():
                    waiting.set_result(frame)
            self.suspicion = self.freeze.note(
                unit.payload,
                stream.received_bytes,
                unit.received_mono,
                picture_at=picture_at(unit.payload, unit.codec),
            )
            if self.frozen and not self.suspicion:
                self.set_frozen(False)
        if self._state is not CameraState.ONLINE:
            self._look(unit.received_mono)

    async def _next_keyframe(self, within_s: float) -> StoredKeyframe:
        self.nudge()
        waiting: asyncio.Future[StoredKeyframe] = asyncio.get_running_loop().create_future()
        self._awaiting.add(waiting)
        try:
            async with asyncio.timeout(within_s):
                return await waiting
        except TimeoutError:
            said = in_words(self.health()) if self._reason else f"camera {self.order.id}"
            raise Unreachable(f"{said}; no picture came within {within_s:g} s") from None
        finally:
            self._awaiting.discard(waiting)

    def _look(self, now_mono: float) -> None:
        """Judge again, and tell if anything is another."""
        state, reason, faults = self._judge(now_mono)
        stream = self._stream
        seen = (state, reason, faults, *((stream.codec, stream.width, stream.height) if stream is not None else ()))
        if seen == self._told:
            return
        if state is not self._state:
            self._since = self._clock.now()
        self._state, self._reason, self._faults, self._told = state, reason, faults, seen
        self._changed()

    def _judge(self, now_mono: float) -> tuple[CameraState, str | None, tuple[str, ...]]:
        if not self.order.enabled:
            return CameraState.DISABLED, None, ()
        state, reason, faults = self._judge_stream(now_mono)
        device = self._device
        if device.refused is not None:
            reason = reason or f"{ONVIF_REFUSED_WORDS}{device.refused}"
        return state, reason or device.clock, faults + device.faults

    def _judge_stream(self, now_mono: float) -> tuple[CameraState, str | None, tuple[str, ...]]:
        stream = self._stream
        if stream is None:
            return self._judge_unaddressed()
        if stream.refused is not None:
            return CameraState.AUTH_FAILED, stream.refused, ()
        # A connection that is re-made within seconds leaves the camera online: its last keyframe is young.
        if now_mono <= stream.pace.until:
            return self._judge_online()
        if stream.trouble is not None:
            return CameraState.OFFLINE, stream.trouble, ()
        if stream.pace.last is not None:
            return CameraState.OFFLINE, f"connected, but no keyframe for more than {stream.pace.limit():.0f} s", ()
        if stream.playing_since is not None and now_mono - stream.playing_since > YOUNG_S:
            return CameraState.OFFLINE, f"connected, but no keyframe came within {YOUNG_S:.0f} s", ()
        return CameraState.CONNECTING, None, ()

    def _judge_unaddressed(self) -> tuple[CameraState, str | None, tuple[str, ...]]:
        device = self._device
        if self.order.onvif is None:
            return CameraState.DISABLED, "no stream address is configured", ()
        if device.refused is not None:
            return CameraState.AUTH_FAILED, device.refused, ()
        if device.trouble is not None:
            return CameraState.OFFLINE, device.trouble, ()
        return CameraState.CONNECTING, None, ()

    def _judge_online(self) -> tuple[CameraState, str | None, tuple[str, ...]]:
        refusal = self._lockout.refusal(self.order.id)
        faults = (("frozen",) if self.frozen else ()) + (("main_refused",) if refusal is not None else ())
        faults += self.image_faults
        reason = None if refusal is None else f"its main stream is refused: {refusal}"
        return CameraState.ONLINE, reason, faults


def in_words(health: CameraHealth) -> str:
    said = f"camera {health.camera_id} is {health.state.replace('_', ' ')}"
    return f"{said}: {health.reason}" if health.reason else f"{said}: no picture has come yet"
