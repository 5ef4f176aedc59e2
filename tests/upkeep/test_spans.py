"""Days, months and their bounds."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from gateway.upkeep.spans import Days, day_of, last_of_month, month_of, number_of, overlap_ms

DATES = st.dates(date(2001, 1, 1), date(2900, 12, 31))


@given(DATES, st.integers(0, 366))
def test_months_cover_the_span_once(first: date, length: int) -> None:
    days = Days(first, first + timedelta(days=length))
    for parts in (list(days.months()), list(days.parts())):
        assert parts[0].first == days.first and parts[-1].last == days.last
        for one, following in pairwise(parts):
            assert following.first == one.last + timedelta(days=1)
        assert all(month_of(part.first) == month_of(part.last) for part in parts)
        assert sum(len(part) for part in parts) == len(days)
        assert len(parts) <= 62


@given(DATES)
def test_numbers_are_the_days(day: date) -> None:
    assert day_of(number_of(day)) == day
    assert last_of_month(day) + timedelta(days=1) == (day.replace(day=28) + timedelta(days=4)).replace(day=1)


def test_a_day_is_as_long_as_it_is_there() -> None:
    def hours(zone: str, day: date) -> float:
        since, until = Days(day, day).bounds(ZoneInfo(zone))
        return (until - since) / timedelta(hours=1)

    assert hours("Asia/Shanghai", date(2026, 3, 29)) == 24
    assert hours("Europe/Berlin", date(2026, 3, 29)) == 23
    assert hours("Europe/Berlin", date(2026, 10, 25)) == 25


def test_days_begin_at_the_nodes_midnight() -> None:
    since, _ = Days(date(2026, 3, 1), date(2026, 3, 1)).bounds(ZoneInfo("Asia/Shanghai"))
    assert since == datetime(2026, 2, 28, 16, tzinfo=UTC)


def test_overlap() -> None:
    at = [datetime(2026, 1, day, tzinfo=UTC) for day in range(1, 6)]
    assert overlap_ms((at[0], at[3]), (at[1], at[4])) == 2 * 86_400_000
    assert overlap_ms((at[0], at[1]), (at[2], at[3])) == 0
