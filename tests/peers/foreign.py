"""Nodes, partners and terminals that nobody here wrote: they know the contract, and plain HTTP, SSE and MQTT."""

import contextlib
import hashlib
import http.client
import itertools
import json
import socket
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import paho.mqtt.client as mqtt
import rfc8785
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

_EVENTS = "/cascade/v1/events"


def now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def in_time(days: float) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat().replace("+00:00", "Z")


def cloud_event(node: str, kind: str, data: dict[str, Any], event_id: str | None = None) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": event_id or str(uuid.uuid4()),
        "source": f"/nodes/{node}",
        "type": f"gateway.{kind}.v1",
        "data": data,
    }


class Diary:
    """Entries of one node: numbered from 1, each naming what it has seen."""

    def __init__(self, node: str) -> None:
        self.node = node
        self._numbers = itertools.count(1)

    def entry(self, alert_id: str, action: str, parents: list[str], **words: Any) -> dict[str, Any]:
        """As a CloudEvent. Nothing stands in it that the contract does not ask for, beside ``words``."""
        data = {
            "id": str(uuid.uuid4()),
            "alert_id": alert_id,
            "node": self.node,
            "seq": next(self._numbers),
            "parents": parents,
            "at": now(),
            "actor": "gateway",
            "action": action,
            **words,
        }
        return cloud_event(self.node, "entry", data, data["id"])


class Tv:
    """A television: it says ``online`` with a last will, hears all that is its own, and over MQTT 5 asks for an answer."""

    def __init__(self, port: int, terminal: str, *, version: int = mqtt.MQTTv311, listens: bool = True) -> None:
        self.terminal = terminal
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.replies: list[tuple[bytes | None, dict[str, Any]]] = []
        self._five = version == mqtt.MQTTv5
        self._listens = listens
        self._ready = threading.Event()
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=f"box-{terminal}", protocol=version)
        self._client.will_set(f"tv/{terminal}/status", "offline", qos=1, retain=True)
        self._client.on_connect = self._on_connect
        self._client.on_message = self._on_message
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.connect("127.0.0.1", port, keepalive=30)
        self._client.loop_start()
        assert self._ready.wait(60)

    def _on_connect(self, client: mqtt.Client, *_: object) -> None:
        if self._listens:
            self.subscribe()
        else:
            self._ready.set()

    def subscribe(self) -> None:
        self._client.subscribe([(f"tv/{self.terminal}/{word}", 1) for word in ("ack", "neighbour", "test", "reply")])

    def _on_message(self, _client: object, _data: object, message: mqtt.MQTTMessage) -> None:
        word, content = message.topic.rpartition("/")[2], json.loads(message.payload)
        if word == "reply":
            self.replies.append((getattr(message.properties, "CorrelationData", None), content))
        else:
            self.told.append((word, content))

    def say(self, word: str, content: dict[str, Any] | str, *, retain: bool = False, ask: bytes | None = None) -> None:
        properties = None
        if ask is not None:
            properties = Properties(PacketTypes.PUBLISH)
            properties.ResponseTopic = f"tv/{self.terminal}/reply"
            properties.CorrelationData = ask
        payload = content if isinstance(content, str) else json.dumps(content)
        self._client.publish(f"tv/{self.terminal}/{word}", payload, qos=1, retain=retain, properties=properties)

    def online(self) -> None:
        self.say("status", "online", retain=True)

    def press(self, press_id: str, kind: str = "sos", *, ask: bytes | None = None, **words: Any) -> None:
        self.say("alarm", {"press_id": press_id, "kind": kind, **words}, ask=ask)

    def acks(self, press_id: str, stage: str) -> list[dict[str, Any]]:
        return [t for word, t in self.told if word == "ack" and (t["press_id"], t["stage"]) == (press_id, stage)]

    def stages(self, press_id: str) -> list[str]:
        return [t["stage"] for word, t in self.told if word == "ack" and t["press_id"] == press_id]

    def neighbours(self) -> list[dict[str, Any]]:
        return [t for word, t in self.told if word == "neighbour"]

    def die(self) -> None:
        """No goodbye: the broker publishes the last will."""
        found = self._client.socket()
        self._client.reconnect_delay_set(600, 600)
        assert found is not None
        found.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


