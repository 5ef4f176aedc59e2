"""The large screen: everything that a hall needs at a glance, at the sizes of walls, with nothing to touch."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

WALLS = [(1920, 1080), (3840, 2160)]
expect.set_options(timeout=90_000)


@pytest.fixture
def wall(log_in: Callable[..., Page], desk: Any) -> Callable[..., Page]:
    """``wall(size)``: the large screen of a day with a press, pictures and a camera in trouble."""

    def shown(size: tuple[int, int] = WALLS[0]) -> Page:
        desk.take_pictures(desk.press("李秀英"))
        page = log_in(size)
        page.goto(desk.base + "/#/screen")
        expect(page.locator("[data-press]")).to_be_visible()
        return page

    return shown


def test_the_newest_press_is_there_with_pictures_and_without_the_telephone(
    wall: Callable[..., Page], desk: Any
) -> None:
    page = wall()
    press = page.locator("[data-press]")
    for words in ("一级", "紧急求助", "李秀英", "待接警"):
        expect(press).to_contain_text(words)
    page.wait_for_function(
        "() => [...document.querySelectorAll('[data-press] img')].filter((one) => one.naturalWidth > 0).length === 4"
    )
    assert "1380013" not in page.locator("body").inner_text()
    later = desk.press("张伟")
    desk.say("alert", later)
    expect(page.locator(f"[data-press='{later['id']}']")).to_contain_text("张伟")
    expect(page.locator("[data-severity='1']")).to_contain_text("2")


def test_times_are_held_against_the_limits(wall: Callable[..., Page]) -> None:
    page = wall()
    expect(page.locator("[data-stage=acknowledge]")).to_contain_text("9 s")
    expect(page.locator("[data-stage=dispatch] .missed").first).to_contain_text("超")
    expect(page.locator("[data-stage=acknowledge] td").nth(1)).not_to_contain_text("超")


@pytest.mark.parametrize("size", WALLS)
def test_everything_fits_and_is_large_enough_to_read(size: tuple[int, int], wall: Callable[..., Page]) -> None:
    page = wall(size)
    whole = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
    assert whole[0] <= size[0]
    assert whole[1] <= size[1]
    letters = page.locator(".screen").evaluate("one => parseFloat(getComputedStyle(one).fontSize)")
    assert letters >= size[0] / 100  # a hundred signs across the wall


def test_silence_is_told_on_the_wall_too(wall: Callable[..., Page], desk: Any) -> None:
    page = wall()
    desk.refuse_stream = True  # the page opens another at once
    page.evaluate("(() => { const now = Date.now; Date.now = () => now() + 3600_000; })()")
    expect(page.get_by_test_id("stale")).to_be_visible()


def test_there_is_a_way_back_by_keyboard(wall: Callable[..., Page], desk: Any) -> None:
    page = wall()
    page.get_by_role("link", name="退出大屏").press("Enter")
    expect(page.get_by_test_id("alerts")).to_be_visible()


def test_what_is_not_there_now_leaves_the_wall_calm(log_in: Callable[..., Page], desk: Any) -> None:
    page = log_in(WALLS[0])
    page.goto(desk.base + "/#/screen")
    expect(page.get_by_text("当前没有未办结警情")).to_be_visible()


def test_a_drill_never_stands_for_somebody_in_need(wall: Callable[..., Page], desk: Any) -> None:
    page = wall()
    actual = page.locator("[data-press]").get_attribute("data-press")
    desk.say("alert", desk.press("陈建国", status="drill"))
    rows = page.locator(".rows li")
    expect(rows).to_have_count(2)
    expect(rows.last).to_contain_text("演练 · 紧急求助 · 陈建国")
    expect(page.locator(".rows .fresh")).to_have_count(1)
    expect(page.locator("[data-press]")).to_have_attribute("data-press", str(actual))
    expect(page.locator("[data-severity='1'] b")).to_have_text("1")
