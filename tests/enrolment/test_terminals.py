"""The register of households: tables in and out, one terminal at a time, another box in the same household."""

import csv
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook
from ruamel.yaml import YAML

from gateway.commands import read_config
from gateway.config.terminal_file import TerminalFile
from gateway.console.households import AlreadyHere, phone_fault
from gateway.enrolment.terminal_registrar import Import, TerminalRegistrar
from gateway.enrolment.terminal_table import one_sided, read_terminals, write_terminals
from gateway.errors import ConfigError, UsageError

HEADER = [
    "终端编号",
    "户主姓名",
    "联系电话",
    "家庭住址",
    "经度",
    "纬度",
    "行政区划代码",
    "关联摄像机",
    "十户联防",
    "预置位",
    "型号",
]
NODE = """\
node: {id: zhuyang}
data_dir: ./var
sources: []
cameras:
  - {id: c1, rtsp: {main: "rtsp://h/1"}}
  - {id: c2, rtsp: {main: "rtsp://h/2"}}
"""
LISTED = """\
terminals:
  # the mayor
  - id: tv-1
    household: {name: 张, phone: "110"}  # keep me
    cameras: [c1]
    neighbours: [tv-2, tv-3]
  - id: tv-2
    neighbours: [tv-1]
  - id: tv-3
"""


def table(path: Path, *rows: list[object], header: list[str] = HEADER) -> Path:
    if path.suffix == ".csv":
        with path.open("w", encoding="gb18030", newline="") as file:
            csv.writer(file).writerows([header, *rows])
    else:
        book = Workbook()
        for row in [header, *rows]:
            book.active.append(row)
        book.save(path)
    return path


class Stage:
    """A node's files; ``reloads`` counts what was put in force, ``noted`` is the audit."""

    def __init__(self, directory: Path, terminals: str = LISTED) -> None:
        self.path = directory / "node.yaml"
        self.path.write_text(NODE + terminals, "utf-8")
        self.reloads = 0
        self.noted: list[tuple[str, str, str | None]] = []
        self.registrar = TerminalRegistrar(TerminalFile(self.path, read_config), self.reload)

    async def reload(self) -> None:
        self.reloads += 1

    async def note(self, action: str, object_: str, detail: str | None) -> None:
        self.noted.append((action, object_, detail))

    def terminals(self) -> Mapping[str, Any]:
        return {each.id: each for each in read_config(self.path).settings.terminals}

    async def take(self, path: Path, **how: bool) -> Import:
        return await self.registrar.take_table(read_terminals(path), self.note, **how)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


async def test_what_was_agreed_to_is_compared_on_a_thread(stage: Stage, tmp_path: Path) -> None:
    """Of twenty thousand rows it takes a while, and the loop is everybody's."""
    threads: list[int] = []
    read = read_terminals(table(tmp_path / "t.csv", ["tv-8"], header=HEADER[:1]))
    await stage.registrar.take_table(read, stage.note, agreed=lambda planned: threads.append(threading.get_ident()))
    assert "tv-8" in stage.terminals()
    assert len(threads) == 1
    assert threading.get_ident() not in threads


@pytest.mark.parametrize("name", ["t.csv", "t.xlsx"])
async def test_a_register_with_chinese_headers(stage: Stage, tmp_path: Path, name: str) -> None:
    path = table(
        tmp_path / name,
        [
            "tv-8",
            "王",
            13800000001,
            "北大街 1 号",
            107.2043,
            30.7361,
            "511724001001",
            "c1、c2",
            "tv-1，tv-9",
            "c1=大门；c2=3",
            "kaiwan",
        ],
        ["tv-9", "李", "0818-1234567转12", None, None, None, None, None, None, None, None],
    )
    done = await stage.take(path)
    assert (done.added, done.changed, done.removed, done.table.refused) == (["tv-8", "tv-9"], [], [], [])
    made = stage.terminals()["tv-8"]
    assert (made.household.name, made.household.phone, made.place.lon) == ("王", "13800000001", 107.2043)
    assert (made.cameras, made.neighbours, made.presets) == (("c1", "c2"), ("tv-1", "tv-9"), {"c1": "大门", "c2": "3"})
    assert made.model == "kaiwan"
    assert stage.reloads == 1
    assert stage.noted == [("import_terminals", "terminals", "2 added, 0 changed, 0 removed")]
    assert (await stage.take(path)).same == 2
    assert stage.reloads == 1  # nothing was to be done


