"""One alert in front of an operator: who it is and what has to be known there, all cameras under one time, acts by keyboard."""

import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

PHONE = (390, 844)
expect.set_options(timeout=90_000)


def opened(page: Page, alert: dict[str, Any]) -> Locator:
    page.evaluate("id => { location.hash = `#/alerts/${id}` }", alert["id"])
    detail = page.locator("[data-detail]")
    expect(detail.get_by_test_id("timeline")).to_be_visible()
    return detail


@pytest.fixture
def pressed(desk: Any) -> dict[str, Any]:
    """A press with its pictures, of a household about which something has to be known."""
    alert: dict[str, Any] = desk.press("李秀英")
    desk.take_pictures(alert)
    alert["detail"]["household"]["instructions"] = "听力不好，请大声敲门"
    alert["detail"]["neighbours"] = ["tv-0002", "tv-0003"]
    return alert


@pytest.fixture
def with_clip(tmp_path: Path, desk: Any, pressed: dict[str, Any]) -> dict[str, Any]:
    """Its first camera has twenty seconds of video around the press."""
    assert shutil.which("ffmpeg") is not None, "apt-get install ffmpeg"
    path = desk.clips[pressed["id"]] = tmp_path / "clip.mp4"
    source = ["-f", "lavfi", "-i", "testsrc2=size=320x240:rate=5:duration=20"]
    codec = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "5", "-pix_fmt", "yuv420p", "-movflags", "+faststart"]
    subprocess.run(["ffmpeg", "-y", "-loglevel", "error", *source, *codec, str(path)], check=True)
    url = f"/api/v1/alerts/{pressed['id']}/clips/k1.mp4"
    made = {"state": "ready", "reason": None, "url": url, "from_ms": -10_000, "to_ms": 10_000}
    pressed["cameras"][0]["clip"] = {**made, "sha256": "ab" * 32, "codec": "h264"}
    return pressed


# ------------------------------------------------------------------------------------------------ who and where


def test_what_has_to_be_known_stands_beside_the_number_to_call(
    log_in: Callable[..., Page], desk: Any, pressed: dict[str, Any]
) -> None:
    detail = opened(log_in(), pressed)
    household = detail.get_by_test_id("household")
    expect(household.get_by_role("link", name="拨打 13800138001")).to_have_attribute("href", "tel:13800138001")
    expect(household.get_by_test_id("instructions")).to_contain_text("听力不好，请大声敲门")
    told = household.get_by_test_id("neighbours")
    expect(told).to_contain_text("张伟")
    expect(told.get_by_role("link", name="陈建国")).to_have_attribute("href", "tel:13800138003")
    household.get_by_role("button", name="复制 13800138001").click()
    expect(household.get_by_role("button", name="复制 13800138001")).to_have_text("已复制")


def test_a_household_with_two_numbers_is_called_at_either(log_in: Callable[..., Page], desk: Any) -> None:
    alert = desk.press()
    alert["detail"]["household"]["phone"] = "0818-1234567、138 0000 0000"
    household = opened(log_in(), alert).get_by_test_id("household")
    for shown, dialled in (("0818-1234567", "tel:08181234567"), ("138 0000 0000", "tel:13800000000")):
        expect(household.get_by_role("link", name=f"拨打 {shown}")).to_have_attribute("href", dialled)


def test_neighbours_who_were_not_told_are_named_apart(log_in: Callable[..., Page], desk: Any) -> None:
    desk.terminals[0]["neighbours"] = ["tv-0002", "tv-0003"]
    alert = desk.press("李秀英")  # of tv-0001
    alert["detail"]["neighbours"] = ["tv-0002"]
    household = opened(log_in(), alert).get_by_test_id("household")
    expect(household.get_by_test_id("neighbours")).to_contain_text("已告知邻居 1 户")
    expect(household.get_by_test_id("neighbours")).not_to_contain_text("陈建国")
    expect(household.get_by_test_id("neighbours-untold")).to_contain_text("未告知的邻居 1 户")
    expect(household.get_by_test_id("neighbours-untold")).to_contain_text("陈建国")


def test_what_matters_first_is_seen_without_scrolling(
    log_in: Callable[..., Page], desk: Any, pressed: dict[str, Any]
) -> None:
    page = log_in((1366, 768))
    detail = opened(page, pressed)
    for part in (
        detail.get_by_role("button", name="接警", exact=True),
        detail.get_by_role("link", name="拨打 13800138001"),
        detail.get_by_test_id("instructions"),
        detail.get_by_test_id("neighbours"),
        detail.get_by_test_id("map-panel"),
        detail.get_by_test_id("scrub"),
        detail.locator("[data-camera=cam-a] li").first,
    ):
        box = part.bounding_box()
        assert box is not None
        assert box["y"] >= 0 and box["y"] + box["height"] <= 768, (part, box)


