"""The demo as a user runs it: one command, real processes, Ctrl-C."""

import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

import pytest

PATIENCE = 240.0
pytestmark = pytest.mark.timeout(900)


class Demo:
    """A demo whose every process carries ``home`` in its environment, so that none can hide."""

    def __init__(self, home: Path, port: int, *arguments: str) -> None:
        self.home, self.port = home, port
        self.said = ""
        command = [sys.executable, "-m", "gateway", "demo", "--no-browser", "--port", str(port), *arguments]
        environment = os.environ | {"TMPDIR": str(home)}
        with (home / "stderr").open("wb") as stderr:
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=stderr, env=environment, start_new_session=True
            )

    def hear(self, pattern: str) -> re.Match[str]:
        """Read what it prints until a line matches."""
        assert self.process.stdout is not None
        deadline = time.monotonic() + PATIENCE
        while (found := re.search(pattern, self.said, re.MULTILINE)) is None:
            readable, _, _ = select.select([self.process.stdout], [], [], max(0.0, deadline - time.monotonic()))
            more = os.read(self.process.stdout.fileno(), 65536).decode() if readable else ""
            assert more, f"no {pattern!r} in:\n{self.said}\n{self.complaint}"
            self.said += more
        return found

    @property
    def complaint(self) -> str:
        return (self.home / "stderr").read_text()

    def end(self) -> int:
        code = self.process.wait(PATIENCE)
        assert self.process.stdout is not None
        self.said += self.process.stdout.read().decode()
        return code

    def processes(self) -> dict[int, str]:
        """Every living process that was started by this demo, and its command line."""
        mark, found = f"TMPDIR={self.home}".encode(), {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                try:
                    if mark in (entry / "environ").read_bytes().split(b"\0"):
                        found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                except OSError:
                    continue
        return found

    def left_behind(self) -> tuple[dict[int, str], list[str]]:
        """Processes, and files except our own."""
        deadline = time.monotonic() + 60
        while self.processes() and time.monotonic() < deadline:  # the kernel may still be clearing them away
            time.sleep(0.05)
        return self.processes(), [path.name for path in self.home.iterdir() if path.name != "stderr"]


StartDemo = Callable[..., Demo]


@pytest.fixture
def port(free_port: Callable[[], int]) -> int:
    """A port whose neighbour is free too."""
    one = free_port()
    while (following := free_port()) != one + 1:
        one = following
    return one


@pytest.fixture
def start(port: int) -> Iterator[StartDemo]:
    home = Path(tempfile.mkdtemp(prefix="d-", dir="/tmp"))  # short: Unix sockets live below it
    started: list[Demo] = []

    def demo(*arguments: str) -> Demo:
        started.append(Demo(home, port, *arguments))
        return started[-1]

    yield demo
    for one in started:
        for pid in [one.process.pid, *one.processes()]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        one.process.wait()
        assert one.process.stdout is not None
        one.process.stdout.close()
    shutil.rmtree(home)


class Browser:
    """Logs in as the demo says and reads the API."""

    def __init__(self, url: str, user: str, password: str) -> None:
        self.url = url
        handlers = (urllib.request.HTTPCookieProcessor(CookieJar()), urllib.request.ProxyHandler({}))
        self.opener = urllib.request.build_opener(*handlers)
        body = json.dumps({"username": user, "password": password}).encode()
        request = urllib.request.Request(f"{url}api/v1/session", body, {"Content-Type": "application/json"})
        self.opener.open(request, timeout=60).close()

    def get(self, path: str) -> Any:
        with self.opener.open(f"{self.url}{path.lstrip('/')}", timeout=60) as answer:
            content = answer.read()
            return json.loads(content) if answer.headers["Content-Type"].startswith("application/json") else content


def first_pictures(alert: dict[str, Any]) -> list[dict[str, Any]]:
    shots = [shot for camera in alert["cameras"] for shot in camera["snapshots"]]
    return [shot for shot in shots if shot["state"] == "ready"]


def test_a_press_reaches_the_county_with_pictures_and_ctrl_c_ends_it_all(start: StartDemo, port: int) -> None:
    demo = start("--cameras", "2")
    url = demo.hear(r"^console: (\S+)$")[1]
    user, password = demo.hear(r"^user: (\S+)$")[1], demo.hear(r"^password: (\S+)$")[1]
    assert url == f"http://127.0.0.1:{port}/"
    press = demo.hear(r"R1 received after \d+ ms, R2 at the county after \d+ ms \(alert (\S+)\)$")

    county = Browser(url, user, password)
    deadline = time.monotonic() + PATIENCE
    while not (pictures := first_pictures(alert := county.get(f"/api/v1/alerts/{press[1]}"))):
        assert time.monotonic() < deadline, f"no picture came to the county: {alert}"
        time.sleep(0.2)
    assert alert["node"] == "zhuyang", "raised at the township, read at the county"
    assert alert["source"]["known"] is True
    assert county.get(pictures[0]["url"]).startswith(b"\xff\xd8\xff"), "a JPEG"

    os.killpg(demo.process.pid, signal.SIGINT)
    assert demo.end() == 0, demo.complaint
    assert demo.left_behind() == ({}, [])
    assert "Traceback" not in demo.complaint


def test_a_duration_counts_from_when_it_is_up(start: StartDemo) -> None:
    demo = start("--duration", "1")
    assert demo.end() == 0, demo.complaint
    assert "\nuser: " in demo.said
    assert demo.left_behind() == ({}, [])
    assert "Traceback" not in demo.complaint


def test_it_can_be_ended_while_it_starts(start: StartDemo) -> None:
    demo = start()
    deadline = time.monotonic() + PATIENCE
    while len(demo.processes()) < 3:  # itself, broker, cameras
        assert time.monotonic() < deadline
        time.sleep(0.05)
    demo.process.send_signal(signal.SIGTERM)
    assert demo.end() == 0, demo.complaint
    assert "console:" not in demo.said
    assert demo.left_behind() == ({}, [])
    assert "Traceback" not in demo.complaint


def test_a_county_that_is_killed_comes_back_and_has_every_press(start: StartDemo, port: int) -> None:
    demo = start("--cameras", "2")
    user, password = demo.hear(r"^user: (\S+)$")[1], demo.hear(r"^password: (\S+)$")[1]
    county = int(demo.hear(r"kill -9 (\d+) \(county\)")[1])
    assert "county.yaml" in demo.processes()[county]
    os.kill(county, signal.SIGKILL)
    demo.hear(r"the county is gone; the township goes on taking presses")
    press = demo.hear(r"R1 received after \d+ ms, .* \(alert (\S+)\)$")
    demo.hear(r"next door to tv-0001, shows: 邻居求助")
    demo.hear(r"the county is back$")
    again, deadline = Browser(f"http://127.0.0.1:{port}/", user, password), time.monotonic() + PATIENCE
    while press[1] not in [alert["id"] for alert in again.get("/api/v1/alerts")["items"]]:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    os.killpg(demo.process.pid, signal.SIGINT)
    assert demo.end() == 0, demo.complaint
    assert demo.left_behind() == ({}, [])


def test_a_broker_that_dies_is_told(start: StartDemo) -> None:
    demo = start()
    demo.hear(r"^password: ")
    broker = next(pid for pid, line in demo.processes().items() if "broker" in line)
    os.kill(broker, signal.SIGKILL)
    assert demo.end() == 1
    assert "gateway: the broker ended unexpectedly; the log ends with:\n" in demo.complaint
    assert demo.left_behind() == ({}, [])


@pytest.mark.parametrize("offset", [0, 1])
def test_a_port_in_use_is_a_sentence(start: StartDemo, port: int, offset: int) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port + offset))
        taken.listen()
        demo = start()
        assert demo.end() == 1
    assert demo.complaint.startswith(
        f"gateway: port {port + offset} of 127.0.0.1 is in use; choose another with --port"
    )
    assert (demo.said, demo.left_behind()) == ("", ({}, []))
