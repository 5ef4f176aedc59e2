"""How much of the loop's time strangers' datagrams may take: anybody on the network may send any number of any kind."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class TimeBudget:
    """``share`` of the time, and ``burst`` seconds at once; a second of it reads thousands of sound answers."""

    def __init__(self, share: float, burst: float, mono: Callable[[], float] = time.monotonic) -> None:
        self._share = share
        self._burst = burst
        self._mono = mono
        self._left = burst
        self._counted_at = mono()

    @property
    def is_spent(self) -> bool:
        now = self._mono()
        self._left = min(self._burst, self._left + (now - self._counted_at) * self._share)
        self._counted_at = now
        return self._left <= 0

    @contextmanager
    def spending(self) -> Iterator[None]:
        began = self._mono()
        try:
            yield
        finally:
            self._left -= self._mono() - began
