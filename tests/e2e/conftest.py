"""A township and a county as real processes, with Mosquitto, GstRtspServer and a terminal that nobody here wrote."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
PATIENCE_S = 90.0
PASSWORD = "lantern-orchard-7"
# of a test that says nothing else: each of its waits ends a hang sooner, and a busy machine may need much of them all
LONGEST_S = 900.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(LONGEST_S))


def wait_for(what: str, look: Callable[[], Any], patience: float = PATIENCE_S) -> Any:
    """Look until something true is seen. The bound is generous: it ends a hang, it measures nothing."""
    deadline = time.monotonic() + patience
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"never seen: {what}; last seen: {seen!r}")
        time.sleep(0.05)


class Node:
    """One ``gateway run`` process and its API."""

    def __init__(self, config: Path, port: int) -> None:
        self.config = config
        self.base = f"http://127.0.0.1:{port}"
        self.log = config.with_suffix(".log")
        self.metrics = ""
        self.token = ""
        self.process: subprocess.Popen[bytes] | None = None

    def command(self, *words: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "gateway", *words, "-c", str(self.config)],
            input=text, capture_output=True, text=True, timeout=120, cwd=ROOT,
        )  # fmt: skip
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def new_token(self, name: str, *words: str) -> str:
        done = self.command("token", "add", name, *words)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip().splitlines()[-1]

    def start(self) -> "Node":
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gateway", "run", "-c", str(self.config)],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=ROOT,
            )  # fmt: skip
        wait_for(f"{self.config.name} ready", self.ready)
        return self

    def ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text(encoding="utf-8")[-4000:]
        try:
            with urllib.request.urlopen(f"{self.base}/readyz", timeout=20) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(timeout=60)

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)

    def log_in(self, user: str, password: str) -> str:
        """The cookie of a session."""
        body = json.dumps({"username": user, "password": password}).encode()
        headers = {"Content-Type": "application/json", "Origin": self.base}
        request = urllib.request.Request(f"{self.base}/api/v1/session", data=body, headers=headers, method="POST")
        with urllib.request.urlopen(request, timeout=60) as answer:
            return str(answer.headers["Set-Cookie"]).partition(";")[0]

    def request(
        self, path: str, *, method: str = "GET", body: Any = None, token: str | None = None, cookie: str | None = None
    ) -> tuple[int, bytes]:
        data = None if body is None else json.dumps(body).encode()
        caller = {"Authorization": f"Bearer {self.token if token is None else token}"}
        if cookie is not None:
            caller = {"Cookie": cookie, "Origin": self.base}
        headers = {"Content-Type": "application/json", **caller}
        request = urllib.request.Request(f"{self.base}{path}", data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def get(self, path: str) -> Any:
        status, body = self.request(f"/api/v1{path}")
        assert status == 200, (status, body)
        return json.loads(body)

    def alerts(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = self.get(f"/alerts?limit=500{cursor}")
            found += page["items"]
            if page["next"] is None:
                return found
            cursor = f"&cursor={page['next']}"

    def alert(self, alert_id: str) -> dict[str, Any] | None:
        status, body = self.request(f"/api/v1/alerts/{alert_id}")
        assert status in (200, 404), (status, body)
        return json.loads(body) if status == 200 else None

    def act(self, alert_id: str, action: str, **words: Any) -> tuple[int, Any]:
        body = {"action": action, **words}
        status, said = self.request(f"/api/v1/alerts/{alert_id}/actions", method="POST", body=body)
        return status, json.loads(said)

    def logged(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def hears(self, source: str) -> bool:
        """Whether it has said that this source of its is online."""
        named = f'"source": "{source}"'
        return any(named in line and "source is online" in line for line in self.logged().splitlines())

    def worker_pids(self) -> list[int]:
        """Video workers whose socket belongs to this node's data_dir."""
        parents: dict[int, int] = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if b"gateway.video.worker" in words and any(str(self.config.parent).encode() in word for word in words):
                parents[int(entry.name)] = parent
        # a decoder that a worker is just starting still has the worker's words
        return [pid for pid, parent in parents.items() if parent not in parents]

    def end_workers(self) -> None:
        for pid in self.worker_pids():
            with contextlib.suppress(ProcessLookupError):  # it was ending anyway
                os.kill(pid, signal.SIGKILL)


