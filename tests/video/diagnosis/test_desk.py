"""Verdicts in the core: kept once, one alert a camera, the very keyframe as its picture, planned work, workers that change."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.alerts.arming import Arming
from gateway.alerts.camera_intake import CameraIntake
from gateway.alerts.policy import IntakePolicy
from gateway.alerts.register import Register
from gateway.alerts.rules import Rule, Rules
from gateway.canonical import sha256_hex
from gateway.errors import DeviceError, StoreFailed, Unreachable
from gateway.ledger.sqlite import SqliteLedger
from gateway.model import (
    Camera,
    CameraHealth,
    CameraState,
    Condition,
    DeviceSignal,
    Draft,
    EvidenceState,
    Kind,
    Picture,
    PictureState,
    Place,
    Scene,
)
from gateway.ports import AlertFilter
from gateway.video.diagnosis.desk import Care, DiagnosisDesk
from gateway.video.diagnosis.wire import TOPIC, PatrolOrder

JPEG = b"\xff\xd8 a keyframe \xff\xd9"
START = datetime(2026, 5, 1, 8, 0, tzinfo=UTC)


@dataclass
class Clock:
    at: datetime = START

    def now(self) -> datetime:
        return self.at

    def mono(self) -> float:
        return (self.at - START).total_seconds() + 1000

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


@dataclass
class Client:
    """A worker's client. ``orders``: what it was told."""

    orders: list[PatrolOrder] = field(default_factory=list)
    fault: DeviceError | None = None

    async def order_diagnosis(self, order: PatrolOrder) -> None:
        if self.fault is not None:
            raise self.fault
        self.orders.append(order)


