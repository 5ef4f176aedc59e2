"""An operator at the county, in the system's Chromium: the press appears by itself, with its pictures, and is handled."""

import shutil
import time

from playwright.sync_api import Page, expect, sync_playwright

from gateway.console.web.build import build

CAMERA = "51172400001310000001"
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync"]  # fmt: skip
PASSWORD = "a-long-enough-passphrase"
PATIENCE_MS = 90_000


def test_an_operator_sees_the_press_with_its_pictures_and_handles_it(town, television, seen) -> None:  # type: ignore[no-untyped-def]
    build()
    added = town.county.command("user", "add", "wang", "--role", "operator", "--password-stdin", text=PASSWORD + "\n")
    assert added.returncode == 0, added.stderr
    town.start()
    town.wait_for_camera(CAMERA)
    time.sleep(6)  # let the ring reach 5 s back
    tv = television("tv-0001")
    chromium = shutil.which("chromium")
    assert chromium is not None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS, headless=True)
        page = browser.new_page(viewport={"width": 1366, "height": 768})
        page.set_default_timeout(PATIENCE_MS)
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        elsewhere: list[str] = []
        page.on(
            "request",
            lambda one: (
                elsewhere.append(one.url) if not one.url.startswith((town.county.base, "blob:", "data:")) else None
            ),
        )
        page.goto(town.county.base)
        log_in(page)
        tv.press({"press_id": "p1", "kind": "sos", "text": "摔倒了"})
        row = page.get_by_test_id("alerts").locator("a").first
        expect(row).to_contain_text("张桂芳", timeout=PATIENCE_MS)
        row.click()
        expect(page.get_by_test_id("receipts")).to_be_visible()
        expect(page.get_by_role("link", name="拨打 13800000001")).to_be_visible()
        seen("four pictures on the page", lambda: len(shown(page)) == 4)
        page.get_by_role("button", name="接警", exact=True).click()
        seen("R3 on the TV", lambda: tv.heard("p1", "accepted"))
        page.get_by_role("button", name="误报", exact=True).click()
        page.get_by_role("button", name="确认误报").click()
        seen("closed on the TV", lambda: tv.heard("p1", "closed"))
        (alert,) = town.township.alerts()
        assert (alert["workflow"], alert["disposition"], alert["assignee"]) == ("closed", "false_alarm", "wang")
        assert faults == []
        assert elsewhere == []
        browser.close()


def log_in(page: Page) -> None:
    page.get_by_label("用户名").fill("wang")
    page.get_by_label("密码").fill(PASSWORD)
    page.get_by_role("button", name="登录").click()
    page.get_by_test_id("alerts").wait_for()


def shown(page: Page) -> list[str]:
    """The addresses of those snapshots that Chromium has loaded and can show."""
    found: list[str] = page.evaluate(
        "[...document.querySelectorAll('main img, [data-testid] img')]"
        ".filter(img => img.complete && img.naturalWidth >= 600 && img.src.includes('/snapshots/')).map(img => img.src)"
    )
    return sorted(set(found))
