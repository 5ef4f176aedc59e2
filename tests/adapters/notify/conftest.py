"""A robot's end of the wire: an HTTP server on loopback that answers as WeCom, DingTalk and Feishu do."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest


@dataclass
class Heard:
    path: str
    query: dict[str, list[str]]
    type: str
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class RobotDouble:
    """``answers``: (status, body) in turn, the last one for ever; a float before them is a wait in seconds."""

    url: str = ""
    answers: list[tuple[int, bytes]] = field(default_factory=lambda: [(200, b'{"errcode":0,"errmsg":"ok"}')])
    headers: dict[str, str] = field(default_factory=dict)
    silent: threading.Event = field(default_factory=threading.Event)
    heard: list[Heard] = field(default_factory=list)

    @property
    def address(self) -> str:
        return self.url.removeprefix("http://")

    def next_answer(self) -> tuple[int, bytes]:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def robot() -> Iterator[RobotDouble]:
    double = RobotDouble()
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            parts = urlsplit(self.path)
            kind = self.headers.get("Content-Type", "")
            double.heard.append(Heard(parts.path, parse_qs(parts.query), kind, body))
            if double.silent.is_set():
                over.wait(20)
                return
            status, answer = double.next_answer()
            self.send_response(status)
            for name, value in double.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    double.url = f"http://127.0.0.1:{server.server_port}"
    yield double
    over.set()
    server.shutdown()
    server.server_close()
    thread.join(10)