class LowerNode:
    """Speaks the lower end of the cascade with plain HTTP."""

    def __init__(self, base: str, token: str, node: str) -> None:
        self.base = base
        self.node = node
        self.diary = Diary(node)
        self._headers = {"Authorization": f"Bearer {token}"}
        self._listening: list[http.client.HTTPConnection] = []

    def post(self, body: Any, media_type: str = "application/cloudevents+json") -> tuple[int, Any]:
        """``body``: bytes as they are, else an event or a list of them."""
        data = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        return self._ask("POST", _EVENTS, data, media_type)

    def report(self, kind: str, data: dict[str, Any]) -> dict[str, Any]:
        status, answer = self.post(cloud_event(self.node, kind, data))
        assert status == 200 and not answer.get("refused"), answer
        return dict(answer["receipts"][0])

    def put(self, content: bytes, media_type: str, sha256: str | None = None) -> int:
        name = sha256 or hashlib.sha256(content).hexdigest()
        return self._ask("PUT", f"/cascade/v1/media/{name}", content, media_type)[0]

    def digest(self, since: str, until: str) -> dict[str, Any]:
        status, answer = self._ask("GET", f"/cascade/v1/digest?from={since}&to={until}", None, "")
        assert status == 200, answer
        return dict(answer)

    def _ask(self, method: str, path: str, data: bytes | None, media_type: str) -> tuple[int, Any]:
        headers = self._headers | ({"Content-Type": media_type} if media_type else {})
        request = urllib.request.Request(f"{self.base}{path}", data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def listen(self, after: str | None = None) -> list[tuple[str, dict[str, Any]]]:
        """What comes down as (id, event); the list grows while the stream stands."""
        heard: list[tuple[str, dict[str, Any]]] = []
        host, _, port = self.base.removeprefix("http://").partition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=60)
        headers = self._headers | {"Accept": "text/event-stream"} | ({"Last-Event-ID": after} if after else {})
        connection.request("GET", "/cascade/v1/downlink", headers=headers)
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        self._listening.append(connection)
        threading.Thread(target=_read_stream, args=(answer, heard), daemon=True).start()
        return heard

    def hang_up(self) -> None:
        for connection in self._listening:
            with contextlib.suppress(OSError):
                if connection.sock is not None:
                    connection.sock.shutdown(socket.SHUT_RDWR)
            connection.close()
        self._listening.clear()


def _read_stream(answer: http.client.HTTPResponse, heard: list[tuple[str, dict[str, Any]]]) -> None:
    name = last = data = ""
    with contextlib.suppress(OSError, http.client.HTTPException, ValueError, AttributeError):
        for raw in answer:
            word, _, value = raw.decode().rstrip("\n").partition(":")
            value = value.removeprefix(" ")
            if word == "event":
                name = value
            elif word == "id":
                last = value
            elif word == "data":
                data += value
            elif not word and not value:
                if name == "entry":
                    heard.append((last, json.loads(data)))
                name = data = ""


class Server:
    """A plain HTTP server on a port of its own. ``heard``: (path, headers, body) of every POST."""

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._server.owner = self  # type: ignore[attr-defined]
        self.heard: list[tuple[str, dict[str, str], bytes]] = []
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(60)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def handle(self) -> None:
        with contextlib.suppress(OSError):  # whoever asked was killed
            super().handle()

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        whole = b""
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            whole += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return whole

    def answer(self, status: int, content: Any = None) -> None:
        data = b"" if content is None else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class _HookHandler(_Handler):
    def do_POST(self) -> None:
        owner: Hook = self.server.owner  # type: ignore[attr-defined]
        owner.heard.append((self.path, dict(self.headers.items()), self.body()))
        self.answer(200, {})


class Hook(Server):
    """A partner's platform, or a robot: it takes every POST."""

    def __init__(self) -> None:
        super().__init__(_HookHandler)


