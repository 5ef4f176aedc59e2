"""Two ends of a cascade on loopback: an upper node with a real ledger behind uvicorn, and what stands between."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
import uvicorn

from adapters.cascade.settings import CascadeSinkSettings, CascadeSourceSettings
from adapters.cascade.source import CascadeSource
from gateway.alerts.exchange import LedgerExchange
from gateway.canonical import sha256_hex
from gateway.ledger.sqlite import SqliteLedger
from gateway.model import Draft, Entry, Principal
from gateway.ports import StoredMedia
from gateway.supervision.clock import SystemClock

AT = datetime(2026, 1, 31, 8, 0, 0, 123000, tzinfo=UTC)


class LoopbackServer(uvicorn.Server):
    """Leaves the signals to pytest."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Served:
    """An ASGI app on loopback; ``start`` after ``stop`` listens on the same ``port``, for which it takes one of
    ``free_port``: others are given ports of the kernel's meanwhile."""

    def __init__(self, port: int = 0) -> None:
        self.port = port
        self._server: LoopbackServer | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self, app, **options) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        self.port = listener.getsockname()[1]
        config = uvicorn.Config(
            app,
            log_config=None,
            log_level="warning",
            lifespan="off",
            ws="websockets-sansio",
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=1,
            **options,
        )
        self._server = LoopbackServer(config)
        self._task = asyncio.create_task(self._server.serve([listener]))
        while not self._server.started:
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        if self._server is not None and self._task is not None:
            self._server.should_exit = True
            await self._task
            self._server = None


class MemoryMedia:
    """Keeps all in ``kept``; what is to be read in pieces it lays into ``directory`` when asked."""

    def __init__(self, directory: Path) -> None:
        self.kept: dict[str, tuple[bytes, str]] = {}
        self._directory = directory
        self.largest_piece = 0

    async def put(self, content: bytes, media_type: str) -> str:
        sha256 = sha256_hex(content)
        self.kept[sha256] = (content, media_type)
        return sha256

    async def read(self, sha256: str) -> tuple[bytes, str] | None:
        return self.kept.get(sha256)

    async def receive(self, sha256: str, pieces: AsyncIterator[bytes], media_type: str) -> bool:
        content = bytearray()
        async for piece in pieces:
            self.largest_piece = max(self.largest_piece, len(piece))
            content += piece
        if sha256_hex(bytes(content)) != sha256:
            raise ValueError("the bytes do not have this SHA-256")
        new = sha256 not in self.kept
        self.kept[sha256] = (bytes(content), media_type)
        return new

    async def find(self, sha256: str) -> StoredMedia | None:
        if sha256 not in self.kept:
            return None
        content, media_type = self.kept[sha256]
        path = self._directory / sha256
        path.write_bytes(content)
        return StoredMedia(path, len(content), media_type)


class FixedTokens:
    def __init__(self) -> None:
        self.holders = {
            "t-zhuyang": Principal("zhuyang", "node", node="zhuyang"),
            "t-longmen": Principal("longmen", "node", node="longmen"),
            "t-county": Principal("self", "node", node="county"),
            "t-operator": Principal("li", "operator"),
        }

    def holder(self, token: str) -> Principal | None:
        return self.holders.get(token)

    def of_node(self, node: str) -> bool:
        return any(holder.node == node for holder in self.holders.values())


class Online:
    """An Outlet of which a cascade source uses nothing but ``online``."""

    def __init__(self) -> None:
        self.count = 0

    def online(self) -> None:
        self.count += 1


class Screen:
    """What a live process takes: frames by the feed they belong to. ``leave`` ends one as the last browser would."""

    def __init__(self) -> None:
        self.frames: dict[str, list[bytes]] = {}
        self._nobody: dict[str, asyncio.Event] = {}

    async def feed(self, feed_id: str, units: AsyncIterator[bytes]) -> None:
        taken = self.frames.setdefault(feed_id, [])
        nobody = self._nobody.setdefault(feed_id, asyncio.Event())

        async def take() -> None:
            async for frame in units:
                taken.append(frame)

        tasks = {asyncio.create_task(take()), asyncio.create_task(nobody.wait())}
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def leave(self, feed_id: str) -> None:
        self._nobody[feed_id].set()


