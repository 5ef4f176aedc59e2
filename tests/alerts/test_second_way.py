"""An alert that the county does not confirm: seen, sent another way, and taken back when the county has it after all."""

from typing import Any

from gateway.model import Kind, Lane


async def test_a_receipt_in_time_owes_nothing(town: Any) -> None:
    accepted = await town.intake.emit(town.press("p1"))
    await town.wait(14)
    await town.confirm("county")
    await town.wait(30)
    assert "undelivered" not in await town.actions(accepted.alert_id)
    assert await town.given("city2") == await town.given("hub") == []


async def test_silence_is_an_entry_a_mark_and_a_second_way(town: Any, metric: Any) -> None:
    before = metric("gateway_alerts_undelivered_total", sink="county")
    accepted = await town.intake.emit(town.press("p1"))
    await town.act(accepted.alert_id, "note")
    await town.wait(14)
    assert await town.given("hub") == []
    await town.wait(1)
    alert = await town.alert(accepted.alert_id)
    assert alert.detail["undelivered"] == ["county"]
    for sink in ("city2", "hub"):
        assert [entry.action for entry in await town.given(sink)] == ["raised", "note", "undelivered"]
    (line,) = [entry for entry in await town.given("hub") if entry.action == "undelivered"]
    assert (line.actor, line.data) == ("gateway", {"sink": "county", "after_s": 15.0})
    await town.wait(60)
    assert (await town.actions(accepted.alert_id)).count("undelivered") == 1
    assert metric("gateway_alerts_undelivered_total", sink="county") == before + 1


async def test_later_entries_go_round_too_and_pictures_not_in_the_alarm_lane(town: Any) -> None:
    accepted = await town.intake.emit(town.press("p1"))
    await town.wait(15)
    await town.act(accepted.alert_id, "acknowledge")
    await town.act(accepted.alert_id, "picture", state="failed")
    assert [entry.action for entry in await town.given("hub")][-1] == "acknowledge"
    assert [entry.action for entry in await town.given("hub", Lane.PICTURE)] == ["picture"]


async def test_the_county_after_all(town: Any) -> None:
    accepted = await town.intake.emit(town.press("p1"))
    await town.wait(15)
    await town.confirm("county")
    alert = await town.alert(accepted.alert_id)
    assert "undelivered" not in alert.detail
    assert (await town.actions(accepted.alert_id))[-1] == "delivered"
    assert [entry.action for entry in await town.given("hub")][-1] == "delivered"
    await town.act(accepted.alert_id, "acknowledge")
    assert [entry.action for entry in await town.given("hub")][-1] == "delivered"
    assert ("p1", "forwarded") in await town.answers()


async def test_the_receipt_of_a_node_that_stands_by_is_r2_but_the_county_stays_undelivered(town: Any) -> None:
    accepted = await town.intake.emit(town.press("p1"))
    await town.wait(15)
    await town.confirm("city2")
    assert ("p1", "forwarded") in await town.answers()
    stored = await town.ledger.read(lambda reader: reader.alert(accepted.alert_id))
    assert [forwarding.sink for forwarding in stored.forwarded] == ["city2"]
    assert stored.alert.detail["undelivered"] == ["county"]


async def test_it_is_owed_over_a_restart_that_loses_the_clock(town: Any) -> None:
    accepted = await town.intake.emit(town.press("p1"))
    await town.wait(5)
    town.clock.turn(-40 * 365 * 86400)
    await town.restart()
    await town.wait(14)
    assert "undelivered" not in await town.actions(accepted.alert_id)
    await town.wait(1)
    assert (await town.alert(accepted.alert_id)).detail["undelivered"] == ["county"]


async def test_a_press_that_joins_after_the_link_was_lost_is_watched_by_itself(town: Any) -> None:
    accepted = await town.intake.emit(town.press("p1"))
    await town.confirm("county")
    await town.wait(10)
    await town.intake.emit(town.press("p2"))
    await town.wait(10)
    await town.intake.emit(town.press("p3"))
    await town.wait(5)
    assert (await town.alert(accepted.alert_id)).detail["undelivered"] == ["county"]
    await town.wait(60)
    assert (await town.actions(accepted.alert_id)).count("undelivered") == 1
    await town.confirm("county")
    assert "undelivered" not in (await town.alert(accepted.alert_id)).detail
    await town.wait(60)
    assert (await town.actions(accepted.alert_id)).count("undelivered") == 1


async def test_a_lower_nodes_alert_is_watched_on_this_nodes_way(town: Any) -> None:
    base = {"kind": "fire", "source": {"type": "terminal", "id": "tv-9"}}
    await town.admit("below", "raised", "village", "village", base=base)
    await town.wait(15)
    alert = await town.alert("below")
    assert (alert.kind, alert.detail["undelivered"]) == (Kind.FIRE, ["town:county"])
    await town.admit("below", "delivered", "village", "village", sink="county", seq=1)  # none speaks for another
    assert (await town.alert("below")).detail["undelivered"] == ["town:county"]
    await town.confirm("county")
    assert "undelivered" not in (await town.alert("below")).detail


async def test_a_stuck_button_does_not_set_timers_without_end(town: Any) -> None:
    await town.intake.emit(town.press("p0"))
    for number in range(1, 150):
        await town.intake.emit(town.press(f"p{number}"))
    assert len([name for name, _ in await town.timers() if name == "r2"]) == 100
