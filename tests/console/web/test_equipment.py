"""Cameras as devices on the page: what they are, their clocks, arming, turning; and the alerts that they raise."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Page, expect

expect.set_options(timeout=90_000)

NOW = "2026-05-01T08:00:00.000Z"


@pytest.fixture
def devices(desk: Any) -> Any:
    """A dome whose clock is half an hour slow, and a camera that refuses its events."""
    base = {
        "vendor": "HIKVISION",
        "model": "DS-2DE4425IW",
        "firmware": "V5.7.1",
        "serial": "SN-0001",
        "hardware": "88",
        "reason": None,
        "clock": {"offset_s": -1800.4, "uncertainty_s": 0.6, "measured_at": NOW},
        "last_event_at": NOW,
        "events": "listening",
        "has_ptz": True,
        "armed": True,
        "faults": ["clock"],
    }
    desk.devices = [
        {**base, "id": "cam-a"},
        {**base, "id": "cam-b", "vendor": "Dahua", "model": "IPC-HFW", "has_ptz": False, "events": "refused",
         "reason": "the user has no right to events", "clock": {"offset_s": 0.2, "uncertainty_s": 0.6, "measured_at": NOW}, "faults": []},
    ]  # fmt: skip
    desk.presets = [{"token": "1", "name": "大门"}, {"token": "7", "name": ""}]
    return desk


def to_cameras(page: Page) -> Page:
    page.get_by_role("link", name="摄像头").click()
    return page


def test_the_table_says_what_a_camera_is_and_what_is_wrong_with_it(log_in: Callable[..., Page], devices: Any) -> None:
    page = to_cameras(log_in())
    dome = page.locator("[data-device=cam-a]")
    expect(dome).to_contain_text("HIKVISION DS-2DE4425IW")
    expect(dome.get_by_test_id("clock-off")).to_have_text("时钟 慢 30 分钟")
    other = page.locator("[data-device=cam-b]")
    expect(other.locator("[data-events=refused]")).to_have_text("设备拒绝提供事件")
    expect(other.get_by_test_id("clock-off")).to_have_count(0)
    page.get_by_role("searchbox").fill("dahua")
    expect(page.locator("[data-device]")).to_have_count(1)
    page.get_by_test_id("language").click()
    expect(other.locator("[data-events=refused]")).to_have_text("The device refuses its events")


def test_what_keeps_events_away_is_said_once_and_in_the_reader_s_language(
    log_in: Callable[..., Page], devices: Any
) -> None:
    refused = "10.0.0.8:80 refuses CreatePullPointSubscription to this user, although the password is right: give it"
    devices.devices[1]["reason"] = refused
    devices.devices[0].update(events="unreachable", reason="10.0.0.7:80 answered GetCapabilities with a web page")
    devices.cameras[0].update(state="offline", reason=devices.devices[0]["reason"], faults=["clock"])
    page = to_cameras(log_in())
    expect(page.locator("[data-device=cam-b] [data-events]")).to_have_attribute("title", re.compile("^密码正确，"))
    expect(page.locator("[data-device=cam-a]")).to_contain_text("该端口应答的不是 ONVIF")
    expect(page.locator("[data-device=cam-a]")).to_contain_text("HIKVISION")
    expect(page.locator("[data-device=cam-a] [data-events]")).to_have_count(0)
    page.get_by_role("link", name="查看 村委会门口").click()
    panel = page.get_by_test_id("camera-card")
    expect(panel).to_contain_text("密码正确，但该用户无权使用此功能")
    expect(panel.get_by_title(refused)).to_be_visible()


def test_a_dome_is_turned_by_whoever_may_and_shown_to_whoever_says_why(
    log_in: Callable[..., Page], devices: Any
) -> None:
    page = to_cameras(log_in())
    page.get_by_role("link", name="查看 十字口东").click()
    panel = page.get_by_test_id("camera-card")
    expect(panel).to_contain_text("慢 30 分钟")
    panel.get_by_role("button", name="向左").click()
    panel.get_by_role("button", name="大门").click()
    expect(panel.locator("[data-preset='7']")).to_have_text("7")
    panel.get_by_role("button", name="停止").click()
    expect(panel.get_by_role("button", name="向左")).to_be_enabled()
    assert devices.turned == [
        ("cam-a", {"pan": -0.5, "seconds": 0.5}),
        ("cam-a", {"preset": "1"}),
        ("cam-a", {"stop": True}),
    ]
    assert devices.looked == []  # nobody said why
    panel.get_by_label("查看原因").fill("核实警情")
    panel.get_by_role("button", name="查看", exact=True).click()
    expect(panel.get_by_role("img", name="十字口东")).to_be_visible()
    assert devices.looked == [("cam-a", "核实警情")]
    panel.get_by_test_id("panel-close").click()
    page.get_by_role("link", name="查看 村委会门口").click()
    expect(page.get_by_test_id("camera-card")).to_contain_text("Dahua")
    expect(page.get_by_test_id("ptz")).to_have_count(0)


def test_a_viewer_neither_turns_nor_disarms(log_in: Callable[..., Page], devices: Any) -> None:
    devices.role = "viewer"
    page = to_cameras(log_in())
    page.get_by_role("link", name="查看 十字口东").click()
    expect(page.get_by_test_id("camera-arming")).to_have_text("已布防")
    expect(page.get_by_test_id("ptz")).to_have_count(0)
    page.get_by_test_id("panel-close").click()
    page.get_by_test_id("arming").click()
    expect(page.get_by_role("dialog")).to_contain_text("您的账号只能查看")
    expect(page.get_by_test_id("arming-form")).to_have_count(0)


def test_disarming_says_who_when_and_why_and_can_be_taken_back(log_in: Callable[..., Page], devices: Any) -> None:
    page = to_cameras(log_in())
    page.get_by_test_id("arming").click()
    panel = page.get_by_role("dialog")
    panel.get_by_label("原因").fill("村里办喜事")
    panel.locator("[data-arm=false]").click()
    standing = panel.locator("[data-zone='node/']")
    expect(standing).to_contain_text("已撤防")
    expect(standing).to_contain_text("wangfang")
    expect(standing).to_contain_text("村里办喜事")
    panel.get_by_label("范围").select_option("area")
    panel.get_by_label("区划代码").fill("x")
    panel.locator("[data-arm=true]").click()
    expect(panel.get_by_role("alert")).to_contain_text("2 to 12 digits")
    panel.get_by_test_id("panel-close").click()
    expect(page.locator("[data-device=cam-a]").get_by_test_id("disarmed")).to_be_visible()
    expect(page.get_by_test_id("arming")).to_contain_text("2 台已撤防")
    page.get_by_test_id("arming").click()
    standing.get_by_role("button", name="按计划").click()
    expect(standing).to_have_count(0)
    page.get_by_test_id("panel-close").click()
    expect(page.get_by_test_id("disarmed")).to_have_count(0)


def test_one_camera_is_disarmed_from_its_own_panel(log_in: Callable[..., Page], devices: Any) -> None:
    page = to_cameras(log_in())
    page.get_by_role("link", name="查看 十字口东").click()
    state = page.get_by_test_id("camera-arming")
    state.get_by_role("button", name="撤防").click()
    expect(state).to_contain_text("已撤防")
    assert [(one["type"], one["id"], one["armed"]) for one in devices.arming] == [("camera", "cam-a", False)]
    state.get_by_role("button", name="按计划").click()
    expect(state).to_contain_text("已布防")
    assert devices.arming == []


def signalled(desk: Any, **more: Any) -> Any:
    alert = desk.press(
        kind="digital_input",
        severity=2,
        title="开关量报警 · 十字口东",
        source={"type": "camera", "id": "cam-a", "name": "十字口东", "known": True},
        device_time="2026-05-01T07:30:00.000Z",
        count=3,
        detail={
            "what": "1",
            "topic": "tns1:Device/Trigger/DigitalInput",
            "clock": {"offset_s": -1800.4, "uncertainty_s": 0.6, "measured_at": NOW, "device_time": NOW},
            "device": {},
        },
        **more,
    )
    now = datetime.now(UTC)
    alert["entries"] = [
        desk.entry(1, now, "camera/cam-a", "raised", None),
        desk.entry(2, now, "camera/cam-a", "pressed", None),
        desk.entry(3, now, "camera/cam-a", "cleared", None),
        desk.entry(4, now, "gateway", "turned", "camera cam-a, preset 1"),
        desk.entry(
            5,
            now,
            "gateway",
            "turned",
            "camera cam-b, preset 大门: it did not turn: 10.0.0.8:80 did not answer GetPresets within 10 s",
        ),
    ]
    return alert


def test_an_alert_of_a_camera_speaks_of_a_device_and_not_of_a_person(log_in: Callable[..., Page], desk: Any) -> None:
    alert = signalled(desk, condition="cleared")
    desk.take_pictures(alert)
    page = log_in()
    row = page.locator("[data-alert]")
    expect(row).to_contain_text("开关量")
    expect(row).to_contain_text("已恢复")
    expect(row.locator(".count")).to_have_attribute("title", "触发 3 次")
    row.click()
    detail = page.locator("[data-detail]")
    expect(detail.get_by_test_id("recovered")).to_have_text("已恢复")
    for words in (
        "报警设备",
        "设备时间",
        "慢 30 分钟（误差 ±0.6 秒）",
        "校正后",
        "tns1:Device/Trigger/DigitalInput",
        "触发前",
    ):
        expect(detail).to_contain_text(words)
    for words in ("报警人", "未登记电话", "按下"):
        expect(detail).not_to_contain_text(words)
    history = page.get_by_test_id("timeline")
    for words in (
        "再次触发",
        "自行恢复",
        "云台转向",
        "十字口东 转向预置位 1",
        "村委会门口 未能转向预置位 大门：摄像头没有应答",
    ):
        expect(history).to_contain_text(words)
    expect(detail.locator("[data-camera=cam-a] h3")).to_contain_text("十字口东")
    expect(detail.locator("[data-camera=cam-a] h3")).not_to_contain_text("米")  # none from itself
    expect(detail.locator("[data-camera=cam-b] h3")).to_contain_text("210 米")


def test_of_a_camera_s_alert_the_list_shows_its_own_picture(log_in: Callable[..., Page], desk: Any) -> None:
    """A neighbour's picture may be nearer to the moment; it shows another place."""
    source = {"type": "camera", "id": "cam-b", "name": "村委会门口", "known": True}
    alert = desk.press(kind="tamper", severity=3, source=source, detail={"what": ""})
    desk.take_pictures(alert)
    shots = [snapshot for snapshot in alert["cameras"][1]["snapshots"] if snapshot["state"] == "ready"]
    for snapshot in shots:
        snapshot["offset_ms"] -= 900
    own = {snapshot["id"] for snapshot in shots}
    thumbnail = log_in().locator("[data-alert] img")
    expect(thumbnail).to_have_count(1)
    assert (thumbnail.get_attribute("src") or "").rpartition("/")[2] in own


