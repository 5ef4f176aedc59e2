"""The dashboards of deploy/grafana: they load, their queries parse, and their panels lie beside each other."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

GRAFANA = Path(__file__).parents[2] / "deploy" / "grafana"
BOARDS = sorted((GRAFANA / "dashboards").glob("*.json"))


def board(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def panels(path: Path) -> list[Any]:
    return [panel for panel in board(path)["panels"] if panel["type"] != "row"]


def test_there_are_three_with_names_of_their_own() -> None:
    assert [path.stem for path in BOARDS] == ["alarms", "box", "fleet"]
    assert {board(path)["uid"] for path in BOARDS} == {"gateway-alarms", "gateway-box", "gateway-fleet"}


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_a_board_is_sane(path: Path) -> None:
    told = board(path)
    assert told["schemaVersion"] >= 36 and told["editable"] and "gateway" in told["tags"]
    names = {variable["name"] for variable in told["templating"]["list"]}
    assert {"datasource", "site"} <= names
    ids = [panel["id"] for panel in told["panels"]]
    assert len(ids) == len(set(ids))
    for panel in panels(path):
        assert panel["targets"] and panel["datasource"]["uid"] == "${datasource}"
        refs = [target["refId"] for target in panel["targets"]]
        assert len(refs) == len(set(refs)), panel["title"]
        used = {name for target in panel["targets"] for name in re.findall(r"\$(\w+)", target["expr"])}
        assert used <= names | {"__rate_interval"}, panel["title"]


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_every_title_is_in_both_languages(path: Path) -> None:
    for panel in board(path)["panels"]:
        chinese, slash, english = panel["title"].partition(" / ")
        plain = re.fullmatch(r"[^a-z]* P50 P90 P99", panel["title"])
        assert plain or (slash and re.search(r"[一-鿿]", chinese) and re.search(r"[a-z]", english)), panel["title"]


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_panels_lie_beside_each_other(path: Path) -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in board(path)["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        for x in range(at["x"], at["x"] + at["w"]):
            for y in range(at["y"], at["y"] + at["h"]):
                assert taken.setdefault((x, y), panel["title"]) is panel["title"], (panel["title"], taken[x, y])


def test_prometheus_parses_every_query(tmp_path: Path) -> None:
    asked = [
        {"record": f"board:q{number}:x", "expr": re.sub(r"\$__rate_interval", "5m", target["expr"])}
        for number, target in enumerate(
            target for path in BOARDS for panel in panels(path) for target in panel["targets"]
        )
    ]
    assert len(asked) > 60
    rules = tmp_path / "queries.yml"
    with rules.open("w", encoding="utf-8") as file:
        YAML().dump({"groups": [{"name": "queries", "rules": asked}]}, file)
    done = subprocess.run(
        ["promtool", "check", "rules", str(rules)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0 and f"{len(asked)} rules found" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["dashboards", "datasources"])
def test_provisioning_is_yaml_of_its_first_version(name: str) -> None:
    told = YAML(typ="safe").load((GRAFANA / "provisioning" / f"{name}.yml").read_text(encoding="utf-8"))
    assert told["apiVersion"] == 1
