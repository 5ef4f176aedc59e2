"""What the configuration says of handling, as the duties' own values."""

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.alerts.escalation import Rung
from gateway.alerts.register import Register
from gateway.config.sections.alerts import AlertSettings
from gateway.config.settings import Settings
from gateway.handling import neighbour_policy_of, rungs_of, service_levels_of
from gateway.model import Kind, Level
from gateway.policies import duties_of, intake_policy_of
from gateway.supervision.clock import SystemClock


class Sink:
    def __init__(self, id: str, kind: str = "cascade", standby_for: str | None = None) -> None:
        self.id, self.kind, self.standby_for = id, kind, standby_for


def settings(level: str = "township", sinks: tuple[Any, ...] = (Sink("county"),), **alerts: Any) -> Settings:
    node = {"id": "a", "level": level}
    read = Settings.model_validate({"node": node, "data_dir": "x", "alerts": alerts})
    return read.model_copy(update={"sinks": sinks})


def test_the_usual_ladder_needs_somebody_above() -> None:
    assert [(rung.to, rung.after, rung.severities) for rung in rungs_of(settings())] == [
        (("county",), 60.0, {1}),
        (("county",), 300.0, {2}),
    ]
    assert rungs_of(settings(sinks=())) == ()
    assert rungs_of(settings("city")) == ()
    assert rungs_of(settings(escalation=[])) == ()


def test_rungs_of_the_file_hold_at_their_level() -> None:
    said = [
        {"severities": [1, 2], "kinds": ["fire"], "classes": ["03"], "areas": [511724], "after": "90s", "to": "city"},
        {"level": "county", "after": "2m"},
        {"level": "township", "unless": "closed", "after": "1h", "to": ["li", "hub"], "drills": True},
    ]
    township, county = rungs_of(settings(escalation=said)), rungs_of(settings("county", escalation=said))
    first = Rung(
        ("city",),
        90.0,
        kinds=frozenset({Kind.FIRE}),
        severities=frozenset({1, 2}),
        classes=frozenset({"03"}),
        areas=("511724",),
    )
    assert township == (first, Rung(("li", "hub"), 3600.0, "closed", drills=True))
    assert county == (first, Rung(("city",), 120.0))
    assert rungs_of(settings("city", escalation=[{"after": 5}])) == ()  # nobody is above a city


@pytest.mark.parametrize(
    "rung",
    [
        {"to": ["county", "li"]},
        {"to": ["li wang"]},
        {"unless": "arrived"},
        {"severities": [5]},
        {"level": "province"},
        {"after": -1},
        {"after": "soon"},
        {"too": "county"},
    ],
)
def test_a_rung_that_makes_no_sense_is_refused(rung: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        AlertSettings.model_validate({"escalation": [rung]})


def test_service_levels_and_neighbours() -> None:
    said = settings(
        service_levels={"acknowledge": {1: "5s", 2: 30}, "close": {1: "2h"}},
        neighbours={"enabled": True, "tests": True},
    )
    levels = service_levels_of(said)
    assert levels.of(1) == {"acknowledge": 5.0, "dispatch": 60.0, "close": 7200.0}
    assert levels.of(2) == {"acknowledge": 30.0} and levels.of(3) == {}
    policy = intake_policy_of(said)
    assert (policy.service_levels, policy.neighbours) == (levels, neighbour_policy_of(said))
    assert policy.neighbours.tests


def test_the_node_owes_all_of_it() -> None:
    duties = duties_of(settings(), Register(), SystemClock())
    assert {"r2", "escalate", "callback", "service"} <= duties.timers
    assert settings().node.level is Level.TOWNSHIP
