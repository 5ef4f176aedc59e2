"""Figures over HTTP: what a report says, who is shown what of it, and what leaves the house is in the audit."""

import io
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from openpyxl import load_workbook

from gateway.ports import AlertFigure, AuditFilter, Outage, Tally, TerminalTest, WatchedCamera

NEAR, FAR = "511724001", "511725002"
HOUR = 3_600_000
MARCH = {"from": "2026-03-01", "to": "2026-03-31"}
AT = datetime(2026, 3, 10, 8, tzinfo=UTC)


def camera(id_: str, area: str | None, name: str = "", vendor: str = "") -> WatchedCamera:
    return WatchedCamera(id_, name or id_, area, "street", vendor, AT, AT + timedelta(hours=24))


@pytest.fixture
async def kept(house) -> Any:
    """Two cameras near, of which one was down for nine hours, and one far away; alerts and terminals of both places."""

    def write(tx: Any) -> None:
        tx.keep_cameras(
            [camera("c1", NEAR, "=cmd|calc", "海康"), camera("c2", NEAR), camera("c3", FAR), camera("c4", None)]
        )
        tx.add_tallies(20260310, {"c1": Tally(7 * HOUR, 6 * HOUR, 0, 9 * HOUR, 0, 0, 1, 9 * HOUR)})
        tx.add_tallies(20260310, {"c2": Tally(16 * HOUR, 16 * HOUR), "c3": Tally(down=16 * HOUR), "c4": Tally(1, 1)})
        tx.keep_outages([Outage("c1", AT, AT + timedelta(hours=9), 9 * HOUR, 0, "no answer")])
        tx.keep_outages([Outage("c3", AT, None, 16 * HOUR, 0)])
        took = {"acknowledge": 4.0, "close": 600.0}
        tx.keep_alert_figures(
            [
                AlertFigure(1, AT, "zhuyang", NEAR, "sos", 1, True, "false_alarm", took, {"acknowledge": 10.0}),
                AlertFigure(2, AT, "zhuyang", FAR, "sos", 1, True, "real", took, {"acknowledge": 1.0}),
                AlertFigure(3, AT, "zhuyang", None, "fire", 1, False, None, {}, {}),
            ]
        )
        tests = [TerminalTest("tv-0001", NEAR, AT), TerminalTest("tv-0002", FAR, None)]
        tx.keep_terminal_tests(20261, tests, ())

    await house.ledger.write(write)


async def ask(http: aiohttp.ClientSession, who: Mapping[str, str], path: str = "", **query: Any) -> Any:
    async with http.get(f"/api/v1/reports/figures{path}", params={**MARCH, **query}, headers=who) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def test_report_sums_what_was_recorded(house, http, kept) -> None:
    found = await ask(http, house.bearer("operator"))
    cameras = found["cameras"]
    assert (found["from"], found["to"], cameras["cameras"], cameras["over"]) == ("2026-03-01", "2026-03-31", 4, 2)
    assert cameras["online_s"] == 23 * 3600 and cameras["down_s"] == 25 * 3600
    assert cameras["online_rate"] == pytest.approx(23 / 48, abs=1e-5)
    assert cameras["intact_rate"] == pytest.approx(22 / 48, abs=1e-5)
    assert (
        cameras["unknown_s"] == (24 - 16) * 3600 * 3 + 24 * 3600 - 1 + 1 - 1
    )  # of four that were there for a day each
    assert [(group["key"], group["cameras"]) for group in found["groups"]] == [(NEAR, 2), (FAR, 1), (None, 1)]
    assert [(each["id"], each["down_s"]) for each in found["over"]["items"]] == [("c3", 16 * 3600), ("c1", 9 * 3600)]
    days = {part["from"]: part for part in found["trend"]}
    assert len(days) == 31
    assert days["2026-03-10"]["down_s"] == 25 * 3600
    assert days["2026-03-11"]["online_rate"] is None
    assert found["terminals"] | {"by_area": 0, "untested": 0} == {
        "quarter": "2026Q1",
        "total": 2,
        "tested": 1,
        "tested_share": 0.5,
        "by_area": 0,
        "untested": 0,
    }
    assert found["terminals"]["untested"] == [{"id": "tv-0002", "area": FAR, "address": "三组7号"}]


async def test_alerts_are_held_to_their_service_levels(house, http, kept) -> None:
    alerts = (await ask(http, house.bearer("operator")))["alerts"]
    assert (alerts["alerts"], alerts["judged"], alerts["false_alarm_share"]) == (3, 2, 0.5)
    acknowledge = alerts["stages"]["acknowledge"]
    assert (acknowledge["reached"], acknowledge["in_time"], acknowledge["late"]) == (2, 1, 1)
    assert (acknowledge["p50_s"], acknowledge["max_s"], acknowledge["in_time_share"]) == (4.0, 4.0, 0.5)
    assert {group["key"]: group["alerts"] for group in alerts["by_kind"]} == {"sos": 2, "fire": 1}


async def test_groups_are_by_what_is_asked_for(house, http, kept) -> None:
    found = await ask(http, house.bearer("operator"), by="vendor")
    assert [(group["key"], group["cameras"]) for group in found["groups"]] == [("海康", 1), (None, 3)]


