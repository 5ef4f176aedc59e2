"""Forty cameras cut at once are one alert, over a killed core and until they are back; one alone is its own. Real processes."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
CAMERAS = 40
HOSTS = 10  # four cameras at each address, as a recorder has them
SOON = {"after": 4, "window": 3, "start": 5}
PATIENCE_S = 180.0


class Park:
    """Lab cameras at ten loopback addresses, whose power can be cut."""

    def __init__(self, table: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gateway.lab.cameras", "--cameras", str(CAMERAS), "--hosts", str(HOSTS),
             "--profile", "sub", "--kbit", "64", "--fps", "5", "--gop", "5", "--clip-seconds", "2",
             "--write", str(table), "--leashed"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
        )  # fmt: skip
        assert "port" in self._answer()

    def _answer(self) -> Any:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def power(self, word: str, cameras: str = "all") -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"power": word, "cameras": cameras}) + "\n")
        self.process.stdin.flush()
        assert self._answer()["ok"] is True

    def end(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(timeout=60)
        self.process.stdout.close()


@pytest.fixture
def park(tmp_path: Path) -> Iterator[Park]:
    made = Park(tmp_path / "cameras.csv")
    yield made
    made.end()


@pytest.fixture
def node(node_of: Callable[..., Any], park: Park, tmp_path: Path, seen: Callable[..., Any]) -> Any:
    """A township that watches them all, and sees them."""
    made = node_of("zhuyang", "township", "511724001", cameras_file=str(tmp_path / "cameras.csv"), outages=SOON)
    made.start()
    seen("all cameras online", lambda: online(made) == CAMERAS, PATIENCE_S)
    return made


def online(node: Any) -> int:
    return sum(camera["state"] == "online" for camera in node.get("/cameras?limit=500")["items"])


def active(node: Any) -> list[Any]:
    return [alert for alert in node.alerts() if alert["condition"] == "active"]


@pytest.mark.timeout(900)
def test_one_alert_for_what_has_one_cause(node: Any, park: Park, seen: Callable[..., Any]) -> None:
    park.power("off")
    seen("the outage told of", lambda: active(node), PATIENCE_S)
    seen("all of them offline", lambda: online(node) == 0, PATIENCE_S)
    (alert,) = seen(
        "all forty in it", lambda: [one for one in active(node) if one["detail"]["lost"] == CAMERAS], PATIENCE_S
    )
    assert (alert["kind"], alert["severity"], alert["source"]["type"]) == ("device_offline", 3, "node")
    assert (alert["detail"]["cause"], alert["detail"]["total"]) == ("upstream", CAMERAS)
    assert len(alert["detail"]["cameras"]) == CAMERAS

    node.kill()
    node.start()
    (outage,) = seen("what stood is known again", lambda: node.get("/outages")["items"])
    assert (outage["alert"], outage["lost"], len(outage["cameras"])) == (alert["id"], CAMERAS, CAMERAS)

    park.power("on")
    seen("the alert cleared", lambda: not active(node), PATIENCE_S)
    seen("all cameras back", lambda: online(node) == CAMERAS, PATIENCE_S)
    assert [one["id"] for one in node.alerts()] == [alert["id"]]
    assert node.get("/outages")["items"] == []

    park.power("off", "40")
    alone, before = seen("the fortieth told of", lambda: len(node.alerts()) == 2 and node.alerts(), PATIENCE_S)
    assert before["id"] == alert["id"]
    assert (alone["source"]["type"], alone["detail"]["cause"]) == ("camera", "single")
    assert alone["detail"]["cameras"] == [alone["source"]["id"]]
    park.power("on")
    seen("that one cleared", lambda: not active(node), PATIENCE_S)
    assert len(node.alerts()) == 2


@pytest.mark.timeout(900)
def test_a_recorder_by_plan_and_without(node: Any, park: Park, seen: Callable[..., Any]) -> None:
    host = "127.1.0.1"
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    node.command("user", "add", "wang", "--role", "maintainer", "--password-stdin", text="lantern-orchard-7\n")
    cookie = node.log_in("wang", "lantern-orchard-7")
    order = {"name": "换硬盘", "reason": "坏道", "until": until, "hosts": [host]}
    status, body = node.request("/api/v1/maintenance", method="POST", body=order, cookie=cookie)
    assert status == 201, body
    window = json.loads(body)
    assert window["count"] == CAMERAS // HOSTS
    covered = [each["id"] for each in node.get("/maintenance")["covered"]]
    numbers = [n for n, one in enumerate(node.get("/cameras?limit=500")["items"], 1) if one["id"] in covered]
    assert len(numbers) == CAMERAS // HOSTS

    other = next(n for n in range(1, CAMERAS + 1) if n not in numbers)
    park.power("off", ",".join(map(str, [*numbers, other])))
    (alert,) = seen("the other camera told of", lambda: active(node), PATIENCE_S)
    assert alert["source"]["type"] == "camera"
    assert alert["source"]["id"] not in covered
    seen("all five offline", lambda: online(node) == CAMERAS - 5, PATIENCE_S)
    assert len(node.alerts()) == 1

    path = f"/api/v1/maintenance/{window['id']}?reason=done"
    assert node.request(path, method="DELETE", cookie=cookie)[0] == 204
    recorder, _ = seen("the recorder told of", lambda: len(active(node)) == 2 and active(node), PATIENCE_S)
    assert (recorder["detail"]["cause"], recorder["detail"]["group"]) == ("recorder", host)
    assert sorted(recorder["detail"]["cameras"]) == sorted(covered)
    park.power("on")
    seen("both cleared", lambda: not active(node), PATIENCE_S)
