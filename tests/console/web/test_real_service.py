"""The built console before the real service: API, ledger, cookies, policy and event stream as they ship."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import ConsoleMessage, async_playwright, expect

from gateway.console.application import create_console
from gateway.console.server import HttpServer
from gateway.model import Level
from gateway.supervision.clock import SystemClock

PATIENCE_MS = 90_000
expect.set_options(timeout=PATIENCE_MS)


class Here:
    id, name, level = "zhuyang", "竹阳街道综治中心", Level.TOWNSHIP


@pytest.fixture
async def service(house: Any, dist: Path) -> AsyncIterator[str]:
    """The address of the service with the built pages."""
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


async def test_an_operator_takes_a_press_from_the_stream_to_its_closing(
    house: Any, service: str, chromium_flags: list[str]
) -> None:
    faults: list[str] = []

    def fault(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            faults.append(message.text)

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
        await expect(page.locator("[data-testid=link].live")).to_be_visible()
        await expect(page.get_by_text("没有待处理的警情。")).to_be_visible()

        alert_id = await house.raise_alert()
        row = page.locator(f"[data-alert='{alert_id}']")
        await expect(row).to_be_visible()
        await expect(page.get_by_test_id("announcement")).to_contain_text("新警情")
        await row.click()
        detail = page.locator("[data-detail]")
        await expect(detail.get_by_role("link", name="拨打 13800000000")).to_be_visible()

        await house.picture_ready(alert_id)
        await expect(detail.locator("li[data-state=ready]")).to_contain_text("−4.72 秒")

        await detail.get_by_role("button", name="接警", exact=True).click()
        await expect(detail.get_by_test_id("workflow")).to_have_text("已接警")
        await detail.get_by_role("button", name="办结").click()
        await detail.get_by_label("属实").check()
        await detail.get_by_test_id("closing").get_by_label("说明").fill("已送医")
        await detail.get_by_role("button", name="确认办结").click()
        await expect(detail.get_by_test_id("workflow")).to_have_text("已办结")
        await expect(detail.get_by_test_id("timeline")).to_contain_text("已送医")
        await expect(row).to_have_count(0)
        await page.get_by_role("link", name="摄像头").click()
        await expect(page.locator("[data-device=cam-street]")).to_contain_text("十字口东")
        await page.get_by_role("link", name="终端").click()
        await expect(page.locator("[data-device=tv-0001]")).to_contain_text("王家")
        await page.get_by_test_id("user-menu").get_by_role("button").first.click()
        await page.get_by_role("button", name="退出").click()
        await expect(page.get_by_label("密码")).to_be_visible()
        await browser.close()
    assert faults == []
