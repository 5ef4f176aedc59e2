"""Commands that ask the node that runs: whose token they bear, and what they say where there is no answer."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from gateway.commands import open_accounts
from gateway.errors import RunningError, UsageError
from gateway.lock import hold
from gateway.running_node import running_node

ANSWERS = {
    "/api/v1/good": (200, b'{"id": 1}'),
    "/api/v1/refused": (409, b'{"detail": "there is one already"}'),
    "/api/v1/broken": (502, b"<html>"),
}


class Node(BaseHTTPRequestHandler):
    heard: list[tuple[str, str, bytes]]

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.heard.append((self.command, self.headers["Authorization"], body))
        status, said = ANSWERS[self.path]
        self.send_response(status)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@contextmanager
def listening(port: int) -> Iterator[list[tuple[str, str, bytes]]]:
    handler = type("Heard", (Node,), {"heard": []})
    with HTTPServer(("127.0.0.1", port), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield handler.heard  # type: ignore[attr-defined]
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def port(free_port: Callable[[], int]) -> int:
    return free_port()


@pytest.fixture
def config(tmp_path: Path, port: int) -> Path:
    path = tmp_path / "node.yaml"
    path.write_text(f'node: {{id: low}}\ndata_dir: ./var\nhttp: {{listen: "127.0.0.1:{port}"}}\n')
    return path


def test_its_token_is_of_its_role_and_ends_with_it(config: Path, port: int) -> None:
    accounts = open_accounts(config)
    with hold(config.parent / "var"), listening(port) as heard:
        with running_node(config, "report", "viewer") as node:
            assert json.loads(node.ask("POST", "/good", {"name": "第三季度"})) == {"id": 1}
            [(method, bearer, body)] = heard
            who = accounts.holder(bearer.removeprefix("Bearer "))
            assert who is not None and who.role == "viewer"
        assert accounts.holder(bearer.removeprefix("Bearer ")) is None
    assert (method, json.loads(body)) == ("POST", {"name": "第三季度"})


@pytest.mark.parametrize(
    ("path", "sentence"), [("/refused", "there is one already"), ("/broken", "the node answered 502")]
)
def test_what_the_node_refuses_is_told_in_its_own_sentence(config: Path, port: int, path: str, sentence: str) -> None:
    with (
        hold(config.parent / "var"),
        listening(port),
        running_node(config, "report", "viewer") as node,
        pytest.raises(UsageError, match=sentence),
    ):
        node.ask("GET", path)


def test_a_node_that_does_not_answer_is_named(config: Path, port: int) -> None:
    told = f"the node does not answer at 127.0.0.1:{port}: .*refused"
    with (
        hold(config.parent / "var"),
        running_node(config, "report", "viewer") as node,
        pytest.raises(RunningError, match=told),
    ):
        node.ask("GET", "/good")


def test_without_a_running_node_it_says_how_to_start_it(config: Path) -> None:
    told = r"no node runs with .*; start it with gateway run"
    with pytest.raises(RunningError, match=told), running_node(config, "report", "viewer"):
        pass
