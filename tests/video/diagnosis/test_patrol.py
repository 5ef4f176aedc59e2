"""The patrol over a fleet of lines that a test plays, with measures that it chooses."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import DeviceError, Unreachable
from gateway.model import DeviceSignal, Kind, Mask, Measures
from gateway.video.devices.outbox import Outbox
from gateway.video.diagnosis import learning
from gateway.video.diagnosis.patrol import Patrol
from gateway.video.diagnosis.verdicts import judge
from gateway.video.diagnosis.wire import PatrolOrder
from gateway.video.wire import CameraOrder

CLEAN = Measures(
    **{each.name: 0.0 for each in fields(Measures) if each.default is not None}
    | {
        "seen": 1.0, "brightness": 120.0, "highlight": 220.0, "contrast": 50.0, "spread": 160.0, "saturation": 20.0, "blur": 0.8,
        "jitter": 0.0, "stillness": 60.0,
    },
)  # fmt: skip
BLURRED = replace(CLEAN, blur=9.0)
DAY = PatrolOrder(interval=600.0, important=120.0, hours=(0, 1), zone="UTC")


@dataclass
class Measured:
    measures: Measures
    cpu_s: float = 0.01
    view: bytes = b"a view"


@dataclass
class Child:
    """A decoder. ``shows``: what the next looks measure; ``view``: as the camera's view; ``broken``: raised instead."""

    shows: Measures = CLEAN
    view: bytes = b"a view"
    broken: DeviceError | None = None
    asked: list[tuple[int, Sequence[Mask], bytes | None, bool]] = field(default_factory=list)

    async def measure(
        self,
        keyframes: Sequence[bytes],
        codec: str,
        masks: Sequence[Mask],
        reference: bytes | None,
        *,
        wants_view: bool,
    ) -> Measured:
        self.asked.append((len(keyframes), masks, reference, wants_view))
        if self.broken is not None:
            raise self.broken
        kept = {} if reference is None else {"kept": 0.9 if self.shows.kept is None else self.shows.kept}
        return Measured(replace(self.shows, **kept), view=self.view if wants_view else b"")


@dataclass
class Scene:
    stage: Any
    child: Child
    outbox: Outbox
    patrol: Patrol

    async def camera(self, name: str = "c1", **order: Any) -> Any:
        before = len(self.stage.lines)
        await self.stage.fleet.apply([CameraOrder(name, "rtsp://10.0.0.1/1", **order)])
        while len(self.stage.lines) == before:
            await asyncio.sleep(0)
        line = await self.stage.line(before)
        line.plays()
        self.line = line
        self.shows()
        return line

    def shows(self) -> None:
        """A new keyframe."""
        self.stage.clock.seconds += 1.0
        self.line.shows(self.stage.clock.seconds)

    async def looks(self, measures: Measures, times: int = 1) -> None:
        self.child.shows = measures
        for _ in range(times):
            self.shows()
            await self.patrol.look("c1")

    def told(self) -> list[tuple[str, bool]]:
        batch = self.outbox.after(None, 0, 1000).items
        return [(str(item.detail["fault"]), item.active is True) for item in batch if isinstance(item, DeviceSignal)]

    @property
    def faults(self) -> tuple[str, ...]:
        return tuple(self.stage.health("c1").faults)


@pytest.fixture
def scene(stage: Any) -> Scene:
    child, outbox = Child(), Outbox()
    return Scene(stage, child, outbox, Patrol(stage.fleet, child, outbox, stage.clock, order=DAY))


def test_the_clean_picture_of_these_tests_is_one() -> None:
    thresholds = DAY.thresholds(night=False)
    assert judge(CLEAN, thresholds, night=False) == frozenset()
    assert judge(BLURRED, thresholds, night=False) == {"blurred"}


async def test_a_verdict_takes_two_looks_and_is_told_with_its_keyframe(scene) -> None:
    await scene.camera()
    await scene.looks(BLURRED)
    assert scene.faults == ()
    assert scene.told() == []
    await scene.looks(BLURRED)
    assert scene.faults == ("blurred",)
    assert scene.told() == [("blurred", True)]
    [signal] = scene.outbox.after(None, 0, 10).items
    assert signal.kind is Kind.IMAGE_FAULT
    kept = scene.patrol.evidence("c1", signal.detail["frame"])
    assert kept is not None
    assert kept.received_mono == signal.detail["frame_mono"] == scene.stage.clock.seconds
    assert scene.patrol.evidence("another", signal.detail["frame"]) is None
    await scene.looks(CLEAN, 2)
    assert scene.faults == ()
    assert scene.told() == [("blurred", True), ("blurred", False)]


