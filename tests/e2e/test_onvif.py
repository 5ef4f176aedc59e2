"""Cameras that come as boxes: found, enrolled, heard, moved, with real processes and simulated devices with real video."""

import base64
import contextlib
import hashlib
import http.server
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
PASSWORD = "lantern-orchard-7"
AREA = "511724001001"


def a_subnet() -> int:
    """One at whose first address nobody hears searches: a demo, or another run of the suite, may draw the same."""
    while True:
        drawn = random.randrange(20, 250)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
            probe.bind((f"127.{drawn}.0.1", 3702))
            return drawn


class Lab:
    """``gateway lab onvif`` in a process of its own, at addresses where no other lab is."""

    def __init__(self, devices: int, *words: str) -> None:
        self.subnet = a_subnet()
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "gateway", "lab", "onvif", "--leashed", "--count", str(devices), "--profile", "sub",
             "--user", "admin", "--password-env", "LAB_PASSWORD", "--subnet", str(self.subnet),
             "--discovery", "127.0.0.1", *words],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT,
            env=os.environ | {"LAB_PASSWORD": PASSWORD},
        )  # fmt: skip
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        assert self._stdin is not None and self._stdout is not None
        line = self._stdout.readline()
        if not line:
            self.close()
        ports = json.loads(line)
        self.port, self.rtsp_port = ports["port"], ports["rtsp_port"]

    def order(self, **order: Any) -> dict[str, Any]:
        assert self._stdin is not None and self._stdout is not None
        with self._lock:
            self._stdin.write(json.dumps(order) + "\n")
            self._stdin.flush()
            answer: dict[str, Any] = json.loads(self._stdout.readline())
        assert answer.get("ok"), answer
        return answer

    def fire(self, device: int, active: bool = True, place: int = 1) -> None:
        self.order(event="input", active=active, devices=str(device), place=place)

    def host(self, device: int) -> str:
        return f"127.{self.subnet}.0.{device}"

    def seen(self, device: int) -> dict[str, Any]:
        found: dict[str, Any] = self.order(figures=str(device))["each"][str(device)]
        return found

    def failed_logins(self, device: int) -> int:
        """Verifications that failed, over ONVIF, RTSP and snapshots."""
        return int(self.order(figures=True)["failed_logins"].get(str(device), 0))

    def camera(self, device: int, password: str = PASSWORD) -> dict[str, Any]:
        """As a configuration has it."""
        login = {"username": "admin", "password": password}
        return {"id": f"cam-{device}", "onvif": {"host": self.host(device), "port": self.port, **login}}

    def stream(self, device: int) -> str:
        return f"rtsp://{self.host(device)}:{self.rtsp_port}/cam/{device}/sub"

    def close(self) -> None:
        assert self._stdin is not None and self._stdout is not None
        self._stdin.close()
        self._process.wait(timeout=60)
        self._stdout.close()


@pytest.fixture
def lab() -> Iterator[Callable[..., Lab]]:
    opened: list[Lab] = []

    def open_lab(devices: int, *words: str) -> Lab:
        opened.append(Lab(devices, *words))
        return opened[-1]

    yield open_lab
    for one in opened:
        one.close()


class Place:
    """Nodes in a directory of their own."""

    def __init__(self, directory: Path, new_node: Callable[[Path, int], Any], free_port: Callable[[], int]) -> None:
        self.directory, self._new_node, self._free_port = directory, new_node, free_port
        self.nodes: list[Any] = []

    def node(self, name: str, level: str = "township", **rest: Any) -> Any:
        """Not started yet."""
        port, path = self._free_port(), self.directory / f"{name}.yaml"
        document = {
            "node": {"id": name, "level": level, "area_code": "511724001"},
            "data_dir": f"./{name}-data",
            "http": {"listen": f"127.0.0.1:{port}"},
            "discovery": {"interfaces": ["127.0.0.1"]},
            **rest,
        }
        with path.open("w", encoding="utf-8") as file:
            YAML().dump(document, file)
        node = self._new_node(path, port)
        node.token = node.new_token("tests", "--role", "operator")
        self.nodes.append(node)
        return node

    def below(self, county: Any, name: str = "zhuyang", **rest: Any) -> Any:
        """A township that sends its alerts to ``county``."""
        token = county.new_token(name, "--role", "node", "--node", name)
        (self.directory / "county.token").write_text(token, encoding="utf-8")
        sink = {"kind": "cascade", "id": "county", "url": county.base, "token": {"file": "county.token"}}
        return self.node(name, sinks=[sink], **rest)

    def end(self) -> None:
        for node in self.nodes:
            if node.process is not None and node.process.poll() is None:
                os.kill(node.process.pid, signal.SIGCONT)  # one that a failed test left stopped
                node.process.kill()
                node.process.wait(timeout=60)
            node.end_workers()


