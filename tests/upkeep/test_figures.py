"""The formulas: within their bounds, summing up, and never worse for what is left out."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ports import AlertFigure, Tally
from gateway.upkeep.figures import (
    AlertSum,
    AlertSums,
    Sum,
    cut,
    due,
    intact_rate,
    is_over,
    online_rate,
    quantile,
    quarter_of,
    recorded,
    tally_json,
    trial_counts,
    unknown,
)

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SPAN = st.integers(0, 31 * 86_400_000)


@st.composite
def tallies(draw: st.DrawFn) -> Tally:
    """Any that a recorder can come to: what is intact, and what was worked on, is part of what was online."""
    online = draw(SPAN)
    intact = draw(st.integers(0, online))
    worked_on = draw(st.integers(0, online - intact))
    losses, longest = draw(st.integers(0, 100)), draw(SPAN)
    return Tally(online, intact, worked_on, draw(SPAN), draw(SPAN), draw(SPAN), losses, longest)


@given(tallies())
def test_rates_are_shares_and_the_intact_one_is_never_above_the_other(tally: Tally) -> None:
    online, intact = online_rate(tally), intact_rate(tally)
    assert (online is None) == (due(tally) == 0)
    if online is not None:
        assert 0 <= online <= 1
    if intact is not None:
        assert online is not None
        assert 0 <= intact <= online


@given(tallies(), tallies())
def test_what_is_summed_of_parts_is_what_is_reckoned_of_all(one: Tally, other: Tally) -> None:
    both = one + other
    assert due(both) == due(one) + due(other)
    assert recorded(both) == recorded(one) + recorded(other)
    rates = [rate for each in (one, other) if (rate := online_rate(each)) is not None]
    if rates:
        found = online_rate(both)
        assert found is not None
        assert min(rates) - 1e-9 <= found <= max(rates) + 1e-9


@given(tallies(), st.data())
def test_leaving_planned_work_out_makes_no_figure_worse(tally: Tally, data: st.DataObject) -> None:
    """Of what was down, and of what was faulty, a part is said to have been planned."""
    down = data.draw(st.integers(0, tally.down))
    faulty = data.draw(st.integers(0, tally.online - tally.intact - tally.worked_on))
    planned = replace(tally, down=tally.down - down, planned=tally.planned + down, worked_on=tally.worked_on + faulty)
    assert recorded(planned) == recorded(tally)
    for rate in (online_rate, intact_rate):
        before, after = rate(tally), rate(planned)
        assert before is None or after is None or after >= before - 1e-12
    assert not is_over(planned, 1000) or is_over(tally, 1000)


@given(tallies(), SPAN)
def test_unknown_time_is_what_was_not_recorded_and_changes_no_rate(tally: Tally, expected: int) -> None:
    missing = unknown(expected, tally)
    assert missing >= 0
    assert missing == 0 or recorded(tally) + missing == expected
    assert tally_json(tally, missing)["online_rate"] == tally_json(tally, 0)["online_rate"]


@given(st.lists(st.tuples(tallies(), SPAN, st.integers(0, 3))))
def test_a_sum_is_the_sum_of_its_cameras(cameras: list[tuple[Tally, int, int]]) -> None:
    found = Sum()
    for tally, missing, over in cameras:
        found.add(tally, missing, over)
    assert found.cameras == len(cameras)
    assert found.tally.down == sum(tally.down for tally, _, _ in cameras)
    assert found.unknown == sum(missing for _, missing, _ in cameras)
    assert found.over == sum(over for _, _, over in cameras)


def test_worked_example_of_the_documentation() -> None:
    hour = 3_600_000
    tally = Tally(online=700 * hour, intact=690 * hour, worked_on=4 * hour, down=10 * hour, planned=6 * hour)
    assert online_rate(tally) == pytest.approx(700 / 710)
    assert intact_rate(tally) == pytest.approx(690 / 706)
    assert unknown(720 * hour, tally) == 4 * hour
    assert is_over(tally, 8 * hour)
    assert not is_over(replace(tally, down=8 * hour), 8 * hour)


def test_a_rate_just_below_a_target_is_not_shown_as_met() -> None:
    almost = Tally(online=9_799_999, down=200_001)
    assert tally_json(almost, 0)["online_rate"] == 0.979999
    assert cut(0.9799999, 4) == 0.9799
    assert [cut(number / 100, 4) for number in range(101)] == [number / 100 for number in range(101)]


# ---------------------------------------------------------------------------------------------------- alerts


def alert(**fields: object) -> AlertFigure:
    base = AlertFigure(1, NOW - timedelta(seconds=60), "low", "5117", "sos", 1, False, None, {}, {})
    return base._replace(**fields)  # type: ignore[arg-type]


FIGURES = st.builds(
    AlertFigure,
    first=st.integers(1, 10**6),
    raised_at=st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC)),
    node=st.sampled_from(["low", "lower"]),
    area=st.sampled_from([None, "511724001", "511724002"]),
    kind=st.sampled_from(["sos", "fire"]),
    severity=st.integers(1, 4),
    ended=st.booleans(),
    disposition=st.sampled_from([None, "real", "false_alarm"]),
    took=st.dictionaries(st.sampled_from(["acknowledge", "dispatch"]), st.floats(0, 1e6)),
    limits=st.dictionaries(st.sampled_from(["acknowledge", "dispatch"]), st.floats(0, 1e6)),
)


@given(st.lists(FIGURES, max_size=40))
def test_sums_of_alerts_fit_whichever_way_they_are_cut(figures: list[AlertFigure]) -> None:
    sums = AlertSums(NOW)
    sums.add(figures)
    total = sums.total()
    assert total.alerts == len(figures)
    assert 0 <= total.false_alarms <= total.judged <= total.ended <= total.alerts
    for name in ("severity", "kind", "area", "node"):
        groups = [found for _, found in sums.by(name)]
        assert sum(found.alerts for found in groups) == total.alerts
        assert sum(found.false_alarms for found in groups) == total.false_alarms
        for stage in ("acknowledge", "dispatch"):
            assert sum(found.stages[stage].late for found in groups) == total.stages[stage].late
            assert sum(len(found.stages[stage].took) for found in groups) == len(total.stages[stage].took)
    for stage in total.to_json()["stages"].values():
        assert stage["in_time_share"] is None or 0 <= stage["in_time_share"] <= 1
        assert stage["in_time"] + stage["late"] + stage["waiting"] <= total.alerts
        if stage["reached"]:
            assert stage["p50_s"] <= stage["p90_s"] <= stage["max_s"]


@pytest.mark.parametrize(
    ("took", "limit", "age", "ended", "expected"),
    [
        (4.0, 10.0, 60.0, False, (1, 0, 0)),
        (10.0, 10.0, 60.0, False, (1, 0, 0)),
        (10.1, 10.0, 60.0, False, (0, 1, 0)),
        (None, 100.0, 60.0, False, (0, 0, 1)),
        (None, 10.0, 60.0, False, (0, 1, 0)),  # nobody came, and it is too late already
        (None, 10.0, 60.0, True, (0, 0, 0)),  # it was over before anybody had to
        (4.0, None, 60.0, True, (0, 0, 0)),
    ],
)
def test_a_stage_is_in_time_late_or_waiting(took, limit, age, ended, expected) -> None:
    found = AlertSum()
    times = [{} if value is None else {"dispatch": value} for value in (took, limit)]
    found.add(alert(raised_at=NOW - timedelta(seconds=age), ended=ended, took=times[0], limits=times[1]), NOW)
    stage = found.stages["dispatch"]
    assert (stage.in_time, stage.late, stage.waiting) == expected
    assert list(stage.took) == ([] if took is None else [took])


def test_false_alarms_are_a_share_of_what_was_judged() -> None:
    sums = AlertSums(NOW)
    sums.add([alert(ended=True, disposition="false_alarm"), alert(ended=True, disposition="real"), alert()])
    sums.add([alert(disposition="false_alarm"), alert(ended=True)])  # open again; cancelled
    assert sums.to_json()["false_alarm_share"] == 0.5


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([], 0.5, None), ([1.0], 0.9, 1.0), ([1.0, 2.0], 0.5, 1.0), (list(map(float, range(1, 11))), 0.9, 9.0)],
)
def test_quantile_is_the_nearest_rank(values, share, expected) -> None:
    assert quantile(values, share) == expected


@pytest.mark.parametrize(
    ("month", "quarter"), [(1, 20261), (3, 20261), (4, 20262), (9, 20263), (10, 20264), (12, 20264)]
)
def test_quarters(month: int, quarter: int) -> None:
    assert quarter_of(datetime(2026, month, 1)) == quarter


def test_tested_share() -> None:
    assert trial_counts([True, False, False]) == {"total": 3, "tested": 1, "tested_share": 0.333333}
    assert trial_counts([])["tested_share"] is None
