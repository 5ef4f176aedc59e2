from hypothesis import given
from hypothesis import strategies as st

from gateway.supervision.health import KeyframePace


def paced(*times: float) -> KeyframePace:
    pace = KeyframePace()
    for at in times:
        pace.note(at)
    return pace


def test_without_a_keyframe_nothing_is_alive() -> None:
    assert not KeyframePace().alive(5.0)


def test_ten_seconds_where_keyframes_are_frequent() -> None:
    pace = paced(0, 2, 4)
    assert pace.alive(14.0)
    assert not pace.alive(14.1)


def test_three_groups_where_they_are_rare() -> None:
    pace = paced(0, 8, 16, 24)
    assert pace.limit() == 24
    assert pace.alive(48.0)
    assert not pace.alive(48.1)


def test_a_break_is_no_interval() -> None:
    pace = paced(0, 2)
    pace.broken()
    pace.note(600)
    assert pace.limit() == 10


def test_only_the_last_ten_intervals_count() -> None:
    pace = paced(*range(0, 600, 30))
    for at in range(1000, 1012):
        pace.note(at)
    assert pace.limit() == 10


@given(st.lists(st.floats(0, 1e6), max_size=30))
def test_the_limit_is_never_under_ten_seconds(times: list[float]) -> None:
    assert paced(*times).limit() >= 10
