"""The demo's cameras as the township's configuration has them, and what they notice."""

import json
from pathlib import Path

import pytest

from gateway.commands import read_config
from gateway.lab.demo_park import DemoPark
from gateway.lab.mqtt_link import Login
from gateway.lab.nodes import NodePair, Plan, yaml_of
from gateway.lab.village import terminal_settings


@pytest.mark.parametrize(("cameras", "streams"), [(1, 0), (2, 0), (5, 3)])
async def test_devices_are_configured_by_address_and_login_alone(tmp_path: Path, cameras: int, streams: int) -> None:
    park = DemoPark(cameras, tmp_path)
    park._ports = {"port": 8000, "rtsp_port": 8554}
    (tmp_path / "cameras.password").write_text("s3cret")
    (tmp_path / "mqtt.password").write_text("s3cret")
    (tmp_path / "county.token").write_text("token")
    login, households = Login("127.0.0.1", 1883, "township", "s3cret"), park.with_presets(terminal_settings(4))
    plan = Plan(tmp_path, 8080, 8081, login, "3.1.1", park.settings(), households, discovery=park.discovery())
    file = tmp_path / "township.yaml"
    file.write_text(yaml_of(NodePair(plan)._township_settings()), encoding="utf-8")
    loaded = read_config(file)
    assert not loaded.warnings, "no password stands in the file"
    found = [camera.to_model() for camera in loaded.settings.cameras]
    assert len({camera.name for camera in found}) == len({camera.id for camera in found}) == cameras
    assert [camera.rtsp is not None for camera in found] == [True] * streams + [False] * (cameras - streams)
    assert [camera.onvif is not None for camera in found] == [False] * streams + [True] * (cameras - streams)
    addresses = [camera.onvif or camera.rtsp for camera in found]
    assert {address.credential.password for address in addresses if address and address.credential} == {"s3cret"}
    dome = found[streams].id
    assert [list(terminal.presets) for terminal in loaded.settings.terminals] == [[dome]] * 4
    assert len(loaded.settings.discovery.ranges) == 1


async def test_they_notice_what_the_demo_tells(tmp_path: Path) -> None:
    park = DemoPark(2, tmp_path)
    try:
        await park.start()
        for notice in park.notices():
            await park.notice(notice if notice.lasts == 0 else type(notice)(notice.device, notice.event, 0.01, ""))
        fired = (await park._child.ask({"fired": 0}))["fired"]
    finally:
        await park.stop(20)
    assert [(device, event, active) for device, active, _, event in fired] == [
        (2, "input", True), (2, "input", False), (1, "line", True), (1, "intrusion", True), (1, "intrusion", False),
    ]  # fmt: skip
    assert (tmp_path / "cameras.password").stat().st_mode & 0o777 == 0o600


def test_two_demos_do_not_take_each_others_cameras_for_theirs(tmp_path: Path) -> None:
    one, other = DemoPark(2, tmp_path), DemoPark(2, tmp_path)
    while one._subnet == other._subnet:
        other = DemoPark(2, tmp_path)
    for park in (one, other):
        park._ports = {"port": 8000, "rtsp_port": 8554}
    told = json.dumps(one.settings())
    for camera in other.settings():
        assert camera["onvif"]["host"] not in told
        assert camera["onvif"]["identity"] not in told
