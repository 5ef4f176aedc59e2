"""Twice before a verdict, twice before it clears."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.video.diagnosis.standing import Standing

ALL = frozenset({"black", "covered", "blurred"})


def test_one_look_is_no_verdict_and_two_are() -> None:
    standing = Standing()
    assert not standing.note({"covered"}, ALL)
    assert standing.unsettled
    assert standing.note({"covered"}, ALL).begun == {"covered"}
    assert standing.faults == ("covered",)
    assert not standing.unsettled


def test_a_lorry_that_passes_is_forgotten() -> None:
    standing = Standing()
    for found in ({"covered"}, set(), {"covered"}, set()):
        assert not standing.note(found, ALL)
    assert standing.faults == ()


def test_it_clears_after_two_looks_without() -> None:
    standing = Standing()
    standing.adopt(["covered"])
    assert not standing.note(set(), ALL)
    assert standing.unsettled
    assert standing.note(set(), ALL).ended == {"covered"}
    assert standing.faults == ()


def test_what_a_look_could_not_see_stays_as_it_stands() -> None:
    standing = Standing()
    standing.adopt(["covered"])
    for _ in range(5):
        assert not standing.note(set(), ALL - {"covered"})
    assert standing.faults == ("covered",)


def test_what_is_switched_off_stands_no_longer() -> None:
    standing = Standing()
    standing.adopt(["covered", "black"])
    assert standing.drop("covered")
    assert not standing.drop("covered")
    assert standing.faults == ("black",)


@given(st.lists(st.frozensets(st.sampled_from(sorted(ALL))), max_size=30))
def test_what_begins_ends_before_it_begins_again(looks) -> None:
    standing, stands = Standing(), set()
    for found in looks:
        turned = standing.note(found, ALL)
        assert not turned.begun & stands
        assert turned.ended <= stands
        stands = (stands | turned.begun) - turned.ended
        assert set(standing.faults) == stands
        assert turned.begun <= found
        assert not turned.ended & found


def test_it_remembers_what_was_unknown_when_a_fault_began_and_only_then() -> None:
    standing = Standing()
    standing.note({"covered"}, ALL, frozenset({"kept", "tint"}))
    standing.note({"covered"}, ALL, frozenset({"kept"}))
    standing.note({"covered", "black"}, ALL, frozenset())
    assert standing.begun_without == {"covered": {"kept"}}
    standing.adopt(["blurred", "covered"], ["home"])
    assert standing.begun_without == {"covered": {"kept"}, "blurred": {"home"}}
    standing.drop("covered")
    assert set(standing.begun_without) == {"blurred"}
    standing.note(set(), ALL)
    standing.note(set(), ALL)
    assert standing.begun_without == {}
