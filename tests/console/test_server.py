"""The listener, with applications of three lines."""

import asyncio
import signal
import ssl
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from gateway.console.edge import Edge
from gateway.console.server import HttpServer, _Connection
from gateway.errors import ListenFailed, UsageError
from gateway.observability.exposition import metrics_app


async def hello(scope, receive, send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})


@dataclass
class Files:
    certificate: Path
    key: Path


@pytest.fixture
def serving():
    """Start applications; they are stopped when the test ends."""
    started = []

    async def start(app, tls=None) -> HttpServer:
        server = HttpServer(app, "127.0.0.1", 0, tls)
        await server.start()
        started.append((server, asyncio.create_task(server.run())))
        return server

    start.started = started  # type: ignore[attr-defined]
    return start


@pytest.fixture(autouse=True)
async def stopping(serving):
    yield
    for server, running in serving.started:
        await server.stop(1)
        await running


async def test_takes_a_free_port_and_answers(serving) -> None:
    server = await serving(hello)
    assert server.port > 0
    async with aiohttp.ClientSession() as http, http.get(server.url) as answer:
        assert await answer.text() == "hello"
        assert "Server" not in answer.headers


async def test_an_address_in_use_is_said_in_a_sentence(serving) -> None:
    server = await serving(hello)
    with pytest.raises(
        ListenFailed, match=rf"cannot listen on 127\.0\.0\.1:{server.port}: address already in use; end what uses"
    ):
        await HttpServer(hello, "127.0.0.1", server.port).start()


async def test_an_address_of_another_machine_is_said_in_a_sentence() -> None:
    with pytest.raises(ListenFailed, match=r"cannot listen on 192\.0\.2\.1:0: cannot assign.*not this machine's"):
        await HttpServer(hello, "192.0.2.1", 0).start()


async def test_connections_wait_between_start_and_run() -> None:
    server = HttpServer(hello, "127.0.0.1", 0)
    await server.start()
    async with aiohttp.ClientSession() as http:
        asked = asyncio.create_task(http.get(server.url))
        await asyncio.sleep(0)
        running = asyncio.create_task(server.run())
        async with await asked as answer:
            assert await answer.text() == "hello"
    await server.stop(1)
    await running


async def test_stop_frees_the_port_and_lets_an_answer_under_way_end(serving) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def slow(scope, receive, send) -> None:
        asked.set()
        await go_on.wait()
        await hello(scope, receive, send)

    server = await serving(slow)
    async with aiohttp.ClientSession() as http:
        answer = asyncio.create_task(http.get(server.url))
        await asked.wait()
        stopped = asyncio.create_task(server.stop(30))
        await asyncio.sleep(0)
        go_on.set()
        async with await answer as answered:
            assert await answered.text() == "hello"
        await stopped
    again = HttpServer(hello, "127.0.0.1", server.port)
    await again.start()
    await again.stop()


async def test_an_answer_that_never_ends_is_cut_off_when_the_grace_is_over(serving) -> None:
    cut = asyncio.Event()

    async def endless(scope, receive, send) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cut.set()

    server = await serving(endless)
    async with aiohttp.ClientSession() as http:
        answer = asyncio.create_task(http.get(server.url))
        while not serving.started[0][0]._server.server_state.tasks:
            await asyncio.sleep(0.01)
        await server.stop(1)
        await asyncio.wait_for(cut.wait(), 60)
        with pytest.raises(aiohttp.ClientError):
            await asyncio.wait_for(answer, 60)
            raise aiohttp.ClientError  # uvicorn answers 500 where nothing was sent yet


async def test_answers_are_cut_off_also_where_the_loop_stood_still_over_the_grace(serving) -> None:
    asked, cut = asyncio.Event(), asyncio.Event()

    async def endless(scope, receive, send) -> None:
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            cut.set()

    server = await serving(endless)
    async with aiohttp.ClientSession() as http:
        answer = asyncio.create_task(http.get(server.url))
        await asked.wait()
        stopped = asyncio.create_task(server.stop(0))
        await asyncio.sleep(0)
        time.sleep(2.1)
        await stopped
        await asyncio.wait_for(cut.wait(), 60)
        (await answer).close()


