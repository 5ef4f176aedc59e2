"""Registers over the API: shown, confirmed, handed back, given out; with real files and real registrars."""

import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook

from adapters.onvif.inspection.inspector import Inspector
from gateway.alerts.register import Register
from gateway.commands import read_config
from gateway.config.camera_file import CameraFile
from gateway.config.terminal_file import TerminalFile
from gateway.enrolment.registrar import CameraRegistrar
from gateway.enrolment.terminal_registrar import TerminalRegistrar

NODE = """\
node: {id: zhuyang, area_code: "511724001"}
data_dir: var
cameras:
  - id: c1
    name: 东
    scene: household
    place: {area_code: "511724001001"}
    onvif: {host: 10.0.0.5, username: admin, password: old-word}
    record: {pole_code: P-17, 平台备注: 甲}
  - {id: c9, name: 远, place: {area_code: "510107001"}, rtsp: {main: "rtsp://10.9.0.1/1"}}
terminals:
  - {id: tv-1, household: {name: 张, phone: "110"}, place: {area_code: "511724001001"}}
"""
HEADER = "国标编码,点位名称,IP地址,行政区划\n"


@pytest.fixture
async def file(house, tmp_path: Path) -> AsyncIterator[Path]:
    """The configuration that both registers of the house are written into."""
    path = tmp_path / "node.yaml"
    path.write_text(NODE, "utf-8")

    async def reload() -> None:
        pass

    cameras = CameraFile(path, read_config)
    inspector = Inspector()
    house.registrar.tables = CameraRegistrar(cameras, cameras.settings, inspector.inspect, reload).tables
    house.households.tables = TerminalRegistrar(TerminalFile(path, read_config), reload).tables
    yield path
    await inspector.close()


async def send(http, headers: Any, table: str | bytes, what: str = "cameras", **query: str) -> tuple[int, Any]:
    body = io.BytesIO(table.encode() if isinstance(table, str) else table)
    async with http.post(f"/api/v1/{what}/import", headers=headers, data=body, params=query) as answer:
        return answer.status, await answer.json()


async def confirm(http, headers: Any, token: str, what: str = "cameras") -> tuple[int, Any]:
    async with http.post(f"/api/v1/{what}/import/{token}", headers=headers) as answer:
        return answer.status, await answer.json()


async def audited(http, headers: Any) -> list[tuple[str, str, str | None]]:
    async with http.get("/api/v1/audit", headers=headers) as answer:
        items = (await answer.json())["items"]
    return [(item["actor"], item["action"], item["detail"].get("detail")) for item in items]


async def test_what_is_shown_is_what_is_done(house, http, log_in, file: Path) -> None:
    admin = await log_in("admin")
    table = f"{HEADER}c1,东门,10.0.0.5,511724001001\nc2,西,10.0.0.6,511724001001\nc3,南,,\n"
    status, shown = await send(http, admin, table, name="镇.csv")
    assert status == 200
    assert shown["counts"] == {"added": 1, "changed": 1, "same": 0, "refused": 1, "warnings": 0}
    assert shown["added"] == [{"line": 3, "id": "c2", "name": "西", "at": "10.0.0.6"}]
    fields = [{"key": "name", "before": "东", "after": "东门"}]
    assert shown["changed"] == [{"line": 2, "id": "c1", "name": "东门", "fields": fields}]
    assert shown["refused"][0]["line"] == 4
    assert "IP地址" in shown["refused"][0]["reason"]
    assert file.read_text("utf-8") == NODE, "nothing is written by looking"
    async with http.get(f"/api/v1/cameras/import/{shown['token']}/refused.csv", headers=admin) as answer:
        handed = (await answer.read()).decode("utf-8-sig")
    assert handed.splitlines()[0] == "国标编码,点位名称,IP地址,行政区划,拒绝原因"
    assert handed.splitlines()[1].startswith('c3,南,,,"4: ')
    status, done = await confirm(http, admin, shown["token"])
    assert (status, done["counts"], done["token"]) == (200, shown["counts"], None)
    names = {camera.id: camera.name for camera in read_config(file).settings.cameras}
    assert names == {"c1": "东门", "c9": "远", "c2": "西"}
    assert ("admin", "import_cameras", "1 added, 1 changed") in await audited(http, admin)
    assert (await confirm(http, admin, shown["token"]))[0] == 404, "once"


