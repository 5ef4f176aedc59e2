"""Which camera is looked at next, and when: each in its own rhythm, within a share of the processor. Pure.

The share is kept by pausing after each look for as long as its cost is worth; what is too much for it comes later, and that
is told, for a patrol that quietly takes more would take it from the alarms' pictures.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass

AGAIN_S = 20.0
"""A first suspicion, and a first clean look after a verdict: looked at again so soon, which is the next keyframe but some."""
FIRST_S = 0.5
"""Between the first looks at cameras that came together, so that a start does not take all that the patrol may have."""
JITTER = 0.1
"""So that a thousand cameras that came up together are not looked at together for ever."""


@dataclass(slots=True)
class _Round:
    every: float
    due: float


class Rounds:
    """Times are CLOCK_MONOTONIC seconds. ``share``: of one core, 0 to 1."""

    def __init__(self, share: float, draw: random.Random | None = None) -> None:
        self.share = share
        self.skipped = 0
        self._draw = draw or random.Random()  # noqa: S311 - only spreads the load
        self._rounds: dict[str, _Round] = {}
        self._free_at = 0.0
        self._first = 0.0  # when a camera that comes now is looked at for the first time, at the earliest

    def keep(self, every: Mapping[str, float], now: float) -> None:
        """Make these the cameras, each with its interval (seconds). A new one is due at once, many one after another, those
        with the shortest intervals first."""
        for camera, seconds in every.items():
            known = self._rounds.get(camera)
            if known is not None and known.every != seconds:
                known.every, known.due = seconds, min(known.due, now + seconds)
        new = sorted(every.keys() - self._rounds.keys(), key=lambda name: (every[name], name))
        if new:
            apart = min(FIRST_S, 1 / sum(1 / seconds for seconds in every.values()))
            for camera in new:
                self._first = max(now, self._first)
                self._rounds[camera] = _Round(every[camera], min(self._first, now + every[camera]))
                self._first += apart
        self._rounds = {camera: self._rounds[camera] for camera in every}

    def next(self, now: float) -> tuple[str | None, float]:
        """(camera to look at now, 0), or (None, seconds until there may be one)."""
        if now < self._free_at:
            return None, self._free_at - now
        # The one that is behind most, in its own rhythm: a camera of two minutes goes before one of ten.
        chosen = max(
            self._rounds, key=lambda name: (now - self._rounds[name].due) / self._rounds[name].every, default=None
        )
        if chosen is None:
            return None, 1.0
        wait = self._rounds[chosen].due - now
        return (chosen, 0.0) if wait <= 0 else (None, min(wait, *(each.due - now for each in self._rounds.values())))

    def looked(self, camera: str, now: float, cpu_s: float, *, again: bool) -> None:
        """A look has been made and cost so much. ``again``: it left something to be decided."""
        self._free_at = max(self._free_at, now) + cpu_s / self.share
        known = self._rounds.get(camera)
        if known is not None:
            self.skipped += max(0, int((now - known.due) / known.every))
            spread = known.every * (1 + self._draw.uniform(-JITTER, JITTER))
            known.due = now + (min(AGAIN_S, known.every / 2) if again else spread)

    def postpone(self, camera: str, now: float, seconds: float) -> None:
        """There is nothing to look at: dark, or no newer keyframe."""
        known = self._rounds.get(camera)
        if known is not None:
            known.due = now + min(seconds, known.every)

    def hurry(self, camera: str, now: float) -> None:
        """Somebody asks, or another sign says that it should be looked at now."""
        known = self._rounds.get(camera)
        if known is not None:
            known.due = min(known.due, now)

    def behind(self, now: float) -> float:
        """Seconds that the camera which waits longest is over its time."""
        return max(0.0, *(now - each.due for each in self._rounds.values())) if self._rounds else 0.0