def test_the_next_limit_runs_beside_the_state(log_in: Callable[..., Page], desk: Any) -> None:
    now = datetime.now(UTC)
    moment = desk.press()["raised_at"]  # only for its form
    due = {name: (now + timedelta(hours=hours)).isoformat().replace("+00:00", "Z") for name, hours in (("acknowledge", -1), ("dispatch", 1))}  # fmt: skip
    alert = desk.press("张伟", raised_at=moment)
    alert["detail"]["due"] = due
    detail = opened(log_in(), alert)
    expect(detail.get_by_test_id("due")).to_contain_text("接警 已超时")
    detail.get_by_role("button", name="接警", exact=True).click()
    expect(detail.get_by_test_id("due")).to_contain_text("派遣 还剩")


# ------------------------------------------------------------------------------------------------ pictures


def test_one_scrubber_moves_all_cameras_in_step(
    log_in: Callable[..., Page], desk: Any, pressed: dict[str, Any]
) -> None:
    detail = opened(log_in(), pressed)
    scrub = detail.get_by_test_id("scrub")
    now = [detail.locator(f"[data-camera={camera}]").get_by_test_id("now") for camera in ("cam-a", "cam-b")]
    for each in now:
        expect(each).to_contain_text("−0.04 秒")
    scrub.focus()
    scrub.press("ArrowRight")
    for each in now:
        expect(each).to_contain_text("+3.31 秒")
    scrub.press("Home")
    for each in now:
        expect(each).to_contain_text("−4.72 秒")
    expect(detail.get_by_test_id("moment")).to_contain_text("−5.00 秒")
    scrub.press("End")
    expect(now[0]).to_contain_text("+10.31 秒")
    expect(now[1]).to_contain_text("+3.31 秒")  # its last one failed: the nearest there is, with its true offset
    detail.get_by_role("button", name="回到按下时").click()
    for each in now:
        expect(each).to_contain_text("−0.04 秒")
    expect(detail.locator("[data-camera=cam-a] li.chosen")).to_contain_text("按下时")


def test_a_picture_is_looked_into(log_in: Callable[..., Page], desk: Any, pressed: dict[str, Any]) -> None:
    page = log_in()
    detail = opened(page, pressed)
    detail.get_by_role("button", name="放大：十字口东，−0.04 秒").click()
    viewer = page.get_by_role("dialog")
    percent = viewer.get_by_test_id("viewer-zoom")
    expect(percent).to_have_text("100%")
    page.keyboard.press("+")
    page.keyboard.press("+")
    expect(percent).to_have_text("156%")
    before = viewer.locator("img").get_attribute("style")
    page.keyboard.press("ArrowRight")
    expect(viewer).to_contain_text("−0.04 秒")  # it is moved, and not left
    assert viewer.locator("img").get_attribute("style") != before
    page.keyboard.press("PageDown")
    expect(viewer).to_contain_text("+3.31 秒")
    page.keyboard.press("0")
    expect(percent).to_have_text("100%")
    expect(viewer.get_by_test_id("watermark")).to_contain_text("wangfang")
    page.keyboard.press("Escape")
    expect(viewer).to_have_count(0)


def test_the_clip_goes_with_the_pictures_once_it_is_looked_at(
    log_in: Callable[..., Page], desk: Any, with_clip: dict[str, Any]
) -> None:
    masked = [[[0.5, 0.0], [1.0, 0.0], [1.0, 0.5]]]
    desk.cameras[0]["masks"] = masked
    page = log_in()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if request.url.endswith(".mp4") else None)
    detail = opened(page, with_clip)
    row = detail.locator("[data-camera=cam-a]")
    scrub, video = detail.get_by_test_id("scrub"), row.locator("video")
    scrub.focus()
    scrub.press("Home")
    expect(row.get_by_test_id("now")).to_contain_text("−4.72 秒")
    assert asked == []  # every look at the video stands in the audit: moving the time is none

    with page.expect_request("**/*.mp4"):
        row.get_by_test_id("clip-play").click()
    expect(row.get_by_test_id("watermark")).to_contain_text("wangfang")
    expect(row.get_by_test_id("masks").locator("polygon")).to_have_count(1)
    row.get_by_role("button", name="暂停").click()
    expect(row.get_by_role("button", name="播放")).to_be_visible()
    scrub.press("End")
    expect(row.get_by_test_id("clip-position")).to_have_text("+10.00 秒")
    row.get_by_role("button", name="到按下时").click()
    expect(row.get_by_test_id("clip-position")).to_have_text("0.00 秒")
    expect(detail.get_by_test_id("moment")).to_contain_text("0.00 秒")
    expect(detail.locator("[data-camera=cam-b]").get_by_test_id("now")).to_contain_text("−0.04 秒")
    row.get_by_role("button", name="前进一帧").click()
    expect(row.get_by_test_id("clip-position")).not_to_have_text("0.00 秒")
    row.get_by_test_id("clip-speed").select_option("0.25")
    expect(video).to_have_js_property("playbackRate", 0.25)


