"""What aiortc is given to send: a feed's access units as they are, in time for a browser."""

import asyncio
import time
from collections.abc import Callable

import av
from aiortc.mediastreams import VIDEO_TIME_BASE, MediaStreamError, MediaStreamTrack

from gateway.video.live.feed import Feed, Viewing
from gateway.video.live.frames import Frame

CLOCK_RATE = 90_000
AT_ONCE = 90
"""Between two pictures of a GOP that is sent at once: 1 ms. The browser decodes them all and shows the last."""
BURST_BYTES = 32 * 1024
BURST_S = 0.004
"""A GOP goes out at 64 Mbit/s: sent in one go, a megabyte overruns the browser's socket and is lost."""
JUMP = 10 * CLOCK_RATE
"""Further apart than this from how they came: another clock, not a late picture."""
REPAIR_S = 3.0
"""A line that loses what it is sent is not sent the GOP again and again."""


class Timeline:
    """RTP times of one view: 1 ms apart for what is sent at once, then as the camera's; strictly rising whatever comes
    (RFC 3550 §5.1). Pictures that come in another order than they are shown (B-frames) keep the order in which they come."""

    def __init__(self) -> None:
        self._last: int | None = None
        self._offset = 0
        self._came = 0.0
        self._time = 0

    def of(self, frame: Frame, at_once: bool, now_mono: float) -> int:
        if self._last is None:
            wanted = 0
            self._offset = -frame.time
        elif at_once:
            wanted = self._last + AT_ONCE
            self._offset = wanted - frame.time
        else:
            waited = round((now_mono - self._came) * CLOCK_RATE)
            if abs(frame.time - self._time - waited) > JUMP:
                self._offset = self._last + max(1, waited) - frame.time
            wanted = frame.time + self._offset
        self._last = wanted if self._last is None else max(wanted, self._last + 1)
        self._came, self._time = now_mono, frame.time
        return self._last


class PassedTrack(MediaStreamTrack):
    """A feed, undecoded. It joins with the first ``recv``: the browser is there by then, and the GOP is that of now.
    ``begun`` is called with the first unit."""

    kind = "video"

    def __init__(self, feed: Feed, begun: Callable[[], None]) -> None:
        super().__init__()
        self.sent = 0
        self.repairs = 0
        self._feed = feed
        self._begun = begun
        self._timeline = Timeline()
        self._viewing: Viewing | None = None
        self._burst = 0
        self._broken = False
        self._repaired_at = -REPAIR_S

    async def recv(self) -> "av.Packet[av.stream.Stream]":
        if self.readyState != "live":
            raise MediaStreamError
        if self._viewing is None:
            self._viewing = self._feed.join()
        taken = await self._viewing.next()
        if self._broken:
            self._broken = False
            taken = await self._join_again(self._viewing)
        if taken is None:
            raise MediaStreamError
        frame, at_once = taken
        await self._pace(frame, at_once)
        packet = av.Packet(frame.payload)
        packet.pts = self._timeline.of(frame, at_once, time.monotonic())
        packet.time_base = VIDEO_TIME_BASE
        if not self.sent:
            self._begun()
        self.sent += 1
        return packet

    def repair(self) -> None:
        """The browser has lost something and can show nothing more: it is given the GOP anew, at once. Where that is not
        kept, the next keyframe has to do."""
        now = time.monotonic()
        if self._feed.start == "gop" and now - self._repaired_at >= REPAIR_S:
            self._repaired_at = now
            self._broken = True

    def stop(self) -> None:
        super().stop()
        if self._viewing is not None:
            self._viewing.end()
            self._feed.leave(self._viewing)

    async def _join_again(self, before: Viewing) -> tuple[Frame, bool] | None:
        self.repairs += 1
        self._feed.leave(before)
        self._viewing = self._feed.join()
        return await self._viewing.next()

    async def _pace(self, frame: Frame, at_once: bool) -> None:
        if not at_once:
            return
        self._burst += len(frame.payload)
        if self._burst >= BURST_BYTES:
            self._burst = 0
            await asyncio.sleep(BURST_S)
