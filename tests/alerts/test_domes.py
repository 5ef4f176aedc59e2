"""A press turns the dome to its household's preset, once, and says what came of it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gateway.alerts import domes as room
from gateway.alerts.domes import Domes
from gateway.alerts.register import Register
from gateway.errors import StoreFailed, Unreachable


class Dome:
    """A device service of one dome."""

    def __init__(self) -> None:
        self.turned: list[tuple[str, str]] = []
        self.fault: Exception | None = None
        self.hangs = False

    async def go_to_preset(self, camera_id: str, preset: str) -> None:
        if self.hangs:
            await asyncio.Event().wait()
        if self.fault is not None:
            raise self.fault
        self.turned.append((camera_id, preset))


@pytest.fixture
def dome() -> Dome:
    return Dome()


@pytest.fixture
async def domes(house: Any, dome: Dome, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Domes]:
    (terminal,) = house.register.terminals()
    house.register.replace(Register(house.register.cameras(), [replace(terminal, presets={"near": "北大街 12 号"})]))
    read, begun = house.ledger.read, asyncio.Event()

    async def noted(work: Any) -> Any:
        found = await read(work)
        begun.set()
        return found

    monkeypatch.setattr(house.ledger, "read", noted)
    made = Domes("town", house.ledger, house.register, dome, house.clock)
    task = asyncio.create_task(made.run())
    await begun.wait()  # it has read where the feed stands; another read may be done before that one
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def turned(house: Any, alert_id: str) -> list[Any]:
    """The entries about it, once there is one."""
    async with asyncio.timeout(60):
        while True:
            lines = await house.ledger.read(lambda reader: reader.entries(alert_id))
            found = [line.entry for line in lines if line.entry.action == room.TURNED]
            if found:
                return found
            await asyncio.sleep(0.01)


async def test_a_press_turns_the_dome_once(house: Any, domes: Domes, dome: Dome) -> None:
    first = await house.intake.emit(house.press("p1"))
    (entry,) = await turned(house, first.alert_id)
    await house.intake.emit(house.press("p2"))  # joins: the dome is turned already
    other = await house.intake.emit(house.press("p3", terminal="tv-9"))  # a stranger has no preset
    await turned(house, first.alert_id)
    assert other.alert_id != first.alert_id
    assert dome.turned == [("near", "北大街 12 号")]
    assert (entry.actor, entry.comment) == ("gateway", "camera near, preset 北大街 12 号")
    assert entry.data == {"camera": "near", "preset": "北大街 12 号", "reason": None}
    assert (await house.alert(first.alert_id)).workflow == "new"


async def test_a_dome_that_does_not_turn_is_told_of(house: Any, domes: Domes, dome: Dome) -> None:
    dome.fault = Unreachable("10.0.0.5:80 did not answer GotoPreset within 5 s")
    accepted = await house.intake.emit(house.press("p1"))
    (entry,) = await turned(house, accepted.alert_id)
    assert entry.data["reason"] == "10.0.0.5:80 did not answer GotoPreset within 5 s"


async def test_a_dome_that_hangs_has_a_deadline_and_holds_up_nobody(
    house: Any, domes: Domes, dome: Dome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "DEADLINE_S", 0.05)
    dome.hangs = True
    accepted = await house.intake.emit(house.press("p1"))
    (entry,) = await turned(house, accepted.alert_id)
    assert "did not answer" in entry.data["reason"]


async def test_a_late_press_turns_nothing(house: Any, domes: Domes, dome: Dome) -> None:
    late = house.clock.now() - timedelta(hours=1)
    await house.intake.emit(house.press("p1", device_time=late))
    house.clock.turn(3600)
    fresh = await house.intake.emit(house.press("p2"))
    await turned(house, fresh.alert_id)
    assert len(dome.turned) == 1


async def test_a_look_that_fails_is_taken_again_and_turns_no_dome_twice(
    house: Any, domes: Domes, dome: Dome, monkeypatch: pytest.MonkeyPatch, eventually: Any
) -> None:
    monkeypatch.setattr(room, "_BATCH", 1)  # the look behind the entry that turned the dome is the one that fails
    read, looks = house.ledger.read, 0

    async def slow(work: Any) -> Any:
        nonlocal looks
        looks += 1
        if looks == 2:
            raise StoreFailed("a look into the ledger took longer than 30 s and was ended")
        return await read(work)

    monkeypatch.setattr(house.ledger, "read", slow)
    first = await house.intake.emit(house.press("p1"))
    await eventually(lambda: looks >= 2)
    await turned(house, first.alert_id)
    house.clock.turn(3600)
    later = await house.intake.emit(house.press("p2"))
    await turned(house, later.alert_id)
    assert later.alert_id != first.alert_id
    assert dome.turned == [("near", "北大街 12 号")] * 2


async def test_domes_wait_for_a_ledger_that_cannot_be_read_at_the_start(
    house: Any, dome: Dome, monkeypatch: pytest.MonkeyPatch, eventually: Any
) -> None:
    read, looks = house.ledger.read, 0

    async def slow(work: Any) -> Any:
        nonlocal looks
        looks += 1
        if looks == 1:
            raise StoreFailed("the ledger cannot be read: disk I/O error")
        return await read(work)

    monkeypatch.setattr(house.ledger, "read", slow)
    running = asyncio.create_task(Domes("town", house.ledger, house.register, dome, house.clock).run())
    await eventually(lambda: looks == 2 or running.done())
    assert not running.done(), "the node ends with it"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
