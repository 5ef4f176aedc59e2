from hypothesis import given
from hypothesis import strategies as st

from gateway.console.states import States


def note(states: States, id_: str, key: object, event: str = "camera") -> bool:
    return states.note(event, id_, None, (key,), lambda: f"{id_}={key}")


def test_only_a_change_is_rendered_and_told() -> None:
    states = States()
    assert note(states, "a", 1)
    assert note(states, "b", 1)
    seen = states.revision
    assert not note(states, "a", 1)
    assert states.after(seen) == []
    assert note(states, "a", 2)
    assert [state.data for state in states.after(seen)] == ["a=2"]
    assert [state.data for state in states.after(0)] == ["b=1", "a=2"]


def test_what_is_gone_is_forgotten_and_revisions_go_on() -> None:
    states = States()
    note(states, "a", 1)
    note(states, "a", 1, "terminal")
    states.forget("camera", {"b"})
    assert [state.event for state in states.after(0)] == ["terminal"]
    states.clear()
    assert states.after(0) == []
    note(states, "a", 1)
    assert states.revision == 3


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 2))), st.integers(0, 20))
def test_a_stream_is_told_each_change_it_has_not_seen_once_and_in_order(
    changes: list[tuple[str, int]], at: int
) -> None:
    states, seen = States(), 0
    expected: dict[str, int] = {}
    newest: dict[str, int] = {}
    for number, (id_, key) in enumerate(changes):
        if number == at:
            seen, expected = states.revision, {}
        if note(states, id_, key):
            expected.pop(id_, None)
            expected[id_] = key
        newest[id_] = key
    assert [state.data for state in states.after(seen)] == [f"{id_}={key}" for id_, key in expected.items()]
    assert {state.data for state in states.after(0)} == {f"{id_}={key}" for id_, key in newest.items()}