def test_a_condition_that_goes_on_has_no_mark(log_in: Callable[..., Page], desk: Any) -> None:
    signalled(desk)
    page = log_in()
    page.locator("[data-alert]").click()
    expect(page.locator("[data-detail]")).to_contain_text("报警设备")
    expect(page.get_by_test_id("recovered")).to_have_count(0)


def to_enrolling(page: Page) -> Any:
    to_cameras(page).get_by_test_id("enrol").click()
    return page.get_by_role("dialog")


def device(host: str, *cameras: str) -> dict[str, Any]:
    more = {"port": 8000, "tls": False, "name": "IPC", "hardware": "H", "location": None}
    return {"identity": f"urn:uuid:{host}", "host": host, "cameras": list(cameras), **more}


def test_found_devices_become_cameras_with_one_log_in(log_in: Callable[..., Page], desk: Any) -> None:
    desk.role = "admin"
    desk.found = [device("10.0.0.8", "cam-a"), device("10.0.0.7"), device("10.0.0.9")]
    page = log_in()
    panel = to_enrolling(page)
    panel.get_by_label("网段").fill("10.0.0.0/28，10.0.1.5")
    panel.get_by_test_id("search").click()
    expect(panel.get_by_label("选择 10.0.0.8")).to_be_disabled()
    expect(panel.locator("li", has_text="10.0.0.").first).to_contain_text("10.0.0.7")  # what can be added comes first
    expect(panel).to_contain_text("已添加：cam-a")
    assert desk.searched == [["10.0.0.0/28", "10.0.1.5"]]
    panel.get_by_role("button", name="全选未添加的").click()
    expect(panel.get_by_label("选择 10.0.0.9")).to_be_checked()
    panel.get_by_role("button", name="下一步").click()
    panel.get_by_label("密码").fill("wrong")
    panel.get_by_role("button", name="下一步").click()
    panel.get_by_label("名称").fill("粮站")
    panel.get_by_label("区划代码").fill("511724001")
    panel.get_by_test_id("lon").fill("107.2")
    panel.get_by_test_id("lat").fill("30.7")
    panel.get_by_role("button", name="添加 2 台").click()
    expect(panel.get_by_role("alert")).to_have_text("摄像头拒绝了用户名或密码，请更正")
    expect(panel.locator("[data-result=waiting]")).to_have_count(1)  # the same password is not tried at the next
    panel.get_by_test_id("correct").click()
    expect(panel.get_by_label("密码")).to_have_value("")
    panel.get_by_label("密码").fill("right")
    panel.get_by_role("button", name="下一步").click()
    panel.get_by_role("button", name="添加 2 台").click()
    expect(panel.locator("[data-result=ok]")).to_have_count(2)
    (first, one), (second, other), (third, _) = desk.enrolled
    assert first["onvif"]["password"] == "wrong"
    place = {"area_code": "511724001", "lon": 107.2, "lat": 30.7}
    login = {"port": 8000, "username": "admin", "password": "right"}
    assert second == {"name": "粮站", "scene": "street", "place": place, "onvif": {"host": "10.0.0.7", **login}}
    assert (third["place"], third["name"]) == (place, "IPC")
    assert one != other
    panel.locator("[data-look=cam-2]").click()
    expect(panel.get_by_role("img", name="粮站")).to_be_visible()
    assert desk.looked == [("cam-2", "添加后试看")]
    panel.get_by_test_id("wizard-done").click()
    expect(page.locator("[data-device=cam-2]")).to_be_attached()
    assert "right" not in page.content()


