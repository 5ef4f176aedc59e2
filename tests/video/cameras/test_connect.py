"""Which adapter reads which stream: decided with a camera that offers what our own RTSP does not speak."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from types import ModuleType

import pytest

from adapters.libav.source import LibavSource
from adapters.rtsp import ReceiveBuffer, RtspSource
from gateway.errors import AuthFailed, NotSpoken, ProtocolFault, Unreachable
from gateway.model import Credential
from gateway.ports import AccessUnit, VideoOutlet
from gateway.video.cameras.connect import (
    AT_ONCE,
    REFUSED_S,
    REMEMBER_S,
    REMEMBERED,
    Connector,
    _Few,
    _Memory,
    _RtspFirst,
    _UntilSpoken,
)
from gateway.video.wire import CameraOrder

URL = "rtsp://127.0.0.1:9/x"
ORDER = CameraOrder("cam", sub=URL)
NAME = ("cam", URL, "auto", False, None)


@dataclass
class Outlet:
    wants_all: bool = False
    units: list[AccessUnit] = field(default_factory=list)

    def playing(self) -> None: ...
    def online(self, codec: str) -> None: ...
    def received(self, size: int) -> None: ...
    def unit(self, unit: AccessUnit) -> None:
        self.units.append(unit)


class Ends:
    """A source that ends as it is told to, perhaps after it has shown ``codec``."""

    def __init__(self, how: Exception | None, width: int | None, codec: str | None = None) -> None:
        self.how, self.width, self.height, self.dropped, self.runs = how, width, width, width or 0, 0
        self.codec = codec

    async def run(self, outlet: VideoOutlet) -> None:
        self.runs += 1
        if self.codec is not None:
            outlet.online(self.codec)
        if self.how is not None:
            raise self.how


@pytest.mark.parametrize(
    ("url", "transport", "kind"),
    [
        ("rtsp://cam/1", "udp", RtspSource),
        ("http://cam/mjpg", "auto", LibavSource),
        ("rtp://239.1.1.1:5000", "auto", LibavSource),
        ("udp://239.1.1.1:5000", "auto", LibavSource),
        ("file:///film.mp4", "auto", LibavSource),
        ("rtsp://cam/1", "multicast", LibavSource),
        ("rtsps://cam/1", "multicast", LibavSource),
    ],
)
def test_the_address_and_the_transport_decide(url: str, transport: str, kind: type) -> None:
    source = Connector(ReceiveBuffer())(CameraOrder("cam", sub=url, transport=transport), url, 30.0)
    assert isinstance(source, _Few) is (kind is LibavSource)


@pytest.mark.parametrize("url", ["rtsp://cam/1", "RTSPS://cam/1"])
def test_rtsp_is_ours_first(url: str) -> None:
    source = Connector()(CameraOrder("cam", sub=url), url, 30.0)
    assert isinstance(source, _RtspFirst)
    assert (source.width, source.height, source.dropped) == (None, None, 0)


async def test_libav_takes_over_within_the_attempt_and_is_remembered() -> None:
    told: list[str | None] = []
    rtsp, libav = Ends(NotSpoken("it offers JPEG"), 1), Ends(Unreachable("it ended"), 2, "mjpeg")
    source = _RtspFirst("cam", rtsp, libav, told.append)
    assert source.width == 1
    with pytest.raises(Unreachable, match="it ended"):
        await source.run(Outlet())
    assert (source.width, source.height, source.dropped) == (2, 2, 2)
    assert (rtsp.runs, libav.runs, told) == (1, 1, ["", "mjpeg"])


@pytest.mark.parametrize("end", [Unreachable("gone"), AuthFailed("wrong"), ProtocolFault("junk"), None])
async def test_no_other_end_of_ours_is_taken_over(end: Exception | None) -> None:
    told: list[str | None] = []
    libav = Ends(None, 2)
    source = _RtspFirst("cam", Ends(end, 1), libav, told.append)
    if end is None:
        await source.run(Outlet())
    else:
        with pytest.raises(type(end), match=str(end)):
            await source.run(Outlet())
    assert (libav.runs, told) == (0, [])


async def test_what_neither_speaks_is_told_by_both_and_not_remembered() -> None:
    told: list[str | None] = []
    source = _RtspFirst(
        "cam", Ends(NotSpoken("it offers H263"), 1), Ends(ProtocolFault("h263 is not read"), None), told.append
    )
    with pytest.raises(ProtocolFault, match=r"it offers H263 \(read by libav: h263 is not read\)"):
        await source.run(Outlet())
    assert told == ["", None]


async def test_a_reader_that_dies_after_it_has_read_is_tried_again() -> None:
    told: list[str | None] = []
    died = ProtocolFault("the reader died of what it was sent")
    source = _RtspFirst("cam", Ends(NotSpoken("it offers JPEG"), None), Ends(died, 640, "mjpeg"), told.append)
    with pytest.raises(ProtocolFault, match=r"^the reader died"):
        await source.run(Outlet())
    assert told == ["", "mjpeg"]


async def test_what_libav_could_not_read_is_not_shown_to_it_at_every_attempt() -> None:
    now = [1000.0]
    connect = Connector(mono=lambda: now[0])
    connect._remember(NAME, None)
    source = connect(ORDER, URL, 30.0)
    assert isinstance(source, _RtspFirst) and source._libav is None
    now[0] += REFUSED_S
    source = connect(ORDER, URL, 30.0)
    assert isinstance(source, _RtspFirst) and source._libav is not None
    alone = _RtspFirst("cam", Ends(NotSpoken("it offers H263"), 1), None, lambda kept: None)
    with pytest.raises(NotSpoken, match="it offers H263"):
        await alone.run(Outlet())


class Stays(Ends):
    async def run(self, outlet: VideoOutlet) -> None:
        await super().run(outlet)
        await asyncio.Event().wait()


async def test_a_camera_that_is_set_to_a_spoken_codec_is_received_by_ours_again() -> None:
    connect = Connector()
    connect._remember(NAME, "mjpeg")
    straight = connect(ORDER, URL, 30.0)
    assert isinstance(straight, _UntilSpoken)
    straight.source = Stays(None, 1, "h264")
    with pytest.raises(Unreachable, match="sends h264 now"):
        await straight.run(Outlet())
    assert isinstance(connect(ORDER, URL, 30.0), _RtspFirst)


async def test_a_camera_that_goes_on_with_jpeg_stays_with_libav_and_can_be_hung_up() -> None:
    libav = Stays(None, 1, "mjpeg")
    task = asyncio.create_task(_UntilSpoken(libav, lambda: None).run(Outlet()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert libav.runs == 1 and not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_spoken_codec_behind_what_only_libav_can_open_stays_with_libav() -> None:
    connect = Connector()
    connect._remember(NAME, "h264")
    assert isinstance(connect(ORDER, URL, 30.0), _Few)


async def test_libav_reads_no_more_streams_than_it_may() -> None:
    class Lasts(Ends):
        async def run(self, outlet: VideoOutlet) -> None:
            self.runs += 1
            await asyncio.Event().wait()

    reading: set[object] = set()
    sources = [Lasts(None, 1) for _ in range(AT_ONCE)]
    tasks = [asyncio.create_task(_Few(source, reading).run(Outlet())) for source in sources]
    await asyncio.sleep(0)
    assert all(source.runs for source in sources)
    with pytest.raises(Unreachable, match="reads 64 streams"):
        await _Few(Ends(None, 1), reading).run(Outlet())
    tasks[0].cancel()
    await asyncio.gather(tasks[0], return_exceptions=True)
    await _Few(Ends(None, 1), reading).run(Outlet())
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert reading == set()


async def test_a_password_that_libav_is_refused_with_is_a_refused_password() -> None:
    """Also when our own was let in a moment ago: trying on would lock the camera."""
    source = _RtspFirst("cam", Ends(NotSpoken("it offers JPEG"), 1), Ends(AuthFailed("no"), 2), lambda kept: None)
    with pytest.raises(AuthFailed):
        await source.run(Outlet())


def test_the_memory_lasts_an_hour_and_is_bounded() -> None:
    now = [1000.0]
    memory = _Memory(lambda: now[0], REMEMBER_S)
    memory.put("a", True)
    memory.put("b", True)
    memory.put("b", False)
    assert "a" in memory and "b" not in memory
    now[0] += REMEMBER_S - 1
    assert "a" in memory
    now[0] += 1
    assert "a" not in memory
    for number in range(REMEMBERED + 1):
        memory.put(number, True)
    assert 0 not in memory and 1 in memory and REMEMBERED in memory
    assert len(memory._until) == REMEMBERED


DESCRIPTION = "v=0\r\ns=-\r\nt=0 0\r\nm=video 0 RTP/AVP 26\r\na=control:track\r\n"


async def test_a_camera_that_sends_jpeg_goes_straight_to_libav_the_second_time(
    peer: Callable[[str], ModuleType],
) -> None:
    """With a camera that offers JPEG and refuses to play it: what is asked shows who asked."""
    wire = peer("rtsp_camera")

    def refuse(camera, request):  # type: ignore[no-untyped-def]
        return wire.answer(request, status="500 Internal Server Error")

    connect = Connector()
    async with wire.Camera({"SETUP": refuse}, description=DESCRIPTION) as camera:
        order = CameraOrder("cam", sub=camera.url)
        first = connect(order, camera.url, 30.0)
        with pytest.raises(Unreachable, match="fault of its own"):
            await first.run(Outlet())
        assert isinstance(connect(order, camera.url, 30.0), _UntilSpoken)
        changed = replace(order, credential=Credential("a", "b"))
        assert isinstance(connect(changed, camera.url, 30.0), _RtspFirst)
        assert isinstance(connect(replace(order, id="other"), camera.url, 30.0), _RtspFirst)
    assert camera.methods().count("DESCRIBE") == 2  # ours, then libav's
    assert camera.methods().count("SETUP") == 1


async def test_a_file_comes_as_pictures(
    tmp_path,
    keyframe: bytes,
    until: Callable[[Callable[[], object]], Awaitable[None]],  # type: ignore[no-untyped-def]
) -> None:
    film = tmp_path / "film.h264"
    film.write_bytes(keyframe)
    outlet = Outlet()
    url = film.as_uri()
    source = Connector()(CameraOrder("cam", sub=url), url, 30.0)
    task = asyncio.create_task(source.run(outlet))
    await until(lambda: outlet.units or task.done())
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert outlet.units[0].payload.startswith(b"\0\0\0\1\x67")
    assert (source.width, source.height) == (704, 576)