def test_live_is_one_key_away_and_says_which_alert_it_is_for(
    log_in: Callable[..., Page], desk: Any, pressed: dict[str, Any]
) -> None:
    page = log_in()
    detail = opened(page, pressed)
    page.keyboard.press("l")
    button = detail.locator("[data-camera=cam-a]").get_by_test_id("go-live")
    expect(button).to_have_attribute("aria-pressed", "true")
    with page.expect_request(
        lambda request: "/cameras/cam-a/" in request.url and f"alert+{pressed['id']}" in request.url.replace("%20", "+")
    ):
        page.keyboard.press("l")
        expect(button).to_have_attribute("aria-pressed", "false")
        page.keyboard.press("l")
    page.keyboard.press("l")
    expect(button).to_have_attribute("aria-pressed", "false")


def test_pictures_of_an_alert_that_was_closed_long_ago_need_a_reason(log_in: Callable[..., Page], desk: Any) -> None:
    alert = desk.press(ago=timedelta(days=3))
    desk.take_pictures(alert)
    alert.update(workflow="closed", disposition="real", condition="cleared")
    page = log_in()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/snapshots/" in request.url else None)
    detail = opened(page, alert)
    needed = detail.get_by_test_id("reason-needed")
    expect(needed).to_contain_text("须说明原因")
    expect(detail.locator("li[data-state]")).to_have_count(0)
    assert not [url for url in asked if alert["id"] in url]
    needed.get_by_role("button", name="说明查看原因").click()
    page.get_by_test_id("reason-dialog").locator("input").fill("复核案卷")
    page.keyboard.press("Enter")
    expect(detail.locator("li[data-state=ready] img").first).to_have_js_property("naturalWidth", 640)
    assert all("reason=" in url for url in asked if alert["id"] in url)


# ------------------------------------------------------------------------------------------------ acts


def test_from_the_list_to_the_closing_by_keyboard_alone(log_in: Callable[..., Page], desk: Any) -> None:
    alert = desk.press("李秀英")
    page = log_in()
    expect(page.locator(f"[data-alert='{alert['id']}']")).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    detail = page.locator("[data-detail]")
    workflow = detail.get_by_test_id("workflow")
    expect(workflow).to_have_text("待接警")
    page.keyboard.press("a")
    expect(workflow).to_have_text("已接警")
    page.keyboard.press("s")
    expect(detail.get_by_test_id("assignee")).to_be_focused()
    page.keyboard.type("zhangwei")
    page.keyboard.press("Enter")
    expect(detail.get_by_test_id("timeline")).to_contain_text("指派给 zhangwei")
    page.keyboard.press("d")
    expect(detail.get_by_test_id("department")).to_be_focused()
    page.keyboard.type("派出所")
    page.keyboard.press("Tab")
    page.keyboard.type("刘洋")
    page.keyboard.press("Enter")
    expect(workflow).to_have_text("已派遣")
    dispatched = detail.get_by_test_id("dispatches")
    expect(dispatched).to_contain_text("派往 派出所 · 刘洋")
    expect(dispatched).to_contain_text("等待到场回报")
    page.keyboard.press("o")
    expect(workflow).to_have_text("已到场")
    expect(dispatched).to_contain_text("已回报到场")
    page.keyboard.press("n")
    page.keyboard.type("老人已送医")
    page.keyboard.press("Enter")
    expect(detail.get_by_test_id("timeline")).to_contain_text("老人已送医")
    page.keyboard.press("Escape")
    detail.get_by_role("button", name="办结").focus()
    page.keyboard.press("c")
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    expect(workflow).to_have_text("已办结")
    assert [wanted for _, wanted, _ in desk.actions] == [
        {"action": "acknowledge"},
        {"action": "assign", "assignee": "zhangwei"},
        {"action": "dispatch", "assignee": "刘洋", "department": "派出所"},
        {"action": "arrive"},
        {"action": "note", "comment": "老人已送医"},
        {"action": "close", "disposition": "real"},
    ]


