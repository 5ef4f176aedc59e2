"""Repeats of a press whose answer is still on its way."""

from adapters.mqtt.owed import Owed
from gateway.model import Accepted, Press, ReplyTo, Stage

ACCEPTED = Accepted("alert", "p1", Stage.RECEIVED)


def press(press_id: str | None = "p1", repeat_key: str | None = None, reply_to: ReplyTo | None = None) -> Press:
    return Press(press_id, repeat_key, "digest", False, reply_to)


def test_a_repeat_is_known_until_the_answer_has_left() -> None:
    owed = Owed()
    owed.began("tv", press(), 0.0).accepted = ACCEPTED
    assert owed.repeat("tv", press(), 9.9) == ACCEPTED
    owed.told("tv", "p1")
    assert owed.repeat("tv", press(), 9.9) is None


def test_what_is_not_on_disk_yet_is_not_known() -> None:
    owed = Owed()
    owed.began("tv", press(), 0.0)
    assert owed.repeat("tv", press(), 0.1) is None


def test_an_answer_that_left_before_the_commit_was_told_here() -> None:
    owed = Owed()
    debt = owed.began("tv", press(), 0.0)
    owed.told("tv", "p1")
    debt.accepted = ACCEPTED
    assert owed.repeat("tv", press(), 0.1) is None


def test_after_ten_seconds_the_ledger_is_asked_again() -> None:
    owed = Owed()
    owed.began("tv", press(), 0.0).accepted = ACCEPTED
    assert owed.repeat("tv", press(), 10.0) is None


def test_another_press_terminal_or_address_is_no_repeat() -> None:
    owed = Owed()
    owed.began("tv", press(), 0.0).accepted = ACCEPTED
    assert owed.repeat("tv", press("p2"), 0.1) is None
    assert owed.repeat("other", press(), 0.1) is None
    assert owed.repeat("tv", press(reply_to=ReplyTo("tv/tv/here", b"1")), 0.1) is None


def test_a_press_without_any_name_is_never_a_repeat() -> None:
    owed = Owed()
    owed.began("tv", press(None), 0.0).accepted = ACCEPTED
    assert owed.repeat("tv", press(None), 0.1) is None


def test_it_is_bounded() -> None:
    owed = Owed()
    for number in range(10_001):
        owed.began("tv", press(str(number)), 0.0).accepted = ACCEPTED
    assert owed.repeat("tv", press("0"), 0.1) is None
    assert owed.repeat("tv", press("1"), 0.1) == ACCEPTED
