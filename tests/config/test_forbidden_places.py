from pathlib import Path

import pytest

from adapters.kinds import SINKS, SOURCES
from gateway.config import load
from gateway.config.forbidden_places import forbidden, refusal
from gateway.errors import ConfigError

NODE = "node: {id: zhuyang}\ndata_dir: var\n"


@pytest.mark.parametrize(
    "words",
    [
        "宾馆客房", "KTV包厢", "二楼包间", "学生宿舍", "3号宿舍", "女寝室", "职工休息室", "公共浴室", "公共卫生间", "厕所",
        "男更衣室", "试衣间", "哺乳室", "母婴室", "hotel room", "guest_room", "Guest Rooms", "dormitory", "dorm-room",
        "bathroom", "Women's toilet", "WC", "changing room", "locker.room", "fitting room", "nursing room", "private dining room",
    ],
)  # fmt: skip
def test_what_the_law_forbids_is_refused_as_a_type_and_as_a_name(words: str) -> None:
    assert forbidden(words) is not None
    for reason in (refusal("x", words), refusal(words)):
        assert reason is not None
        assert "条例, Article 8" in reason
        assert words in reason


@pytest.mark.parametrize(
    "words",
    [
        "村口", "大足区石马镇村委会", "学生宿舍楼", "宿舍区大路", "corridor", "Showroom", "entrance", "bushroom street", "客运站",
        "street", "",
    ],
)  # fmt: skip
def test_other_places_are_not_refused(words: str) -> None:
    assert refusal(words) is None
    assert refusal("x", words) is None


@pytest.mark.parametrize(
    "name", ["公厕门口", "更衣室外走廊", "浴室旁路口", "toilet entrance", "corridor of the dormitory", "宿舍东侧"]
)
def test_a_name_that_says_the_camera_stands_before_the_place_is_no_hint(name: str) -> None:
    assert refusal(name) is None


def test_a_stated_type_decides_over_the_name_and_before_a_forbidden_room_is_still_its_type() -> None:
    assert refusal("公厕", "路边") is None
    assert refusal("公厕", "  ") is not None
    assert refusal("村口", "更衣室") is not None
    assert "say where in place.type" in str(refusal("公厕"))


def test_a_forbidden_type_is_a_fault_of_the_file_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "node.yaml"
    path.write_text(NODE + "cameras:\n  - id: a\n    place:\n      type: 更衣室\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(path, sources=SOURCES, sinks=SINKS)
    (fault,) = caught.value.faults
    assert fault.startswith(f"{path}:6: cameras[0].place.type: no camera may stand inside a changing or fitting room")


def test_a_doubtful_name_is_a_warning_and_stops_nothing(tmp_path: Path) -> None:
    path = tmp_path / "node.yaml"
    path.write_text(
        NODE + "cameras:\n  - {id: a, name: 公厕}\n  - {id: b, name: 公厕, place: {type: 路边}}\n", encoding="utf-8"
    )
    loaded = load(path, sources=SOURCES, sinks=SINKS)
    assert len(loaded.settings.cameras) == 2
    (warning,) = loaded.warnings
    assert warning.startswith(f"{path}: camera a: no camera may stand inside a bathroom or toilet")


def test_a_table_of_cameras_states_types_too(tmp_path: Path) -> None:
    table = tmp_path / "cameras.csv"
    table.write_text("id,place.type\na,走廊\nb,hotel room\n", encoding="utf-8")
    path = tmp_path / "node.yaml"
    path.write_text(NODE + "cameras_file: cameras.csv\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(path, sources=SOURCES, sinks=SINKS)
    (fault,) = caught.value.faults
    assert fault.startswith(f"{table}:3: place.type: no camera may stand inside a guest room")


def test_the_panic_button_in_a_bathroom_is_no_camera(tmp_path: Path) -> None:
    path = tmp_path / "node.yaml"
    path.write_text(NODE + "terminals:\n  - {id: t, place: {address: 卫生间}}\n", encoding="utf-8")
    assert load(path, sources=SOURCES, sinks=SINKS).settings.terminals[0].place.address == "卫生间"
