"""What every value is stamped with: the moment and the id."""

import os
import time
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from threading import Lock


def utc_now() -> datetime:
    """Now in UTC, cut to whole milliseconds: what is written is what is read back on every node."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def rfc3339(at: datetime) -> str:
    """RFC 3339 in UTC with milliseconds and ``Z``: the one form in which times leave the gateway."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class RisingSeed:
    """What a process makes its ids of: the millisecond, and 74 bits of chance that rise while it lasts (RFC 9562 §6.2, method 2)."""

    def __init__(self, millis: Callable[[], int], chance: Callable[[int], bytes]) -> None:
        self._millis = millis
        self._chance = chance
        self._lock = Lock()
        self._last = (-1, 0)

    def __call__(self) -> tuple[int, int]:
        with self._lock:
            now, (then, before) = self._millis(), self._last
            if now == then:
                self._last = now, before + 1 + int.from_bytes(self._chance(4))
            else:  # the highest bit is left free, so that no millisecond runs out of room
                self._last = now, int.from_bytes(self._chance(10)) >> 7
            return self._last


_of_this_process = RisingSeed(lambda: time.time_ns() // 1_000_000, os.urandom)
id_seed: ContextVar[Callable[[], tuple[int, int]]] = ContextVar("id_seed", default=_of_this_process)
"""(milliseconds since 1970, 74 bits) for the next id. A simulation sets its own in the context of each of its nodes."""


def uuid7() -> str:
    """A UUID version 7 (RFC 9562 §5.7): sorts in the order in which this process made them, unless its clock is set back."""
    millis, chance = id_seed.get()()
    high, low = chance >> 62, chance & (1 << 62) - 1
    digits = f"{(millis & 0xFFFF_FFFF_FFFF) << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def said_time(value: object) -> datetime | None:
    """The moment that somebody's JSON names, in UTC; None for all that is not a time with its offset (RFC 3339)."""
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value)
        return at.astimezone(UTC) if at.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None
