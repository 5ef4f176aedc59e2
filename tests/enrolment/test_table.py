"""一机一档 in and out: every refused row is named with its reason."""

from pathlib import Path

import pytest
from openpyxl import Workbook

from gateway.console.registers import Headers
from gateway.enrolment.table import read_cameras, write_cameras
from gateway.errors import UsageError

ID = "51172400001310000001"


def write(path: Path, rows: list[list[object]], encoding: str = "utf-8-sig") -> Path:
    if path.suffix == ".csv":
        path.write_text("".join(",".join("" if c is None else str(c) for c in row) + "\n" for row in rows), encoding)
    else:
        book = Workbook()
        for row in rows:
            book.active.append(row)
        book.save(path)
    return path


@pytest.mark.parametrize("name", ["t.csv", "t.xlsx"])
def test_chinese_headers(tmp_path: Path, name: str) -> None:
    rows: list[list[object]] = [
        [
            "设备编码",
            "设备名称",
            "场景",
            "经度",
            "纬度",
            "安装地址",
            "行政区域",
            "IP地址",
            "端口",
            "用户名",
            "密码",
            "启用",
        ],
        [ID, "十字口东", "街道", 107.2043, 30.7361, "十字口", "511724001", "10.0.0.5", 8000, "admin", "pw", "否"],
        [None] * 12,
    ]
    table = read_cameras(write(tmp_path / name, rows))
    assert table.refused == []
    assert [row.record for row in table.rows] == [
        {
            "id": ID,
            "name": "十字口东",
            "scene": "street",
            "enabled": False,
            "place": {"lon": 107.2043, "lat": 30.7361, "address": "十字口", "area_code": "511724001"},
            "onvif": {"host": "10.0.0.5", "port": 8000, "username": "admin", "password": "pw"},
        }
    ]


def test_as_spreadsheets_here_save_it(tmp_path: Path) -> None:
    path = write(
        tmp_path / "t.csv", [["设备编码", "设备名称", "主码流"], ["c1", "村口", "rtsp://10.0.0.5/1"]], "gb18030"
    )
    assert read_cameras(path).rows[0].record["name"] == "村口"


def test_every_refused_row_is_named_with_its_reason(tmp_path: Path) -> None:
    path = write(
        tmp_path / "t.csv",
        [
            ["id", "name", "place.lon", "place.lat", "rtsp.main", "onvif.port"],
            ["c1", "东", "107", "30", "rtsp://h/1", ""],
            ["", "东", "107", "30", "rtsp://h/1", ""],
            ["c 2", "东", "999", "30", "rtsp://h/1", ""],
            ["c1", "西", "", "", "rtsp://h/2", ""],
            ["c3", "南", "", "", "http://u:p@h/1", "0"],
        ],
    )
    table = read_cameras(path)
    assert [row.id for row in table.rows] == ["c1"]
    expected = [
        (3, "", "id: Field required"),
        (4, "c 2", "999, 30 is nowhere"),
        (5, "c1", "its id stands in line 2 already"),
        (6, "c3", "onvif.port: "),
    ]
    for refusal, (line, name, why) in zip(table.refused, expected, strict=True):
        assert (refusal.line, refusal.id) == (line, name)
        assert why in refusal.reason
    assert "an id is 1 to 64 of the characters" in table.refused[1].reason  # all faults of a row at once


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([["id", "nmae"], ["c1", "x"]], "nmae: unknown key; the nearest known key is name"),
        ([["name"], ["x"]], "one of them is id"),
        ([], "one of them is id"),
    ],
)
def test_a_table_of_another_kind(tmp_path: Path, rows: list[list[object]], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        read_cameras(write(tmp_path / "t.csv", rows))


def test_what_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "t.xlsx").write_bytes(b"no workbook")
    (tmp_path / "t.csv").write_bytes(b"\xff\xfe\xff\xff\x00")
    for name in ("t.xlsx", "t.csv", "t.txt", "none.csv"):
        with pytest.raises(UsageError, match=str(tmp_path / name)):
            read_cameras(tmp_path / name)


@pytest.mark.parametrize("name", ["t.csv", "t.xlsx"])
@pytest.mark.parametrize("rounded", [5.1172400001310000001e19, 51172400001310000000])
def test_an_id_that_a_spreadsheet_rounded_is_refused_and_the_others_are_taken(
    tmp_path: Path, name: str, rounded: float
) -> None:
    rows: list[list[object]] = [["id", "rtsp.main"], [rounded, "rtsp://h/1"], [ID, "rtsp://h/2"]]
    table = read_cameras(write(tmp_path / name, rows))
    assert [row.id for row in table.rows] == [ID]
    assert "format the column" in table.refused[0].reason


@pytest.mark.parametrize("name", ["t.csv", "t.xlsx"])
def test_what_goes_out_comes_in_again_without_passwords(tmp_path: Path, name: str) -> None:
    cameras = [
        {"id": ID, "name": "=1+1", "onvif": {"host": "10.0.0.5", "port": 80, "password": {"file": "secrets/x"}}},
        {"id": "c2", "enabled": False, "rtsp": {"main": "rtsp://h/1", "username": "a", "password": "s3cret"}},
    ]
    write_cameras(tmp_path / name, cameras)
    table = read_cameras(tmp_path / name)
    assert table.rows[0].record == {"id": ID, "name": "=1+1", "onvif": {"host": "10.0.0.5", "port": 80}}
    assert table.rows[1].record == {"id": "c2", "enabled": False, "rtsp": {"main": "rtsp://h/1", "username": "a"}}
    assert "s3cret" not in str(table)
    assert "secrets/x" not in str(table)


@pytest.mark.parametrize(("said", "meant"), [("是", True), ("无", False), ("已设置", True), ("", None)])
def test_whether_a_sign_tells_of_the_camera(tmp_path: Path, said: str, meant: bool | None) -> None:
    rows: list[list[object]] = [["设备编码", "设备名称", "IP地址", "提示标识"], [ID, "东", "10.0.0.5", said]]
    [row] = read_cameras(write(tmp_path / "t.csv", rows)).rows
    assert row.record is not None and row.record.get("signage") is meant
    write_cameras(tmp_path / "out.csv", [row.record], Headers.ZH)
    [again] = read_cameras(tmp_path / "out.csv").rows
    assert again.record == row.record


def test_a_sign_that_is_neither_is_refused_by_name(tmp_path: Path) -> None:
    rows: list[list[object]] = [["设备编码", "设备名称", "IP地址", "提示标识"], [ID, "东", "10.0.0.5", "待定"]]
    table = read_cameras(write(tmp_path / "t.csv", rows))
    assert "signage" in str(table.refused)
