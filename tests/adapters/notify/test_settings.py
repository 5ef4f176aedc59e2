import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from adapters.kinds import SINKS, SOURCES
from gateway.config import Loaded, load
from gateway.errors import ConfigError

NODE = """\
node: {id: zhuyang}
data_dir: var
sources:
  - {kind: mqtt, id: tv, url: "mqtt://127.0.0.1"}
sinks:
  - kind: notify
    id: people
    people:
      - id: wang
        addresses: ["wecombot://0a1b2c3d"]
"""


def read(tmp_path: Path, text: str) -> Loaded:
    path = tmp_path / "node.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path, sources=SOURCES, sinks=SINKS)


def faults(tmp_path: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    return "\n".join(fault.removeprefix(f"{tmp_path / 'node.yaml'}:") for fault in caught.value.faults)


def person(words: str) -> str:
    return f"{NODE}        {words}\n"


def test_a_person_has_sensible_defaults(tmp_path: Path) -> None:
    loaded = read(tmp_path, NODE)
    (sink,) = loaded.settings.sinks
    (wang,) = sink.people
    assert (wang.role, wang.when, wang.drills, wang.full) == ("other", ("raised",), False, False)
    assert sink.give_up_after == 6 * 3600
    assert any("addresses: a plain secret stands in the file" in warning for warning in loaded.warnings)


@pytest.mark.parametrize(
    ("role", "details", "full"),
    [
        ("officer", "", True),
        ("cadre", "", True),
        ("grid_worker", "", True),
        ("officer", "brief", False),
        ("other", "full", True),
    ],
)
def test_who_needs_the_household_is_told_it(tmp_path: Path, role: str, details: str, full: bool) -> None:
    said = f"role: {role}" + (f"\n        details: {details}" if details else "")
    assert read(tmp_path, person(said)).settings.sinks[0].people[0].full is full


def test_an_address_may_stand_in_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "wang").write_text("wecombot://0a1b2c3d\n", encoding="utf-8")
    loaded = read(tmp_path, NODE.replace('"wecombot://0a1b2c3d"', "{file: wang}"))
    assert not any("plain secret" in warning for warning in loaded.warnings)


@pytest.mark.parametrize(
    ("address", "schema"),
    [
        ("wecombot://my very secret", "wecombot"),
        ("dingtalk://my-very-secret", "dingtalk"),
        ("json://", "json"),
        ("nosuch://my-very-secret", "nosuch"),
        ("my-very-secret", "?"),
    ],
)
def test_a_bad_address_names_person_and_schema_and_nothing_else(
    tmp_path: Path, address: str, schema: str, caplog: pytest.LogCaptureFixture
) -> None:
    found = faults(tmp_path, NODE.replace("wecombot://0a1b2c3d", address))
    assert found.startswith(f"9: sinks[0].people[0]: wang: address 1 ({schema}://) is no address that apprise")
    assert "very" not in found and "very" not in caplog.text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (NODE.replace("people:\n      - id: wang\n        addresses: [\"wecombot://0a1b2c3d\"]", "people: []"), "sinks[0].people: "),
        (person("role: mayor"), "sinks[0].people[0].role: 'mayor' is not accepted; accepted are 'grid_worker', 'cadre'"),
        (person("kinds: [sso]"), "sinks[0].people[0].kinds[0]: 'sso' is not accepted"),
        (person("between: 9-17"), 'sinks[0].people[0].between: hours are "HH:MM-HH:MM"'),
        (person("when: []"), "sinks[0].people[0].when: "),
        (person("rolle: officer"), "11: sinks[0].people[0].rolle: unknown key; the nearest known key is role"),
        (NODE + "    standby_for: people\n", "people stand in for no sink"),
        (NODE + "    robots: {wechat: 'https://h'}\n", "wechat is no robot with a host of its own"),
        (NODE + "    robots: {wecombot: 'https://u:p@h/x'}\n", "wecombot: the host of a robot is https://HOST[:PORT]"),
        (
            NODE + "  - {kind: notify, id: more, people: [{id: wang, addresses: ['json://h']}]}\n",
            "11: sinks[1].people[0].id: wang stands twice",
        ),
        (NODE + "alerts: {routes: [{sinks: [hub]}]}\n", "11: alerts.routes[0].sinks: hub is the id of no sink"),
        (NODE + "alerts: {routes: [{sinks: [people]}]}\n", "people is no webhook sink; routes are for those"),
        (
            NODE + "alerts: {sirens: [{id: s, via: tvs, topic: a/b}, {id: s, via: tv, topic: a/b}]}\n",
            "alerts.sirens[0].via: there is no mqtt source tvs; the nearest is tv",
        ),
        (NODE + "alerts: {sirens: [{id: s, via: tv, topic: a}, {id: s, via: tv, topic: b}]}\n", "alerts.sirens[1].id: s stands twice"),
        (
            NODE + "alerts: {escalation: [{after: 60s, to: [wong]}]}\n",
            "alerts.escalation[0].to: wong is no level, and the id of no person and no sink; the nearest is wang",
        ),
        (NODE + "alerts: {sirens: [{id: s, via: tv, topic: 'a/#'}]}\n", "a topic to publish to has no +"),
        (NODE + "alerts: {sirens: [{id: s, via: tv, topic: tv/1/alarm}]}\n", "topics under tv/ are those of terminals"),
    ],
)  # fmt: skip
def test_every_fault_is_a_sentence(tmp_path: Path, text: str, expected: str) -> None:
    assert expected in faults(tmp_path, text)


def test_check_warns_where_nobody_is_told_at_some_hours(tmp_path: Path) -> None:
    def warned(text: str) -> bool:
        return any("nobody is told at all hours" in warning for warning in read(tmp_path, text).warnings)

    by_day = person('between: "08:00-18:00"')
    assert warned(by_day)
    assert not warned(by_day + '      - {id: li, addresses: ["json://h"]}\n')
    assert not warned(NODE)


def test_an_escalation_names_people_sinks_and_levels(tmp_path: Path) -> None:
    rungs = "alerts: {escalation: [{after: 60s, to: [wang, people]}, {after: 120s, to: county}]}\n"
    assert len(read(tmp_path, NODE + rungs).settings.alerts.escalation or ()) == 2


def test_levels_without_escalation_are_doubted(tmp_path: Path) -> None:
    assert any(
        "levels have a meaning only with" in each for each in read(tmp_path, person("levels: [county]")).warnings
    )


def test_apprise_is_loaded_only_where_somebody_is_told() -> None:
    program = """
import sys
from adapters.kinds import SINKS
import adapters.notify.sink
assert "apprise" not in sys.modules
SINKS["notify"].model_validate({"kind": "notify", "id": "p", "people": [{"id": "w", "addresses": ["json://h"]}]})
assert "apprise" in sys.modules
"""
    done: Any = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
