"""Keeps what flaps from travelling: a state is told once it has stood, and one that changes on and on is told as that.
Pure: time comes in from outside."""

from collections import deque
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field

STAND_S = 3.0
WINDOW_S = 60.0
MOST_CHANGES = 4  # within the window: from then on it flaps, until it has stood for a whole window


@dataclass(slots=True)
class _Restless:
    """A device that changed within the window."""

    state: Hashable
    since: float
    changes: deque[float] = field(default_factory=lambda: deque(maxlen=MOST_CHANGES))
    flapping: bool = False


class FlapFilter:
    """Of many devices by id; holds more than the told state only of those that changed within the last minute."""

    def __init__(self) -> None:
        self._told: dict[str, Hashable] = {}
        self._restless: dict[str, _Restless] = {}

    def offer(self, id_: str, state: Hashable, now: float) -> bool:
        """How a device stands now. True where that may be told at once: it is as it was told, or new here."""
        moving = self._restless.get(id_)
        if moving is None:
            if self._told.setdefault(id_, state) == state:
                return True
            self._restless[id_] = _Restless(state, now, deque([now], MOST_CHANGES))
            return False
        if moving.state != state:
            moving.state, moving.since = state, now
            moving.changes.append(now)
        return not moving.flapping and self._told[id_] == state

    def due(self, now: float) -> Iterator[tuple[str, bool]]:
        """The devices that are to be told now, and whether as flapping."""
        for id_, moving in list(self._restless.items()):
            stood = now - moving.since
            if moving.flapping:
                if stood >= WINDOW_S:
                    self._settle(id_, moving)
                    yield id_, False
            elif len(moving.changes) == MOST_CHANGES and now - moving.changes[0] <= WINDOW_S:
                moving.flapping = True
                yield id_, True
            elif stood >= STAND_S and self._told[id_] != moving.state:
                self._told[id_] = moving.state
                yield id_, False
            elif stood >= WINDOW_S:
                self._settle(id_, moving)

    def forget(self, id_: str) -> None:
        self._told.pop(id_, None)
        self._restless.pop(id_, None)

    def _settle(self, id_: str, moving: _Restless) -> None:
        self._told[id_] = moving.state
        del self._restless[id_]
