"""The duty desk in the system's Chromium before real processes: from the log-in to the audit, by mouse and by keys alone."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import ConsoleMessage, Page, expect, sync_playwright

from gateway.console.web.build import build

CAMERA = "51172400001310000001"
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync"]  # fmt: skip
PASSWORD = "a-long-enough-passphrase"
PATIENCE_MS = 90_000
# What the page sounds, and what its policy refuses, kept from before the page's own code runs.
WITNESS = """(() => {
    window.tones = 0;
    window.refused = [];
    window.mice = 0;
    const start = OscillatorNode.prototype.start;
    OscillatorNode.prototype.start = function (...when) {
        if (this.context.state === 'running') window.tones += 1;
        return start.apply(this, when);
    };
    addEventListener('securitypolicyviolation', event => window.refused.push(event.violatedDirective + ' ' + event.blockedURI));
    for (const name of ['pointerdown', 'mousedown', 'mousemove']) addEventListener(name, () => { window.mice += 1; }, true);
})()"""
MOVING = """([before, more]) => {
    const video = document.querySelector('[data-testid=live-player] video');
    return video !== null && video.videoWidth > 0 && video.currentTime > before + more;
}"""


@dataclass
class Desk:
    """A page at a node's console, and whatever it did that it must not do."""

    page: Page
    base: str
    faults: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)

    def listen(self) -> None:
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("request", lambda request: self._asked(request.url))
        self.page.on("websocket", lambda socket: self._asked(socket.url))

    def _said(self, message: ConsoleMessage) -> None:
        # Before the log-in the page asks whether there is a session; Chromium reports that answer by itself.
        asked = str(message.location.get("url", "")).endswith("/api/v1/session") and "401" in message.text
        if message.type in ("error", "warning") and not asked:
            self.faults.append(f"{message.text} {message.location}")

    def _asked(self, url: str) -> None:
        if not url.startswith((self.base + "/", "blob:", "data:")):
            self.elsewhere.append(url)

    def clean(self) -> None:
        assert self.faults == []
        assert self.elsewhere == []
        assert self.page.evaluate("window.refused") == []

    def tones(self) -> int:
        return int(self.page.evaluate("window.tones"))

    def plays(self) -> None:
        """The live picture in the alert has a size, and its time goes on."""
        player = self.page.get_by_test_id("live-player")
        expect(player).to_have_attribute("data-mode", "live")
        self.page.wait_for_function(MOVING, arg=[0, 0])
        now = player.locator("video").evaluate("video => video.currentTime")
        self.page.wait_for_function(MOVING, arg=[now, 1])

    def pictures(self) -> int:
        """How many of the snapshots in the alert Chromium can show."""
        return int(
            self.page.evaluate(
                "new Set([...document.querySelectorAll('[data-testid=pictures] li img')]"
                ".filter(img => img.complete && img.naturalWidth >= 600).map(img => img.src)).size"
            )
        )

    def audited(self) -> set[tuple[str, str, str, str]]:
        """The lines on the audit page: who, what, of which object, why."""
        rows = self.page.get_by_test_id("audit").locator("tbody tr").all_inner_texts()
        return {tuple(part.strip() for part in row.split("\t")[1:5]) for row in rows}  # type: ignore[misc]


@pytest.fixture(scope="module", autouse=True)
def pages() -> None:
    build()


@pytest.fixture
def desk() -> Iterator[Callable[[Any], Desk]]:
    """``desk(node)``: a browser of its own at that node's log-in. Whatever happens, nothing that it must not do."""
    chromium = shutil.which("chromium")
    assert chromium is not None
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS, headless=True)

        def open_at(node: Any) -> Desk:
            page = browser.new_context(viewport={"width": 1366, "height": 768}, locale="zh-CN").new_page()
            page.set_default_timeout(PATIENCE_MS)
            page.add_init_script(WITNESS)
            made = Desk(page, node.base)
            made.listen()
            page.goto(node.base)
            return made

        yield open_at
        browser.close()


def staffed(node: Any) -> None:
    done = node.command("user", "add", "wang", "--role", "admin", "--password-stdin", text=PASSWORD + "\n")
    assert done.returncode == 0, done.stderr


def ready(town: Any) -> None:
    """The town with its camera in view, and an escalation that nobody comes to see: whoever acts is always sooner."""

    def patient(document: Any) -> None:
        document["alerts"]["escalation"] = [{"after": "1h"}]

    town.edit(patient)
    town.start()
    town.wait_for_camera(CAMERA)


def escalations(node: Any, alert_id: str) -> int:
    """How many timers the node's ledger holds that would escalate this alert."""
    (ledger,) = node.config.parent.glob("township-data/ledger.db")
    with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True, timeout=60)) as found:
        query = "SELECT count(*) FROM timer WHERE name LIKE 'escalat%' AND key || data LIKE ?"
        return int(found.execute(query, (f"%{alert_id}%",)).fetchone()[0])


def acted(node: Any, alert_id: str) -> list[tuple[str, str]]:
    alert = node.alert(alert_id)
    return [(one["action"], one["actor"]) for one in alert["entries"] if one["actor"].endswith("wang")]