async def test_a_preview_is_its_senders_and_stands_only_while_the_register_does(house, http, log_in, file) -> None:
    admin, maintainer = await log_in("admin"), await log_in("maintainer")
    _, shown = await send(http, admin, f"{HEADER}c1,东门,10.0.0.5,511724001001\n")
    assert (await confirm(http, maintainer, shown["token"]))[0] == 404
    file.write_text(NODE.replace("name: 东\n", "name: 东桥\n"), "utf-8")
    status, problem = await confirm(http, admin, shown["token"])
    assert status == 409
    assert "has changed since" in problem["detail"]
    assert "东桥" in file.read_text("utf-8")


async def test_all_or_nothing(house, http, log_in, file: Path) -> None:
    admin = await log_in("admin")
    table = f"{HEADER}c2,西,10.0.0.6,511724001001\nc3,南,,\n"
    _, shown = await send(http, admin, table, whole="true")
    assert "nothing is written" in shown["withheld"]
    await confirm(http, admin, shown["token"])
    assert file.read_text("utf-8") == NODE


@pytest.mark.parametrize(
    ("role", "table", "why"),
    [
        ("maintainer", "id,onvif.password.file\nc1,/etc/shadow\n", "files and variables of the gateway's machine"),
        ("admin", "id,rtsp.password.env\nc1,HOME\n", "files and variables of the gateway's machine"),
        ("admin", "id,rtsp.main\nc2,file:///etc/passwd\n", "a file of the gateway's machine"),
        ("maintainer", "id,scene\nc1,street\n", "by an administrator alone"),
        ("maintainer", "id,consent.given_by,consent.given_on\nc1,me,2026-01-01\n", "by an administrator alone"),
    ],
)
async def test_a_table_may_do_no_more_than_its_sender(house, http, log_in, file, role, table, why) -> None:
    _, shown = await send(http, await log_in(role), table)
    assert shown["counts"]["refused"] == 1, shown
    assert why in shown["refused"][0]["reason"]


@pytest.mark.parametrize("until", ["", ", until: 2027-01-01"])
async def test_a_consent_that_stands_is_given_out_and_taken_in_by_a_maintainer(
    house, http, log_in, file, until
) -> None:
    consent = f"    consent: {{given_by: 张, given_on: 2026-01-01{until}}}\n"
    file.write_text(NODE.replace("    scene: household\n", f"    scene: household\n{consent}"), "utf-8")
    maintainer = await log_in("maintainer")
    async with http.get("/api/v1/cameras/export.csv?headers=keys", headers=maintainer) as answer:
        given = await answer.text()
    assert "2026-01-01" in given
    _, shown = await send(http, maintainer, given)
    assert (shown["counts"]["same"], shown["refused"]) == (2, [])
    for changed in ("李,2026-01-01,2027-01-01", "张,2026-02-01,2027-01-01", "张,2026-01-01,2028-01-01"):
        table = f"id,consent.given_by,consent.given_on,consent.until\nc1,{changed}\n"
        _, shown = await send(http, maintainer, table)
        assert "by an administrator alone" in shown["refused"][0]["reason"], changed


async def test_areas_bound_what_is_taken_and_given(house, http, file: Path) -> None:
    house.accounts.add_user("li", "maintainer", "a long password of li", ("511724",))
    async with http.post("/api/v1/session", json={"username": "li", "password": "a long password of li"}) as answer:
        assert answer.status == 200, await answer.text()
        li = {"Cookie": answer.headers["Set-Cookie"].split(";")[0]}
    table = f"{HEADER}c9,近,10.9.0.2,511724001001\nc7,外,10.9.0.3,510107001\nc8,内,10.9.0.4,511724001\n"
    _, shown = await send(http, li, table)
    assert [row["id"] for row in shown["added"]] == ["c8"]
    assert all("your areas are 511724" in row["reason"] for row in shown["refused"])
    async with http.get("/api/v1/cameras/export.csv?headers=keys", headers=li) as answer:
        given = await answer.text()
    assert "c1" in given
    assert "c9" not in given