def by_hand(panel: Any, host: str) -> None:
    panel.get_by_label("地址").fill(host)
    panel.get_by_test_id("add-host").click()
    panel.get_by_role("button", name="下一步").click()
    panel.get_by_label("密码").fill("right")
    panel.get_by_role("button", name="下一步").click()


def test_a_name_that_sounds_forbidden_asks_what_place_it_is(log_in: Callable[..., Page], desk: Any) -> None:
    desk.role = "admin"
    panel = to_enrolling(log_in())
    by_hand(panel, "10.0.0.9")
    panel.get_by_label("名称").fill("更衣室外走廊")
    panel.get_by_role("button", name="添加 1 台").click()
    expect(panel.get_by_role("alert")).to_contain_text("法规禁止")
    panel.get_by_label("场所类型").fill("走廊")
    panel.get_by_test_id("again").click()
    expect(panel.locator("[data-result=ok]")).to_have_count(1)
    assert desk.enrolled[-1][0]["place"] == {"type": "走廊"}


def test_of_a_recorder_a_channel_is_chosen(log_in: Callable[..., Page], desk: Any) -> None:
    desk.role = "maintainer"
    desk.channels = [{"source": "V1", "name": "大门"}, {"source": "V2", "name": ""}]
    panel = to_enrolling(log_in())
    by_hand(panel, "10.0.0.9")
    panel.get_by_role("button", name="添加 1 台").click()
    channels = panel.get_by_test_id("channels")
    expect(channels.locator("option")).to_have_text(["全部通道", "大门", "V2"])
    channels.select_option("V2")
    panel.get_by_test_id("again").click()
    expect(panel.locator("[data-result=ok]")).to_have_count(1)
    assert desk.enrolled[-1][0]["onvif"]["source"] == "V2"


