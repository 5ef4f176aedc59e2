"""Live pictures in a browser of another make: from the township's own console, and at the county, which cannot reach it.

Where this machine has network namespaces the township stands behind a wall that lets nothing in, and the county is tried
through that; where it has none, both stand side by side.
"""

import asyncio
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
CAMERA = "51172400001310000001"
HOME = "51172400001310000002"
PASSWORD = "a lantern in the orchard 9"
CAMERA_PASSWORD = "lantern-orchard-7"  # of the GstRtspServer of conftest.py


def run(*words: str) -> bool:
    return subprocess.run(words, capture_output=True).returncode == 0


@dataclass(frozen=True)
class Wall:
    """A namespace at ``lower`` that dials ``upper`` here and lets nobody dial it."""

    name: str
    upper: str
    lower: str


@contextmanager
def wall() -> Iterator[Wall | None]:
    """One of our own, beside those of other runs on this machine; None where this machine has none."""
    number = os.getpid() % 16_384  # of the networks of four addresses in 10.214.0.0/16: the fault lab has 10.213
    net = f"10.214.{number // 64}.{number % 64 * 4}"
    name, upper, lower = f"gw{number}", *(str(ip_address(net) + one) for one in (1, 2))
    ours, theirs = f"{name}u", f"{name}l"
    inside = ("ip", "netns", "exec", name)
    steps = (
        ("ip", "netns", "add", name),
        ("ip", "link", "add", ours, "type", "veth", "peer", "name", theirs),
        ("ip", "link", "set", theirs, "netns", name),
        ("ip", "addr", "add", f"{upper}/30", "dev", ours),
        ("ip", "link", "set", ours, "up"),
        (*inside, "ip", "addr", "add", f"{lower}/30", "dev", theirs),
        (*inside, "ip", "link", "set", theirs, "up"),
        (*inside, "ip", "link", "set", "lo", "up"),
        # as a NAT box: answers come in, and nothing that nobody asked for
        (*inside, "iptables", "-A", "INPUT", "-i", theirs, "-p", "tcp", "--syn", "-j", "DROP"),
        (*inside, "iptables", "-A", "INPUT", "-i", theirs, "-p", "udp", "-j", "DROP"),
    )
    try:
        yield Wall(name, upper, lower) if os.geteuid() == 0 and all(run(*step) for step in steps) else None
    finally:
        run("ip", "netns", "del", name)
        run("ip", "link", "del", ours)


class Screen:
    """A browser: aiortc with nothing of ours, which decodes what it gets."""

    def __init__(self, node: Any, token: str | None = None, cookie: str | None = None) -> None:
        self.node = node
        self._who = {"Cookie": cookie} if cookie else {"Authorization": f"Bearer {token or node.token}"}
        self.frames: list[Any] = []
        self.headers: Mapping[str, str] = {}
        self.place = ""
        self._peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._came = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def look(self, camera: str, reason: str = "alert a1") -> tuple[int, str]:
        self._peer.addTransceiver("video", direction="recvonly")
        await self._peer.setLocalDescription()
        offer = self._peer.localDescription.sdp
        query = f"?reason={urllib.request.quote(reason)}"
        status, text = await self.send("POST", f"/api/v1/cameras/{camera}/whep{query}", offer)
        if status == 201:
            self.place = self.headers["Location"]
            await self._peer.setRemoteDescription(RTCSessionDescription(text, "answer"))
            self._task = asyncio.create_task(self._watch())
        return status, text

    async def send(self, method: str, path: str, body: str | None = None) -> tuple[int, str]:
        headers = {**self._who, "Content-Type": "application/sdp"}
        data = None if body is None else body.encode()
        request = urllib.request.Request(self.node.base + path, data=data, headers=headers, method=method)

        def ask() -> tuple[int, str]:
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    self.headers = answer.headers
                    return answer.status, answer.read().decode()
            except urllib.error.HTTPError as error:
                return error.code, error.read().decode()

        return await asyncio.to_thread(ask)

    async def sees(self, count: int) -> list[Any]:
        """The next ``count`` pictures, decoded."""
        wanted = len(self.frames) + count
        async with asyncio.timeout(90):
            while len(self.frames) < wanted:
                self._came.clear()
                await self._came.wait()
        return self.frames[-count:]

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._peer.close()

    async def _watch(self) -> None:
        track = self._peer.getReceivers()[0].track
        while True:
            self.frames.append(await track.recv())
            self._came.set()


@pytest.fixture
async def screen() -> Any:
    made: list[Screen] = []

    def make(node: Any, **who: str) -> Screen:
        made.append(Screen(node, **who))
        return made[-1]

    yield make
    for each in made:
        await each.close()


def person(node: Any, name: str, *words: str) -> None:
    done = node.command("user", "add", name, *words, "--password-stdin", text=PASSWORD)
    assert done.returncode == 0, done.stderr


def auditor(node: Any) -> None:
    """Zhou may read the audit."""
    person(node, "zhou", "--role", "maintainer")


def looks(node: Any, camera: str) -> list[tuple[str, str | None]]:
    status, body = node.request("/api/v1/audit?limit=500", cookie=node.log_in("zhou", PASSWORD))
    assert status == 200, body
    return looks_in(body, camera)


