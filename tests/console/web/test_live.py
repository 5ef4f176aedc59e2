"""Live cameras on the wall: real WebRTC from the peer, and what is shown where it does not come."""

import re
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

expect.set_options(timeout=90_000)

FRAMES = "video => video.getVideoPlaybackQuality().totalVideoFrames"
MASK = [[0.1, 0.1], [0.4, 0.1], [0.4, 0.5]]


@pytest.fixture
def sender(desk: Any, peer: Callable[[str], ModuleType]) -> Any:
    """The peer sends a film to whoever looks."""
    desk.whep = peer("whep_sender").Sender()
    return desk.whep


@pytest.fixture
def wall(desk: Any) -> Any:
    """A wall of one tile with a camera in it."""
    desk.cameras[0]["masks"] = []
    keep(desk, 1, ["cam-a"])
    return desk


def keep(desk: Any, size: int, cameras: list[str | None]) -> None:
    wall = {"name": "路口", "size": size, "cameras": cameras, "carousel": 0}
    desk.preferences["walls"] = {"items": [wall], "current": 0, "press": True}


def to_wall(page: Page) -> Page:
    page.evaluate("location.hash = '#/wall'")
    page.get_by_test_id("wall").wait_for()
    return page


def say_why(page: Page, why: str = "视频巡查") -> Page:
    page.get_by_test_id("wall-ask").click()
    dialog = page.get_by_test_id("reason-dialog")
    dialog.get_by_role("button", name=why).click()
    dialog.get_by_role("button", name="查看", exact=True).click()
    return page


def player(page: Page, tile: int = 1) -> Locator:
    return page.locator(f"[data-tile='{tile}'] [data-testid=live-player]")


def plays(page: Page, video: Locator) -> None:
    expect(video).to_be_visible()
    handle = video.element_handle()
    page.wait_for_function("video => video.videoWidth > 0", arg=handle)
    before = video.evaluate(FRAMES)
    page.wait_for_function(f"([video, before]) => ({FRAMES})(video) > before + 5", arg=[handle, before])


def all_ended(desk: Any) -> bool:
    """Every view that was asked for, however often a busy machine made the page ask again."""
    return bool(desk.whep_asked) and {asked["session"] for asked in desk.whep_asked} == set(desk.whep_ended)


def test_nothing_is_asked_of_a_camera_before_a_reason_is_given(
    log_in: Callable[..., Page], wall: Any, sender: Any
) -> None:
    page = to_wall(log_in())
    expect(page.locator("[data-tile='1']")).to_contain_text("说明查看原因后")
    assert wall.whep_asked == [] and wall.looked == []
    say_why(page)
    expect(player(page)).to_have_attribute("data-mode", "live")
    assert wall.whep_asked[0] == {"camera": "cam-a", "reason": "视频巡查", "stream": "sub", "session": "s0"}


def test_a_camera_plays_in_its_tile_and_its_session_ends_with_the_page(
    log_in: Callable[..., Page], wall: Any, sender: Any
) -> None:
    page = say_why(to_wall(log_in()))
    plays(page, player(page).locator("video"))
    expect(player(page).get_by_test_id("live-mode")).to_have_text("实时 WebRTC")
    page.evaluate("location.hash = '#/cameras'")
    expect(page.get_by_test_id("wall")).to_have_count(0)
    until(page, lambda: all_ended(wall))


def test_stills_stand_in_and_say_why_until_the_camera_comes(log_in: Callable[..., Page], wall: Any) -> None:
    page = say_why(to_wall(log_in()))
    expect(player(page)).to_have_attribute("data-mode", "stills")
    expect(player(page).get_by_test_id("live-why")).to_contain_text("正在重试")
    expect(player(page).locator("img")).to_be_visible()
    until(page, lambda: len(wall.whep_asked) > 1 and len(wall.looked) > 1)


def test_a_codec_that_browsers_are_not_shown_is_not_asked_for_again(log_in: Callable[..., Page], wall: Any) -> None:
    wall.whep_refusal = (
        406,
        "the sub-stream of camera cam-a is H.265, which many browsers do not play live: set that stream to H.264 in the camera;"
        " pictures each second do",
    )
    page = say_why(to_wall(log_in()))
    expect(player(page)).to_have_attribute("data-mode", "stills")
    expect(player(page).get_by_test_id("live-why")).to_contain_text("编码不能在浏览器里实时播放")
    until(page, lambda: len(wall.looked) > 2)
    assert len(wall.whep_asked) == 1


