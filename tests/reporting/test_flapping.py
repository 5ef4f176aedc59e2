"""What flaps is told once, what stands is told soon, and nothing is forgotten."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.reporting.flapping import STAND_S, WINDOW_S, FlapFilter


def test_the_first_state_is_told_at_once_and_another_once_it_has_stood() -> None:
    flaps = FlapFilter()
    assert flaps.offer("c", "online", 0)
    assert flaps.offer("c", "online", 1)
    assert not flaps.offer("c", "offline", 2)
    assert list(flaps.due(2 + STAND_S - 0.5)) == []
    assert list(flaps.due(2 + STAND_S)) == [("c", False)]
    assert list(flaps.due(3 + STAND_S)) == []
    assert flaps.offer("c", "offline", 4 + STAND_S)


def test_a_blink_is_never_told() -> None:
    flaps = FlapFilter()
    flaps.offer("c", "online", 0)
    flaps.offer("c", "offline", 10)
    flaps.offer("c", "online", 11)
    assert [told for now in range(11, 200) for told in flaps.due(now)] == []
    assert flaps.offer("c", "online", 200)


def test_what_changes_on_and_on_is_told_once_as_flapping_and_plainly_when_it_has_calmed() -> None:
    flaps = FlapFilter()
    flaps.offer("c", "online", 0)
    told = []
    for now in range(1, 201):
        flaps.offer("c", "offline" if (now // 5) % 2 and now < 100 else "online", now)
        told += [(now, *each) for each in flaps.due(now)]
    as_flapping = [now for now, _, flapping in told if flapping]
    assert len(as_flapping) == 1
    assert told[-1] == (100 + WINDOW_S, "c", False)
    assert len([each for each in told if each[0] > as_flapping[0]]) == 1


@given(st.lists(st.tuples(st.floats(0.1, 30), st.sampled_from("ab")), max_size=60))
def test_a_minute_after_the_last_change_it_is_told_as_it_stands(steps: list[tuple[float, str]]) -> None:
    flaps, now, told, state = FlapFilter(), 0.0, "a", "a"
    flaps.offer("c", "a", now)
    flapping = False
    for pause, after in steps:
        now, state = now + pause, after
        if flaps.offer("c", state, now):
            told, flapping = state, False
        for _, flaps_now in flaps.due(now):
            told, flapping = state, flaps_now
    for second in range(62):
        for _, flaps_now in flaps.due(now + second):
            told, flapping = state, flaps_now
    assert (told, flapping) == (state, False)
    assert flaps.offer("c", state, now + 62)


@given(st.lists(st.floats(0.1, 14), min_size=20, max_size=80))
def test_a_rattling_device_is_told_no_more_than_a_handful_of_times(pauses: list[float]) -> None:
    flaps, now, told = FlapFilter(), 0.0, 0
    flaps.offer("c", 0, now)
    for number, pause in enumerate(pauses, 1):
        now += pause
        flaps.offer("c", number % 2, now)
        told += len(list(flaps.due(now)))
    assert told <= 4
