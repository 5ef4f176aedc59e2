"""One stream in the live process, shared by all who watch it; its GOP is kept so that each of them starts at once."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from gateway.errors import DeviceError, Unreachable
from gateway.observability.logs import logger
from gateway.video.live.frames import Frame

GOP_BYTES = 8 * 1024 * 1024
"""The longest GOP that is kept for those who come later."""
BEHIND_UNITS = 150
"""How far a view may fall behind before it goes on with the next keyframe: 6 s at 25/s."""
BEHIND_BYTES = 32 * 1024 * 1024
"""Nor farther than this, whatever the pictures weigh."""
AGAIN_S = 1.0
"""A worker that died is back within seconds, and a camera with it."""

_START = b"\0\0\1"
_TWO_STARTS = (_START + _START, _START + b"\0" + _START)


def hollow(payload: bytes) -> bool:
    """Whether a NAL unit in it has nothing in it, not even its first byte: aiortc's packetiser ends a view over that."""
    return payload.endswith(_START) or any(start in payload for start in _TWO_STARTS)


class Viewing:
    """One view of a feed: what is to be sent to a browser. ``dropped``: units that it was too slow for."""

    def __init__(self, backlog: list[Frame], still: Frame | None) -> None:
        self.dropped = 0
        self._queue: deque[tuple[Frame, bool]] = deque((frame, True) for frame in backlog)
        self._bytes = sum(len(frame.payload) for frame in backlog)
        self._awaits_keyframe = not backlog
        self._lost = False
        self._most = BEHIND_UNITS + len(backlog)
        self._more = asyncio.Event()
        self._ended = False
        if still is not None and not backlog:
            self._queue.append((still, True))
            self._bytes = len(still.payload)
        if self._queue:
            self._more.set()

    async def next(self) -> tuple[Frame, bool] | None:
        """The next unit, and whether it is sent at once (of the GOP that was kept) instead of in its time; None: the feed has
        ended."""
        await self._more.wait()
        if not self._queue:
            return None
        taken = self._queue.popleft()
        self._bytes -= len(taken[0].payload)
        if not self._queue:
            self._most = BEHIND_UNITS
            if not self._ended:
                self._more.clear()
        return taken

    def put(self, frame: Frame) -> None:
        if self._awaits_keyframe and not frame.keyframe:
            self.dropped += self._lost
            return
        if len(self._queue) >= self._most or self._bytes + len(frame.payload) > BEHIND_BYTES:
            self.dropped += len(self._queue)
            self._queue.clear()
            self._bytes = 0
            if not frame.keyframe:
                self.dropped += 1
                self._awaits_keyframe = self._lost = True
                return
        self._awaits_keyframe = self._lost = False
        self._queue.append((frame, False))
        self._bytes += len(frame.payload)
        self._more.set()

    def gap(self) -> None:
        """What follows lacks something before it: it begins with a keyframe."""
        self._awaits_keyframe = True

    def end(self) -> None:
        self._ended = True
        self._more.set()


class Feed:
    """``name``: in words, for sentences. ``came_at``: the last unit, by CLOCK_MONOTONIC. ``run`` fills it from ``source``
    until cancelled; one that is pushed is given its frames by ``take``."""

    def __init__(self, key: str, name: str) -> None:
        self.key = key
        self.name = name
        self.codec: str | None = None
        self.reordered = False  # it has B-frames
        self.failure: DeviceError | None = None
        self.watchers = 0
        self.came_at = time.monotonic()
        self.over = asyncio.Event()
        self._changed = asyncio.Event()
        self._gop: list[Frame] = []
        self._gop_bytes = 0
        self._still: Frame | None = None
        self._last_time: int | None = None
        self._viewings: list[Viewing] = []
        self._dropped = 0

    @property
    def start(self) -> str:
        """``gop`` where a view that begins now shows moving pictures at once, else ``idr``."""
        return "gop" if self._gop else "idr"

    @property
    def dropped(self) -> int:
        """Units that views were too slow for."""
        return self._dropped + sum(viewing.dropped for viewing in self._viewings)

    async def ready(self, within_s: float) -> str:
        """Wait for its first unit; its codec. Raises DeviceError."""
        try:
            async with asyncio.timeout(within_s):
                await self._changed.wait()
        except TimeoutError:
            raise Unreachable(f"{self.name} showed nothing within {within_s:g} s") from None
        if self.codec is None:
            raise self.failure or Unreachable(f"{self.name} has ended")
        return self.codec

    async def run(self, source: Callable[[], AsyncGenerator[Frame]]) -> None:
        """Fill it until cancelled, again and again while it was shown once; ends where it never was."""
        first = True
        while not self.over.is_set():
            try:
                async with aclosing(source()) as frames:
                    async for frame in frames:
                        self.take(frame)
                        if self.over.is_set():
                            return
                        first = True
                self.failure = Unreachable(f"{self.name}: the video worker ended it")
            except DeviceError as fault:
                self.failure = fault
                (logger("video").info if first else logger("video").debug)(
                    "a live view waits for its camera", feed=self.name, reason=str(fault)
                )
            first = False
            self.gap()
            if self.codec is None:
                self._changed.set()
                return
            await asyncio.sleep(AGAIN_S)

    def take(self, frame: Frame) -> None:
        """The next unit. Another codec ends the feed: the browsers agreed to the first."""
        if self.codec is None:
            self.codec = frame.codec
        elif frame.codec != self.codec:
            logger("video").info("a live view ends: another codec", feed=self.name, before=self.codec, now=frame.codec)
            self.end()
            return
        if hollow(frame.payload):
            self._dropped += 1
            self.gap()
            return
        self.came_at = time.monotonic()
        if frame.still:
            self._still = frame
        else:
            self._keep(frame)
        self._changed.set()
        for viewing in self._viewings:
            if not frame.still:
                viewing.put(frame)

    def gap(self) -> None:
        """What follows is from another connection, and begins with a keyframe."""
        self._forget()
        self._last_time = None
        for viewing in self._viewings:
            viewing.gap()

    def join(self) -> Viewing:
        """Begin a view with the GOP so far, or with a still."""
        viewing = Viewing(self._gop, self._still)
        if self.over.is_set():
            viewing.end()
        self._viewings.append(viewing)
        return viewing

    def leave(self, viewing: Viewing) -> None:
        if viewing in self._viewings:
            self._viewings.remove(viewing)
            self._dropped += viewing.dropped

    def end(self) -> None:
        self.over.set()
        self._changed.set()
        for viewing in self._viewings:
            viewing.end()

    def _keep(self, frame: Frame) -> None:
        if frame.keyframe:
            self._gop = []  # a new list: a view may still stand at the old one's beginning
            self._gop_bytes = 0
            self._still = frame
        elif not self._gop:
            return
        elif self._last_time is not None and frame.time < self._last_time:
            self.reordered = True
        self._last_time = frame.time
        self._gop.append(frame)
        self._gop_bytes += len(frame.payload)
        if self._gop_bytes > GOP_BYTES:
            self._forget()

    def _forget(self) -> None:
        self._gop = []
        self._gop_bytes = 0
