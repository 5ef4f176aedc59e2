from hypothesis import given
from hypothesis import strategies as st

from adapters.notify.pace import ROBOT_A_MINUTE, Pace


@given(st.lists(st.floats(0, 20), max_size=200))
def test_no_minute_holds_more_than_the_robot_takes(gaps: list[float]) -> None:
    pace, now = Pace(), 0.0
    sent: list[float] = []
    for gap in gaps:
        now += gap
        wait = pace.take(now)
        assert 0 <= wait <= 60
        if wait == 0:
            sent.append(now)
    for begin in sent:
        assert sum(begin <= at < begin + 60 - 1e-6 for at in sent) <= ROBOT_A_MINUTE


def test_the_wait_that_is_named_is_enough_and_needed() -> None:
    pace = Pace()
    for at in range(ROBOT_A_MINUTE):
        assert pace.take(float(at)) == 0
    assert pace.take(20.0) == 40
    assert pace.take(59.0) > 0
    assert pace.take(60.0) == 0
    assert pace.take(60.5) == 0.5


def test_a_receiver_that_said_too_much_is_left_alone_until_then() -> None:
    pace = Pace()
    pace.close(0.0, 60)
    pace.close(0.0, 5)
    assert pace.take(50.0) == 10
    assert pace.take(60.0) == 0