async def test_the_same_picture_counts_once(scene) -> None:
    await scene.camera()
    await scene.looks(BLURRED)
    for _ in range(3):
        await scene.patrol.look("c1")
    assert len(scene.child.asked) == 1
    assert scene.told() == []


async def test_a_dark_camera_keeps_what_stood_and_shows_none_of_it(scene) -> None:
    line = await scene.camera()
    await scene.looks(BLURRED, 2)
    line.breaks(Unreachable("the line is cut"))
    await scene.stage.settled()
    scene.stage.clock.seconds += 3600
    scene.stage.check()
    assert scene.faults == ()
    with pytest.raises(DeviceError, match="not online"):
        await scene.patrol.look("c1")
    assert scene.told() == [("blurred", True)]


async def test_what_stood_at_another_worker_clears_here(scene) -> None:
    await scene.camera()
    scene.patrol.take(replace(DAY, standing={"c1": ["covered"]}))
    await scene.looks(replace(CLEAN, kept=0.9), 3)
    assert scene.told() == [("covered", False)]


@pytest.mark.parametrize("adopted", [False, True])
@pytest.mark.parametrize(
    ("fault", "faulty", "after"),
    [
        ("covered", replace(CLEAN, smooth=0.95), CLEAN),
        ("covered", replace(CLEAN, smooth=0.95), replace(CLEAN, smooth=0.7)),  # much sky: without a view no cover
        ("colour_cast", replace(CLEAN, cast=40.0), CLEAN),
        ("colour_cast", replace(CLEAN, cast=40.0), replace(CLEAN, cast=20.0)),
    ],
)
async def test_where_there_is_never_a_view_a_fault_ends_as_it_began(scene, fault, faulty, after, adopted) -> None:
    """Domes learn none, and where a person has switched learning off nobody does."""
    await scene.camera()
    scene.patrol.take(replace(DAY, learn=False, standing={"c1": [fault]} if adopted else {}))
    if not adopted:
        await scene.looks(faulty, 2)
    await scene.looks(after)
    assert scene.patrol.report("c1").look.standing == (fault,)
    await scene.looks(after)
    assert scene.told()[-1] == (fault, False)
    assert scene.faults == ()


async def test_a_cover_that_the_view_showed_stands_while_there_is_none_to_tell_by(scene) -> None:
    await scene.camera()
    await scene.patrol.set_view("c1", "li")
    await scene.looks(replace(CLEAN, smooth=0.7, kept=0.1, gone=0.8), 2)
    scene.patrol.take(replace(DAY, hours=(12 * 60 + 1, 12 * 60), learn=False))  # night, of which there is no view
    await scene.looks(replace(CLEAN, smooth=0.7), 3)
    assert scene.faults == ("covered",)
    await scene.looks(CLEAN, 2)
    assert scene.faults == (), "an edge in every part of it: no view would have shown a cover"


async def test_a_fault_that_is_switched_off_ends(scene) -> None:
    await scene.camera()
    await scene.looks(BLURRED, 2)
    scene.patrol.take(replace(DAY, off=frozenset({"blurred"})))
    assert scene.told() == [("blurred", True), ("blurred", False)]
    await scene.looks(BLURRED, 3)
    assert scene.faults == ()


async def test_where_masks_leave_nothing_to_see_nothing_is_judged(scene) -> None:
    await scene.camera()
    await scene.looks(BLURRED, 2)
    await scene.looks(replace(CLEAN, seen=0.1), 3)
    assert scene.faults == ("blurred",)


async def test_masks_go_along_with_every_look(scene) -> None:
    mask = (((0.0, 0.0), (1.0, 0.0), (1.0, 0.5)),)
    await scene.camera(masks=mask)
    await scene.looks(CLEAN)
    assert scene.child.asked[0][1] == mask