class _UpperHandler(_Handler):
    def do_POST(self) -> None:
        owner: UpperNode = self.server.owner  # type: ignore[attr-defined]
        body = self.body()
        owner.heard.append((self.path, dict(self.headers.items()), body))
        if self.path == _EVENTS:
            self.answer(200, {"receipts": owner.take(body)})
        else:
            self.answer(404, {})

    def do_PUT(self) -> None:
        self.body()
        self.answer(200, {})

    def do_GET(self) -> None:
        owner: UpperNode = self.server.owner  # type: ignore[attr-defined]
        if not self.path.startswith("/cascade/v1/downlink"):
            self.answer(404, {})
            return
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        after = int(self.headers.get("Last-Event-ID") or 0)
        for line in owner.downlink(after):
            self.wfile.write(line.encode())
            self.wfile.flush()


class UpperNode(Server):
    """The upper end of the cascade. ``book``: event id → (seq, sha256); ``events``: each once, as it was first sent."""

    def __init__(self, node: str = "dazhu") -> None:
        self.diary = Diary(node)
        self.book: dict[str, tuple[int, str]] = {}
        self.events: list[dict[str, Any]] = []
        self.told: list[str] = []  # ids of events of entries, each time that one came
        self.lying = False
        self._down: list[dict[str, Any]] = []
        self._lock = threading.Condition()
        self._open = True
        super().__init__(_UpperHandler)

    def take(self, body: bytes) -> list[dict[str, Any]]:
        value = json.loads(body)
        events = value if isinstance(value, list) else [value]
        receipts = []
        with self._lock:
            for event in events:
                content = rfc8785.dumps(event) if isinstance(value, list) else body
                sha256 = hashlib.sha256(content).hexdigest()
                if event["type"] == "gateway.entry.v1":
                    self.told.append(event["id"])
                if self.lying:
                    receipts.append({"id": event["id"], "sha256": "0" * 64, "seq": 1, "committed_at": now()})
                    continue
                if event["id"] not in self.book:
                    self.book[event["id"]] = (len(self.book) + 1, sha256)
                    self.events.append(event)
                seq, known = self.book[event["id"]]
                receipts.append({"id": event["id"], "sha256": known, "seq": seq, "committed_at": now()})
        return receipts

    def entries(self, action: str) -> list[dict[str, Any]]:
        found = [event["data"] for event in list(self.events) if event["type"] == "gateway.entry.v1"]
        return [entry for entry in found if entry["action"] == action]

    def send_down(self, event: dict[str, Any]) -> None:
        with self._lock:
            self._down.append(event)
            self._lock.notify_all()

    def downlink(self, after: int) -> Iterator[str]:
        sent = after
        while self._open:
            with self._lock:
                self._lock.wait_for(lambda sent=sent: len(self._down) > sent or not self._open, 2)
                news = list(enumerate(self._down, 1))[sent:]
            yield "event: ping\ndata: {}\n\n"
            for number, event in news:
                sent = number
                yield f"id: {number}\nevent: entry\ndata: {json.dumps(event)}\n\n"

    def close(self) -> None:
        with self._lock:
            self._open = False
            self._lock.notify_all()
        super().close()


class Line:
    """A TCP line to ``port`` that can be cut and mended; what was under way on it is lost."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._up = True
        self._ends: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._door.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def cut(self) -> None:
        with self._lock:
            self._up = False
            for end in self._ends:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        self._up = True

    def close(self) -> None:
        self.cut()
        with contextlib.suppress(OSError):
            self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()
        self._thread.join(60)
        deadline = time.monotonic() + 60
        while self._ends and time.monotonic() < deadline:
            time.sleep(0.01)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._door.accept()
                if not self._up:
                    near.close()
                    continue
                try:
                    far = socket.create_connection(("127.0.0.1", self._to), timeout=10)
                except OSError:
                    near.close()
                    continue
                far.settimeout(None)
                with self._lock:
                    self._ends |= {near, far}
                both = [2]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._pump, args=(one, other, both), daemon=True).start()
                if not self._up:  # it was cut meanwhile
                    self.cut()

    def _pump(self, one: socket.socket, other: socket.socket, both: list[int]) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        with self._lock:
            for end in (one, other):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
            both[0] -= 1
            if not both[0]:
                self._ends -= {one, other}
                one.close()
                other.close()
