"""The page of figures: what it shows, how it is reckoned, and what can be taken away."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

expect.set_options(timeout=90_000)


@pytest.fixture
def figures(log_in: Callable[..., Page], desk: Any) -> Callable[..., Page]:
    """``figures(month)``: the page, with its report."""

    def shown(month: str = "2026-11", size: tuple[int, int] = (1366, 768)) -> Page:
        page = log_in(size)
        page.goto(f"{desk.base}/#/figures/{month}")
        expect(page.locator("[data-figure]").first).to_be_visible()
        return page

    return shown


def test_rates_are_told_with_their_target_and_on_demand_their_formula(figures: Callable[..., Page]) -> None:
    page = figures()
    online = page.locator("[data-figure=online_rate]")
    expect(online).to_contain_text("99.30%")
    expect(online).to_contain_text("要求 98.00%")
    expect(online).to_contain_text("达标")
    intact = page.locator("[data-figure=intact_rate]")
    expect(intact).to_contain_text("97.22%")
    expect(intact.locator(".missed")).to_contain_text("未达标")
    formula = online.locator("details p")
    expect(formula).to_be_hidden()
    online.locator("summary").click()
    expect(formula).to_contain_text("1430 ÷（1430 + 10）")
    expect(page.get_by_test_id("partly")).to_contain_text("未知")


def test_tables_name_the_channels_the_outages_and_the_terminals(figures: Callable[..., Page]) -> None:
    page = figures()
    expect(page.get_by_test_id("over")).to_contain_text("村委会门口")
    expect(page.get_by_test_id("over")).to_contain_text("10 小时")
    expect(page.get_by_test_id("response").locator("[data-stage=acknowledge]")).to_contain_text("9.1 s")
    expect(page.get_by_test_id("kinds")).to_contain_text("15.00%")
    expect(page.get_by_test_id("untested")).to_contain_text("tv-0002")
    outages = page.get_by_test_id("outages").locator("tbody tr")
    expect(outages).to_have_count(1)
    expect(outages.first).to_contain_text("未恢复")
    page.get_by_role("button", name="更多", exact=True).last.click()
    expect(outages).to_have_count(2)
    expect(page.get_by_test_id("groups").locator("tfoot")).to_contain_text("99.30%")


def test_a_day_of_which_nothing_is_known_is_a_gap(figures: Callable[..., Page]) -> None:
    page = figures()
    trend = page.get_by_test_id("trend")
    expect(trend.locator("rect.hit")).to_have_count(30)
    expect(trend.locator("rect.hit title").nth(4)).to_have_text("2026-11-05: 无记录")
    assert (trend.locator("path.online").get_attribute("d") or "").count("M") == 2


def test_months_quarters_years_and_groups_are_asked_for(figures: Callable[..., Page], desk: Any) -> None:
    page = figures("2026-01")

    def asked(**wanted: str) -> None:
        page.wait_for_function("() => document.querySelector('[role=status].soft') === null")
        expect(page.get_by_test_id("span")).to_contain_text(wanted["from"])
        assert desk.reports_asked[-1] == wanted

    asked(**{"from": "2026-01-01", "to": "2026-01-31", "by": "area"})
    page.get_by_test_id("before").click()
    expect(page.get_by_test_id("month")).to_have_value("2025-12")
    asked(**{"from": "2025-12-01", "to": "2025-12-31", "by": "area"})
    page.get_by_test_id("length").select_option("quarter")
    asked(**{"from": "2025-10-01", "to": "2025-12-31", "by": "area"})
    page.get_by_test_id("area").fill("511724")
    page.get_by_test_id("show").click()
    expect(page.get_by_test_id("xlsx")).to_have_attribute(
        "href", "/api/v1/reports/figures.xlsx?from=2025-10-01&to=2025-12-31&area=511724&lang=zh"
    )
    asked(**{"from": "2025-10-01", "to": "2025-12-31", "area": "511724", "by": "area"})
    page.locator("[data-by=vendor]").click()
    expect(page.get_by_test_id("groups")).to_contain_text("海康威视")
    page.get_by_test_id("length").select_option("year")
    asked(**{"from": "2025-01-01", "to": "2025-12-31", "area": "511724", "by": "vendor"})


def test_before_anything_is_recorded_the_page_says_so(figures: Callable[..., Page], desk: Any) -> None:
    desk.no_figures = True
    page = figures()
    expect(page.get_by_text("这段时间没有记录")).to_be_visible()
    expect(page.locator("[data-figure=online_rate] strong")).to_have_text("–")


def test_paper_shows_the_report_and_where_to_sign(figures: Callable[..., Page]) -> None:
    page = figures()
    expect(page.get_by_text("运维单位（盖章）")).to_be_hidden()
    page.emulate_media(media="print")
    expect(page.get_by_text("运维单位（盖章）")).to_be_visible()
    expect(page.get_by_test_id("show")).to_be_hidden()
    expect(page.get_by_test_id("groups")).to_be_visible()
    page.emulate_media(media="screen")


def test_outages_of_another_month_do_not_stay_when_its_own_cannot_be_read(
    figures: Callable[..., Page], hold: Callable[..., Any]
) -> None:
    page = figures("2026-10")
    expect(page.get_by_test_id("outages")).to_be_visible()
    held = hold(page, "**/reports/figures/outages?*")
    more = page.locator("button.noprint", has_text="更多")
    more.click()
    former = held(1)
    page.get_by_test_id("before").click()
    own = held(2)
    late = {"camera": "cam-a", "name": "十字口东", "area": None, "began_at": "2026-10-02T01:00:00.000Z",
            "ended_at": None, "down_s": 60, "planned_s": 0, "reason": None}  # fmt: skip
    former.fulfill(content_type="application/json", body=json.dumps({"items": [late], "next": "third"}))
    own.fulfill(status=503, content_type="text/plain", body="")
    expect(page.get_by_role("alert").filter(has_text="503")).to_be_visible()
    expect(page.get_by_test_id("span")).to_contain_text("2026-09-01")
    expect(page.get_by_test_id("outages")).to_have_count(0)
    expect(more).to_have_count(0)
