from datetime import UTC, datetime

from gateway.alerts.grading import severity
from gateway.alerts.taxonomy import CaseClass, Limits, SubClass, Taxonomy, due_by
from gateway.model import Kind, Scene

AT = datetime(2026, 5, 1, 8, 0, tzinfo=UTC)
BY_SCENE = Taxonomy(
    (
        CaseClass(
            "01",
            "公共安全",
            (
                SubClass("0101", "入侵", 3, "派出所", frozenset({Kind.INTRUSION}), limits=Limits(register=60)),
                SubClass("0102", "入户", 1, "派出所", frozenset({Kind.INTRUSION}), frozenset({Scene.HOUSEHOLD})),
            ),
        ),
    )
)


def test_the_taxonomys_grade_goes_before_the_usual_one_and_the_configuration_before_both() -> None:
    case = BY_SCENE.case_of(Kind.INTRUSION, AT)
    assert severity(Kind.INTRUSION, {}) == 2
    assert severity(Kind.INTRUSION, {}, case) == 3
    assert severity(Kind.INTRUSION, {Kind.INTRUSION: 4}, case) == 4
    assert severity(Kind.SOS, {}, None) == 1


def test_the_place_decides_where_the_list_says_so() -> None:
    at_home, in_street = (BY_SCENE.case_of(Kind.INTRUSION, AT, scene) for scene in (Scene.HOUSEHOLD, Scene.STREET))
    assert at_home is not None and in_street is not None
    assert (at_home["subclass"], in_street["subclass"]) == ("0102", "0101")
    assert in_street["due"] == {"register": "2026-05-01T08:01:00.000Z"}


def test_a_limit_that_leads_out_of_the_calendar_is_none() -> None:
    assert due_by({"close": 1e15, "register": 1.0}, AT) == {"register": "2026-05-01T08:00:01.000Z"}
