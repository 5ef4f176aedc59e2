"""What columns mean, whoever named them."""

import pytest

from gateway.config.record_keys import record_key
from gateway.console.registers import Headers
from gateway.enrolment.camera_columns import CAMERA_COLUMNS
from gateway.enrolment.camera_columns import TEMPLATE as CAMERA_TEMPLATE
from gateway.enrolment.columns import header_of
from gateway.enrolment.terminal_columns import TEMPLATE as TERMINAL_TEMPLATE
from gateway.enrolment.terminal_columns import TERMINAL_COLUMNS
from gateway.errors import UsageError

BOTH = (CAMERA_COLUMNS, TERMINAL_COLUMNS)


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ("国标编码", "id"), ("设备编码", "id"), ("点位编码*", "id"), ("点位名称", "name"), ("杆件编码", "record.pole_code"),
        ("IP地址", "onvif.host"), ("IPv4", "onvif.host"), ("IPv6地址", "record.ipv6"), ("MAC", "record.mac"),
        ("SN", "record.serial"), ("厂商", "record.vendor"), ("型号", "record.model"), ("固件", "record.firmware"),
        ("类型", "record.type"), ("功能类型", "record.function"), ("地址", "place.address"), ("经度（°）", "place.lon"),
        ("纬度", "place.lat"), ("坐标系", "coordinates"), ("行政区划", "place.area_code"), ("areaCode", "place.area_code"),
        ("社区/街道", "record.community"), ("派出所", "record.police_station"), ("位置类型", "place.type"),
        ("室内外", "record.indoor"), ("行业", "record.industry"), ("架设高度(米)", "record.height"),
        ("取电方式", "record.power"), ("监控点类型", "record.point_class"), ("监视方位", "record.direction"),
        ("补光", "record.light"), ("拾音", "record.audio"), ("编码", "record.encoding"), ("分辨率", "record.resolution"),
        ("安装时间", "record.installed"), ("OSD 名称", "record.osd"), ("照片", "record.photo"),
        ("管理单位", "record.manager"), ("管理单位电话", "record.manager_phone"), ("维护单位", "record.maintainer"),
        ("维护单位电话", "record.maintainer_phone"), ("录像保存天数", "record.keep_days"), ("联网属性", "record.network"),
        ("设备状态", "record.device_status"), ("lon", "place.lon"), ("Name", "name"), ("onvif.source", "onvif.source"),
    ],
)  # fmt: skip
def test_the_fields_names(header: str, key: str) -> None:
    others = ["id"] if key != "id" else []
    assert CAMERA_COLUMNS.meaning("t.csv", [*others, header]).keys[-1] == key


@pytest.mark.parametrize("headers", list(Headers))
@pytest.mark.parametrize("columns", BOTH)
def test_every_title_that_is_given_out_is_understood(columns, headers) -> None:
    keys = [column.key for column in columns.columns]
    titles = [columns.title(key, headers) for key in keys]
    assert len(set(titles)) == len(titles)
    assert columns.meaning("t.csv", titles).keys == keys


def test_templates_hold_columns_that_there_are() -> None:
    for columns, template in zip(BOTH, (CAMERA_TEMPLATE, TERMINAL_TEMPLATE), strict=True):
        assert set(template) <= {column.key for column in columns.columns}


def test_of_several_codes_the_surest_is_the_id_and_the_others_are_kept() -> None:
    found = CAMERA_COLUMNS.meaning("t.csv", ["点位编码", "设备编码", "国标编码", "设备名称", "点位名称"])
    assert found.keys == ["record.point_code", "record.device_code", "id", "record.device_name", "name"]
    assert CAMERA_COLUMNS.meaning("t.csv", ["点位编码", "设备编码"]).keys == ["record.point_code", "id"]


def test_what_means_nothing_here_is_kept_and_told() -> None:
    found = CAMERA_COLUMNS.meaning("t.csv", ["id", "平台 备注.2", "拒绝原因", "", "record.own"])
    assert found.keys == ["id", "record.平台_备注_2", "", "", "record.own"]
    assert found.kept == ["平台 备注.2"]


@pytest.mark.parametrize("header", ["平台密码", "Web Password", "API_KEY"])
def test_what_sounds_like_a_password_is_not_kept(header: str) -> None:
    found = CAMERA_COLUMNS.meaning("t.csv", ["id", header])
    assert (found.keys, found.secret) == (["id", ""], [header])


def test_a_misspelt_key_of_ours_is_told() -> None:
    with pytest.raises(UsageError, match="nmae: unknown key; the nearest known key is name"):
        CAMERA_COLUMNS.meaning("t.csv", ["id", "nmae"])
    with pytest.raises(UsageError, match=r"two columns mean place\.lon"):
        CAMERA_COLUMNS.meaning("t.csv", ["id", "经度", "lon"])
    with pytest.raises(UsageError, match="one of them is id"):
        CAMERA_COLUMNS.meaning("t.csv", ["名称"])


def test_titles_above_the_header_and_headers_in_two_rows() -> None:
    title = (1, ["竹阳街道一机一档", "", ""])
    assert header_of([title, (2, ["", ""]), (3, ["设备编码", "名称"])], CAMERA_COLUMNS) == (2, ["设备编码", "名称"])
    merged = [title, (2, ["设备编码", "位置", ""]), (3, ["", "经度", "纬度"]), (4, ["c1", "107", "30"])]
    assert header_of(merged, CAMERA_COLUMNS) == (2, ["设备编码", "经度", "纬度"])
    assert header_of([title], CAMERA_COLUMNS) == (-1, [])


def test_a_key_of_a_record_that_reads_as_a_column_keeps_its_room() -> None:
    for key in ("端口", "name", "拒绝原因", "own_key"):
        assert CAMERA_COLUMNS.title(f"record.{key}", Headers.ZH) == f"record.{key}"
    assert CAMERA_COLUMNS.title("record.平台备注", Headers.ZH) == "平台备注"
    assert record_key(record_key(" a.b c ")) == "a_b_c"