async def test_a_table_links_no_camera_of_another_area_or_household(house, http, log_in, file: Path) -> None:
    street = '  - {id: c2, name: 街, place: {area_code: "511724001"}, rtsp: {main: "rtsp://10.9.0.2/1"}}\n'
    second = '  - {id: tv-2, place: {area_code: "511724001"}}\n'
    text = NODE.replace("terminals:\n", f"{street}terminals:\n").replace("{id: tv-1,", "{id: tv-1, cameras: [c1, c9],")
    file.write_text(text + second, "utf-8")
    settings = read_config(file).settings
    house.register.replace(Register([camera.to_model() for camera in settings.cameras]))
    house.accounts.add_user("li", "maintainer", "a long enough password", ("511724",))
    li, maintainer, admin = await log_in("li"), await log_in("maintainer"), await log_in("admin")
    table = 'id,cameras\ntv-1,"c9 c1 c2"\ntv-2,{}\n'
    for who, camera, why in (
        (li, "c9", "cameras: there is no camera c9"),
        (li, "c8", "cameras: there is no camera c8"),
        (li, "c1", "a household's camera is linked to a terminal by an administrator alone"),
        (maintainer, "c1", "a household's camera is linked to a terminal by an administrator alone"),
        (maintainer, "c9", None),
        (admin, "c1", None),
        (li, "c2", None),
    ):
        _, shown = await send(http, who, table.format(camera), "terminals")
        assert [row["reason"] for row in shown["refused"]] == ([] if why is None else [why]), camera
        assert [row["id"] for row in shown["changed"]] == (["tv-1", "tv-2"] if why is None else ["tv-1"])
    done = await confirm(http, li, shown["token"], "terminals")
    assert done[0] == 200
    assert [each.cameras for each in read_config(file).settings.terminals] == [("c9", "c1", "c2"), ("c2",)]


@pytest.mark.parametrize("form", ["csv", "xlsx"])
@pytest.mark.parametrize("headers", ["zh", "en", "keys"])
async def test_what_is_given_out_comes_in_again_as_it_was(house, http, log_in, file, form, headers) -> None:
    admin = await log_in("admin")
    for what in ("cameras", "terminals"):
        async with http.get(f"/api/v1/{what}/export.{form}?headers={headers}", headers=admin) as answer:
            assert answer.headers["Content-Disposition"] == f'attachment; filename="{what}-zhuyang.{form}"'
            given = await answer.read()
        assert b"old-word" not in given
        _, shown = await send(http, admin, given, what)
        assert (shown["counts"]["added"], shown["counts"]["changed"], shown["refused"]) == (0, 0, []), shown
        assert shown["counts"]["same"] > 0
    lines = await audited(http, admin)
    assert ("admin", "export_cameras", f"2 rows, .{form}") in lines
    assert ("admin", "export_terminals", f"1 rows, .{form}") in lines


async def test_templates_can_be_filled_in_and_sent(house, http, log_in, file: Path) -> None:
    admin = await log_in("admin")
    async with http.get("/api/v1/cameras/template.xlsx", headers=admin) as answer:
        book = load_workbook(io.BytesIO(await answer.read()))
    titles = [cell.value for cell in next(book.active.iter_rows())]
    assert {"国标编码", "点位名称", "杆件编码", "MAC地址", "坐标系", "架设高度", "录像保存天数"} <= set(titles)
    async with http.get("/api/v1/cameras/template.csv", headers=admin) as answer:
        sent = (await answer.text()).replace("10.0.0.5", "10.0.0.77")
    _, shown = await send(http, admin, sent)
    assert (shown["counts"]["added"], shown["refused"], shown["warnings"]) == (1, [], [])
    async with http.get("/api/v1/terminals/template.csv", headers=admin) as answer:
        _, shown = await send(http, admin, await answer.read(), "terminals")
    assert "there is no camera" in shown["refused"][0]["reason"], "the example names what is not here"


async def test_what_is_no_table_is_said_in_a_sentence(house, http, log_in, file: Path) -> None:
    admin = await log_in("admin")
    for body, status in (
        (b"", 422),
        (b"PK\x03\x04 no workbook", 422),
        (b"\xff\xff\xff\x00", 422),
        (b"x" * 9_000_000, 413),
    ):
        got, problem = await send(http, admin, body)
        assert got == status, body[:10]
        assert problem["detail"].endswith(".")
    assert (await send(http, admin, "名称\n东\n"))[0] == 422


async def test_a_card_shows_what_the_register_says(house, http, log_in) -> None:
    async with http.get("/api/v1/cameras/cam-street", headers=await log_in("viewer")) as answer:
        assert (await answer.json())["record"] == {}
    async with http.get("/api/v1/cameras", headers=await log_in("viewer")) as answer:
        assert all("record" not in item for item in (await answer.json())["items"])