@dataclass
class Workers:
    """``pictures``: keyframes that can still be had; ``fault``: raised instead."""

    pictures: dict[str, bytes] = field(default_factory=dict)
    fault: DeviceError | None = None
    faults: dict[str, tuple[str, ...]] = field(default_factory=dict)
    worker: Client = field(default_factory=Client)
    size: int = 2

    def attend(self, hear: Any, prepare: Any) -> None:
        self.hear, self.prepare = hear, prepare

    def client(self, camera_id: str) -> Any:
        return self.worker

    def clients(self) -> list[Any]:
        return [self.worker]

    def health(self, camera_id: str) -> CameraHealth:
        return CameraHealth(camera_id, CameraState.ONLINE, START, faults=self.faults.get(camera_id, ()))

    async def picture(self, camera_id: str, keyframe_id: str, width: int) -> Picture:
        if self.fault is not None:
            raise self.fault
        if keyframe_id not in self.pictures:
            raise DeviceError(f"keyframe {keyframe_id} is no longer held")
        return Picture(self.pictures[keyframe_id], width, width * 9 // 16)


@dataclass
class Media:
    kept: dict[str, bytes] = field(default_factory=dict)
    full: bool = False

    async def put(self, content: bytes, media_type: str) -> str:
        if self.full:
            raise StoreFailed("the disk is nearly full")
        self.kept[sha256_hex(content)] = content
        return sha256_hex(content)


@dataclass
class Between:
    """The cameras' intake. ``before`` and ``after``: what happens just around the next that it hears."""

    intake: CameraIntake
    before: Callable[[], Awaitable[None]] | None = None
    after: Callable[[], Awaitable[None]] | None = None

    async def hear(self, told: Sequence[DeviceSignal], *, via: str = "onvif") -> None:
        before, after, self.before, self.after = self.before, self.after, None, None
        if before is not None:
            await before()
        await self.intake.hear(told, via=via)
        if after is not None:
            await after()


@dataclass
class Plan:
    """``why``: of the work that is planned for every camera."""

    why: str | None = None

    def covers(self, camera: Camera, at: datetime) -> str | None:
        return self.why


@dataclass
class House:
    ledger: SqliteLedger
    clock: Clock
    workers: Workers
    media: Media
    plan: Plan
    register: Register
    intake: Between
    desk: DiagnosisDesk
    count: int = 0

    def signal(
        self, fault: str = "covered", active: bool = True, camera: str = "c1", frame: str = "k1"
    ) -> DeviceSignal:
        self.count += 1
        said: dict[str, Any] = {"what": fault, "fault": fault, "night": False}
        if active:
            said |= {"frame": frame, "frame_mono": self.clock.mono() - 2.5, "measures": {"blur": 3.5}}
        now, mono = self.clock.now(), self.clock.mono()
        return DeviceSignal(f"run-{self.count}", camera, Kind.IMAGE_FAULT, now, mono, active, topic=TOPIC, detail=said)

    async def told(self, *signals: DeviceSignal) -> None:
        await self.workers.hear(list(signals))

    async def works(self) -> None:
        """What the desk does by itself, once."""
        await self.desk._pictures.fetch_all()
        await self.desk._look_after()

    async def alerts(self) -> list[Any]:
        found, _ = await self.ledger.read(lambda reader: reader.alerts(AlertFilter(), None, 100))
        return [stored.alert for stored in found]

    async def entries(self, alert_id: str) -> list[Any]:
        return [each.entry for each in await self.ledger.read(lambda reader: reader.entries(alert_id))]

    async def closed(self, alert_id: str) -> None:
        """By a person."""
        draft = Draft(alert_id, "close", "li", self.clock.now(), data={"disposition": "real"})
        await self.ledger.write(lambda tx: tx.append(draft))

    async def verdicts(self, camera: str = "c1") -> list[Any]:
        return await self.ledger.read(lambda reader: reader.verdicts(camera, None, 100))


@pytest.fixture
def rules() -> tuple[Rule, ...]:
    return ()


@pytest.fixture
async def scene(tmp_path: Path, rules: tuple[Rule, ...]) -> AsyncIterator[House]:
    clock, workers, media, plan = Clock(), Workers({"k1": JPEG}), Media(), Plan()
    register = Register(
        [
            Camera("c1", "十字口东", place=Place(107.2, 30.7)),
            Camera("home", "王家院子", Scene.HOUSEHOLD, Place(107.2, 30.7)),
        ],
        [],
    )
    ledger = await SqliteLedger.open(tmp_path / "ledger.db", "town", clock, None)
    policy = IntakePolicy("town")
    intake = Between(CameraIntake(ledger, register, policy, Rules(UTC, rules), Arming(ledger, (), UTC)))
    care = Care(PatrolOrder(cpu=0.1), 640, "boot-1")
    desk = DiagnosisDesk(ledger, media, workers, register, intake, clock, care, plan)  # type: ignore[arg-type]
    yield House(ledger, clock, workers, media, plan, register, intake, desk)
    await ledger.close()


async def test_a_verdict_is_an_alert_with_the_very_keyframe_as_its_picture(scene) -> None:
    await scene.told(scene.signal())
    [alert] = await scene.alerts()
    assert (alert.kind, alert.severity, alert.title) == (Kind.IMAGE_FAULT, 3, "画面遮挡 · 十字口东")
    assert alert.detail["standing"] == ["covered"]
    assert (alert.detail["fault"], alert.detail["code"]) == ("covered", 9)
    [camera] = alert.cameras
    assert [shot.state for shot in camera.snapshots] == [PictureState.PENDING], "the alert does not wait for it"
    await scene.works()
    [alert] = await scene.alerts()
    [shot] = alert.cameras[0].snapshots
    assert (shot.state, shot.sha256, shot.offset_ms) == (PictureState.READY, sha256_hex(JPEG), -2500)
    [verdict] = await scene.verdicts()
    assert (verdict.sha256, verdict.alert, verdict.shown) == (sha256_hex(JPEG), alert.id, True)
    assert verdict.measures == {"blur": 3.5}
    assert scene.media.kept == {sha256_hex(JPEG): JPEG}


async def test_what_is_told_twice_is_one(scene) -> None:
    signal = scene.signal()
    await scene.told(signal)
    await scene.works()
    await scene.told(signal)
    await scene.works()
    [alert] = await scene.alerts()
    assert alert.count == 1
    assert len(alert.cameras[0].snapshots) == 1
    assert len(await scene.verdicts()) == 1


async def test_a_camera_has_one_alert_with_all_that_stands_however_long_apart(scene) -> None:
    scene.workers.pictures["k2"] = JPEG + b"2"
    await scene.told(scene.signal("blurred"))
    scene.clock.at += timedelta(hours=3)
    await scene.told(scene.signal("moved", frame="k2"))
    await scene.works()
    [alert] = await scene.alerts()
    assert set(alert.detail["standing"]) == {"blurred", "moved"}
    assert [shot.state for shot in alert.cameras[0].snapshots] == [PictureState.READY] * 2
    await scene.told(scene.signal("blurred", active=False))
    [alert] = await scene.alerts()
    assert (alert.condition.value, alert.detail["standing"]) == ("active", ["moved"])
    await scene.told(scene.signal("moved", active=False))
    [alert] = await scene.alerts()
    assert (alert.condition.value, alert.detail["standing"]) == ("cleared", [])
    assert all(verdict.until is not None for verdict in await scene.verdicts())
    scene.clock.at += timedelta(hours=1)
    await scene.told(scene.signal("blurred"))
    assert len(await scene.alerts()) == 2


@pytest.mark.parametrize(("fault", "severity"), [("black", 3), ("signal_lost", 3), ("covered", 3), ("noise", 4)])
async def test_a_camera_that_sees_nothing_is_graver_than_one_that_sees_badly(scene, fault, severity) -> None:
    await scene.told(scene.signal(fault))
    assert [alert.severity for alert in await scene.alerts()] == [severity]


@pytest.mark.parametrize("rules", [(Rule(frozenset({Kind.IMAGE_FAULT}), alert=False),)])
async def test_a_rule_can_switch_it_off_and_the_verdict_is_kept(scene) -> None:
    await scene.told(scene.signal())
    await scene.works()
    assert await scene.alerts() == []
    [verdict] = await scene.verdicts()
    assert (verdict.alert, verdict.evidence) == (None, EvidenceState.READY)


async def test_a_household_camera_shows_the_desk_nothing(scene) -> None:
    await scene.told(scene.signal(camera="home"))
    await scene.works()
    [alert] = await scene.alerts()
    assert alert.cameras == ()
    [verdict] = await scene.verdicts("home")
    assert (verdict.evidence, verdict.shown) == (EvidenceState.READY, False)


async def test_during_planned_work_it_is_kept_and_no_alert_until_that_is_over(scene) -> None:
    scene.plan.why = "new mast"
    await scene.told(scene.signal())
    await scene.works()
    assert await scene.alerts() == []
    [verdict] = await scene.verdicts()
    assert verdict.planned == "new mast"
    scene.clock.at += timedelta(hours=2)
    scene.plan.why = None
    await scene.works()
    assert await scene.alerts() == [], "its worker does not say that it stands"
    scene.workers.faults["c1"] = ("covered",)
    await scene.works()
    await scene.works()
    [alert] = await scene.alerts()
    assert [shot.state for shot in alert.cameras[0].snapshots] == [PictureState.READY]
    [verdict] = await scene.verdicts()
    assert (verdict.alert, verdict.planned, verdict.shown) == (alert.id, None, True)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("again", [False, True])
async def test_what_ends_while_it_is_told_late_does_not_stay(scene, when, again) -> None:
    scene.plan.why = "new mast"
    await scene.told(scene.signal())
    scene.plan.why, scene.workers.faults["c1"] = None, ("covered",)
    scene.clock.at += timedelta(hours=2)

    async def goes() -> None:
        await scene.told(scene.signal(active=False), *[scene.signal(frame="k2")] * again)

    setattr(scene.intake, when, goes)
    await scene.works()
    [alert] = await scene.alerts()
    standing = await scene.ledger.read(lambda reader: reader.standing_verdicts())
    assert [verdict.fault for verdict in standing] == ["covered"] * again
    assert alert.detail["standing"] == ["covered"] * again
    assert alert.condition is (Condition.ACTIVE if again else Condition.CLEARED)
    cleared = [entry for entry in await scene.entries(alert.id) if entry.action == "cleared"]
    assert len(cleared) == (0 if again and when == "before" else 1)


async def test_what_began_again_stands_however_often_the_batch_is_told(scene) -> None:
    scene.plan.why = "new mast"
    batch = []
    for active in (True, False, True):
        batch.append(scene.signal(active=active))
        scene.clock.at += timedelta(minutes=1)
    await scene.told(*batch)
    await scene.told(*batch)
    standing = await scene.ledger.read(lambda reader: reader.standing_verdicts())
    assert [verdict.signal for verdict in standing] == [batch[2].id]
    scene.plan.why, scene.workers.faults["c1"] = None, ("covered",)
    await scene.works()
    assert [alert.detail["standing"] for alert in await scene.alerts()] == [["covered"]]


async def test_what_ended_within_planned_work_never_was_an_alert(scene) -> None:
    scene.plan.why = "new mast"
    await scene.told(scene.signal(), scene.signal(active=False))
    scene.plan.why = None
    scene.workers.faults["c1"] = ("covered",)
    await scene.works()
    assert await scene.alerts() == []


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda scene: scene.workers.pictures.clear(), "no longer held"),
        (lambda scene: setattr(scene.desk._pictures, "_boot", "boot-2"), "restarted"),
    ],
)
async def test_a_picture_that_cannot_be_had_says_why(scene, spoil, reason) -> None:
    await scene.told(scene.signal())
    spoil(scene)
    await scene.works()
    [alert] = await scene.alerts()
    [shot] = alert.cameras[0].snapshots
    assert shot.state is PictureState.FAILED
    assert reason in (shot.reason or "")