def looks_in(body: bytes, camera: str) -> list[tuple[str, str | None]]:
    lines = [line for line in json.loads(body)["items"] if line["object"] == f"cameras/{camera}"]
    return sorted((line["actor"], line["reason"]) for line in lines if line["action"] == "view_camera")


def figure(metrics: str, name: str) -> float:
    with urllib.request.urlopen(metrics, timeout=20) as answer:
        text = answer.read().decode()
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))


async def test_a_townships_camera_is_seen_live_by_those_who_may(town, seen, screen) -> None:  # type: ignore[no-untyped-def]
    def a_household_too(document: Any) -> None:
        document["cameras"][1]["scene"] = "household"

    town.edit(a_household_too)
    node = town.township
    auditor(node)
    person(node, "elsewhere", "--role", "viewer", "--areas", "511799")
    node.start()
    await asyncio.to_thread(town.wait_for_camera, CAMERA)

    watching = screen(node)
    status, answer = await watching.look(CAMERA, "十字口有人求助")
    assert status == 201, answer
    assert watching.headers["Live-Codec"] == "h264"
    assert {(frame.width, frame.height) for frame in await watching.sees(30)} == {(640, 360)}
    assert await asyncio.to_thread(looks, node, CAMERA) == [("tests", "十字口有人求助")]

    elsewhere = await asyncio.to_thread(node.log_in, "elsewhere", PASSWORD)
    for who, camera, reason, refused in (
        ({"cookie": elsewhere}, CAMERA, "alert a1", 404),
        ({}, CAMERA, " ", 422),
        ({}, HOME, "alert a1", 403),
    ):
        status, problem = await screen(node, **who).look(camera, reason)
        assert status == refused, problem
    assert await asyncio.to_thread(looks, node, HOME) == []

    leaving = screen(node)
    assert (await leaving.look(CAMERA))[0] == 201
    for _ in range(2):
        assert (await leaving.send("DELETE", leaving.place))[0] == 200
    assert await watching.sees(5)  # the one who stays; the node stops under his eyes
    assert await asyncio.to_thread(node.stop) == 0


