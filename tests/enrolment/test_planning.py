"""Rows against each other and against the cameras that there are; what goes out comes in again and changes nothing."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config.sections.devices import CameraSettings, TerminalSettings
from gateway.console.registers import Headers, Import, Remark
from gateway.enrolment.planning import planned_cameras
from gateway.enrolment.table import camera_content, cameras_in
from gateway.enrolment.terminal_registrar import _planned as planned_terminals
from gateway.enrolment.terminal_table import terminal_content, terminals_in

HERE: list[dict[str, Any]] = [
    {"id": "c1", "name": "东", "onvif": {"host": "10.0.0.5", "password": "old-word", "username": "admin"},
     "record": {"mac": "44:19:B6:00:00:01", "serial": "SN-1"}},
    {"id": "c2", "name": "西", "rtsp": {"main": "rtsp://10.0.0.6/1"}},
]  # fmt: skip


def known(cameras: list[dict[str, Any]] = HERE) -> dict[str, CameraSettings]:
    return {each["id"]: CameraSettings.model_validate(each) for each in cameras}


def plan(*rows: str, header: str = "id,IP地址,通道,主码流,MAC,SN,密码", **how: Any) -> Import:
    table = cameras_in("t.csv", "\n".join([header, *rows]).encode())
    done, changes = planned_cameras(table, known(), **how)
    assert [record["id"] for record in changes.added] == ([] if done.withheld else list(done.added))
    return done


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("c3,10.0.0.5", "the address 10.0.0.5:80 is that of camera c1, which is here already"),
        ("c3,10.0.0.7,,rtsp://10.0.0.6/1", "the stream rtsp://10.0.0.6/1 is that of camera c2"),
        ("c3,10.0.0.7,,,44-19-b6-00-00-01", "the MAC address 4419b6000001 is that of camera c1"),
        ("c3,10.0.0.7,,,,SN-1", "the serial number SN-1 is that of camera c1"),
        ("c2,10.0.0.5", "the address 10.0.0.5:80 is that of camera c1"),
    ],
)
def test_what_another_camera_has_is_refused(row: str, words: str) -> None:
    done = plan(row, "c4,10.0.0.9")
    assert done.added == ["c4"]
    assert words in done.table.refused[0].reason


def test_rows_that_claim_the_same_of_each_other() -> None:
    done = plan("c3,10.0.0.7,,,44:19:b6:00:00:07", "c4,10.0.0.7", "c5,10.0.0.8,,,44:19:b6:00:00:07")
    assert done.added == ["c3"]
    assert "camera c3, which is in line 2 of this table" in done.table.refused[0].reason


def test_a_recorders_channels_share_its_host_and_its_numbers() -> None:
    done = plan("c3,10.0.0.7,V1,,44:19:b6:00:00:07,R1", "c4,10.0.0.7,V2,,44:19:b6:00:00:07,R1", "c5,10.0.0.7,V2")
    assert done.added == ["c3", "c4"]
    assert "10.0.0.7:80 channel V2" in done.table.refused[0].reason


def test_addresses_that_two_rows_exchange_are_no_conflict() -> None:
    done = plan("c1,10.0.0.7", "c3,10.0.0.5", header="id,IP地址")
    assert (done.added, done.changed, done.table.refused) == (["c3"], ["c1"], [])
    assert Remark(2, "c1", "its address changes from 10.0.0.5 to 10.0.0.7") in done.table.remarks


def test_who_is_refused_keeps_what_it_has() -> None:
    """The first row moves c1 away, but is refused for its MAC; so the second finds c1 where it was."""
    done = plan("c1,10.0.0.9,,,44:19:b6:00:00:0a", "c4,10.0.0.8,,,44:19:b6:00:00:0a")
    assert done.changed == ["c1"]
    done = plan("c4,10.0.0.8,,,44:19:b6:00:00:0a", "c1,10.0.0.9,,,44:19:b6:00:00:0a", "c5,10.0.0.5")
    assert done.added == ["c4"]
    assert [each.id for each in done.table.refused] == ["c1", "c5"]


def test_a_password_is_told_as_changed_and_never_as_what_it_is() -> None:
    assert plan("c1,,,,,,old-word").same == 1
    done = plan("c1,,,,,,new-word")
    assert done.changed == ["c1"]
    assert "new-word" not in str(done.differences)


def test_a_kept_password_goes_readable_to_no_other_address() -> None:
    done = plan("c1,10.0.0.9,true", header="id,IP地址,ONVIF加密")
    assert "the password would be sent readable" in done.table.refused[0].reason


def test_what_is_new_alone_may_be_said_of_a_known_camera() -> None:
    done = plan("c1,P-17", header="国标编码,杆件编码")
    assert [(each.key, each.before, each.after) for each in done.differences["c1"]] == [
        ("record.pole_code", "", "P-17")
    ]
    assert "it has no address" in plan("c9,P-17", header="国标编码,杆件编码").table.refused[0].reason
    assert "onvif.host" in plan("c2,8000", header="国标编码,端口").table.refused[0].reason


def test_places_that_the_law_forbids() -> None:
    assert "Article 8" in plan("c3,女更衣室,10.0.0.9", header="id,名称,IP地址").table.refused[0].reason
    assert "Article 8" in plan("c1,宿舍", header="id,位置类型").table.refused[0].reason
    assert plan("c3,女更衣室,10.0.0.9,走廊", header="id,名称,IP地址,位置类型").added == ["c3"]


def test_all_or_nothing() -> None:
    done = plan("c3,10.0.0.9", "c4,", whole=True)
    assert done.withheld is not None
    assert not done.touches


def test_a_position_in_another_system_is_converted_and_its_own_writing_kept() -> None:
    table = cameras_in("t.csv", "id,IP地址,经度,纬度,坐标系\nc3,10.0.0.9,107.2068,30.7335,GCJ-02\n".encode())
    record = table.rows[0].record
    assert record["place"]["lon"] == pytest.approx(107.2043, abs=2e-3)
    kept = {"given_system": "GCJ-02", "given_lon": "107.2068", "given_lat": "30.7335"}
    assert {key: record["record"][key] for key in kept} == kept
    stands = {"c3": CameraSettings.model_validate(record)}
    again, _ = planned_cameras(table, stands)
    assert again.same == 1
    surveyed = cameras_in("t.csv", "id,经度,纬度,坐标系\nc3,107.2043,30.7361,WGS84\n".encode())
    done, changes = planned_cameras(surveyed, stands)
    assert changes.changed["c3"]["record"] == dict.fromkeys(kept)
    assert {each.key: each.after for each in done.differences["c3"]}["record.given_lon"] == ""


def test_a_system_in_the_header_or_by_option() -> None:
    by_header = cameras_in("t.csv", "id,IP地址,经度(GCJ-02),纬度(GCJ-02)\nc3,10.0.0.9,107.2068,30.7335\n".encode())
    plain = "id,IP地址,经度,纬度\nc3,10.0.0.9,107.2068,30.7335\n".encode()
    assert cameras_in("t.csv", plain, "GCJ-02").rows == by_header.rows
    assert "no coordinate system is stated" in cameras_in("t.csv", plain).remarks[0].text
    assert cameras_in("t.csv", plain).rows[0].record["place"] == {"lon": 107.2068, "lat": 30.7335}


def test_what_was_taken_down_is_switched_off() -> None:
    table = cameras_in("t.csv", "id,IP地址,设备状态\nc3,10.0.0.9,3\n".encode())
    assert table.rows[0].record["enabled"] is False
    assert "taken down" in table.remarks[0].text


# ------------------------------------------------------------------------------------------------ out and in again

WORD = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn")), min_size=1, max_size=12).map(
    str.strip
)
RECORDS = st.dictionaries(
    st.sampled_from(["pole_code", "mac", "serial", "installed", "端口", "name", "平台备注", "拒绝原因", "given_lon"]),
    WORD,
    max_size=4,
)
PLACES = st.fixed_dictionaries(
    {},
    optional={
        "address": WORD,
        "area_code": st.sampled_from(["511724", "511724001", "511724001001"]),
        "type": st.just("走廊"),
    },
).flatmap(
    lambda place: st.one_of(
        st.just(place),
        st.tuples(st.floats(74, 134.9), st.floats(4, 53)).map(lambda at: {**place, "lon": at[0], "lat": at[1]}),
    )
)


@st.composite
def cameras(draw: st.DrawFn) -> list[dict[str, Any]]:
    made = []
    for number in range(draw(st.integers(0, 4))):
        one: dict[str, Any] = {"id": draw(st.sampled_from([f"cam-{number}", f"5117240000132000000{number + 1}"]))}
        one |= draw(
            st.fixed_dictionaries(
                {},
                optional={
                    "name": WORD, "scene": st.sampled_from(["street", "rural", "village", "household"]),
                    "enabled": st.booleans(), "clip": st.booleans(), "place": PLACES, "record": RECORDS,
                    "masks": st.just([[[0.1, 0.1], [0.5, 0.1], [0.5, 0.9]]]),
                    "consent": st.just({"given_by": "张", "given_on": "2026-01-01", "until": "2027-01-01"}),
                },
            )
        )  # fmt: skip
        rtsp = {"main": f"rtsp://10.1.0.{number}/1", "username": "u", "password": "s3cret-word"}
        onvif = {"host": f"10.0.0.{number}", "port": 8000, "source": "V1", "identity": f"uuid-{number}"}
        one |= draw(st.sampled_from([{"rtsp": rtsp}, {"onvif": onvif}, {"onvif": onvif, "rtsp": rtsp}]))
        made.append(one)
    for number, one in enumerate(made):  # numbers that no two devices share
        one.get("record", {}).update({key: f"{number}" for key in ("mac", "serial") if key in one.get("record", {})})
    return made


@settings(max_examples=60, deadline=None)
@given(cameras(), st.sampled_from(["csv", "xlsx"]), st.sampled_from(list(Headers)))
def test_cameras_out_and_in_again_change_nothing(listed: list[dict[str, Any]], form: str, headers: Headers) -> None:
    content = camera_content(form, listed, headers)
    assert b"s3cret-word" not in content
    done, changes = planned_cameras(cameras_in(f"t.{form}", content), known(listed))
    assert (done.added, done.changed, done.table.refused) == ([], [], []), done.differences
    assert done.same == len(listed)
    assert not changes.touched


@st.composite
def terminals(draw: st.DrawFn) -> list[dict[str, Any]]:
    count = draw(st.integers(0, 4))
    return [
        {
            "id": f"tv-{number}",
            **draw(
                st.fixed_dictionaries(
                    {},
                    optional={
                        "household": st.fixed_dictionaries(
                            {}, optional={"name": WORD, "phone": st.just("0818-1234567转12"), "instructions": WORD}
                        ),
                        "place": PLACES.map(
                            lambda place: {key: value for key, value in place.items() if key != "type"}
                        ),
                        "cameras": st.just(["c1", "c2"]),
                        "neighbours": st.just([f"tv-{(number + 1) % count}"] if count > 1 else []),
                        "presets": st.just({"c1": "大门", "c2": "3"}),
                        "model": st.just("kaiwan"),
                        "record": RECORDS.map(
                            lambda record: {key: v for key, v in record.items() if key != "given_lon"}
                        ),
                    },
                )
            ),
        }
        for number in range(count)
    ]


@settings(max_examples=60, deadline=None)
@given(terminals(), st.sampled_from(["csv", "xlsx"]), st.sampled_from(list(Headers)))
def test_terminals_out_and_in_again_change_nothing(listed: list[dict[str, Any]], form: str, headers: Headers) -> None:
    here = {each["id"]: TerminalSettings.model_validate(each) for each in listed}
    table = terminals_in(f"t.{form}", terminal_content(form, listed, headers))
    done, changes = planned_terminals(table, here, ["c1", "c2"], False, False, lambda record, before: None)
    assert (done.added, done.changed, done.table.refused) == ([], [], []), done.differences
    assert not changes.touched


def test_cut_off_workbooks_and_titles_above(tmp_path: Path) -> None:
    content = "竹阳街道一机一档,,\n,,\n设备编码,名称,IP地址\nc3,北,10.0.0.9\n".encode("gb18030")
    table = cameras_in("t.csv", content)
    assert [(row.line, row.id) for row in table.rows] == [(4, "c3")]
