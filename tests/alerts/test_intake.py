"""The same press, another press, a new alert: CONTRACT "MQTT, terminals"."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.alerts.intake import Intake
from gateway.alerts.register import Register
from gateway.model import Kind, Lane, Stage, Status

START = datetime(2026, 5, 1, 8, 0, tzinfo=UTC)


async def test_a_press_of_a_known_household_says_who_where_and_which_cameras(house: Any) -> None:
    accepted = await house.intake.emit(house.press("p1", detail={"text": "摔倒了"}))
    alert = await house.alert(accepted.alert_id)
    assert (alert.source.name, alert.source.known, alert.severity, alert.count) == ("张桂芳", True, 1, 1)
    assert alert.place.address == "北大街 12 号"
    assert alert.detail["press_ids"] == ["p1"]
    assert alert.detail["household"]["phone"] == "13800000001"
    assert alert.detail["text"] == "摔倒了"
    assert [camera.id for camera in alert.cameras] == ["near"]
    assert [one.wanted_ms for one in alert.cameras[0].snapshots] == [-5000, 0, 3000, 10000]
    assert {task.snapshot_id for task in await house.tasks()} == {one.id for one in alert.cameras[0].snapshots}
    assert await house.answers() == [("p1", "received")]


async def test_the_same_press_changes_nothing_and_gets_the_same_answer(house: Any) -> None:
    first = await house.intake.emit(house.press("p1"))
    before = await house.alert(first.alert_id)
    house.clock.turn(3600)
    again = await house.intake.emit(house.press("p1"))
    assert (again.alert_id, again.stage, again.repeated) == (first.alert_id, Stage.RECEIVED, True)
    assert await house.alert(first.alert_id) == before
    await house.intake.emit(house.press("p1"))
    # the first may be on its way: one more, however often it is repeated
    assert await house.answers() == [("p1", "received")] * 2
    due = house.clock.now()
    for waiting in await house.ledger.read(lambda reader: reader.parcels("tv", Lane.ALARM, 9, due)):
        await house.ledger.write(lambda tx, id=waiting.id: tx.delivered(id))
    await house.intake.emit(house.press("p1"))
    assert await house.answers() == [("p1", "received")]


async def test_another_press_within_the_window_joins(house: Any) -> None:
    first = await house.intake.emit(house.press("p1"))
    house.clock.turn(5)
    second = await house.intake.emit(house.press("p2"))
    house.clock.turn(59)  # the window counts from the latest press
    third = await house.intake.emit(house.press("p3"))
    assert {first.alert_id} == {second.alert_id, third.alert_id}
    alert = await house.alert(first.alert_id)
    assert (alert.count, alert.detail["press_ids"]) == (3, ["p1", "p2", "p3"])
    # no fresh pictures after 5 s, fresh ones after 64 s
    assert [one.press for one in alert.cameras[0].snapshots] == [1] * 4 + [3] * 4


async def test_what_does_not_join(house: Any) -> None:
    first = await house.intake.emit(house.press("p1"))
    other_kind = await house.intake.emit(house.press("p2", kind=Kind.FIRE))
    test = await house.intake.emit(house.press("p3", status=Status.TEST))
    neighbour = await house.intake.emit(house.press("p4", terminal="tv-9"))
    house.clock.turn(61)
    later = await house.intake.emit(house.press("p5"))
    alerts = [first, other_kind, test, neighbour, later]
    assert len({accepted.alert_id for accepted in alerts}) == 5
    assert (await house.alert(test.alert_id)).status is Status.TEST


async def test_a_closed_alert_is_not_joined_but_its_press_is_still_the_same(house: Any) -> None:
    first = await house.intake.emit(house.press("p1"))
    await house.ledger.write(lambda tx: tx.append(close(first.alert_id, house.clock.now())))
    again = await house.intake.emit(house.press("p1"))
    other = await house.intake.emit(house.press("p2"))
    assert (again.alert_id, again.stage) == (first.alert_id, Stage.CLOSED)
    assert other.alert_id != first.alert_id


async def test_after_a_day_an_old_id_is_a_new_press(house: Any) -> None:
    first = await house.intake.emit(house.press("p1"))
    house.clock.turn(24 * 3600 + 61)
    pressed_at = house.clock.now() - timedelta(hours=24)
    again = await house.intake.emit(house.press("p1", device_time=pressed_at))
    assert again.alert_id != first.alert_id
    alert = await house.alert(again.alert_id)
    assert alert.detail["late"] is True
    assert alert.detail["late_by_s"] == 24 * 3600


async def test_without_an_id_seq_and_time_tell_the_same_press(house: Any) -> None:
    first = await house.intake.emit(house.press(repeat_key="seq-1-t"))
    again = await house.intake.emit(house.press(repeat_key="seq-1-t"))
    assert (again.alert_id, again.repeated) == (first.alert_id, True)
    assert first.press_id == "seq-1-t"


async def test_without_anything_only_a_redelivery_is_the_same_press(house: Any) -> None:
    first = await house.intake.emit(house.press(digest="empty"))
    redelivered = await house.intake.emit(house.press(digest="empty", redelivered=True))
    pressed_again = await house.intake.emit(house.press(digest="empty"))
    assert redelivered.repeated
    assert redelivered.press_id == first.press_id
    assert not pressed_again.repeated
    assert (await house.alert(first.alert_id)).count == 2
    house.clock.turn(601)
    late = await house.intake.emit(house.press(digest="empty", redelivered=True))
    assert not late.repeated


async def test_a_late_press_has_no_pictures_from_before_and_says_so(house: Any) -> None:
    pressed_at = house.clock.now() - timedelta(minutes=10)
    accepted = await house.intake.emit(house.press("p1", device_time=pressed_at))
    alert = await house.alert(accepted.alert_id)
    before, *rest = alert.cameras[0].snapshots
    assert before.state.value == "failed"
    assert "late" in (before.reason or "")
    assert all(one.state.value == "pending" for one in rest)
    assert len(await house.tasks()) == 3


async def test_a_press_asks_for_a_clip_of_each_linked_camera_in_its_own_transaction(house: Any) -> None:
    accepted = await house.intake.emit(house.press("p1", terminal="tv-1"))
    alert = await house.alert(accepted.alert_id)
    (camera,) = alert.cameras
    assert camera.clip is not None
    assert (camera.clip.state.value, camera.clip.sha256) == ("pending", None)
    (task,) = await house.clips()
    assert (task.alert_id, task.clip_id, task.camera_id) == (alert.id, camera.clip.id, "near")
    assert (task.from_ms, task.to_ms, task.zero_at) == (-30_000, 30_000, alert.raised_at)


async def test_a_test_and_a_drill_have_their_clip_too(house: Any) -> None:
    for status in (Status.TEST, Status.DRILL):
        accepted = await house.intake.emit(house.press(status.value, status=status))
        assert (await house.alert(accepted.alert_id)).cameras[0].clip is not None


async def test_a_press_that_joins_asks_for_no_other_clip(house: Any) -> None:
    first = await house.intake.emit(house.press("p1"))
    before = (await house.alert(first.alert_id)).cameras[0].clip
    house.clock.turn(30)
    await house.intake.emit(house.press("p2"))
    alert = await house.alert(first.alert_id)
    assert (len(alert.cameras[0].snapshots), alert.cameras[0].clip) == (8, before)
    assert len(await house.clips()) == 1


async def test_a_late_press_has_no_clip_and_says_so(house: Any) -> None:
    accepted = await house.intake.emit(house.press("p1", device_time=house.clock.now() - timedelta(minutes=10)))
    clip = (await house.alert(accepted.alert_id)).cameras[0].clip
    assert (clip.state.value, clip.reason) == ("failed", "the press came late: no video from around it was kept")
    assert await house.clips() == []


@pytest.mark.parametrize(("before", "after", "opted_out"), [(0.0, 0.0, None), (30.0, 30.0, False)])
async def test_who_wants_no_clips_has_none(house: Any, before: float, after: float, opted_out: bool | None) -> None:
    near, far = house.register.cameras()
    house.register.replace(Register([replace(near, clip=opted_out), far], house.register.terminals()))
    policy = replace(house.policy, clip_before=before, clip_after=after)
    intake = Intake(house.ledger, house.register, policy, house.clock)
    accepted = await intake.emit(house.press("p1"))
    assert (await house.alert(accepted.alert_id)).cameras[0].clip is None
    assert await house.clips() == []


async def test_a_clip_may_begin_at_the_press(house: Any) -> None:
    intake = Intake(house.ledger, house.register, replace(house.policy, clip_before=0.0, clip_after=7.5), house.clock)
    await intake.emit(house.press("p1"))
    assert [(task.from_ms, task.to_ms) for task in await house.clips()] == [(0, 7500)]


async def test_a_clock_that_was_never_set_is_not_a_late_press(house: Any) -> None:
    accepted = await house.intake.emit(house.press("p1", device_time=datetime(1970, 1, 1, 0, 5, tzinfo=UTC)))
    alert = await house.alert(accepted.alert_id)
    assert alert.detail["clock_unset"] is True
    assert "late" not in alert.detail


async def test_an_unknown_terminal_is_marked_and_heard(house: Any) -> None:
    accepted = await house.intake.emit(house.press("p1", terminal="stranger"))
    alert = await house.alert(accepted.alert_id)
    assert (alert.source.known, alert.cameras, alert.severity) == (False, (), 1)
    assert house.register.presence("stranger").last_press == house.clock.now()


async def test_taking_it_back_is_a_mark_and_closes_nothing(house: Any) -> None:
    accepted = await house.intake.emit(house.press("p1"))
    await house.intake.withdraw("tv-1", "p1")
    await house.intake.withdraw("tv-1", None)
    await house.intake.withdraw("tv-1", "never-pressed")
    await house.intake.withdraw("stranger", None)
    alert = await house.alert(accepted.alert_id)
    assert alert.workflow.value == "new"
    assert alert.detail["withdrawn_at"]


def close(alert_id: str, at: datetime) -> Any:
    from gateway.model import Draft

    return Draft(alert_id, "close", "wang", at, data={"disposition": "real"})


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    st.lists(
        st.tuples(st.sampled_from(["p1", "p2", "p3", None]), st.sampled_from([0.0, 1.0, 30.0, 61.0, 90_000.0])),
        min_size=1,
        max_size=12,
    )
)
async def test_every_press_is_counted_once_in_exactly_one_alert(
    house: Any, presses: list[tuple[str | None, float]]
) -> None:
    house.clock.turn(200_000)  # past whatever an earlier example pressed
    counted: dict[str, int] = {}
    for press_id, pause in presses:
        house.clock.turn(pause)
        accepted = await house.intake.emit(house.press(press_id))
        if not accepted.repeated:
            counted[accepted.alert_id] = counted.get(accepted.alert_id, 0) + 1
    for alert_id, count in counted.items():
        assert (await house.alert(alert_id)).count == count


async def test_a_button_that_sticks_is_counted_on_but_stops_asking_for_pictures(house: Any) -> None:
    first = await house.intake.emit(house.press("p0"))
    for number in range(1, 41):
        house.clock.turn(11)
        await house.intake.emit(house.press(f"p{number}"))
    alert = await house.alert(first.alert_id)
    assert alert.count == 41
    assert len(alert.cameras[0].snapshots) == 100
    assert len(await house.tasks()) == 100


async def test_a_replay_of_hours_is_as_many_alerts_as_there_were_emergencies(house: Any) -> None:
    now = house.clock.now()
    minutes = (300, 299.5, 299.2, 120, 119.9, 10)
    told = [
        await house.intake.emit(house.press(f"p{n}", device_time=now - timedelta(minutes=before)))
        for n, before in enumerate(minutes)
    ]
    ids = [accepted.alert_id for accepted in told]
    assert len({*ids[:3]}) == len({*ids[3:5]}) == 1
    assert len(set(ids)) == 3
    assert [(await house.alert(each)).count for each in dict.fromkeys(ids)] == [3, 2, 1]
    for each in ids:
        assert (await house.alert(each)).detail["late"]
    assert len(await house.answers()) == len(minutes)  # each is answered


async def test_what_is_pressed_now_is_not_taken_for_what_was_told_late(house: Any) -> None:
    late = await house.intake.emit(house.press("p1", device_time=house.clock.now() - timedelta(hours=3)))
    fresh = await house.intake.emit(house.press("p2", device_time=house.clock.now()))
    assert fresh.alert_id != late.alert_id
    assert "late" not in (await house.alert(fresh.alert_id)).detail
    house.clock.turn(5)
    again = await house.intake.emit(house.press("p3"))
    assert again.alert_id == fresh.alert_id
    stored = await house.intake.emit(house.press("p4", device_time=START - timedelta(hours=3, seconds=20)))
    assert stored.alert_id == late.alert_id


async def test_a_device_whose_clock_is_slow_presses_now(house: Any) -> None:
    slow = timedelta(minutes=5)
    first = await house.intake.emit(house.press("p0", device_time=house.clock.now() - slow))
    for number in range(1, 6):
        house.clock.turn(45)
        pressed = await house.intake.emit(house.press(f"p{number}", device_time=house.clock.now() - slow))
        assert pressed.alert_id == first.alert_id
