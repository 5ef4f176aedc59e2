"""Every page, in both languages and both themes, on a desk and on a phone: axe finds nothing serious, nothing is wider than
the window, every target can be hit, and no page breaks a rule of the service (see ``open_page``)."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest
from playwright.sync_api import Page, expect

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")
SERIOUS = ("serious", "critical")
DESKTOP, PHONE = (1366, 768), (390, 844)
SMALLEST_TARGET = 24  # CSS pixels, WCAG 2.2 §2.5.8
# every page in one look of each: all pairs of language, theme and size occur
LOOKS = [("zh-CN", "dark", DESKTOP), ("en", "light", DESKTOP), ("zh-CN", "light", PHONE), ("en", "dark", PHONE)]
PAGES = (
    "alerts", "alerts/{alert}", "wall", "map", "tasks", "nodes", "cameras", "terminals", "deliveries", "audit", "handover", "users", "figures",
    "upkeep", "screen", "report/{alert}",
)  # fmt: skip
expect.set_options(timeout=90_000)

# a link in running text is as high as its line; what is drawn by another element is that element's to offer
TOO_SMALL = """(least) => [...document.querySelectorAll("button, a, input, select, textarea, summary")]
  .filter((one) => one.checkVisibility({ checkVisibilityCSS: true, checkOpacity: true }) && one.getClientRects().length > 0)
  .filter((one) => !one.classList.contains("skip") && one.closest(".visually-hidden") === null)
  .filter((one) => !(one.matches("input[type=radio], input[type=checkbox]") && one.closest("label") !== null))
  .filter((one) => !(one.tagName === "A" && getComputedStyle(one).display === "inline"))
  .map((one) => [one.outerHTML.slice(0, 90), one.getBoundingClientRect()])
  .filter(([, box]) => box.width < least - 0.5 || box.height < least - 0.5)
  .map(([words, box]) => `${words} ${Math.round(box.width)}×${Math.round(box.height)}`)"""


def axe(page: Page, *, covered: bool = False) -> list[str]:
    """What axe finds that is serious: rule, element and why, one a line. ``covered``: something lies open above the page,
    and what is half hidden below is no small target."""
    page.evaluate(AXE)
    rules = {"target-size": {"enabled": not covered}}
    options = json.dumps({"resultTypes": ["violations"], "runOnly": {"type": "tag", "values": RULES}, "rules": rules})
    found = page.evaluate(f"axe.run(document, {options}).then((result) => result.violations)")
    return [
        f"{violation['id']}: {node['html'][:140]} {[one['message'] for one in node['any']][:1]}"
        for violation in found
        if violation["impact"] in SERIOUS
        for node in violation["nodes"]
    ]


@pytest.fixture
def busy(desk: Any) -> Iterator[str]:
    """A desk with something on every page; the id of an alert."""
    desk.role = "admin"
    for number in range(6):
        alert = desk.press(f"住户 {number}", severity=1 + number % 4, ago=timedelta(minutes=5 * number))
        desk.take_pictures(alert)
    desk.lower_nodes = [
        {"id": "xinmin", "name": "新民村", "level": "village", "own": False, "state": "silent", "reason": None,
         "last_heard": alert["raised_at"], "parent": "zhuyang", "version": "0.4.0", "cameras": {"online": 1, "total": 2},
         "terminals": {"online": 3, "total": 3}, "reload": 0}
    ]  # fmt: skip
    desk.tasks = [
        {"kind": "callback", "object": f"alerts/{alert['id']}", "title": "紧急求助: 李秀英", "since": alert["raised_at"],
         "due": alert["raised_at"], "overdue": True,
         "detail": {"household": {"name": "李秀英", "phone": "13800138001", "address": None}, "terminal": "tv-0001"}}
    ]  # fmt: skip
    return str(alert["id"])


# what opens on a page: where, what is pressed or clicked there, and what shows then
OPENED = {
    "keys": ("alerts", "?", "key-help"),
    "filter": ("alerts", "filter-open", "filter-panel"),
    "user menu": ("alerts", "user-menu", "logout"),
    "closing": ("alerts/{alert}", "c", "closing"),
    "assigning": ("alerts/{alert}", "s", "assigning"),
    "reason": ("cameras/cam-a", "masks-edit", "reason-dialog"),
    "camera's edit": ("cameras/cam-a", "edit", None),
    "wizard": ("cameras", "enrol", "wizard-search"),
    "register": ("cameras", "register", "register-form"),
}


def faults(page: Page, size: tuple[int, int], *, covered: bool = False) -> list[str]:
    wide = page.evaluate("document.documentElement.scrollWidth") - size[0]
    small = page.evaluate(TOO_SMALL, SMALLEST_TARGET)
    return (
        axe(page, covered=covered)
        + ([f"wider than the window by {wide}"] if wide > 0 else [])
        + [f"too small: {one}" for one in small]
    )


def settled(page: Page) -> None:
    page.locator("main > *").first.wait_for()
    page.wait_for_function("() => document.querySelector('[data-testid=page-loading]') === null")
    page.wait_for_timeout(300)


@pytest.mark.timeout(900)  # twenty-five pages one after another
@pytest.mark.parametrize(
    ("language", "theme", "size"), LOOKS, ids=["zh-dark", "en-light", "zh-light-phone", "en-dark-phone"]
)
def test_every_page_can_be_used_by_everybody(
    language: str, theme: str, size: tuple[int, int], open_page: Callable[..., Page], desk: Any, busy: str
) -> None:
    page = open_page(size)
    page.evaluate(
        "([language, theme]) => { localStorage.setItem('gateway.language', language); localStorage.setItem('gateway.theme', theme); }",
        [language, theme],
    )
    page.reload()
    found = {"log-in": axe(page)}
    page.locator("#username").fill("wangfang")
    page.locator("#password").fill("a long enough password")
    page.locator("button[type=submit]").click()
    page.locator("[data-testid=link].live").wait_for(state="attached")
    for name in PAGES:
        page.goto(f"{desk.base}/#/{name.format(alert=busy)}")
        settled(page)
        found[name] = faults(page, size)
    for name, (path, act, shows) in OPENED.items():
        page.goto(f"{desk.base}/#/{path.format(alert=busy)}")
        settled(page)
        if "{alert}" in path:  # before there is an alert to act on, its keys are nobody's
            page.locator("[data-action=close]").wait_for()
        if len(act) == 1:
            page.keyboard.press(act)
        else:
            page.get_by_test_id(act).click()
        (page.get_by_role("dialog") if shows is None else page.get_by_test_id(shows)).first.wait_for()
        found[name] = faults(page, size, covered=True)
        page.reload()
        page.locator("[data-testid=link].live").wait_for(state="attached")
    assert {name: wrong for name, wrong in found.items() if wrong} == {}
