"""The video of an alert in the system's Chromium, before the real service: it plays, jumps, and is audited once."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import ConsoleMessage, async_playwright
from playwright.async_api import expect as async_expect
from playwright.sync_api import Page, expect

from gateway.console.application import create_console
from gateway.console.server import HttpServer
from gateway.model import Level
from gateway.supervision.clock import SystemClock

PATIENCE_MS = 60_000
async_expect.set_options(timeout=PATIENCE_MS)
expect.set_options(timeout=PATIENCE_MS)
SECONDS = 60


class Here:
    id, name, level = "zhuyang", "竹阳街道综治中心", Level.TOWNSHIP


@pytest.fixture(scope="module")
def minute(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A minute of H.264 with a keyframe every two seconds."""
    path = tmp_path_factory.mktemp("clip") / "minute.mp4"
    source = ["-f", "lavfi", "-i", f"testsrc2=size=320x180:rate=5:duration={SECONDS}"]
    codec = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "10", "-pix_fmt", "yuv420p", "-movflags", "+faststart"]
    subprocess.run(["ffmpeg", "-loglevel", "error", *source, *codec, str(path)], check=True)
    return path.read_bytes()


@pytest.fixture
async def service(house: Any, dist: Path) -> AsyncIterator[str]:
    app = create_console(
        node=Here(),
        ledger=house.ledger,
        media=house.media,
        video=house.video,
        inventory=house.register,
        accounts=house.accounts,
        ready=list,
        clock=SystemClock(),
        web_root=dist,
    )
    server = HttpServer(app, "127.0.0.1", 0)
    await server.start()
    running = asyncio.create_task(server.run())
    yield server.url
    await server.stop(2)
    await running


async def test_a_clip_plays_and_jumps_in_the_browser_and_is_one_line_of_the_audit(
    house: Any, service: str, chromium_flags: list[str], minute: bytes
) -> None:
    faults: list[str] = []

    def fault(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            faults.append(message.text)

    linked = {"id": "cam-street", "name": "十字口东", "snapshots": [], "clip": {"id": "k1"}}
    alert = await house.raise_alert(cameras=[linked])
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=chromium_flags)
        page = await browser.new_page(viewport={"width": 1366, "height": 768}, locale="zh-CN")
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", fault)
        page.on("pageerror", lambda error: faults.append(str(error)))
        await page.goto(service)
        await page.get_by_label("用户名").fill("operator")
        await page.get_by_label("密码").fill("a long enough password")
        await page.get_by_role("button", name="登录").click()
        await page.locator(f"[data-alert='{alert}']").click()
        clip = page.locator("[data-camera=cam-street] [data-clip]")
        await async_expect(clip).to_contain_text("正在录像")

        await house.clip_ready(alert, minute)
        await async_expect(clip).to_have_attribute("data-clip", "ready")
        await async_expect(clip).to_contain_text("−30 至 +30 秒")
        video = clip.locator("video")
        assert await video.get_attribute("preload") == "none"
        assert await viewings(house) == []

        await video.evaluate("video => video.play()")
        await played_to(video, 0.5)
        assert abs(await video.evaluate("video => video.duration") - SECONDS) < 1
        await video.evaluate("video => { video.currentTime = 45 }")
        await played_to(video, 45.5)
        assert await video.evaluate("video => [video.videoWidth, video.videoHeight]") == [320, 180]
        await browser.close()
    assert faults == []
    assert len(await viewings(house)) == 1


async def played_to(video: Any, seconds: float) -> None:
    """By asking: the page's policy lets nobody evaluate a string in it, a test's waiting function neither."""
    async with asyncio.timeout(PATIENCE_MS / 1000):
        while await video.evaluate("video => video.currentTime") <= seconds:
            await asyncio.sleep(0.05)


async def viewings(house: Any) -> list[str]:
    audit, _ = await house.ledger.read(lambda reader: reader.audit(None, 50))
    return [line.object for line in audit if line.action == "view_clip"]


@pytest.mark.parametrize(
    ("reason", "chinese"),
    [
        ("the press came late: no video from around it was kept", "报警延迟送达"),
        ("the box was restarted before the clip could be made", "主机已重启"),
        ("camera cam-a sends MJPEG, of which no clip is made", "编码格式不支持"),
        (
            "camera cam-a is offline: 10.0.0.5:554 cannot be connected: Connection refused; look at address",
            "连接不上摄像头",
        ),
        ("camera cam-a is offline: 10.0.0.5:554 answered SETUP with 453 Not Enough Bandwidth; close", "观看路数已满"),
        ("something that nobody has translated", "something that nobody has translated"),
    ],
)
def test_a_clip_that_could_not_be_made_says_why_in_both_languages(
    log_in: Callable[..., Page], desk: Any, reason: str, chinese: str
) -> None:
    alert = desk.press()
    none = {"state": "none", "reason": None, "url": None, "from_ms": None, "to_ms": None, "codec": None}
    alert["cameras"][0]["clip"] = {**none, "state": "failed", "reason": reason}
    alert["cameras"][1]["clip"] = none
    page = log_in()
    page.locator(f"[data-alert='{alert['id']}']").click()
    clip = page.locator("[data-camera=cam-a] [data-clip=failed]")
    expect(clip).to_contain_text(chinese)
    expect(page.locator("[data-camera=cam-b] [data-clip]")).to_have_count(0)
    page.get_by_test_id("language").click()
    expect(clip).to_contain_text("No video")


def test_what_the_browser_cannot_play_can_still_be_downloaded(log_in: Callable[..., Page], desk: Any) -> None:
    alert = desk.press()
    url = f"/api/v1/alerts/{alert['id']}/clips/k1.mp4"  # which the peer does not have: a broken clip
    made = {"state": "ready", "reason": None, "url": url, "from_ms": -30_250, "to_ms": 30_000, "codec": "h264"}
    alert["cameras"][0]["clip"] = made
    page = log_in()
    page.locator(f"[data-alert='{alert['id']}']").click()
    clip = page.locator("[data-camera=cam-a] [data-clip=ready]")
    clip.locator("video").evaluate("video => { video.play().catch(() => {}) }")
    expect(clip.get_by_role("button", name="录像无法播放，点击重试")).to_be_visible()
    expect(clip.get_by_role("link", name="下载")).to_have_attribute("href", url)
    clip.get_by_role("button", name="录像无法播放，点击重试").click()
    expect(clip.locator("video")).to_have_count(1)
