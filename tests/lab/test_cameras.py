"""The park of cameras as the demo and the benches start it: a process on a leash."""

import asyncio
import json
from pathlib import Path

import pytest

from gateway.errors import RunningError
from gateway.lab.cameras import Park, open_park, path, scene_of
from gateway.lab.children import Child
from gateway.model import Scene


async def test_the_process_tells_its_port_serves_and_ends_with_its_leash(tmp_path: Path) -> None:
    park = Child("the cameras", tmp_path / "log")
    port = (await park.start_leashed("-m", "gateway.lab.cameras", "--leashed", "--cameras", "2"))["port"]
    try:
        probe = await asyncio.create_subprocess_exec(
            *("ffprobe", "-v", "error", "-rtsp_transport", "tcp", "-show_entries", "stream=width,height"),
            *("-of", "json", f"rtsp://127.0.0.1:{port}{path(2)}"),
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await asyncio.wait_for(probe.communicate(), 60)
        assert json.loads(output)["streams"] == [{"width": 640, "height": 360}]
        process = park._process
        assert process is not None and process.stdin is not None
        process.stdin.close()
        assert await asyncio.wait_for(process.wait(), 20) == 0
    finally:
        await park.stop(5)
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