async def test_what_has_to_be_known_in_a_household_goes_in_and_out(stage: Stage, tmp_path: Path) -> None:
    header = ["终端编号", "户主", "注意事项"]
    rows: list[list[object]] = [["tv-8", "王", "听力不好，钥匙在隔壁 12 号"], ["tv-9", "李", "长" * 501]]
    done = await stage.take(table(tmp_path / "in.csv", *rows, header=header))
    assert done.added == ["tv-8"]
    assert [(each.id, each.reason.split(":")[0]) for each in done.table.refused] == [("tv-9", "household.instructions")]
    assert stage.terminals()["tv-8"].to_model().household.instructions == "听力不好，钥匙在隔壁 12 号"
    out = tmp_path / "out.csv"
    write_terminals(out, [stage.terminals()["tv-8"].model_dump(mode="json", exclude_unset=True)])
    assert (await stage.take(out)).same == 1


async def test_every_refused_row_is_named_with_its_reason_and_the_others_are_taken(
    stage: Stage, tmp_path: Path
) -> None:
    header = ["id", "household.phone", "place.lon", "place.lat", "place.area_code", "cameras", "neighbours", "presets"]
    rows: list[list[object]] = [
        ["tv-5", "", "", "", "", "", "", ""],
        ["tv-5", "", "", "", "", "", "", ""],
        ["", "139", "", "", "", "", "", ""],
        ["tv 6", "", "", "", "", "", "", ""],
        ["tv-7", "", "200", "30", "", "", "", ""],
        ["tv-8", "", "107", "", "", "", "", ""],
        ["tv-9", "", "", "", "5117x", "", "", ""],
        ["tv-10", "call me", "", "", "", "", "", ""],
        ["tv-11", "", "", "", "", "c3", "", ""],
        ["tv-12", "", "", "", "", "", "tv-99", ""],
        ["tv-13", "", "", "", "", "", "tv-12", ""],
        ["tv-14", "", "", "", "", "", "tv-14", ""],
        ["tv-15", "", "", "", "", "", "", "c1"],
        ["tv-16", "", "nan", "30", "", "", "", ""],
        ["tv-17", "", "", "", "", "", "tv-5 tv-1", ""],
    ]
    done = await stage.take(table(tmp_path / "t.csv", *rows, header=header))
    assert done.added == ["tv-5", "tv-17"]
    reasons = {(each.line, each.id): each.reason for each in done.table.refused}
    expected = {
        (3, "tv-5"): "line 2 already",
        (4, ""): "id: Field required",
        (5, "tv 6"): "an id is 1 to 64",
        (6, "tv-7"): "longitude is -180 to 180",
        (7, "tv-8"): "belong together",
        (8, "tv-9"): "place.area_code: ",
        (9, "tv-10"): "no telephone number",
        (10, "tv-11"): "there is no camera c3",
        (11, "tv-12"): "there is no terminal tv-99",
        (12, "tv-13"): "there is no terminal tv-12",
        (13, "tv-14"): "names itself",
        (14, "tv-15"): "CAMERA=PRESET",
        (16 - 1, "tv-16"): "longitude “nan” is no position",
    }
    assert reasons.keys() == expected.keys()
    for key, words in expected.items():
        assert words in reasons[key], key


async def test_a_dry_run_writes_nothing(stage: Stage, tmp_path: Path) -> None:
    before = stage.path.read_bytes()
    done = await stage.take(table(tmp_path / "t.csv", ["tv-8"]), dry_run=True)
    assert (done.added, stage.path.read_bytes(), stage.reloads, stage.noted) == (["tv-8"], before, 0, [])


async def test_a_table_that_is_the_whole_register_removes_the_others_but_not_what_it_could_not_read(
    stage: Stage, tmp_path: Path
) -> None:
    path = table(tmp_path / "t.csv", ["tv-1", "张三"], ["tv-3", "李", "no phone"])
    done = await stage.take(path, replace=True)
    assert (done.changed, done.removed) == (["tv-1"], ["tv-2"])
    left = stage.terminals()
    assert set(left) == {"tv-1", "tv-3"}
    assert (left["tv-1"].household.name, left["tv-1"].household.phone, left["tv-1"].neighbours) == (
        "张三",
        "110",
        ("tv-3",),
    )
    assert "# the mayor" in stage.path.read_text("utf-8")
    assert "# keep me" in stage.path.read_text("utf-8")


