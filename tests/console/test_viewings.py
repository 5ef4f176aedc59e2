from gateway.console.viewings import Viewings


def test_a_viewing_goes_on_while_its_ranges_come_and_ends_after_ten_minutes() -> None:
    viewings = Viewings()
    assert not viewings.known("wang", "clip", 0.0)
    viewings.began("wang", "clip", 0.0)
    assert not viewings.known("li", "clip", 1.0)
    assert not viewings.known("wang", "other", 1.0)
    assert viewings.known("wang", "clip", 500.0)
    assert viewings.known("wang", "clip", 1000.0)
    assert not viewings.known("wang", "clip", 1601.0)


def test_what_is_remembered_is_bounded_and_the_oldest_goes() -> None:
    viewings = Viewings()
    for number in range(1001):
        viewings.began("wang", str(number), float(number) / 1000)
    assert not viewings.known("wang", "0", 2.0)
    assert viewings.known("wang", "1000", 2.0)
