"""The built console in the system's Chromium, before a small peer that speaks the HTTP API as it is documented."""

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, Route, sync_playwright

from gateway.console.web.build import build

CHROMIUM_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 90_000  # ends a hang; measures nothing
# Chromium reports refused requests and blocked sound by itself; tests cause both on purpose
CHROMIUMS_OWN = ("Failed to load resource", "The AudioContext was not allowed to start")
DESKTOP = (1366, 768)


@dataclass
class Seen:
    """What a page did that it must not do."""

    faults: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def dist() -> Path:
    """The console, built from the present sources."""
    return build()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = shutil.which("chromium")
    assert found is not None, "the tests of the console need the system's Chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=CHROMIUM_FLAGS, headless=True)
        yield opened
        opened.close()


@pytest.fixture
def desk(dist: Path, peer: Callable[[str], ModuleType]) -> Iterator[Any]:
    """The peer with a household, two cameras and nobody logged in."""
    place = {"lon": 107.2, "lat": 30.7, "address": "竹阳街道东风村", "area_code": "511724001001"}
    api = peer("console_api")
    made = api.Desk()
    base = {
        "scene": "street",
        "place": place,
        "reason": None,
        "faults": [],
        "masks": [],
        "consent": None,
        "codec": "h264",
        "width": 704,
        "height": 576,
    }
    now = api.stamp(datetime.now(UTC))
    made.cameras = [
        {**base, "id": "cam-a", "name": "十字口东", "state": "online", "since": now, "last_keyframe_at": now},
        {**base, "id": "cam-b", "name": "村委会门口", "state": "auth_failed", "since": now, "last_keyframe_at": None,
         "reason": "the camera refused the password; correct it, then reload"},
    ]  # fmt: skip
    made.terminals = [
        {"id": f"tv-{number:04d}", "household": {"name": name, "phone": f"1380013800{number}", "address": f"东风村三组 {number} 号"},
         "place": place, "state": "online", "last_seen": now, "last_press": None}
        for number, name in enumerate(("李秀英", "张伟", "陈建国"), start=1)
    ]  # fmt: skip
    stop = made.serve(dist)
    yield made
    stop()


@pytest.fixture
def open_page(browser: Browser, desk: Any) -> Iterator[Callable[..., Page]]:
    """``open_page(size)``: a page of its own profile at the console. No page may end with a fault in its console, a
    breach of the content policy or a request to another host."""
    contexts: list[BrowserContext] = []
    seen = Seen()

    def fault(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not any(own in message.text for own in CHROMIUMS_OWN):
            seen.faults.append(message.text)

    def asked(request: Request) -> None:
        if not request.url.startswith((desk.base + "/", "blob:", "data:")):
            seen.elsewhere.append(request.url)

    def opened(size: tuple[int, int] = DESKTOP, **more: Any) -> Page:
        context = browser.new_context(viewport={"width": size[0], "height": size[1]}, locale="zh-CN", **more)
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("console", fault)
        page.on("pageerror", lambda error: seen.faults.append(str(error)))
        page.on("request", asked)
        page.goto(desk.base + "/")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert seen.faults == []
    assert seen.elsewhere == []


@pytest.fixture
def log_in(open_page: Callable[..., Page], desk: Any) -> Callable[..., Page]:
    """``log_in(size)``: a page of an operator who has logged in, with its stream open."""

    def logged_in(size: tuple[int, int] = DESKTOP, **more: Any) -> Page:
        page = open_page(size, **more)
        page.get_by_label("用户名").fill("wangfang")
        page.get_by_label("密码").fill("a long enough password")
        page.get_by_role("button", name="登录").click()
        page.locator("[data-testid=link].live").wait_for(state="attached")
        page.get_by_text("正在加载").wait_for(state="detached")
        return page

    return logged_in


@pytest.fixture
def hold() -> Callable[[Page, str], Callable[[int], Route]]:
    """``held = hold(page, pattern)``: requests go no further; ``held(n)`` waits for the n-th and is what answers it."""

    def holding(page: Page, pattern: str) -> Callable[[int], Route]:
        routes: list[Route] = []
        page.route(pattern, lambda route: routes.append(route))

        def held(number: int) -> Route:
            end = time.monotonic() + PATIENCE_MS / 1000
            while len(routes) < number:
                assert time.monotonic() < end, f"nobody has asked {number} times for {pattern}"
                page.locator("body").count()  # lets the browser be heard
            return routes[number - 1]

        return held

    return holding


@pytest.fixture
def chord() -> Callable[[Page, str, str], None]:
    """``chord(page, "g", "c")``: two keys in a row. The page's clock rests meanwhile: how long the second one is waited for
    is nothing that a busy machine shall decide."""

    def pressed(page: Page, first: str, second: str) -> None:
        page.evaluate("(() => { const now = performance.now(); performance.now = () => now; })()")
        page.keyboard.press(first)
        page.keyboard.press(second)
        page.evaluate("delete performance.now")  # the prototype's own is there again

    return pressed


@pytest.fixture(scope="session")
def chromium_flags() -> list[str]:
    """For tests that start a Chromium of their own."""
    return CHROMIUM_FLAGS
