"""The pictures of README, taken of the real thing: a township with households, moving cameras and a day's alerts.

They are taken in every run, so that no page of them can be broken unseen; ``GATEWAY_SCREENS=1`` writes deploy/screens.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from gateway.console.web.build import build

ROOT = Path(__file__).parents[2]
SCREENS = ROOT / "deploy" / "screens"
NAMES = ("desk", "alert", "wall", "map", "screen", "phone", "desk-en")
MOST_BYTES = 250_000
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync"]  # fmt: skip
PASSWORD = "a-long-enough-passphrase"
PATIENCE_MS = 120_000
DESK, HALL, PHONE = (1366, 768), (1920, 1080), (390, 844)

STREET, VILLAGE, FIELDS = "511724001001", "511724001207", "511724001204"
CAMERAS = (
    ("51172400001310000001", "十字口东", "street", (107.2043, 30.7361), "竹阳街道北大街十字口", STREET),
    ("51172400001310000002", "田家湾村道", "rural", (107.2069, 30.7377), "竹阳街道田家湾村", FIELDS),
    ("51172400001310000003", "白塔村口", "village", (107.2020, 30.7342), "竹阳街道白塔村", VILLAGE),
    ("51172400001310000004", "竹阳桥头", "rural", (107.2084, 30.7350), "竹阳街道竹阳桥头", FIELDS),
)
# The last one's cable is cut: no town has all its cameras at once.
ONLINE = CAMERAS[:3]
HOUSEHOLDS = (
    ("张桂芳", "北大街 12 号", (107.2045, 30.7362), STREET),
    ("李国富", "北大街 14 号", (107.2047, 30.7363), STREET),
    ("王秀英", "白塔村 2 组 7 号", (107.2022, 30.7343), VILLAGE),
    ("陈建国", "白塔村 3 组 15 号", (107.2016, 30.7339), VILLAGE),
    ("刘玉珍", "田家湾村 1 组 4 号", (107.2071, 30.7379), FIELDS),
    ("杨德明", "田家湾村 4 组 21 号", (107.2064, 30.7374), FIELDS),
    ("周淑芬", "北大街 31 号", (107.2036, 30.7357), STREET),
    ("赵永福", "白塔村 1 组 9 号", (107.2026, 30.7346), VILLAGE),
)
# Of each press in turn: whose, what, the words, and what the operator did. The last one is the newest.
DAY: tuple[tuple[int, str, str | None, tuple[dict[str, str], ...]], ...] = (
    (7, "sos", None, ({"action": "acknowledge"}, {"action": "close", "disposition": "false_alarm", "comment": "孩子误按"})),
    (4, "sos", None, ({"action": "acknowledge"}, {"action": "dispatch", "department": "综治中心"}, {"action": "arrive"})),
    (2, "fire", "厨房冒烟", ({"action": "acknowledge"}, {"action": "dispatch", "department": "消防救援站"})),
    (6, "intrusion", "有陌生人进院子", ({"action": "acknowledge"},)),
    (3, "medical", "老伴胸口痛", ({"action": "acknowledge"}, {"action": "dispatch", "department": "卫生院"})),
    (5, "intrusion", None, ()),
    (1, "sos", None, ()),
    (0, "sos", "摔倒了", ({"action": "note", "comment": "已电话联系邻居李国富"},)),
)  # fmt: skip


@pytest.fixture
def moving_cameras() -> Iterator[int]:
    """The port of the lab's cameras: drawn scenes in which somebody walks."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway.lab.cameras", "--leashed", "--cameras", str(len(ONLINE))],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    yield json.loads(process.stdout.readline())["port"]
    process.stdin.close()
    try:
        process.wait(timeout=60)
    finally:
        process.kill()
        process.stdout.close()


def place(where: tuple[float, float], address: str, area: str) -> dict[str, Any]:
    return {"lon": where[0], "lat": where[1], "address": address, "area_code": area}


def cameras(port: int) -> list[dict[str, Any]]:
    return [
        {
            "id": camera_id,
            "name": name,
            "scene": scene,
            "place": place(where, address, area),
            "clip": True,
            "rtsp": {
                stream: f"rtsp://127.0.0.1:{port if number <= len(ONLINE) else 9}/cam/{number}/{stream}"
                for stream in ("main", "sub")
            },
        }
        for number, (camera_id, name, scene, where, address, area) in enumerate(CAMERAS, 1)
    ]


