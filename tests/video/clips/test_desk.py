"""The clip desk, with a hand-written video service and a clock turned by hand, a real ledger and a real media store."""

import asyncio
import heapq
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import DeviceError, StoreFailed, Unreachable
from gateway.ledger.sqlite import SqliteLedger
from gateway.model import Clip, ClipTask, Draft, Footage, rfc3339, uuid7
from gateway.video.clips.desk import ClipDesk
from gateway.video.media import FileMediaStore

START = datetime(2026, 5, 1, 8, 0, tzinfo=UTC)


class HandClock:
    """Time passes only in ``turn``."""

    def __init__(self) -> None:
        self.elapsed = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = 0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.elapsed)

    def mono(self) -> float:
        return 1000.0 + self.elapsed

    async def sleep(self, seconds: float) -> None:
        self._count += 1
        waking: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.elapsed + seconds, self._count, waking))
        await waking

    @property
    def sleepers(self) -> int:
        return sum(not waking.done() for _, _, waking in self._sleepers)

    def wake(self) -> None:
        while self._sleepers and self._sleepers[0][0] <= self.elapsed:
            waking = heapq.heappop(self._sleepers)[2]
            if not waking.done():
                waking.set_result(None)


class Recorder:
    """A VideoService that keeps everything, unless it is told otherwise."""

    def __init__(self) -> None:
        self.held: list[tuple[str, float, float]] = []
        self.cut: list[tuple[str, float, float]] = []
        self.trouble: DeviceError | None = None
        self.at_once = 0
        self.most_at_once = 0

    async def hold(self, camera_id: str, from_mono: float, until_mono: float) -> None:
        if self.trouble is not None:
            raise self.trouble
        self.held.append((camera_id, from_mono, until_mono))

    async def footage(self, camera_id: str, from_mono: float, to_mono: float) -> Footage:
        self.cut.append((camera_id, from_mono, to_mono))
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        await asyncio.sleep(0.01)
        self.at_once -= 1
        if self.trouble is not None:
            raise self.trouble
        return Footage(f"{camera_id} {from_mono} {to_mono}".encode(), from_mono - 0.75, to_mono, "h264")


class Scene:
    """A ledger, a recorder and a desk that is staffed."""

    def __init__(self, ledger: SqliteLedger, media: FileMediaStore, clock: HandClock) -> None:
        self.ledger = ledger
        self.media = media
        self.clock = clock
        self.video = Recorder()
        self.desk = ClipDesk(ledger, self.video, media, clock, boot_id="boot")  # type: ignore[arg-type]
        self.running: asyncio.Task[None] | None = None

    def open(self) -> None:
        self.running = asyncio.create_task(self.desk.run())

    async def close(self) -> None:
        if self.running is not None:
            self.running.cancel()
            await asyncio.gather(self.running, return_exceptions=True)

    async def ask(self, camera: str = "c", *, boot_id: str = "boot", after_ms: int = 30_000) -> str:
        """An alert of now that wants a clip from 30 s before."""
        alert_id, at = uuid7(), self.clock.now()
        base = {
            "kind": "sos",
            "severity": 1,
            "status": "actual",
            "title": "t",
            "raised_at": rfc3339(at),
            "source": {"type": "terminal", "id": "tv-1", "known": True},
            "cameras": [{"id": camera, "name": camera, "clip": {"id": "k"}}],
        }

        def work(tx: Any) -> None:
            tx.append(Draft(alert_id, "raised", "terminal/tv-1", at, data={"base": base}))
            tx.ask_clip(ClipTask(alert_id, "k", camera, -30_000, after_ms, at, self.clock.mono(), boot_id))

        await self.ledger.write(work)
        return alert_id

    async def clip(self, alert_id: str) -> Clip:
        stored = await self.ledger.read(lambda reader: reader.alert(alert_id))
        assert stored is not None
        clip = stored.alert.cameras[0].clip
        assert clip is not None
        return clip

    async def settled(self, alert_id: str) -> Clip:
        await self.until(lambda: self._is_settled(alert_id))
        return await self.clip(alert_id)

    async def _is_settled(self, alert_id: str) -> bool:
        return (await self.clip(alert_id)).state.value != "pending"

    async def until(self, reached: Callable[[], Any]) -> None:
        async with asyncio.timeout(60):
            while True:
                self.clock.wake()
                found = reached()
                if await found if asyncio.iscoroutine(found) else found:
                    return
                await asyncio.sleep(0.01)

    async def turn(self, seconds: float) -> None:
        """Let time pass in steps of a second, and everybody do what they do then, however long that takes."""
        for _ in range(round(seconds)):
            self.clock.elapsed += 1
            self.clock.wake()
            async with asyncio.timeout(60):
                while not await self._everybody_sleeps():
                    await asyncio.sleep(0.001)

    async def _everybody_sleeps(self) -> bool:
        """Every task of the ledger is known to the desk, and every reel waits for the clock."""
        if self.running is None or self.running.done():
            return True
        tasks = await self.ledger.read(lambda reader: reader.clip_tasks(99))
        reels = sum(len(reels) for reels in self.desk._reels.values())
        return len(tasks) == len(self.desk._known) and reels == self.clock.sleepers


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    clock = HandClock()
    ledger = await SqliteLedger.open(tmp_path / "ledger.db", "town", clock)
    media = FileMediaStore(tmp_path / "media")
    scene = Scene(ledger, media, clock)
    scene.open()
    yield scene
    await scene.close()
    await media.close()
    await ledger.close()


