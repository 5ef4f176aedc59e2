"""Planned maintenance and outages on the pages: what was lost together and why, and who planned what."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

expect.set_options(timeout=90_000)

NOW = "2026-05-01T08:00:00.000Z"


@pytest.fixture
def lost(desk: Any) -> Any:
    """Both cameras are away with their recorder, of which an alert tells; one of them may be."""
    for camera in desk.cameras:
        camera.update(state="offline", reason=None)
    detail = {
        "cause": "recorder",
        "group": "10.0.0.9",
        "cameras": ["cam-a", "cam-b", "elsewhere"],
        "lost": 3,
        "total": 4,
        "lost_at": NOW,
        "flapping": True,
    }
    source = {"type": "node", "id": "zhuyang", "name": "竹阳街道", "known": True}
    alert = desk.press("", kind="device_offline", severity=3, source=source, detail=detail, cameras=[])
    away = {"lost_at": NOW, "state": "offline", "back": False, "flapping": False}
    desk.outages = [
        {"alert": alert["id"], "cause": "recorder", "group": "10.0.0.9", "total": 4, "lost": 3,
         "cameras": [{**away, "id": "cam-a", "name": "十字口东"}, {**away, "id": "cam-b", "name": "村委会门口"}]}
    ]  # fmt: skip
    desk.covered = [{"id": "cam-b", "window": "换硬盘: 坏道", "until": "2999-05-01T10:00:00.000Z"}]
    return alert


def planned(window: str) -> dict[str, Any]:
    """One that runs for two hours more."""
    now = datetime.now(UTC)
    return {
        "id": window, "name": "更换三组交换机", "reason": "端口坏", "by": "lina", "at": at(now), "since": at(now), "until": at(now + timedelta(hours=2)),
        "between": None, "days": [], "cameras": ["*"], "scenes": [], "areas": [], "hosts": [], "state": "running", "ends_at": at(now + timedelta(hours=2)), "count": 2,
    }  # fmt: skip


def at(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def test_an_outage_says_its_probable_cause_and_how_each_camera_stands(
    log_in: Callable[..., Page], desk: Any, lost: Any
) -> None:
    page = log_in()
    page.goto(f"{desk.base}/#/alerts/{lost['id']}")
    card = page.get_by_test_id("outage")
    expect(card).to_contain_text("疑似录像机故障")
    expect(card).to_contain_text("10.0.0.9")
    expect(card.get_by_test_id("lost")).to_have_text("离线 3 路（共 4 路）")
    expect(card.get_by_test_id("flapping")).to_be_visible()
    expect(card.locator("[data-camera]")).to_have_count(2)  # one of somebody else's area stays unnamed
    expect(card.locator("[data-camera=cam-a]")).to_contain_text("离线")
    page.get_by_test_id("language").click()
    expect(card).to_contain_text("Probably the recorder")


def test_lists_say_what_a_camera_was_lost_with_and_until_when_it_may_be_down(
    log_in: Callable[..., Page], desk: Any, lost: Any
) -> None:
    desk.tasks = [
        {"kind": "camera_offline", "object": "cameras", "title": "摄像头离线", "since": NOW, "due": None, "overdue": False,
         "detail": {"count": 1, "cameras": [{"id": "cam-a", "name": "十字口东", "since": NOW, "reason": None, "offset_s": None}]}}
    ]  # fmt: skip
    page = log_in()
    page.goto(f"{desk.base}/#/cameras")
    marks = page.get_by_test_id("part-of")
    expect(marks).to_have_count(2)
    expect(marks.first).to_have_text("疑似录像机故障 · 共 3 路")
    expect(page.get_by_test_id("in-maintenance")).to_have_count(1)
    expect(page.get_by_test_id("in-maintenance")).to_contain_text("检修至 2999-")
    page.goto(f"{desk.base}/#/tasks")
    page.locator("[data-camera=cam-a]").get_by_test_id("part-of").click()
    expect(page.get_by_test_id("outage")).to_be_visible()


def test_maintenance_is_planned_prolonged_and_ended_with_its_reasons(log_in: Callable[..., Page], desk: Any) -> None:
    desk.role = "maintainer"
    page = log_in()
    page.goto(f"{desk.base}/#/upkeep")
    page.get_by_test_id("plan").click()
    form = page.get_by_test_id("plan-form")
    form.get_by_label("名称").fill("更换三组交换机")
    form.get_by_label("原因").fill("端口坏")
    form.get_by_label("具体对象").fill("511724001002，511724001003")
    form.get_by_label("每日时段").fill("22:00-06:00")
    form.get_by_role("button", name="确定安排").click()
    row = page.locator("[data-window=w1]")
    expect(row).to_contain_text("更换三组交换机")
    expect(row).to_contain_text("检修中")
    expect(row).to_contain_text("区划 511724001002、区划 511724001003")
    expect(row).to_contain_text(re.compile("22:00-06:00.*wangfang", re.S))
    assert desk.windows[0]["areas"] == ["511724001002", "511724001003"]
    before = desk.windows[0]["until"]
    row.locator("[data-act=extend]").click()
    row.get_by_label("延长原因").fill("还没到货")
    row.get_by_role("button", name="确定").click()
    expect(row.get_by_label("延长原因")).to_have_count(0)
    assert desk.windows[0]["until"] > before
    row.locator("[data-act=end]").click()
    row.get_by_label("结束原因").fill("修好了")
    row.get_by_role("button", name="确定").click()
    expect(row).to_have_count(0)
    assert [(verb, reason) for verb, _, reason in desk.ended] == [("change", "还没到货"), ("end", "修好了")]
    page.get_by_text("已结束的检修（1）").click()
    expect(page.get_by_text("更换三组交换机")).to_be_visible()


def test_why_a_window_changes_is_typed_at_once_and_is_no_key(log_in: Callable[..., Page], desk: Any) -> None:
    """With the focus left on the button a space would ask anew, and what was written would be gone."""
    desk.role = "maintainer"
    desk.windows = [planned("w1")]
    page = log_in()
    page.goto(f"{desk.base}/#/upkeep")
    row = page.locator("[data-window=w1]")
    row.locator("[data-act=extend]").click()
    expect(row.get_by_label("延长原因")).to_be_focused()
    page.keyboard.type("w late")
    expect(row.get_by_label("延长原因")).to_have_value("w late")
    row.locator("[data-act=end]").click()
    expect(row.get_by_label("结束原因")).to_be_focused()
    row.get_by_role("button", name="取消").click()
    expect(row.locator("[data-act=end]")).to_be_focused()
    row.locator("[data-act=extend]").press("Enter")
    expect(row.get_by_label("延长原因")).to_be_focused()
    page.keyboard.type("w late")
    page.keyboard.press("Enter")
    expect(row.locator("[data-act=extend]")).to_be_focused()
    assert desk.ended == [("change", "w1", "w late")]
    row.locator("[data-act=end]").click()
    expect(row.get_by_label("结束原因")).to_be_focused()
    page.keyboard.type("done")
    page.keyboard.press("Enter")
    expect(row).to_have_count(0)
    expect(page.locator(".maintenance")).to_be_focused()


def test_what_was_planned_without_an_answer_is_not_planned_twice(log_in: Callable[..., Page], desk: Any) -> None:
    desk.role = "maintainer"
    page = log_in()
    page.goto(f"{desk.base}/#/upkeep")
    page.get_by_test_id("plan").click()
    form = page.get_by_test_id("plan-form")
    form.get_by_label("名称").fill("更换三组交换机")
    form.get_by_label("原因").fill("端口坏")
    form.get_by_label("具体对象").fill("511724001002")
    desk.lose_answers = True
    form.get_by_role("button", name="确定安排").click()
    expect(page.locator(".maintenance").get_by_role("alert")).to_be_visible()
    desk.lose_answers = False
    lost = len(desk.planned)  # the browser may have tried more than once by itself
    page.wait_for_function("then => Date.now() > then + 2_000", arg=page.evaluate("Date.now()"))  # "from now" is later
    form.get_by_role("button", name="确定安排").click()
    expect(form).to_have_count(0)
    expect(page.locator("[data-window=w1]")).to_contain_text("更换三组交换机")
    assert len(desk.windows) == 1
    assert len(desk.planned) > lost
    assert all(sent == desk.planned[0] for sent in desk.planned)


def test_who_only_handles_alerts_plans_nothing(log_in: Callable[..., Page], desk: Any) -> None:
    desk.windows = [
        {"id": None, "name": "夜间检修", "reason": "", "by": None, "at": None, "since": None, "until": None, "between": "00:00-04:00",
         "days": ["sun"], "cameras": ["*"], "scenes": [], "areas": [], "hosts": [], "state": "waiting", "ends_at": None, "count": 2}
    ]  # fmt: skip
    page = log_in()
    page.goto(f"{desk.base}/#/upkeep")
    row = page.locator("[data-window=config]")
    expect(row).to_contain_text("全部摄像头")
    expect(row).to_contain_text("周日 00:00-04:00")
    expect(row).to_contain_text("配置文件所定")
    expect(row.get_by_role("button")).to_have_count(0)
    expect(page.get_by_test_id("plan")).to_have_count(0)


def test_an_answer_slower_than_the_interval_is_shown(
    log_in: Callable[..., Page], desk: Any, lost: Any, hold: Callable[..., Any]
) -> None:
    page = log_in()
    page.clock.install()
    page.clock.pause_at(datetime.now(UTC) + timedelta(seconds=10))  # from here only what is said below passes
    held = hold(page, "**/api/v1/maintenance")
    page.evaluate("location.hash = '#/cameras'")
    first = held(1)
    page.clock.run_for(12_000)  # one interval, and not yet the request's deadline
    first.continue_()
    expect(page.get_by_test_id("in-maintenance")).to_be_visible()
    page.clock.run_for(10_000)
    held(2).continue_()
