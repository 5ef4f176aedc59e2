import asyncio
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from av import VideoFrame

from gateway.config.sections.console import LiveSettings
from gateway.errors import Unreachable
from gateway.model import FeedSource, LiveSession
from gateway.video.decoder.decoder import child_environment
from gateway.video.live.desk import LiveDesk
from gateway.video.wire import CameraOrder
from gateway.video.workers.client import WorkerClient


class LiveWorker:
    """A real worker process whose cameras are files; see worker_double.py."""

    def __init__(self, command: list[str], socket: Path) -> None:
        self.socket = socket
        self.client = WorkerClient(socket)
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        self._process = subprocess.Popen(
            [*self._command, "--socket", str(self.socket)],
            env=child_environment(),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        async with asyncio.timeout(60):
            while True:
                try:
                    await self.client.alive()
                except Unreachable:
                    assert self._process.poll() is None
                    await asyncio.sleep(0.05)
                else:
                    return

    async def show(self, *orders: CameraOrder) -> None:
        """Make these its cameras, and wait until they are online."""
        await self.client.put_cameras(orders)
        async with asyncio.timeout(60):
            while (await self.client.figures())["cameras"] != {"online": len(orders)}:
                await asyncio.sleep(0.05)

    async def readers(self) -> int:
        return int((await self.client.figures())["taps"]["readers"])

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class Browser:
    """Receives one view and decodes it, as a browser does."""

    def __init__(self) -> None:
        self.peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.frames: list[VideoFrame] = []
        self.session: LiveSession | None = None
        self._watching: asyncio.Task[None] | None = None
        self._came = asyncio.Event()

    async def open(self, desk: LiveDesk, source: FeedSource, viewer: str = "duty") -> LiveSession:
        self.session = await desk.open(source, await self.offer(), viewer=viewer)
        await self.peer.setRemoteDescription(RTCSessionDescription(self.session.answer, "answer"))
        self._watching = asyncio.create_task(self._watch(self.peer.getReceivers()[0].track))
        return self.session

    async def offer(self) -> str:
        self.peer.addTransceiver("video", direction="recvonly")
        await self.peer.setLocalDescription()
        return self.peer.localDescription.sdp

    async def sees(self, count: int) -> list[VideoFrame]:
        """The next ``count`` pictures."""
        wanted = len(self.frames) + count
        async with asyncio.timeout(60):
            while len(self.frames) < wanted:
                self._came.clear()
                await self._came.wait()
        return self.frames[-count:]

    async def close(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        await self.peer.close()

    async def _watch(self, track) -> None:  # type: ignore[no-untyped-def]
        while True:
            self.frames.append(await track.recv())
            self._came.set()


@pytest.fixture
async def worker(worker_command: list[str], short_dir: Path) -> AsyncIterator[LiveWorker]:
    """A worker that runs; see LiveWorker."""
    made = LiveWorker(worker_command, short_dir / "run" / "video-0.sock")
    await made.start()
    yield made
    made.kill()
    await made.client.__aexit__()


@pytest.fixture
async def desk(worker: LiveWorker, short_dir: Path) -> AsyncIterator[LiveDesk]:
    """The core's side of a live process that asks that worker."""
    made = LiveDesk(short_dir, LiveSettings(most=4), lambda _: [worker.socket])
    yield made
    await made.stop()


@pytest.fixture
async def browser() -> AsyncIterator[Callable[[], Browser]]:
    """Makes browsers, and closes them."""
    made: list[Browser] = []

    def make() -> Browser:
        made.append(Browser())
        return made[-1]

    yield make
    for one in made:
        await one.close()


@pytest.fixture(scope="session")
def stream(encode_stream: Callable[..., list[tuple[bytes, bool]]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """100 pictures of H.264 without B-frames, a keyframe each 25."""
    path = tmp_path_factory.mktemp("stream") / "stream.h264"
    path.write_bytes(b"".join(payload for payload, _ in encode_stream(100)))
    return path


@pytest.fixture
def eventually() -> Callable[[Callable[[], Awaitable[object]]], Awaitable[None]]:
    """``await eventually(condition)``: ask again and again, for as long as a busy machine may need."""

    async def wait(condition: Callable[[], Awaitable[object]]) -> None:
        async with asyncio.timeout(60):
            while not await condition():
                await asyncio.sleep(0.05)

    return wait
