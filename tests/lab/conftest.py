"""A small clip for all tests of the lab, encoded once a session, and an RTSP client by hand."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from gateway.lab.encoder import Clip, Coding, encode_clip
from gateway.lab.rtsp_server import RtspServer
from gateway.model import Scene


@pytest.fixture(scope="session")
def small_clip() -> Clip:
    """Two seconds, 320×180, 25 pictures a second, GOP 25."""
    return encode_clip(Scene.STREET, Coding(320, 180, fps=25, gop=25, bitrate=600_000, preset="ultrafast"), 2.0)


class Client:
    """An RTSP client by hand."""

    def __init__(self, server: RtspServer) -> None:
        self.server = server
        self.sequence = 0

    async def connect(self) -> "Client":
        self.reader, self.writer = await asyncio.open_connection(self.server.host, self.server.port)
        return self

    async def ask(self, method: str, path: str, **headers: str) -> tuple[int, dict[str, str], str]:
        self.sequence += 1
        lines = [f"{method} {self.server.url(path)} RTSP/1.0", f"CSeq: {self.sequence}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self.writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        return await self.answer()

    async def answer(self) -> tuple[int, dict[str, str], str]:
        async with asyncio.timeout(60):
            while (first_byte := await self.reader.readexactly(1)) == b"$":
                await self.reader.readexactly(int.from_bytes((await self.reader.readexactly(3))[1:], "big"))
            head = (first_byte + await self.reader.readuntil(b"\r\n\r\n")).decode()
            first, *rest = head.strip().split("\r\n")
            headers: dict[str, str] = {}
            for name, value in (line.split(": ", 1) for line in rest):
                headers[name.lower()] = ", ".join(filter(None, (headers.get(name.lower()), value)))
            body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return int(first.split()[1]), headers, body.decode()

    async def frame(self) -> tuple[int, bytes]:
        async with asyncio.timeout(60):
            head = await self.reader.readexactly(4)
            assert head[:1] == b"$"
            return head[1], await self.reader.readexactly(int.from_bytes(head[2:], "big"))

    async def play(self, path: str = "/cam/1", interleaved: str = "0-1") -> str:
        transport = f"RTP/AVP/TCP;unicast;interleaved={interleaved}"
        status, headers, _ = await self.ask("SETUP", f"{path}/trackID=0", Transport=transport)
        assert status == 200
        assert headers["transport"].endswith(f"interleaved={interleaved}")
        session = headers["session"].split(";")[0]
        status, _, _ = await self.ask("PLAY", path, Session=session)
        assert status == 200
        return session

    def close(self) -> None:
        self.writer.close()


@pytest.fixture
def client() -> Callable[[RtspServer], AbstractAsyncContextManager[Client]]:
    """Connects to a server, and hangs up after the test."""

    @asynccontextmanager
    async def connected(server: RtspServer) -> AsyncIterator[Client]:
        one = await Client(server).connect()
        try:
            yield one
        finally:
            one.close()

    return connected