@pytest.fixture
def place(new_node: Callable[[Path, int], Any], free_port: Callable[[], int]) -> Iterator[Place]:
    directory = Path(tempfile.mkdtemp(prefix="o-", dir="/tmp"))  # short: the workers' Unix sockets lie below it
    made = Place(directory, new_node, free_port)
    yield made
    made.end()
    shutil.rmtree(directory)


def state(node: Any, camera: str) -> str:
    return str(node.get(f"/cameras/{camera}")["state"])


def listens(node: Any, camera: str) -> bool:
    return bool(node.get(f"/cameras/{camera}/device")["events"] == "listening")


def wait_until_heard(node: Any, seen: Callable[..., Any], *cameras: str) -> None:
    for camera in cameras:
        seen(f"{camera} heard and online", lambda c=camera: listens(node, c) and state(node, c) == "online")


def alerts_of(node: Any, camera: str) -> list[dict[str, Any]]:
    return [alert for alert in node.alerts() if alert["source"]["id"] == camera]


def alert_of(node: Any, camera: str) -> dict[str, Any] | None:
    listed = alerts_of(node, camera)
    return node.alert(listed[0]["id"]) if listed else None


def snapshots(alert: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for camera in alert["cameras"] for one in camera["snapshots"]]


def logged_in(node: Any, role: str) -> Callable[..., tuple[int, Any]]:
    """Requests as a user of this role."""
    done = node.command("user", "add", role, "--role", role, "--password-stdin", text="a-fine-pass-phrase\n")
    assert done.returncode == 0, done.stderr
    cookies: list[str] = []

    def request(method: str, path: str, body: Any = None) -> tuple[int, Any]:
        if not cookies:
            cookies.append(node.log_in(role, "a-fine-pass-phrase"))
        status, content = node.request(f"/api/v1{path}", method=method, body=body, cookie=cookies[0])
        return status, json.loads(content) if content else None

    return request


def test_a_box_is_found_enrolled_and_heard(place, lab, seen) -> None:  # type: ignore[no-untyped-def]
    boxes = lab(2)
    county = place.node("dazhu", "county", sources=[{"kind": "cascade", "id": "lower"}]).start()
    township = place.below(county)
    text = "# written by hand\n" + township.config.read_text(encoding="utf-8")
    township.config.write_text(text, encoding="utf-8")
    township.start()

    # found: by multicast, or one by one where this machine has no multicast on its loopback interface
    search = ("discover", "--json", "--timeout", "2", "--range", f"127.{boxes.subnet}.0.1-2")
    # a busy machine may be slower with an answer than a search waits
    (first, second) = seen("both boxes", lambda: len(both := found(township, search, boxes)) == 2 and both)
    assert (first["host"], first["port"], first["cameras"]) == (boxes.host(1), boxes.port, [])
    assert first["identity"] != second["identity"]

    # enrolled: with one command, its address as a browser shows it; and over the API
    address = f"http://{boxes.host(1)}:{boxes.port}/onvif/device_service"
    login = ("--username", "admin", "--password-stdin")
    done = township.command("cameras", "add", "--onvif", address, *login, "--area", AREA, text=f"{PASSWORD}\n")
    assert done.returncode == 0, done.stderr
    one = re.search(r"camera (\S+) was added", done.stdout)[1]
    admin = logged_in(township, "admin")
    wanted = {"name": "村口", "onvif": boxes.camera(2)["onvif"]}
    status, other = admin("POST", "/cameras", wanted)
    assert status == 201, other
    status, twice = admin("POST", "/cameras", wanted)
    assert (status, twice["cameras"]) == (409, [other["id"]])
    seen("the first in force", lambda: township.request(f"/api/v1/cameras/{one}")[0] == 200)
    wait_until_heard(township, seen, one, other["id"])
    assert township.get(f"/cameras/{one}")["codec"] == "h264"
    known = seen("both boxes again", lambda: len(both := found(township, search, boxes)) == 2 and both)
    assert [each["cameras"] for each in known] == [[one], [other["id"]]]
    assert township.config.read_text(encoding="utf-8").startswith("# written by hand\n")

    # heard: a button on its input is an alert at the county, with the pictures of that moment
    boxes.fire(1)
    at_county = seen("the alert at the county", lambda: alert_of(county, one))
    assert (at_county["kind"], at_county["severity"], at_county["condition"]) == ("digital_input", 2, "active")
    assert at_county["source"] == {"type": "camera", "id": one, "name": "Lab Simulated 1", "known": True}
    early = seen("pictures at the county", lambda: early_pictures(county.alert(at_county["id"])))
    assert [shot["state"] for shot in early] == ["ready", "ready"], early
    for shot in early:
        status, jpeg = county.request(shot["url"])
        assert (status, jpeg[:2], hashlib.sha256(jpeg).hexdigest()) == (200, b"\xff\xd8", shot["sha256"])
        assert shot["offset_ms"] <= 0
    boxes.fire(1, active=False)
    seen("its end at the county", lambda: county.alert(at_county["id"])["condition"] == "cleared")
    assert [each["id"] for each in county.alerts()] == [at_county["id"]]

    assert (boxes.failed_logins(1), boxes.failed_logins(2)) == (0, 0)
    assert places_of_password(place.directory, township) == {"secrets"}
    assert PASSWORD not in json.dumps([township.get("/cameras"), township.get("/devices"), admin("GET", "/audit")])