class UpperNode:
    """The county: a ledger, an exchange, a source, served. ``restart`` keeps the disk and the port."""

    def __init__(self, path: Path, port: int) -> None:
        self._path = path
        self.media = MemoryMedia(path.parent)
        self.tokens = FixedTokens()
        self.served = Served(port)
        self.screen = Screen()
        self.ways: dict[str, str] = {}

    @property
    def url(self) -> str:
        return self.served.url

    async def start(self) -> None:
        self.ledger = await SqliteLedger.open(self._path, "county", SystemClock())
        self.exchange = LedgerExchange(self.ledger, "county", has_token=self.tokens.of_node)
        settings = CascadeSourceSettings(id="lower")
        self.source = CascadeSource(
            settings,
            "county",
            self.exchange,
            self.media,
            self.tokens,
            ping_every=0.2,
            via=self.ways.get,
            consume=self.screen.feed,
        )
        self.running = asyncio.create_task(self.source.run(Online()))
        await self.served.start(self.source.app)

    async def stop(self) -> None:
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)
        await self.served.stop()
        await self.ledger.close()

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    async def act(self, alert_id: str, action: str = "acknowledge", actor: str = "wang") -> Entry:
        """An operator of the county does something."""
        return await self.ledger.write(lambda tx: tx.append(Draft(alert_id, action, actor, AT)))

    async def entries(self, alert_id: str) -> list[Entry]:
        return [item.entry for item in await self.ledger.read(lambda reader: reader.entries(alert_id))]


class AnswerDropper:
    """A TCP proxy that lets requests through and, while ``drop`` is set, ends the connection instead of the answer."""

    def __init__(self, port: int) -> None:
        self._upstream = port
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.drop = True
        self.dropped = 0

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._upstream)
        pump = asyncio.create_task(self._pump(reader, up_writer))
        try:
            while answer := await up_reader.read(65536):
                if self.drop:
                    self.dropped += 1
                    break
                writer.write(answer)
                await writer.drain()
        finally:
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)
            for end in (writer, up_writer):
                end.close()
            self._tasks.discard(task)

    @staticmethod
    async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while content := await reader.read(65536):
            writer.write(content)
            await writer.drain()


@pytest.fixture
async def upper(tmp_path: Path, free_port: Callable[[], int]) -> AsyncIterator[UpperNode]:
    node = UpperNode(tmp_path / "county.db", free_port())
    await node.start()
    yield node
    await node.stop()


@pytest.fixture
async def dropper(upper: UpperNode) -> AsyncIterator[AnswerDropper]:
    proxy = AnswerDropper(upper.served.port)
    await proxy.start()
    yield proxy
    await proxy.stop()


@pytest.fixture
async def serve() -> AsyncIterator[Callable[..., Awaitable[Served]]]:
    """``await serve(app)``: a foreign upper node, ended with the test."""
    running: list[Served] = []

    async def start(app, **options) -> Served:
        served = Served()
        await served.start(app, **options)
        running.append(served)
        return served

    yield start
    for served in running:
        await served.stop()


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    """A foreign lower node's HTTP client that holds zhuyang's token."""
    async with aiohttp.ClientSession(headers={"Authorization": "Bearer t-zhuyang"}) as session:
        yield session


@pytest.fixture
def memory_media(tmp_path: Path) -> MemoryMedia:
    return MemoryMedia(tmp_path)


@pytest.fixture
def sink_settings() -> Callable[..., CascadeSinkSettings]:
    def make(url: str, token: str = "t-zhuyang") -> CascadeSinkSettings:
        return CascadeSinkSettings.model_validate({"kind": "cascade", "id": "county", "url": url, "token": token})

    return make


@pytest.fixture
def make_entry() -> Callable[..., Entry]:
    """Entries of zhuyang: ``make_entry(n)`` has the id ``e{n}`` and the sequence n."""

    def make(number: int, action: str = "note", alert: str = "a1", node: str = "zhuyang", **changes) -> Entry:
        values = {
            "id": f"{node}-e{number}",
            "alert_id": alert,
            "node": node,
            "seq": number,
            "parents": (),
            "at": AT,
            "actor": "terminal/tv-0001",
            "action": action,
            "data": {"base": _base()} if action == "raised" else {},
        }
        return Entry(**{**values, **changes})

    return make


def _base() -> dict:
    return {
        "kind": "sos",
        "severity": 1,
        "status": "actual",
        "source": {"type": "terminal", "id": "tv-0001", "name": "张家", "known": True},
        "place": {"lon": 107.2, "lat": 30.7, "address": "竹阳街 1 号", "area_code": "511724001001"},
        "title": "sos tv-0001",
        "device_time": None,
        "raised_at": "2026-01-31T08:00:00.123Z",
        "detail": {"press_ids": ["p1"]},
        "cameras": [],
    }


@pytest.fixture
def eventually() -> Callable[..., Awaitable[None]]:
    """Wait until a condition holds; the deadline is only there to end a test that is broken."""

    async def wait(condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not condition():
                await asyncio.sleep(0.01)

    return wait
