"""Does a camera still see, or does it send the same picture again and again? Suspected from what costs nothing.

A camera whose sensor or encoder hangs goes on sending, and everything about it looks well. Three things can give it away
without a decode: keyframes that are the same to the byte; bytes between the keyframes that collapse, because nothing moves,
not even the noise of the sensor; and, weakest, keyframes of nearly one size. A well-lit empty corridor can look like that too,
so a decode has to confirm it (frozen.py).
"""

from collections import deque
from collections.abc import Callable
from enum import IntEnum
from statistics import median

SAME_S = 10.0
SAME_KEYFRAMES = 3
"""Keyframes that are one and the same, over so many seconds."""
WINDOW_S = 10.0
"""Received bytes are counted about once a second: shorter spans would be mostly error."""
COLLAPSE = 0.2
"""Between the keyframes comes less than this share of what is usual for this camera …"""
STILL = 0.3
"""… or, while that is not known yet, less than this share of the keyframes themselves: libx264 gave 0.13 for a frozen picture, and
as little for a dark still scene at a constant quantiser, but 4 to 5 for the same scene at a constant bit rate."""
SPREAD = 0.02
"""Keyframes of one picture differ in size by less than this. Rate control that keeps up the bit rate of a frozen picture
makes them creep: 0.6 % each was seen."""
LOOSE_SPREAD = 0.05
"""Once confirmed: what moves again changes them by far more."""
MOST_AHEAD = 32
"""NAL units looked at ahead of a keyframe's first slice; a camera sends its parameter sets there, and a few messages."""
USUAL_WINDOWS = 60
USUAL_KNOWN = 6


class Suspicion(IntEnum):
    NONE = 0
    WEAK = 1  # compare when there is nothing better to do: many a quiet scene looks like this
    STRONG = 2


class FreezeWatch:
    """Judges one camera by its keyframes. Times are CLOCK_MONOTONIC seconds. ``since``: since when its picture may stand
    still. ``confirmed``: a decode has found it to."""

    __slots__ = ("_last", "_last_at", "_same", "_same_since", "_still", "_usual", "_window", "confirmed", "since")

    def __init__(self) -> None:
        self.confirmed = False
        self.since = 0.0
        self._last: bytes | None = None
        self._last_at = 0  # where its picture begins
        self._same = 0
        self._same_since = 0.0
        self._still = Suspicion.NONE
        self._usual: deque[float] = deque(maxlen=USUAL_WINDOWS)
        self._window: _Window | None = None

    def note(self, payload: bytes, received_bytes: int, at: float, *, picture_at: int = 0) -> Suspicion:
        """A keyframe, all bytes received from the camera so far, and when. How likely its picture stands still.

        ``picture_at``: where in the payload the picture begins. What a camera tells ahead of it, such as the time of day
        in an SEI message, is another each time and says nothing of the picture.
        """
        size = len(payload) - picture_at
        if self._is_last(payload, picture_at):
            self._same += 1
        else:
            self._same, self._same_since = 1, at
        leapt = self._last is not None and _apart(size, len(self._last) - self._last_at) > self._limit
        self._last, self._last_at = payload, picture_at
        if self._window is None:
            self._window = _Window(at, received_bytes)
        elif at - self._window.began >= WINDOW_S:
            self._weigh(self._window, received_bytes, at)
            self._window = _Window(at, received_bytes)
        self._window.add(size, picture_at)
        if self._still and (leapt or self._window.spread > self._limit):
            self._still = Suspicion.NONE
        if self._same >= SAME_KEYFRAMES and at - self._same_since >= SAME_S:
            self.since = min(self.since, self._same_since) if self._still else self._same_since
            return Suspicion.STRONG
        return self._still

    def broken(self) -> None:
        """The connection broke: a pause without bytes is no stillness."""
        self._window = None

    def vindicated(self) -> None:
        """A decode has shown that the picture moves: so little is usual for this camera."""
        self._usual.clear()
        self._still = Suspicion.NONE
        self._same = 0

    def _is_last(self, payload: bytes, picture_at: int) -> bool:
        last, last_at = self._last, self._last_at
        if last is None or len(payload) - picture_at != len(last) - last_at:
            return False
        return payload == last or payload[picture_at:] == last[last_at:]

    @property
    def _limit(self) -> float:
        return LOOSE_SPREAD if self.confirmed else SPREAD

    def _weigh(self, window: "_Window", received_bytes: int, at: float) -> None:
        between = max(0, received_bytes - window.received - window.keyframe_bytes) / (at - window.began)
        if len(self._usual) >= USUAL_KNOWN:
            collapsed = between < COLLAPSE * median(self._usual)
        else:
            collapsed = between * (at - window.began) < STILL * window.keyframe_bytes
        alike = window.keyframes >= 2 and window.spread <= self._limit
        was = self._still
        if alike and collapsed:
            self._still = Suspicion.STRONG
        else:
            self._still = Suspicion.WEAK if alike and window.keyframes >= 3 else Suspicion.NONE
            self._usual.append(between)
        if self._still and not was:
            self.since = window.began


class _Window:
    """A span of ten seconds and a little more, from one keyframe to another."""

    __slots__ = ("began", "greatest", "keyframe_bytes", "keyframes", "received", "smallest")

    def __init__(self, began: float, received: int) -> None:
        self.began = began
        self.received = received
        self.keyframes = 0
        self.keyframe_bytes = 0
        self.smallest = 0
        self.greatest = 0

    def add(self, size: int, ahead: int) -> None:
        """``size``: of the picture; ``ahead``: of what was told before it."""
        self.keyframes += 1
        self.keyframe_bytes += size + ahead
        self.smallest = size if self.keyframes == 1 else min(self.smallest, size)
        self.greatest = max(self.greatest, size)

    @property
    def spread(self) -> float:
        """How far its keyframes' sizes lie apart, as a share of the greatest."""
        return _apart(self.smallest, self.greatest)


def _apart(one: int, other: int) -> float:
    return abs(one - other) / max(one, other, 1)


def picture_at(payload: bytes, codec: str) -> int:
    """Where the first slice of an Annex B keyframe begins, its start code left out; 0 where there is none to be seen."""
    is_slice = _SLICES.get(codec)
    if is_slice is None:
        return 0
    at = -1
    for _ in range(MOST_AHEAD):
        at = payload.find(b"\x00\x00\x01", at + 1)
        if not 0 <= at < len(payload) - 3:
            return 0
        if is_slice(payload[at + 3]):
            return at + 3
    return 0


_SLICES: dict[str, Callable[[int], bool]] = {
    "h264": lambda header: 1 <= header & 0x1F <= 5,  # ITU-T H.264 table 7-1
    "h265": lambda header: header >> 1 & 0x3F < 32,  # ITU-T H.265 table 7-1
}
