"""What one receiver may be sent in a second: a token bucket whose urgent bytes are counted and never held.

Bytes that may wait are let through in the order of urgency, then of asking. Urgent ones leave a debt, at most a few
seconds of it, that those which may wait pay off.
"""

import asyncio
import heapq
import itertools
from collections.abc import Callable

_BURST_S = 0.25  # seconds of the rate that may go at once after a pause
_DEBT_S = 5.0  # seconds of the rate; a storm of alarms must not starve pictures for minutes


class Bucket:
    """The sums of a budget of ``rate`` bytes a second. Pure: the caller says what time it is."""

    def __init__(self, rate: float, now: float) -> None:
        self.rate = rate
        self._burst = rate * _BURST_S
        self._held = self._burst
        self._at = now

    def wait(self, now: float) -> float:
        """Seconds until something that may wait goes; 0: now."""
        self._fill(now)
        return 0.0 if self._held > 0 else -self._held / self.rate + 0.001

    def take(self, size: int, now: float) -> None:
        """``size`` bytes go; how far that is more than there is becomes debt."""
        self._fill(now)
        self._held = max(self._held - size, -self.rate * _DEBT_S)

    def _fill(self, now: float) -> None:
        self._held = min(self._burst, self._held + max(0.0, now - self._at) * self.rate)
        self._at = now


class Budget:
    """``bits``: a second; None: nothing is held. ``clock``: a monotonic one; the running loop's unless told."""

    def __init__(self, bits: int | None, clock: Callable[[], float] | None = None) -> None:
        self.bits = bits
        self._clock = clock
        self._bucket: Bucket | None = None
        self._waiting: list[tuple[int, int, int, asyncio.Future[None]]] = []
        self._count = itertools.count()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def helping(self) -> int:
        """Bytes to ask for at once, so that what is urgent never waits long behind them."""
        return 64 * 1024 if self.bits is None else max(1024, min(64 * 1024, self.bits // 8 // 8))

    def count(self, size: int) -> None:
        """Urgent bytes go now."""
        if self.bits is not None:
            self._ready().take(size, self._now())

    async def spend(self, size: int, urgency: int) -> None:
        """Return when ``size`` bytes may go; lower ``urgency`` first."""
        if self.bits is None:
            return
        bucket = self._ready()
        if not self._waiting and bucket.wait(self._now()) == 0:
            bucket.take(size, self._now())
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (urgency, next(self._count), size, turn))
        self._let_through()
        await turn

    def _let_through(self) -> None:
        """Whoever may go, goes; else come again when the next may."""
        bucket = self._ready()
        while self._waiting:
            wait = bucket.wait(self._now())
            if self._waiting[0][3].done():  # given up
                heapq.heappop(self._waiting)
            elif wait > 0:
                if self._timer is None:
                    self._timer = asyncio.get_running_loop().call_later(wait, self._again)
                return
            else:
                _, _, size, turn = heapq.heappop(self._waiting)
                bucket.take(size, self._now())
                turn.set_result(None)

    def _again(self) -> None:
        self._timer = None
        self._let_through()

    def _ready(self) -> Bucket:
        if self._bucket is None:
            assert self.bits is not None
            self._bucket = Bucket(self.bits / 8, self._now())
        return self._bucket

    def _now(self) -> float:
        return asyncio.get_running_loop().time() if self._clock is None else self._clock()
