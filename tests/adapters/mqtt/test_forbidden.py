"""Whose Response Topics are left alone, and for how long."""

from structlog.testing import capture_logs

from adapters.mqtt.forbidden import Forbidden


def test_a_terminal_is_left_alone_for_a_while_and_then_tried_again() -> None:
    forbidden = Forbidden()
    assert not forbidden.holds("tv-0001", 100.0)
    forbidden.add("tv-0001", 100.0, "no")
    assert forbidden.holds("tv-0001", 699.0)
    assert not forbidden.holds("tv-0002", 100.0)
    assert not forbidden.holds("tv-0001", 700.0)


def test_the_first_is_a_warning_and_memory_is_bounded() -> None:
    forbidden = Forbidden()
    with capture_logs() as logs:
        for number in range(10_001):
            forbidden.add(f"tv-{number}", 0.0, "no")
    assert [line["log_level"] for line in logs[:2]] == ["warning", "debug"]
    assert not forbidden.holds("tv-0", 1.0)
    assert forbidden.holds("tv-1", 1.0) and forbidden.holds("tv-10000", 1.0)