def test_a_camera_is_enrolled_without_a_mouse(log_in: Callable[..., Page], desk: Any) -> None:
    desk.role = "admin"
    desk.found = [device("10.0.0.7")]
    page = to_cameras(log_in())
    press, write = page.keyboard.press, page.keyboard.type
    page.get_by_test_id("enrol").focus()
    press("Enter")
    panel = page.get_by_role("dialog")
    page.get_by_test_id("search").focus()
    press("Enter")
    expect(panel.get_by_label("选择 10.0.0.7")).to_be_visible()
    press("Tab")
    press("Space")
    expect(panel.get_by_label("选择 10.0.0.7")).to_be_checked()
    panel.get_by_role("button", name="下一步").focus()
    press("Enter")
    expect(panel.get_by_label("密码")).to_be_focused()
    write("right")
    press("Enter")
    expect(panel.get_by_label("名称")).to_be_focused()
    write("粮站")
    sheet = panel.get_by_test_id("map")
    expect(sheet).to_have_class(re.compile("leaflet-container"))
    sheet.focus()
    press("Enter")  # the place in the middle of the map
    expect(panel.get_by_test_id("lon")).not_to_have_value("")
    panel.get_by_role("button", name="添加 1 台").focus()
    press("Enter")
    expect(panel.locator("[data-result=ok]")).to_have_count(1)
    place = desk.enrolled[0][0]["place"]
    assert (round(place["lon"], 2), round(place["lat"], 2)) == (107.2, 30.7)


def test_an_operator_adds_no_cameras(log_in: Callable[..., Page], desk: Any) -> None:
    page = to_cameras(log_in())
    expect(page.get_by_test_id("arming")).to_be_visible()
    expect(page.get_by_test_id("enrol")).to_have_count(0)


