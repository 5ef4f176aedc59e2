"""How a lane goes: its pace, and the gate that says who may be tried. Pure but for the back-off's randomness."""

from dataclasses import dataclass, field

from gateway.backoff import Backoff
from gateway.model import Lane

_MOST_REMEMBERED = 4096  # failed parcels whose failure is remembered in memory
_CONVICTED = 0  # fewer than any lane's successes, which count from 1
_DOUBLINGS = 16  # more would only overflow
_MOST_PASSED_OVER = 16  # parcels tried in vain, before a shut lane begins again with its newest


@dataclass(frozen=True, slots=True)
class Pace:
    """``deadline``: seconds for one send. ``ceiling``: the longest wait of a shut lane. ``width``: sends under way at
    once, where the sink allows as many; what is not urgent comes in small helpings, because a burst of pictures on the
    one loop is what an alarm would wait for. ``longest``: how long a parcel waits by itself that is turned away while
    others get through."""

    deadline: float
    ceiling: float
    width: int
    longest: float = 300.0


PACES = {
    Lane.ALARM: Pace(deadline=10.0, ceiling=2.0, width=64),
    Lane.UPDATE: Pace(deadline=10.0, ceiling=2.0, width=8),
    # Their events go together in lists. Four a round trip were too few for the 80 pictures a second of 20 presses once it
    # took 50 ms: the newest went first, and the oldest waited.
    Lane.PICTURE: Pace(deadline=60.0, ceiling=10.0, width=8),
    Lane.HEALTH: Pace(deadline=60.0, ceiling=10.0, width=2),
    # 64 MiB at 1 Mbit/s and some; two clips at once would only halve each other's uplink
    Lane.CLIP: Pace(deadline=660.0, ceiling=60.0, width=1, longest=3600.0),
}


@dataclass(slots=True)
class Gate:
    """Whether a lane is open, and which parcels failed.

    ``failed`` maps a parcel to the number of successes of the lane before it failed last: if that number has risen
    when it fails again, the sink works and the parcel is at fault, until it gets through after all.
    """

    backoff: Backoff
    retry_at: float | None = None  # monotonic; None: open
    successes: int = 1
    failed: dict[int, int] = field(default_factory=dict)
    passed_over: set[int] = field(default_factory=set)
    turned_away: dict[int, int] = field(default_factory=dict)  # how often, while others got through

    @property
    def open(self) -> bool:
        return self.retry_at is None

    def succeeded(self, parcel_id: int) -> bool:
        """True if this opens a shut lane."""
        self.successes += 1
        self.failed.pop(parcel_id, None)
        self.turned_away.pop(parcel_id, None)
        self.passed_over.clear()
        was_shut = self.retry_at is not None
        self.retry_at = None
        self.backoff.reset()
        return was_shut

    def at_fault(self, parcel_id: int) -> bool:
        """Has the lane had success since this parcel failed last? Remembers the failure."""
        at_fault = self.failed.get(parcel_id, self.successes) < self.successes
        if len(self.failed) >= _MOST_REMEMBERED:
            self.failed.clear()
        self.failed[parcel_id] = _CONVICTED if at_fault else self.successes
        return at_fault

    def alone(self, parcel_id: int, pace: Pace) -> float:
        """How long a parcel that was turned away waits by itself, in seconds: twice as long each time."""
        times = self.turned_away.get(parcel_id, 0)
        if len(self.turned_away) >= _MOST_REMEMBERED:
            self.turned_away.clear()
        self.turned_away[parcel_id] = times + 1
        return min(pace.longest, pace.ceiling * 2.0 ** min(times, _DOUBLINGS))

    def shut(self, now: float, asked: float | None) -> float:
        """Shut the lane for a while; the wait in seconds."""
        wait = self.backoff.next(asked)
        self.retry_at = now + wait
        return wait

    def pass_over(self, parcel_id: int) -> None:
        if len(self.passed_over) >= _MOST_PASSED_OVER:
            self.passed_over.clear()
        self.passed_over.add(parcel_id)