async def test_a_clip_is_held_at_once_and_cut_when_its_span_is_over(scene: Scene) -> None:
    zero = scene.clock.mono()
    alert = await scene.ask()
    await scene.until(lambda: scene.video.held)
    ((camera, begin, until),) = scene.video.held
    assert (camera, begin <= zero - 30, until >= zero + 30) == ("c", True, True)
    await scene.turn(29)
    assert scene.video.cut == []
    await scene.turn(3)
    clip = await scene.settled(alert)
    assert (clip.state.value, clip.from_ms, clip.to_ms, clip.codec) == ("ready", -30_750, 30_000, "h264")
    assert clip.sha256 is not None
    found = await scene.media.find(clip.sha256)
    assert found is not None
    assert (found.path.read_bytes(), found.media_type) == (f"c {zero - 30} {zero + 30}".encode(), "video/mp4")
    assert await scene.ledger.read(lambda reader: reader.clip_tasks(9)) == []


async def test_presses_within_two_seconds_share_a_clip_that_covers_them_all(scene: Scene) -> None:
    zero = scene.clock.mono()
    first = await scene.ask()
    await scene.turn(1)
    second, elsewhere = await scene.ask(), await scene.ask("other")
    await scene.turn(2)
    apart = await scene.ask()
    await scene.turn(36)
    clips = [await scene.settled(alert) for alert in (first, second, elsewhere, apart)]
    assert [clip.from_ms for clip in clips] == [-30_750, -31_750, -30_750, -30_750]
    assert [clip.to_ms for clip in clips] == [31_000, 30_000, 30_000, 30_000]
    assert clips[0].sha256 == clips[1].sha256 != clips[3].sha256
    assert sorted(scene.video.cut) == [
        ("c", zero - 30, zero + 31),
        ("c", zero - 27, zero + 33),
        ("other", zero - 29, zero + 31),
    ]


async def test_only_a_few_clips_are_in_memory_at_once(scene: Scene) -> None:
    alerts = [await scene.ask(f"c{number}") for number in range(12)]
    await scene.turn(32)
    for alert in alerts:
        assert (await scene.settled(alert)).state.value == "ready"
    assert scene.video.most_at_once == 2


