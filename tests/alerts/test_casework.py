from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.alerts import casework
from gateway.alerts.lifecycle import apply, fold
from gateway.alerts.taxonomy import CaseClass, Limits, SubClass, Taxonomy
from gateway.model import Alert, Entry, Kind, rfc3339

START = datetime(2026, 5, 1, 8, 0, tzinfo=UTC)
TAXONOMY = Taxonomy(
    (
        CaseClass(
            "02",
            "家庭求助",
            (
                SubClass("0201", "一键求助", 1, "综治中心", frozenset({Kind.SOS}), limits=Limits(60, 180, 3600)),
                SubClass("0204", "走失寻人", 2, "派出所", limits=Limits(60, 300, 43200)),
            ),
        ),
    )
)


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


class History:
    """Entries of one alert, each seeing all before it."""

    def __init__(self, case: Any = None) -> None:
        found = TAXONOMY.case_of(Kind.SOS, START) if case is None else case
        base = {"kind": "sos", "severity": 1, "raised_at": rfc3339(START), "detail": {"case": found}}
        self.entries = [Entry("e0", "a", "town", 1, (), START, "terminal/tv", "raised", None, {"base": base})]

    def act(self, minutes: float, action: str, **data: Any) -> "History":
        number = len(self.entries)
        parents = (self.entries[-1].id,)
        self.entries.append(
            Entry(f"e{number}", "a", "town", number + 1, parents, at(minutes), "wang", action, None, data)
        )
        return self

    @property
    def alert(self) -> Alert:
        found = fold(self.entries)
        assert found is not None
        step = fold(self.entries[:1])
        for entry in self.entries[1:]:
            assert step is not None
            step = apply(step, entry)
        assert step == found  # one by one is the same as all together
        return found

    @property
    def case(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.alert.detail["case"]
        return found


def test_the_steps_are_noted_once() -> None:
    told = History().act(1, "acknowledge").act(2, "dispatch", department="派出所").act(3, "dispatch").act(9, "arrive")
    told.act(30, "close", disposition="real")
    assert told.case["done"] == {
        "register": rfc3339(at(1)),
        "dispatch": rfc3339(at(2)),
        "arrive": rfc3339(at(9)),
        "close": rfc3339(at(30)),
    }
    assert told.case["department"] == "派出所"
    assert casework.due(told.case, "close", at(30)) == at(60)


def test_a_deferral_moves_the_closing_and_is_counted() -> None:
    told = History().act(1, "acknowledge").act(5, "defer", until=rfc3339(at(600))).act(6, "defer", until="soon")
    assert casework.due(told.case, "close", at(7)) == at(600)
    assert casework.due(told.case, "dispatch", at(7)) == at(3)
    assert casework.counted(told.case, "deferred") == 2


def test_while_it_is_suspended_the_clock_stands_still() -> None:
    told = History().act(1, "acknowledge").act(2, "suspend")
    assert casework.suspension(told.case, at(102)) == 100 * 60
    assert casework.due(told.case, "close", at(102)) == at(160)
    told.act(102, "dispatch")
    assert "suspended_at" not in told.case
    assert casework.suspension(told.case, at(500)) == 100 * 60
    assert casework.due(told.case, "close", at(500)) == at(160)
    assert casework.due(told.case, "register", at(500)) == at(1)  # was done before


def test_a_suspension_ends_at_its_date() -> None:
    told = History().act(1, "acknowledge").act(2, "suspend", until=rfc3339(at(12)))
    assert casework.suspension(told.case, at(500)) == 10 * 60
    told.act(400, "close", disposition="real")
    assert told.case["suspended_s"] == 10 * 60
    assert casework.due(told.case, "close", at(500)) == at(70)


def test_notes_and_urging_do_not_end_a_suspension() -> None:
    told = History().act(2, "suspend").act(3, "note").act(4, "urge").act(5, "urge")
    assert casework.suspension(told.case, at(10)) == 8 * 60
    assert casework.counted(told.case, "urged") == 2


def test_what_goes_back_is_dispatched_anew() -> None:
    told = History().act(1, "acknowledge").act(2, "dispatch").act(4, "arrive").act(5, "return")
    assert set(told.case["done"]) == {"register"}
    assert casework.counted(told.case, "returned") == 1
    assert told.act(8, "dispatch").case["done"]["dispatch"] == rfc3339(at(8))


def test_a_reopened_case_is_closed_anew() -> None:
    told = History().act(1, "acknowledge").act(5, "close", disposition="real").act(6, "reopen")
    assert set(told.case["done"]) == {"register"}
    assert told.act(9, "close", disposition="real").case["done"]["close"] == rfc3339(at(9))


def test_nothing_happens_to_a_closed_case() -> None:
    told = History().act(5, "close", disposition="real")
    before = told.case
    told.act(6, "urge").act(7, "defer", until=rfc3339(at(600))).act(8, "suspend")
    told.act(9, "assign", case=TAXONOMY.carried("0204"))
    assert told.case == before


def test_a_closing_that_counts_for_nothing_closes_no_case() -> None:
    assert "close" not in History().act(5, "close").case.get("done", {})


def test_another_sub_class_brings_its_own_limits_and_keeps_what_was_done() -> None:
    told = History().act(1, "acknowledge").act(2, "assign", case=TAXONOMY.carried("0204"), assignee="li")
    assert (told.case["subclass"], told.case["grade"], told.case["department"]) == ("0204", 2, "派出所")
    assert casework.due(told.case, "dispatch", at(2)) == at(5) and casework.due(told.case, "close", at(2)) == at(720)
    assert set(told.case["done"]) == {"register"}
    assert told.alert.severity == 1  # what was raised as grave stays so


def test_a_deferral_that_was_granted_survives_another_sub_class() -> None:
    told = History().act(1, "defer", until=rfc3339(at(900))).act(2, "assign", case=TAXONOMY.carried("0204"))
    assert casework.due(told.case, "close", at(2)) == at(900)


def test_an_alert_without_a_case_gets_one_by_hand_and_else_stays_without() -> None:
    bare = History(case={})
    assert bare.act(1, "acknowledge").act(2, "urge").alert.detail == {"case": {}}
    given = bare.act(3, "assign", case=TAXONOMY.carried("0204")).case
    assert given["subclass"] == "0204" and given["due"]["close"] == rfc3339(at(720))


@pytest.mark.parametrize("case", [{}, {"subclass": "x"}, {"subclass": "x", "grade": True}, 7, {"grade": 2}])
def test_a_class_that_makes_no_sense_changes_nothing(case: Any) -> None:
    told = History()
    before = told.case
    assert told.act(1, "assign", case=case).case == before


_ACTIONS = ["acknowledge", "dispatch", "arrive", "close", "cancel", "reopen", "return", "urge", "defer", "suspend"]
_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8) | st.just(rfc3339(at(5))),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["due", "done", "suspended_at", "suspended_until", "suspended_s", "close", "register", "urged", "grade",
         "subclass", "limits", "department", "deferred"]), inner, max_size=5),
    max_leaves=12,
)  # fmt: skip
_ACT = st.tuples(
    st.sampled_from([*_ACTIONS, "assign", "note"]),
    st.datetimes(timezones=st.just(UTC)),
    st.dictionaries(st.sampled_from(["until", "case", "department", "disposition"]), _ANYTHING, max_size=4),
)


@given(_ANYTHING, st.lists(_ACT, max_size=12), st.datetimes(timezones=st.just(UTC)))
def test_whatever_an_entry_says_the_fold_stands(case: Any, acts: list[Any], now: datetime) -> None:
    told = History(case=case if case is not None else {})
    for action, when, data in acts:
        told.act(0, action, **data)
        told.entries[-1] = Entry(**{name: getattr(told.entries[-1], name) for name in _FIELDS} | {"at": when})
    found = told.alert.detail.get("case")
    if isinstance(found, Mapping):
        assert casework.suspension(found, now) >= 0
        for step in ("register", "dispatch", "close"):
            casework.due(found, step, now)
            casework.done(found, step)
        assert all(casework.counted(found, what) >= 0 for what in ("urged", "deferred", "returned", "suspended"))


_FIELDS = tuple(Entry.__dataclass_fields__)
