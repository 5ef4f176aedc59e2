"""How long what is kept is kept, what is held, and pictures taken along with what was drawn over them."""

import re
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

expect.set_options(timeout=90_000)


def test_what_is_kept_how_long_and_what_was_deleted(log_in: Callable[..., Page], desk: Any) -> None:
    desk.role = "admin"
    page = log_in()
    page.goto(f"{desk.base}/#/upkeep")
    row = page.locator("[data-kind=clips]")
    expect(row).to_contain_text("警情录像")
    expect(row).to_contain_text("3.0 GiB")
    last = page.get_by_test_id("retention-last")
    expect(last).to_contain_text("删除警情图片 12")
    expect(last).to_contain_text("未办结 2、已封存 1")
    page.get_by_test_id("retention-run").click()
    expect(page.get_by_test_id("retention-run")).to_be_enabled()
    assert desk.runs == 1


def test_who_may_not_read_the_audit_is_shown_holds_alone(log_in: Callable[..., Page], desk: Any) -> None:
    desk.role = "operator"
    page = log_in()
    page.goto(f"{desk.base}/#/upkeep")
    expect(page.get_by_test_id("no-holds")).to_be_visible()
    expect(page.locator("[data-kind]")).to_have_count(0)


def test_an_alert_is_held_and_released_with_its_reasons(log_in: Callable[..., Page], desk: Any) -> None:
    desk.role = "admin"
    alert = desk.press("李秀英")
    page = log_in()
    page.evaluate("id => { location.hash = `#/alerts/${id}` }", alert["id"])
    page.get_by_test_id("hold").click()
    page.get_by_test_id("hold-reason").fill("法院调取")
    page.get_by_test_id("hold-give").click()
    expect(page.get_by_test_id("held")).to_contain_text("法院调取")
    page.goto(f"{desk.base}/#/upkeep")
    held = page.locator(f"[data-held='{alert['id']}']")
    expect(held).to_contain_text("法院调取")
    held.locator("[data-act=release]").click()
    held.get_by_label("为什么解除封存").fill("结案")
    held.get_by_role("button", name="解除封存").click()
    expect(page.get_by_test_id("no-holds")).to_be_visible()
    assert "held" not in alert["detail"]


def test_why_an_alert_is_held_is_typed_at_once_and_is_no_key(log_in: Callable[..., Page], desk: Any) -> None:
    """The button that asks is gone with the focus on it: letters that fell to the page would begin a false alarm."""
    desk.role = "admin"
    alert = desk.press("李秀英")
    page = log_in()
    page.evaluate("id => { location.hash = `#/alerts/${id}` }", alert["id"])
    hold, why = page.get_by_test_id("hold"), page.get_by_test_id("hold-reason")
    hold.click()
    expect(why).to_be_focused()
    page.get_by_role("button", name="取消").click()
    expect(hold).to_be_focused()
    page.keyboard.press("Enter")
    expect(why).to_be_focused()
    page.keyboard.type("f a case")
    expect(why).to_have_value("f a case")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("held")).to_contain_text("f a case")
    expect(hold).to_be_focused()
    assert desk.actions == []


def test_who_may_not_release_keeps_the_focus_at_what_he_held(log_in: Callable[..., Page], desk: Any) -> None:
    alert = desk.press("李秀英")
    page = log_in()
    page.evaluate("id => { location.hash = `#/alerts/${id}` }", alert["id"])
    page.get_by_test_id("hold").click()
    page.get_by_test_id("hold-reason").fill("法院调取")
    page.get_by_test_id("hold-give").press("Space")
    expect(page.get_by_test_id("held")).to_be_focused()
    expect(page.get_by_test_id("hold")).to_have_count(0)


