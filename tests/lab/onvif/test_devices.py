"""The devices as a bench or a test starts them: a process on a leash, with video, under orders."""

import asyncio
import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.config.load import load
from gateway.lab.children import Child
from gateway.lab.onvif import devices
from gateway.lab.onvif.control import fault_table
from gateway.lab.onvif.devices import main
from gateway.lab.onvif.nameplate import Nameplate
from gateway.model import Credential, OnvifAddress


async def tell(child: Child, **order: Any) -> dict[str, Any]:
    answer = await child.ask(order)
    assert answer.pop("ok", None) is True, answer
    return answer


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


async def test_recorders_under_orders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_PASSWORD", "s3cret")
    table, village = tmp_path / "cameras.csv", Child("the devices", tmp_path / "log")
    wanted = ("--count", "2", "--channels", "2", "--write", str(table), "--fault", "no_media2:2", "--leashed")
    login = ("--user", "admin", "--password-env", "LAB_PASSWORD")
    try:
        ports = await village.start_leashed("-m", "gateway.lab.onvif.devices", *wanted, *login)
        assert await tell(village, set="wrong_password", devices="1") == {"devices": 1}
        assert (await tell(village, event="input", devices="2", place=2))["devices"] == 1
        assert (await tell(village, fired=0))["fired"][0][:2] == [2, True]
        assert await tell(village, move=2, host="127.8.8.8") == {
            "url": f"http://127.8.8.8:{ports['port']}/onvif/device_service"
        }
        assert await tell(village, password="other") == {"devices": 2}
        assert await tell(village, power="off", devices="1") == {"devices": 1}
        assert await tell(village, power="on") == {"devices": 2}
        assert await tell(village, clear="all") == {"devices": 2}
        assert await tell(village, traffic=200, of="line") == {}
        while (await tell(village, fired=0))["next"] < 10:
            await asyncio.sleep(0.01)
        assert await tell(village, traffic=0) == {}
        told = await tell(village, figures="2")
        assert (told["onvif"]["devices"], told["rtsp"]["cameras"], list(told["each"])) == (2, 4, ["2"])
        assert told["failed_logins"] == {}
        assert "there is no fault 'tired'" in (await village.ask({"set": "tired"}))["error"]
        assert "no address of 127/8" in (await village.ask({"move": 1, "host": "10.0.0.1"}))["error"]
        assert "a device is at 127.8.8.8" in (await village.ask({"move": 1, "host": "127.8.8.8"}))["error"]
        assert "an order has one of the keys" in (await village.ask({"sing": 1}))["error"]
    finally:
        assert await village.stop(60)
    assert village.tail() == ""
    assert table.stat().st_mode & 0o777 == 0o600
    file = tmp_path / "node.yaml"
    node = {"node": {"id": "lab"}, "data_dir": str(tmp_path / "var"), "cameras_file": str(table)}
    file.write_text(json.dumps(node), encoding="utf-8")
    addresses = [camera.to_model().onvif for camera in load(file, sources={}, sinks={}).settings.cameras]
    identity = addresses[0].identity if addresses[0] else None
    login_of = Credential("admin", "s3cret")
    assert addresses[:2] == [
        OnvifAddress("127.1.0.1", ports["port"], login_of, source=source, identity=identity)
        for source in ("VS1", "VS2")
    ]


async def test_video_moves_with_its_device(tmp_path: Path) -> None:
    village = Child("the devices", tmp_path / "log")
    try:
        ports = await village.start_leashed("-m", "gateway.lab.onvif.devices", "--count", "1", "--leashed")
        await tell(village, move=1, host="127.7.7.7")
        probe = await asyncio.create_subprocess_exec(
            *("ffprobe", "-v", "error", "-rtsp_transport", "tcp", "-show_entries", "stream=width,height"),
            *("-of", "json", f"rtsp://127.7.7.7:{ports['rtsp_port']}/cam/1/sub"),
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await asyncio.wait_for(probe.communicate(), 60)
        assert json.loads(output)["streams"] == [{"width": 640, "height": 360}]
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.1.0.1", ports["rtsp_port"])
    finally:
        assert await village.stop(60)


async def test_cameras_without_onvif_come_before_those_of_devices(tmp_path: Path) -> None:
    table, village = tmp_path / "cameras.csv", Child("the devices", tmp_path / "log")
    wanted = ("--count", "1", "--plain", "2", "--subnet", "9", "--write", str(table), "--leashed")
    try:
        ports = await village.start_leashed("-m", "gateway.lab.onvif.devices", *wanted)
        told = await tell(village, figures=True)
        assert (told["onvif"]["devices"], told["rtsp"]["cameras"]) == (1, 3)
    finally:
        assert await village.stop(60)
    (row,) = csv.DictReader(table.read_text(encoding="utf-8").splitlines())
    its = Nameplate(1, batch=9)
    assert (row["id"], row["onvif.host"], row["onvif.port"]) == ("lab-0003", "127.9.0.1", str(ports["port"]))
    assert row["onvif.identity"] == its.endpoint != Nameplate(1).endpoint
    assert its.serial != Nameplate(1).serial


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--fault", "sleepy"), "there is no fault 'sleepy'"),
        (("--fault", "no_media2=3"), "no_media2 takes no argument"),
        (("--fault", "wrong_clock=late"), "'late' is not a number"),
        (("--fault", "hanging:9"), "numbered from 1 to 3"),
        (("--count", "0"), "1 to 2000 devices"),
        (("--channels", "65"), "1 to 64 cameras"),
        (("--plain", "-1"), "0 to 2000 cameras"),
        (("--subnet", "256"), "1 to 255 is accepted"),
        (("--discovery-port", "70000"), "0 to 65535"),
        (("--user", "admin"), "needs --password-env"),
        (("--write", "/nowhere/at/all.csv"), "cannot be written"),
    ],
)
def test_a_wrong_wish_is_said_in_a_sentence(
    arguments: tuple[str, ...], said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(("--profile", "none", *arguments)) == 2
    assert said in capfd.readouterr().err


def test_the_faults_are_listed_and_documented(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list-faults"]) == 0
    listed = capsys.readouterr().out
    readme = (Path(devices.__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    for name, text in fault_table():
        assert f"{name} " in listed
        assert f"| `{name}` | {text} |" in readme


def test_the_command_line_passes_its_options_on() -> None:
    result = CliRunner().invoke(app, ["lab", "onvif", "--list-faults"])
    assert result.exit_code == 0
    assert "blocked_thread_upper_limit" in result.output
