"""The first rule that fits speaks; hours are the node's own; disarming silences what is guarded."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.alerts.rules import ALERTING, GUARDED, Rule, Rules, Scope, Verdict
from gateway.alerts.spans import Span
from gateway.model import Camera, Kind, Place, Scene

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOON = datetime(2026, 5, 1, 4, 0, tzinfo=UTC)  # a Friday, 12:00 in Shanghai
GATE = Camera("gate-1", "门口", Scene.VILLAGE, Place(area_code="511724001001"))


def judged(kind: Kind, *rules: Rule, at: datetime = NOON, armed: bool = True, camera: Camera = GATE) -> Verdict:
    return Rules(SHANGHAI, rules).judge(kind, camera, at, armed=armed).verdict


@pytest.mark.parametrize("kind", Kind)
def test_without_rules(kind: Kind) -> None:
    assert (judged(kind) is Verdict.ALERT) == (kind in ALERTING)
    silenced = judged(kind, armed=False)
    assert silenced is (Verdict.DISARMED if kind in ALERTING & GUARDED else judged(kind))
    assert Rules(SHANGHAI).may_alert(kind, GATE) == (kind in ALERTING)


def test_motion_needs_a_rule() -> None:
    assert judged(Kind.MOTION) is Verdict.NOT_WANTED
    assert judged(Kind.MOTION, Rule(frozenset({Kind.MOTION}))) is Verdict.ALERT
    assert judged(Kind.MOTION, Rule(frozenset({Kind.MOTION})), armed=False) is Verdict.DISARMED
    assert judged(Kind.MOTION, Rule(frozenset({Kind.MOTION}), armed=False), armed=False) is Verdict.ALERT


def test_the_first_rule_that_fits_speaks() -> None:
    quiet = Rule(frozenset({Kind.TAMPER}), Scope(cameras=("gate-*",)), alert=False)
    loud = Rule(frozenset({Kind.TAMPER}), severity=1)
    assert judged(Kind.TAMPER, quiet, loud) is Verdict.NOT_WANTED
    assert Rules(SHANGHAI, (loud, quiet)).judge(Kind.TAMPER, GATE, NOON, armed=True).severity == 1
    other = Camera("hall", "")
    assert judged(Kind.TAMPER, quiet, loud, camera=other) is Verdict.ALERT


@pytest.mark.parametrize(
    ("scope", "covered"),
    [
        (Scope(), True),
        (Scope(cameras=("gate-1",)), True),
        (Scope(cameras=("gate-?", "x")), True),
        (Scope(cameras=("Gate-1",)), False),
        (Scope(scenes=(Scene.STREET, Scene.VILLAGE)), True),
        (Scope(scenes=(Scene.STREET,)), False),
        (Scope(areas=("511724",)), True),
        (Scope(areas=("511725", "511724002")), False),
        (Scope(cameras=("gate-1",), areas=("9",)), False),
    ],
)
def test_scope(scope: Scope, covered: bool) -> None:
    assert scope.covers(GATE) is covered
    assert not Scope(areas=("5",)).covers(Camera("nowhere", ""))


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 5, day, hour, minute, tzinfo=SHANGHAI)


def test_a_night_belongs_to_the_day_on_which_it_begins() -> None:
    friday = Span(22 * 60, 6 * 60, frozenset({4}))
    assert [friday.holds(moment, SHANGHAI) for moment in (at(1, 21, 59), at(1, 22), at(2, 5, 59), at(2, 6))] == [
        False,
        True,
        True,
        False,
    ]
    assert not friday.holds(at(1, 3), SHANGHAI)  # Thursday's night
    assert not friday.holds(at(2, 23), SHANGHAI)


def test_hours_are_local() -> None:
    night = Rule(frozenset({Kind.MOTION}), span=Span(22 * 60, 6 * 60))
    assert judged(Kind.MOTION, night, at=datetime(2026, 5, 1, 14, 0, tzinfo=UTC)) is Verdict.ALERT
    assert judged(Kind.MOTION, night, at=datetime(2026, 5, 1, 13, 59, tzinfo=UTC)) is Verdict.NOT_WANTED


minutes = st.integers(0, 24 * 60 - 1)
moments = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(SHANGHAI))


@given(minutes, minutes, moments)
def test_a_span_and_the_rest_of_the_day_share_out_every_moment(start: int, end: int, moment: datetime) -> None:
    if start != end:
        assert Span(start, end).holds(moment, SHANGHAI) != Span(end, start).holds(moment, SHANGHAI)
    assert Span(start, start).holds(moment, SHANGHAI)


@given(st.sampled_from(Kind), st.booleans(), moments, st.lists(st.builds(
    Rule,
    kinds=st.frozensets(st.sampled_from(Kind), max_size=3),
    span=st.none() | st.builds(Span, minutes, minutes, st.frozensets(st.integers(0, 6))),
    armed=st.none() | st.booleans(),
    alert=st.booleans(),
), max_size=4))  # fmt: skip
def test_what_cannot_alert_never_does(kind: Kind, armed: bool, moment: datetime, rules: list[Rule]) -> None:
    if not Rules(SHANGHAI, rules).may_alert(kind, GATE):
        assert judged(kind, *rules, at=moment, armed=armed) is not Verdict.ALERT
