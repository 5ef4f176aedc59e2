"""The snapshot desk, with a hand-written video service, a real ledger and a real media store."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import StoreFailed, Unreachable
from gateway.ledger.sqlite import SqliteLedger
from gateway.model import Draft, Keyframe, Picture, PictureTask, rfc3339, uuid7
from gateway.supervision.clock import SystemClock
from gateway.video.media import FileMediaStore
from gateway.video.pictures import snapshots
from gateway.video.pictures.snapshots import SnapshotDesk

CLOCK = SystemClock()


class Ring:
    """A VideoService whose one camera's ring is filled by hand."""

    def __init__(self) -> None:
        self.frames: list[Keyframe] = []
        self.trouble: str | None = None
        self.decoded: list[str] = []
        self.undecodable: set[str] = set()

    async def keyframes(self, camera_id: str) -> list[Keyframe]:
        if self.trouble is not None:
            raise Unreachable(self.trouble)
        return list(self.frames)

    async def picture(self, camera_id: str, keyframe_id: str, width: int) -> Picture:
        self.decoded.append(keyframe_id)
        if keyframe_id in self.undecodable:
            raise Unreachable("the keyframe could not be decoded")
        return Picture(f"jpeg of {keyframe_id}".encode(), width, width // 2)

    def health(self, camera_id: str) -> None:
        return None

    def all_health(self) -> tuple[()]:
        return ()

    async def health_changed(self, seen: int) -> int:
        await asyncio.Event().wait()
        return seen


class Scene:
    def __init__(self, ledger: SqliteLedger, ring: Ring, media: FileMediaStore, desk: SnapshotDesk) -> None:
        self.ledger = ledger
        self.ring = ring
        self.media = media
        self.desk = desk

    async def ask(self, *wanted_ms: int, boot_id: str = "boot", ago: float = 0.0) -> str:
        """An alert of ``ago`` seconds ago that wants pictures of camera ``c``."""
        alert_id = uuid7()
        at = CLOCK.now()
        snapshots = [{"id": f"{alert_id}/{wanted}", "wanted_ms": wanted, "press": 1} for wanted in wanted_ms]
        base = {
            "kind": "sos",
            "severity": 1,
            "status": "actual",
            "title": "t",
            "raised_at": rfc3339(at),
            "source": {"type": "terminal", "id": "tv-1", "known": True},
            "cameras": [{"id": "c", "name": "c", "distance_m": 1, "snapshots": snapshots}],
        }

        def work(tx: Any) -> None:
            tx.append(Draft(alert_id, "raised", "terminal/tv-1", at, data={"base": base}))
            zero = self.zero = CLOCK.mono() - ago
            for wanted in wanted_ms:
                tx.ask_picture(PictureTask(alert_id, f"{alert_id}/{wanted}", "c", wanted, at, zero, boot_id))

        await self.ledger.write(work)
        return alert_id

    async def settled(self, alert_id: str) -> list[Any]:
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
    media = FileMediaStore(tmp_path / "media")
    ring = Ring()
    desk = SnapshotDesk(ledger, ring, media, CLOCK, boot_id="boot", width=640)
    running = asyncio.create_task(desk.run())
    yield Scene(ledger, ring, media, desk)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await ledger.close()


def frames(*ages: float) -> list[Keyframe]:
    now = CLOCK.mono()
    return [Keyframe(f"k{age}", now - age) for age in ages]


async def test_pictures_are_stored_by_their_hash_with_their_true_offset(scene: Scene) -> None:
    scene.ring.frames = frames(26.0, 10.0, 1.0)  # far apart: until the press a busy machine may take its time
    before, at = await scene.settled(await scene.ask(-20_000, 0))
    assert (before.state.value, at.state.value) == ("ready", "ready")
    true = [round((frame.received_mono - scene.zero) * 1000) for frame in scene.ring.frames]
    assert (before.offset_ms, at.offset_ms) == (true[0], true[2])
    assert before.sha256 == hashlib.sha256(b"jpeg of k26.0").hexdigest()
    assert await scene.media.read(before.sha256) == (b"jpeg of k26.0", "image/jpeg")


async def test_a_hundred_alerts_beside_one_camera_cost_one_picture(scene: Scene) -> None:
    scene.ring.frames = frames(7.0)
    alerts = await asyncio.gather(*(scene.ask(-5000, 0) for _ in range(100)))
    for alert_id in alerts:
        assert all(one.state.value == "ready" for one in await scene.settled(alert_id))
    assert len(scene.ring.decoded) < 100
    assert set(scene.ring.decoded) == {"k7.0"}


async def test_a_picture_from_after_the_press_is_awaited(scene: Scene) -> None:
    scene.ring.frames = frames(1.0)
    alert_id = await scene.ask(0, 200)
    await asyncio.sleep(0.4)
    scene.ring.frames.append(Keyframe("new", CLOCK.mono()))
    at, after = await scene.settled(alert_id)
    assert at.offset_ms < 0 < 200 <= after.offset_ms


async def test_an_undecodable_keyframe_has_a_reason(scene: Scene) -> None:
    scene.ring.frames = frames(1.0)
    scene.ring.undecodable = {"k1.0"}
    (at,) = await scene.settled(await scene.ask(0))
    assert (at.state.value, at.reason) == ("failed", "the keyframe could not be decoded")


async def test_another_boot_took_the_ring_with_it(scene: Scene) -> None:
    scene.ring.frames = frames(1.0)
    (at,) = await scene.settled(await scene.ask(0, boot_id="before"))
    assert at.reason == "the box was restarted before the picture could be taken"


async def test_trouble_is_waited_out_before_it_becomes_the_reason(scene: Scene) -> None:
    scene.ring.trouble = "camera c is offline: connection refused"
    given_up = await scene.settled(await scene.ask(0, ago=16))
    assert given_up[0].reason == "camera c is offline: connection refused"
    alert_id = await scene.ask(0)
    await asyncio.sleep(0.2)
    scene.ring.frames = frames(1.0)
    scene.ring.trouble = None
    (at,) = await scene.settled(alert_id)
    assert at.state.value == "ready"


async def test_tasks_left_by_an_earlier_run_are_taken_up(tmp_path: Path) -> None:
    ledger = await SqliteLedger.open(tmp_path / "ledger.db", "town", CLOCK)
    media = FileMediaStore(tmp_path / "media")
    ring = Ring()
    ring.frames = frames(1.0)
    desk = SnapshotDesk(ledger, ring, media, CLOCK, boot_id="boot", width=640)
    scene = Scene(ledger, ring, media, desk)
    alert_id = await scene.ask(0)  # nobody is at the desk yet
    running = asyncio.create_task(desk.run())
    (at,) = await scene.settled(alert_id)
    assert at.state.value == "ready"
    assert await ledger.read(lambda reader: reader.picture_tasks(10)) == []
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await ledger.close()


async def test_pictures_from_before_are_taken_however_many_wait_for_their_moment(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "_PAGE", 3)
    scene.ring.frames = frames(6.0, 1.0)
    for _ in range(4):
        await scene.ask(3_600_000, 3_600_001)
    alert_id = await scene.ask(-5000)
    assert [one.state.value for one in await scene.settled(alert_id)] == ["ready"]
    left = await scene.ledger.read(lambda reader: reader.picture_tasks(100))
    assert len(left) == 8


async def test_many_pictures_are_written_in_bites_and_each_is_taken_once(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "_BITE", 2)
    scene.ring.frames = frames(6.0, 1.0)
    alerts = [await scene.ask(-5000, -2000) for _ in range(7)]
    for alert_id in alerts:
        assert [one.state.value for one in await scene.settled(alert_id)] == ["ready", "ready"]
        entries = await scene.ledger.read(lambda reader, id=alert_id: reader.entries(id))
        assert [line.entry.action for line in entries] == ["raised", "picture", "picture"]


async def test_looks_that_fail_are_taken_again_and_no_picture_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "_PAGE", 3)
    monkeypatch.setattr(snapshots, "_TRY_LATER_S", 0.01)
    ledger = await SqliteLedger.open(tmp_path / "ledger.db", "town", CLOCK)
    ring = Ring()
    ring.frames = frames(6.0, 1.0)
    desk = SnapshotDesk(ledger, ring, FileMediaStore(tmp_path / "media"), CLOCK, boot_id="boot", width=640)
    scene = Scene(ledger, ring, desk._media, desk)  # type: ignore[arg-type]
    alerts = [await scene.ask(-5000, 0) for _ in range(3)]
    read, looks = ledger.read, 0

    async def slow(work: Any) -> Any:
        nonlocal looks
        looks += 1
        if looks in (2, 3):
            raise StoreFailed("a look into the ledger took longer than 30 s and was ended")
        return await read(work)

    monkeypatch.setattr(ledger, "read", slow)
    running = asyncio.create_task(desk.run())
    async with asyncio.timeout(60):
        while looks < 4 and not running.done():
            await asyncio.sleep(0.01)
    assert not running.done(), "the desk has ended, and with it the node"
    for alert_id in alerts:
        assert [one.state.value for one in await scene.settled(alert_id)] == ["ready", "ready"]
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await ledger.close()
