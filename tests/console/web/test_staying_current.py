"""What the console does when the stream ends, falls silent or is refused, and what it sounds."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from playwright.sync_api import Page, expect

expect.set_options(timeout=90_000)

COUNT_TONES = """() => {
  window.tones = 0;
  const start = OscillatorNode.prototype.start;
  OscillatorNode.prototype.start = function (...given) { window.tones += 1; return start.apply(this, given); };
}"""


def row(page: Page, alert: dict[str, Any]) -> Any:
    return page.locator(f"[data-alert='{alert['id']}']")


def test_after_a_cut_the_stream_resumes_and_the_list_is_whole(log_in: Callable[..., Page], desk: Any) -> None:
    page = log_in()
    first = desk.press("张伟")
    desk.say("alert", first)
    expect(row(page, first)).to_be_visible()
    missed = desk.press("李秀英")  # while the stream is down: nobody says it again
    desk.change(first["id"], "close", "liuyang")
    desk.cut_streams()
    expect(row(page, missed)).to_be_visible()
    expect(row(page, first)).to_have_count(0)
    assert desk.stream_queries[0]["header"] == ""
    assert desk.stream_queries[-1]["header"] == "101"


def test_a_refused_stream_is_tried_again_from_where_it_was(log_in: Callable[..., Page], desk: Any) -> None:
    page = log_in()
    alert = desk.press("张伟")
    desk.say("alert", alert)
    expect(row(page, alert)).to_be_visible()
    desk.refuse_stream = True
    desk.cut_streams()
    expect(page.get_by_test_id("link")).to_contain_text("正在连接")
    page.wait_for_function(
        "() => performance.getEntriesByType('resource').some((one) => one.name.includes('last_event_id=101'))"
    )
    desk.refuse_stream = False
    expect(page.locator("[data-testid=link].live")).to_be_visible()
    assert any(query.get("last_event_id") == "101" for query in desk.stream_queries)


def test_silence_is_shown_and_the_list_is_fetched_meanwhile(open_page: Callable[..., Page], desk: Any) -> None:
    page = open_page()
    page.clock.install()
    page.goto(desk.base + "/")
    page.get_by_label("用户名").fill("wangfang")
    page.get_by_label("密码").fill("a long enough password")
    page.get_by_role("button", name="登录").click()
    expect(page.locator("[data-testid=link].live")).to_be_visible()
    expect(page.get_by_test_id("stale")).to_have_count(0)
    unsaid = desk.press("李秀英")
    desk.refuse_stream = True  # after a while the page opens another, and silence would be over before it was seen
    page.clock.run_for(41_000)
    expect(page.get_by_test_id("stale")).to_contain_text("实时通道已静默")
    expect(row(page, unsaid)).to_be_visible()
    desk.refuse_stream = False
    desk.say("ping", {})
    expect(page.get_by_test_id("stale")).to_have_count(0)


def test_a_session_that_ends_leads_back_to_the_log_in(log_in: Callable[..., Page], desk: Any) -> None:
    page = log_in()
    desk.logged_in = False
    desk.cut_streams()
    expect(page.get_by_text("登录已失效，请重新登录。")).to_be_visible()
    expect(page.get_by_test_id("alerts")).to_have_count(0)


def test_logging_out_ends_the_session(log_in: Callable[..., Page], desk: Any) -> None:
    page = log_in()
    page.get_by_role("button", name="用户 wangfang").click()
    page.get_by_role("button", name="退出").click()
    expect(page.get_by_label("密码")).to_be_visible()
    expect(page.get_by_label("用户名")).to_be_focused()
    assert desk.logged_in is False


def test_a_log_out_that_failed_is_not_shown_as_done(log_in: Callable[..., Page], desk: Any) -> None:
    page = log_in()
    desk.refuse_log_out = True
    page.get_by_role("button", name="用户 wangfang").click()
    page.get_by_role("button", name="退出").click()
    expect(page.get_by_test_id("failure")).to_have_text("The accounts cannot be used just now.")
    expect(page.get_by_test_id("alerts")).to_be_visible()


def test_a_list_that_could_not_be_loaded_is_asked_for_again(open_page: Callable[..., Page], desk: Any) -> None:
    alert = desk.press()
    desk.logged_in = True
    desk.refuse_lists = True
    page = open_page()
    expect(page.get_by_test_id("failure")).to_have_text("The ledger cannot be read just now.")
    desk.refuse_lists = False
    expect(row(page, alert)).to_be_visible()
    expect(page.get_by_test_id("failure")).to_have_count(0)


def test_a_storm_stays_usable(log_in: Callable[..., Page], desk: Any) -> None:
    page = log_in()
    for number in range(300):
        desk.say("alert", desk.press(f"户 {number}", ago=timedelta(seconds=300 - number)))
    expect(page.get_by_test_id("open-count")).to_have_text("300")
    expect(page.get_by_test_id("flood")).to_be_visible()
    expect(page.get_by_test_id("alerts").locator("a").first).to_contain_text("户 299")
    assert page.get_by_test_id("alerts").locator("a").count() < 40


def test_the_history_is_paged_and_searched(log_in: Callable[..., Page], desk: Any) -> None:
    for number in range(150):
        desk.press(f"户 {number}", workflow="closed", disposition="real", ago=timedelta(minutes=150 - number))
    page = log_in()
    expect(page.get_by_text("没有待处理的警情。")).to_be_visible()
    page.get_by_role("button", name="已办结").click()
    rows = page.get_by_test_id("alerts").locator("a")
    expect(rows.first).to_contain_text("户 149")
    page.keyboard.press("End")  # of what is there; the rest comes by itself
    expect(page.locator("[aria-setsize='150']").first).to_be_visible()
    page.keyboard.press("End")
    expect(page.locator("[aria-posinset='150']")).to_contain_text("户 0")
    page.get_by_role("searchbox").fill("户 41")
    expect(page.locator("[aria-setsize='1']")).to_contain_text("户 41")


def test_an_older_word_never_overwrites_a_newer_one(log_in: Callable[..., Page], desk: Any) -> None:
    alert = desk.press()
    page = log_in()
    expect(row(page, alert)).to_contain_text("待接警")
    stale = {**alert, "version": 1}
    desk.change(alert["id"], "acknowledge", "liuyang")
    desk.say("alert", alert)
    expect(row(page, alert)).to_contain_text("已接警")
    desk.say("alert", stale)
    marker = desk.press("张伟")
    desk.say("alert", marker)
    expect(row(page, marker)).to_be_visible()
    expect(row(page, alert)).to_contain_text("已接警")


def test_on_duty_sounds_for_a_press_until_it_is_acknowledged(log_in: Callable[..., Page], desk: Any) -> None:
    page = log_in()
    page.evaluate(COUNT_TONES)
    expect(page.get_by_test_id("sound-off")).to_be_visible()
    page.get_by_test_id("duty").click()
    expect(page.get_by_test_id("sound-off")).to_have_count(0)
    page.wait_for_function("() => window.tones === 1")  # the proof that it can be heard

    desk.say("alert", desk.press("陈建国", status="drill"))
    desk.say("alert", desk.press("十字口东", severity=4, kind="motion"))
    expect(page.get_by_test_id("open-count")).to_have_text("2")
    silence = page.get_by_role("button", name="静音当前警情")
    expect(silence).to_have_count(0)
    assert page.evaluate("window.tones") == 1

    alert = desk.press("李秀英")
    desk.say("alert", alert)
    page.wait_for_function("() => window.tones >= 13")  # twice six tones: it repeats
    silence.click()
    expect(silence).to_have_count(0)
    another = desk.press("张伟")
    desk.say("alert", another)
    expect(silence).to_be_visible()  # silence never covers a new alert
    for one in (alert, another):
        desk.change(one["id"], "acknowledge", "liuyang")
        desk.say("alert", one)
    expect(silence).to_have_count(0)


def test_a_browser_that_blocks_sound_is_told_of(open_page: Callable[..., Page], desk: Any) -> None:
    desk.logged_in = True
    page = open_page()
    page.add_init_script("sessionStorage.setItem('gateway.on-duty', '1')")
    page.goto(desk.base + "/?again")
    blocked = page.get_by_test_id("sound-blocked")
    expect(blocked).to_be_visible()
    blocked.get_by_role("button", name="恢复声音").click()
    expect(blocked).to_have_count(0)
