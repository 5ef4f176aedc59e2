"""Clips, main streams and refusals through a real worker's real socket; its cameras are files (worker_double.py)."""

import asyncio
import io
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import av
import cv2
import numpy as np
import pytest

from gateway.errors import DeviceError, Unreachable
from gateway.model import CameraState, Footage
from gateway.video.decoder.decoder import child_environment
from gateway.video.wire import CameraOrder, Refused
from gateway.video.workers.client import WorkerClient

Streams = Callable[..., list[tuple[bytes, bool]]]
GOP = 25  # of the streams


@pytest.fixture
async def worker(worker_command: list[str], short_dir: Path) -> AsyncIterator[WorkerClient]:
    socket = short_dir / "run" / "w.sock"
    process = subprocess.Popen(
        [*worker_command, "--socket", str(socket)],
        env=child_environment(),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    client = WorkerClient(socket)
    try:
        async with asyncio.timeout(60):
            while True:
                try:
                    await client.alive()
                except Unreachable:
                    assert process.poll() is None
                    await asyncio.sleep(0.05)
                else:
                    break
        yield client
    finally:
        await client.__aexit__()
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def stream(encode_stream: Streams, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("stream") / "stream.h264"
    path.write_bytes(b"".join(payload for payload, _ in encode_stream(100)))
    return path


async def online(worker: WorkerClient, camera_id: str = "c1", state: CameraState = CameraState.ONLINE) -> None:
    version = -1
    async with asyncio.timeout(60):
        while True:
            report = await worker.health(version, 5)
            version = report.version
            if any(health.camera_id == camera_id and health.state is state for health in report.cameras):
                return


async def keyframes_since(worker: WorkerClient, moment: float, count: int) -> list[float]:
    """When the first keyframes after a moment were received, once there are so many."""
    async with asyncio.timeout(90):
        while True:
            times = [frame.received_mono for frame in await worker.keyframes("c1") if frame.received_mono > moment]
            if len(times) >= count:
                return times
            await asyncio.sleep(0.1)


def pictures(footage: Footage) -> list[float]:
    with av.open(io.BytesIO(footage.mp4)) as container:
        return [frame.time for frame in container.decode(video=0)]


async def test_a_kept_camera_has_the_video_of_before(worker: WorkerClient, stream: Path) -> None:
    await worker.put_cameras([CameraOrder("c1", sub=f"stream://{stream}", record_s=30)])
    await online(worker)
    first, second, third, *_ = await keyframes_since(worker, time.monotonic(), 3)
    footage = await worker.footage("c1", (first + second) / 2, third)
    assert footage.codec == "h264"
    assert footage.from_mono == pytest.approx(first, abs=0.001), "from the keyframe before the span"
    assert footage.to_mono == pytest.approx(third, abs=0.001)
    times = pictures(footage)
    assert len(times) == 2 * GOP + 1
    assert 2 * GOP * 0.02 - 0.05 <= times[-1] <= third - first + 0.05, "the double is at times slow, never early"
    figures = await worker.figures()
    assert figures["muxer"]["made"] == 1
    assert figures["recorder"]["bytes"] > 1000


async def test_another_camera_records_from_the_moment_it_is_held(worker: WorkerClient, stream: Path) -> None:
    await worker.put_cameras([CameraOrder("c1", sub=f"stream://{stream}")])
    await online(worker)
    now = time.monotonic()
    with pytest.raises(DeviceError, match="no video of camera c1 from that time is kept"):
        await worker.footage("c1", now - 30, now)
    await worker.hold("c1", now - 30, now + 200)
    held = time.monotonic()
    first, second, *_ = await keyframes_since(worker, held, 2)
    footage = await worker.footage("c1", now - 30, second)
    assert now <= footage.from_mono <= first + 0.001 < footage.to_mono == pytest.approx(second, abs=0.001)
    assert len(pictures(footage)) > GOP


async def test_a_long_clip_over_the_socket_is_whole(
    worker: WorkerClient, encode_stream: Streams, tmp_path: Path
) -> None:
    filler = b"\0\0\0\1\x0c" + b"\xff" * 200_000 + b"\x80"
    path = tmp_path / "large.h264"
    path.write_bytes(b"".join(payload + filler for payload, _ in encode_stream(100)))
    await worker.put_cameras([CameraOrder("c1", sub=f"stream://{path}", record_s=30)])
    await online(worker)
    first, second, *_ = await keyframes_since(worker, time.monotonic(), 2)
    footage = await worker.footage("c1", first, second)
    assert len(footage.mp4) > 2_000_000
    assert len(pictures(footage)) == GOP + 1


async def test_mjpeg_has_pictures_but_no_clip(worker: WorkerClient, tmp_path: Path) -> None:
    path = tmp_path / "picture.jpg"
    path.write_bytes(cv2.imencode(".jpg", np.full((120, 160, 3), 90, np.uint8))[1].tobytes())
    await worker.put_cameras([CameraOrder("c1", sub=f"mjpeg://{path}", record_s=30)])
    await online(worker)
    newest = (await worker.keyframes("c1"))[-1]
    assert (await worker.picture("c1", newest.id, 80)).width == 80
    with pytest.raises(DeviceError, match="sends MJPEG, of which no clip is made"):
        await worker.footage("c1", newest.received_mono - 1, newest.received_mono)


async def test_a_picture_of_the_main_stream(
    worker: WorkerClient, stream: Path, tmp_path: Path, keyframe: bytes
) -> None:
    main = tmp_path / "main.h264"
    main.write_bytes(keyframe)
    await worker.put_cameras([CameraOrder("c1", f"file://{main}", f"stream://{stream}")])
    await online(worker)
    frame, picture = await worker.main_picture("c1", 1000)
    assert (picture.width, picture.height) == (704, 576)
    assert abs(time.monotonic() - frame.received_mono) < 30
    assert frame.id not in {each.id for each in await worker.keyframes("c1")}


async def test_a_main_stream_that_is_not_there_is_told_in_words(worker: WorkerClient, stream: Path) -> None:
    await worker.put_cameras([CameraOrder("c1", "gone://x", f"stream://{stream}")])
    await online(worker)
    with pytest.raises(DeviceError, match="c1"):
        await worker.main_picture("c1", 640)


async def test_a_refused_camera_stays_refused_in_another_worker_and_is_tried_on_request(
    worker: WorkerClient, tmp_path: Path
) -> None:
    dials = tmp_path / "dials"
    dials.touch()
    camera = CameraOrder("c1", sub=f"refuse://{dials}")
    await worker.put_cameras([camera], Refused({"c1": "the camera refused the password of yesterday"}))
    await online(worker, state=CameraState.AUTH_FAILED)
    assert dials.read_text() == ""
    await worker.retry("c1")
    async with asyncio.timeout(60):
        while dials.read_text() != "c1\n":
            await asyncio.sleep(0.05)


async def test_an_unknown_camera_is_told_in_words(worker: WorkerClient) -> None:
    now = time.monotonic()
    for call in (
        worker.hold("nobody", now, now + 1),
        worker.footage("nobody", now, now + 1),
        worker.main_picture("nobody", 640),
        worker.retry("nobody"),
    ):
        with pytest.raises(DeviceError, match="camera nobody is not known to the video worker"):
            await call


async def test_a_span_that_is_none_is_refused(worker: WorkerClient, stream: Path) -> None:
    await worker.put_cameras([CameraOrder("c1", sub=f"stream://{stream}")])
    now = time.monotonic()
    for start, until in (
        (now, now),
        (now, now - 1),
        (now, now + 10_000),
        (now + 1000, now + 1001),
        (float("-inf"), now),
    ):
        with pytest.raises(DeviceError, match="a span is two times"):
            await worker.footage("c1", start, until)
    with pytest.raises(DeviceError, match="a span is two times"):
        await worker.hold("c1", now, now + 10_000)
    with pytest.raises(DeviceError, match="width is a whole number"):
        await worker.main_picture("c1", 5)


async def test_nonsense_is_answered_not_died_of(worker: WorkerClient, short_dir: Path) -> None:
    connector = aiohttp.UnixConnector(path=str(short_dir / "run" / "w.sock"))
    async with aiohttp.ClientSession("http://worker", connector=connector) as session:
        for method, path, body in (
            ("POST", "/cameras/c1/hold", b"{"),
            ("POST", "/cameras/c1/hold", b"[]"),
            ("POST", "/cameras/c1/hold", b"{}"),
            ("POST", "/cameras/c1/hold", b'{"from":[],"until":{}}'),
            ("POST", "/cameras/c1/hold", b'{"from":1,"until":"x"}'),
            ("POST", "/cameras/c1/hold", b'{"from":NaN,"until":NaN}'),
            ("GET", "/cameras/c1/clip.mp4", b""),
            ("GET", "/cameras/c1/clip.mp4?from=nan&to=1", b""),
            ("GET", "/cameras/c1/clip.mp4?from=1&to=inf", b""),
            ("PUT", "/cameras", b'{"cameras":[],"refused":[]}'),
            ("PUT", "/cameras", b"[]"),
        ):
            async with session.request(method, path, data=body) as response:
                assert response.status == 400, (path, body)
    await worker.alive()