def test_a_camera_is_changed_switched_off_and_taken_out(log_in: Callable[..., Page], devices: Any) -> None:
    devices.role = "maintainer"
    page = to_cameras(log_in())
    page.get_by_role("link", name="查看 十字口东").click()
    card = page.get_by_test_id("camera-card")
    card.get_by_test_id("edit").click()
    panel = page.get_by_role("dialog")
    panel.get_by_label("名称").fill("十字口西")
    panel.get_by_label("让网关校准时钟").check()
    panel.get_by_role("button", name="保存").click()
    expect(card.get_by_role("heading", level=1)).to_have_text("十字口西")
    card.get_by_test_id("edit").click()
    panel.get_by_test_id("delete").click()
    panel.get_by_test_id("delete-sure").click()
    expect(page.locator("[data-device=cam-b]")).to_be_visible()
    expect(page.locator("[data-device=cam-a]")).to_have_count(0)
    assert devices.changed == [
        (
            "PATCH",
            "cameras/cam-a",
            {"name": "十字口西", "onvif": {"set_clock": True}},
        ),  # and nothing that was not touched
        ("DELETE", "cameras/cam-a", None),
    ]


def card_of(page: Page, name: str) -> Any:
    to_cameras(page)
    page.get_by_role("link", name=f"查看 {name}").click()
    return page.get_by_test_id("camera-card")


def test_masks_are_drawn_by_who_sets_up_cameras_and_only_for_a_reason(
    log_in: Callable[..., Page], devices: Any
) -> None:
    devices.role = "maintainer"
    page = log_in()
    card = card_of(page, "十字口东")
    card.get_by_test_id("masks-edit").click()
    assert devices.looked == []
    page.get_by_test_id("reason-dialog").get_by_role("textbox").fill("遮挡窗户")
    page.get_by_test_id("reason-dialog").get_by_role("button", name="查看", exact=True).click()
    expect(page.get_by_test_id("mask-editor").get_by_role("img")).to_be_visible()
    assert devices.looked == [("cam-a", "遮挡窗户")]
    page.get_by_test_id("mask-new").click()
    board = page.get_by_test_id("mask-board")
    expect(board).to_be_focused()
    for keys in ("Enter", "Shift+ArrowRight", "Enter", "Shift+ArrowDown", "Enter", " "):
        board.press(keys)
    page.get_by_test_id("mask-save").click()
    expect(page.get_by_role("dialog").get_by_role("status")).to_have_text("已保存，立即生效。")
    page.get_by_role("dialog").get_by_test_id("panel-close").click()
    expect(page.get_by_test_id("mask-editor")).to_have_count(0)
    [mask] = devices.cameras[0]["masks"]
    assert len(mask) == 3
    expect(card).to_contain_text("1 处")


def test_who_only_watches_draws_no_masks(log_in: Callable[..., Page], devices: Any) -> None:
    card = card_of(log_in(), "十字口东")
    expect(card).to_contain_text("隐私遮挡")
    expect(card.get_by_test_id("masks-edit")).to_have_count(0)


def test_a_household_s_consent_is_recorded_and_withdrawn_by_an_administrator(
    log_in: Callable[..., Page], devices: Any
) -> None:
    devices.role = "admin"
    devices.cameras[0]["scene"] = "household"
    page = log_in()
    card = card_of(page, "十字口东")
    consent = card.get_by_test_id("consent")
    expect(consent).to_contain_text("仅在本户报警时可看")
    card.get_by_test_id("consent-edit").click()
    form = page.get_by_test_id("consent-form")
    form.get_by_label("同意人").fill("李秀英")
    form.get_by_label("同意日期").fill("2026-04-01")
    form.get_by_label("有效至").fill("2026-03-01")
    expect(form.get_by_role("button", name="保存")).to_be_disabled()
    form.get_by_label("有效至").fill("2026-12-31")
    form.get_by_role("button", name="保存").click()
    expect(consent).to_contain_text("李秀英 于 2026-04-01 同意，至 2026-12-31")
    card.get_by_test_id("consent-edit").click()
    page.get_by_test_id("consent-withdraw").click()
    expect(consent).to_contain_text("仅在本户报警时可看")
    given = {"given_by": "李秀英", "given_on": "2026-04-01", "until": "2026-12-31"}
    changes = [("PATCH", "cameras/cam-a", {"consent": given}), ("PATCH", "cameras/cam-a", {"consent": None})]
    assert devices.changed == changes


def test_a_maintainer_sees_a_consent_and_changes_none(log_in: Callable[..., Page], devices: Any) -> None:
    devices.role = "maintainer"
    given = {"given_by": "李秀英", "given_on": "2026-04-01", "until": None}
    devices.cameras[0].update(scene="household", consent=given)
    card = card_of(log_in(), "十字口东")
    expect(card.get_by_test_id("consent")).to_contain_text("李秀英 于 2026-04-01 同意")
    expect(card.get_by_test_id("consent-edit")).to_have_count(0)
