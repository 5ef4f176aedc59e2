"""Terminals that fall silent, against a ledger on disk and a clock turned by hand."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from gateway.alerts.offline import OfflineDesk
from gateway.alerts.presence import PresenceDesk
from gateway.alerts.register import Register
from gateway.alerts.silences import TerminalModel
from gateway.errors import StoreFailed
from gateway.model import (
    Answer,
    Condition,
    Household,
    Kind,
    Lane,
    ParcelDraft,
    Place,
    Stage,
    Terminal,
    TerminalState,
)
from gateway.ports import AlertFilter

MODELS = {"default": TerminalModel(3600, 600), "kaiwan": TerminalModel(12 * 3600, 600)}


class Village:
    """``count`` terminals, watched."""

    def __init__(self, house: Any, count: int = 1) -> None:
        self.house = house
        self.register = Register([], self.terminals(count))
        self.desk = self.watch()

    def terminals(self, count: int) -> list[Terminal]:
        place = Place(107.2, 30.7, None, "511724001")
        return [Terminal(f"tv-{n}", Household("张", "138", "北大街"), place) for n in range(count)]

    def watch(self) -> OfflineDesk:
        return OfflineDesk(self.house.ledger, self.register, MODELS, self.house.clock, node_id="town", grades={})

    def say(self, online: bool | None, *numbers: int) -> None:
        for number in numbers:
            self.register.seen(f"tv-{number}", self.house.clock.now(), online=online)

    async def look_after(self, seconds: float) -> list[Any]:
        await self.desk.look()
        self.house.clock.turn(seconds)
        await self.desk.look()
        return await self.alerts()

    async def alerts(self) -> list[Any]:
        found, _ = await self.house.ledger.read(lambda reader: reader.alerts(AlertFilter(), None, 100))
        return [stored.alert for stored in found]


async def test_a_terminal_that_said_goodbye_is_told_of_after_its_grace_and_cleared_when_it_is_back(house: Any) -> None:
    village = Village(house)
    village.say(True, 0)
    village.say(False, 0)
    assert await village.look_after(590) == []
    (alert,) = await village.look_after(15)
    assert (alert.kind, alert.severity, alert.source.type, alert.source.id) == (
        Kind.DEVICE_OFFLINE,
        3,
        "terminal",
        "tv-0",
    )
    assert (alert.place.address, alert.place.area_code, alert.condition) == ("北大街", "511724001", Condition.ACTIVE)
    assert await village.look_after(3600) == [alert]
    village.say(None, 0)
    (alert,) = await village.look_after(5)
    assert alert.condition is Condition.CLEARED
    village.say(False, 0)
    (alert,) = await village.look_after(700)
    assert (alert.condition, alert.count) == (Condition.ACTIVE, 2)


async def test_silence_of_two_heartbeats_and_the_grace_is_offline(house: Any) -> None:
    village = Village(house)
    village.say(True, 0)
    assert await village.look_after(7100) == []
    assert village.register.presence("tv-0").online is True
    assert await village.look_after(200) == []
    assert village.register.presence("tv-0").online is False
    assert len(await village.look_after(700)) == 1


async def test_a_village_that_goes_dark_is_one_alert_and_who_stays_away_is_told_alone(house: Any) -> None:
    village = Village(house, 60)
    village.say(True, *range(60))
    await village.look_after(100)
    village.say(False, *range(40))
    (alert,) = await village.look_after(601)
    assert (alert.source.type, alert.source.id, alert.detail["terminals"]) == ("node", "town", 40)
    assert await village.look_after(1000) == [alert]
    village.say(True, *range(2, 40))
    found = {each.source.id: each.condition for each in await village.look_after(10)}
    assert found == {"town": Condition.CLEARED, "tv-0": Condition.ACTIVE, "tv-1": Condition.ACTIVE}


async def test_a_restart_doubles_no_alert_and_still_clears_it(house: Any, eventually: Any) -> None:
    village = Village(house)
    village.say(True, 0)
    village.say(False, 0)
    assert len(await village.look_after(601)) == 1
    village.desk = village.watch()
    running = asyncio.create_task(village.desk.run())
    await eventually(lambda: village.desk._told == {"tv-0"})
    running.cancel()
    await asyncio.wait([running])
    assert len(await village.look_after(10_000)) == 1
    village.say(True, 0)
    (alert,) = await village.look_after(1)
    assert alert.condition is Condition.CLEARED


async def test_a_ledger_that_cannot_be_read_at_the_start_is_asked_again(
    house: Any, monkeypatch: pytest.MonkeyPatch, eventually: Any
) -> None:
    village = Village(house)
    village.say(True, 0)
    village.say(False, 0)
    assert len(await village.look_after(601)) == 1
    village.desk = village.watch()
    read, refused = house.ledger.read, []

    async def slow(work: Any) -> Any:
        if len(refused) < 2:
            refused.append(work)
            raise StoreFailed("the ledger cannot be read: disk I/O error")
        return await read(work)

    monkeypatch.setattr(house.ledger, "read", slow)
    running = asyncio.create_task(village.desk.run())
    await eventually(lambda: village.desk._told == {"tv-0"} or running.done())
    assert not running.done(), "the node ends with it"
    running.cancel()
    await asyncio.wait([running])
    assert len(await village.look_after(10_000)) == 1


async def test_a_terminal_that_was_taken_out_of_the_register_is_missed_no_more(house: Any) -> None:
    village = Village(house, 2)
    village.say(True, 0)
    village.say(False, 0)
    await village.look_after(601)
    village.register.replace(Register([], [Terminal("tv-1")]))
    (alert,) = await village.look_after(1)
    assert alert.condition is Condition.CLEARED


# ------------------------------------------------------------------------------------------------ kept on disk


@pytest.fixture
async def states(house: Any) -> AsyncIterator[Any]:
    async def read() -> dict[str, TerminalState]:
        found = await house.ledger.read(lambda reader: reader.terminal_states())
        return {state.terminal_id: state for state in found}

    yield read


async def test_what_is_known_of_a_terminal_outlives_the_node(house: Any, states: Any) -> None:
    register, at = Register([], [Terminal("tv-1")]), house.clock.now()
    desk = PresenceDesk(house.ledger, register)
    await desk.load()
    running = asyncio.create_task(desk.run())
    await asyncio.sleep(0)
    register.seen("tv-1", at, pressed=True, test=True)
    register.seen("stranger", at)
    running.cancel()
    await asyncio.wait([running])
    assert await states() == {"tv-1": TerminalState("tv-1", True, at, at, at, at)}
    again = Register([], [Terminal("tv-1")])
    await PresenceDesk(house.ledger, again).load()
    assert again.state("tv-1") == TerminalState("tv-1", True, at, at, at, at)


async def test_a_heartbeat_is_not_worth_a_row_each_time(house: Any, states: Any) -> None:
    register, at = Register([], [Terminal("tv-1")]), house.clock.now()
    desk = PresenceDesk(house.ledger, register)
    register.seen("tv-1", at)
    await desk._keep(timedelta(minutes=5))
    register.seen("tv-1", at + timedelta(minutes=4))
    await desk._keep(timedelta(minutes=5))
    assert (await states())["tv-1"].last_seen == at
    register.seen("tv-1", at + timedelta(minutes=6))
    await desk._keep(timedelta(minutes=5))
    assert (await states())["tv-1"].last_seen == at + timedelta(minutes=6)


async def test_what_a_terminal_did_not_hear_is_due_when_it_speaks(house: Any) -> None:
    now = house.clock.now()
    told = Answer("tv", "tv-1", "p", "a", Stage.RECEIVED, "town", now, "好")
    await house.ledger.write(lambda tx: tx.post(ParcelDraft("tv", Lane.ALARM, answer=told)))

    def due(reader: Any) -> list[Any]:
        found: list[Any] = reader.parcels("tv", Lane.ALARM, 9, now + timedelta(seconds=1))
        return found

    (parcel,) = await house.ledger.read(due)
    await house.ledger.write(lambda tx: tx.put_off(parcel.id, now + timedelta(minutes=8), "nobody subscribes"))
    assert await house.ledger.read(due) == []
    desk = PresenceDesk(house.ledger, Register())
    running = asyncio.create_task(desk.run())
    desk.speaks([parcel.id])
    async with asyncio.timeout(60):
        while not await house.ledger.read(due):
            await asyncio.sleep(0.02)
    running.cancel()
    await asyncio.wait([running])