def found(node: Any, search: Sequence[str], boxes: Lab) -> list[dict[str, Any]]:
    done = node.command(*search)
    assert done.returncode == 0, done.stderr
    mine = [each for each in json.loads(done.stdout)["items"] if each["port"] == boxes.port]
    return sorted(mine, key=lambda each: str(each["host"]))


def early_pictures(alert: dict[str, Any]) -> list[dict[str, Any]] | None:
    early = [shot for shot in snapshots(alert) if shot["wanted_ms"] <= 0]
    return early if early and all(shot["state"] != "pending" for shot in early) else None


def places_of_password(directory: Path, node: Any) -> set[str]:
    """The directories whose files hold it, and ``proc`` where a process shows it."""
    forms = (PASSWORD.encode(), base64.b64encode(PASSWORD.encode()).rstrip(b"="))
    places = set()
    for path in (each for each in directory.rglob("*") if each.is_file()):
        if any(form in path.read_bytes() for form in forms):
            places.add(path.parent.name)
            assert path.stat().st_mode & 0o777 == 0o600, path
    for pid in (node.process.pid, *node.worker_pids()):
        for name in ("cmdline", "environ"):
            if any(form in Path(f"/proc/{pid}/{name}").read_bytes() for form in forms):
                places.add("proc")
    return places


def test_a_wrong_password_is_tried_once_everywhere(place, lab, seen) -> None:  # type: ignore[no-untyped-def]
    boxes = lab(2)
    wrong = boxes.camera(1, "not-the-password")
    wrong["rtsp"] = {"main": boxes.stream(1), "username": "admin", "password": "not-the-password"}
    township = place.node("zhuyang", cameras=[wrong, boxes.camera(2)])
    admin = logged_in(township, "admin")
    township.start()

    def refused_and_the_other_heard_again(sessions: int) -> None:
        """The other camera shows that whoever was started anew has had its time to dial."""
        seen("the other one heard again", lambda: boxes.seen(2)["created"] >= sessions)
        wait_until_heard(township, seen, "cam-2")
        seen("auth_failed", lambda: state(township, "cam-1") == "auth_failed")
        assert boxes.failed_logins(1) == 1

    refused_and_the_other_heard_again(1)
    camera = township.get("/cameras/cam-1")
    assert "refuses the user name or the password" in camera["reason"]
    status, _ = township.request("/api/v1/cameras/cam-1/snapshot.jpg?reason=looking")
    assert status in (503, 504)

    before = township.logged().count("the configuration is reloaded")
    township.process.send_signal(signal.SIGHUP)
    seen("the reload", lambda: township.logged().count("the configuration is reloaded") > before)
    (worker,) = township.worker_pids()
    os.kill(worker, signal.SIGKILL)
    seen("another worker", lambda: set(township.worker_pids()) - {worker})
    refused_and_the_other_heard_again(2)
    township.kill()
    township.start()
    refused_and_the_other_heard_again(2)
    assert "not-the-password" not in township.logged() + json.dumps(township.get("/cameras"))

    status, answer = admin("PATCH", "/cameras/cam-1", {"credential": {"username": "admin", "password": PASSWORD}})
    assert status == 200, answer
    wait_until_heard(township, seen, "cam-1")
    assert boxes.failed_logins(1) == 1


