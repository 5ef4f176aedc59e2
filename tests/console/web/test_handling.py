"""An alert from the press to its closing, as an operator sees and does it."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

DESKTOP = (1366, 768)
PHONE = (390, 844)
expect.set_options(timeout=90_000)


def row(page: Page, alert: dict[str, Any]) -> Any:
    return page.locator(f"[data-alert='{alert['id']}']")


def opened(page: Page, alert: dict[str, Any]) -> Any:
    row(page, alert).click()
    detail = page.locator("[data-detail]")
    expect(detail.get_by_test_id("timeline")).to_be_visible()
    return detail


def test_a_wrong_password_is_told_in_the_services_own_sentence(open_page: Callable[..., Page]) -> None:
    page = open_page()
    page.get_by_label("用户名").fill("wangfang")
    page.get_by_label("密码").fill("wrong")
    page.get_by_role("button", name="登录").click()
    expect(page.get_by_role("alert").filter(has_text="The user name or the password is wrong.")).to_be_visible()
    expect(page.get_by_label("密码")).to_have_value("")


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_a_press_appears_on_top_and_is_announced(size: tuple[int, int], log_in: Callable[..., Page], desk: Any) -> None:
    older = desk.press("张伟")
    page = log_in(size)
    expect(row(page, older)).to_be_visible()
    expect(page).to_have_title("(1) 警情 · 竹阳街道综治中心")

    newer = desk.press("李秀英", count=3)
    desk.say("alert", newer)

    first = page.get_by_test_id("alerts").locator("a").first
    expect(first).to_have_attribute("data-alert", newer["id"])
    for words in ("一级", "紧急求助", "待接警", "李秀英", "×3", "东风村三组 2 号"):
        expect(first).to_contain_text(words)
    announced = page.get_by_test_id("announcement")
    expect(announced).to_have_attribute("aria-live", "assertive")
    expect(announced).to_have_text("新警情：一级 紧急求助，李秀英，竹阳街道东风村三组 2 号")
    expect(page.get_by_test_id("waiting")).to_have_text("2")
    expect(page).to_have_title("(2) 警情 · 竹阳街道综治中心")


def test_a_drill_is_marked_and_does_not_count_as_waiting(log_in: Callable[..., Page], desk: Any) -> None:
    drill = desk.press("陈建国", status="drill")
    page = log_in()
    expect(row(page, drill)).to_contain_text("演练")
    expect(page.get_by_test_id("waiting")).to_have_count(0)


def test_the_detail_says_who_where_and_how_far_the_receipts_are(log_in: Callable[..., Page], desk: Any) -> None:
    alert = desk.press(
        "李秀英",
        detail={
            "press_ids": ["p1"],
            "text": "家里冒烟了",
            "late": True,
            "household": {"name": "李秀英", "phone": "13800138001", "address": None},
        },
    )
    detail = opened(log_in(), alert)
    expect(detail.get_by_role("link", name="拨打 13800138001")).to_have_attribute("href", "tel:13800138001")
    for words in ("李秀英", "竹阳街道东风村三组 1 号", "家里冒烟了", "延迟送达的报警", "终端 tv-0001"):
        expect(detail).to_contain_text(words)
    receipts = detail.get_by_test_id("receipts")
    expect(receipts).to_contain_text("本级已收到")
    expect(receipts).to_contain_text("尚无上级回执")
    expect(receipts).to_contain_text("等待接警")

    desk.take_pictures(alert)
    desk.say("alert", alert)
    expect(receipts).to_contain_text("已上报 county #17")


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_pictures_come_with_their_true_offsets_and_reasons(
    size: tuple[int, int], log_in: Callable[..., Page], desk: Any
) -> None:
    alert = desk.press()
    detail = opened(log_in(size), alert)
    expect(detail.locator("li[data-state=pending]")).to_have_count(8)
    expect(detail.locator("li[data-state=pending]").first).to_contain_text("目标 −5 秒")

    desk.take_pictures(alert)
    desk.say("alert", alert)

    strip = detail.locator("[data-camera=cam-a] li[data-state=ready]")
    expect(strip).to_have_count(4)
    for at, offset in enumerate(("−4.72 秒", "−0.04 秒", "+3.31 秒", "+10.31 秒")):
        expect(strip.nth(at)).to_contain_text(offset)
    picture = strip.first.locator("img")
    expect(picture).to_have_js_property("naturalWidth", 640)
    failed = detail.locator("[data-camera=cam-b] li[data-state=failed]")
    expect(failed).to_contain_text("摄像头在 10 秒内没有送来画面")


def test_a_picture_is_enlarged_and_paged_through(log_in: Callable[..., Page], desk: Any) -> None:
    alert = desk.press()
    desk.take_pictures(alert)
    page = log_in()
    detail = opened(page, alert)
    detail.get_by_role("button", name="放大：十字口东，−0.04 秒").click()
    viewer = page.get_by_role("dialog")
    expect(viewer).to_contain_text("−0.04 秒")
    page.keyboard.press("ArrowRight")
    expect(viewer).to_contain_text("+3.31 秒")
    viewer.get_by_role("button", name="上一张").click()
    expect(viewer).to_contain_text("−0.04 秒")
    page.keyboard.press("Escape")
    expect(viewer).to_have_count(0)
    expect(detail).to_be_visible()


def test_a_picture_that_has_not_come_from_its_node_is_asked_for_again(log_in: Callable[..., Page], desk: Any) -> None:
    alert = desk.press()
    desk.take_pictures(alert)
    desk.missing_pictures.add("cam-a_-5000")
    detail = opened(log_in(), alert)
    late = detail.locator("[data-camera=cam-a] li").first
    expect(late).to_contain_text("图片尚未传到，稍后自动重试")
    desk.missing_pictures.clear()
    expect(late.locator("img")).to_have_js_property("naturalWidth", 640)


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_an_alert_is_handled_to_its_closing_and_reopened(
    size: tuple[int, int], log_in: Callable[..., Page], desk: Any
) -> None:
    alert = desk.press()
    page = log_in(size)
    detail = opened(page, alert)
    workflow = detail.get_by_test_id("workflow")

    detail.get_by_role("button", name="接警", exact=True).click()
    expect(workflow).to_have_text("已接警")
    expect(detail.get_by_test_id("receipts")).to_contain_text("已接警")
    detail.get_by_test_id("comment").fill("已通知网格员刘洋")
    detail.get_by_role("button", name="派遣", exact=True).click()
    detail.get_by_role("button", name="确认派遣").click()
    expect(workflow).to_have_text("已派遣")
    expect(detail.get_by_test_id("comment")).to_have_value("")
    expect(detail.get_by_test_id("timeline")).to_contain_text("已通知网格员刘洋")
    detail.get_by_role("button", name="到场").click()
    expect(workflow).to_have_text("已到场")

    detail.get_by_role("button", name="办结").click()
    detail.get_by_role("button", name="确认办结").click()
    expect(detail.get_by_test_id("action-problem")).to_have_text("请选择结论。")
    detail.get_by_label("重复").check()
    detail.get_by_test_id("closing").get_by_label("说明").fill("家里人也按了")
    detail.get_by_role("button", name="确认办结").click()
    expect(workflow).to_have_text("已办结")
    expect(row(page, alert)).to_have_count(0)
    assert [wanted for _, wanted, _ in desk.actions] == [
        {"action": "acknowledge"},
        {"action": "dispatch", "comment": "已通知网格员刘洋"},
        {"action": "arrive"},
        {"action": "close", "comment": "家里人也按了", "disposition": "duplicate"},
    ]

    detail.get_by_role("button", name="重新打开").click()
    expect(workflow).to_have_text("已接警")
    expect(page.get_by_test_id("open-count")).to_have_text("1")


def test_a_note_needs_words_and_changes_no_state(log_in: Callable[..., Page], desk: Any) -> None:
    alert = desk.press()
    detail = opened(log_in(), alert)
    detail.get_by_role("button", name="备注").click()
    expect(detail.get_by_test_id("action-problem")).to_have_text("请先填写说明，再添加备注。")
    assert desk.actions == []
    detail.get_by_test_id("comment").fill("<img src=x onerror=alert(1)> 家属已联系")
    detail.get_by_role("button", name="备注").click()
    expect(detail.get_by_test_id("timeline")).to_contain_text("<img src=x onerror=alert(1)> 家属已联系")
    expect(detail.get_by_test_id("workflow")).to_have_text("待接警")


def test_a_step_that_somebody_else_has_taken_shows_the_present_state(log_in: Callable[..., Page], desk: Any) -> None:
    alert = desk.press()
    detail = opened(log_in(), alert)
    desk.change(alert["id"], "acknowledge", "liuyang")  # and this page has not heard of it
    detail.get_by_role("button", name="接警", exact=True).click()
    told = detail.get_by_test_id("action-problem")
    expect(told).to_contain_text("The alert is acknowledged; acknowledge is not allowed.")
    expect(told).to_contain_text("当前状态：已接警。")
    expect(detail.get_by_test_id("workflow")).to_have_text("已接警")
    expect(detail.get_by_role("button", name="派遣", exact=True)).to_be_visible()
    expect(detail.get_by_test_id("timeline")).to_contain_text("liuyang")


def test_another_operators_step_is_seen_at_once(log_in: Callable[..., Page], desk: Any) -> None:
    alert = desk.press()
    detail = opened(log_in(), alert)
    desk.change(alert["id"], "acknowledge", "liuyang", "我来处理")
    desk.say("alert", alert)
    expect(detail.get_by_test_id("workflow")).to_have_text("已接警")
    expect(detail.get_by_test_id("timeline")).to_contain_text("我来处理")


def test_an_answer_that_was_overtaken_takes_no_step_back(
    log_in: Callable[..., Page], desk: Any, hold: Callable[..., Any]
) -> None:
    alert = desk.press()
    page = log_in()
    detail = opened(page, alert)
    held = hold(page, f"**/api/v1/alerts/{alert['id']}")
    desk.change(alert["id"], "note", "liuyang", "我来处理")
    desk.say("alert", alert)
    former, before = held(1), json.dumps(alert)
    detail.get_by_role("button", name="接警", exact=True).click()
    expect(detail.get_by_test_id("workflow")).to_have_text("已接警")
    marker = desk.press("张伟")
    desk.say("alert", marker)
    expect(row(page, marker)).to_be_visible()  # so the stream has told of the step as well
    former.fulfill(content_type="application/json", body=before)
    latter = held(2)  # asked once the former answer has been taken
    expect(detail.get_by_test_id("workflow")).to_have_text("已接警")
    latter.continue_()
    expect(detail.get_by_test_id("timeline")).to_contain_text("我来处理")


def test_a_step_whose_answer_was_lost_is_sent_again_under_the_same_key(log_in: Callable[..., Page], desk: Any) -> None:
    alert = desk.press()
    page = log_in()
    detail = opened(page, alert)
    desk.lose_answers = True
    detail.get_by_test_id("comment").fill("电话无人接听")
    note = detail.get_by_role("button", name="备注")
    note.click()
    expect(detail.get_by_test_id("action-problem")).to_have_text("无法连接服务器，请检查网络后重试。")
    desk.lose_answers = False
    note.click()
    expect(detail.get_by_test_id("comment")).to_have_value("")
    keys = [key for _, _, key in desk.actions]
    assert len(keys) >= 2
    assert len(set(keys)) == 1
    notes = [entry for entry in desk.alerts[alert["id"]]["entries"] if entry["action"] == "note"]
    assert len(notes) == 1


def test_the_keyboard_alone_is_enough(log_in: Callable[..., Page], desk: Any) -> None:
    older, newer = desk.press("张伟"), desk.press("李秀英")
    page = log_in()
    expect(row(page, newer)).to_be_visible()
    page.keyboard.press("j")
    expect(row(page, newer)).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(row(page, older)).to_be_focused()
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    detail = page.locator("[data-detail]")
    expect(detail.get_by_role("heading", level=1)).to_contain_text("李秀英")
    page.keyboard.press("a")
    expect(detail.get_by_test_id("workflow")).to_have_text("已接警")
    page.keyboard.press("c")
    expect(detail.get_by_label("属实")).to_be_focused()
    page.keyboard.press("Escape")
    expect(detail.get_by_test_id("closing")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(page).to_have_url(f"{desk.base}/#/alerts")
    expect(row(page, newer)).to_be_focused()


def test_letters_typed_into_a_comment_are_no_commands(log_in: Callable[..., Page], desk: Any) -> None:
    alert = desk.press()
    page = log_in()
    detail = opened(page, alert)
    detail.get_by_test_id("comment").press_sequentially("aacjk")
    expect(detail.get_by_test_id("comment")).to_have_value("aacjk")
    expect(detail.get_by_test_id("closing")).to_have_count(0)
    assert desk.actions == []


def test_a_viewer_sees_and_cannot_act(log_in: Callable[..., Page], desk: Any) -> None:
    desk.role = "viewer"
    alert = desk.press()
    page = log_in()
    detail = opened(page, alert)
    expect(detail).to_contain_text("您的账号只能查看，不能处置。")
    expect(detail.get_by_role("button", name="接警", exact=True)).to_have_count(0)
    page.keyboard.press("a")
    page.keyboard.press("c")
    expect(detail.get_by_test_id("closing")).to_have_count(0)
    assert desk.actions == []


def test_an_alert_of_elsewhere_is_told_in_words(log_in: Callable[..., Page], desk: Any) -> None:
    page = log_in()
    page.goto(f"{desk.base}/#/alerts/nothing")
    expect(page.get_by_role("alert").filter(has_text="找不到这条警情，可能不在您的辖区。")).to_be_visible()
