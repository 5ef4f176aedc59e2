from adapters.cascade.addresses import RETURN_AFTER, Addresses


def test_one_address_is_always_the_one():
    only = Addresses("a")
    only.failed("a", 0)
    assert (only.current(1), only.order(1), only.order(1, elsewhere=True)) == ("a", ("a",), ("a",))


def test_one_that_answered_is_kept_for_a_while_then_the_first_has_its_turn():
    several = Addresses("a", ["b", "c", "a"])
    assert several.order(0) == ("a", "b", "c")
    several.reached("b", 10)
    assert several.order(11) == ("b", "c", "a")
    several.reached("b", 60)
    assert several.current(10 + RETURN_AFTER) == "a"


def test_one_that_failed_lets_the_next_be_tried():
    several = Addresses("a", ["b", "c"])
    several.failed("a", 0)
    several.failed("a", 0)  # said again by another request of the same moment
    assert several.current(1) == "b"
    several.failed("b", 1)
    several.failed("c", 1)
    assert several.current(2) == "a"


def test_a_second_try_beside_the_first_goes_elsewhere():
    assert Addresses("a", ["b", "c"]).order(0, elsewhere=True) == ("b", "c", "a")
