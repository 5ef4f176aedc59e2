"""The configuration's rules and hours, as the alerts' own values."""

from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.alerts.rules import Rules, Verdict
from gateway.config.sections.alerts import AlertSettings
from gateway.config.settings import Settings
from gateway.model import Camera, Kind, Place, Scene
from gateway.policies import intake_policy_of, rules_of, schedules_of, zone_of

FIELD = Camera("field", "", Scene.RURAL, Place(area_code="511724001"))
NIGHT, DAY = datetime(2026, 5, 1, 15, 0, tzinfo=UTC), datetime(2026, 5, 1, 4, 0, tzinfo=UTC)  # 23:00 and 12:00


def alerts(**said: Any) -> AlertSettings:
    return AlertSettings.model_validate(said)


def verdict(rules: Rules, at: datetime, kind: Kind = Kind.MOTION, *, armed: bool = True) -> Verdict:
    return rules.judge(kind, FIELD, at, armed=armed).verdict


def test_a_rule_of_the_file_holds_at_its_hours_days_and_places() -> None:
    rules = rules_of(
        alerts(
            rules=[
                {"kinds": ["motion"], "scenes": ["rural"], "areas": [511724], "between": "22:00-06:00", "days": ["fri"]}
            ]
        )
    )
    assert verdict(rules, NIGHT) is Verdict.ALERT
    assert verdict(rules, DAY) is Verdict.NOT_WANTED
    assert verdict(rules, datetime(2026, 5, 2, 15, 0, tzinfo=UTC)) is Verdict.NOT_WANTED  # Saturday


def test_days_alone_are_whole_days_and_the_zone_is_the_files() -> None:
    friday = {"kinds": ["motion"], "days": ["fri"]}
    late = datetime(2026, 5, 1, 17, 0, tzinfo=UTC)  # Saturday 01:00 in Shanghai, still Friday in UTC
    assert verdict(rules_of(alerts(rules=[friday])), late) is Verdict.NOT_WANTED
    assert verdict(rules_of(alerts(rules=[friday], timezone="UTC")), late) is Verdict.ALERT
    assert verdict(rules_of(alerts(rules=[{**friday, "alert": False}])), DAY, Kind.TAMPER) is Verdict.ALERT


@pytest.mark.parametrize(("armed", "expected"), [(True, Verdict.ALERT), (False, Verdict.NOT_WANTED)])
def test_a_rule_may_hold_while_armed_only(armed: bool, expected: Verdict) -> None:
    rules = rules_of(alerts(rules=[{"kinds": ["motion"], "armed": True, "severity": 1}]))
    assert verdict(rules, DAY, armed=armed) is expected


def test_schedules_without_hours_last_all_day() -> None:
    said = alerts(arming=[{"areas": ["511724"]}, {"scenes": ["street"], "between": "20:00-07:00", "days": ["sun"]}])
    whole, nights = schedules_of(said)
    assert whole.scope.covers(FIELD) and whole.span.holds(DAY, zone_of(said)) and whole.span.holds(NIGHT, zone_of(said))
    assert (nights.span.start, nights.span.end, nights.span.days) == (1200, 420, {6})


def test_without_memory_for_clips_none_is_asked_for() -> None:
    settings = Settings.model_validate({"node": {"id": "a"}, "data_dir": "x", "video": {"clip_mib": 0}})
    policy = intake_policy_of(settings)
    assert (policy.node_id, policy.clip_before, policy.clip_after) == ("a", 0, 0)
    assert policy.offsets_ms == (-5000, 0, 3000, 10000)
