"""What every value is stamped with: the moment and the id."""

import os
import time
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime


def utc_now() -> datetime:
    """Now in UTC, cut to whole milliseconds: what is written is what is read back on every node."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def rfc3339(at: datetime) -> str:
    """RFC 3339 in UTC with milliseconds and ``Z``: the one form in which times leave the gateway."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _system_seed() -> tuple[int, bytes]:
    return time.time_ns() // 1_000_000, os.urandom(10)


id_seed: ContextVar[Callable[[], tuple[int, bytes]]] = ContextVar("id_seed", default=_system_seed)
"""(milliseconds since 1970, ten random bytes) for the next id. A simulation sets its own in the context of each of its nodes."""


def uuid7(at_ms: int | None = None) -> str:
    """A UUID version 7 (RFC 9562 §5.7): sorts by millisecond, random below it."""
    now_ms, chance = id_seed.get()()
    millis = now_ms if at_ms is None else at_ms
    random = int.from_bytes(chance) & ~(0xF << 76 | 0b11 << 62)
    digits = f"{(millis & 0xFFFF_FFFF_FFFF) << 80 | 0x7 << 76 | 0b10 << 62 | random:032x}"
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