class Television:
    """A household's terminal: paho on its own thread, as a device would be. Keeps every answer it hears."""

    def __init__(self, port: int, terminal: str, *, version: int = mqtt.MQTTv311) -> None:
        self.terminal = terminal
        self.answers: list[dict[str, Any]] = []
        self.connected = threading.Event()
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=f"stb-{terminal}", protocol=version)
        self._client.on_connect = self._on_connect
        self._client.on_message = lambda _c, _u, message: self.answers.append(json.loads(message.payload))
        self._client.on_subscribe = lambda *_: self.connected.set()
        self._client.reconnect_delay_set(min_delay=1, max_delay=1)
        self._client.connect_async("127.0.0.1", port, keepalive=10)
        self._client.loop_start()
        assert self.connected.wait(60)

    def _on_connect(self, client: mqtt.Client, *_: object) -> None:
        client.subscribe(f"tv/{self.terminal}/ack", qos=1)

    def press(self, payload: dict[str, Any] | bytes, **words: Any) -> None:
        content = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        self._client.publish(f"tv/{self.terminal}/alarm", content, qos=1, **words)

    def cancel(self, press_id: str) -> None:
        self._client.publish(f"tv/{self.terminal}/cancel", json.dumps({"press_id": press_id}), qos=1)

    def press_until_received(self, press_id: str, kind: str = "sos") -> None:
        """Repeat the press each second until ``received`` is heard, as the contract's terminals do."""
        deadline = time.monotonic() + 120
        while not self.heard(press_id, "received"):
            assert time.monotonic() < deadline, f"{press_id} was never received"
            self.press({"press_id": press_id, "kind": kind})
            for _ in range(20):
                if self.heard(press_id, "received"):
                    break
                time.sleep(0.05)

    def heard(self, press_id: str, stage: str) -> list[dict[str, Any]]:
        return [answer for answer in self.answers if answer["press_id"] == press_id and answer["stage"] == stage]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


class Town:
    """The whole scene. ``township`` and ``county`` come from configs/, with this run's ports and directories."""

    def __init__(self, directory: Path, broker_port: int, cameras: dict[str, str], ports: list[int]) -> None:
        self.broker_port = broker_port
        self.county = self._node(directory, "county", ports[0], ports[1])
        self.township = self._node(directory, "township", ports[2], ports[3])
        self._settle(directory, cameras, ports[0])
        self.county.token = self.county.new_token("tests", "--role", "operator")
        self.township.token = self.township.new_token("tests", "--role", "operator")

    @staticmethod
    def _node(directory: Path, name: str, port: int, metrics: int) -> Node:
        document = YAML().load((ROOT / "configs" / f"{name}.yaml").read_text(encoding="utf-8"))
        document["data_dir"] = f"./{name}-data"
        if "taxonomy" in document.get("alerts", {}):
            document["alerts"]["taxonomy"] = str(ROOT / "configs" / document["alerts"]["taxonomy"])
        document["http"]["listen"] = f"127.0.0.1:{port}"
        document["metrics"]["listen"] = f"127.0.0.1:{metrics}"
        path = directory / f"{name}.yaml"
        with path.open("w", encoding="utf-8") as file:
            YAML().dump(document, file)
        return Node(path, port)

    def _settle(self, directory: Path, cameras: dict[str, str], county_port: int) -> None:
        token = self.county.new_token("zhuyang", "--role", "node", "--node", "zhuyang")
        (directory / "county.token").write_text(token, encoding="utf-8")

        def ours(document: Any) -> None:
            document["sources"][0]["url"] = f"mqtt://127.0.0.1:{self.broker_port}"
            document["sinks"][0]["url"] = f"http://127.0.0.1:{county_port}"
            for camera in document["cameras"]:
                camera["rtsp"] = {"main": cameras.get(camera["id"], "rtsp://127.0.0.1:9/none")}
                if camera["id"] in cameras:
                    camera["rtsp"] |= {"username": "gateway", "password": PASSWORD}
            # the camera that is never there would be told of after two minutes, in the midst of whatever is counted
            document["outages"] = {"alert": False}
            document["diagnosis"] = {
                "enabled": False
            }  # GstRtspServer shows colour bars, as a camera without a signal does

        self.edit(ours)

    def edit(self, change: Callable[[Any], None]) -> None:
        """Change the township's configuration before it is started."""
        document = YAML().load(self.township.config.read_text(encoding="utf-8"))
        change(document)
        with self.township.config.open("w", encoding="utf-8") as file:
            YAML().dump(document, file)

    def start(self) -> "Town":
        """Both, and until the township has subscribed: the broker drops what nobody has subscribed to yet."""
        self.county.start()
        self.township.start()
        wait_for("the township listening to the broker", self._listens)
        return self

    def _listens(self) -> bool:
        lines = self.township.logged().splitlines()
        return any('"source": "tv"' in line and "source is online" in line for line in lines)

    def wait_for_camera(self, camera_id: str, state: str = "online") -> None:
        wait_for(f"{camera_id} {state}", lambda: self.township.get(f"/cameras/{camera_id}")["state"] == state)

    def end(self) -> None:
        for node in (self.township, self.county):
            if node.process is not None and node.process.poll() is None:
                node.process.terminate()
                try:
                    node.process.wait(timeout=60)
                except subprocess.TimeoutExpired:
                    node.process.kill()
                    node.process.wait(timeout=60)
            node.end_workers()