def households() -> list[dict[str, Any]]:
    count = len(HOUSEHOLDS)
    found: list[dict[str, Any]] = [
        {
            "id": f"tv-{number:04d}",
            "household": {"name": name, "phone": f"1380000000{number}", "address": f"竹阳街道{address}"},
            "place": place(where, f"竹阳街道{address}", area),
            "neighbours": [f"tv-{number % count + 1:04d}"],
        }
        for number, (name, address, where, area) in enumerate(HOUSEHOLDS, 1)
    ]
    found[0]["household"]["instructions"] = "听力不好，请大声敲门；钥匙在隔壁 14 号"
    return found


@pytest.fixture
def township(node_of: Callable[..., Any], mosquitto: Any, moving_cameras: int) -> Any:
    """A county and a township, running, with everything online."""
    build()
    county = node_of(
        "dazhu", "county", "511724", sources=[{"kind": "cascade", "id": "lower"}],
        node={"id": "dazhu", "name": "大竹县综治中心", "level": "county", "area_code": "511724"},
    )  # fmt: skip
    node = node_of(
        "zhuyang", "township", "511724001", uppers={"county": (county, None)},
        node={"id": "zhuyang", "name": "竹阳街道综治中心", "level": "township", "area_code": "511724001"},
        sources=[{"kind": "mqtt", "id": "tv", "url": f"mqtt://127.0.0.1:{mosquitto.port}"}],
        cameras=cameras(moving_cameras),
        terminals=households(),
        alerts={"taxonomy": str(ROOT / "configs" / "taxonomy.yaml"), "clip": {"before": 10, "after": 10}},
    )  # fmt: skip
    added = node.command("user", "add", "wangfang", "--role", "admin", "--password-stdin", text=PASSWORD + "\n")
    assert added.returncode == 0, added.stderr
    county.start()
    node.start()
    return node


def live_a_day(node: Any, televisions: list[Any], seen: Callable[..., Any]) -> str:
    """Every press of DAY with what was done; the newest alert's id."""
    cookie = node.log_in("wangfang", PASSWORD)
    newest = ""
    for number, (who, kind, text, acts) in enumerate(DAY):
        press = {"press_id": f"p{number}", "kind": kind} | ({"text": text} if text else {})
        televisions[who].press(press)
        (answer, *_) = seen("received", lambda who=who, number=number: televisions[who].heard(f"p{number}", "received"))
        newest = answer["alert_id"]
        for act in acts:
            path = f"/api/v1/alerts/{newest}/actions"
            status, said = node.request(path, method="POST", body=act, cookie=cookie)
            assert status == 200, said
    televisions[0].press({"press_id": "again", "kind": "sos", "text": "摔倒了"})
    seen("the second press", lambda: televisions[0].heard("again", "received"))
    wall = {"name": "十字口与村口", "size": 4, "cameras": [one[0] for one in CAMERAS], "carousel": 0}
    kept = {"items": [wall], "current": 0, "press": False}
    status, said = node.request("/api/v1/preferences/walls", method="PUT", body=kept, cookie=cookie)
    assert status == 204, said
    return newest


def settled(node: Any) -> bool:
    """Whether every picture and clip has been taken or has failed."""
    alerts = [node.alert(one["id"]) for one in node.alerts()]
    states = [
        one["state"]
        for alert in alerts
        for camera in alert["cameras"]
        for one in (*camera["snapshots"], *([camera["clip"]] if camera.get("clip") else []))
    ]
    return bool(states) and "pending" not in states


def opened(browser: Browser, base: str, size: tuple[int, int], *, english: bool = False, phone: bool = False) -> Page:
    """A page of the console, logged in and on duty."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, is_mobile=phone, has_touch=phone,
        device_scale_factor=2 if phone else 1,
    )  # fmt: skip
    if english:
        context.add_init_script(
            "localStorage.setItem('gateway.language', 'en'); localStorage.setItem('gateway.theme', 'light');"
        )
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(base)
    page.locator("#username").fill("wangfang")
    page.locator("#password").fill(PASSWORD)
    page.locator("button[type=submit]").click()
    page.locator("[data-testid=link].live").wait_for(state="attached")
    page.get_by_test_id("duty").click()
    page.locator("[data-alert]").first.wait_for()
    return page


def pictured(page: Page, least: int) -> None:
    """Until so many pictures from cameras are drawn, and none that is before one's eyes is still on its way."""
    page.wait_for_function(
        """(least) => {
            const images = [...document.querySelectorAll("main img")].filter((one) => one.checkVisibility());
            return images.filter((one) => one.naturalWidth > 100).length >= least;
        }""",
        arg=least,
    )
    page.wait_for_timeout(500)