def test_who_meant_to_hold_does_not_release_what_another_holds_meanwhile(
    log_in: Callable[..., Page], desk: Any
) -> None:
    desk.role = "admin"
    alert = desk.press("李秀英")
    page = log_in()
    page.evaluate("id => { location.hash = `#/alerts/${id}` }", alert["id"])
    page.get_by_test_id("hold").click()
    page.get_by_test_id("hold-reason").fill("法院调取")
    theirs = {"at": alert["raised_at"], "by": "lina", "node": alert["node"], "reason": "派出所调取"}
    alert["detail"]["held"] = theirs
    alert["version"] += 1
    desk.say("alert", alert)
    expect(page.get_by_test_id("held")).to_contain_text("派出所调取")
    expect(page.get_by_test_id("hold-give")).to_have_text("封存")
    page.get_by_test_id("hold-reason").press("Enter")
    expect(page.locator(".hold").get_by_role("alert")).to_be_visible()
    expect(page.get_by_test_id("hold-reason")).to_be_focused()
    assert alert["detail"]["held"] == theirs


def test_why_a_hold_ends_is_typed_at_once(log_in: Callable[..., Page], desk: Any) -> None:
    desk.role = "admin"
    alert = desk.press("李秀英")
    alert["detail"]["held"] = {"at": alert["raised_at"], "by": "lina", "node": alert["node"], "reason": "派出所调取"}
    page = log_in()
    page.goto(f"{desk.base}/#/upkeep")
    held = page.locator(f"[data-held='{alert['id']}']")
    held.locator("[data-act=release]").click()
    expect(held.get_by_label("为什么解除封存")).to_be_focused()
    held.get_by_role("button", name="取消").click()
    expect(held.locator("[data-act=release]")).to_be_focused()
    page.keyboard.press("Enter")
    expect(held.get_by_label("为什么解除封存")).to_be_focused()
    page.keyboard.type("w case")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("no-holds")).to_be_visible()
    expect(page.locator(".holds")).to_be_focused()


@pytest.mark.parametrize("keys", [False, True])
def test_what_is_drawn_goes_out_with_its_reason(log_in: Callable[..., Page], desk: Any, keys: bool) -> None:
    alert = desk.press("李秀英")
    desk.take_pictures(alert)
    page = log_in()
    page.evaluate("id => { location.hash = `#/alerts/${id}` }", alert["id"])
    page.get_by_test_id("masked-open").click()
    page.get_by_test_id("masked-new").click()
    board = page.get_by_test_id("masked-board")
    if keys:
        for moves in ("", "ArrowRight", "ArrowDown"):
            for _ in range(10 if moves else 0):
                board.press(moves)
            board.press("Enter")
        board.press("Space")
    else:
        box = board.bounding_box()
        assert box is not None
        for x, y in ((0.2, 0.2), (0.6, 0.2), (0.6, 0.7)):
            board.click(position={"x": box["width"] * x, "y": box["height"] * y})
        page.get_by_test_id("masked-finish").click()
    expect(page.locator("polygon.mask")).to_have_count(1)
    expect(page.get_by_test_id("masked-include")).to_be_checked()
    page.get_by_test_id("masked-reason").fill("通报")
    with page.expect_download() as taken:
        page.get_by_test_id("masked-go").click()
    assert taken.value.suggested_filename == f"masked-{alert['id']}.zip"
    [order] = desk.exported
    [item] = order["items"]
    assert (order["reason"], order["style"], item["kind"]) == ("通报", "black", "picture")
    [cover] = item["covers"]
    assert len(cover["polygon"]) == 3 and cover.keys() == {"polygon"}
    wanted = [(0.5, 0.5), (0.6, 0.5), (0.6, 0.6)] if keys else [(0.2, 0.2), (0.6, 0.2), (0.6, 0.7)]
    for found, meant in zip(cover["polygon"], wanted, strict=True):
        assert found == pytest.approx(meant, abs=0.01)


