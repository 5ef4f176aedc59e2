"""Exponential back-off with full jitter: the one place that decides how long to wait before trying again."""

import random
from dataclasses import dataclass, field


@dataclass(slots=True)
class Backoff:
    """Waits grow from ``first`` to ``ceiling`` seconds, each drawn evenly between a quarter of it and all of it.

    The floor of a quarter keeps a thousand devices from retrying at once without ever hammering one of them.
    """

    first: float = 0.25
    ceiling: float = 2.0
    factor: float = 2.0
    rng: random.Random = field(default_factory=random.SystemRandom)
    failures: int = 0

    def next(self, asked: float | None = None) -> float:
        """The wait after one more failure; never less than the receiver ``asked`` for."""
        bound = min(self.ceiling, self.first * self.factor ** min(self.failures, 32))
        self.failures += 1
        wait = self.rng.uniform(bound / 4, bound)
        return wait if asked is None else max(asked, wait)

    def reset(self) -> None:
        self.failures = 0
