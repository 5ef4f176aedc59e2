"""An alert on paper: what was seen with its hashes, who did what, and where to sign."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from playwright.sync_api import Page, expect

A4 = (794, 1123)  # CSS pixels
expect.set_options(timeout=90_000)


def report(page: Page, alert: dict[str, Any]) -> Any:
    page.evaluate("id => { location.hash = `#/report/${id}` }", alert["id"])
    paper = page.get_by_test_id("report")
    expect(paper).to_be_visible()
    return paper


def test_the_report_says_what_happened_and_prints_as_black_on_white(log_in: Callable[..., Page], desk: Any) -> None:
    alert = desk.press("李秀英")
    desk.take_pictures(alert)
    alert["detail"]["household"]["instructions"] = "听力不好，请大声敲门"
    clip = {"state": "ready", "reason": None, "url": "/x.mp4", "from_ms": -30_000, "to_ms": 30_000}
    alert["cameras"][0]["clip"] = {**clip, "codec": "h264", "sha256": "ab" * 32}
    desk.change(alert["id"], "acknowledge", "liuyang", "我来处理")
    page = log_in()
    paper = report(page, alert)
    for words in (alert["id"], "李秀英", "13800138001", "东风村三组 1 号", "听力不好", "liuyang", "我来处理", "值班员"):
        expect(paper).to_contain_text(words)
    expect(paper).to_contain_text("处置尚未结束，当前状态：已接警。")
    stills = paper.locator("figure")
    expect(stills).to_have_count(8)
    expect(paper.locator("figure img")).to_have_count(7)
    expect(paper.locator("figure[data-state=failed]")).to_contain_text("摄像头在 10 秒内没有送来画面")
    expect(stills.filter(has_text="−4.72 秒").first).to_contain_text(f"SHA-256 {'0' * 64}")
    expect(paper).to_contain_text(f"SHA-256 {'ab' * 32}")
    for still in paper.locator("figure img").all():
        expect(still).to_have_js_property("naturalWidth", 640)

    page.set_viewport_size({"width": A4[0], "height": A4[1]})
    page.emulate_media(media="print")
    expect(page.get_by_test_id("print")).to_be_hidden()
    expect(page.get_by_role("banner")).to_have_count(0)
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    assert page.evaluate("document.documentElement.scrollWidth") <= A4[0]
    height = paper.evaluate("paper => paper.getBoundingClientRect().height")
    shown = page.evaluate("document.documentElement.scrollHeight")
    assert shown >= height > A4[1]  # all of it goes to paper, not what fits into a window


def test_the_case_bundle_is_for_those_who_act_or_audit(log_in: Callable[..., Page], desk: Any) -> None:
    alert = desk.press()
    page = log_in()
    report(page, alert)
    expect(page.get_by_test_id("bundle")).to_have_attribute("href", f"/api/v1/alerts/{alert['id']}/bundle.zip")
    desk.role = "viewer"
    page.reload()
    expect(page.get_by_test_id("report")).to_be_visible()
    expect(page.get_by_test_id("bundle")).to_have_count(0)


def test_a_report_of_long_ago_shows_its_pictures_for_a_reason_alone(log_in: Callable[..., Page], desk: Any) -> None:
    alert = desk.press(ago=timedelta(days=30))
    desk.take_pictures(alert)
    alert.update(workflow="closed", disposition="false_alarm", condition="cleared")
    page = log_in()
    paper = report(page, alert)
    expect(paper).to_contain_text("误报")
    expect(paper.locator("figure")).to_have_count(0)
    expect(page.get_by_test_id("bundle")).to_have_count(0)
    paper.get_by_role("button", name="说明查看原因").click()
    page.get_by_test_id("reason-dialog").locator("input").fill("归档")
    page.keyboard.press("Enter")
    expect(paper.locator("figure img").first).to_have_js_property("naturalWidth", 640)
    expect(page.get_by_test_id("bundle")).to_have_attribute(
        "href", re.compile(r"bundle\.zip\?reason=%E5%BD%92%E6%A1%A3$")
    )


def test_from_an_alert_to_its_report_and_back(log_in: Callable[..., Page], desk: Any) -> None:
    alert = desk.press()
    page = log_in()
    page.evaluate("id => { location.hash = `#/alerts/${id}` }", alert["id"])
    expect(page.locator("[data-detail]").get_by_test_id("timeline")).to_be_visible()
    page.keyboard.press("p")
    expect(page.get_by_test_id("report")).to_be_visible()
    page.get_by_role("link", name="返回警情").click()
    expect(page.locator("[data-detail]").get_by_test_id("timeline")).to_be_visible()


def test_a_report_of_nothing_says_so(log_in: Callable[..., Page], desk: Any) -> None:
    page = log_in()
    page.evaluate("location.hash = '#/report/nothing'")
    expect(page.get_by_role("alert").filter(has_text="找不到这条警情")).to_be_visible()
