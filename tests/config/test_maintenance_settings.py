"""Planned work in the configuration: when it holds, in the node's own time, and what is no plan at all."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.alerts.rules import Scope
from gateway.alerts.spans import Span
from gateway.config.load import load
from gateway.config.settings import Settings
from gateway.errors import ConfigError
from gateway.policies import outage_rules_of, windows_of
from gateway.supervision.losses import Damping
from gateway.supervision.outages import Together

NODE: dict[str, Any] = {"node": {"id": "town", "level": "township"}, "data_dir": "town"}


def windows(**said: Any) -> Any:
    return windows_of(Settings.model_validate({**NODE, "maintenance": [{"name": "割接", **said}]}))


def test_times_without_an_offset_are_the_nodes_own() -> None:
    (window,) = windows(**{"from": "2026-12-01 00:00", "until": "2026-12-02T00:00:00Z", "areas": ["511724"]})
    assert window.since == datetime(2026, 11, 30, 16, 0, tzinfo=UTC)
    assert window.until == datetime(2026, 12, 2, 0, 0, tzinfo=UTC)
    assert (window.scope, window.span) == (Scope(areas=("511724",)), None)


def test_hours_come_back() -> None:
    (window,) = windows(between="22:00-05:00", days=["sat"], hosts=["10.0.0.*"])
    assert window.span == Span(22 * 60, 5 * 60, frozenset({5}))
    assert window.hosts == ("10.0.0.*",)
    (window,) = windows(days=["sat", "sun"], cameras=["*"])
    assert window.span == Span(days=frozenset({5, 6}))


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"until": "2026-12-02"}, "cameras, scenes, areas or hosts"),
        ({"cameras": ["*"]}, "would never end"),
        ({"cameras": ["*"], "from": "2026-12-02"}, "would never end"),
        ({"cameras": ["*"], "from": "2026-12-02", "until": "2026-12-01"}, "not after from"),
        ({"cameras": ["*"], "until": "0001-01-01"}, "between the years"),
        ({"cameras": ["*"], "since": "2026-12-01", "until": "2026-12-02"}, "since"),
    ],
)
def test_what_is_no_plan_is_refused(said: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        windows(**said)


def test_a_key_that_is_wrong_is_told_the_key_that_stands_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "town.yaml"
    path.write_text(
        "node: {id: town, level: township}\ndata_dir: town\nmaintenance:\n"
        "  - {name: a, cameras: ['*'], form: 2026-12-01, until: 2026-12-02}\n",
        encoding="utf-8",
    )
    with pytest.raises(ConfigError) as raised:
        load(path, sources={}, sinks={})
    assert "maintenance[0].form: unknown key; the nearest known key is from" in str(raised.value)


def test_when_cameras_are_one_outage_is_a_setting() -> None:
    said = {
        "after": "2m",
        "window": 10,
        "start": 0,
        "within": 30,
        "fewest": 5,
        "share": 0.8,
        "flaps": 3,
        "steady": "10m",
    }
    rules = outage_rules_of(Settings.model_validate({**NODE, "outages": said}))
    assert (rules.after, rules.window, rules.start) == (120, 10, 0)
    assert rules.together == Together(5, 0.8, 30)
    assert rules.damping == Damping(3, 600)