async def test_another_box_in_the_same_household(stage: Stage) -> None:
    await stage.registrar.replace("tv-1", "tv-101", stage.note)
    terminals = stage.terminals()
    assert list(terminals) == ["tv-101", "tv-2", "tv-3"]
    moved = terminals["tv-101"]
    assert (moved.household.name, moved.cameras, moved.neighbours) == ("张", ("c1",), ("tv-2", "tv-3"))
    assert terminals["tv-2"].neighbours == ("tv-101",)
    assert "# keep me" in stage.path.read_text("utf-8")
    assert stage.noted == [("replace_terminal", "terminals/tv-1", "tv-101")]
    with pytest.raises(AlreadyHere):
        await stage.registrar.replace("tv-2", "tv-3", stage.note)
    with pytest.raises(KeyError):
        await stage.registrar.replace("tv-1", "tv-7", stage.note)


async def test_who_goes_is_nobodys_neighbour_any_more(stage: Stage) -> None:
    await stage.registrar.remove("tv-2", stage.note)
    assert stage.terminals()["tv-1"].neighbours == ("tv-3",)
    with pytest.raises(KeyError):
        await stage.registrar.remove("tv-2", stage.note)


async def test_one_terminal_is_added_and_changed(stage: Stage) -> None:
    await stage.registrar.add(
        {"id": "tv-4", "household": {"name": "赵", "phone": None}, "neighbours": ["tv-1"]}, stage.note
    )
    await stage.registrar.change("tv-4", {"household": {"phone": "139 0000 0000"}, "cameras": ["c2"]}, stage.note)
    made = stage.terminals()["tv-4"]
    assert (made.household.name, made.household.phone, made.cameras) == ("赵", "139 0000 0000", ("c2",))
    await stage.registrar.change("tv-4", {"neighbours": None}, stage.note)
    assert stage.terminals()["tv-4"].neighbours == ()
    with pytest.raises(AlreadyHere):
        await stage.registrar.add({"id": "tv-4"}, stage.note)
    with pytest.raises(UsageError, match="telephone"):
        await stage.registrar.change("tv-4", {"household": {"phone": "x"}}, stage.note)
    before = stage.path.read_bytes()
    with pytest.raises(ConfigError, match="there is no camera c9"):
        await stage.registrar.change("tv-4", {"cameras": ["c9"]}, stage.note)
    assert stage.path.read_bytes() == before


@pytest.mark.parametrize("name", ["terminals.csv", "terminals.yaml"])
async def test_a_file_of_their_own_and_there_and_back_again(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("id\n" if name.endswith(".csv") else "[]\n", "utf-8")
    stage = Stage(tmp_path, f"terminals_file: {name}\n")
    rows: list[list[object]] = [
        [f"tv-{n}", f"户{n}", "13800000001", "街", 107.2, 30.7, "511724001", "c1", f"tv-{(n + 1) % 50}", "c1=门 口", ""]
        for n in range(50)
    ]
    await stage.take(table(tmp_path / "in.xlsx", *rows))
    await stage.registrar.replace("tv-7", "tv-107", stage.note)
    assert stage.terminals()["tv-6"].neighbours == ("tv-107",)
    records = [record for _, record in TerminalFile(stage.path, read_config).records()]
    for out in ("out.csv", "out.xlsx"):
        write_terminals(tmp_path / out, records)
        again = await stage.take(tmp_path / out)
        assert (again.same, again.added, again.changed, again.table.refused) == (50, [], [], [])
    if name.endswith(".yaml"):
        assert isinstance(YAML().load((tmp_path / name).read_text("utf-8")), list)


def test_neighbours_that_name_only_one_way() -> None:
    named = {"a": ["b", "z"], "b": ["a"], "c": ["a"]}
    assert one_sided(named) == [("c", "a")]


@pytest.mark.parametrize(
    "phone", ["110", "+86 138 0000 0001", "0818-1234567转12", "13800000001、13900000002", None, ""]
)
def test_where_somebody_can_be_called_back(phone: str | None) -> None:
    assert phone_fault(phone) is None


@pytest.mark.parametrize("phone", ["1", "none", "13800000001,", "１３８００", "9" * 40])
def test_what_is_no_telephone_number(phone: str) -> None:
    assert "no telephone number" in (phone_fault(phone) or "")