def test_a_wrong_clock_is_named_and_locks_nobody_out(place, lab, seen) -> None:  # type: ignore[no-untyped-def]
    offsets = {
        1: 1800,
        2: -1800,
        3: -1_750_000_000,
    }  # half an hour fast, half an hour slow, and a clock of the seventies
    boxes = lab(3, *(f"--fault=wrong_clock={offset}:{device}" for device, offset in offsets.items()))
    township = place.node("zhuyang", cameras=[boxes.camera(device) for device in offsets]).start()
    wait_until_heard(township, seen, *(f"cam-{device}" for device in offsets))
    for device, offset in offsets.items():
        assert "clock" in township.get(f"/cameras/cam-{device}")["faults"]
        told = township.get(f"/cameras/cam-{device}/device")
        assert "clock" in told["faults"]
        assert abs(told["clock"]["offset_s"] - offset) <= 60
        boxes.fire(device)
    for device, offset in offsets.items():
        alert = seen(f"the alert of {device}", lambda d=device: alert_of(township, f"cam-{d}"))
        assert abs(alert["detail"]["clock"]["offset_s"] - offset) <= 60
        assert alert["detail"].keys().isdisjoint({"late", "late_by_s", "clock_unset"}), alert["detail"]
        assert [shot["wanted_ms"] for shot in snapshots(alert)] == [-5000, 0, 3000, 10000]
        assert boxes.failed_logins(device) == 0


def test_a_camera_that_moved_is_found_and_a_stranger_is_given_nothing(place, lab, seen) -> None:  # type: ignore[no-untyped-def]
    boxes = lab(1)
    old, moved, elsewhere = boxes.host(1), f"127.{boxes.subnet}.7.1", f"127.{boxes.subnet}.7.2"
    search = {"interfaces": ["127.0.0.1"], "ranges": [f"127.{boxes.subnet}.7.0/30"]}
    township = place.node("zhuyang", discovery=search)
    admin = logged_in(township, "admin")
    township.start()
    status, camera = admin("POST", "/cameras", boxes.camera(1))
    assert status == 201, camera
    wait_until_heard(township, seen, "cam-1")

    def written() -> dict[str, Any]:
        (only,) = YAML().load(township.config.read_text(encoding="utf-8"))["cameras"]
        return dict(only["onvif"])

    def says_hello() -> None:
        boxes.order(power="off")
        boxes.order(power="on")

    with Stranger(elsewhere, written()["identity"]) as stranger:
        boxes.order(move=1, host=moved)
        seen("it gone", lambda: state(township, "cam-1") == "offline" and not listens(township, "cam-1"))
        says_hello()  # else it is looked for after a minute
        seen("two that claim to be it", lambda: "2 devices say that they are it" in township.logged(), 200)
        assert written()["host"] == old
    says_hello()
    seen("its new address", lambda: written()["host"] == moved, 200)
    wait_until_heard(township, seen, "cam-1")
    assert [each["id"] for each in township.get("/cameras")["items"]] == ["cam-1"]
    (line,) = [each for each in admin("GET", "/audit")[1]["items"] if each["action"] == "camera_moved"]
    assert (line["actor"], line["object"]) == ("gateway", "cameras/cam-1")
    assert stranger.asked, "nobody asked the stranger who it is"
    assert not [said for said in stranger.asked if re.search(rb"(?i)authorization:|password|usernametoken", said)]
    assert boxes.failed_logins(1) == 0


class Stranger:
    """A box that answers searches with somebody else's identity, and asks for a password in the clear."""

    def __init__(self, host: str, identity: str) -> None:
        stranger = self
        self.asked: list[bytes] = []
        self.identity = identity

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                stranger.asked.append(bytes(self.headers) + body)
                answer = stranger.answer(body)
                self.send_response(401 if answer is None else 200)
                self.send_header("WWW-Authenticate", 'Basic realm="camera"')
                self.send_header("Content-Length", str(len(answer or b"")))
                self.end_headers()
                self.wfile.write(answer or b"")

            def log_message(self, *_: object) -> None: ...

        self._server = http.server.ThreadingHTTPServer((host, 0), Handler)
        self._probed = _Probed(host, identity, self._server.server_port)
        self._threads = [threading.Thread(target=each) for each in (self._server.serve_forever, self._probed.serve)]

    def answer(self, body: bytes) -> bytes | None:
        if b"GetSystemDateAndTime" in body:
            inner = (
                "<GetSystemDateAndTimeResponse><SystemDateAndTime><UTCDateTime><Time><Hour>1</Hour><Minute>2</Minute>"
                "<Second>3</Second></Time><Date><Year>2026</Year><Month>1</Month><Day>1</Day></Date></UTCDateTime>"
                "</SystemDateAndTime></GetSystemDateAndTimeResponse>"
            )
        elif b"GetEndpointReference" in body:
            inner = (
                f"<GetEndpointReferenceResponse><GUID>urn:uuid:{self.identity}</GUID></GetEndpointReferenceResponse>"
            )
        else:
            return None
        envelope = '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body>{}</s:Body></s:Envelope>'
        return envelope.format(inner).encode()

    def __enter__(self) -> "Stranger":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._probed.ended = True
        for thread in self._threads:
            thread.join(timeout=60)
        self._probed.close()


