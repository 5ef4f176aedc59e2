"""The audit's page: who saw what, found by object, and whether the chain is whole."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

expect.set_options(timeout=90_000)


@pytest.fixture
def page_of(log_in: Callable[..., Page], desk: Any, peer: Any) -> Callable[..., Page]:
    """``page_of(address)``: the page of an auditor, with two alerts' lines and some more."""
    now = datetime.now(UTC)

    def line(number: int, actor: str, action: str, object_: str, reason: str | None = None, **detail: Any) -> Any:
        at = peer("console_api").stamp(now - timedelta(minutes=number))
        return {"id": 1000 - number, "at": at, "actor": actor, "action": action, "object": object_, "reason": reason, "detail": detail}  # fmt: skip

    desk.audit = [
        line(0, "wangfang", "view_camera", "cameras/cam-a", "alert 0198-a", detail="consent of 王大娘"),
        line(1, "li", "view_snapshot", "alerts/0198-a/snapshots/s1"),
        line(2, "wangfang", "view_clip", "alerts/0198-b/clips/k1", "派出所调取"),
        line(3, "unknown", "login_failed", "session"),
        *(line(number, "li", "view_camera", "cameras/cam-b", "巡查") for number in range(4, 64)),
    ]
    desk.role = "maintainer"

    def shown(address: str = "#/audit", size: tuple[int, int] = (1366, 768)) -> Page:
        page = log_in(size)
        page.goto(f"{desk.base}/{address}")
        expect(page.locator("[data-line]").first).to_be_visible()
        return page

    return shown


def test_lines_are_told_in_words_and_lead_to_what_they_are_about(page_of: Callable[..., Page]) -> None:
    page = page_of()
    expect(page.locator("[data-line]")).to_have_count(50)
    first = page.locator("[data-line]").first
    for words in ("wangfang", "查看实时画面", "警情 0198-a", "consent of 王大娘"):
        expect(first).to_contain_text(words)
    expect(first.get_by_role("link").first).to_have_attribute("href", "#/cameras/cam-a")
    expect(first.get_by_role("link", name="警情 0198-a")).to_have_attribute("href", "#/alerts/0198-a")
    page.get_by_role("button", name="显示更多").click()
    expect(page.locator("[data-line]")).to_have_count(64)


def test_who_looked_at_an_alert_is_one_address(page_of: Callable[..., Page]) -> None:
    page = page_of("#/audit/alerts%2F0198-a")
    expect(page.locator("[data-line]")).to_have_count(1)
    expect(page.locator("[data-line]")).to_contain_text("查看警情图片")
    assert page.locator("[data-filter=object]").input_value() == "alerts/0198-a"
    export = page.get_by_test_id("audit-export").get_attribute("href")
    assert export == "/api/v1/audit?object=alerts%2F0198-a&format=csv"


def test_filters_by_keyboard_alone(page_of: Callable[..., Page]) -> None:
    page = page_of()
    page.locator("[data-filter=actor]").focus()
    page.keyboard.type("unknown")
    page.keyboard.press("Enter")
    expect(page.locator("[data-line]")).to_have_count(1)
    expect(page.locator("[data-line]")).to_contain_text("登录失败")
    page.get_by_role("button", name="清除条件").click()
    expect(page.locator("[data-line]")).to_have_count(50)
    page.locator("[data-filter=action]").select_option("view_clip")
    page.get_by_role("button", name="查询").click()
    expect(page.locator("[data-line]")).to_have_count(1)
    expect(page.locator("[data-line]")).to_contain_text("派出所调取")


def test_the_chain_is_verified_and_a_break_is_told(page_of: Callable[..., Page], desk: Any) -> None:
    page = page_of()
    page.get_by_test_id("audit-verify").click()
    expect(page.get_by_test_id("audit-verified")).to_contain_text("记录链完整：1234 行")
    desk.chain_broken = {"line": 17, "reason": "audit 9 was changed"}
    page.get_by_test_id("audit-verify").click()
    expect(page.get_by_test_id("audit-verified")).to_contain_text("第 17 行断裂")


@pytest.mark.parametrize("size", [(1366, 768), (390, 844)])
def test_nothing_is_wider_than_the_page(page_of: Callable[..., Page], size: tuple[int, int]) -> None:
    page = page_of(size=size)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for button in page.get_by_test_id("audit").get_by_role("button").all():
        box = button.bounding_box()
        assert box is not None and box["height"] >= 24 and box["width"] >= 24


def test_who_may_not_read_the_audit_is_told_so_and_offered_nothing(log_in: Callable[..., Page], desk: Any) -> None:
    desk.role = "operator"
    page = log_in()
    page.goto(f"{desk.base}/#/audit")
    expect(page.get_by_text("审计只有维护员和管理员可以查看")).to_be_visible()
    for control in ("audit-verify", "audit-export", "viewings-xlsx"):
        expect(page.get_by_test_id(control)).to_have_count(0)
