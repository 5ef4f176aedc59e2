"""The map without and with tiles, the lists with a county's devices, and GCJ-02."""

import json
import math
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser, Page, expect

from gateway.console.web import build

expect.set_options(timeout=90_000)

VILLAGES = (("511724001001", "竹阳街道东风村"), ("511724001002", "竹阳街道红旗村"), ("511724103001", "石河乡三元村"))


@pytest.fixture
def county(desk: Any) -> Any:
    """1,000 cameras, of which every tenth is offline, and 3,000 terminals in three villages."""
    camera, terminal = desk.cameras[0], desk.terminals[0]
    desk.cameras, desk.terminals = [], []
    for number in range(3000):
        code, name = VILLAGES[number % 3]
        spot = {"lon": 107.2 + number % 61 / 1000, "lat": 30.7 + number % 53 / 1000}
        place = {**spot, "address": f"{name}{number % 9}组", "area_code": code}
        desk.terminals.append({**terminal, "id": f"tv-{number:04d}", "place": place})
        if number < 1000:
            state = "offline" if number % 10 == 0 else "online"
            place = {**place, "lon": None, "lat": None} if number == 5 else place
            desk.cameras.append({**camera, "id": f"cam-{number:04d}", "state": state, "place": place})
    return desk


def test_a_thousand_cameras_are_counted_by_area_and_few_rows_are_made(log_in: Callable[..., Page], county: Any) -> None:
    page = log_in()
    page.get_by_role("link", name="摄像头").click()
    rows = page.locator("[data-device]")
    expect(rows.first).to_be_visible()
    assert rows.count() < 60
    expect(page.locator("[data-area=':']")).to_contain_text("900/1000")
    expect(page.locator("[data-area=':']")).to_contain_text("✕ 100")
    page.locator("[data-area=':']").focus()
    for key in ("ArrowDown", "ArrowRight", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    village = page.locator("[data-area=':511724001001']")
    expect(village).to_have_attribute("aria-selected", "true")
    expect(village).to_contain_text("竹阳街道东风村")
    ours = [each for each in county.cameras if each["place"]["area_code"] == "511724001001"]
    down = sum(each["state"] == "offline" for each in ours)
    expect(village).to_contain_text(f"{len(ours) - down}/{len(ours)}")
    expect(page.locator("[data-filter=offline]")).to_have_text(f"离线 {down}")
    page.get_by_role("link", name="终端").click()
    page.get_by_role("searchbox").fill("tv-2999")
    expect(rows).to_have_count(1)


def test_a_map_without_tiles_asks_nobody_and_says_everything_in_words(log_in: Callable[..., Page], county: Any) -> None:
    county.press(place={"lon": 107.21, "lat": 30.71, "address": "东风村", "area_code": None})
    page = log_in()
    page.get_by_role("link", name="地图").click()
    marks = page.locator(".map-mark")
    expect(marks.first).to_be_visible()
    assert marks.count() < 400
    expect(page.get_by_test_id("map-placeless")).to_contain_text("1 项没有坐标")
    expect(page.locator(".map-mark.fresh")).to_contain_text("李秀英")
    first = page.get_by_test_id("map-list").get_by_role("button").first
    expect(first).to_contain_text("李秀英")
    expect(first).to_contain_text("一级")
    first.focus()
    page.keyboard.press("Enter")
    popover = page.get_by_test_id("map-popover")
    expect(popover).to_contain_text("待接警")
    popover.get_by_role("link", name="打开").press("Enter")
    expect(page.locator("[data-detail]")).to_be_visible()


def test_a_map_that_is_left_in_the_midst_of_a_zoom_ends_quietly(log_in: Callable[..., Page]) -> None:
    """Leaflet's timer ends a zoom after a quarter of a second; the page has no fault in its console then."""
    page = log_in()
    page.get_by_role("link", name="地图").click()
    nearer = page.get_by_role("button", name="放大")
    expect(nearer).to_be_enabled()
    page.locator(".leaflet-map-pane").wait_for(state="attached")
    page.evaluate(
        """(button) => new Promise((later) => {
            const leave = () => {
                if (document.querySelector(".leaflet-zoom-anim") === null) return void requestAnimationFrame(leave);
                location.hash = "#/tasks";
                setTimeout(later, 700);
            };
            button.click();
            leave();
        })""",
        nearer.element_handle(),
    )
    expect(page.locator(".leaflet-map-pane")).to_have_count(0)


def test_tiles_come_from_the_configured_host_alone(browser: Browser, desk: Any) -> None:
    tiles = desk.base.replace("127.0.0.1", "localhost")
    desk.settings["map"].update(
        tiles=f"{tiles}/{{z}}/{{x}}/{{y}}.svg", crs="gcj02", center=[107.2, 30.7], attribution="县图"
    )
    desk.logged_in = True
    asked: set[str] = set()
    context = browser.new_context()
    context.set_default_timeout(90_000)
    try:
        page = context.new_page()
        page.on("request", lambda request: asked.add("/".join(request.url.split("/")[:3])))
        svg = "<svg xmlns='http://www.w3.org/2000/svg' width='256' height='256'/>"
        page.route(f"{tiles}/**", lambda route: route.fulfill(content_type="image/svg+xml", body=svg))
        page.goto(f"{desk.base}/#/map")
        expect(page.locator(".leaflet-tile-loaded").first).to_be_attached()
        expect(page.get_by_test_id("map-panel")).to_contain_text("县图")
    finally:
        context.close()
    assert asked == {desk.base, tiles}


def test_what_a_lower_node_is_called_is_text_on_the_map(log_in: Callable[..., Page], county: Any) -> None:
    """Leaflet takes a tooltip's string for HTML, and a node below says itself what it is called."""
    said = "<b id=broken-in>新民村</b><img src=/x.png onerror=alert(1)>"
    heard = {"last_heard": "2026-05-01T08:00:00.000Z", "reason": None, "reload": 0, "parent": "zhuyang"}
    counts = {"cameras": {"online": 1, "total": 3}, "terminals": {"online": 0, "total": 0}}
    node = {"id": "xinmin", "name": said, "level": "village", "own": False, "state": "online"}
    county.lower_nodes = [{**node, **heard, **counts}]
    camera = county.cameras[0]
    for number in range(3):
        spot = {**camera["place"], "lon": 107.21 + number / 100, "lat": 30.71 + (number % 2) / 100}
        county.cameras.append({**camera, "id": f"xinmin:c{number}", "name": said, "place": spot})
    county.press(name=said, place={"lon": 107.21, "lat": 30.71, "address": said, "area_code": None})
    page = log_in()
    page.get_by_role("link", name="地图").click()
    expect(page.locator(".map-area-name")).to_have_text(said)
    expect(page.locator("#broken-in")).to_have_count(0)
    expect(page.locator("img[src='/x.png']")).to_have_count(0)


class Shift:
    """The page's own module, made JavaScript by the compiler that builds it, asked a line at a time."""

    def __init__(self, folder: Path) -> None:
        web = build.workshop(folder)
        node = build.find_node().path / "node"
        script = """
          const ts = require(process.argv[1]); const fs = require("fs"); const mod = { exports: {} };
          const code = ts.transpileModule(fs.readFileSync(process.argv[2], "utf8"), { compilerOptions: { module: "CommonJS", target: "ES2020" } }).outputText;
          new Function("exports", code)(mod.exports);
          const all = JSON.parse(fs.readFileSync(0, "utf8"));
          console.log(JSON.stringify(all.map((at) => { const there = mod.exports.toGcj02(at); return [there, mod.exports.fromGcj02(there)]; })));
        """
        compiler, module = web / "node_modules" / "typescript", web / "src" / "map" / "gcj02.ts"
        self._command = [str(node), "-e", script, str(compiler), str(module)]

    def __call__(self, places: list[tuple[float, float]]) -> list[Any]:
        done = subprocess.run(
            self._command, input=json.dumps(places), capture_output=True, text=True, timeout=60, check=True
        )
        answer: list[Any] = json.loads(done.stdout)
        return answer


@pytest.fixture(scope="module")
def shift(tmp_path_factory: pytest.TempPathFactory) -> Shift:
    return Shift(tmp_path_factory.mktemp("pages") / "web")


def metres(a: tuple[float, float], b: tuple[float, float]) -> float:
    east = (a[0] - b[0]) * math.cos(math.radians((a[1] + b[1]) / 2))
    return math.hypot(east, a[1] - b[1]) * 111_320


def test_a_known_place_is_shifted_as_published(shift: Shift) -> None:
    ((there, back),) = shift([(116.404, 39.915)])
    assert metres(there, (116.41024449916938, 39.91640428150164)) < 0.1
    assert metres(back, (116.404, 39.915)) < 0.01


@settings(max_examples=5, deadline=None)
@given(places=st.lists(st.tuples(st.floats(74, 134), st.floats(18, 53)), min_size=100, max_size=200))
def test_there_and_back_is_less_than_a_metre(shift: Shift, places: list[tuple[float, float]]) -> None:
    for place, (there, back) in zip(places, shift(places), strict=True):
        assert metres(back, place) < 1
        assert 1 < metres(there, place) < 1500


def test_nothing_is_shifted_abroad(shift: Shift) -> None:
    ((there, back),) = shift([(2.35, 48.85)])
    assert (there, back) == ([2.35, 48.85], [2.35, 48.85])
