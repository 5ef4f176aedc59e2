"""What is wrong with a camera's picture, on its card: in words, in bars beside their limits, and on which picture."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

expect.set_options(timeout=90_000)

VERDICT = {
    "id": "v1", "fault": "covered", "code": 9, "name": "画面遮挡", "night": False, "since": "2026-01-01T00:00:00.000Z",
    "until": None, "measures": {}, "picture": "ready", "reason": None, "url": "/api/v1/cameras/cam-a/diagnosis/v1.jpg",
    "sha256": "0" * 64, "width": 640, "height": 360, "planned": None, "alert": None,
}  # fmt: skip
ABOVE = {"fault": "covered", "threshold": "covered_smooth", "limit": 0.58, "side": "above"}
BELOW = {"fault": "moved", "threshold": "moved_kept", "limit": 0.35, "side": "below"}


@pytest.fixture
def covered(desk: Any) -> Any:
    desk.cameras[0].update(faults=["covered"])
    desk.diagnoses["cam-a"] = {
        "standing": ["covered"],
        "look": {"at": "2026-01-01T08:00:00.000Z", "night": True, "found": ["covered", "blurred"], "trouble": None},
        "measures": [
            {"name": "smooth", "value": 0.93, "limits": [ABOVE]},
            {"name": "kept", "value": None, "limits": [BELOW]},
        ],
        "references": [{"period": "day", "at": "2026-01-01T00:00:00.000Z", "by": "learned"}],
        "history": [
            VERDICT,
            {**VERDICT, "id": "v0", "until": "2026-01-02T00:00:00.000Z", "picture": "deleted", "url": None, "planned": "换杆"},
        ],
    }  # fmt: skip
    return desk


def to_card(page: Page, desk: Any) -> Any:
    page.get_by_role("link", name="摄像头").click()
    page.get_by_role("link", name=f"查看 {desk.cameras[0]['name']}").click()
    return page.get_by_test_id("diagnosis")


def test_what_stands_is_said_in_words_and_numbers(log_in: Callable[..., Page], covered: Any) -> None:
    page = log_in()
    panel = to_card(page, covered)
    expect(panel.locator("[data-standing=covered]")).to_have_text("画面遮挡")
    expect(panel).to_contain_text("（夜间）")
    expect(panel).to_contain_text("疑似：清晰度异常")
    panel.locator("summary").click()
    expect(panel.locator("[data-measure=smooth]")).to_have_class("crossed")
    expect(panel.locator("[data-measure=smooth]")).to_contain_text("≤ 0.58")
    expect(panel.locator("[data-measure=kept] .value")).to_have_text("–")
    expect(panel.locator("[data-verdict=v0]")).to_contain_text("检修期间，不报警：换杆")
    expect(page.get_by_test_id("camera-card").locator("[data-fault=covered]")).to_have_text("画面遮挡")
    page.get_by_test_id("language").click()
    expect(panel.locator("[data-standing=covered]")).to_have_text("Lens covered")
    if (shots := os.environ.get("GATEWAY_SHOTS")) is not None:
        page.screenshot(path=str(Path(shots) / "diagnosis.png"), full_page=True)


def test_the_picture_it_stands_on_is_shown_for_a_reason(log_in: Callable[..., Page], covered: Any) -> None:
    page = log_in()
    panel = to_card(page, covered)
    expect(panel.get_by_test_id("evidence-picture")).to_have_count(0)
    panel.get_by_test_id("evidence").click()
    assert covered.looked == []
    dialog = page.get_by_test_id("reason-dialog")
    dialog.get_by_role("textbox").fill("核实遮挡")
    dialog.locator("button.primary").click()
    expect(panel.get_by_test_id("evidence-picture")).to_be_visible()
    assert covered.looked == [("v1", "核实遮挡")]


def test_an_operator_has_it_looked_at_and_sets_no_reference_view(log_in: Callable[..., Page], covered: Any) -> None:
    panel = to_card(log_in(), covered)  # an operator
    expect(panel.get_by_test_id("diagnose")).to_be_visible()
    expect(panel.get_by_test_id("set-reference")).to_have_count(0)
    panel.get_by_test_id("diagnose").click()
    expect(panel.get_by_role("status")).to_have_text("已诊断。")
    assert covered.diagnosed == ["cam-a"]


def test_a_maintainer_sets_the_reference_view(log_in: Callable[..., Page], covered: Any) -> None:
    covered.role = "maintainer"
    panel = to_card(log_in(), covered)
    panel.get_by_test_id("set-reference").click()
    expect(panel.get_by_role("status")).to_have_text("已设为基准画面。")
    panel.get_by_test_id("forget-reference").click()
    expect(panel.get_by_role("status")).to_have_text("已删除，将重新学习。")
    assert covered.referenced == [("PUT", "cam-a"), ("DELETE", "cam-a")]


def test_a_node_that_does_not_look_says_so(log_in: Callable[..., Page], desk: Any) -> None:
    desk.diagnoses["cam-a"] = {"enabled": False, "look": None}
    expect(to_card(log_in(), desk)).to_contain_text("本节点未启用视频质量诊断")