def test_what_may_not_be_seen_is_not_shown_as_a_still_either(log_in: Callable[..., Page], wall: Any) -> None:
    wall.whep_refusal = (403, "A household's camera opens with an alert of that household.")
    wall.no_pictures = "A household's camera opens with an alert of that household."
    page = say_why(to_wall(log_in()))
    expect(player(page)).to_have_attribute("data-mode", "refused")
    expect(player(page)).to_contain_text("A household's camera opens")
    expect(player(page).locator("img")).to_have_count(0)


def test_frames_that_stop_are_noticed_and_come_back(log_in: Callable[..., Page], wall: Any, sender: Any) -> None:
    page = say_why(to_wall(log_in()))
    plays(page, player(page).locator("video"))
    sender.frozen = True
    # until the next view has no frame at all
    expect(player(page).get_by_test_id("live-why")).to_contain_text("画面停了")
    expect(player(page)).to_have_attribute("data-mode", "stills")
    sender.frozen = False
    expect(player(page)).to_have_attribute("data-mode", "live")
    assert "s0" in wall.whep_ended


def test_a_tile_that_nobody_sees_ends_its_view_and_takes_it_up_again(
    log_in: Callable[..., Page], wall: Any, sender: Any
) -> None:
    page = say_why(to_wall(log_in()))
    plays(page, player(page).locator("video"))
    page.locator("[data-tile='1']").get_by_role("button", name="放大").click()
    plays(page, page.locator(".large video"))
    until(page, lambda: len(wall.whep_ended) == len(wall.whep_asked) - 1)  # all but the large one
    page.get_by_test_id("back-to-wall").click()
    plays(page, player(page).locator("video"))


def test_a_view_ends_when_the_page_is_hidden_and_comes_back_when_it_is_seen(
    log_in: Callable[..., Page], wall: Any, sender: Any
) -> None:
    page = say_why(to_wall(log_in()))
    plays(page, player(page).locator("video"))
    hide(page, True)
    expect(player(page)).to_have_attribute("data-mode", "paused")
    until(page, lambda: all_ended(wall))
    hide(page, False)
    expect(player(page)).to_have_attribute("data-mode", "live")


def test_a_press_shows_itself_in_the_first_tile_for_its_own_reason(
    log_in: Callable[..., Page], desk: Any, sender: Any
) -> None:
    keep(desk, 4, [None, "cam-b"])
    page = to_wall(log_in())
    alert = desk.press("李秀英")
    desk.say("alert", alert)
    first = page.locator("[data-tile='1']")
    expect(first).to_contain_text("求助：李秀英")
    expect(player(page)).to_have_attribute("data-mode", "live")
    assert {asked["reason"] for asked in desk.whep_asked} == {f"alert {alert['id']}"}
    assert {asked["camera"] for asked in desk.whep_asked} == {"cam-a"}
    expect(page.locator(f"[data-film='{alert['id']}']")).to_contain_text("李秀英")
    first.get_by_role("button", name="移除").click()
    expect(first).to_contain_text("空")


def test_a_wall_is_filled_by_keyboard_and_kept_by_name(log_in: Callable[..., Page], desk: Any) -> None:
    page = to_wall(log_in())
    page.locator("[data-tile='2']").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("村委会")
    page.locator("[data-pick='cam-b']").press("Enter")
    page.get_by_test_id("reason-dialog").get_by_role("button", name="取消").click()
    page.get_by_test_id("wall-rename").click()
    page.keyboard.type("路口")
    page.keyboard.press("Enter")
    until(page, lambda: desk.preferences.get("walls", {"items": [{"name": ""}]})["items"][0]["name"] == "路口")
    assert desk.preferences["walls"]["items"][0]["cameras"] == [None, "cam-b"]
    page.reload()
    expect(page.locator("[data-tile='2']")).to_contain_text("村委会门口")