async def test_a_picture_that_came_before_its_alert_was_known_stays(scene) -> None:
    scene.intake.before = scene.works
    await scene.told(scene.signal())
    scene.workers.pictures.clear()
    await scene.works()
    [verdict] = await scene.verdicts()
    assert (verdict.evidence, verdict.shown) == (EvidenceState.READY, True)
    [alert] = await scene.alerts()
    assert [shot.state for shot in alert.cameras[0].snapshots] == [PictureState.READY]


@pytest.mark.parametrize("full", [True, False])
async def test_a_worker_that_is_away_and_a_full_disk_are_waited_for(scene, full) -> None:
    await scene.told(scene.signal())
    scene.media.full, scene.workers.fault = full, None if full else Unreachable("the video worker is being started")
    await scene.works()
    [verdict] = await scene.verdicts()
    assert verdict.evidence is EvidenceState.PENDING
    scene.media.full, scene.workers.fault = False, None
    await scene.works()
    [verdict] = await scene.verdicts()
    assert verdict.evidence is EvidenceState.READY


async def test_nobody_waits_for_ever(scene) -> None:
    await scene.told(scene.signal())
    scene.workers.fault = Unreachable("the video worker is being started")
    scene.clock.at += timedelta(hours=1)
    await scene.works()
    [verdict] = await scene.verdicts()
    assert (verdict.evidence, verdict.reason) == (EvidenceState.FAILED, "the video worker is being started")


