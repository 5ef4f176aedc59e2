"""The park of cameras as the demo and the benches start it: a process on a leash."""

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.config.load import load
from gateway.errors import RunningError
from gateway.lab import cameras
from gateway.lab.cameras import Park, main, open_park, path, scene_of
from gateway.lab.children import Child
from gateway.lab.control import fault_table
from gateway.model import Credential, Scene


async def test_the_process_tells_its_port_serves_and_ends_with_its_leash(tmp_path: Path) -> None:
    park = Child("the cameras", tmp_path / "log")
    port = (await park.start_leashed("-m", "gateway.lab.cameras", "--leashed", "--cameras", "2"))["port"]
    try:
        probe = await asyncio.create_subprocess_exec(
            *("ffprobe", "-v", "error", "-rtsp_transport", "tcp", "-show_entries", "stream=width,height"),
            *("-of", "json", f"rtsp://127.0.0.1:{port}{path(2)}"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, complaint = await asyncio.wait_for(probe.communicate(), 60)
        assert probe.returncode == 0, complaint
        assert json.loads(output)["streams"] == [{"width": 640, "height": 360}]
        process = park._process
        assert process is not None and process.stdin is not None
        process.stdin.close()
        assert await asyncio.wait_for(process.wait(), 60) == 0
    finally:
        await park.stop(60)
    assert park.tail() == ""


async def test_every_camera_has_a_main_and_a_sub_stream() -> None:
    server = await open_park(Park(cameras=5))
    try:
        for number in range(1, 6):
            sub, main = server.feed(path(number, "sub")), server.feed(path(number, "main"))
            assert sub is not None and main is not None
            assert (sub.coding.width, main.coding.width) == (640, 1920)
            assert server.feed(f"/cam/{number}") is sub
        assert server.feed(path(1)) is server.feed(path(4)), "cameras of one scene share its encoder"
        assert server.feed(path(6)) is None
    finally:
        await server.stop()


def test_scenes_take_turns() -> None:
    assert [scene_of(number) for number in range(1, 5)] == [Scene.STREET, Scene.RURAL, Scene.VILLAGE, Scene.STREET]


async def test_a_child_that_cannot_start_is_told_with_its_last_words(tmp_path: Path) -> None:
    child = Child("the cameras", tmp_path / "log")
    with pytest.raises(RunningError, match=r"the cameras did not start:\n[\s\S]*unrecognized arguments: --nonsense"):
        await child.start_leashed("-m", "gateway.lab.cameras", "--nonsense")
    assert not child.running


async def test_it_obeys_orders_and_writes_the_cameras_for_a_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_PASSWORD", "s3cret, with a comma")
    park, table = Child("the cameras", tmp_path / "log"), tmp_path / "cameras.csv"
    arguments = ("--count", "4", "--profile", "sub", "--gop", "10", "--clip-seconds", "1", "--hosts", "3", "--leashed")
    login = ("--user", "admin", "--password-env", "LAB_PASSWORD", "--fault", "busy_503:4", "--write", str(table))
    try:
        port = (await park.start_leashed("-m", "gateway.lab.cameras", *arguments, *login))["port"]
        assert await park.ask({"set": "lockout=2", "cameras": "1-2"}) == {"ok": True, "cameras": 2}
        assert "there is no fault" in (await park.ask({"set": "lock"}))["error"]
        assert (await park.ask({"figures": True}))["cameras"] == 4
    finally:
        assert await park.stop(60)
    assert table.stat().st_mode & 0o777 == 0o600
    node = {"node": {"id": "lab"}, "data_dir": str(tmp_path / "var"), "cameras_file": str(table)}
    file = tmp_path / "node.yaml"
    file.write_text(json.dumps(node), encoding="utf-8")
    streams = [
        one
        for camera in load(file, sources={}, sinks={}).settings.cameras
        if (one := camera.to_model().rtsp) is not None
    ]
    hosts = ("127.1.0.1", "127.1.0.2", "127.1.0.3", "127.1.0.1")
    assert [one.main for one in streams] == [
        f"rtsp://{host}:{port}/cam/{number}/main" for number, host in enumerate(hosts, 1)
    ]
    assert {one.credential for one in streams} == {Credential("admin", "s3cret, with a comma")}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--fault", "sleepy"), "there is no fault 'sleepy'"),
        (("--fault", "lockout"), "give the cameras a user"),
        (("--fault", "half_open:9"), "numbered from 1 to 3"),
        (("--count", "0"), "1 to 5000 cameras"),
        (("--hosts", "0"), "1 to 5000 addresses"),
        (("--kbit", "0"), "--kbit, --fps and --gop"),
        (("--user", "admin"), "needs --password-env"),
        (("--churn", "5", "--share", "most"), "--share most"),
        (("--churn", "-3"), "--churn -3: 1 second or more"),
        (("--churn", "0"), "--churn 0: 1 second or more"),
        (("--clip-seconds", "0", "--clip"), "--clip-seconds 0: 1 to 600"),
        (("--port", "99999"), "--port 99999: 0 to 65535"),
        (
            ("--profile", "sub", "--gop", "5", "--clip-seconds", "1", "--write", "/nowhere/at/all.csv"),
            "cannot be written",
        ),
    ],
)
def test_a_wrong_wish_is_said_in_a_sentence(
    arguments: tuple[str, ...], said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert said in capfd.readouterr().err


def test_the_faults_are_listed_and_documented(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list-faults"]) == 0
    listed = capsys.readouterr().out
    readme = (Path(cameras.__file__).parent / "README.md").read_text(encoding="utf-8")
    for name, text in fault_table():
        assert f"{name} " in listed
        assert f"| `{name}` | {text}" in readme


def test_the_command_line_passes_its_options_on() -> None:
    result = CliRunner().invoke(app, ["lab", "cameras", "--list-faults"])
    assert result.exit_code == 0
    assert "half_open" in result.output