def test_why_an_old_alert_is_looked_at_is_asked_before_its_pictures_show(
    log_in: Callable[..., Page], desk: Any
) -> None:
    alert = desk.press("李秀英", workflow="closed", disposition="real", ago=timedelta(days=3))
    desk.take_pictures(alert)
    page = log_in()
    page.evaluate("id => { location.hash = `#/alerts/${id}` }", alert["id"])
    page.get_by_test_id("masked-open").click()
    expect(page.get_by_test_id("masked-board")).to_have_count(0)
    page.get_by_test_id("masked-history-reason").fill("派出所调取")
    page.get_by_test_id("masked-history-reason").press("Enter")
    expect(page.locator("[data-testid=masked-export] img")).to_have_attribute("src", re.compile(r"\?reason=%E6%B4%BE"))
    expect(page.get_by_test_id("masked-reason")).to_have_value("派出所调取")


def test_what_becomes_ready_meanwhile_goes_out_with_its_masks(log_in: Callable[..., Page], desk: Any) -> None:
    alert = desk.press("李秀英")
    later = alert["cameras"].pop()
    desk.take_pictures(alert)
    page = drawing_on(log_in(), alert["id"])
    triangle(page, finish=True)
    alert["cameras"].append(later)
    desk.take_pictures(alert)
    desk.say("alert", alert)
    choose = page.get_by_test_id("masked-choose")
    expect(choose.locator("option")).to_have_count(7)
    first = choose.input_value()
    choose.select_option("picture cam-b_-5000")
    triangle(page, finish=True)
    choose.select_option(first)
    expect(page.locator("polygon.mask")).to_have_count(1)
    choose.select_option("picture cam-b_-5000")
    expect(page.locator("polygon.mask")).to_have_count(1)
    page.get_by_test_id("masked-reason").fill("通报")
    with page.expect_download():
        page.get_by_test_id("masked-go").click()
    [order] = desk.exported
    assert {item["id"]: len(item["covers"]) for item in order["items"]} == {"cam-a_-5000": 1, "cam-b_-5000": 1}


@pytest.mark.parametrize(("english", "words"), [(False, "还没画完"), (True, "Finish or discard it")])
def test_a_mask_that_is_not_finished_holds_the_export_back(
    log_in: Callable[..., Page], desk: Any, english: bool, words: str
) -> None:
    alert = desk.press("李秀英")
    desk.take_pictures(alert)
    page = log_in()
    if english:
        page.get_by_test_id("language").click()
    drawing_on(page, alert["id"])
    page.get_by_test_id("masked-reason").fill("通报")
    page.get_by_test_id("masked-include").check()
    expect(page.get_by_test_id("masked-go")).to_be_enabled()
    triangle(page, finish=False)
    expect(page.get_by_test_id("masked-go")).to_be_disabled()
    expect(page.get_by_test_id("masked-unfinished")).to_contain_text(words)
    page.get_by_test_id("masked-choose").select_option(index=1)
    expect(page.get_by_test_id("masked-unfinished")).to_be_visible()  # what it is drawn on is to go out
    page.get_by_test_id("masked-choose").select_option(index=0)
    page.get_by_test_id("masked-finish").click()
    expect(page.get_by_test_id("masked-board")).to_be_focused()
    expect(page.get_by_test_id("masked-unfinished")).to_have_count(0)
    expect(page.get_by_test_id("masked-go")).to_be_enabled()


@pytest.mark.parametrize("sound", [False, True])
def test_a_clip_that_cannot_be_seen_is_neither_covered_nor_exported(
    log_in: Callable[..., Page], desk: Any, tmp_path: Path, sound: bool
) -> None:
    alert = filmed(desk)
    page = log_in()
    if sound:  # the likeness of a clip whose sound alone the browser can decode
        serve_clip(page, made(tmp_path, "sine=duration=2", "-c:a", "aac"))
    drawing_on(page, alert["id"])
    page.get_by_test_id("masked-reason").fill("通报")
    page.get_by_test_id("masked-choose").select_option("clip k1")
    expect(page.get_by_test_id("masked-broken")).to_contain_text("不能在这里导出")
    for control in ("masked-new", "masked-include", "masked-moment", "masked-go"):
        expect(page.get_by_test_id(control)).to_be_disabled()


