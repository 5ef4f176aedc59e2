"""A camera whose lens somebody covers, or that shows black: noticed, told with its picture at both levels, and well again.
Real processes."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
STREET, HOME = "cam-street", "cam-home"
BEIJING = timezone(timedelta(hours=8))


class Lab:
    """``gateway lab cameras``: one clip for all, a keyframe a second."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "gateway", "lab", "cameras", "--leashed", "--count", "2", "--profile", "sub",
             "--fps", "10", "--gop", "10", "--clip-seconds", "6"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT,
        )  # fmt: skip
        assert self._process.stdin is not None and self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        self.port = json.loads(self._stdout.readline())["port"]

    def order(self, **order: Any) -> None:
        self._stdin.write(json.dumps(order) + "\n")
        self._stdin.flush()
        answer = json.loads(self._stdout.readline())
        assert answer.get("ok"), answer

    def url(self, number: int) -> str:
        return f"rtsp://127.0.0.1:{self.port}/cam/{number}/sub"

    def close(self) -> None:
        self._stdin.close()
        self._process.wait(timeout=60)
        self._stdout.close()


@pytest.fixture
def lab() -> Iterator[Lab]:
    made = Lab()
    yield made
    made.close()


def by_day() -> str:
    """Hours of the night that are far from now."""
    far = datetime.now(UTC).astimezone(BEIJING) + timedelta(hours=12)
    return f"{far:%H:%M}-{far + timedelta(minutes=1):%H:%M}"


def image_alerts(node: Any, camera: str) -> list[dict[str, Any]]:
    return [each for each in node.alerts() if each["kind"] == "image_fault" and each["source"]["id"] == camera]


def with_picture(node: Any, camera: str) -> dict[str, Any] | None:
    found = image_alerts(node, camera)
    if not found:
        return None
    shots = [shot for linked in found[0]["cameras"] for shot in linked["snapshots"]]
    return found[0] if shots and all(shot["state"] == "ready" for shot in shots) else None


@pytest.mark.parametrize("fault", ["covered", "black"])
def test_it_is_an_alert_with_its_picture_and_clears_by_itself(node_of, lab, seen, fault) -> None:  # type: ignore[no-untyped-def]
    county = node_of("dazhu", "county", "511724", sources=[{"kind": "cascade", "id": "lower"}])
    town = node_of(
        "zhuyang", "township", "511724001", uppers={"county": (county, None)},
        diagnosis={"interval": 6, "important": 6, "cpu": 0.5, "night_hours": by_day()},
        cameras=[
            {"id": STREET, "name": "十字口东", "rtsp": {"sub": lab.url(1)}},
            {"id": HOME, "name": "王家院子", "scene": "household", "rtsp": {"sub": lab.url(2)}},
        ],
    )  # fmt: skip
    county.start()
    town.start()
    for camera in (STREET, HOME):
        path = f"/cameras/{camera}/diagnosis"
        seen(f"a look at {camera}", lambda path=path: (look := town.get(path)["look"]) and look["trouble"] is None)
        assert town.get(path)["standing"] == [], town.get(path)

    lab.order(set=fault)
    alert = seen("the alert with its picture", lambda: with_picture(town, STREET))
    assert fault in alert["detail"]["standing"], alert["detail"]
    assert (alert["severity"], alert["condition"]) == (3, "active")
    seen("the fault at the camera", lambda: fault in town.get(f"/cameras/{STREET}")["faults"])
    [camera] = alert["cameras"]
    [shot] = camera["snapshots"][:1]
    status, jpeg = town.request(shot["url"])
    assert status == 200
    assert hashlib.sha256(jpeg).hexdigest() == shot["sha256"]
    above = seen("the same picture at the county", lambda: with_picture(county, STREET))
    assert above["id"] == alert["id"]
    status, told = county.request(above["cameras"][0]["snapshots"][0]["url"])
    assert (status, told) == (200, jpeg)
    seen("the fault in the county's inventory", lambda: fault in county.get(f"/cameras/zhuyang:{STREET}")["faults"])

    [verdict] = [each for each in town.get(f"/cameras/{STREET}/diagnosis")["history"] if each["fault"] == fault]
    assert (verdict["alert"], verdict["sha256"], verdict["until"]) == (alert["id"], shot["sha256"], None)
    assert town.request(verdict["url"])[0] == 422
    status, looked = town.request(f"{verdict['url']}?reason=a+task")
    assert (status, looked) == (200, jpeg)

    # A household's lens is a fault all the same; what it shows is not for the desk.
    home = seen("the household camera's alert", lambda: image_alerts(town, HOME))[0]
    assert home["cameras"] == []
    kept = seen(
        "its evidence", lambda: [each for each in town.get(f"/cameras/{HOME}/diagnosis")["history"] if each["url"]]
    )
    assert town.request(f"{kept[0]['url']}?reason=a+task")[0] == 403

    lab.order(clear="all")
    for node in (town, county):
        seen("it clears", lambda node=node: [a["condition"] for a in image_alerts(node, STREET)] == ["cleared"])
    assert image_alerts(town, STREET)[0]["detail"]["standing"] == []
    seen("no fault", lambda: fault not in town.get(f"/cameras/{STREET}")["faults"])
    seen("its end", lambda: all(each["until"] for each in town.get(f"/cameras/{STREET}/diagnosis")["history"]))
    assert len(image_alerts(town, STREET)) == 1