async def test_a_worker_is_told_what_stands_and_its_part_of_the_share(scene) -> None:
    await scene.told(scene.signal(), scene.signal("moved", camera="home"))
    await scene.workers.prepare(scene.workers.worker)
    [order] = scene.workers.worker.orders
    assert order.standing == {"c1": ["covered"], "home": ["moved"]}
    assert order.cpu == 0.05
    assert order.places["c1"] == (107.2, 30.7)


async def test_a_worker_is_not_given_up_for_a_look_that_fails(scene, monkeypatch: pytest.MonkeyPatch) -> None:
    await scene.told(scene.signal())

    async def too_slow(work: Any) -> Any:
        raise StoreFailed("a look into the ledger took longer than 5 s and was ended")

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(scene.ledger, "read", too_slow)
        await scene.workers.prepare(scene.workers.worker)
    [order] = scene.workers.worker.orders
    assert (order.enabled, order.cpu, order.standing) == (True, 0.05, {}), (
        "it patrols, and what it finds is no news here"
    )
    orders = scene.workers.worker.orders
    running = asyncio.create_task(scene.desk.run())
    async with asyncio.timeout(20):
        while len(orders) < 2:
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert orders[1].standing == {"c1": ["covered"]}, "in the next round"


async def test_a_worker_that_took_a_camera_over_is_told_again_what_stands(scene) -> None:
    await scene.told(scene.signal())
    await scene.works()
    assert scene.workers.worker.orders == [], "its health may just be on its way"
    await scene.works()
    assert [dict(order.standing) for order in scene.workers.worker.orders] == [{"c1": ["covered"]}]
    scene.workers.faults["c1"] = ("covered",)
    await scene.works()
    await scene.works()
    assert len(scene.workers.worker.orders) == 1


