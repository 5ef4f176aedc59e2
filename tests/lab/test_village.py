"""The invented township must be a configuration that the gateway itself accepts."""

import json
from pathlib import Path

import pytest

from gateway.commands import read_config
from gateway.lab.mqtt_link import Login
from gateway.lab.nodes import NodePair, Plan, yaml_of
from gateway.lab.village import camera_settings, terminal_settings


@pytest.mark.parametrize("cameras", [1, 3, 20])
def test_both_configurations_are_valid(tmp_path: Path, cameras: int) -> None:
    login = Login("127.0.0.1", 1883, "township", "secret")
    plan = Plan(tmp_path, 8080, 8081, login, "3.1.1", camera_settings(cameras, 8554), terminal_settings(30))
    pair = NodePair(plan)
    (tmp_path / "mqtt.password").write_text("secret")
    (tmp_path / "county.token").write_text("token")
    county, township = tmp_path / "county.yaml", tmp_path / "township.yaml"
    county.write_text(yaml_of(pair._county_settings()), encoding="utf-8")
    township.write_text(yaml_of(pair._township_settings()), encoding="utf-8")
    assert read_config(county).settings.node.level == "county"
    loaded = read_config(township)
    assert len(loaded.settings.cameras) == cameras
    assert len(loaded.settings.terminals) == 30
    assert not loaded.warnings, "no secret stands in the file"
    assert "secret" not in township.read_text(encoding="utf-8")


def test_ids_are_unique_and_numbers_reach_nobody() -> None:
    cameras, terminals = camera_settings(40, 8554), terminal_settings(120)
    assert len({camera["id"] for camera in cameras}) == 40
    assert len({camera["name"] for camera in cameras}) == 40
    assert all(len(camera["id"]) == 20 and camera["id"][10:13] == "131" for camera in cameras), (
        "GB/T 28181: 131 = camera"
    )
    assert len({terminal["id"] for terminal in terminals}) == 120
    assert all(terminal["household"]["phone"].startswith("0000-") for terminal in terminals)
    assert json.dumps(terminals, ensure_ascii=False)
