"""The checker's book finds what it is there to find, and nothing else."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.lab.book import Book


def alert(alert_id: str, terminal: str, *press_ids: str, count: int | None = None, **more: Any) -> dict[str, Any]:
    return {
        "id": alert_id,
        "source": {"type": "terminal", "id": terminal, "name": None, "known": True},
        "detail": {"press_ids": list(press_ids)},
        "count": len(press_ids) if count is None else count,
        "receipts": {"received_at": "…"},
        "version": 1,
        "workflow": "new",
    } | more


def book(*presses: tuple[str, str, str | None]) -> Book:
    """(terminal, press_id, the alert it heard of or None)."""
    written = Book()
    for terminal, press_id, alert_id in presses:
        written.pressed(terminal, press_id, 1.0)
        if alert_id is not None:
            written.heard(terminal, press_id, "received", alert_id, 2.0)
    return written


def test_a_press_that_every_level_has_is_clean() -> None:
    verdict = book(("tv-1", "p", "a")).verdict([alert("a", "tv-1", "p")], [alert("a", "tv-1", "p", version=7)])
    assert verdict.clean
    assert verdict.kept
    assert verdict.sentences() == []
    assert verdict.counts()["received"] == 1


def test_an_acknowledged_press_that_a_level_lacks_is_lost_there() -> None:
    written = book(("tv-1", "p", "a"))
    assert written.verdict([], []).lost == ((("tv-1", "p"), (0, 1)),)
    above = written.verdict([alert("a", "tv-1", "p")], [])
    assert above.lost == ((("tv-1", "p"), (1,)),)
    assert not above.kept
    assert "tv-1/p (levels 1)" in above.sentences()[0]


def test_a_press_that_was_never_acknowledged_may_be_missing_but_is_unanswered() -> None:
    verdict = book(("tv-1", "p", None)).verdict([], [])
    assert verdict.kept
    assert verdict.unanswered == (("tv-1", "p"),)
    assert not verdict.clean
    assert book(("tv-1", "p", None)).verdict([], [], everything=False).clean


def test_two_alerts_of_one_press_are_doubled() -> None:
    shown = [alert("a", "tv-1", "p"), alert("b", "tv-1", "p")]
    assert book(("tv-1", "p", "a")).verdict(shown).doubled == (("tv-1", "p"),)


def test_a_press_counted_twice_in_its_alert_is_doubled() -> None:
    assert book(("tv-1", "p", "a")).verdict([alert("a", "tv-1", "p", count=2)]).doubled == (("tv-1", "p"),)


def test_the_same_id_of_two_terminals_is_two_presses() -> None:
    shown = [alert("a", "tv-1", "p"), alert("b", "tv-2", "p")]
    assert book(("tv-1", "p", "a"), ("tv-2", "p", "b")).verdict(shown).clean


def test_another_alert_than_was_told_is_a_change() -> None:
    assert book(("tv-1", "p", "x")).verdict([alert("a", "tv-1", "p")]).changed == (("tv-1", "p"),)


def test_two_alerts_told_for_one_press_are_a_change() -> None:
    written = book(("tv-1", "p", "a"))
    written.heard("tv-1", "p", "forwarded", "b", 3.0)
    assert written.verdict([alert("a", "tv-1", "p")]).changed == (("tv-1", "p"),)


def test_what_nobody_pressed_is_invented() -> None:
    assert Book().verdict([alert("a", "tv-1", "p")]).invented == (("tv-1", "p"),)


def test_levels_are_compared_but_for_what_is_each_nodes_own() -> None:
    written = book(("tv-1", "p", "a"))
    home, county = alert("a", "tv-1", "p"), alert("a", "tv-1", "p", workflow="acknowledged")
    assert written.verdict([home], [county]).unequal == ("a",)
    assert written.verdict([home], [county], everything=False).clean
    assert written.verdict([home], [alert("a", "tv-1", "p"), alert("b", "tv-1")]).unequal == ("b",)


def test_alerts_of_cameras_and_nodes_are_passed_over() -> None:
    silent = alert("n", "low", source={"type": "node", "id": "low", "name": None, "known": True})
    assert Book().verdict([], [silent]).clean


def test_answers_to_nobody_and_unknown_stages_are_left_out() -> None:
    written = book(("tv-1", "p", None))
    written.heard("tv-2", "q", "received", "a", 1.0)
    written.heard("tv-1", "p", "nonsense", "a", 1.0)
    assert written.waiting() == [("tv-1", "p")]


def test_an_earlier_page_knows_what_was_heard_by_then() -> None:
    written = book(("tv-1", "p", "a"))  # pressed at 1, heard at 2
    written.pressed("tv-1", "q", 5.0)
    assert written.until(1.5).waiting() == [("tv-1", "p")]
    assert written.until(2.0).received() == [("tv-1", "p")]
    assert len(written.until(2.0).pages) == 1


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 30), st.booleans()), unique_by=lambda p: p[:2]),
    st.data(),
)
def test_whatever_acknowledged_press_is_taken_away_is_missed(
    presses: list[tuple[int, int, bool]], data: st.DataObject
) -> None:
    written = book(*((f"tv-{t}", f"p{p}", f"a-{t}-{p}" if told else None) for t, p, told in presses))
    shown = [alert(f"a-{t}-{p}", f"tv-{t}", f"p{p}") for t, p, _ in presses]
    assert written.verdict(shown, shown).kept
    gone = data.draw(st.sets(st.sampled_from(range(len(presses))))) if presses else set()
    left = [one for number, one in enumerate(shown) if number not in gone]
    verdict = written.verdict(shown, left, everything=False)
    assert len(verdict.lost) == sum(presses[number][2] for number in gone)
