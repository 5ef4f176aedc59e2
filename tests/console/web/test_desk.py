"""The list of the desk: ten thousand alerts, filters, views, several at once, a flood, and all of it by keyboard."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

DESKTOP = (1366, 768)
PHONE = (390, 844)
MOST_ROWS = 80  # in the document, however long the list
expect.set_options(timeout=90_000)


def row(page: Page, alert: dict[str, Any]) -> Any:
    return page.locator(f"[data-alert='{alert['id']}']")


def rows(page: Page) -> Any:
    return page.get_by_test_id("alerts").locator("a[data-alert]")


def at(seconds: float) -> str:
    """So many seconds from now."""
    moment = datetime.now(UTC) + timedelta(seconds=seconds)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def tamper(desk: Any, name: str, **more: Any) -> dict[str, Any]:
    alert: dict[str, Any] = desk.press(name, kind="tamper", severity=3, **more)
    alert["source"] = {"type": "camera", "id": f"cam-{name}", "name": name, "known": True}
    return alert


def scroll(page: Page, to: str) -> None:
    """And until the page has heard of it, which is with the next frame: on a busy machine that is a while."""
    page.get_by_test_id("alerts").evaluate(
        f"(box) => new Promise((heard) => {{ box.scrollTo(0, {to}); requestAnimationFrame(() => heard()); }})"
    )


def test_ten_thousand_alerts_keep_few_rows_in_the_document(log_in: Callable[..., Page], desk: Any) -> None:
    for number in range(10_000):
        desk.press(f"户 {number}", workflow="acknowledged", cameras=[], ago=timedelta(seconds=20_000 - number))
    page = log_in()
    expect(page.get_by_test_id("open-count")).to_have_text("10000")
    expect(rows(page).first).to_contain_text("户 9999")
    for part in ("box.scrollHeight / 3", "box.scrollHeight / 2", "box.scrollHeight"):
        scroll(page, part)
        assert rows(page).count() < MOST_ROWS
    last = page.locator("[aria-posinset='10000']")
    expect(last).to_contain_text("户 0")
    expect(last).to_have_attribute("aria-setsize", "10000")
    assert page.evaluate("document.querySelectorAll('[role=listitem]').length") < MOST_ROWS


def test_what_nobody_has_taken_stands_on_top_by_severity(log_in: Callable[..., Page], desk: Any) -> None:
    taken = desk.press("张伟", workflow="acknowledged")
    minor = tamper(desk, "十字口东")
    press = desk.press("李秀英", ago=timedelta(minutes=5))
    drill = desk.press("陈建国", status="drill")
    page = log_in()
    expect(row(page, taken)).to_be_visible()
    shown = rows(page).evaluate_all("(found) => found.map((one) => one.dataset.alert)")
    assert shown == [press["id"], minor["id"], drill["id"], taken["id"]]
    page.get_by_test_id("sort").select_option("newest")
    expect(rows(page).first).to_have_attribute("data-alert", drill["id"])


def test_a_row_counts_down_to_its_limits(log_in: Callable[..., Page], desk: Any) -> None:
    late = desk.press("张伟")
    late["detail"]["due"] = {"acknowledge": at(-61), "dispatch": at(600)}  # it stays "01:" for a minute
    soon = desk.press("李秀英", workflow="acknowledged")
    soon["detail"].update(due={"acknowledge": at(-75), "dispatch": at(600)}, undelivered=["county"], late=True)
    page = log_in()
    expect(row(page, late).get_by_test_id("limit")).to_contain_text("接警超时 01:")
    expect(row(page, soon).get_by_test_id("limit")).to_contain_text("派遣剩 0")
    for badge in ("延迟", "未送达"):
        expect(row(page, soon)).to_contain_text(badge)
    page.locator("[data-quick=overdue]").click()
    expect(rows(page)).to_have_count(1)
    expect(row(page, late)).to_be_visible()


def test_nothing_moves_for_a_reader_who_has_scrolled(log_in: Callable[..., Page], desk: Any) -> None:
    alerts = [
        desk.press(f"户 {number}", workflow="acknowledged", ago=timedelta(hours=1, seconds=number))
        for number in range(30)
    ]
    page = log_in()
    expect(row(page, alerts[0])).to_be_visible()
    scroll(page, "900")
    seen = row(page, alerts[12])
    expect(seen).to_be_visible()
    before = seen.bounding_box()
    newer = desk.press("李秀英")
    desk.say("alert", newer)
    pill = page.get_by_test_id("new-pill")
    expect(pill).to_contain_text("1 条新警情 · 一级 1 条")
    assert seen.bounding_box() == before
    desk.change(alerts[12]["id"], "close", "liuyang")
    desk.say("alert", alerts[12])
    expect(seen).to_contain_text("已办结")  # it stays until the reader looks elsewhere
    assert seen.bounding_box() == before
    page.keyboard.press(".")
    expect(rows(page).first).to_have_attribute("data-alert", newer["id"])
    expect(row(page, newer)).to_be_focused()
    expect(pill).to_have_count(0)
    expect(seen).to_have_count(0)


def test_filters_stay_in_the_address_and_views_with_the_user(log_in: Callable[..., Page], desk: Any) -> None:
    press, other = desk.press("李秀英"), tamper(desk, "十字口东")
    page = log_in()
    expect(rows(page)).to_have_count(2)
    page.get_by_test_id("filter-open").click()
    page.get_by_test_id("filter-panel").get_by_label("遮挡破坏").check()
    expect(rows(page)).to_have_count(1)
    expect(row(page, other)).to_be_visible()
    assert page.url.endswith("?kind=tamper")
    page.get_by_test_id("views").click()
    page.get_by_test_id("view-name").fill("摄像头被遮挡")
    with page.expect_response("**/preferences/views"):
        page.get_by_test_id("view-save").click()
        page.locator("[data-view='摄像头被遮挡']").wait_for()
    assert desk.preferences["views"] == [{"name": "摄像头被遮挡", "query": "kind=tamper", "sort": "urgent"}]
    page.reload()
    expect(rows(page)).to_have_count(1)
    page.get_by_test_id("filter-clear").click()
    expect(rows(page)).to_have_count(2)
    expect(row(page, press)).to_be_visible()
    page.get_by_test_id("views").click()
    page.locator("[data-view='摄像头被遮挡']").click()
    expect(rows(page)).to_have_count(1)


def test_several_are_closed_at_once_and_a_refusal_is_told(log_in: Callable[..., Page], desk: Any) -> None:
    alerts = [tamper(desk, f"路口 {number}") for number in range(3)]
    page = log_in()
    expect(rows(page)).to_have_count(3)
    desk.change(alerts[1]["id"], "close", "liuyang")  # and nobody told us
    page.keyboard.press("j")
    for _ in range(2):
        page.keyboard.press("Shift+ArrowDown")
    expect(page.get_by_test_id("bulk-count")).to_have_text("已选 3 条")
    page.keyboard.press("f")
    expect(page.get_by_label("误报")).to_be_checked()
    page.get_by_test_id("bulk-confirm").click()
    outcome = page.get_by_test_id("bulk-outcome")
    expect(outcome).to_contain_text("已处置 2 条")
    expect(outcome).to_contain_text("路口 1")
    expect(page.get_by_test_id("bulk-count")).to_have_text("已选 1 条")
    assert {alert["disposition"] for alert in alerts} == {"false_alarm", None}
    [(ids, body, key)] = desk.bulk
    assert len(ids) == 3
    assert body == {"action": "close", "disposition": "false_alarm"}
    assert len(key) == 32
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("bulk")).to_have_count(0)


def test_a_press_is_not_shelved_with_the_others(log_in: Callable[..., Page], desk: Any) -> None:
    press, device = desk.press("李秀英"), tamper(desk, "十字口东")
    page = log_in()
    for alert in (press, device):
        page.locator(f"[data-line='{alert['id']}'] .choose").click()
    page.locator("[data-bulk=shelve]").click()
    expect(page.get_by_test_id("bulk")).to_contain_text("其中 1 条求助不会被搁置")
    page.get_by_label("搁置原因").fill("施工到傍晚")
    page.get_by_test_id("bulk-confirm").click()
    expect(page.get_by_test_id("bulk-outcome")).to_contain_text("已处置 1 条")
    expect(page.get_by_test_id("bulk-outcome")).to_contain_text("a press is never shelved")


def test_what_is_shelved_is_counted_and_out_of_the_way_until_somebody_asks(
    log_in: Callable[..., Page], desk: Any
) -> None:
    press, device = desk.press("李秀英"), tamper(desk, "十字口东")
    for alert in (press, device):  # whatever a node says of a press, it stays where it is
        alert["detail"]["shelved"] = {"until": at(3600), "reason": "施工", "by": "zhou"}
    over = tamper(desk, "路口 2")
    over["detail"]["shelved"] = {"until": at(-60), "reason": "施工", "by": "zhou"}
    page = log_in()
    expect(rows(page)).to_have_count(2)
    expect(page.get_by_test_id("open-count")).to_have_text("2")
    page.locator("[data-quick=shelved]").click()
    expect(rows(page)).to_have_count(1)
    expect(row(page, device)).to_contain_text("搁置至")
    row(page, device).click()
    expect(page.get_by_test_id("shelved")).to_contain_text("zhou 将此警情搁置至")
    expect(page.get_by_test_id("shelved")).to_contain_text("施工")
    device["detail"].pop("shelved")
    desk.change(device["id"], "unshelve", "zhou")
    desk.say("alert", device)
    expect(page.get_by_test_id("shelved")).to_have_count(0)
    page.locator("[data-quick=shelved]").click()
    expect(rows(page)).to_have_count(3)


def test_pictures_of_long_ago_are_not_asked_for_in_passing(log_in: Callable[..., Page], desk: Any) -> None:
    old = desk.press("李秀英", ago=timedelta(hours=30), workflow="closed", disposition="real")
    new = desk.press("张伟", ago=timedelta(hours=2), workflow="closed", disposition="real")
    for alert in (old, new):
        desk.take_pictures(alert)
    page = log_in()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.get_by_role("button", name="已办结").click()
    expect(row(page, new).get_by_role("presentation")).to_have_count(1)
    expect(row(page, old)).to_contain_text("打开并说明原因后可看")
    assert not any(old["id"] in url and "/snapshots/" in url for url in asked)


def test_a_flood_is_grouped_and_presses_stay_single_on_top(log_in: Callable[..., Page], desk: Any) -> None:
    page = log_in()
    page.get_by_test_id("duty").click()
    for number in range(40):
        desk.say("alert", tamper(desk, f"路口 {number}"))
    press = desk.press("李秀英")
    desk.say("alert", press)
    flood = page.get_by_test_id("flood")
    expect(flood).to_contain_text("最近一分钟新增 41 条")
    expect(rows(page)).to_have_count(1)
    expect(row(page, press)).to_be_visible()
    group = page.locator("[data-group]")
    expect(group).to_contain_text("遮挡破坏")
    expect(group).to_contain_text("40 条，40 条待接警")
    expect(group).to_have_attribute("aria-expanded", "false")
    group.click()
    expect(group).to_have_attribute("aria-expanded", "true")
    expect(page.locator("[aria-setsize='42']").first).to_be_visible()
    page.get_by_test_id("flood-grouping").click()
    expect(group).to_have_count(0)
    expect(rows(page).first).to_have_attribute("data-alert", press["id"])
    expect(page.get_by_test_id("announcement")).to_contain_text("警情激增")


NOTICES = """
window.notices = [];
document.hasFocus = () => false;
window.Notification = class {
  static permission = "default";
  static async requestPermission() { window.asked = true; return (this.permission = "granted"); }
  constructor(title, options) { Object.assign(this, { title, ...options, open: true }); window.notices.push(this); }
  close() { this.open = false; }
};
"""


def test_a_notification_opens_its_alert_and_goes_when_another_takes_it(
    open_page: Callable[..., Page], desk: Any
) -> None:
    desk.logged_in = True
    page = open_page()
    page.add_init_script(NOTICES)
    page.goto(desk.base + "/?hours=24")
    page.locator("[data-testid=link].live").wait_for(state="attached")
    page.get_by_test_id("duty").click()
    page.wait_for_function("() => window.asked")
    first, second = desk.press("李秀英"), desk.press("张伟", status="drill")
    for alert in (first, second):
        desk.say("alert", alert)
    page.wait_for_function("() => window.notices.length === 1")  # drills are nobody's emergency
    assert page.evaluate("[notices[0].title, notices[0].tag]") == ["一级 紧急求助 · 李秀英", first["id"]]
    page.evaluate("notices[0].onclick()")
    expect(page.locator("[data-detail] h1")).to_contain_text("李秀英")
    third = desk.press("陈建国")
    desk.say("alert", third)
    page.wait_for_function("() => window.notices.length === 2 && notices[1].open")
    desk.change(third["id"], "acknowledge", "liuyang")
    desk.say("alert", third)
    page.wait_for_function("() => !notices[1].open")


def test_two_desks_see_one_take_an_alert(
    log_in: Callable[..., Page], open_page: Callable[..., Page], desk: Any
) -> None:
    alert = desk.press("李秀英")
    first, second = log_in(), open_page()
    for page in (first, second):
        expect(row(page, alert)).to_contain_text("待接警")
    row(first, alert).click()
    first.locator("[data-detail]").get_by_role("button", name="接警", exact=True).click()
    for page in (first, second):
        expect(row(page, alert)).to_contain_text("已接警")
        expect(page.get_by_test_id("waiting")).to_have_count(0)


def test_views_that_are_not_there_yet_are_not_written_over(log_in: Callable[..., Page], desk: Any) -> None:
    desk.preferences["views"] = [{"name": "夜班", "query": "severity=1", "sort": "newest"}]
    desk.refuse_preferences = True
    page = log_in()
    page.get_by_test_id("views").click()
    page.locator(".views input").fill("白班")
    save = page.get_by_test_id("view-save")
    expect(save).to_be_disabled()
    desk.refuse_preferences = False
    expect(save).to_be_enabled()  # they are asked for again
    save.click()
    expect(page.locator("[data-view]")).to_have_text(["夜班", "白班"])


def test_all_of_it_by_keyboard(log_in: Callable[..., Page], desk: Any, chord: Callable[..., None]) -> None:
    alerts = [desk.press(f"户 {number}", ago=timedelta(seconds=10 * number)) for number in range(3)]
    page = log_in()
    expect(rows(page)).to_have_count(3)
    page.keyboard.press("?")
    help_ = page.get_by_role("dialog")
    for words in ("下一条", "搜索", "选中或取消选中", "视频墙", "全部接警"):
        expect(help_).to_contain_text(words)
    page.keyboard.press("Escape")
    expect(help_).to_have_count(0)
    for key in ("j", "ArrowDown", "k"):
        page.keyboard.press(key)
    expect(row(page, alerts[0])).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("[data-detail] h1")).to_contain_text("户 1")
    page.keyboard.press("Escape")
    expect(row(page, alerts[1])).to_be_focused()
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("户 2")
    expect(rows(page)).to_have_count(1)
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(rows(page)).to_have_count(3)
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.keyboard.press("a")
    expect(page.get_by_test_id("bulk-outcome")).to_contain_text("已处置 1 条")
    chord(page, "g", "c")
    expect(page).to_have_url(desk.base + "/#/cameras")


def test_a_key_right_behind_escape_is_heard(log_in: Callable[..., Page], desk: Any) -> None:
    """A dialog that is closed keeps the focus until the browser draws again; on a busy machine that is a while."""
    alert = desk.press("李秀英")
    page = log_in()
    expect(row(page, alert)).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    inside = page.evaluate(
        """() => {
            const dialog = document.querySelector("dialog");
            dialog.close();
            const inside = dialog.contains(document.activeElement);
            document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key: "j", bubbles: true, cancelable: true }));
            return inside;
        }"""
    )
    assert inside, "the browser has become quicker: this test shows nothing any more"
    expect(row(page, alert)).to_be_focused()


def test_no_key_reaches_the_list_behind_a_dialog(log_in: Callable[..., Page], desk: Any) -> None:
    """What had the focus in it may be gone: the dialog is still what is asked."""
    alerts = [desk.press(f"户 {number}", ago=timedelta(seconds=10 * number)) for number in range(2)]
    page = log_in()
    expect(rows(page)).to_have_count(2)
    page.keyboard.press("?")
    help_ = page.get_by_role("dialog")
    expect(help_).to_be_visible()
    page.evaluate("document.activeElement.blur()")
    assert page.evaluate("document.activeElement === document.body")
    page.keyboard.press("j")
    page.keyboard.press("Escape")
    expect(help_).to_have_count(0)
    page.keyboard.press("j")
    expect(row(page, alerts[0])).to_be_focused()


def test_letters_can_be_switched_off(log_in: Callable[..., Page], desk: Any) -> None:
    desk.preferences["keys.off"] = True
    alert = desk.press("李秀英")
    page = log_in()
    expect(row(page, alert)).to_be_visible()
    page.keyboard.press("?")  # which is always heard; here what the user keeps has come
    expect(page.get_by_test_id("key-help").get_by_role("checkbox")).not_to_be_checked()
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("key-help")).to_have_count(0)
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).not_to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(row(page, alert)).to_be_focused()


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_the_volume_is_kept_and_sounds_are_tried(size: tuple[int, int], log_in: Callable[..., Page], desk: Any) -> None:
    page = log_in(size)
    page.get_by_test_id("sound-open").click()
    with page.expect_response("**/preferences/sound"):
        page.get_by_test_id("volume").fill("0.4")
        page.get_by_test_id("sound-test-2").click()
    assert json.loads(json.dumps(desk.preferences["sound"])) == {"volume": 0.4, "quietest": 3}
