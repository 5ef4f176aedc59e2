"""Times of day that come back every day or on some weekdays, in the node's local time. Pure."""

from dataclasses import dataclass
from datetime import datetime, tzinfo

EVERY_DAY = frozenset(range(7))
_DAY_MIN = 24 * 60


@dataclass(frozen=True, slots=True)
class Span:
    """From ``start`` to before ``end``, in minutes after midnight; an end that is not after the start is on the next day.

    ``days``: on which it begins, 0 = Monday.
    """

    start: int = 0
    end: int = _DAY_MIN
    days: frozenset[int] = EVERY_DAY

    def holds(self, at: datetime, zone: tzinfo) -> bool:
        local = at.astimezone(zone)
        minute, today = local.hour * 60 + local.minute, local.weekday()
        if self.start < self.end:
            return today in self.days and self.start <= minute < self.end
        begun_today = today in self.days and minute >= self.start
        begun_yesterday = (today - 1) % 7 in self.days and minute < self.end
        return begun_today or begun_yesterday
