"""The second source of pictures: a device's snapshot address, where its stream is dark."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import Unreachable
from gateway.ledger.sqlite import SqliteLedger
from gateway.model import DeviceHealth, Draft, EventsState, Keyframe, Picture, PictureTask, Snapshot, rfc3339, uuid7
from gateway.supervision.clock import SystemClock
from gateway.video.media import FileMediaStore
from gateway.video.pictures.snapshots import SnapshotDesk

CLOCK = SystemClock()


class Dark:
    """A camera whose stream is not received, and whose device may have a picture."""

    def __init__(self) -> None:
        self.frames: list[Keyframe] | None = None
        self.has_device = True
        self.trouble: str | None = None
        self.asked = 0

    async def keyframes(self, camera_id: str) -> list[Keyframe]:
        if self.frames is None:
            raise Unreachable("camera c is offline: connection refused")
        return self.frames

    async def picture(self, camera_id: str, keyframe_id: str, width: int) -> Picture:
        return Picture(b"of the ring", width, width // 2)

    def device(self, camera_id: str) -> DeviceHealth | None:
        return DeviceHealth(camera_id, EventsState.LISTENING) if self.has_device else None

    async def device_picture(self, camera_id: str, width: int) -> tuple[Keyframe, Picture]:
        self.asked += 1
        if self.trouble is not None:
            raise Unreachable(self.trouble)
        return Keyframe(f"d{self.asked}", time.monotonic()), Picture(b"of the device", width, width // 2)


class Scene:
    def __init__(self, ledger: SqliteLedger, camera: Dark) -> None:
        self.ledger, self.camera = ledger, camera

    async def taken(self, *wanted_ms: int, ago: float = 0.0) -> list[Snapshot]:
        """What became of the pictures of an alert of ``ago`` seconds ago."""
        alert_id, at = uuid7(), CLOCK.now()
        base = {
            "kind": "sos", "severity": 1, "status": "actual", "title": "t", "raised_at": rfc3339(at),
            "source": {"type": "terminal", "id": "tv-1", "known": True},
            "cameras": [{"id": "c", "name": "c", "distance_m": 1, "snapshots": [
                {"id": f"{alert_id}/{wanted}", "wanted_ms": wanted, "press": 1} for wanted in wanted_ms
            ]}],
        }  # fmt: skip

        def work(tx: Any) -> None:
            tx.append(Draft(alert_id, "raised", "terminal/tv-1", at, data={"base": base}))
            for wanted in wanted_ms:
                tx.ask_picture(
                    PictureTask(alert_id, f"{alert_id}/{wanted}", "c", wanted, at, CLOCK.mono() - ago, "boot")
                )

        await self.ledger.write(work)
        async with asyncio.timeout(60):
            while True:
                stored = await self.ledger.read(lambda reader: reader.alert(alert_id))
                assert stored is not None
                snapshots = list(stored.alert.cameras[0].snapshots)
                if all(one.state.value != "pending" for one in snapshots):
                    return snapshots
                await asyncio.sleep(0.02)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    ledger = await SqliteLedger.open(tmp_path / "ledger.db", "town", CLOCK)
    camera = Dark()
    media = FileMediaStore(tmp_path / "media")
    desk = SnapshotDesk(ledger, camera, media, CLOCK, boot_id="boot", width=640, devices=camera)  # type: ignore[arg-type]
    running = asyncio.create_task(desk.run())
    yield Scene(ledger, camera)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await ledger.close()


async def test_a_dark_streams_picture_comes_from_the_device_at_its_true_moment(scene: Scene) -> None:
    at, after = await scene.taken(0, 1000, ago=2)
    assert (at.state.value, after.state.value) == ("ready", "ready")
    assert at.offset_ms is not None
    assert at.offset_ms >= 2000
    assert at.sha256 == after.sha256
    assert scene.camera.asked == 1


async def test_there_is_no_device_picture_of_before_the_press(scene: Scene) -> None:
    before, at = await scene.taken(-5000, 0, ago=16)
    assert (before.state.value, before.reason) == ("failed", "camera c is offline: connection refused")
    assert at.state.value == "ready"


async def test_a_device_that_has_none_is_asked_once_and_both_reasons_are_told(scene: Scene) -> None:
    scene.camera.trouble = "10.0.0.5:80 answered the snapshot with a web page"
    (at,) = await scene.taken(0, ago=14)
    assert at.reason == (
        "camera c is offline: connection refused; and its snapshot address: "
        "10.0.0.5:80 answered the snapshot with a web page"
    )
    assert scene.camera.asked == 1


async def test_a_camera_without_a_device_waits_for_its_stream_alone(scene: Scene) -> None:
    scene.camera.has_device = False
    (at,) = await scene.taken(0, ago=16)
    assert at.reason == "camera c is offline: connection refused"
    assert scene.camera.asked == 0


async def test_the_ring_goes_first(scene: Scene) -> None:
    scene.camera.frames = [Keyframe("k", CLOCK.mono() - 1)]
    (at,) = await scene.taken(0)
    assert at.state.value == "ready"
    assert scene.camera.asked == 0


async def test_a_stream_that_shows_nothing_for_all_its_time_is_given_up_for_the_device(scene: Scene) -> None:
    scene.camera.frames = []
    (at,) = await scene.taken(1000, ago=20)
    assert at.state.value == "ready"
    assert scene.camera.asked == 1