@pytest.mark.parametrize("closed", [True, False])
async def test_a_worker_that_finds_by_itself_what_stands_already_is_no_news(scene, closed) -> None:
    await scene.told(scene.signal())
    [alert] = await scene.alerts()
    if closed:
        await scene.closed(alert.id)
    scene.clock.at += timedelta(hours=3)
    again = scene.signal()
    await scene.told(again)
    await scene.told(again)
    await scene.works()
    [alert] = await scene.alerts()
    assert alert.count == 1
    assert len(await scene.verdicts()) == 1
    await scene.told(scene.signal(active=False))
    assert await scene.ledger.read(lambda reader: reader.standing_verdicts()) == []
    await scene.told(scene.signal())
    assert len(await scene.verdicts()) == 2, "it has ended, so it is another"


async def test_of_a_camera_that_is_gone_nothing_stands(scene) -> None:
    await scene.told(scene.signal())
    scene.register.replace(Register([], []))
    await scene.works()
    assert await scene.ledger.read(lambda reader: reader.standing_verdicts()) == []


async def test_the_alert_of_a_camera_that_is_gone_is_cleared(scene) -> None:
    scene.clock.at += timedelta(minutes=1)
    await scene.told(scene.signal(), scene.signal("moved"))
    scene.register.replace(Register([], []))
    await scene.told(scene.signal(active=False))  # on its way when the camera went
    await scene.works()
    await scene.works()
    [alert] = await scene.alerts()
    assert (alert.condition, alert.detail["standing"]) == (Condition.CLEARED, [])
    assert await scene.ledger.read(lambda reader: reader.standing_verdicts()) == []
    entries = await scene.entries(alert.id)
    cleared = [(entry.actor, entry.data["what"], entry.data["still"]) for entry in entries if entry.action == "cleared"]
    assert cleared == [("gateway", "covered", ["moved"]), ("gateway", "moved", [])]


async def test_an_alert_that_a_person_has_closed_is_let_be_when_its_camera_goes(scene) -> None:
    await scene.told(scene.signal())
    [alert] = await scene.alerts()
    await scene.closed(alert.id)
    scene.register.replace(Register([], []))
    await scene.works()
    assert "cleared" not in [entry.action for entry in await scene.entries(alert.id)]


async def test_what_devices_tell_goes_the_way_it_always_went(scene) -> None:
    now, mono = scene.clock.now(), scene.clock.mono()
    await scene.told(
        DeviceSignal("run-a", "c1", Kind.TAMPER, now, mono, True, topic="tns1:VideoSource/GlobalSceneChange"),
        DeviceSignal("run-b", "c1", Kind.IMAGE_FAULT, now, mono, True, topic="tns1:VideoSource/ImageTooBlurry"),
        scene.signal(),
    )
    assert sorted(alert.kind for alert in await scene.alerts()) == ["image_fault", "tamper"]
    assert len(await scene.verdicts()) == 1