@pytest.fixture(scope="session")
def rtsp_camera() -> Iterator[str]:
    """GstRtspServer with digest login: 25 fps, a keyframe a second."""
    process = subprocess.Popen(
        ["/usr/bin/python3", str(ROOT / "tests/peers/gst_server.py"), "--auth", "digest", "--user", "gateway",
         "--password-stdin", "--width", "640", "--height", "360", "--fps", "25", "--gop", "25"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(PASSWORD + "\n")
    process.stdin.close()
    line = process.stdout.readline().split()
    assert line[:1] == ["ready"], line
    yield line[1]
    process.terminate()
    process.wait(timeout=60)
    process.stdout.close()


CAMERA = "51172400001310000001"


@pytest.fixture
def town(mosquitto: Any, rtsp_camera: str, free_port: Callable[[], int]) -> Iterator[Town]:
    """Ready to start; camera 51172400001310000001 is the GstRtspServer's, the other one is never there."""
    directory = Path(tempfile.mkdtemp(prefix="e-", dir="/tmp"))  # short: the workers' Unix sockets lie below it
    built = Town(directory, mosquitto.port, {CAMERA: rtsp_camera}, [free_port() for _ in range(4)])
    yield built
    built.end()
    shutil.rmtree(directory)


@pytest.fixture
def television(mosquitto: Any) -> Iterator[Callable[..., Television]]:
    made: list[Television] = []

    def make(terminal: str, **words: Any) -> Television:
        made.append(Television(mosquitto.port, terminal, **words))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def foreign(peer: Any) -> Any:
    """Devices and nodes that know the contract alone: tests/peers/foreign.py."""
    return peer("foreign")


@pytest.fixture
def tv(foreign: Any, mosquitto: Any) -> Iterator[Callable[..., Any]]:
    """``tv("tv-1", version=…)``: a connected terminal of another make; closed at the end."""
    made: list[Any] = []

    def make(terminal: str, **words: Any) -> Any:
        made.append(foreign.Tv(mosquitto.port, terminal, **words))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def new_node() -> Callable[[Path, int], Node]:
    """A node of this file whose API is at this port; whoever makes it ends it."""
    return Node


@pytest.fixture
def seen() -> Callable[..., Any]:
    return wait_for


@pytest.fixture
def node_of(free_port: Callable[[], int]) -> Iterator[Callable[..., Node]]:
    """``node_of("zhuyang", level="township", uppers={"county": (county, url or None)}, …sections)``: a node of its own,
    not started yet. ``uppers``: it forwards to each, with a token that this node made. ``files``: texts beside its
    configuration."""
    directory = Path(tempfile.mkdtemp(prefix="n-", dir="/tmp"))  # short: the workers' Unix sockets lie below it
    made: list[Node] = []

    def make(
        name: str,
        level: str,
        area: str,
        *,
        uppers: dict[str, tuple[Node, str | None]] | None = None,
        files: dict[str, str] | None = None,
        **sections: Any,
    ) -> Node:
        for file, text in (files or {}).items():
            (directory / file).write_text(text, encoding="utf-8")
        port, metrics = free_port(), free_port()
        sinks = list(sections.pop("sinks", ()))
        for sink, (upper, url) in (uppers or {}).items():
            secret = directory / f"{name}-{sink}.token"
            secret.write_text(upper.new_token(name, "--role", "node", "--node", name), encoding="utf-8")
            sinks.append({"kind": "cascade", "id": sink, "url": url or upper.base, "token": {"file": secret.name}})
        document = {
            "node": {"id": name, "name": name, "level": level, "area_code": area},
            "data_dir": f"./{name}",
            "http": {"listen": f"127.0.0.1:{port}"},
            "metrics": {"listen": f"127.0.0.1:{metrics}"},
            "sinks": sinks,
            **sections,
        }
        config = directory / f"{name}.yaml"
        with config.open("w", encoding="utf-8") as written:
            YAML().dump(document, written)
        node = Node(config, port)
        node.metrics = f"http://127.0.0.1:{metrics}/metrics"
        node.token = node.new_token("tests", "--role", "operator")
        made.append(node)
        return node

    yield make
    running = [node.process for node in made if node.process is not None and node.process.poll() is None]
    for process in running:
        process.terminate()
    for process in running:
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=60)
    for node in made:
        node.end_workers()
    shutil.rmtree(directory)
