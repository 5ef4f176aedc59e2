"""Is a camera online? Judged by the age of its last keyframe, never by "connected"."""

import math
from collections import deque
from statistics import median

YOUNG_S = 10.0
"""A keyframe this young always means online."""

GOPS = 3
"""Longer groups of pictures get this many of them: 5 s or 10 s between keyframes is common with "smart" codecs."""


class KeyframePace:
    """The rhythm of a camera's keyframes. Times are CLOCK_MONOTONIC seconds.

    ``until`` is when the last keyframe is no longer young: worked out once a keyframe, because a thousand cameras are
    looked at every second.
    """

    __slots__ = ("_intervals", "_limit", "_unbroken", "last", "until")

    def __init__(self) -> None:
        self._intervals: deque[float] = deque(maxlen=10)
        self._unbroken = False
        self._limit = YOUNG_S
        self.last: float | None = None
        self.until = -math.inf

    @property
    def intervals(self) -> int:
        """How many intervals are known; ten at most."""
        return len(self._intervals)

    def note(self, received_mono: float) -> None:
        if self.last is not None and self._unbroken:
            self._intervals.append(max(0.0, received_mono - self.last))
            self._limit = max(YOUNG_S, GOPS * median(self._intervals))
        self.last = received_mono
        self.until = received_mono + self._limit
        self._unbroken = True

    def broken(self) -> None:
        """The connection broke: the gap until the next keyframe says nothing about the camera's rhythm."""
        self._unbroken = False

    def limit(self) -> float:
        """The age in seconds up to which the last keyframe still means online."""
        return self._limit

    def alive(self, now_mono: float) -> bool:
        return now_mono <= self.until
