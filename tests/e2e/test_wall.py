"""A wall in the system's Chromium before a real node and a real camera: frames move, and the audit says who looked and why."""

import json
import os
import shutil
import statistics
import time

from playwright.sync_api import Page, expect, sync_playwright

from gateway.console.web.build import build

CAMERA = "51172400001310000001"
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync"]  # fmt: skip
PASSWORD = "a-long-enough-passphrase"
PATIENCE_MS = 90_000
# Of one viewing: from the click to a still that is drawn, and to the first frame of the video.
WATCH = """() => new Promise(done => {
    const seen = {still: null, live: null};
    const began = performance.now();
    const look = () => {
        const now = performance.now() - began;
        const tile = document.querySelector('[data-tile="1"] [data-testid=live-player]');
        if (seen.still === null && (tile?.querySelector('img')?.naturalWidth ?? 0) > 0) seen.still = now;
        if (tile?.dataset.mode === 'live') { seen.live = now; done(seen); }
        else setTimeout(look, 4);
    };
    look();
})"""


def test_a_wall_plays_what_the_camera_sends(town, seen) -> None:  # type: ignore[no-untyped-def]
    build()
    node = town.township
    added = node.command("user", "add", "wang", "--role", "admin", "--password-stdin", text=PASSWORD + "\n")
    assert added.returncode == 0, added.stderr
    node.start()
    town.wait_for_camera(CAMERA)
    chromium = shutil.which("chromium")
    assert chromium is not None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS, headless=True)
        page = browser.new_page(viewport={"width": 1366, "height": 768})
        page.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        page.goto(node.base)
        page.get_by_label("用户名").fill("wang")
        page.get_by_label("密码").fill(PASSWORD)
        page.get_by_role("button", name="登录").click()
        page.get_by_test_id("alerts").wait_for()
        page.evaluate("location.hash = '#/wall'")
        page.locator("[data-tile='1']").get_by_test_id("assign").click()
        page.locator(f"[data-pick='{CAMERA}']").click()
        say_why(page)
        tile = page.locator("[data-tile='1'] [data-testid=live-player]")
        expect(tile).to_have_attribute("data-mode", "live")
        video = tile.locator("video").element_handle()
        page.wait_for_function("video => video.videoWidth === 640", arg=video)
        at = video.evaluate("video => [video.currentTime, video.getVideoPlaybackQuality().totalVideoFrames]")
        page.wait_for_function(
            "([video, [time, frames]]) => video.currentTime > time + 0.5"
            " && video.getVideoPlaybackQuality().totalVideoFrames > frames + 10",
            arg=[video, at],
        )
        if "GATEWAY_WALL_FIGURES" in os.environ:
            measure(page, int(os.environ["GATEWAY_WALL_FIGURES"]))
        seen("the viewing in the audit", lambda: looked(node) >= {("wang", "视频巡查")})
        browser.close()


def say_why(page: Page) -> None:
    dialog = page.get_by_test_id("reason-dialog")
    dialog.get_by_role("button", name="视频巡查").click()
    dialog.get_by_role("button", name="查看", exact=True).click()


def looked(node) -> set[tuple[str, str | None]]:  # type: ignore[no-untyped-def]
    status, body = node.request("/api/v1/audit?limit=100", cookie=node.log_in("wang", PASSWORD))
    assert status == 200, body
    return {(one["actor"], one["reason"]) for one in json.loads(body)["items"] if one["action"] == "view_camera"}


def measure(page: Page, times: int) -> None:
    """Printed, never asserted: how long a view takes to begin."""
    found = []
    for _ in range(times):
        page.get_by_test_id("wall-end").click()
        time.sleep(1)
        page.get_by_test_id("wall-ask").click()
        dialog = page.get_by_test_id("reason-dialog")
        dialog.get_by_role("button", name="视频巡查").click()
        go = dialog.get_by_role("button", name="查看", exact=True)
        found.append(go.evaluate(f"button => {{ const seen = ({WATCH})(); button.click(); return seen; }}"))
    for what in ("still", "live"):
        values = sorted(one[what] for one in found if one[what] is not None)
        print(
            what, len(values), "median", statistics.median(values) if values else None, "max", max(values, default=None)
        )