class Levels:
    """A county here, and a township that nobody can dial: behind a wall, where this machine has any."""

    def __init__(self, node_of: Callable[..., Any], wall: Wall | None) -> None:
        self.wall = wall
        self._inside = ("ip", "netns", "exec", wall.name) if wall else ()
        self.county = node_of("dazhu", "county", "511724", sources=[{"kind": "cascade", "id": "lower"}])
        port = self.county.base.rpartition(":")[2]
        self._edit(self.county.config, lambda document: document["http"].update(listen=f"0.0.0.0:{port}"))
        auditor(self.county)
        self.camera, address = self._play()
        url = f"http://{wall.upper if wall else '127.0.0.1'}:{port}"
        place = {"lon": 107.2, "lat": 30.7, "area_code": "511724001001"}
        self.township = node_of(
            "zhuyang", "township", "511724001", uppers={"county": (self.county, url)},
            cameras=[
                {"id": CAMERA, "name": "十字口东", "scene": "street", "place": place, "rtsp": {"main": address}},
                {"id": HOME, "name": "王家院子", "scene": "household", "place": place, "rtsp": {"main": address}},
            ],
        )  # fmt: skip
        self.port = int(self.township.base.rpartition(":")[2])
        if wall:
            self._edit(self.township.config, lambda document: document["http"].update(listen=f"0.0.0.0:{self.port}"))
        auditor(self.township)

    @staticmethod
    def _edit(config: Path, change: Callable[[Any], None]) -> None:
        document = YAML().load(config.read_text(encoding="utf-8"))
        change(document)
        with config.open("w", encoding="utf-8") as file:
            YAML().dump(document, file)

    def _play(self) -> tuple["subprocess.Popen[str]", str]:
        camera = subprocess.Popen(
            [*self._inside, "/usr/bin/python3", str(ROOT / "tests/peers/gst_server.py"), "--fps", "25", "--gop", "50"],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert camera.stdout is not None
        word, address = camera.stdout.readline().split()[:2]
        assert word == "ready"
        return camera, address

    def start(self) -> None:
        self.county.start()
        with self.township.log.open("ab") as log:
            self.township.process = subprocess.Popen(
                [*self._inside, sys.executable, "-m", "gateway", "run", "-c", str(self.township.config)],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=ROOT,
            )  # fmt: skip

    def online(self) -> bool:
        status, body = self.county.request(f"/api/v1/cameras/zhuyang:{CAMERA}")
        return status == 200 and json.loads(body)["state"] == "online"

    def audit_below(self) -> list[tuple[str, str | None]]:
        """What the township's own ledger says, asked from where it is."""
        base = f"http://127.0.0.1:{self.port}/api/v1"
        login = json.dumps({"username": "zhou", "password": PASSWORD})
        shell = (
            "curl -s -o /dev/null -c - -H 'Content-Type: application/json' -d @- "
            f"{base}/session | curl -s -b - '{base}/audit?limit=500'"
        )
        done = subprocess.run([*self._inside, "sh", "-c", shell], input=login.encode(), capture_output=True, check=True)
        return looks_in(done.stdout, CAMERA)

    def uplinks(self) -> float:
        return figure(self.county.metrics, 'gateway_live_sessions{protocol="cascade_in"}')

    def end(self) -> None:
        self.camera.terminate()
        self.camera.wait(timeout=60)
        assert self.camera.stdout is not None
        self.camera.stdout.close()


@pytest.fixture
def levels(node_of: Callable[..., Any]) -> Iterator[Levels]:
    with wall() as found:
        made = Levels(node_of, found)
        yield made
        made.end()
        process = made.township.process
        if process is not None and process.poll() is None:
            process.terminate()
            process.wait(timeout=60)


def dialled(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{address}/livez", timeout=3):
            return True
    except OSError:
        return False


async def test_a_county_shows_what_it_cannot_reach(levels, seen, screen, record_property) -> None:  # type: ignore[no-untyped-def]
    record_property("township", "behind a wall" if levels.wall else "beside")
    levels.start()
    county, lower = levels.county, f"zhuyang:{CAMERA}"
    await asyncio.to_thread(seen, "the township's camera at the county", levels.online)
    if levels.wall:
        assert not await asyncio.to_thread(dialled, f"{levels.wall.lower}:{levels.port}")

    status, jpeg = await asyncio.to_thread(county.request, f"/api/v1/cameras/{lower}/snapshot.jpg?reason=alert%20a1")
    assert (status, jpeg[:2]) == (200, b"\xff\xd8"), jpeg
    first, second = screen(county), screen(county, token=county.new_token("wang", "--role", "viewer"))
    for each in (first, second):
        status, answer = await each.look(lower)
        assert status == 201, answer
        assert {(frame.width, frame.height) for frame in await each.sees(30)} == {(640, 360)}
    assert await asyncio.to_thread(levels.uplinks) == 1

    wanted = [("tests", "alert a1"), ("wang", "alert a1")]
    assert await asyncio.to_thread(looks, county, lower) == wanted
    named = [(f"county/{viewer}", reason) for viewer, reason in wanted]
    assert await asyncio.to_thread(levels.audit_below) == named

    status, problem = await screen(county).look(f"zhuyang:{HOME}")
    assert (status, "household" in problem) == (403, True), problem

    await first.send("DELETE", first.place)
    assert len(await second.sees(10)) == 10
    await second.send("DELETE", second.place)
    await asyncio.to_thread(seen, "the uplink ended", lambda: levels.uplinks() == 0)
    third = screen(county)
    assert (await third.look(lower))[0] == 201
    assert await third.sees(5)  # both nodes stop under his eyes
    levels.township.process.terminate()
    assert await asyncio.to_thread(levels.township.process.wait, 60) == 0
    assert await asyncio.to_thread(county.stop) == 0


async def test_a_city_sees_what_is_two_levels_below_it(node_of, rtsp_camera, seen, screen) -> None:  # type: ignore[no-untyped-def]
    below = {"sources": [{"kind": "cascade", "id": "lower"}]}
    city = node_of("dazhou", "city", "5117", **below)
    county = node_of("dazhu", "county", "511724", uppers={"city": (city, None)}, **below)
    stream = {"main": rtsp_camera, "username": "gateway", "password": CAMERA_PASSWORD}
    place = {"lon": 107.2, "lat": 30.7, "area_code": "511724001001"}
    township = node_of(
        "zhuyang", "township", "511724001", uppers={"county": (county, None)},
        cameras=[{"id": CAMERA, "name": "十字口东", "scene": "street", "place": place, "rtsp": stream}],
    )  # fmt: skip
    auditor(township)
    nodes = (city, county, township)
    for node in nodes:
        await asyncio.to_thread(node.start)
    lower = f"zhuyang:{CAMERA}"

    def online() -> bool:
        status, body = city.request(f"/api/v1/cameras/{lower}")
        return status == 200 and json.loads(body)["state"] == "online"

    await asyncio.to_thread(seen, "the township's camera at the city", online)
    above, between = screen(city), screen(county)
    for each in (above, between):
        status, answer = await each.look(lower)
        assert status == 201, answer
        assert {(frame.width, frame.height) for frame in await each.sees(30)} == {(640, 360)}
    status, jpeg = await asyncio.to_thread(city.request, f"/api/v1/cameras/{lower}/snapshot.jpg?reason=alert%20a1")
    assert (status, jpeg[:2]) == (200, b"\xff\xd8"), jpeg
    assert await asyncio.to_thread(looks, township, CAMERA) == [
        ("county/city/tests", "alert a1"),
        ("county/tests", "alert a1"),
    ]
    await above.send("DELETE", above.place)
    sent = 'gateway_live_sessions{protocol="cascade_out"}'
    await asyncio.to_thread(seen, "the city's uplink ended", lambda: figure(county.metrics, sent) == 0)
    await asyncio.to_thread(seen, "the relay ended too", lambda: figure(township.metrics, sent) == 1)
    assert await between.sees(10)
