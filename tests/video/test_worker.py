"""The worker as a real process, asked over its real socket; its cameras are files (worker_double.py)."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import aiohttp
import cv2
import numpy as np
import pytest

from gateway import __version__
from gateway.errors import DeviceError, Unreachable
from gateway.model import CameraHealth, CameraState, Credential
from gateway.video.decoder.decoder import child_environment
from gateway.video.wire import SPEAKS, CameraOrder, digest
from gateway.video.workers.client import WorkerClient

Strays = Callable[[Path], list[int]]


class Running:
    """A worker process and its client."""

    def __init__(self, process: "subprocess.Popen[bytes]", socket: Path, client: WorkerClient) -> None:
        self.process = process
        self.socket = socket
        self.client = client

    async def stop(self) -> None:
        """A second is all that its answer has; on a busy machine it is asked again."""
        async with asyncio.timeout(60):
            while self.process.poll() is None:
                with contextlib.suppress(Unreachable):
                    return await self.client.stop()

    async def ended(self, within: float = 60) -> int:
        return await asyncio.to_thread(self.process.wait, within)

    async def health(self, wanted: CameraState) -> CameraHealth:
        """A camera's that comes into that state."""
        version = -1
        async with asyncio.timeout(60):
            while True:
                report = await self.client.health(version, 5)
                version = report.version
                for camera in report.cameras:
                    if camera.state is wanted:
                        return camera


@pytest.fixture
def command(worker_command: list[str], short_dir: Path) -> list[str]:
    return [*worker_command, "--socket", str(short_dir / "run" / "w.sock")]


