"""Nobody acts: the alert is told further up, at each level by its own clock; acting anywhere ends it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.alerts.escalation import Rung, default_ladder, level_above
from gateway.codec import entry_digest
from gateway.model import Kind, Level, Status

PEOPLE = Rung(("li", "wang"), 30.0, unless="dispatched", kinds=frozenset({Kind.SOS}), areas=("5117",), drills=True)
BASE: dict[str, Any] = {"kind": "sos", "severity": 1, "source": {"type": "terminal", "id": "tv-9"}}


async def escalated(town: Any, alert_id: str) -> list[Any]:
    lines = await town.ledger.read(lambda reader: reader.entries(alert_id))
    return [line.entry for line in lines if line.entry.action == "escalate"]


async def test_the_usual_ladder(town: Any, metric: Any) -> None:
    labels = {"level": "county", "reason": "not_acknowledged"}
    before = metric("gateway_alert_escalations_total", **labels)
    sos = await town.intake.emit(town.press("p1"))
    intrusion = await town.intake.emit(town.press("p2", kind=Kind.INTRUSION))
    await town.wait(59)
    assert await escalated(town, sos.alert_id) == []
    await town.wait(1)
    (entry,) = await escalated(town, sos.alert_id)
    assert (entry.actor, entry.comment) == ("gateway", "nobody has acknowledged it within 60 s")
    assert entry.data == {"to": "county", "because": "not_acknowledged", "rung": 0, "level": "township"}
    alert = await town.alert(sos.alert_id)
    assert (alert.detail["escalated_to"], alert.severity) == (["county"], 1)
    assert await escalated(town, intrusion.alert_id) == []
    await town.wait(240)
    assert len(await escalated(town, intrusion.alert_id)) == 1
    await town.wait(600)
    assert len(await escalated(town, sos.alert_id)) == 1
    assert metric("gateway_alert_escalations_total", **labels) == before + 2


@pytest.mark.parametrize("action", ["acknowledge", "dispatch", "arrive", "close", "cancel"])
@pytest.mark.parametrize("where", ["here", "above"])
async def test_whoever_acts_anywhere_ends_it(town: Any, action: str, where: str) -> None:
    alert = (await town.intake.emit(town.press("p1"))).alert_id
    await town.wait(30)
    if where == "here":
        await town.act(alert, action, disposition="real")
    else:
        await town.admit(alert, action, "dazhu", "county", disposition="real")
    assert "escalate" not in {name for name, _ in await town.timers()}
    await town.wait(600)
    assert await escalated(town, alert) == []


async def test_notes_and_escalations_by_hand_do_not_end_it(town: Any) -> None:
    alert = (await town.intake.emit(town.press("p1"))).alert_id
    await town.act(alert, "note")
    await town.act(alert, "escalate", to="city")
    await town.wait(60)
    assert (await town.alert(alert)).detail["escalated_to"] == ["city", "county"]


async def test_what_is_shelved_waits_for_its_end_and_begins_anew_when_that_is_lifted(town: Any) -> None:
    town.rungs = (Rung(("county",), 300.0),)
    await town.restart()
    device = (await town.intake.emit(town.press("p1", kind=Kind.DEVICE_OFFLINE))).alert_id
    lifted = (await town.intake.emit(town.press("p2", "tv-2", kind=Kind.DEVICE_OFFLINE))).alert_id
    until = (town.clock.now() + timedelta(seconds=900)).isoformat()
    await town.act(device, "shelve", until=until)
    await town.act(lifted, "shelve", until=until)
    await town.wait(400)
    assert await escalated(town, device) == await escalated(town, lifted) == []
    await town.act(lifted, "unshelve")
    await town.wait(300)
    assert (len(await escalated(town, lifted)), await escalated(town, device)) == (1, [])
    await town.wait(201)
    assert len(await escalated(town, device)) == 1


async def test_a_clock_that_jumps_by_years_escalates_nothing_that_was_acted_on(town: Any) -> None:
    acted = (await town.intake.emit(town.press("p1"))).alert_id
    waiting = (await town.intake.emit(town.press("p2", kind=Kind.FIRE))).alert_id
    await town.act(acted, "acknowledge")
    town.clock.at = town.clock.at.replace(year=2060)
    await town.restart()
    await town.wait(1)
    assert await escalated(town, acted) == []
    assert len(await escalated(town, waiting)) == 1


async def test_opened_anew_it_begins_anew_also_after_a_restart(town: Any) -> None:
    alert = (await town.intake.emit(town.press("p1"))).alert_id
    await town.wait(60)
    await town.act(alert, "acknowledge")
    await town.act(alert, "close", disposition="false_alarm")
    await town.wait(600)
    await town.act(alert, "reopen")
    await town.wait(30)
    await town.restart()
    await town.wait(29)
    assert len(await escalated(town, alert)) == 1
    await town.wait(1)
    assert len(await escalated(town, alert)) == 2


async def test_a_closing_above_that_missed_a_press_begins_anew(town: Any) -> None:
    alert = (await town.intake.emit(town.press("p1"))).alert_id
    (raised,) = await town.ledger.read(lambda reader: reader.entries(alert))
    await town.wait(50)
    await town.intake.emit(town.press("p2"))
    closing = await town.admit(alert, "note", "dazhu", "county")
    blind = replace(
        closing, id="blind", seq=99, parents=(raised.entry.id,), action="close", data={"disposition": "real"}
    )
    await town.ledger.write(lambda tx: tx.admit(blind, "county", entry_digest(blind)))
    assert (await town.alert(alert)).workflow == "new"
    await town.wait(60)
    assert len(await escalated(town, alert)) == 1


@pytest.mark.parametrize("status", [Status.TEST, Status.DRILL])
async def test_a_test_escalates_only_where_that_is_said(town: Any, status: Status) -> None:
    alert = (await town.intake.emit(town.press("p1", status=status))).alert_id
    await town.wait(600)
    assert await escalated(town, alert) == []
    town.rungs = (Rung(("county",), 5.0, drills=True),)
    await town.restart()
    again = (await town.intake.emit(town.press("p2", status=status, kind=Kind.FIRE))).alert_id
    await town.wait(5)
    assert len(await escalated(town, again)) == 1


async def test_rungs_of_the_file_name_people_and_what_has_to_be_done(town: Any) -> None:
    town.rungs = (PEOPLE, Rung(("city",), 90.0, unless="closed"))
    await town.restart()
    await town.admit("a", "raised", "village", "village", base={**BASE, "place": {"area_code": "511724001"}})
    await town.admit("b", "raised", "village", "village", base={**BASE, "place": {"area_code": "510000"}})
    await town.admit("a", "acknowledge", "village", "village")
    await town.wait(30)
    (entry,) = await escalated(town, "a")
    assert (entry.data["to"], entry.data["because"]) == (["li", "wang"], "not_dispatched")
    assert await escalated(town, "b") == []
    await town.wait(60)
    assert (await town.alert("a")).detail["escalated_to"] == ["li", "wang", "city"]
    assert (await town.alert("b")).detail["escalated_to"] == ["city"]


async def test_a_return_begins_only_what_waits_for_a_dispatch(town: Any) -> None:
    town.rungs = (PEOPLE, Rung(("county",), 60.0))
    await town.restart()
    place = {"area_code": "511724001"}
    await town.admit("a", "raised", "village", "village", base={**BASE, "place": place})
    await town.admit("a", "dispatch", "village", "village")
    assert [name for name, _ in await town.timers() if name == "escalate"] == []
    await town.admit("a", "return", "village", "village")
    assert [left for name, left in await town.timers() if name == "escalate"] == [30.0]


async def test_the_level_below_goes_first_and_a_dead_one_is_not_waited_for(town: Any) -> None:
    await town.admit("dead", "raised", "village", "village", base=BASE)
    await town.admit("live", "raised", "village", "village", base=BASE)
    await town.wait(60)
    await town.admit("live", "escalate", "village", "village", to="township")
    await town.wait(59)
    assert await escalated(town, "dead") == []
    await town.wait(1)
    assert [entry.node for entry in await escalated(town, "dead")] == ["town"]
    assert [entry.node for entry in await escalated(town, "live")] == ["village", "town"]
    assert (await town.alert("live")).detail["escalated_to"] == ["township", "county"]


async def test_a_county_counts_anew_while_it_is_told_to_the_township(town: Any) -> None:
    town.level, town.rungs = Level.COUNTY, default_ladder(Level.COUNTY)
    await town.restart()
    await town.admit("a", "raised", "village", "zhuyang", base=BASE)
    await town.wait(60)
    await town.admit("a", "escalate", "village", "zhuyang", to="township")
    await town.wait(60)
    await town.admit("a", "escalate", "zhuyang", "zhuyang", to="county")
    await town.wait(59)
    assert [entry.data["to"] for entry in await escalated(town, "a")] == ["township", "county"]
    await town.wait(1)
    assert (await town.alert("a")).detail["escalated_to"] == ["township", "county", "city"]


async def test_a_level_below_that_escalates_again_and_again_puts_nobody_off(town: Any) -> None:
    await town.admit("a", "raised", "village", "village", base=BASE)
    await town.wait(60)
    for _ in range(6):
        await town.admit("a", "escalate", "village", "village", to="township")
        await town.wait(10)
    assert [entry.node for entry in await escalated(town, "a")][-1] == "town"


async def test_a_press_that_joins_leaves_what_was_told_and_what_is_owed(town: Any) -> None:
    alert = (await town.intake.emit(town.press("p1"))).alert_id
    await town.wait(30)
    await town.intake.emit(town.press("p2"))
    assert [left for name, left in await town.timers() if name == "escalate"] == [30.0]
    await town.wait(30)
    await town.intake.emit(town.press("p3"))
    found = await town.alert(alert)
    assert (found.count, found.detail["escalated_to"], found.detail["undelivered"]) == (3, ["county"], ["county"])
    assert found.detail["press_ids"] == ["p1", "p2", "p3"]
    assert (await town.intake.emit(town.press("p2"))).alert_id == alert


@pytest.mark.parametrize("to", [None, 7, ["county"], {"a": 1}, "moon", "city"])
async def test_an_escalation_that_makes_no_sense_moves_nothing(town: Any, to: Any) -> None:
    await town.admit("a", "raised", "village", "village", base=BASE)
    await town.wait(30)
    await town.admit("a", "escalate", "village", "village", to=to)
    assert [left for name, left in await town.timers() if name == "escalate"] == [90.0]


async def test_an_alert_whose_raising_comes_last_is_judged_as_it_is(town: Any) -> None:
    note = await town.admit("a", "acknowledge", "village", "village")
    assert note.parents == ()
    await town.admit("a", "raised", "village", "village", base=BASE)
    assert "escalate" not in {name for name, _ in await town.timers()}


def test_nobody_is_above_a_city() -> None:
    assert level_above(Level.CITY) is None
    assert default_ladder(Level.CITY) == ()
    assert [level_above(level) for level in (Level.VILLAGE, Level.TOWNSHIP, Level.COUNTY)] == list(Level)[1:]


@given(st.sampled_from(list(Level)))
def test_each_ladder_leads_one_level_up(level: Level) -> None:
    assert {rung.to for rung in default_ladder(level)} <= {(level_above(level),)}
