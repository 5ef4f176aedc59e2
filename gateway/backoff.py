"""Exponential back-off with full jitter: the one place that decides how long to wait before trying again."""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


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


def retry_after(value: str, now: datetime, longest: float) -> float | None:
    """A Retry-After (RFC 9110 §10.2.3) in seconds from ``now``, at most ``longest``; None where it says nothing."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        return min(float(value[:9]), longest)
    try:
        moment = parsedate_to_datetime(value[:64])
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max((moment - now).total_seconds(), 0.0), longest)