def test_a_false_alarm_has_its_own_button_and_is_confirmed(log_in: Callable[..., Page], desk: Any) -> None:
    alert = desk.press()
    page = log_in()
    detail = opened(page, alert)
    detail.get_by_role("button", name="办结").click()
    expect(detail.get_by_test_id("closing").get_by_label("误报")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(detail.get_by_role("button", name="办结")).to_be_focused()
    page.keyboard.press("f")
    confirm = detail.get_by_role("button", name="确认误报")
    expect(confirm).to_be_focused()
    assert desk.actions == []
    page.keyboard.press("Enter")
    expect(detail.get_by_test_id("workflow")).to_have_text("已办结")
    assert [wanted for _, wanted, _ in desk.actions] == [{"action": "close", "disposition": "false_alarm"}]


def test_whoever_was_sent_is_offered_again(log_in: Callable[..., Page], desk: Any) -> None:
    first, second = desk.press("李秀英", workflow="acknowledged"), desk.press("张伟", workflow="acknowledged")
    page = log_in()
    detail = opened(page, first)
    page.keyboard.press("d")
    detail.get_by_test_id("department").fill("派出所")
    detail.get_by_test_id("assignee").fill("刘洋")
    page.keyboard.press("Enter")
    expect(detail.get_by_test_id("workflow")).to_have_text("已派遣")
    expect(detail.get_by_test_id("action-done")).to_have_text("已完成：派遣")
    detail = opened(page, second)
    expect(detail.get_by_role("heading", level=1)).to_contain_text("张伟")
    page.keyboard.press("d")
    expect(detail.locator("#known-people option").first).to_have_attribute("value", "刘洋")
    expect(detail.locator("#known-departments option").first).to_have_attribute("value", "派出所")


def test_a_person_s_press_cannot_be_shelved_and_a_device_s_alert_needs_a_reason_for_it(
    log_in: Callable[..., Page], desk: Any
) -> None:
    press = desk.press()
    source = {"type": "camera", "id": "cam-a", "name": "十字口东", "known": True}
    tamper = desk.press("十字口东", kind="tamper", severity=3, source=source)
    page = log_in()
    detail = opened(page, press)
    page.keyboard.press("m")
    expect(detail.locator("[data-action=urge]")).to_be_visible()
    expect(detail.locator("[data-action=shelve]")).to_have_count(0)
    detail = opened(page, tamper)
    expect(detail.get_by_role("heading", level=1)).to_contain_text("遮挡破坏")
    page.keyboard.press("m")
    detail.locator("[data-action=shelve]").click()
    detail.locator("[data-action=shelve-confirm]").click()
    expect(detail.get_by_test_id("action-problem")).to_have_text("请填写搁置原因。")
    detail.get_by_test_id("further").get_by_label("说明").fill("正在施工")
    detail.locator("[data-action=shelve-confirm]").click()
    expect(detail.get_by_test_id("timeline")).to_contain_text("搁置")
    [(_, wanted, _)] = desk.actions
    assert (wanted["action"], wanted["comment"]) == ("shelve", "正在施工")
    assert datetime.fromisoformat(wanted["until"]) > datetime.now(UTC)


def test_the_history_can_be_cut_down_to_what_people_did(
    log_in: Callable[..., Page], desk: Any, pressed: dict[str, Any]
) -> None:
    desk.change(pressed["id"], "acknowledge", "liuyang", "我来处理")
    pressed["entries"].append(desk.entry(9, datetime.now(UTC), "node/dazhu", "frobnicate", "of a newer node"))
    detail = opened(log_in(), pressed)
    timeline = detail.get_by_test_id("timeline")
    expect(timeline).to_contain_text("frobnicate")  # what is not known here is shown as it is
    detail.get_by_test_id("timeline-filter").select_option("acts")
    expect(timeline.locator("li")).to_have_count(1)
    expect(timeline).to_contain_text("我来处理")
    expect(timeline).to_contain_text("竹阳街道综治中心（镇街）")
    detail.get_by_test_id("timeline-filter").select_option("all")
    expect(timeline.locator("li")).to_have_count(4)


def test_an_alert_fits_a_phone(log_in: Callable[..., Page], desk: Any, pressed: dict[str, Any]) -> None:
    page = log_in(PHONE)
    detail = opened(page, pressed)
    expect(detail.get_by_role("link", name="拨打 13800138001")).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    small = detail.locator("button:visible, select:visible, input:visible").evaluate_all(
        "all => all.map(one => [one.outerHTML.slice(0, 80), one.getBoundingClientRect()]).filter(([, box]) => box.width < 24 || box.height < 24).map(([html]) => html)"
    )
    assert small == []
