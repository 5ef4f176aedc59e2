"""What cameras notice becomes an alert, joins one, clears one, or nothing: once each."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gateway.alerts import lifecycle
from gateway.alerts.arming import Arming, Setting, Zone
from gateway.alerts.camera_intake import CameraIntake
from gateway.alerts.rules import Rule, Rules, Scope
from gateway.model import (
    Camera,
    ClockReading,
    Condition,
    DeviceSignal,
    Draft,
    Kind,
    Lane,
    Place,
    Scene,
    Workflow,
)
from gateway.ports import AlertFilter

ZONE = ZoneInfo("Asia/Shanghai")


class Village:
    """The house of conftest.py with cameras that tell signals."""

    def __init__(self, house: Any, rules: tuple[Rule, ...] = ()) -> None:
        self.house = house
        self.ids = count(1)
        self.arming = Arming(house.ledger, (), ZONE)
        self.intake = CameraIntake(house.ledger, house.register, house.policy, Rules(ZONE, rules), self.arming)

    def signal(self, kind: Kind = Kind.DIGITAL_INPUT, active: bool | None = True, **words: Any) -> DeviceSignal:
        return DeviceSignal(
            id=words.pop("id", f"run-{next(self.ids)}"),
            camera_id=words.pop("camera", "near"),
            kind=kind,
            received_at=self.house.clock.now(),
            received_mono=self.house.clock.mono(),
            active=active,
            topic="tns1:Device/Trigger/DigitalInput",
            detail=words.pop("detail", {}),
            **words,
        )

    async def hear(self, *signals: DeviceSignal) -> None:
        await self.intake.hear(signals)

    async def alerts(self) -> list[Any]:
        """Oldest first."""
        found, _ = await self.house.ledger.read(lambda reader: reader.alerts(AlertFilter(), None, 100))
        return [stored.alert for stored in reversed(found)]

    async def only(self) -> Any:
        (alert,) = await self.alerts()
        return alert


@pytest.fixture
def village(house: Any) -> Village:
    return Village(house)


async def test_a_button_on_an_input_is_an_alert_with_pictures_of_the_camera_itself_first(village: Village) -> None:
    await village.hear(village.signal(camera="far", detail={"what": "1"}))
    alert = await village.only()
    assert (alert.kind, alert.severity, alert.condition) == (Kind.DIGITAL_INPUT, 2, Condition.ACTIVE)
    assert (alert.source.type, alert.source.id, alert.source.name, alert.source.known) == ("camera", "far", "远", True)
    assert alert.title == "开关量报警 · 远"
    assert alert.place == Place(107.201, 30.7)
    assert [(camera.id, camera.distance_m) for camera in alert.cameras] == [("far", 0), ("near", 96)]
    assert len(await village.house.tasks()) == 8
    assert (alert.detail["what"], alert.detail["topic"]) == ("1", "tns1:Device/Trigger/DigitalInput")
    assert "household" not in alert.detail
    assert await village.house.answers() == []
    assert len(await village.house.parcels(Lane.ALARM)) == 1


async def test_clips_are_asked_of_the_cameras_that_are_recorded(village: Village) -> None:
    village.intake.recorded = frozenset({"near"})
    await village.hear(village.signal(camera="far"))
    alert = await village.only()
    assert {camera.id: camera.clip is not None for camera in alert.cameras} == {"far": False, "near": True}
    assert [task.camera_id for task in await village.house.clips()] == ["near"]


async def test_the_same_signal_told_twice_is_one(village: Village) -> None:
    began, ended, again = village.signal(), village.signal(active=False), village.signal()
    await village.hear(began, ended, again)
    before = await village.alerts()
    await village.hear(began, ended, again)  # the core died between its commit and the worker's hearing of it
    assert await village.alerts() == before
    assert before[0].detail["standing"] == [""]
    assert (before[0].count, before[0].condition) == (2, Condition.ACTIVE)


async def test_an_end_that_changed_nothing_does_not_clear_what_came_after_it(village: Village) -> None:
    ended, began = village.signal(active=False), village.signal()
    await village.hear(ended, began)
    await village.hear(ended, began)
    assert (await village.only()).condition is Condition.ACTIVE


async def test_what_comes_again_within_the_window_joins_and_is_active_again(village: Village) -> None:
    await village.hear(village.signal())
    village.house.clock.turn(5)
    await village.hear(village.signal(active=False))
    assert (await village.only()).condition is Condition.CLEARED
    village.house.clock.turn(6)
    await village.hear(village.signal())
    alert = await village.only()
    assert (alert.count, alert.condition, alert.workflow) == (2, Condition.ACTIVE, Workflow.NEW)
    assert [one.press for one in alert.cameras[0].snapshots] == [1] * 4 + [2] * 4


async def test_what_comes_again_later_is_another_alert_and_ends_the_first(village: Village) -> None:
    await village.hear(village.signal())
    village.house.clock.turn(61)
    await village.hear(village.signal())
    first, second = await village.alerts()
    assert (first.condition, second.condition) == (Condition.CLEARED, Condition.ACTIVE)
    assert first.workflow is Workflow.NEW


async def test_a_happening_without_an_end_stays_active_until_it_is_closed(village: Village) -> None:
    await village.hear(village.signal(Kind.LINE_CROSSING, None))
    village.house.clock.turn(61)
    await village.hear(village.signal(Kind.LINE_CROSSING, None))
    assert [alert.condition for alert in await village.alerts()] == [Condition.ACTIVE] * 2


async def test_one_of_two_inputs_that_ends_leaves_the_other(village: Village) -> None:
    await village.hear(village.signal(detail={"what": "1"}), village.signal(detail={"what": "2"}))
    await village.hear(village.signal(active=False, detail={"what": "3"}))  # never began here
    assert (await village.only()).condition is Condition.ACTIVE
    await village.hear(village.signal(active=False, detail={"what": "1"}))
    alert = await village.only()
    assert (alert.count, alert.condition) == (2, Condition.ACTIVE)
    await village.hear(village.signal(active=False, detail={"what": "2"}))
    assert (await village.only()).condition is Condition.CLEARED


async def test_an_end_without_an_open_alert_is_nothing(village: Village) -> None:
    await village.hear(village.signal(active=False))
    assert await village.alerts() == []


async def test_a_closed_alert_is_neither_joined_nor_cleared(village: Village) -> None:
    await village.hear(village.signal())
    alert = await village.only()
    close = Draft(alert.id, "close", "li", village.house.clock.now(), data={"disposition": "real"})
    await village.house.ledger.write(lambda tx: tx.append(close))
    await village.hear(village.signal(active=False), village.signal())
    first, second = await village.alerts()
    assert (first.workflow, second.workflow, second.count) == (Workflow.CLOSED, Workflow.NEW, 1)


async def test_every_node_folds_the_same_alert(village: Village) -> None:
    await village.hear(village.signal(detail={"what": "1"}), village.signal(detail={"what": "2"}))
    await village.hear(village.signal(active=False, detail={"what": "1"}), village.signal(detail={"what": "1"}))
    await village.hear(village.signal(active=False, detail={"what": "2"}))
    alert = await village.only()
    entries = [line.entry for line in await village.house.ledger.read(lambda reader: reader.entries(alert.id))]
    assert lifecycle.fold(reversed(entries)) == lifecycle.fold(entries) == alert


async def test_motion_and_faults_are_no_alerts_unless_a_rule_says_so(village: Village, house: Any) -> None:
    await village.hear(village.signal(Kind.MOTION), village.signal(Kind.OTHER))
    assert await village.alerts() == []
    ruled = Village(house, (Rule(frozenset({Kind.MOTION}), Scope(cameras=("n*",)), severity=1),))
    await ruled.hear(ruled.signal(Kind.MOTION, camera="far"), ruled.signal(Kind.MOTION))
    alert = await ruled.only()
    assert (alert.source.id, alert.severity) == ("near", 1)


async def test_how_things_stood_at_first_raises_nothing_but_clears(village: Village) -> None:
    await village.hear(village.signal(detail={"initial": True}))
    assert await village.alerts() == []
    await village.hear(village.signal())
    await village.hear(village.signal(active=False, detail={"initial": True}))
    assert (await village.only()).condition is Condition.CLEARED


async def test_disarmed_a_line_means_nothing_and_a_button_still_does(village: Village) -> None:
    camera = village.house.register.camera("near")
    await village.arming.set(Setting(Zone("camera", "near"), False, "li", village.house.clock.now()))
    assert not village.arming.armed(camera, village.house.clock.now())
    await village.hear(village.signal(Kind.LINE_CROSSING), village.signal(Kind.INTRUSION))
    assert await village.alerts() == []
    await village.hear(village.signal(Kind.DIGITAL_INPUT), village.signal(Kind.TAMPER))
    assert {alert.kind for alert in await village.alerts()} == {Kind.DIGITAL_INPUT, Kind.TAMPER}


async def test_a_households_camera_opens_for_its_button_alone(village: Village) -> None:
    register = village.house.register
    cameras = [*register.cameras(), Camera("home", "屋内", Scene.HOUSEHOLD, Place(107.2, 30.7))]
    register.replace(type(register)(cameras, register.terminals()))
    await village.hear(village.signal(Kind.TAMPER, camera="home"), village.signal(camera="home"))
    tamper, button = await village.alerts()
    assert [camera.id for camera in tamper.cameras] == ["near", "far"]
    assert [camera.id for camera in button.cameras] == ["home", "near"]


async def test_each_alert_keeps_how_the_devices_clock_stood(village: Village) -> None:
    now = village.house.clock.now()
    reading = ClockReading(-1800.0, 0.52, now - timedelta(minutes=3))
    await village.hear(village.signal(device_time=now - timedelta(seconds=1798), clock=reading))
    alert = await village.only()
    assert alert.device_time == now - timedelta(seconds=1798)  # as it was claimed
    assert alert.detail["clock"] == {
        "offset_s": -1800.0,
        "uncertainty_s": 0.52,
        "measured_at": "2026-05-01T07:57:00.000Z",
        "device_time": "2026-05-01T08:00:02.000Z",
    }
    assert "late" not in alert.detail


async def test_late_is_judged_by_the_corrected_time(village: Village) -> None:
    now = village.house.clock.now()
    ahead = ClockReading(3600.0, 0.5, now)
    await village.hear(village.signal(device_time=now + timedelta(seconds=3000), clock=ahead))
    alert = await village.only()
    assert (alert.detail["late"], alert.detail["late_by_s"]) == (True, 600)
    before, *_ = alert.cameras[0].snapshots
    assert (before.state.value, before.reason) == ("failed", "the signal came late: no picture from before it was kept")


@pytest.mark.parametrize(
    ("offset", "device_time"),
    [
        (1e6, datetime(1, 1, 1, tzinfo=UTC)),
        (1.0, datetime(1, 1, 1, tzinfo=ZONE)),
        (float("nan"), None),
        (1e300, datetime(2026, 1, 1, tzinfo=UTC)),
    ],
)
async def test_a_nonsensical_clock_costs_no_alert(
    village: Village, offset: float, device_time: datetime | None
) -> None:
    reading = ClockReading(offset, 0.5, village.house.clock.now())
    await village.hear(village.signal(device_time=device_time, clock=reading))
    assert (await village.only()).kind is Kind.DIGITAL_INPUT


@pytest.mark.parametrize(
    "detail",
    [
        {"text": "\ud800", "what": "1"},
        {"number": float("nan"), "what": "1"},
        {"long": "x" * 100_000, "what": "1"},
        {"household": {"phone": "110"}, "press_ids": ["p"], "what": "1"},
    ],
)
async def test_whatever_a_device_says_it_is_an_alert_and_speaks_only_for_itself(
    village: Village, detail: dict[str, Any]
) -> None:
    await village.hear(village.signal(detail=detail))
    alert = await village.only()
    assert alert.detail["what"] == "1"
    assert not {"household", "press_ids", "text"} & alert.detail.keys()
    assert ("device" in alert.detail) != ("device_fault" in alert.detail)


async def test_a_camera_that_is_not_here_any_more_is_passed_over(village: Village) -> None:
    await village.hear(village.signal(camera="gone"), village.signal())
    assert (await village.only()).source.id == "near"


async def test_a_terminal_of_the_same_id_is_another_source(village: Village) -> None:
    house = village.house
    await village.hear(village.signal(Kind.INTRUSION))
    accepted = await house.intake.emit(house.press("p1", terminal="near", kind=Kind.INTRUSION))
    await village.hear(village.signal(Kind.INTRUSION, active=False))
    camera, press = await village.alerts()
    assert (press.id, press.count, press.condition) == (accepted.alert_id, 1, Condition.ACTIVE)
    assert camera.count == 1


async def test_hundreds_at_once_are_all_taken(village: Village) -> None:
    cameras = [Camera(f"c{number}", "") for number in range(120)]
    village.house.register.replace(type(village.house.register)(cameras))
    await village.hear(*(village.signal(Kind.TAMPER, camera=camera.id) for camera in cameras))
    assert len(await village.house.parcels(Lane.ALARM)) == 120


async def test_a_signal_is_told_again_with_its_old_id_by_another_core(village: Village) -> None:
    signal = village.signal()
    await village.hear(signal)
    other = CameraIntake(
        village.house.ledger, village.house.register, village.house.policy, Rules(ZONE), village.arming
    )
    await other.hear([replace(signal)])
    assert (await village.only()).count == 1
