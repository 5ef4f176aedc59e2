"""What is owed for an alert, and where it got to: receipts, case, call-backs, further acts, tasks, nodes and deliveries."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

expect.set_options(timeout=90_000)
PHONE = (390, 844)
DESKTOP = (1366, 768)
SMALLEST_TARGET = 24  # CSS pixels, WCAG 2.2 §2.5.8
TOO_SMALL = """(least) => [...document.querySelectorAll("button, a, input, select, textarea")]
  .filter((one) => one.offsetParent !== null && !one.classList.contains("skip") && one.type !== "radio")
  .map((one) => [one.textContent.trim() || one.id, one.getBoundingClientRect()])
  .filter(([, box]) => box.width < least || box.height < least)
  .map(([words, box]) => `${words} ${box.width}×${box.height}`)"""


def at(seconds: float) -> str:
    """So many seconds from now."""
    moment = datetime.now(UTC) + timedelta(seconds=seconds)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


# what is undelivered, and the theme's red, each as the browser draws it
COLOURS = """() => {
  const probe = document.body.appendChild(document.createElement("i"));
  probe.style.color = "var(--sev1)";
  const drawn = [document.querySelector("[data-testid=undelivered]"), probe].map((one) => getComputedStyle(one).color);
  probe.remove();
  return drawn;
}"""


def filed(**more: Any) -> dict[str, Any]:
    return {
        "class": "02", "class_name": "家庭求助", "subclass": "0201", "name": "一键求助", "grade": 1, "department": "综治中心",
        "due": {"register": at(-3600), "dispatch": at(-575), "close": at(7200)}, "done": {"register": at(-3601)}, **more,
    }  # fmt: skip


def press(desk: Any, detail: dict[str, Any], **more: Any) -> dict[str, Any]:
    alert: dict[str, Any] = desk.press(**more)
    alert["detail"].update(detail)
    return alert


def opened(page: Page, alert: dict[str, Any]) -> Any:
    page.locator(f"[data-alert='{alert['id']}']").click()
    detail = page.locator("[data-detail]")
    expect(detail.get_by_test_id("timeline")).to_be_visible()
    return detail


def told(
    desk: Any, alert: dict[str, Any], action: str, actor: str = "gateway", comment: str | None = None, **data: Any
) -> None:
    entry = desk.entry(len(alert["entries"]) + 1, datetime.now(UTC), actor, action, comment)
    alert["entries"].append({**entry, "data": data})


@pytest.fixture
def troubled(desk: Any) -> dict[str, Any]:
    """A press that the county has not confirmed, that was escalated, and that people were told of."""
    alert = press(
        desk, {"case": filed(urged=2), "undelivered": ["county", "xinmin:up"], "escalated_to": ["county"], "neighbours": ["tv-0002"]}
    )  # fmt: skip
    alert["receipts"].update(accepted_at=at(0), accepted_by="zhou", accepted_node="dazhu", accepted_level="county")
    told(desk, alert, "undelivered", comment="county has not confirmed it within 15 s", sink="county", after_s=15)
    told(desk, alert, "escalate", comment="nobody has …", to="county", because="not_acknowledged", rung=0)
    told(
        desk,
        alert,
        "notified",
        comment="刘洋 (grid_worker) was told by wecom",
        to="刘洋",
        role="grid_worker",
        by="wecom",
    )
    return alert


def test_an_alert_says_how_far_it_came_and_who_was_told(
    log_in: Callable[..., Page], desk: Any, troubled: dict[str, Any]
) -> None:
    page = log_in()
    detail = opened(page, troubled)
    silent = detail.get_by_test_id("undelivered")
    expect(silent.first).to_contain_text("未送达 county")
    expect(silent.last).to_contain_text("xinmin 未送达 up")
    undelivered, red = page.evaluate(COLOURS)
    assert undelivered == red
    expect(detail.get_by_test_id("receipts")).to_contain_text("已接警：县级 zhou")
    case = detail.get_by_test_id("case")
    for words in ("一键求助", "家庭求助 · 0201", "1 级", "综治中心", "督办 2 次", "刘洋 (网格员)", "1 户"):
        expect(case).to_contain_text(words)
    expect(case.locator("[data-limit=register]")).to_contain_text("按时完成")
    expect(case.locator("[data-limit=dispatch]")).to_contain_text("已超时 10 分钟")
    expect(case.locator("[data-limit=close]")).to_contain_text("还剩 2 小时")
    expect(case.get_by_test_id("escalated")).to_have_text("县级")
    history = detail.get_by_test_id("timeline")
    for words in ("升级到 县级", "超时无人接警", "county 未在时限内确认", "已通知 刘洋", "网格员 · wecom"):
        expect(history).to_contain_text(words)
    page.get_by_test_id("language").click()
    for words in ("Accepted at County level by zhou", "10 min late", "Escalated to County", "grid worker · wecom"):
        expect(detail).to_contain_text(words)


def test_a_suspended_case_s_clock_stands_still(log_in: Callable[..., Page], desk: Any) -> None:
    case = filed(suspended=1, suspended_at=at(-7200), suspended_until=at(3600))
    alert = press(desk, {"case": case})
    detail = opened(log_in(), alert)
    expect(detail.get_by_test_id("suspended")).to_contain_text("挂账至")
    expect(detail.locator("[data-limit=dispatch]")).to_contain_text(
        "还剩"
    )  # 10 min late, less two hours that do not count


def test_a_call_back_is_noted_with_one_click(log_in: Callable[..., Page], desk: Any) -> None:
    alert = press(desk, {})
    detail = opened(log_in(), alert)
    owed = detail.get_by_test_id("callback")
    expect(owed).to_contain_text("回访住户")
    owed.get_by_role("button", name="无人接听").click()
    expect(owed).to_have_count(0)
    expect(detail.get_by_test_id("called")).to_contain_text("无人接听 · wangfang")
    assert [body for _, body, _ in desk.actions] == [{"action": "note", "callback": "no_answer"}]


@pytest.mark.parametrize("more", [{"status": "drill"}, {"workflow": "closed"}, {"kind": "device_offline"}])
def test_only_real_open_presses_are_called_back(more: dict[str, Any], log_in: Callable[..., Page], desk: Any) -> None:
    alert = press(desk, {}, **more)
    page = log_in()
    page.goto(f"{desk.base}/#/alerts/{alert['id']}")
    expect(page.get_by_test_id("timeline")).to_be_visible()
    expect(page.get_by_test_id("callback")).to_have_count(0)


def test_further_acts_ask_for_their_own_fields(log_in: Callable[..., Page], desk: Any) -> None:
    alert = press(desk, {"case": filed()}, workflow="dispatched")
    page = log_in()
    detail = opened(page, alert)
    detail.locator("[data-action=more]").click()
    for action in ("urge", "defer", "return", "suspend", "escalate"):
        expect(detail.locator(f"[data-action={action}]")).to_be_visible()

    detail.locator("[data-action=defer]").click()
    until = detail.get_by_test_id("until")
    expect(until).to_be_focused()
    until.fill("2020-01-01T08:00")
    detail.locator("[data-action=defer-confirm]").click()
    expect(detail.get_by_test_id("action-problem")).to_have_text("请选择将来的时间。")
    until.fill("2099-05-01T08:00")
    detail.locator("[data-action=defer-confirm]").click()
    expect(detail.locator("[data-action=suspend]")).to_be_visible()

    detail.locator("[data-action=suspend]").click()
    detail.get_by_test_id("further").get_by_label("说明").fill("等燃气公司")
    detail.locator("[data-action=suspend-confirm]").click()
    detail.locator("[data-action=escalate]").click()
    detail.get_by_test_id("to").select_option("city")
    detail.locator("[data-action=escalate-confirm]").click()
    detail.locator("[data-action=urge]").click()
    page.keyboard.press("Escape")
    expect(detail.locator("[data-action=urge]")).to_be_focused()

    first, *others = [body for _, body, _ in desk.actions]
    assert first["action"] == "defer"
    assert first["until"].startswith(("2099-04-30T", "2099-05-01T"))
    assert others == [{"action": "suspend", "comment": "等燃气公司"}, {"action": "escalate", "to": "city"}]


def test_a_new_alert_cannot_be_returned_nor_a_city_escalate(log_in: Callable[..., Page], desk: Any) -> None:
    desk.own = {**desk.own, "level": "city"}
    alert = press(desk, {})
    detail = opened(log_in(), alert)
    detail.locator("[data-action=more]").click()
    expect(detail.locator("[data-action=urge]")).to_be_visible()
    expect(detail.locator("[data-action=return]")).to_have_count(0)
    expect(detail.locator("[data-action=escalate]")).to_have_count(0)


@pytest.fixture
def owing(desk: Any) -> Any:
    """A household to call back too late, one in time, and trouble of the node."""
    late, early = press(desk, {}), press(desk, {}, name="张伟")
    home = {"name": "李秀英", "phone": "13800138001", "address": "东风村三组 1 号"}
    task = {"since": at(-300), "due": None, "overdue": False}
    desk.tasks = [
        {**task, "kind": "terminals_offline", "object": "terminals", "title": "终端离线", "since": None, "detail": {"count": 2, "terminals": ["tv-0002", "tv-0003"]}},
        {**task, "kind": "parked", "object": "sinks/hub", "title": "对方拒收", "since": None, "detail": {"count": 3}},
        {**task, "kind": "callback", "object": f"alerts/{early['id']}", "title": "紧急求助: 张伟", "due": at(60), "detail": {"household": {"name": "张伟"}, "terminal": "tv-0002"}},
        {**task, "kind": "undelivered", "object": f"alerts/{early['id']}", "title": "紧急求助: 张伟", "detail": {"sinks": ["county"]}},
        {**task, "kind": "callback", "object": f"alerts/{late['id']}", "title": "紧急求助: 李秀英", "due": at(-155), "overdue": True, "detail": {"household": home, "terminal": "tv-0001"}},
    ]  # fmt: skip
    return desk


def test_tasks_show_what_is_late_first_and_are_done_from_the_list(log_in: Callable[..., Page], owing: Any) -> None:
    page = log_in()
    expect(page.get_by_test_id("tasks-count")).to_have_text("5")
    page.get_by_role("link", name="待办").click()
    rows = page.locator("[data-task]")
    expect(rows).to_have_count(5)
    for words in ("李秀英 · 东风村三组 1 号", "已超时 3 分钟", "13800138001"):
        expect(rows.first).to_contain_text(words)
    expect(page.locator("[data-task=terminals_offline]")).to_contain_text("2 台终端离线：张伟、陈建国")
    expect(page.locator("[data-task=undelivered]")).to_contain_text("county 尚未确认收到")
    expect(page.locator("[data-task=parked]")).to_contain_text("3 条被 hub 拒收")
    expect(page.get_by_role("link", name="转发")).to_have_count(0)  # an operator may not send again
    rows.first.get_by_role("button", name="已联系上").click()
    expect(rows).to_have_count(4)
    assert owing.actions[0][1] == {"action": "note", "callback": "reached"}


def test_nodes_stand_as_a_tree(log_in: Callable[..., Page], desk: Any) -> None:
    node = {"level": "village", "own": False, "reason": None, "reload": 0, "version": "0.5", "last_heard": at(-2),
            "cameras": {"online": 1, "total": 2}, "terminals": {"online": 3, "total": 4}}  # fmt: skip
    desk.lower_nodes = [
        {**node, "id": "a-team", "name": "一组", "state": "online", "parent": "xinmin"},
        {
            **node,
            "id": "xinmin",
            "name": "新民村",
            "state": "silent",
            "parent": "zhuyang",
            "reason": "nothing is heard",
        },
    ]
    page = log_in()
    expect(page.get_by_test_id("silent-count")).to_have_text("1")
    page.get_by_role("link", name="节点").click()
    rows = page.locator("[data-row]")
    expect(rows).to_have_count(3)
    assert rows.evaluate_all("rows => rows.map((row) => row.dataset.row)") == ["zhuyang", "xinmin", "a-team"]
    for words in ("新民村", "失联", "nothing is heard", "村级", "1 / 2", "3 / 4"):
        expect(page.locator("[data-row=xinmin]")).to_contain_text(words)
    expect(rows.first).to_contain_text("本节点")


@pytest.fixture
def forwarding(desk: Any) -> Any:
    lane = {"open": False, "waiting": 4, "parked": 1, "oldest": at(-60)}
    desk.role = "maintainer"
    desk.sinks = [
        {"id": "county", "kind": "cascade", "state": "shut", "standby_for": None, "budget": 512_000,
         "lanes": [{**lane, "lane": "alarm"}, {**lane, "lane": "picture", "open": True, "parked": 0}]},
    ]  # fmt: skip
    parcel = {
        "sink": "county",
        "lane": "alarm",
        "alert_id": "a1",
        "what": "raised",
        "created_at": at(-60),
        "due": at(5),
    }
    desk.deliveries = [
        {**parcel, "id": 1, "attempts": 3, "reason": "it is refused: 422", "parked": True},
        {**parcel, "id": 2, "attempts": 1, "reason": "it is refused: 422", "parked": True},
        {**parcel, "id": 3, "attempts": 9, "reason": None, "parked": False, "lane": "picture", "what": "picture"},
    ]
    return desk


def test_a_maintainer_sends_again_discards_and_compares_books(log_in: Callable[..., Page], forwarding: Any) -> None:
    page = log_in()
    page.get_by_test_id("more").get_by_role("button").click()
    page.get_by_role("link", name="转发").click()
    sink = page.locator("[data-sink=county]")
    for words in ("中断", "512 kbit/s", "警情", "图片"):
        expect(sink).to_contain_text(words)
    expect(page.locator("[data-parcel]")).to_have_count(2)
    page.locator("[data-resend='1']").click()
    expect(page.locator("[data-parcel]")).to_have_count(1)
    page.locator("[data-discard='2']").click()
    reason = page.get_by_label("放弃的原因")
    expect(reason).to_be_focused()
    reason.fill("平台已停用")
    page.locator("[data-discard-confirm]").click()
    expect(page.get_by_text("没有被拒收的内容。")).to_be_visible()
    assert forwarding.sorted_out == [("resend", 1, None), ("discard", 2, "平台已停用")]
    page.locator("[data-filter=waiting]").click()
    expect(page.locator("[data-parcel='3']")).to_contain_text("图片")
    page.get_by_test_id("reconcile").click()
    expect(page.get_by_test_id("books")).to_contain_text("county：核对 120 条，缺 2 条，已补发")


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_nothing_new_is_too_small_or_too_wide(
    size: tuple[int, int], log_in: Callable[..., Page], owing: Any, forwarding: Any, troubled: dict[str, Any]
) -> None:
    page = log_in(size)

    def manners() -> None:
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        assert page.evaluate(TOO_SMALL, SMALLEST_TARGET) == []

    for name, shown in (("待办", "[data-task]"), ("转发", "[data-parcel]")):
        if name == "转发":
            page.get_by_test_id("more").get_by_role("button").click()
        page.get_by_role("navigation").get_by_role("link", name=name).click()
        expect(page.locator(shown).first).to_be_visible()
        manners()
    page.get_by_role("navigation").get_by_role("link", name="警情").click()
    opened(page, troubled)
    manners()