async def test_a_worker_that_starts_anew_is_told_again(scene: Scene) -> None:
    scene.video.trouble = Unreachable("the video worker does not answer")
    alert = await scene.ask()
    await scene.turn(5)
    assert scene.video.held == []
    scene.video.trouble = None
    await scene.turn(3)
    await scene.until(lambda: scene.video.held)
    await scene.turn(26)
    assert (await scene.settled(alert)).state.value == "ready"


async def test_a_span_is_held_again_until_it_is_over_for_the_worker_may_be_another(scene: Scene) -> None:
    alert = await scene.ask(after_ms=40_000)
    await scene.until(lambda: scene.video.held)
    await scene.turn(20)
    await scene.until(lambda: len(scene.video.held) >= 2)
    await scene.turn(25)
    assert (await scene.settled(alert)).state.value == "ready"
    assert len(set(scene.video.held)) == 1
    told = len(scene.video.held)
    await scene.turn(30)
    assert len(scene.video.held) == told


async def test_after_a_minute_without_a_worker_its_words_are_the_reason(scene: Scene) -> None:
    scene.video.trouble = Unreachable("the video worker does not answer")
    alert = await scene.ask()
    await scene.turn(88)
    assert (await scene.clip(alert)).state.value == "pending"
    await scene.turn(6)
    clip = await scene.settled(alert)
    assert (clip.state.value, clip.reason) == ("failed", "the video worker does not answer")


async def test_one_camera_without_a_worker_does_not_keep_the_others_waiting(scene: Scene) -> None:
    scene.video.trouble = Unreachable("the video worker does not answer")
    stuck = [await scene.ask(f"c{number}", after_ms=0) for number in range(5)]
    await scene.turn(10)
    scene.video.trouble = None
    later = await scene.ask("other", after_ms=0)
    await scene.turn(4)
    for alert in (later, *stuck):
        assert (await scene.settled(alert)).state.value == "ready"


async def test_what_no_worker_kept_has_its_reason_at_once(scene: Scene) -> None:
    alert = await scene.ask()
    await scene.until(lambda: scene.video.held)
    scene.video.trouble = DeviceError("camera c sends MJPEG, of which no clip is made")
    await scene.turn(32)
    clip = await scene.settled(alert)
    assert (clip.state.value, clip.reason) == ("failed", "camera c sends MJPEG, of which no clip is made")
    assert len(scene.video.cut) == 1


async def test_another_boot_took_the_video_with_it(scene: Scene) -> None:
    clip = await scene.settled(await scene.ask(boot_id="before"))
    assert clip.reason == "the box was restarted before the clip could be made"
    assert scene.video.held == []


async def test_a_full_disk_is_the_clips_reason(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(content: bytes, media_type: str) -> str:
        raise StoreFailed("a clip could not be stored: the disk is full")

    monkeypatch.setattr(scene.media, "put", full)
    alert = await scene.ask()
    await scene.turn(32)
    assert (await scene.settled(alert)).reason == "a clip could not be stored: the disk is full"


async def test_a_ledger_that_cannot_be_written_is_tried_again_and_nothing_is_cut_twice(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    alert = await scene.ask()
    await scene.turn(2)
    refused: list[object] = []

    async def failing(work: object) -> None:
        refused.append(work)
        raise StoreFailed("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(scene.ledger, "write", failing)
        await scene.turn(31)
        await scene.until(lambda: refused)
    await scene.turn(12)
    assert (await scene.settled(alert)).state.value == "ready"
    assert len(scene.video.cut) == 1


async def test_what_an_earlier_run_left_is_taken_up_without_being_cut_short(scene: Scene) -> None:
    alert = await scene.ask()
    await scene.until(lambda: scene.video.held)
    await scene.close()
    await scene.turn(45)
    scene.desk = ClipDesk(scene.ledger, scene.video, scene.media, scene.clock, boot_id="boot")  # type: ignore[arg-type]
    scene.open()
    assert (await scene.settled(alert)).state.value == "ready"
