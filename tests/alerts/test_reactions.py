from dataclasses import replace
from datetime import timedelta
from typing import Any

from gateway.codec import entry_digest
from gateway.model import Draft, Entry, Lane, Receipt, ReplyTo, uuid7


async def deliver(house: Any, lane: Lane) -> list[str]:
    """Settle everything of one lane, as the forwarder would; the actions delivered."""
    parcels = await house.parcels(lane)

    def work(tx: Any) -> None:
        for number, parcel in enumerate(parcels, 1):
            tx.delivered(parcel.id)
            house.reactions.settle(tx, parcel, Receipt(parcel.content.id, "0" * 64, number, house.clock.now()))

    await house.ledger.write(work)
    return [parcel.content.action for parcel in parcels]


async def act(house: Any, alert_id: str, action: str, **data: Any) -> None:
    await house.ledger.write(lambda tx: tx.append(Draft(alert_id, action, "wang", house.clock.now(), data=data)))


async def test_each_stage_is_told_once_and_in_order(house: Any) -> None:
    accepted = await house.intake.emit(house.press("p1"))
    assert await deliver(house, Lane.ALARM) == ["raised"]
    await act(house, accepted.alert_id, "acknowledge")
    await act(house, accepted.alert_id, "dispatch")
    await act(house, accepted.alert_id, "close", disposition="real")
    assert await house.answers() == [("p1", "received"), ("p1", "forwarded"), ("p1", "accepted"), ("p1", "closed")]
    assert await deliver(house, Lane.UPDATE) == ["acknowledge", "dispatch", "close"]


async def test_a_stage_never_goes_back(house: Any) -> None:
    accepted = await house.intake.emit(house.press("p1"))
    await act(house, accepted.alert_id, "acknowledge")
    await deliver(house, Lane.ALARM)  # the upper node's receipt comes after the operator
    assert await house.answers() == [("p1", "received"), ("p1", "accepted")]
    again = await house.intake.emit(house.press("p1"))
    assert again.stage.value == "accepted"


async def test_each_press_of_an_alert_hears_of_its_own_forwarding(house: Any) -> None:
    accepted = await house.intake.emit(house.press("p1"))
    await deliver(house, Lane.ALARM)
    house.clock.turn(1)
    await house.intake.emit(house.press("p2"))
    assert ("p2", "forwarded") not in await house.answers()
    assert await deliver(house, Lane.ALARM) == ["pressed"]
    assert ("p2", "forwarded") in await house.answers()
    stored = await house.ledger.read(lambda reader: reader.alert(accepted.alert_id))
    assert [forwarding.sink for forwarding in stored.forwarded] == ["county"]


async def test_later_stages_go_to_the_response_topic_too(house: Any, reply_to: ReplyTo) -> None:
    await house.intake.emit(house.press("p1", reply_to=reply_to))
    await deliver(house, Lane.ALARM)
    due = house.clock.now() + timedelta(days=1)
    answers = await house.ledger.read(lambda reader: reader.parcels("tv", Lane.ALARM, 10, due))
    assert [parcel.content.reply_to for parcel in answers] == [reply_to, reply_to]


async def test_what_came_from_above_is_not_sent_back(house: Any) -> None:
    accepted = await house.intake.emit(house.press("p1"))
    await deliver(house, Lane.ALARM)
    (raised,) = await house.ledger.read(lambda reader: reader.entries(accepted.alert_id))
    entry = Entry(uuid7(), accepted.alert_id, "dazhu", 1, (raised.entry.id,), house.clock.now(), "li", "acknowledge")
    await house.ledger.write(lambda tx: tx.admit(entry, "county", entry_digest(entry)))
    assert await house.parcels(Lane.UPDATE) == []
    assert ("p1", "accepted") in await house.answers()


async def test_what_came_from_below_goes_up_and_answers_nobody_here(house: Any) -> None:
    accepted = await house.intake.emit(house.press("p1"))
    (raised,) = await house.ledger.read(lambda reader: reader.entries(accepted.alert_id))
    told = await house.answers()
    alert_id = uuid7()
    below = replace(raised.entry, id=uuid7(), alert_id=alert_id, node="village")
    await house.ledger.write(lambda tx: tx.admit(below, "village", entry_digest(below)))
    assert [parcel.content.node for parcel in await house.parcels(Lane.ALARM)] == ["village", "town"]
    await act(house, alert_id, "acknowledge")
    assert await house.answers() == told


async def test_a_press_that_joins_an_accepted_alert_hears_that_somebody_sees_to_it(house: Any) -> None:
    accepted = await house.intake.emit(house.press("p1"))
    await act(house, accepted.alert_id, "acknowledge")
    await house.intake.emit(house.press("p2"))
    assert (await house.answers())[-2:] == [("p2", "received"), ("p2", "accepted")]
    again = await house.intake.emit(house.press("p2"))
    assert again.stage.value == "accepted"