def test_a_press_is_seen_heard_taken_looked_into_closed_and_reported(town, television, seen, desk) -> None:  # type: ignore[no-untyped-def]
    node = town.township
    staffed(node)
    ready(town)
    shown = desk(node)
    page = shown.page
    page.get_by_label("用户名").fill("wang")
    page.get_by_label("密码").fill(PASSWORD)
    page.get_by_role("button", name="登录").click()
    page.get_by_test_id("duty").click()
    expect(page.get_by_test_id("duty")).to_have_attribute("aria-pressed", "true")
    seen("the proof that it can be heard", shown.tones)
    expect(page.locator("[data-testid=link].live")).to_be_attached()
    proof = shown.tones()

    tv = television("tv-0001")
    tv.press({"press_id": "p1", "kind": "sos", "text": "摔倒了"})
    row = page.get_by_test_id("alerts").locator("[data-alert]")
    expect(row).to_contain_text("张桂芳")
    seen("the siren", lambda: shown.tones() > proof)
    alert_id = row.get_attribute("data-alert")
    seen("the escalation's timer", lambda: escalations(node, alert_id) == 1)
    row.click()
    seen("four pictures", lambda: shown.pictures() == 4)
    page.locator("[data-action=acknowledge]").click()
    seen("R3 on the TV", lambda: tv.heard("p1", "accepted"))
    assert escalations(node, alert_id) == 0

    page.get_by_test_id("go-live").click()
    shown.plays()
    page.get_by_test_id("go-live").click()
    expect(page.get_by_test_id("live-player")).to_have_count(0)
    page.locator("[data-action=close]").click()
    page.get_by_role("radio", name="属实").check()
    page.locator("[data-action=close-confirm]").click()
    seen("closed on the TV", lambda: tv.heard("p1", "closed"))
    assert acted(node, alert_id) == [("acknowledge", "wang"), ("close", "wang")]

    page.get_by_role("link", name="打印报告").click()
    report = page.get_by_test_id("report")
    for words in ("张桂芳", "13800000001", "接警", "办结", "wang"):
        expect(report).to_contain_text(words)
    expect(report.locator("figure[data-state=ready]")).to_have_count(4)
    assert page.pdf().startswith(b"%PDF")
    page.evaluate(f"location.hash = '#/audit/{'alerts%2F' + alert_id}'")
    page.get_by_test_id("audit").locator("[data-filter=object]").wait_for()
    seen("the pictures in the audit", lambda: any(line[:2] == ("wang", "查看警情图片") for line in shown.audited()))
    page.evaluate("location.hash = '#/audit'")
    wanted = ("wang", "查看实时画面", f"cameras/{CAMERA}", f"警情 {alert_id}")
    seen("the live view in the audit", lambda: wanted in shown.audited())
    page.get_by_test_id("audit-verify").click()
    expect(page.get_by_test_id("audit-verified")).to_contain_text("记录链完整")
    shown.clean()


def test_a_county_does_it_all_by_keys_with_a_lower_nodes_camera(town, television, seen, desk) -> None:  # type: ignore[no-untyped-def]
    staffed(town.county)
    ready(town)
    shown = desk(town.county)
    page, keys = shown.page, shown.page.keyboard
    expect(page.get_by_label("用户名")).to_be_focused()
    keys.type("wang")
    keys.press("Tab")
    keys.type(PASSWORD)
    keys.press("Enter")
    expect(page.locator("[data-testid=link].live")).to_be_attached()
    keys.press("w")
    expect(page.get_by_test_id("duty")).to_have_attribute("aria-pressed", "true")
    seen("the proof that it can be heard", shown.tones)
    proof = shown.tones()

    tv = television("tv-0001")
    tv.press({"press_id": "p1", "kind": "sos"})
    row = page.get_by_test_id("alerts").locator("[data-alert]")
    expect(row).to_contain_text("张桂芳")
    seen("the siren", lambda: shown.tones() > proof)
    alert_id = row.get_attribute("data-alert")
    keys.press("j")
    expect(row).to_be_focused()
    keys.press("Enter")
    expect(page.locator("[data-action=acknowledge]")).to_be_visible()
    seen("four pictures", lambda: shown.pictures() == 4)
    keys.press("a")
    seen("R3 on the TV", lambda: tv.heard("p1", "accepted"))
    expect(page.get_by_test_id("workflow")).to_have_text("已接警")

    keys.press("l")
    shown.plays()
    assert page.get_by_test_id("live-player").get_attribute("data-camera") == f"zhuyang:{CAMERA}"
    keys.press("l")
    expect(page.get_by_test_id("live-player")).to_have_count(0)
    keys.press("c")
    expect(page.get_by_test_id("closing").get_by_role("radio").first).to_be_focused()
    keys.press("Space")
    keys.press("Enter")
    seen("closed on the TV", lambda: tv.heard("p1", "closed"))
    (alert,) = town.township.alerts()
    assert (alert["id"], alert["workflow"], alert["disposition"]) == (alert_id, "closed", "real")
    expect(page.get_by_test_id("workflow")).to_have_text("已办结")

    keys.press("p")
    expect(page.get_by_test_id("report").locator("figure[data-state=ready]")).to_have_count(4)
    # how long the second key of a pair is waited for is nothing that a busy machine shall decide
    page.evaluate("(() => { const now = performance.now(); performance.now = () => now; })()")
    keys.press("g")
    keys.press("u")
    page.evaluate("delete performance.now")
    wanted = ("wang", "查看实时画面", f"cameras/zhuyang:{CAMERA}", f"警情 {alert_id}")
    seen("the live view in the audit", lambda: wanted in shown.audited())
    assert page.evaluate("window.mice") == 0
    shown.clean()
