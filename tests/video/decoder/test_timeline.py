import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.video.decoder.timeline import CLOCK_RATE, JUMP_S, STEP, decoding, presentation

FRAME = CLOCK_RATE // 25


def stream(count: int, start: int = 0, first: float = 100.0) -> tuple[list[float], list[int]]:
    """``count`` pictures at 25/s as a sound camera sends them over an ideal network."""
    return [first + n / 25 for n in range(count)], [(start + n * FRAME) % 2**32 for n in range(count)]


def steps(shown: list[int]) -> set[int]:
    return {later - earlier for earlier, later in pairwise(shown)}


def test_a_sound_camera_is_followed_exactly_through_the_wrap_of_its_clock() -> None:
    received, rtp = stream(2000, start=2**32 - 500 * FRAME)
    assert presentation(received, rtp, ()) == [n * FRAME for n in range(2000)]


def test_the_networks_jitter_is_not_shown() -> None:
    received, rtp = stream(2000)
    dice = random.Random(5)
    jittered = [at + dice.uniform(0, 0.2) for at in received]
    assert steps(presentation(jittered, rtp, ())) == {FRAME}


def test_a_network_that_held_everything_up_for_a_second_is_not_shown() -> None:
    received, rtp = stream(200)
    held = [max(at, 105.2) if at > 104.2 else at for at in received]
    shown = presentation(held, rtp, ())
    assert max(steps(shown)) < FRAME * 1.45
    assert abs(shown[-1] - 199 * FRAME) < CLOCK_RATE * 0.4


@pytest.mark.parametrize("jump_s", [3600 * 3, -3600 * 3, 60, -60, -0.5])
def test_a_clock_that_jumps_is_followed_from_there_on(jump_s: float) -> None:
    received, rtp = stream(500, start=10 * 3600 * CLOCK_RATE % 2**32)
    jumped = [(time + (round(jump_s * CLOCK_RATE) if n >= 250 else 0)) % 2**32 for n, time in enumerate(rtp)]
    shown = presentation(received, jumped, ())
    assert steps(shown) == {FRAME}


def test_a_gap_keeps_its_true_time_whatever_the_clock_after_it() -> None:
    before, after = stream(100), stream(100, start=777, first=117.0)
    shown = presentation(before[0] + after[0], before[1] + after[1], {0, 100})
    assert shown[100] == 17 * CLOCK_RATE
    assert shown[199] - shown[100] == 99 * FRAME


def test_a_clock_of_the_wrong_rate_is_pulled_back_smoothly() -> None:
    received = [100 + n / 20 for n in range(1200)]  # says 25 pictures a second, sends 20
    shown = presentation(received, [n * FRAME for n in range(1200)], ())
    assert abs(shown[-1] / CLOCK_RATE - 1199 / 20) < 0.8
    assert max(steps(shown)) < CLOCK_RATE / 20 * 1.2


@pytest.mark.parametrize("step", [0, 1, 40, 9 * FRAME])
def test_a_clock_that_is_none_leaves_ours(step: int) -> None:
    received, _ = stream(500)
    assert steps(presentation(received, [5 + step * n for n in range(500)], ())) == {FRAME}


def test_two_pictures_of_one_time_are_shown_when_they_came() -> None:
    received, rtp = stream(100)
    rtp[50] = rtp[49]
    shown = presentation(received, rtp, ())
    assert shown[50] == 50 * FRAME


def test_b_frames_keep_their_order_of_decoding_and_of_showing() -> None:
    order = [0, *(n for anchor in range(3, 90, 3) for n in (anchor, anchor - 2, anchor - 1))]
    received, _ = stream(len(order))
    rtp = [n * FRAME for n in order]
    shown = presentation(received, rtp, ())
    assert shown == rtp
    times = decoding(shown)
    assert steps(times) == {FRAME}
    assert times[0] == -FRAME


def test_without_b_frames_decoding_is_showing() -> None:
    assert decoding([0, 5, 9]) == [0, 5, 9]
    assert decoding([]) == []


@given(
    st.lists(st.tuples(st.floats(0, 5), st.integers(0, 2**32 - 1) | st.integers(0, 90_000)), min_size=1, max_size=60),
    st.sets(st.integers(0, 60)),
)
def test_whatever_a_camera_says_time_goes_on_and_stays_near_ours(
    units: list[tuple[float, int]], restarts: set[int]
) -> None:
    now, received = 50.0, []
    for wait, _ in units:
        now += wait
        received.append(now)
    shown = presentation(received, [time for _, time in units], restarts)
    assert len(set(shown)) == len(shown)
    times = decoding(shown)
    assert all(later > earlier for earlier, later in pairwise(times))
    assert all(decoded <= at for decoded, at in zip(times, shown, strict=True))
    room = (JUMP_S + 2) * CLOCK_RATE + 2 * STEP * len(units)
    for at, ours in zip(shown, received, strict=True):
        assert abs(at - (ours - received[0]) * CLOCK_RATE) <= room
