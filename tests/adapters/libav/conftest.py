"""Streams to read, made by parts nobody here wrote or by hand, and an outlet that remembers what it was given."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from gateway.ports import AccessUnit

GST_SERVER = Path(__file__).parents[2] / "peers" / "gst_server.py"


@dataclass
class Outlet:
    wants_all: bool = False
    codecs: list[str] = field(default_factory=list)
    units: list[AccessUnit] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    plays: int = 0

    def playing(self) -> None:
        self.plays += 1

    def online(self, codec: str) -> None:
        self.codecs.append(codec)

    def unit(self, unit: AccessUnit) -> None:
        self.units.append(unit)

    def received(self, size: int) -> None:
        self.sizes.append(size)


@pytest.fixture
def outlet() -> Outlet:
    return Outlet()


@pytest.fixture
def gst_server() -> Iterator[Callable[..., str]]:
    """``gst_server("--codec", "jpeg", password="…")`` starts one and gives its address."""
    servers: list[subprocess.Popen[str]] = []

    def start(*options: str, password: str = "") -> str:
        command = ["/usr/bin/python3", str(GST_SERVER), "--password-stdin", *options]
        server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        servers.append(server)
        assert server.stdin is not None and server.stdout is not None
        server.stdin.write(password + "\n")
        server.stdin.flush()
        return server.stdout.readline().split()[1]

    yield start
    for server in servers:
        server.terminate()
        server.wait(60)
        assert server.stdin is not None and server.stdout is not None
        server.stdin.close()
        server.stdout.close()


@pytest.fixture
def ffmpeg() -> Iterator[Callable[..., None]]:
    """``ffmpeg("-f", "rtp", address)`` sends a moving test picture of 320×240 there in real time until the test ends."""
    senders: list[subprocess.Popen[bytes]] = []

    def start(*output: str) -> None:
        picture = ["-re", "-f", "lavfi", "-i", "testsrc=size=320x240:rate=25"]
        command = ["ffmpeg", "-v", "error", "-nostdin", *picture, *output]
        senders.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))

    yield start
    for sender in senders:
        sender.kill()
        sender.wait(60)


Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], object]


@pytest.fixture
def device() -> Callable[..., object]:
    """``async with device(answer) as port``: a TCP server; ``answer(head, writer)`` is awaited for each request."""

    @asynccontextmanager
    async def serve(answer: Callable[[bytes, asyncio.StreamWriter], object]) -> AsyncIterator[int]:
        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while True:
                    head = await reader.readuntil(b"\r\n\r\n")
                    await answer(head, writer)  # type: ignore[misc]
            except (asyncio.IncompleteReadError, ConnectionError):
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(greet, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()

    return serve


def picture(number: int, width: int, height: int) -> av.VideoFrame:
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, number * 7 % width :] = 220
    return av.VideoFrame.from_ndarray(pixels, format="bgr24").reformat(format="yuv420p")


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """``film("libx264", "a.mp4")``: a file of 1 s, 20 pictures of 320×240, a keyframe every 10."""

    def make(codec: str, name: str, **options: str) -> Path:
        path = tmp_path_factory.mktemp("film") / name
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=20, options={"g": "10", **options})
            stream.width, stream.height = 320, 240
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            stream.codec_context.time_base = Fraction(1, 20)
            for number in range(20):
                frame = picture(number, 320, 240).reformat(format=stream.pix_fmt)
                frame.pts = number
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path

    return make


@pytest.fixture(scope="session")
def jpeg(film: Callable[..., Path]) -> bytes:
    """One picture of 320×240."""
    with av.open(str(film("mjpeg", "one.mkv"))) as container:
        return bytes(next(container.demux(video=0)))