@pytest.mark.parametrize("begun", [False, True])
async def test_a_client_that_hangs_past_the_grace_is_no_failure_of_the_application(serving, caplog, begun) -> None:
    waiting = asyncio.Event()

    async def patient(scope, receive, send) -> None:
        if begun:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
        waiting.set()
        await asyncio.Event().wait()

    server = await serving(patient)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
    await asyncio.wait_for(waiting.wait(), 60)
    await server.stop(1)
    said = await asyncio.wait_for(reader.read(), 60)
    writer.close()
    assert said.startswith(b"HTTP/1.1 200 " if begun else b"HTTP/1.1 503 ")
    assert not [record for record in caplog.records if record.exc_info]


async def test_tells_the_application_that_it_stops(serving) -> None:
    told = asyncio.Event()

    async def patient(scope, receive, send) -> None:
        await scope["state"]["stopping"].wait()
        told.set()
        await hello(scope, receive, send)

    server = await serving(patient)
    async with aiohttp.ClientSession() as http:
        answer = asyncio.create_task(http.get(server.url))
        while not server._server.server_state.tasks:
            await asyncio.sleep(0.01)
        await server.stop(30)
        assert told.is_set()
        (await answer).close()


async def test_cancelled_it_leaves_no_socket_behind() -> None:
    server = HttpServer(hello, "127.0.0.1", 0)
    await server.start()
    running = asyncio.create_task(server.run())
    async with aiohttp.ClientSession() as http, http.get(server.url) as answer:
        assert answer.status == 200
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    again = HttpServer(hello, "127.0.0.1", server.port)
    await again.start()
    await again.stop()


async def test_stopped_before_it_ran_it_only_closes_its_socket() -> None:
    server = HttpServer(hello, "127.0.0.1", 0)
    await server.stop()
    await server.start()
    await server.stop()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", server.port)
    await server.run()  # returns at once


async def test_signals_stay_the_applications(serving) -> None:
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    server = await serving(hello)
    async with aiohttp.ClientSession() as http, http.get(server.url):
        assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before


async def test_a_connection_that_asks_nothing_is_closed(serving, monkeypatch) -> None:
    monkeypatch.setattr("gateway.console.server._FIRST_REQUEST_S", 0.1)
    server = await serving(hello)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET / HTTP/1.1\r\nHost:")
    assert await asyncio.wait_for(reader.read(), 60) == b""
    writer.close()


async def test_headers_are_bounded(serving) -> None:
    server = await serving(hello)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 200_000)
    assert (await asyncio.wait_for(reader.readline(), 60)).startswith(b"HTTP/1.1 400")
    writer.close()


async def test_serves_tls(serving, tmp_path) -> None:
    files = Files(tmp_path / "cert.pem", tmp_path / "key.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", files.key, "-out", files.certificate],
        check=True,
        capture_output=True,
    )  # fmt: skip
    server = await serving(hello, files)
    trusted = ssl.create_default_context(cafile=files.certificate)
    async with aiohttp.ClientSession() as http, http.get(server.url, ssl=trusted) as answer:
        assert server.url.startswith("https://")
        assert await answer.text() == "hello"


@pytest.mark.parametrize("content", [None, "this is no certificate"])
async def test_unusable_tls_files_are_named(tmp_path, content) -> None:
    files = Files(tmp_path / "cert.pem", tmp_path / "key.pem")
    if content is not None:
        files.certificate.write_text(content)
        files.key.write_text(content)
    with pytest.raises(UsageError, match=r"http\.tls: cannot use .*cert\.pem"):
        await HttpServer(hello, "127.0.0.1", 0, files).start()


async def test_metrics_have_a_listener_of_their_own(serving) -> None:
    server = await serving(metrics_app())
    async with aiohttp.ClientSession(server.url) as http:
        async with http.get("/metrics") as answer:
            assert answer.status == 200
            assert answer.content_type == "text/plain"
            assert "gateway_event_streams 0.0" in await answer.text()
        async with http.get("/metrics", headers={"Accept": "application/openmetrics-text"}) as answer:
            assert answer.content_type == "application/openmetrics-text"
            assert (await answer.text()).endswith("# EOF\n")
        async with http.get("/elsewhere") as answer:
            assert answer.status == 404


async def test_one_address_cannot_take_every_place_by_saying_nothing(serving, monkeypatch) -> None:
    monkeypatch.setattr("gateway.console.server._CONNECTIONS", 40)
    monkeypatch.setattr("gateway.console.server._SILENT_OF_ONE", 20)
    server = await serving(hello)
    silent = [await asyncio.open_connection("127.0.0.1", server.port, local_addr=("127.0.0.2", 0)) for _ in range(60)]
    for _, writer in silent:
        writer.write(b"GET / HTTP/1.1\r\n")  # and no more
    cut = [reader for reader, _ in silent]
    async with asyncio.timeout(60):
        while sum(reader.at_eof() or reader.exception() is not None for reader in cut) < 30:
            await asyncio.sleep(0.02)
    async with aiohttp.ClientSession() as http, http.get(server.url) as answer:
        assert answer.status == 200
    for _, writer in silent:
        writer.close()


