"""Days, months and spans of the node's own calendar. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

_MOST_DAILY = 62
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Days:
    """From one day to another, both within."""

    first: date
    last: date

    @property
    def numbers(self) -> tuple[int, int]:
        return number_of(self.first), number_of(self.last)

    def bounds(self, zone: tzinfo) -> tuple[datetime, datetime]:
        """[from, until) in UTC. A day is as long as it is: 23 or 25 hours where summer time begins or ends."""
        return _midnight(self.first, zone), _midnight(self.last + timedelta(days=1), zone)

    def __len__(self) -> int:
        return (self.last - self.first).days + 1

    def months(self) -> Iterator["Days"]:
        """Cut where months begin."""
        first = self.first
        while first <= self.last:
            last = min(self.last, last_of_month(first))
            yield Days(first, last)
            first = last + timedelta(days=1)

    def parts(self) -> Iterator["Days"]:
        """What a trend is drawn of: days, or months where there would be too many."""
        if len(self) > _MOST_DAILY:
            yield from self.months()
            return
        for number in range(len(self)):
            day = self.first + timedelta(days=number)
            yield Days(day, day)


def number_of(day: date) -> int:
    """20261130."""
    return day.year * 10_000 + day.month * 100 + day.day


def day_of(number: int) -> date:
    return date(number // 10_000, number // 100 % 100, number % 100)


def month_of(day: date) -> str:
    """2026-11."""
    return f"{day.year:04}-{day.month:02}"


def last_of_month(day: date) -> date:
    return (day.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)


def overlap_ms(first: tuple[datetime, datetime], second: tuple[datetime, datetime]) -> int:
    """How much two spans have in common."""
    return max(0, (min(first[1], second[1]) - max(first[0], second[0])) // _MILLISECOND)


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)
