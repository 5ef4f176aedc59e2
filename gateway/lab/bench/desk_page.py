"""The duty desk in a real Chromium, with a watch in the page itself: when a row is painted, when a tone begins, when a view
moves. Times of the page are wall time in milliseconds: it runs on the same machine."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway.errors import RunningError

if TYPE_CHECKING:
    from playwright.async_api import Page

_PATIENCE_MS = 60_000.0
_LOOK_EVERY = 0.02
_FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
          "--disable-component-update", "--disable-sync")  # fmt: skip
_REASON = "gateway bench desk"

# A row counts once the frame that has it is painted: a task after the animation frame that follows the change.
_WATCH = """(() => {
  const seen = window.gatewayBench = { rows: {}, tones: [] };
  const wall = () => performance.timeOrigin + performance.now();
  let due = false;
  const look = () => {
    due = false;
    for (const row of document.querySelectorAll("[data-alert]"))
      if (!(row.dataset.alert in seen.rows) && row.checkVisibility()) seen.rows[row.dataset.alert] = wall();
  };
  new MutationObserver(() => {
    if (due) return;
    due = true;
    requestAnimationFrame(() => setTimeout(look));
  }).observe(document, { childList: true, subtree: true, attributes: true, attributeFilter: ["data-alert"] });
  const start = AudioScheduledSourceNode.prototype.start;
  AudioScheduledSourceNode.prototype.start = function (when = 0, ...others) {
    if (this.context.state === "running") seen.tones.push(wall() + 1000 * Math.max(0, when - this.context.currentTime));
    return start.call(this, when, ...others);
  };
})()"""

# Of one view: to a still that can be drawn or a first frame, and to a frame after it.
_VIEW = """button => new Promise((done) => {
  const seen = { picture: null, moving: null };
  const began = performance.now();
  let video = null, frames = 0;
  const frame = () => {
    frames += 1;
    seen.picture ??= performance.now() - began;
    if (frames < 2) return video.requestVideoFrameCallback(frame);
    seen.moving = performance.now() - began;
    done(seen);
  };
  const look = () => {
    const player = document.querySelector("[data-tile='1'] [data-testid=live-player]");
    const image = player?.querySelector("img");
    if (image?.complete && image.naturalWidth > 0) seen.picture ??= performance.now() - began;
    const now = player?.querySelector("video") ?? null;
    if (now !== null && now !== video) {
      video = now;
      frames = 0;
      video.requestVideoFrameCallback(frame);
    }
    if (seen.moving === null) setTimeout(look, 4);
  };
  button.click();
  look();
})"""


@dataclass(frozen=True, slots=True)
class Shown:
    """Wall time in milliseconds of what a press did in the page; None where it never did."""

    row: float | None
    tone: float | None


class DeskPage:
    """A page of the console, logged in."""

    def __init__(self, page: "Page", base: str) -> None:
        self._page, self._base = page, base

    async def log_in(self, user: str, password: str) -> None:
        await self._page.goto(self._base)
        await self._page.locator("#username").fill(user)
        await self._page.locator("#password").fill(password)
        await self._page.locator("button[type=submit]").click()
        await self._page.get_by_test_id("alerts").wait_for()
        await self._page.locator("[data-testid=link].live").wait_for(state="attached")

    async def go_on_duty(self) -> None:
        """By the click that browsers want before a page may sound. Raises RunningError where it stays silent."""
        await self._page.get_by_test_id("duty").click()
        deadline = time.monotonic() + _PATIENCE_MS / 1000
        while not await self._page.evaluate("gatewayBench.tones.length"):
            if time.monotonic() > deadline:
                raise RunningError("Chromium plays no sound on this machine; the desk's cannot be measured")
            await asyncio.sleep(_LOOK_EVERY)

    async def quiet(self) -> None:
        """Until nothing sounds any more: the next tone is the next press's."""
        await self._page.locator("button.loud").wait_for(state="detached")

    async def shown(self, alert_id: str, since_ms: float, within: float) -> Shown:
        """When this alert's row was painted, and when the first tone after ``since_ms`` began."""
        deadline = time.monotonic() + within
        while True:
            row, tone = await self._page.evaluate(
                "([id, since]) => [gatewayBench.rows[id] ?? null, gatewayBench.tones.find((at) => at >= since) ?? null]",
                [alert_id, since_ms],
            )
            if (row is not None and tone is not None) or time.monotonic() > deadline:
                return Shown(row, tone)
            await asyncio.sleep(_LOOK_EVERY)

    async def clock_apart_ms(self) -> float:
        """How far the page's clock is from this process's, at most."""
        before = 1000 * time.time()
        there = float(await self._page.evaluate("performance.timeOrigin + performance.now()"))
        return round(max(before - there, there - 1000 * time.time(), 0.0), 1)

    async def show_wall(self) -> None:
        """The wall, read anew, with its first tile filled and nothing playing."""
        await self._page.goto(f"{self._base}/#/wall")
        await self._page.reload()
        await self._page.get_by_test_id("wall-ask").wait_for()

    async def view(self) -> tuple[float, float]:
        """Milliseconds from the click to something to see and to moving pictures; the view has ended again. Raises
        RunningError."""
        await self._page.get_by_test_id("wall-ask").click()
        dialog = self._page.get_by_test_id("reason-dialog")
        await dialog.locator("input").fill(_REASON)
        try:
            async with asyncio.timeout(_PATIENCE_MS / 1000):
                seen: dict[str, Any] = await dialog.locator("button[type=submit]").evaluate(_VIEW)
        except TimeoutError as error:
            raise RunningError("a view showed no moving pictures; see the township's live process") from error
        await self._page.get_by_test_id("wall-end").click()
        await self._page.get_by_test_id("wall-ask").wait_for()
        return seen["picture"], seen["moving"]


@asynccontextmanager
async def desk_page(base: str) -> AsyncIterator[DeskPage]:
    """A new Chromium with the console open. Raises RunningError where Playwright or Chromium is missing, or the page does
    not do what it should."""
    try:
        from playwright.async_api import Error, async_playwright
    except ImportError as error:
        raise RunningError(
            "Playwright is not installed: the desk is measured in a real browser; pip install playwright"
        ) from error
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    try:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=chromium, args=list(_FLAGS), headless=True)
            try:
                page = await browser.new_page(viewport={"width": 1366, "height": 768})
                page.set_default_timeout(_PATIENCE_MS)
                await page.add_init_script(_WATCH)
                yield DeskPage(page, base)
            finally:
                await browser.close()
    except Error as error:
        raise RunningError(f"the browser: {error.message.splitlines()[0]}") from error
