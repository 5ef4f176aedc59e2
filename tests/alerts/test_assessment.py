from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.alerts.assessment import Assessment, assess
from gateway.model import Alert, Kind, SourceRef, Status, Workflow, rfc3339

START = datetime(2026, 5, 1, 8, 0, tzinfo=UTC)


def at(minutes: float) -> str:
    return rfc3339(START + timedelta(minutes=minutes))


def now(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def alert(workflow: Workflow = Workflow.NEW, status: Status = Status.ACTUAL, **case: Any) -> Alert:
    limits = {"register": at(1), "dispatch": at(5), "close": at(60)}
    made = {"department": "派出所", "due": limits, **case} if case is not None else {}
    source = SourceRef("terminal", "tv-1")
    return Alert("a", "town", Kind.SOS, 1, status, START, source, "", workflow=workflow, detail={"case": made})


def test_a_step_is_judged_when_it_is_done_or_past_its_limit() -> None:
    fresh = assess(alert(), now(0.5))
    assert (dict(fresh.steps), fresh.on_time) == ({"register": None, "dispatch": None, "close": None}, None)
    late = assess(alert(Workflow.ACKNOWLEDGED, done={"register": at(0.5)}), now(10))
    assert (dict(late.steps), late.on_time) == ({"register": True, "dispatch": False, "close": None}, False)


def test_who_acted_had_registered_it_and_nobody_need_be_sent() -> None:
    by_phone = assess(alert(Workflow.CLOSED, done={"close": at(0.8)}), now(100))
    assert (dict(by_phone.steps), by_phone.on_time) == ({"register": True, "dispatch": None, "close": True}, True)
    straight = assess(alert(Workflow.ON_SCENE, done={"register": at(0.5), "arrive": at(4)}), now(30))
    assert straight.steps["dispatch"] is True and straight.on_time is None


def test_handling_leaves_out_what_was_suspended() -> None:
    done = {"register": at(0.5), "close": at(50)}
    assert assess(alert(Workflow.CLOSED, done=done, suspended_s=600), now(100)).handling_s == 40 * 60
    assert assess(alert(Workflow.ACKNOWLEDGED, done=done), now(100)).handling_s is None


def test_a_suspended_case_is_not_overdue() -> None:
    waiting = alert(Workflow.ACKNOWLEDGED, done={"register": at(0.5)}, suspended_at=at(2))
    assert assess(waiting, now(10_000)).on_time is None


def test_departments_are_summed_up_and_the_nameless_come_last() -> None:
    sums = Assessment(now(100))
    for minutes in (10, 20, 30, 40, 90):
        sums.add([alert(Workflow.CLOSED, done={"register": at(0.5), "close": at(minutes)}, urged=2)])
    sums.add([alert(department="司法所"), alert(department=7), alert(status=Status.DRILL)])
    (first, _), (second, police), (third, _) = sums.departments()
    assert (first, second, third) == ("司法所", "派出所", None)
    told = police.to_json()
    assert (told["alerts"], told["on_time"], told["overdue"], told["on_time_share"], told["urged"]) == (
        5,
        4,
        1,
        0.8,
        10,
    )
    assert (told["handling_median_s"], told["handling_p90_s"]) == (30 * 60, 90 * 60)
    assert sums.total.to_json()["alerts"] == 7


def test_nothing_has_no_share() -> None:
    told = Assessment(now(0)).total.to_json()
    assert told["on_time_share"] is None and told["handling_median_s"] is None


@pytest.mark.parametrize("case", [None, 7, "x", {}, {"due": 3, "done": []}, {"department": ["x"], "urged": -1}])
def test_a_case_that_makes_no_sense_is_counted_and_not_judged(case: Any) -> None:
    source = SourceRef("terminal", "tv-1")
    one = assess(Alert("a", "n", Kind.SOS, 1, Status.ACTUAL, START, source, "", detail={"case": case}), now(10))
    assert one.on_time is None and one.department is None and sum(one.counts.values()) == 0


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=60))
def test_the_quantiles_are_times_that_were_taken(minutes: list[int]) -> None:
    sums = Assessment(now(0))
    sums.add(alert(Workflow.CLOSED, done={"close": at(each)}) for each in minutes)
    told, ordered = sums.total.to_json(), sorted(minutes)
    assert told["handling_median_s"] == ordered[(len(ordered) + 1) // 2 - 1] * 60
    assert told["handling_p90_s"] / 60 in ordered
    assert sum(each * 60 <= told["handling_p90_s"] for each in ordered) >= 0.9 * len(ordered)
