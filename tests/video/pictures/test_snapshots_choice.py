"""Which keyframe a wanted offset gets; the desk itself is tested in test_snapshots.py."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from gateway.model import Keyframe, PictureTask
from gateway.video.pictures.choice import choose

ZERO = 1000.0


def task(wanted_ms: int) -> PictureTask:
    return PictureTask("alert", "snapshot", "camera", wanted_ms, datetime(2026, 1, 1, tzinfo=UTC), ZERO, "boot")


def frames(*offsets: float) -> list[Keyframe]:
    return [Keyframe(f"k{offset}", ZERO + offset) for offset in offsets]


def test_before_the_press_the_newest_at_or_before_the_wanted_moment_is_taken() -> None:
    assert choose(task(-5000), frames(-9, -7, -5.5, -4), ZERO).offset_ms == -5500


def test_a_ring_that_does_not_reach_back_gives_its_oldest_from_before_the_press() -> None:
    assert choose(task(-5000), frames(-3, -1, 1), ZERO + 2).offset_ms == -3000


def test_a_picture_from_after_the_press_never_poses_as_one_from_before() -> None:
    choice = choose(task(-5000), frames(0.5, 2), ZERO + 3)
    assert choice.keyframe is None
    assert choice.reason == "no picture from before the press was kept"


def test_a_keyframe_of_another_time_is_not_shown() -> None:
    choice = choose(task(-5000), frames(-90), ZERO)
    assert choice.reason == "the camera had sent no picture for 90 s before the press"


def test_the_moment_of_the_press_is_shown_at_once() -> None:
    assert choose(task(0), frames(-9, -1.2), ZERO + 0.01).offset_ms == -1200


def test_the_moment_of_the_press_waits_for_the_first_picture_of_a_camera_that_has_none() -> None:
    assert choose(task(0), [], ZERO + 1).wait > 0
    assert choose(task(0), frames(1.5), ZERO + 2).offset_ms == 1500


def test_after_the_press_the_first_at_or_after_the_wanted_moment_is_awaited() -> None:
    assert choose(task(3000), frames(-1, 1), ZERO + 1).wait == 2.0
    assert choose(task(3000), frames(-1, 1, 2.9), ZERO + 3.5).wait > 0
    assert choose(task(3000), frames(-1, 1, 2.9, 4.9, 6.9), ZERO + 7).offset_ms == 4900


def test_when_patience_ends_the_newest_after_the_press_is_better_than_none() -> None:
    assert choose(task(10_000), frames(-1, 4), ZERO + 26).offset_ms == 4000
    assert choose(task(10_000), frames(-1), ZERO + 26).reason == "no picture came from the camera"


@given(
    st.integers(-60_000, 60_000),
    st.lists(st.floats(-100, 100), max_size=20).map(sorted),
    st.floats(0, 200),
)
def test_a_choice_is_exactly_one_of_picture_reason_and_wait(wanted: int, offsets: list[float], later: float) -> None:
    known = [frame for frame in frames(*offsets) if frame.received_mono <= ZERO + later]
    choice = choose(task(wanted), known, ZERO + later)
    assert sum((choice.keyframe is not None, choice.reason is not None, choice.wait > 0)) == 1
    if choice.keyframe is not None:
        assert choice.keyframe in known
        if wanted < 0:
            assert choice.keyframe.received_mono <= ZERO
    if later > max(0, wanted / 1000) + 16:
        assert choice.wait == 0