async def test_a_crash_costs_one_look(scene) -> None:
    await scene.camera()
    scene.child.broken = DeviceError("the decoder died of the keyframe (SIGSEGV)")
    await scene.patrol._visit("c1")
    assert "SIGSEGV" in (scene.patrol.report("c1").look.trouble or "")
    assert scene.patrol.figures()["failed"] == 1
    scene.child.broken = None
    scene.shows()
    await scene.patrol._visit("c1")
    assert scene.patrol.report("c1").look.trouble is None


async def test_a_view_that_a_person_set_is_what_moved_is_judged_by(scene) -> None:
    await scene.camera()
    moved = replace(CLEAN, kept=0.01, home=0.5)
    await scene.looks(moved, 3)
    assert scene.faults == (), "there is nothing yet that it could have moved from"
    views = await scene.patrol.set_view("c1", "li")
    assert views["day"].by == "li"
    await scene.looks(moved, 2)
    assert scene.faults == ("moved",)
    assert scene.patrol.forget_views("c1")
    assert scene.faults == ()
    assert scene.told() == [("moved", True), ("moved", False)]


MASK = (((0.0, 0.0), (0.5, 0.0), (0.5, 0.5)),)
MOVED = replace(CLEAN, kept=0.01, home=0.5)


@pytest.mark.parametrize("learn", [True, False])
async def test_a_new_mask_ends_moved_with_the_view_that_it_was_moved_from(scene, learn) -> None:
    await scene.camera()
    scene.patrol.take(replace(DAY, learn=learn))
    await scene.patrol.set_view("c1", "li")
    await scene.looks(MOVED, 2)
    await scene.stage.fleet.apply([replace(scene.line.order, masks=MASK)])
    assert scene.faults == ("moved",)
    await scene.looks(MOVED)
    assert scene.told() == [("moved", True), ("moved", False)]
    assert scene.faults == ()


async def test_whoever_asks_for_the_views_sees_it_end_too(scene) -> None:
    await scene.camera()
    await scene.patrol.set_view("c1", "li")
    await scene.looks(MOVED, 2)
    await scene.stage.fleet.apply([replace(scene.line.order, masks=MASK)])
    assert scene.patrol.report("c1").views == {}
    assert scene.told() == [("moved", True), ("moved", False)]


async def test_what_a_former_worker_found_moved_ends_where_its_view_is_gone(scene) -> None:
    await scene.camera()
    scene.patrol.take(replace(DAY, standing={"c1": ["moved"]}))
    await scene.looks(MOVED)
    assert scene.told() == [("moved", False)]


async def test_a_view_of_a_former_version_takes_moved_along(scene, monkeypatch) -> None:
    await scene.camera()
    await scene.patrol.set_view("c1", "li")
    await scene.looks(MOVED, 2)
    measure = scene.child.measure

    async def cannot_compare(*given: Any, **wanted: Any) -> Measured:
        return replace(await measure(*given, **wanted), measures=CLEAN)

    monkeypatch.setattr(scene.child, "measure", cannot_compare)
    await scene.looks(CLEAN)
    assert scene.patrol.report("c1").views == {}
    assert scene.told() == [("moved", True), ("moved", False)]


async def test_moved_by_day_stands_through_a_night_without_a_view(scene) -> None:
    await scene.camera()
    await scene.patrol.set_view("c1", "li")
    await scene.looks(MOVED, 2)
    scene.patrol.take(replace(DAY, hours=(12 * 60 + 1, 12 * 60)))  # always night
    await scene.looks(MOVED, 3)
    assert scene.faults == ("moved",)
    assert scene.told() == [("moved", True)]


ELSEWHERE = "rtsp://10.0.0.2/1"


@pytest.mark.parametrize("orders", [[CameraOrder("c1", ELSEWHERE, masks=MASK)], []])
async def test_no_verdict_keeps_a_picture_of_a_former_address(scene, orders) -> None:
    """Its picture may be asked for later, and would be painted with masks that were not drawn for it."""
    await scene.camera()
    await scene.looks(BLURRED, 2)
    [signal] = scene.outbox.after(None, 0, 10).items
    assert scene.patrol.evidence("c1", signal.detail["frame"]) is not None
    await scene.stage.fleet.apply([replace(scene.line.order, masks=MASK)])
    assert scene.patrol.evidence("c1", signal.detail["frame"]) is not None, "the same view, under its new masks"
    await scene.stage.fleet.apply(orders)
    assert scene.patrol.evidence("c1", signal.detail["frame"]) is None


