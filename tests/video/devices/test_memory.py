import json
import time
from pathlib import Path

import pytest

from gateway.video.devices.link import View
from gateway.video.devices.memory import MOST, DeviceMemory
from gateway.video.devices.memory_file import LOOK_AGAIN_S

CAMERA = "10.0.0.5:80"


class Wall:
    """Seconds since 1970, in the test's hands."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def wall() -> Wall:
    return Wall()


async def test_what_is_kept_is_there_again(tmp_path: Path) -> None:
    path = tmp_path / "devices.json"
    memory = DeviceMemory(path)
    view = View("VS1", "rtsp://admin:s3cret@10.0.0.5:554/main", None, "http://u:p@10.0.0.5/still?a=@b", "p1")
    memory.keep_views("10.0.0.5:80", [view])
    memory.remember("http://10.0.0.5/", "http://10.0.0.5/sub?1", "<Id>1</Id>", time.time() + 60)
    memory.remember("http://10.0.0.6/", "http://10.0.0.6/sub?1", "", time.time() - 1)
    memory.close()
    assert path.stat().st_mode & 0o777 == 0o600
    assert "s3cret" not in path.read_text()
    again = DeviceMemory(path)
    assert again.views("10.0.0.5:80") == [
        View("VS1", "rtsp://10.0.0.5:554/main", None, "http://10.0.0.5/still?a=@b", "p1")
    ]
    left = again.left("http://10.0.0.5/")
    assert left is not None
    assert left[:2] == ("http://10.0.0.5/sub?1", "<Id>1</Id>")
    assert again.left("http://10.0.0.6/") is None, "it has ended by itself"
    again.forget("http://10.0.0.5/")
    again.close()
    assert DeviceMemory(path).left("http://10.0.0.5/") is None


@pytest.mark.parametrize(
    "line",
    ["", "[]", "{", '{"views": {}}', "\x00", "\xff", "[" * 5000, '["views","a",0]', '["views","a","soon",[]]',
     '["views","a",0,[{"no":1}]]', '["views","a",0,7]', '["subscription","a",0,["u","h"]]',
     '["subscription","a",0,["u","h","soon"]]', '["subscription",["a"],0,null]', '["views",{},0,null]'],
)  # fmt: skip
def test_a_spoilt_line_is_forgotten_and_spoils_no_other(tmp_path: Path, line: str) -> None:
    path = tmp_path / "devices.json"
    good = json.dumps(["subscription", "b", 0, ["u", "h", time.time() + 60]])
    path.write_text(f"{line}\n{good}\n{line}", encoding="latin-1")
    memory = DeviceMemory(path)
    assert memory.views("a") in ((), [])
    assert memory.left("a") is None
    assert memory.states("a") is None
    assert memory.left("b") is not None


async def test_without_a_file_nothing_outlives_it() -> None:
    memory = DeviceMemory()
    memory.keep_views("a", [View(None)])
    memory.close()
    assert DeviceMemory().views("a") == ()


async def test_a_directory_that_is_gone_costs_a_warning(tmp_path: Path) -> None:
    memory = DeviceMemory(tmp_path / "gone" / "devices.json")
    memory.keep_views("a", [View(None)])
    memory.close()
    assert memory.views("a") == [View(None)]


async def test_how_things_stand_is_put_down_once_the_core_has_been_told(tmp_path: Path) -> None:
    path = tmp_path / "devices.json"
    memory, untold, stands = DeviceMemory(path), {CAMERA}, [["idle"]]
    memory.untold = untold.__contains__
    memory.keep_states(CAMERA, lambda: stands[-1])
    memory.close()
    assert DeviceMemory(path).states(CAMERA) is None, "the next worker has to find it out, and tell it, itself"
    untold.clear()
    memory.write()
    assert DeviceMemory(path).states(CAMERA) == ["idle"]
    stands.append(["pressed"])
    memory.states_changed(CAMERA)
    untold.add(CAMERA)
    memory.close()
    assert DeviceMemory(path).states(CAMERA) == ["idle"]
    assert memory.states(CAMERA) == ["pressed"], "this one has told it, or still will"


async def test_whichever_worker_held_a_device_last_knows_best(tmp_path: Path, wall: Wall) -> None:
    """It dies, another takes the device, and gives it back when it has returned."""
    first, second = (tmp_path / f"video-{number}.devices.json" for number in range(2))
    one = DeviceMemory(first, now=wall)
    one.keep_states(CAMERA, lambda: ["idle"])
    one.remember("http://10.0.0.5/", "http://10.0.0.5/sub?1", "", wall() + 600)
    one.close()
    wall.now += 60
    other = DeviceMemory(second, now=wall)
    assert other.states(CAMERA) == ["idle"]
    assert other.left("http://10.0.0.5/") == ("http://10.0.0.5/sub?1", "", wall() + 540)
    other.keep_states(CAMERA, lambda: ["pressed"])
    other.forget("http://10.0.0.5/")
    other.close()
    wall.now += LOOK_AGAIN_S
    again = DeviceMemory(first, now=wall)
    assert again.states(CAMERA) == ["pressed"]
    assert again.left("http://10.0.0.5/") is None, "the other has ended it"


async def test_it_grows_no_further_than_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "devices.json"
    memory = DeviceMemory(path)
    for number in range(MOST + 3):
        memory.keep_states(f"{number}", list)
        memory.keep_views(f"{number}", [])
        memory.remember(f"{number}", "u", "", time.time() + 600)
    memory.close()
    assert len(path.read_text().splitlines()) == 3 * MOST
    again = DeviceMemory(path)
    assert again.states("2") is None
    assert again.states("3") == []