async def test_area_and_the_askers_own_areas_bound_what_is_shown(house, http, kept) -> None:
    mine = await ask(http, house.bearer("near"))
    assert mine["cameras"]["cameras"] == 2
    assert {each["id"] for each in mine["over"]["items"]} == {"c1"}
    assert mine["terminals"]["total"] == 1 and mine["terminals"]["untested"] == []
    assert mine["alerts"]["alerts"] == 2  # one from nowhere known is everybody's
    far = await ask(http, house.bearer("operator"), area=FAR)
    assert (far["cameras"]["cameras"], far["alerts"]["alerts"]) == (1, 1)
    none = await ask(http, house.bearer("near"), area=FAR)
    assert (none["cameras"]["cameras"], none["alerts"]["alerts"], none["terminals"]["total"]) == (0, 0, 0)
    for path, query in (("/channels", {}), ("/outages", {}), ("/outages", {"camera": "c3"})):
        shown = await ask(http, house.bearer("near"), path, **query)
        assert {each.get("id") or each["camera"] for each in shown["items"]} <= {"c1", "c2"}
    sheets = load_workbook(io.BytesIO(await exported(http, house.bearer("near"), ".xlsx")), read_only=True)
    words = {str(cell) for sheet in sheets for row in sheet.iter_rows(values_only=True) for cell in row}
    assert "c1" in words and not words & {"c3", "c4", FAR, "tv-0002"}


async def test_channels_come_in_pages_in_either_order(house, http, kept) -> None:
    async def walk(sort: str) -> list[str]:
        ids, cursor = [], {}
        while True:
            found = await ask(http, house.bearer("operator"), "/channels", sort=sort, limit="1", **cursor)
            ids += [each["id"] for each in found["items"]]
            if found["next"] is None:
                return ids
            cursor = {"cursor": found["next"]}

    assert await walk("id") == ["c1", "c2", "c3", "c4"]
    assert await walk("down") == ["c3", "c1", "c2", "c4"]


async def test_outages_come_in_pages_newest_first(house, http, kept) -> None:
    first = await ask(http, house.bearer("operator"), "/outages", limit="1")
    second = await ask(http, house.bearer("operator"), "/outages", limit="1", cursor=first["next"])
    assert [each["camera"] for each in first["items"] + second["items"]] == ["c3", "c1"]
    assert first["items"][0]["ended_at"] is None and second["items"][0]["down_s"] == 9 * 3600
    assert second["items"][0]["reason"] == "no answer" and second["next"] is None


async def exported(http: aiohttp.ClientSession, who: Mapping[str, str], path: str, **query: Any) -> bytes:
    async with http.get(f"/api/v1/reports/figures{path}", params={**MARCH, **query}, headers=who) as answer:
        assert answer.status == 200, await answer.text()
        assert "attachment" in answer.headers["Content-Disposition"]
        return await answer.read()


async def test_workbook_holds_no_formula_and_is_audited(house, http, kept) -> None:
    content = await exported(http, house.bearer("viewer"), ".xlsx")
    book = load_workbook(io.BytesIO(content))
    assert book.sheetnames[0] == "汇总" and len(book.sheetnames) == 10
    kinds = {cell.data_type for sheet in book for row in sheet.iter_rows() for cell in row}
    assert "f" not in kinds
    names = [row[1].value for row in book["通道明细"].iter_rows(min_row=2)]
    assert names[0] == "=cmd|calc"
    rates = {row[0].value: row[1] for row in book["汇总"].iter_rows(min_row=2)}
    assert rates["在线率"].number_format == "0.00%"
    lines, _ = await house.ledger.read(lambda reader: reader.audit(None, 5, AuditFilter(action=("export_figures",))))
    assert [(line.actor, line.object) for line in lines] == [("t-viewer", "reports/figures")]
    assert lines[0].detail == {"detail": "2026-03-01 – 2026-03-31, xlsx"}


async def test_tables_as_csv_hold_no_formula_and_are_audited(house, http, kept) -> None:
    text = (await exported(http, house.bearer("viewer"), ".csv", part="channels", lang="en")).decode("utf-8-sig")
    lines = text.splitlines()
    assert lines[0].startswith("Id,Name,Area code")
    assert lines[1].startswith("c1,'=cmd|calc,511724001,street,海康,43.75%,37.50%")
    for part in ("areas", "scenes", "vendors", "over", "outages", "alerts", "terminals"):
        assert await exported(http, house.bearer("viewer"), ".csv", part=part)
    found, _ = await house.ledger.read(lambda reader: reader.audit(None, 20, AuditFilter(action=("export_figures",))))
    assert len(found) == 8


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"from": "2026-04-01", "to": "2026-03-01"}, "before query.to"),
        ({"from": "2025-01-01", "to": "2026-03-01"}, "366 days"),
        ({"from": "1970-01-01", "to": "1970-01-02"}, "2000 and 2999"),
        ({"from": "9999-12-31", "to": "9999-12-31"}, "2000 and 2999"),
        ({"area": "x"}, "query.area"),
        ({"by": "colour"}, "query.by"),
    ],
)
async def test_what_cannot_be_reckoned_is_refused_with_a_sentence(house, http, query, said) -> None:
    async with http.get("/api/v1/reports/figures", params={**MARCH, **query}, headers=house.bearer("viewer")) as answer:
        assert answer.status == 422
        assert said in (await answer.json())["detail"]


@pytest.mark.parametrize("cursor", ["!", "bm9wZQ", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5"])
async def test_a_foreign_cursor_is_refused(house, http, kept, cursor) -> None:
    async with http.get(
        "/api/v1/reports/figures/outages", params={**MARCH, "cursor": cursor}, headers=house.bearer("viewer")
    ) as answer:
        assert answer.status == 422


async def test_without_days_the_month_so_far_is_told(house, http) -> None:
    before = datetime.now(UTC).date().isoformat()
    async with http.get("/api/v1/reports/figures", headers=house.bearer("viewer")) as answer:
        found = await answer.json()
    today = found["to"]
    assert before <= today <= datetime.now(UTC).date().isoformat()
    assert found["from"] == f"{today[:8]}01"
    assert found["cameras"]["cameras"] == 0 and found["cameras"]["online_rate"] is None
