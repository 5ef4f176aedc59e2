"""The end of a shift: read, given and taken in the browser."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

DESKTOP = (1366, 768)
PHONE = (390, 844)
expect.set_options(timeout=90_000)


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_a_shift_is_handed_over_with_its_notes(size: tuple[int, int], log_in: Callable[..., Page], desk: Any) -> None:
    desk.press("李秀英")
    page = log_in(size)
    page.goto(desk.base + "/#/handover")
    report = page.get_by_test_id("shift-report")
    expect(report.locator("[data-count=open]")).to_have_text("1")
    expect(report).to_contain_text("李秀英")
    expect(report).to_contain_text("至今未完成")
    page.get_by_test_id("handover-submit").click()
    expect(page.get_by_role("alert").filter(has_text="请填写交给谁。")).to_be_visible()
    page.get_by_test_id("handover-to").fill("周敏")
    page.get_by_test_id("handover-notes").fill("李秀英家的门锁坏了")
    page.get_by_test_id("handover-submit").click()
    kept = page.get_by_test_id("handover-kept")
    for words in ("wangfang", "周敏", "李秀英家的门锁坏了", "尚未接班"):
        expect(kept).to_contain_text(words)
    expect(page.get_by_test_id("handover-take")).to_have_count(0)  # by the next, not by who gave it
    assert [made["to"] for made in desk.handovers] == ["周敏"]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_next_shift_takes_it(log_in: Callable[..., Page], desk: Any, chord: Callable[..., None]) -> None:
    desk.press("李秀英")
    desk.handovers = [
        {"id": 7, "given_by": "liuyang", "to": "wangfang", "given_at": "2026-01-01T00:00:00.000Z", "since": "2025-12-31T16:00:00.000Z",
         "notes": "", "taken_by": None, "taken_at": None, "report": desk.shift_report()}
    ]  # fmt: skip
    page = log_in()
    chord(page, "g", "o")
    page.get_by_test_id("handover-waiting").get_by_role("link").click()
    page.get_by_test_id("handover-take").click()
    expect(page.get_by_test_id("handover-take")).to_have_count(0)
    expect(page.get_by_test_id("handover-kept")).to_contain_text("wangfang")
    assert desk.handovers[0]["taken_by"] == "wangfang"
