"""Since when cameras are lost, and which of them only come and go. Pure bookkeeping on the monotonic clock."""

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field

HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Damping:
    """A camera that is lost ``flaps`` times within an hour flaps, until it has stood for ``steady_s``."""

    flaps: int = 4
    steady_s: float = 900.0


@dataclass(slots=True)
class _Restless:
    """A camera that is lost, or was within the hour."""

    lost_at: float | None = None
    stands_since: float | None = None
    losses: deque[float] = field(default_factory=deque)
    flapping: bool = False


class Losses:
    """Of many cameras by id; holds nothing of those that have stood for an hour. Times are seconds of one clock."""

    def __init__(self, damping: Damping) -> None:
        self._damping = damping
        self._cameras: dict[str, _Restless] = {}

    def lost(self, camera: str, now: float, *, counted: bool = True) -> None:
        """It is not there. ``counted``: as one more time; not where it has merely not come yet."""
        known = self._cameras.get(camera)
        if known is None:
            known = self._cameras[camera] = _Restless()
        if known.lost_at is not None:
            return
        known.lost_at, known.stands_since = now, None
        if counted:
            known.losses.append(now)
            self._forget_old(known, now)
            known.flapping = known.flapping or len(known.losses) >= self._damping.flaps

    def stands(self, camera: str, now: float) -> None:
        """It is there."""
        known = self._cameras.get(camera)
        if known is None:
            return
        if known.stands_since is None:
            known.lost_at, known.stands_since = None, now
        elif known.flapping and now - known.stands_since >= self._damping.steady_s:
            del self._cameras[camera]
        else:
            self._forget_old(known, now)
            if not known.losses and not known.flapping:
                del self._cameras[camera]

    def forget(self, camera: str) -> None:
        """Nobody misses it any more: it is switched off, refused or planned to be down."""
        self._cameras.pop(camera, None)

    def begin_anew(self, camera: str, now: float) -> None:
        """Whatever it was part of is over: it is lost as from now if it is, and flaps no more."""
        known = self._cameras.get(camera)
        if known is None:
            return
        if known.flapping:
            known.losses.clear()
            known.flapping = False
        if known.lost_at is not None:
            known.lost_at = now

    def remember_flapping(self, camera: str, now: float) -> None:
        """It flapped before a restart."""
        self._cameras[camera] = _Restless(stands_since=now, flapping=True)

    def keep_only(self, cameras: Collection[str]) -> None:
        for camera in [each for each in self._cameras if each not in cameras]:
            del self._cameras[camera]

    def is_away(self, camera: str) -> bool:
        """Lost, or not to be relied on."""
        known = self._cameras.get(camera)
        return known is not None and (known.lost_at is not None or known.flapping)

    def is_flapping(self, camera: str) -> bool:
        known = self._cameras.get(camera)
        return known is not None and known.flapping

    def since(self, camera: str) -> float | None:
        """When it was lost; of one that flaps, the last time."""
        known = self._cameras.get(camera)
        if known is None or not (known.lost_at is not None or known.flapping):
            return None
        return known.lost_at if known.lost_at is not None else known.losses[-1] if known.losses else None

    def away(self) -> list[str]:
        return [camera for camera in self._cameras if self.is_away(camera)]

    def _forget_old(self, known: _Restless, now: float) -> None:
        while known.losses and now - known.losses[0] > HOUR_S:
            known.losses.popleft()