async def close_from_above(house: Any, alert_id: str, *seen: str) -> None:
    entry = Entry(uuid7(), alert_id, "dazhu", 1, seen, house.clock.now(), "li", "close", None, {"disposition": "real"})
    await house.ledger.write(lambda tx: tx.admit(entry, "county", entry_digest(entry)))


async def test_a_press_that_the_closing_above_had_not_seen_opens_the_alert_again(house: Any) -> None:
    accepted = await house.intake.emit(house.press("p1"))
    (raised,) = await house.ledger.read(lambda reader: reader.entries(accepted.alert_id))
    await house.intake.emit(house.press("p2"))  # while the county, which has only seen p1, closes it
    await close_from_above(house, accepted.alert_id, raised.entry.id)
    assert (await house.alert(accepted.alert_id)).workflow.value == "new"
    assert "closed" not in {stage for _, stage in await house.answers()}
    reopened = (await house.ledger.read(lambda reader: reader.entries(accepted.alert_id)))[-1].entry
    assert (reopened.action, reopened.actor) == ("reopen", "gateway")
    assert "reopen" in [parcel.content.action for parcel in await house.parcels(Lane.UPDATE)]


async def test_a_closing_that_has_seen_every_press_stands(house: Any) -> None:
    accepted = await house.intake.emit(house.press("p1"))
    await house.intake.emit(house.press("p2"))
    *_, last = await house.ledger.read(lambda reader: reader.entries(accepted.alert_id))
    await close_from_above(house, accepted.alert_id, last.entry.id)
    assert (await house.alert(accepted.alert_id)).workflow.value == "closed"
    assert {("p1", "closed"), ("p2", "closed")} <= set(await house.answers())


async def test_a_clip_goes_up_in_the_lowest_lane(house: Any) -> None:
    accepted = await house.intake.emit(house.press("p1"))
    await act(house, accepted.alert_id, "picture", state="failed")
    await act(house, accepted.alert_id, "clip", state="failed")
    assert [parcel.content.action for parcel in await house.parcels(Lane.CLIP)] == ["clip"]
    assert [parcel.content.action for parcel in await house.parcels(Lane.PICTURE)] == ["picture"]
    assert max(Lane) is Lane.CLIP


async def told(house: Any) -> dict[str, Any]:
    """stage → the proof that the presser is given with it."""
    due = house.clock.now() + timedelta(days=1)
    parcels = await house.ledger.read(lambda reader: reader.parcels("tv", Lane.ALARM, 1000, due))
    return {p.content.stage.value: p.content.proof for p in sorted(parcels, key=lambda p: p.id)}


async def test_each_stage_comes_with_its_proof_and_a_repeat_hears_it_again(house: Any) -> None:
    accepted = await house.intake.emit(house.press("p1"))
    await deliver(house, Lane.ALARM)
    forwarded = (await told(house))["forwarded"]
    at = "2026-05-01T08:00:00.000Z"
    assert forwarded == {"sink": "county", "seq": 1, "committed_at": at, "sha256": "0" * 64}
    await house.intake.emit(house.press("p1"))
    assert (await told(house))["forwarded"] == forwarded
    await act(house, accepted.alert_id, "acknowledge", level="township")
    taken = {"by": "wang", "node": "town", "level": "township"}
    assert (await told(house))["accepted"] == taken
    await house.intake.emit(house.press("p1"))
    assert (await told(house))["accepted"] == taken
    assert (await told(house))["received"] == {}


async def test_every_receipt_of_an_upper_node_is_kept(house: Any) -> None:
    accepted = await house.intake.emit(house.press("p1"))
    await act(house, accepted.alert_id, "note")
    await deliver(house, Lane.ALARM)
    at = house.clock.now()
    kept = await house.ledger.read(lambda r: r.receipts("county", at, at + timedelta(seconds=1), 0, 10))
    entries = await house.ledger.read(lambda reader: reader.entries(accepted.alert_id))
    assert [receipt.id for receipt in kept] == [entries[0].entry.id]


async def test_a_partners_receipt_is_no_forwarding(house: Any) -> None:
    await house.intake.emit(house.press("p1"))
    (parcel,) = await house.parcels(Lane.ALARM)
    receipt = Receipt(parcel.content.id, "0" * 64, 1, house.clock.now())
    await house.ledger.write(lambda tx: house.reactions.settle(tx, replace(parcel, sink="hub"), receipt))
    assert await house.answers() == [("p1", "received")]
