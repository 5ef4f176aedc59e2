"""Nobody holds the server that devices call by opening connections and saying nothing."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest

from gateway.video.devices import calls

_REQUEST = b"POST /x HTTP/1.1\r\nHost: here\r\nContent-Length: 0\r\n\r\n"


async def _app(scope, receive, send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
async def port() -> AsyncIterator[int]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = calls.call_server(_app)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    yield listener.getsockname()[1]
    server.should_exit = True
    await serving


async def _connected(stack: contextlib.AsyncExitStack, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    stack.callback(writer.close)
    return reader, writer


async def _answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(_REQUEST)
    async with asyncio.timeout(60):
        assert b" 200 " in await reader.readline()
        await reader.readuntil(b"\r\n\r\n")


async def _ends(reader: asyncio.StreamReader) -> bool:
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(60):
            return await reader.read(100) == b""
    return True


@pytest.mark.parametrize("said", [b"", b"POST /x HTTP/1.1\r\nHost: "])
async def test_who_does_not_finish_a_request_is_let_go(port, monkeypatch, said):
    monkeypatch.setattr(calls, "_REQUEST_S", 0.2)
    async with contextlib.AsyncExitStack() as stack:
        reader, writer = await _connected(stack, port)
        writer.write(said)
        assert await _ends(reader)


async def test_who_asks_and_then_starts_a_request_without_end_is_let_go(port, monkeypatch):
    async with contextlib.AsyncExitStack() as stack:
        reader, writer = await _connected(stack, port)
        await _answered(reader, writer)
        monkeypatch.setattr(calls, "_REQUEST_S", 0.2)  # from the next answer on
        await _answered(reader, writer)
        writer.write(b"POST /x HTTP/1.1\r\nHost: ")
        assert await _ends(reader)


async def test_one_address_does_not_take_every_place(port, monkeypatch):
    monkeypatch.setattr(calls, "_OF_ONE_ADDRESS", 4)
    async with contextlib.AsyncExitStack() as stack:
        silent = [await _connected(stack, port) for _ in range(4)]
        reader, _ = await _connected(stack, port)
        assert await _ends(reader)
        silent[0][1].write(_REQUEST)
        async with asyncio.timeout(60):
            assert b" 200 " in await silent[0][0].readline()