async def echo(scope, receive, send) -> None:
    """A WebSocket that says what it hears."""
    if scope["type"] == "http":
        await hello(scope, receive, send)
        return
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "bytes": message["bytes"]})


@pytest.fixture
async def sockets(serving):
    """A listener that speaks WebSocket, and a client."""
    server = HttpServer(echo, "127.0.0.1", 0, websockets=True)
    await server.start()
    serving.started.append((server, asyncio.create_task(server.run())))
    async with aiohttp.ClientSession() as http:
        yield server, http


async def test_a_websocket_outlives_the_patience_for_first_requests(sockets, monkeypatch) -> None:
    made: list[_Connection] = []
    make = _Connection.connection_made

    def noted(self: _Connection, transport: asyncio.Transport) -> None:
        made.append(self)
        make(self, transport)

    monkeypatch.setattr(_Connection, "connection_made", noted)
    server, http = sockets
    async with http.ws_connect(server.url) as socket:
        (connection,) = made
        connection._close_if_silent()  # as after half a minute; a real timer may end before the handshake has begun
        await socket.send_bytes(b"still here")
        assert await socket.receive_bytes(timeout=30) == b"still here"


async def test_a_websockets_message_is_bounded(sockets) -> None:
    server, http = sockets
    async with http.ws_connect(server.url, max_msg_size=0) as socket:
        await socket.send_bytes(bytes(4 * 1024 * 1024))
        assert len(await socket.receive_bytes(timeout=30)) == 4 * 1024 * 1024
        await socket.send_bytes(bytes(4 * 1024 * 1024 + 1))
        assert (await socket.receive(timeout=30)).type is aiohttp.WSMsgType.CLOSE
        assert socket.close_code == 1009


@pytest.mark.parametrize(
    "more",
    [b"X-Long: " + b"a" * 20_000, b"\r\n".join([b"X-Many: a"] * 300), b"Content-Length: 10"],
    ids=["a long line", "many headers", "a body"],
)
async def test_a_request_to_upgrade_that_cannot_be_read_is_not_held(sockets, more) -> None:
    server, _ = sockets
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    upgrade = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13"
    key = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
    writer.write(b"\r\n".join([b"GET /live HTTP/1.1", b"Host: a", upgrade, key, more, b"", b""]))
    async with asyncio.timeout(60):
        answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 400 ")


async def test_a_handshake_that_does_not_end_is_cut_off(serving, monkeypatch) -> None:
    monkeypatch.setattr("gateway.console.server._HANDSHAKE_S", 0.05)

    async def undecided(scope, receive, send) -> None:
        assert (await receive())["type"] == "websocket.connect"
        assert (await receive())["type"] == "websocket.disconnect"
        await send({"type": "websocket.close"})

    server = HttpServer(undecided, "127.0.0.1", 0, websockets=True)
    await server.start()
    serving.started.append((server, asyncio.create_task(server.run())))
    async with aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.ClientError):
            await asyncio.wait_for(http.ws_connect(server.url), 60)


async def test_stopping_ends_websockets(sockets) -> None:
    server, http = sockets
    async with http.ws_connect(server.url) as socket:
        stopped = asyncio.create_task(server.stop(3))
        assert (await socket.receive(timeout=30)).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
        await stopped


async def test_a_listener_without_websockets_answers_an_upgrade_as_any_request(serving) -> None:
    server = await serving(hello)
    async with aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await http.ws_connect(server.url)
    assert refused.value.status == 200


async def test_only_mounts_get_websockets(serving) -> None:
    server = HttpServer(Edge(echo, [("/cascade/v1", echo)]), "127.0.0.1", 0, websockets=True)
    await server.start()
    serving.started.append((server, asyncio.create_task(server.run())))
    async with aiohttp.ClientSession() as http:
        async with http.ws_connect(f"{server.url}/cascade/v1/live/x") as socket:
            await socket.send_bytes(b"a")
            assert await socket.receive_bytes(timeout=30) == b"a"
        for path in ("/", "/api/v1/stream", "/cascade/v10/live/x"):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await http.ws_connect(server.url + path)
            assert refused.value.status == 403