def test_watermark_stays_whole_and_masks_follow_when_the_picture_is_enlarged(
    log_in: Callable[..., Page], wall: Any, sender: Any
) -> None:
    wall.cameras[0]["masks"] = [MASK]
    page = say_why(to_wall(log_in()))
    expect(player(page)).to_have_attribute("data-mode", "live")
    page.locator("[data-tile='1']").focus()
    page.keyboard.press("Enter")
    large = page.locator(".large")
    plays(page, large.locator("video"))
    mask, mark = large.locator("polygon"), large.get_by_test_id("watermark")
    expect(mark).to_have_text(re.compile(r"^wangfang \d{4}-\d\d-\d\d \d\d:\d\d:\d\d$"))
    before, mark_before, video_before = mask.bounding_box(), mark.bounding_box(), large.locator("video").bounding_box()
    assert before is not None and mark_before is not None and video_before is not None
    large.locator(".stage").focus()
    for _ in range(4):
        page.keyboard.press("+")
    expect(large.locator(".scale")).to_have_text("2.4 倍")
    after, video_after = mask.bounding_box(), large.locator("video").bounding_box()
    assert after is not None and video_after is not None
    assert after["width"] / before["width"] == pytest.approx(video_after["width"] / video_before["width"], rel=0.02)
    assert mark.bounding_box() == mark_before
    assert covers(page, large)
    page.keyboard.press("Escape")
    expect(page.locator("[data-tile='1']")).to_be_focused()


def covers(page: Page, large: Locator) -> bool:
    """The watermark is what lies on top where it stands."""
    return bool(
        large.get_by_test_id("watermark").evaluate(
            """mark => {
                mark.style.pointerEvents = 'auto';
                const box = mark.getBoundingClientRect();
                return document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2) === mark;
            }"""
        )
    )


def hide(page: Page, hidden: bool) -> None:
    page.evaluate(
        """hidden => {
            Object.defineProperty(document, 'hidden', {configurable: true, get: () => hidden});
            document.dispatchEvent(new Event('visibilitychange'));
        }""",
        hidden,
    )


def until(page: Page, true: Callable[[], bool]) -> None:
    for _ in range(1800):
        if true():
            return
        page.wait_for_timeout(50)
    raise AssertionError("it did not come")


def test_an_empty_wall_is_filled_with_one_click_and_shows_nothing_without_a_reason(
    log_in: Callable[..., Page], desk: Any
) -> None:
    desk.preferences["walls"] = {
        "items": [{"name": "", "size": 4, "cameras": [], "carousel": 0}], "current": 0, "press": True,
    }  # fmt: skip
    page = to_wall(log_in())
    page.get_by_test_id("wall-fill").click()
    page.get_by_test_id("reason-dialog").get_by_role("button", name="取消").click()
    until(page, lambda: len(desk.preferences["walls"]["items"][0]["cameras"]) > 0)
    shown = desk.preferences["walls"]["items"][0]["cameras"]
    assert "cam-a" in shown and len(shown) <= 4
    assert desk.whep_asked == [] and desk.looked == []
    expect(page.get_by_test_id("wall-fill")).to_have_count(0)
    expect(page.get_by_test_id("wall-ask")).to_be_visible()


def test_walls_that_are_not_there_yet_are_not_written_over(log_in: Callable[..., Page], desk: Any) -> None:
    """Until the kept walls have come an empty one stands in: writing it would be the end of them all."""
    keep(desk, 4, ["cam-b"])
    kept = desk.preferences["walls"]
    kept["items"].append({"name": "学校", "size": 9, "cameras": ["cam-a"], "carousel": 0})
    desk.refuse_preferences = True
    page = to_wall(log_in())
    expect(page.locator("[data-tile='1']")).to_contain_text("空")
    expect(page.get_by_test_id("wall-fill")).to_have_count(0)
    for name in ("wall-rename", "wall-new", "wall-delete", "carousel", "press-switch"):
        expect(page.get_by_test_id(name)).to_be_disabled()
    for size in page.locator("[data-size]").all():
        expect(size).to_be_disabled()
    page.locator("[data-tile='2']").press("Enter")
    desk.refuse_preferences = False
    expect(page.locator("[data-tile='1']")).to_contain_text("村委会门口")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.locator("[data-pick='cam-a']").press("Enter")
    page.get_by_test_id("reason-dialog").get_by_role("button", name="取消").click()
    until(page, lambda: desk.preferences["walls"]["items"][0]["cameras"] == ["cam-b", "cam-a"])
    assert [wall["name"] for wall in desk.preferences["walls"]["items"]] == ["路口", "学校"]