def take(page: Page, name: str, folder: Path) -> None:
    """As WebP, in the best quality that is small enough for a README."""
    shot = cv2.imdecode(numpy.frombuffer(page.screenshot(), numpy.uint8), cv2.IMREAD_COLOR)
    assert shot is not None
    for quality in range(92, 40, -6):
        well, content = cv2.imencode(".webp", shot, [cv2.IMWRITE_WEBP_QUALITY, quality])
        assert well
        if content.size <= MOST_BYTES:
            (folder / f"{name}.webp").write_bytes(content.tobytes())
            return
    raise AssertionError(f"{name} cannot be made as small as {MOST_BYTES} bytes")


@pytest.mark.timeout(900)
def test_every_picture_of_the_readme_is_taken_from_the_real_thing(
    township: Any, television: Callable[..., Any], seen: Callable[..., Any], tmp_path: Path
) -> None:
    for camera in ONLINE:
        seen(f"{camera[1]} online", lambda one=camera[0]: township.get(f"/cameras/{one}")["state"] == "online")
    time.sleep(12)  # let the ring reach back as far as pictures and clips are wanted
    newest = live_a_day(township, [television(f"tv-{n:04d}") for n in range(1, len(HOUSEHOLDS) + 1)], seen)
    seen("all pictures and clips", lambda: settled(township), 200)
    faults: list[str] = []
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS, headless=True)
        page = opened(browser, township.base, DESK)
        page.on("pageerror", lambda error: faults.append(str(error)))
        expect(page.locator("[data-alert]")).to_have_count(len(DAY) - 1)  # one is closed
        page.locator(f"[data-alert='{newest}']").click()
        pictured(page, 8)
        take(page, "desk", tmp_path)

        page.set_viewport_size({"width": 1440, "height": 1350})
        pictured(page, 8)
        take(page, "alert", tmp_path)

        page.set_viewport_size({"width": DESK[0], "height": DESK[1]})
        page.evaluate("location.hash = '#/wall'")
        page.get_by_test_id("wall-ask").click()
        dialog = page.get_by_test_id("reason-dialog")
        dialog.locator("input").fill("视频巡查")
        dialog.locator("button[type=submit]").click()
        expect(page.locator("[data-testid=live-player][data-mode=live]")).to_have_count(len(ONLINE))
        page.wait_for_timeout(3000)
        take(page, "wall", tmp_path)
        page.get_by_test_id("wall-end").click()

        page.evaluate("location.hash = '#/map'")
        page.locator(".leaflet-marker-icon").first.wait_for()
        page.wait_for_timeout(2000)
        take(page, "map", tmp_path)

        page.set_viewport_size({"width": HALL[0], "height": HALL[1]})
        page.evaluate("location.hash = '#/screen'")
        page.locator("[data-press]").first.wait_for()
        pictured(page, 4)
        take(page, "screen", tmp_path)

        small = opened(browser, township.base, PHONE, phone=True)
        small.evaluate(f"location.hash = '#/alerts/{newest}'")
        small.get_by_text("张桂芳").first.wait_for()
        pictured(small, 1)
        take(small, "phone", tmp_path)

        english = opened(browser, township.base, DESK, english=True)
        english.locator(f"[data-alert='{newest}']").click()
        pictured(english, 8)
        take(english, "desk-en", tmp_path)
        browser.close()
    assert faults == []
    assert sorted(one.stem for one in tmp_path.glob("*.webp")) == sorted(NAMES)
    if "GATEWAY_SCREENS" in os.environ:
        SCREENS.mkdir(exist_ok=True)
        for taken in tmp_path.glob("*.webp"):
            shutil.copy(taken, SCREENS / taken.name)


@pytest.mark.parametrize("readme", ["README.md", "README.zh-CN.md"])
def test_a_readme_shows_pictures_that_exist(readme: str) -> None:
    shown = re.findall(r"deploy/screens/([\w.-]+)", (ROOT / readme).read_text(encoding="utf-8"))
    assert shown
    there = {one.name: one.stat().st_size for one in SCREENS.iterdir()}
    assert set(shown) <= set(there)
    assert {Path(one).stem for one in there} == set(NAMES)
    assert max(there.values()) <= MOST_BYTES
