"""The video of a press, from the camera below to a browser at the county."""

import hashlib
import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import expect, sync_playwright

from gateway.console.web.build import build
from gateway.video.decoder.timeline import JUMP_S

CAMERA = "51172400001310000001"
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync"]  # fmt: skip
PASSWORD = "a-long-enough-passphrase"
PATIENCE_MS = 90_000
BEFORE, AFTER = 6, 4
A_GOP = 3.5  # one second of the camera's, which on a busy machine falls behind
APART_S = JUMP_S + 0.1  # the camera's clock and ours, at most, and the last picture's time


def short_clips(document: Any) -> None:
    document.setdefault("alerts", {})["clip"] = {"before": f"{BEFORE}s", "after": f"{AFTER}s"}


def clip_of(node: Any, alert_id: str) -> dict[str, Any] | None:
    """Of the camera that is there, once there is something to be said of it."""
    alert = node.alert(alert_id)
    if alert is None:
        return None
    clips = [camera["clip"] for camera in alert["cameras"] if camera["id"] == CAMERA]
    return next((clip for clip in clips if clip["state"] in ("ready", "failed")), None)


def probed(mp4: bytes, path: Path) -> dict[str, Any]:
    path.write_bytes(mp4)
    words = ["ffprobe", "-v", "error", "-of", "json", "-show_streams", "-show_format", str(path)]
    found: dict[str, Any] = json.loads(subprocess.run(words, check=True, capture_output=True, timeout=60).stdout)
    return found


def test_a_clip_begins_before_the_press_and_plays_at_the_county(town, television, seen, tmp_path) -> None:  # type: ignore[no-untyped-def]
    build()
    town.edit(short_clips)
    added = town.county.command("user", "add", "wang", "--role", "operator", "--password-stdin", text=PASSWORD + "\n")
    assert added.returncode == 0, added.stderr
    town.start()
    town.wait_for_camera(CAMERA)
    time.sleep(BEFORE + 3)  # what a clip shall begin with has to have come
    tv = television("tv-0001")
    tv.press({"press_id": "p1", "kind": "sos"})
    (received,) = seen("R1", lambda: tv.heard("p1", "received"))

    clip = seen("the clip at the county", lambda: clip_of(town.county, received["alert_id"]))
    assert clip["state"] == "ready", clip
    assert -1000 * (BEFORE + A_GOP) <= clip["from_ms"] <= -1000 * BEFORE
    assert 1000 * (AFTER - A_GOP) <= clip["to_ms"] <= 1000 * AFTER
    assert clip["codec"] == "h264"
    own = {"url"}
    below = clip_of(town.township, received["alert_id"])
    assert below is not None
    assert {k: v for k, v in below.items() if k not in own} == {k: v for k, v in clip.items() if k not in own}

    status, mp4 = town.county.request(clip["url"])
    assert status == 200
    assert hashlib.sha256(mp4).hexdigest() == clip["sha256"]
    seconds = (clip["to_ms"] - clip["from_ms"]) / 1000
    found = probed(mp4, tmp_path / "clip.mp4")
    assert abs(float(found["format"]["duration"]) - seconds) < APART_S
    (stream,) = found["streams"]
    assert (stream["codec_name"], stream["width"], stream["height"]) == ("h264", 640, 360)

    chromium = shutil.which("chromium")
    assert chromium is not None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS, headless=True)
        page = browser.new_page(viewport={"width": 1366, "height": 768}, locale="zh-CN")
        page.set_default_timeout(PATIENCE_MS)
        page.goto(town.county.base)
        page.get_by_label("用户名").fill("wang")
        page.get_by_label("密码").fill(PASSWORD)
        page.get_by_role("button", name="登录").click()
        page.locator(f"[data-alert='{received['alert_id']}']").click()
        video = page.locator(f"[data-camera='{CAMERA}'] [data-clip=ready] video")
        expect(video).to_be_visible(timeout=PATIENCE_MS)
        video.evaluate("video => video.play()")
        seen("the clip playing", lambda: video.evaluate("video => video.currentTime") > 1)
        assert abs(video.evaluate("video => video.duration") - seconds) < APART_S
        browser.close()


def test_a_core_that_is_killed_while_a_clip_is_recorded_still_has_it(town, television, seen) -> None:  # type: ignore[no-untyped-def]
    town.edit(short_clips)
    town.start()
    town.wait_for_camera(CAMERA)
    time.sleep(BEFORE + 3)
    tv = television("tv-0001")
    tv.press({"press_id": "p1", "kind": "sos"})
    (received,) = seen("R1", lambda: tv.heard("p1", "received"))
    time.sleep(1)  # the worker has been told to hold the span
    town.township.kill()
    time.sleep(AFTER)
    town.township.start()
    clip = seen("the clip at the county", lambda: clip_of(town.county, received["alert_id"]))
    assert clip["state"] == "ready", clip
    assert -1000 * (BEFORE + A_GOP) <= clip["from_ms"] <= -1000 * BEFORE
    assert clip["to_ms"] >= 1000 * (AFTER - A_GOP)