async def start(command: list[str], short_dir: Path) -> Running:
    process = subprocess.Popen(command, env=child_environment(), stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    socket = short_dir / "run" / "w.sock"
    client = WorkerClient(socket)
    async with asyncio.timeout(60):
        while True:
            try:
                assert (await client.alive()).pid == process.pid
            except Unreachable:
                assert process.poll() is None
                await asyncio.sleep(0.05)
            else:
                return Running(process, socket, client)


@pytest.fixture
async def worker(command: list[str], short_dir: Path) -> AsyncIterator[Running]:
    running = await start(command, short_dir)
    yield running
    await running.client.__aexit__()
    running.process.kill()
    running.process.wait()


@pytest.fixture
def camera(short_dir: Path, keyframe: bytes) -> CameraOrder:
    path = short_dir / "camera.h264"
    path.write_bytes(keyframe)
    return CameraOrder("c 1.ü", sub=f"file://{path}", credential=Credential("u", "geheim"))


async def test_from_the_camera_list_to_a_picture(worker: Running, camera: CameraOrder) -> None:
    await worker.client.put_cameras([camera])
    health = await worker.health(CameraState.ONLINE)
    assert (health.camera_id, health.codec, health.width, health.height) == (camera.id, "h264", 704, 576)
    newest = (await worker.client.keyframes(camera.id))[-1]
    first, second = await asyncio.gather(*(worker.client.picture(camera.id, newest.id, 320) for _ in range(2)))
    assert first == second
    shown = cv2.imdecode(np.frombuffer(first.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert shown.shape[:2] == (first.height, first.width) == (262, 320)
    figures = await worker.client.figures()
    assert figures["decoder"]["decoded"] == 1
    assert figures["cameras"] == {"online": 1}
    assert figures["rss_bytes"] > 1_000_000
    assert figures["received_bytes"] > 0
    assert figures["ring"]["keyframes"] >= 1


async def test_a_mask_hides_at_once_also_in_pictures_that_were_made_before(
    worker: Running, camera: CameraOrder
) -> None:
    await worker.client.put_cameras([camera])
    await worker.health(CameraState.ONLINE)
    newest = (await worker.client.keyframes(camera.id))[-1]
    bare = await worker.client.picture(camera.id, newest.id, 320)
    right = ((0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0))
    await worker.client.put_cameras([replace(camera, masks=(right,))])
    assert await worker.health(CameraState.ONLINE)  # it was not dialled anew
    masked = await worker.client.picture(camera.id, newest.id, 320)
    levels = [cv2.imdecode(np.frombuffer(each.jpeg, np.uint8), cv2.IMREAD_GRAYSCALE) for each in (bare, masked)]
    assert levels[0][:, 180:].mean() > 180
    assert levels[1][:, 180:].max() < 12
    assert abs(levels[0][:, :140].mean() - levels[1][:, :140].mean()) < 2
    await worker.client.put_cameras([camera])
    assert await worker.client.picture(camera.id, newest.id, 320) == bare


async def test_what_is_not_there_is_told_in_words(worker: Running, camera: CameraOrder) -> None:
    with pytest.raises(Unreachable, match="not known to the video worker"):
        await worker.client.keyframes("nobody")
    with pytest.raises(DeviceError, match="no longer held"):
        await worker.client.picture(camera.id, "old-1", 640)
    with pytest.raises(DeviceError, match="width is a whole number"):
        await worker.client.picture(camera.id, "old-1", 99999)
    await worker.client.put_cameras([CameraOrder("g", "gone://x")])
    await worker.health(CameraState.OFFLINE)
    with pytest.raises(Unreachable, match=r"camera g is offline: connection refused by 10\.0\.0\.5:554"):
        await worker.client.keyframes("g")


async def test_a_refused_camera_waits_for_another_credential(worker: Running) -> None:
    await worker.client.put_cameras([CameraOrder("r", "refuse://x")])
    health = await worker.health(CameraState.AUTH_FAILED)
    assert health.reason == "the camera at 10.0.0.5:554 refused the user name or password"


async def test_a_keyframe_that_cannot_be_decoded_is_told_in_words(
    worker: Running, camera: CameraOrder, short_dir: Path
) -> None:
    (short_dir / "camera.h264").write_bytes(b"\x00\x00\x00\x01\x65 not a picture")
    await worker.client.put_cameras([camera])
    await worker.health(CameraState.ONLINE)
    newest = (await worker.client.keyframes(camera.id))[-1]
    with pytest.raises(DeviceError, match="keyframe") as caught:
        await worker.client.picture(camera.id, newest.id, 640)
    assert not isinstance(caught.value, Unreachable)


async def test_nonsense_is_answered_not_died_of(worker: Running) -> None:
    connector = aiohttp.UnixConnector(path=str(worker.socket))
    async with aiohttp.ClientSession("http://worker", connector=connector) as session:
        for method, path, body, status in (
            ("PUT", "/cameras", b"{", 400),
            ("PUT", "/cameras", b"[{}]", 400),
            ("PUT", "/cameras", b"\xff\xfe", 400),
            ("GET", "/health?since=x", b"", 400),
            ("GET", "/health?wait=nan", b"", 400),
            ("GET", "/health?wait=-1", b"", 400),
            ("GET", "/nowhere", b"", 404),
            ("GET", "/stop", b"", 405),
        ):
            async with session.request(method, path, data=body) as response:
                assert response.status == status, path
        async with session.get("/alive") as response:
            assert await response.json() == {
                "pid": worker.process.pid,
                "version": __version__,
                "speaks": SPEAKS,
                "cameras": digest([]),
            }


async def test_the_socket_is_ours_alone_and_no_secret_is_in_sight(worker: Running, camera: CameraOrder) -> None:
    await worker.client.put_cameras([camera])
    assert worker.socket.stat().st_mode & 0o777 == 0o600
    assert worker.socket.parent.stat().st_mode & 0o777 == 0o700
    for name in ("cmdline", "environ"):
        assert b"geheim" not in Path(f"/proc/{worker.process.pid}/{name}").read_bytes()


@pytest.mark.parametrize("how", ["request", "signal"])
async def test_it_ends_in_order(
    worker: Running, camera: CameraOrder, short_dir: Path, strays: Strays, how: str
) -> None:
    await worker.client.put_cameras([camera])
    await worker.health(CameraState.ONLINE)
    decoder = (await worker.client.figures())["decoder"]["pid"]
    polling = asyncio.create_task(worker.client.health(10_000, 30))
    await asyncio.sleep(0.05)
    if how == "request":
        await worker.stop()
    else:
        worker.process.send_signal(signal.SIGTERM)
    assert await worker.ended() == 0
    await asyncio.gather(polling, return_exceptions=True)
    assert (short_dir / "camera.goodbye").read_text() == "c 1.ü\n"
    assert not worker.socket.exists()
    if decoder is not None:
        with pytest.raises(ProcessLookupError):
            os.kill(decoder, 0)


async def test_a_killed_worker_takes_its_decoder_with_it(
    worker: Running, until: Callable[[Callable[[], object]], Awaitable[None]]
) -> None:
    async with asyncio.timeout(60):
        while (decoder := (await worker.client.figures())["decoder"]["pid"]) is None:
            await asyncio.sleep(0.05)
    worker.process.kill()
    await until(lambda: not Path(f"/proc/{decoder}/cmdline").exists())


async def test_a_second_worker_on_the_same_socket_is_refused(worker: Running, command: list[str]) -> None:
    second = await asyncio.to_thread(
        subprocess.run, command, env=child_environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert second.returncode == 1
    assert "another video worker listens" in second.stderr
    assert "Traceback" not in second.stderr
    assert (await worker.client.alive()).pid == worker.process.pid


async def test_an_orphan_ends_by_itself(command: list[str]) -> None:
    orphan = await asyncio.to_thread(
        subprocess.run,
        [*command, "--orphan-after", "1"],
        env=child_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert orphan.returncode == 0
    assert "no core has spoken to this worker for long" in orphan.stderr
    assert "Traceback" not in orphan.stderr


async def test_a_socket_left_by_a_crash_is_no_hindrance(command: list[str], short_dir: Path) -> None:
    first = await start(command, short_dir)
    await first.client.__aexit__()
    first.process.kill()
    await first.ended()
    assert first.socket.exists()
    second = await start(command, short_dir)
    await second.stop()
    await second.client.__aexit__()
    assert await second.ended() == 0


def test_a_wrong_command_line_is_usage() -> None:
    done = subprocess.run([sys.executable, "-m", "gateway.video.worker"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--socket" in done.stderr


@pytest.mark.parametrize("dials", ["64,16", "64,16,0", "a,b,c", "64,16,4,1", "-1,2,3"])
def test_a_dial_budget_is_three_whole_numbers(dials: str, short_dir: Path) -> None:
    command = [sys.executable, "-m", "gateway.video.worker", "--socket", str(short_dir / "s"), f"--dials={dials}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "three whole numbers" in done.stderr
