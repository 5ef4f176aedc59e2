"""Which of an upper node's addresses is tried first. Pure: the caller says what time it is."""

from collections.abc import Sequence

RETURN_AFTER = 60.0  # s: the first address is the one that the operator prefers; a detour may cost or be thin


class Addresses:
    """``first`` and others of the same node. One that answered is kept for ``RETURN_AFTER``, then the first has its turn."""

    def __init__(self, first: str, also: Sequence[str] = ()) -> None:
        self.all = (first, *(address for address in also if address != first))
        self._at = 0
        self._return_at = 0.0

    def current(self, now: float) -> str:
        if self._at and now >= self._return_at:
            self._at = 0
        return self.all[self._at]

    def order(self, now: float, *, elsewhere: bool = False) -> tuple[str, ...]:
        """All, in the order to be tried; ``elsewhere``: beginning with another than the current one, where there is one."""
        self.current(now)
        start = self._at + (1 if elsewhere else 0)
        return tuple(self.all[(start + step) % len(self.all)] for step in range(len(self.all)))

    def reached(self, address: str, now: float) -> None:
        """It answered, whatever it said."""
        if address != self.all[self._at]:
            self._take(self.all.index(address), now)

    def failed(self, address: str, now: float) -> None:
        """It could not be reached, or broke off: another is tried next."""
        if address == self.all[self._at]:
            self._take((self._at + 1) % len(self.all), now)

    def _take(self, at: int, now: float) -> None:
        self._at = at
        self._return_at = now + RETURN_AFTER
