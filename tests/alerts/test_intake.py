"""The same press, another press, a new alert: CONTRACT "MQTT, terminals"."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.model import Kind, Stage, Status


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
    assert await house.answers() == [("p1", "received")] * 2


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


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