@pytest.mark.parametrize("asked", ["look", "set_view"])
async def test_a_picture_whose_camera_got_another_address_while_it_was_measured_counts_for_nothing(
    scene, monkeypatch, asked
) -> None:
    await scene.camera()
    await scene.looks(BLURRED)
    measure = scene.child.measure

    async def slow(*given: Any, **wanted: Any) -> Measured:
        await scene.stage.fleet.apply([CameraOrder("c1", ELSEWHERE, masks=MASK)])
        return await measure(*given, **wanted)

    monkeypatch.setattr(scene.child, "measure", slow)
    scene.shows()
    with pytest.raises(Unreachable, match="another address"):
        await (scene.patrol.look("c1") if asked == "look" else scene.patrol.set_view("c1", "li"))
    assert scene.told() == []
    assert scene.patrol.report("c1").views == {}
    assert len(scene.patrol._evidence._frames) == 0


async def test_a_camera_learns_what_it_shows_unless_it_is_a_dome(scene, monkeypatch) -> None:
    monkeypatch.setattr(learning, "RENEW_S", 1e9)
    await scene.camera()
    for _ in range(14):
        scene.stage.clock.seconds += 3600
        await scene.looks(CLEAN)
    assert scene.patrol.report("c1").views["day"].by == "learned"
    assert [asked[3] for asked in scene.child.asked[:2]] == [True, False]
    dome = Patrol(scene.stage.fleet, scene.child, scene.outbox, scene.stage.clock, is_dome=lambda _: True, order=DAY)
    scene.child.asked.clear()
    scene.shows()
    await dome.look("c1")
    assert scene.child.asked[0][2:] == (None, False)


async def test_by_night_it_is_held_against_the_view_of_the_night(scene, tmp_path: Path) -> None:
    await scene.camera()
    scene.patrol.take(replace(DAY, views=tmp_path))
    scene.child.view = b"of the day"
    await scene.patrol.set_view("c1", "li")
    await scene.looks(CLEAN)
    assert scene.child.asked[-1][2] == b"of the day"
    scene.patrol.take(replace(DAY, hours=(12 * 60 + 1, 12 * 60), views=tmp_path))  # always
    scene.child.view = b"of the night"
    await scene.looks(CLEAN)
    scene.child.asked.clear()
    await scene.looks(CLEAN, times=3)
    assert b"of the day" not in [reference for _, _, reference, _ in scene.child.asked]
    await scene.patrol.set_view("c1", "li")
    assert set(scene.patrol.report("c1").views) == {"night"}
    await scene.looks(CLEAN)
    assert scene.child.asked[-1][2] == b"of the night"


async def test_important_cameras_are_looked_at_more_often(scene) -> None:
    await scene.camera(importance=1)
    assert scene.patrol.report("c1").every == 120.0
    await scene.camera("c2", importance=2)
    assert scene.patrol.report("c2").every == 600.0


async def test_a_frozen_picture_is_told_and_thaws(scene) -> None:
    await scene.camera()
    session = scene.stage.fleet.session("c1")
    session.set_frozen(True)
    scene.patrol._muster(scene.stage.clock.mono())
    scene.patrol._muster(scene.stage.clock.mono())
    assert scene.told() == [("frozen", True)]
    session.set_frozen(False)
    scene.patrol._muster(scene.stage.clock.mono())
    assert scene.told() == [("frozen", True), ("frozen", False)]


class Passing:
    """The stage's clock, which its fleet never moves: sleeping does."""

    def __init__(self, clock: Any) -> None:
        self._clock = clock
        self.now, self.mono = clock.now, clock.mono

    async def sleep(self, seconds: float) -> None:
        self._clock.seconds += seconds
        await asyncio.sleep(0)


async def test_it_goes_round_by_itself(scene, until: Callable[..., Any]) -> None:
    await scene.camera(importance=1)
    scene.child.shows = BLURRED
    patrol = Patrol(scene.stage.fleet, scene.child, scene.outbox, Passing(scene.stage.clock), order=DAY)
    going = asyncio.create_task(patrol.run())

    def told() -> bool:
        scene.shows()
        return bool(scene.told())

    try:
        await until(told)
    finally:
        going.cancel()
        await asyncio.gather(going, return_exceptions=True)
    assert scene.told() == [("blurred", True)]
    assert patrol.figures()["looks"] >= 2
