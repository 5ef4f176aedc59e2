"""Languages, devices, sizes and manners of the pages."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

DESKTOP = (1366, 768)
PHONE = (390, 844)
SMALLEST_TARGET = 24  # CSS pixels, WCAG 2.2 §2.5.8
expect.set_options(timeout=90_000)

TOO_SMALL = """(least) => [...document.querySelectorAll("button, a, input, textarea")]
  .filter((one) => one.offsetParent !== null && !one.classList.contains("skip"))
  .map((one) => [one, ["radio", "checkbox"].includes(one.type) ? one.closest("label") ?? one : one])  // its label is the target
  .map(([one, target]) => [one.textContent.trim() || one.id, target.getBoundingClientRect()])
  .filter(([, box]) => box.width < least || box.height < least)
  .map(([words, box]) => `${words} ${box.width}×${box.height}`)"""


def test_one_click_changes_the_language_and_it_stays(log_in: Callable[..., Page], desk: Any) -> None:
    alert = desk.press()
    desk.take_pictures(alert)
    page = log_in()
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    page.get_by_test_id("language").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.locator("[data-alert]").click()
    detail = page.locator("[data-detail]")
    for words in ("SOS", "Severity 1", "New", "Receipts", "Received here", "at the press", "History", "Raised"):
        expect(detail).to_contain_text(words)
    page.reload()
    expect(page.get_by_role("link", name="Alerts")).to_be_visible()
    own_words = page.locator(
        "header button, header nav a, .tabs button, [data-detail] .actions button, [data-detail] h2"
    )
    for text in own_words.all_inner_texts():
        if text != "中文":
            assert re.search(r"[\u4e00-\u9fff]", text) is None, text


def test_a_camera_with_a_fault_stands_before_the_sound_ones(log_in: Callable[..., Page], desk: Any) -> None:
    desk.cameras.append({**desk.cameras[0], "id": "cam-z", "faults": ["frozen"]})
    page = log_in()
    page.get_by_role("link", name="摄像头").click()
    expect(page.locator("[data-device=cam-z] [data-fault=frozen]")).to_have_text("画面冻结")
    shown = page.locator("[data-device]").evaluate_all("rows => rows.map(row => row.dataset.device)")
    assert shown == ["cam-b", "cam-z", "cam-a"]


def test_cameras_show_state_and_reason_and_follow_the_stream(log_in: Callable[..., Page], desk: Any) -> None:
    page = log_in()
    page.get_by_role("link", name="摄像头").click()
    refused = page.locator("[data-device=cam-b]")
    expect(refused).to_contain_text("登录被拒")
    expect(refused).to_contain_text("the camera refused the password; correct it, then reload")
    expect(refused).to_contain_text("为避免账号被锁，网关不再登录")
    expect(page.locator("[data-device]").first).to_have_attribute("data-device", "cam-b")  # faults first
    desk.say("camera", {**desk.cameras[0], "state": "offline", "reason": "no keyframe for 10 s"})
    expect(page.locator("[data-device=cam-a]")).to_contain_text("no keyframe for 10 s")
    page.locator("[data-filter=offline]").click()
    expect(page.locator("[data-device]")).to_have_count(1)
    page.locator("[data-filter=auth_failed]").click()
    page.get_by_role("searchbox").fill("十字口")
    expect(page.locator("[data-device]")).to_have_count(0)


def test_a_cameras_faults_are_named_in_the_readers_language(log_in: Callable[..., Page], desk: Any) -> None:
    desk.cameras[0]["faults"] = ["frozen", "of_a_newer_node"]
    page = log_in()
    page.get_by_role("link", name="摄像头").click()
    camera = page.locator("[data-device=cam-a]")
    expect(camera.locator("[data-fault=frozen]")).to_have_text("画面冻结")
    expect(camera.locator("[data-fault=of_a_newer_node]")).to_have_text("of_a_newer_node")
    page.get_by_test_id("language").click()
    expect(camera.locator("[data-fault=frozen]")).to_have_text("Frozen picture")
    expect(page.locator("[data-device=cam-b]")).to_contain_text("So as not to lock the account")


def test_terminals_show_the_household_and_follow_the_stream(log_in: Callable[..., Page], desk: Any) -> None:
    page = log_in()
    page.get_by_role("link", name="终端").click()
    terminal = page.locator("[data-device=tv-0002]")
    for words in ("张伟", "13800138002", "东风村三组 2 号", "在线"):
        expect(terminal).to_contain_text(words)
    desk.say("terminal", {"id": "tv-0002", "state": "offline"})
    expect(terminal).to_contain_text("离线")
    expect(terminal).to_contain_text("张伟")


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_nothing_is_too_small_or_too_wide(size: tuple[int, int], log_in: Callable[..., Page], desk: Any) -> None:
    alert = desk.press(
        "阿布都热合曼·买买提依明江", place={"lon": None, "lat": None, "area_code": None, "address": "竹阳街道" * 12}
    )
    desk.take_pictures(alert)
    page = log_in(size)

    def manners() -> None:
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        assert page.evaluate(TOO_SMALL, SMALLEST_TARGET) == []

    expect(page.locator("[data-alert]")).to_be_visible()
    manners()
    page.locator("[data-alert]").click()
    expect(page.get_by_test_id("timeline")).to_be_visible()
    manners()
    page.locator("[data-action=close]").click()
    expect(page.get_by_test_id("closing")).to_be_visible()
    manners()
    for name in ("摄像头", "终端"):
        if size == PHONE and name == "终端":
            page.get_by_test_id("more").get_by_role("button").click()
            manners()
        page.get_by_role("link", name=name).click()
        expect(page.locator("[data-device]").first).to_be_visible()
        manners()


def test_a_phone_shows_the_list_or_the_detail(log_in: Callable[..., Page], desk: Any) -> None:
    desk.press()
    page = log_in(PHONE)
    row = page.locator("[data-alert]")
    row.click()
    expect(row).to_be_hidden()
    page.get_by_role("button", name="返回列表").click()
    expect(row).to_be_focused()


def test_on_a_phone_an_alert_begins_at_its_top(log_in: Callable[..., Page], desk: Any) -> None:
    for number in range(20):
        desk.press(f"户 {number}")
    page = log_in(PHONE)
    page.locator("[data-alert]").last.click()
    expect(page.get_by_test_id("timeline")).to_be_visible()
    expect(page.get_by_role("button", name="返回列表")).to_be_in_viewport()


def test_the_policy_of_the_service_is_in_force(open_page: Callable[..., Page], desk: Any) -> None:
    """Without it the other tests would not notice a breach."""
    page = open_page()
    answer = page.request.get(desk.base + "/")
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]
