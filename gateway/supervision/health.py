"""Is a camera online? Judged by the age of its last keyframe, never by "connected"."""

from collections import deque
from statistics import median

YOUNG_S = 10.0
"""A keyframe this young always means online."""

GOPS = 3
"""Longer groups of pictures get this many of them: 5 s or 10 s between keyframes is common with "smart" codecs."""


class KeyframePace:
    """The rhythm of a camera's keyframes. Times are CLOCK_MONOTONIC seconds."""

    __slots__ = ("_intervals", "_unbroken", "last")

    def __init__(self) -> None:
        self._intervals: deque[float] = deque(maxlen=10)
        self._unbroken = False
        self.last: float | None = None

    def note(self, received_mono: float) -> None:
        if self.last is not None and self._unbroken:
            self._intervals.append(max(0.0, received_mono - self.last))
        self.last = received_mono
        self._unbroken = True

    def broken(self) -> None:
        """The connection broke: the gap until the next keyframe says nothing about the camera's rhythm."""
        self._unbroken = False

    def limit(self) -> float:
        """The age in seconds up to which the last keyframe still means online."""
        return max(YOUNG_S, GOPS * median(self._intervals)) if self._intervals else YOUNG_S

    def alive(self, now_mono: float) -> bool:
        return self.last is not None and now_mono - self.last <= self.limit()