def test_a_clip_that_fails_after_it_was_covered_holds_the_export_back(
    log_in: Callable[..., Page], desk: Any, tmp_path: Path
) -> None:
    alert = filmed(desk)
    page = log_in()
    serve_clip(
        page, made(tmp_path, "testsrc2=size=320x180:rate=5:duration=4", "-c:v", "libx264", "-pix_fmt", "yuv420p")
    )
    drawing_on(page, alert["id"])
    page.get_by_test_id("masked-reason").fill("通报")
    choose, moment = page.get_by_test_id("masked-choose"), page.get_by_test_id("masked-moment")
    choose.select_option("clip k1")
    triangle(page, finish=True)
    page.get_by_role("button", name="到此刻止").click()
    expect(page.locator("li").filter(has_text="遮挡 1")).to_contain_text("全程")  # to its beginning would cover nothing
    moment.fill("0.5")
    page.get_by_role("button", name="从此刻起").click()
    expect(page.locator("li").filter(has_text="遮挡 1")).to_contain_text("2.0–")
    choose.select_option(index=0)
    choose.select_option("clip k1")
    expect(moment).to_be_enabled()
    expect(moment).to_have_value("0")
    page.get_by_test_id("masked-export").locator("video").evaluate("video => { video.src = '/api/v1/nothing.mp4' }")
    expect(page.get_by_test_id("masked-unseen")).to_be_visible()
    expect(page.get_by_test_id("masked-go")).to_be_disabled()
    page.get_by_role("button", name="重试").click()
    expect(page.get_by_test_id("masked-broken")).to_have_count(0)
    with page.expect_download():
        page.get_by_test_id("masked-go").click()
    [order] = desk.exported
    assert [(item["id"], [cover["from_ms"] for cover in item["covers"]]) for item in order["items"]] == [("k1", [2000])]


def drawing_on(page: Page, alert: str) -> Page:
    page.evaluate("id => { location.hash = `#/alerts/${id}` }", alert)
    page.get_by_test_id("masked-open").click()
    return page


def triangle(page: Page, *, finish: bool) -> None:
    page.get_by_test_id("masked-new").click()
    board = page.get_by_test_id("masked-board")
    box = board.bounding_box()
    assert box is not None
    for x, y in ((0.2, 0.2), (0.6, 0.2), (0.6, 0.7)):
        board.click(position={"x": box["width"] * x, "y": box["height"] * y})
    if finish:
        page.get_by_test_id("masked-finish").click()


def filmed(desk: Any) -> dict[str, Any]:
    """An alert with pictures and one clip, which the peer itself does not have."""
    alert: dict[str, Any] = desk.press("李秀英")
    desk.take_pictures(alert)
    url = f"/api/v1/alerts/{alert['id']}/clips/k1.mp4"
    clip = {"state": "ready", "reason": None, "url": url, "from_ms": -2000, "to_ms": 2000, "codec": "h265"}
    alert["cameras"][0]["clip"] = clip
    return alert


def made(folder: Path, source: str, *codec: str) -> bytes:
    path = folder / "made.mp4"
    subprocess.run(
        ["ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i", source, *codec, "-movflags", "+faststart", str(path)],
        check=True,
    )
    return path.read_bytes()


def serve_clip(page: Page, film: bytes) -> None:
    """In ranges, without which a browser cannot seek."""

    def answer(route: Route) -> None:
        first = int((route.request.headers.get("range") or "bytes=0-").removeprefix("bytes=").partition("-")[0])
        told = {
            "Accept-Ranges": "bytes",
            "Cache-Control": "no-store",
            "Content-Range": f"bytes {first}-{len(film) - 1}/{len(film)}",
        }
        route.fulfill(status=206, content_type="video/mp4", headers=told, body=film[first:])

    page.route("**/clips/k1.mp4*", answer)
