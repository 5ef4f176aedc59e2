"""Since when a camera is lost, and when coming and going becomes flapping."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.supervision.losses import Damping, Losses

RULE = Damping(flaps=4, steady_s=900)


def bounced(times: int, *, every: float = 60.0, start: float = 0.0) -> Losses:
    """Lost at the start of each span and there again in its middle."""
    losses = Losses(RULE)
    for turn in range(times):
        losses.lost("c", start + turn * every)
        losses.stands("c", start + turn * every + every / 2)
    return losses


def test_a_camera_is_lost_since_it_went() -> None:
    losses = Losses(RULE)
    losses.stands("c", 0)
    assert losses.since("c") is None
    losses.lost("c", 10)
    losses.lost("c", 20)
    assert (losses.since("c"), losses.away()) == (10, ["c"])
    losses.stands("c", 30)
    assert (losses.since("c"), losses.away()) == (None, [])


def test_three_times_an_hour_is_bad_luck_and_four_are_flapping() -> None:
    assert not bounced(3).is_away("c")
    flapping = bounced(4)
    assert flapping.is_flapping("c")
    assert flapping.is_away("c")
    assert flapping.since("c") == 180


def test_losses_over_more_than_an_hour_are_none() -> None:
    assert not bounced(8, every=1300).is_away("c")


def test_it_flaps_until_it_has_stood_for_long_enough() -> None:
    losses = bounced(4)  # there again since 210
    losses.stands("c", 1109)
    assert losses.is_flapping("c")
    losses.stands("c", 1110)
    assert not losses.is_away("c")
    losses.lost("c", 1200)
    assert not losses.is_flapping("c")  # what was before is over


def test_a_loss_that_is_not_counted_never_flaps() -> None:
    losses = Losses(RULE)
    for turn in range(9):
        losses.lost("c", turn * 10, counted=False)
        losses.stands("c", turn * 10 + 5)
    assert not losses.is_away("c")


def test_beginning_anew_forgets_what_it_was_part_of() -> None:
    losses = bounced(4)
    losses.begin_anew("c", 230)
    assert not losses.is_away("c")
    losses.lost("c", 240)
    losses.begin_anew("c", 300)
    assert (losses.since("c"), losses.is_flapping("c")) == (300, False)


def test_what_flapped_before_a_restart_has_to_stand_first() -> None:
    losses = Losses(RULE)
    losses.remember_flapping("c", 0)
    losses.stands("c", 899)
    assert losses.is_away("c")
    losses.stands("c", 900)
    assert not losses.is_away("c")


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 600)), max_size=60))
def test_a_lost_camera_is_away_and_what_stood_for_long_is_not(story: list[tuple[bool, float]]) -> None:
    losses, now, lost = Losses(RULE), 0.0, False
    for lost, wait in story:
        now += wait
        (losses.lost if lost else losses.stands)("c", now)
        assert losses.is_away("c") or not lost
    losses.stands("c", now)
    losses.stands("c", now + 901)
    assert not losses.is_away("c")
