"""What stands around every page: its menus, themes, names and states of loading."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

PHONE = (390, 844)
expect.set_options(timeout=90_000)


def ground(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


def test_the_theme_is_chosen_before_the_log_in_and_stays(open_page: Callable[..., Page], desk: Any) -> None:
    page = open_page(color_scheme="light")
    dark = ground(page)
    page.get_by_role("button", name="浅色").click()
    light = ground(page)
    assert light != dark
    page.reload()
    expect(page.get_by_role("button", name="浅色")).to_have_attribute("aria-pressed", "true")
    assert ground(page) == light
    page.get_by_role("button", name="跟随系统").click()
    page.emulate_media(color_scheme="dark")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.emulate_media(color_scheme="light")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")


def test_paper_is_light_in_the_dark_theme(log_in: Callable[..., Page], desk: Any) -> None:
    page = log_in()
    page.emulate_media(media="print")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    page.emulate_media(media="screen")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_a_menu_is_opened_walked_and_closed_by_keyboard(log_in: Callable[..., Page], desk: Any) -> None:
    page = log_in()
    menu = page.get_by_test_id("more")
    menu.get_by_role("button").focus()
    page.keyboard.press("Enter")
    expect(menu.get_by_role("link", name="大屏")).to_be_visible()
    page.keyboard.press("Escape")
    expect(menu.get_by_role("link", name="大屏")).to_be_hidden()
    expect(menu.get_by_role("button")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(menu.get_by_role("link", name="交接班")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page).to_have_url(desk.base + "/#/handover")
    expect(menu.get_by_role("link", name="大屏")).to_be_hidden()
    expect(page.get_by_role("main")).to_be_focused()


def test_a_click_elsewhere_closes_a_menu(log_in: Callable[..., Page], desk: Any) -> None:
    page = log_in()
    menu = page.get_by_test_id("user-menu")
    menu.get_by_role("button").first.click()
    expect(menu.get_by_role("button", name="退出")).to_be_visible()
    page.get_by_role("main").click(position={"x": 5, "y": 5})
    expect(menu.get_by_role("button", name="退出")).to_be_hidden()


@pytest.mark.parametrize(("role", "shown"), [("operator", False), ("maintainer", True)])
def test_the_menu_holds_what_the_role_may_open(role: str, shown: bool, log_in: Callable[..., Page], desk: Any) -> None:
    desk.role = role
    page = log_in()
    page.get_by_test_id("more").get_by_role("button").click()
    expect(page.get_by_role("link", name="大屏")).to_be_visible()
    assert page.get_by_role("link", name="审计").is_visible() is shown
    assert page.get_by_role("link", name="转发").is_visible() is shown


def test_on_a_phone_what_does_not_fit_is_in_the_menu(log_in: Callable[..., Page], desk: Any) -> None:
    page = log_in(PHONE)
    expect(page.get_by_role("link", name="视频墙")).to_be_hidden()
    page.get_by_test_id("more").get_by_role("button").click()
    page.get_by_role("link", name="终端").click()
    expect(page.locator("[data-device]").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]


def test_each_page_has_its_own_title(log_in: Callable[..., Page], desk: Any) -> None:
    page = log_in()
    expect(page).to_have_title("警情 · 竹阳街道综治中心")
    page.get_by_role("link", name="待办").click()
    expect(page).to_have_title("待办 · 竹阳街道综治中心")
    desk.say("alert", desk.press())
    expect(page).to_have_title("(1) 待办 · 竹阳街道综治中心")


def test_a_page_that_does_not_come_says_so_and_can_be_tried_again(log_in: Callable[..., Page], desk: Any) -> None:
    page = log_in()
    page.route("**/assets/TasksView*", lambda route: route.abort())
    page.get_by_role("link", name="待办").click()
    expect(page.get_by_test_id("page-failed")).to_contain_text("页面没有加载成功")
    page.unroute("**/assets/TasksView*")
    page.get_by_role("button", name="重试").click()
    expect(page.get_by_test_id("page-failed")).to_have_count(0)
    expect(page.get_by_role("heading", name="待办")).to_be_visible()


def test_after_an_update_of_the_node_the_pages_are_loaded_anew_once(log_in: Callable[..., Page], desk: Any) -> None:
    page = log_in()
    page.route("**/assets/TasksView*", lambda route: route.fulfill(status=404))
    newer = '<!doctype html><title>newer</title><script type="module" src="/assets/index-NEWER123.js"></script>'
    page.route(desk.base + "/", lambda route: _index(route, newer))
    with page.expect_navigation():
        page.get_by_role("link", name="待办").click()
    expect(page.get_by_test_id("page-failed")).to_be_visible()  # and not round and round
    assert page.evaluate("sessionStorage.getItem('gateway.reloaded-for')") == "/assets/index-NEWER123.js"


def _index(route: Route, newer: str) -> None:
    """The page itself stays as it is; only who asks for the build that is served is told of a newer one."""
    if route.request.resource_type == "document":
        route.continue_()
    else:
        route.fulfill(body=newer, content_type="text/html")


def test_a_computer_whose_clock_is_wrong_is_told_so(open_page: Callable[..., Page], desk: Any) -> None:
    page = open_page()
    page.clock.install(time=datetime.fromtimestamp(datetime.now(UTC).timestamp() + 600, UTC))
    page.goto(desk.base + "/")
    page.get_by_label("用户名").fill("wangfang")
    page.get_by_label("密码").fill("a long enough password")
    page.get_by_role("button", name="登录").click()
    expect(page.get_by_test_id("skew")).to_contain_text("这台电脑的时钟快了 10 分钟")


def test_two_tabs_show_the_same_and_one_step_is_seen_in_both(log_in: Callable[..., Page], desk: Any) -> None:
    first = log_in()
    second = first.context.new_page()
    second.goto(desk.base + "/")
    second.locator("[data-testid=link].live").wait_for(state="attached")
    alert = desk.press()
    desk.say("alert", alert)
    rows = [tab.locator(f"[data-alert='{alert['id']}']") for tab in (first, second)]
    for row in rows:
        expect(row).to_be_visible()
    rows[0].click()
    first.locator("[data-action=acknowledge]").click()
    expect(rows[1]).to_contain_text("已接警")


def test_a_computer_that_slept_opens_a_new_stream_at_once(
    log_in: Callable[..., Page], desk: Any, hold: Callable[..., Any]
) -> None:
    """Its monotonic clock stood still and its connection died unheard; only the wall clock went on."""
    page = log_in()
    # a quick one would be there before anybody has seen that the former is stale
    held = hold(page, "**/api/v1/stream*")
    page.evaluate("(() => { const now = Date.now; Date.now = () => now() + 3600_000; })()")
    expect(page.get_by_test_id("stale")).to_be_visible()
    held(1).continue_()
    expect(page.get_by_test_id("stale")).to_have_count(0)
    assert len(desk.stream_queries) == 2