class _Probed:
    """Answers WS-Discovery at its own address."""

    def __init__(self, host: str, identity: str, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((host, 3702))
        self._socket.settimeout(0.5)
        self.ended = False
        self._match = (
            f"<a:EndpointReference><a:Address>urn:uuid:{identity}</a:Address></a:EndpointReference>"
            f"<d:Types>tds:Device</d:Types><d:XAddrs>http://{host}:{port}/onvif/device_service</d:XAddrs>"
        )

    def serve(self) -> None:
        while not self.ended:
            try:
                probe, sender = self._socket.recvfrom(65_536)
            except TimeoutError:
                continue
            asked = re.search(rb"MessageID[^>]*>([^<]*)<", probe)
            if asked is not None and b"Probe" in probe:
                self._socket.sendto(self._message(asked[1].decode()).encode(), sender)

    def _message(self, relates_to: str) -> str:
        discovery = "http://schemas.xmlsoap.org/ws/2005/04/discovery"
        return (
            '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:d="' + discovery + '" '
            'xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" '
            'xmlns:tds="http://www.onvif.org/ver10/device/wsdl"><s:Header>'
            f"<a:Action>{discovery}/ProbeMatches</a:Action><a:RelatesTo>{relates_to}</a:RelatesTo></s:Header>"
            f"<s:Body><d:ProbeMatches><d:ProbeMatch>{self._match}</d:ProbeMatch></d:ProbeMatches></s:Body></s:Envelope>"
        )

    def close(self) -> None:
        self._socket.close()


def test_an_event_is_one_alert_whoever_is_killed(place, lab, seen) -> None:  # type: ignore[no-untyped-def]
    boxes = lab(3)
    township = place.node("zhuyang", cameras=[boxes.camera(device) for device in (1, 2, 3)]).start()
    wait_until_heard(township, seen, "cam-1", "cam-2", "cam-3")

    def fire_at_a_deaf_core(device: int) -> None:
        """The worker has it from the device, and the core not yet from the worker."""
        os.kill(township.process.pid, signal.SIGSTOP)
        before = boxes.seen(device)["told"]
        boxes.fire(device)
        seen("the worker told", lambda: boxes.seen(device)["told"] > before)

    fire_at_a_deaf_core(1)
    township.kill()
    township.start()
    seen("the alert of the killed core", lambda: alerts_of(township, "cam-1"))
    boxes.fire(1, active=False)
    seen("its end", lambda: alerts_of(township, "cam-1")[0]["condition"] == "cleared")

    (worker,) = township.worker_pids()
    fire_at_a_deaf_core(2)
    os.kill(worker, signal.SIGKILL)
    os.kill(township.process.pid, signal.SIGCONT)
    seen("the alert of the killed worker", lambda: alerts_of(township, "cam-2"))

    wait_until_heard(township, seen, "cam-1", "cam-2", "cam-3")
    boxes.fire(3)
    seen("a later event", lambda: alerts_of(township, "cam-3"))
    # A killed worker's successor notices for itself, so what the core had read a moment before may be told twice: it joins.
    cameras = ("cam-1", "cam-2", "cam-3")
    assert [len(alerts_of(township, camera)) for camera in cameras] == [1, 1, 1]
    assert alerts_of(township, "cam-1")[0]["count"] == 1


def test_a_press_turns_the_dome_to_the_household(place, lab, mosquitto, television, seen) -> None:  # type: ignore[no-untyped-def]
    boxes = lab(1)
    household = {"id": "tv-0001", "cameras": ["cam-1"], "presets": {"cam-1": "家门口"}}
    source = {"kind": "mqtt", "id": "tv", "url": f"mqtt://127.0.0.1:{mosquitto.port}"}
    township = place.node("zhuyang", cameras=[boxes.camera(1)], terminals=[household], sources=[source])
    viewer, operator = logged_in(township, "viewer"), logged_in(township, "operator")
    township.start()
    wait_until_heard(township, seen, "cam-1")
    television("tv-0001").press_until_received("p1")
    assert seen("the dome turned", lambda: boxes.seen(1)["preset"]) == {"1": "2"}
    (alert,) = township.alerts()
    turned = seen("an entry", lambda: [e for e in township.alert(alert["id"])["entries"] if e["action"] == "turned"])
    assert "家门口" in turned[0]["comment"]

    assert viewer("POST", "/cameras/cam-1/ptz", {"preset": "gate"})[0] == 403
    assert viewer("GET", "/cameras/cam-1/presets")[0] == 403
    status, presets = operator("GET", "/cameras/cam-1/presets")
    assert (status, [each["name"] for each in presets["items"]]) == (200, ["gate", "家门口", "crossing"])
    assert boxes.seen(1)["preset"] == {"1": "2"}
    assert operator("POST", "/cameras/cam-1/ptz", {"preset": "gate"})[0] == 204
    assert boxes.seen(1)["preset"] == {"1": "1"}


def test_a_dark_stream_leaves_the_snapshot_address(place, lab, seen) -> None:  # type: ignore[no-untyped-def]
    boxes = lab(1, "--fault=silent_after_play")
    alerts = {"snapshot_offsets": [-5, 0, 1]}
    township = place.node("zhuyang", cameras=[boxes.camera(1)], alerts=alerts).start()
    seen("its events heard", lambda: listens(township, "cam-1"))
    seen("no video", lambda: state(township, "cam-1") == "offline")
    boxes.fire(1)
    alert = seen("an alert", lambda: alert_of(township, "cam-1"))
    shots = seen("pictures", lambda: settled(township.alert(alert["id"])))
    before, *others = shots
    assert (before["state"], before["wanted_ms"]) == ("failed", -5000)
    assert before["reason"]
    assert [shot["state"] for shot in others] == ["ready"] * 2, others
    assert all(shot["offset_ms"] >= 0 for shot in others)
    status, jpeg = township.request(others[0]["url"])
    assert (status, hashlib.sha256(jpeg).hexdigest()) == (200, others[0]["sha256"])
    assert boxes.seen(1)["snapshots"]


def settled(alert: dict[str, Any]) -> list[dict[str, Any]] | None:
    shots = snapshots(alert)
    return shots if shots and all(shot["state"] != "pending" for shot in shots) else None


def test_what_cannot_be_enrolled_is_said_in_a_sentence(place, lab, free_port) -> None:  # type: ignore[no-untyped-def]
    boxes = lab(2, "--channels=2", "--fault=login_page:2")
    township = place.node("zhuyang")
    admin = logged_in(township, "admin")
    township.start()
    login = {"username": "admin", "password": PASSWORD}
    recorder = {"host": boxes.host(1), "port": boxes.port, **login}

    def said(onvif: dict[str, Any], **rest: Any) -> str:
        status, problem = admin("POST", "/cameras", {"onvif": onvif, **rest})
        assert (status, problem["status"]) == (422, 422), problem
        return str(problem["detail"])

    assert "nothing listens on that port" in said({**recorder, "port": free_port()})
    page = said({**recorder, "host": boxes.host(2)})
    assert "a log-in page; does it speak ONVIF on another port?" in page
    assert "Article 8" in said(recorder, name="悦来宾馆客房302")
    assert "Article 8" in said(recorder, place={"type": "更衣室"})
    assert boxes.seen(1)["calls"] == {}, "a forbidden place is refused before the device is asked"
    assert "refuses the user name or the password" in said({**recorder, "password": "wrong"})
    assert boxes.failed_logins(1) == 1
    _, choice = admin("POST", "/cameras", {"onvif": recorder})
    assert [channel["source"] for channel in choice["channels"]] == ["VS1", "VS2"]
    assert "cameras" not in YAML().load(township.config.read_text(encoding="utf-8"))
    assert not list(place.directory.glob("secrets/*")), "a password was kept for no camera"
    status, both = admin("POST", "/cameras", {"onvif": recorder, "channels": "all"})
    assert (status, len(both["items"])) == (201, 2)
