"""Active test runs: who was asked, who answered, who did not."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from gateway.alerts.register import Register
from gateway.alerts.trials import Trials, TrialUnderWay, counts
from gateway.errors import UsageError
from gateway.model import Lane, Notice, Place, Status, Terminal


def terminals(count: int) -> list[Terminal]:
    return [Terminal(f"tv-{n:03}", place=Place(area_code=f"51172400{n % 2 + 1}")) for n in range(count)]


def anywhere(area: str | None) -> bool:
    return True


async def asked(house: Any) -> list[str]:
    due = house.clock.now() + timedelta(days=1)
    parcels = await house.ledger.read(lambda reader: reader.parcels("tv", Lane.UPDATE, 1000, due))
    assert all(isinstance(parcel.content, Notice) and parcel.content.kind == "test" for parcel in parcels)
    return [parcel.content.to for parcel in parcels]


async def test_every_terminal_of_the_area_is_asked_a_few_at_a_time(house: Any) -> None:
    trials = Trials(house.ledger, Register([], terminals(90)), ["tv"], house.clock)
    until = house.clock.now() + timedelta(days=7)
    trial = await trials.start("三季度", ["511724001"], until, "li", anywhere)
    assert len(trial.terminals) == 45
    for expected in (20, 40, 45, 45):
        await trials._tick()
        assert len(await asked(house)) == expected
    assert set(await asked(house)) == set(trial.terminals)
    with pytest.raises(TrialUnderWay):
        await trials.start("again", [], until, "li", anywhere)


async def test_a_test_press_is_an_answer_and_a_heartbeat_a_sign_of_life(house: Any) -> None:
    house.register.replace(Register([], [Terminal("tv-1"), *terminals(3)]))
    house.register.seen("tv-002", house.clock.now(), pressed=True, test=True)  # of the last quarter
    house.clock.turn(60)
    trials = Trials(house.ledger, house.register, ["tv"], house.clock)
    trial = await trials.start("三季度", [], house.clock.now() + timedelta(hours=1), "li", anywhere)
    await house.intake.emit(house.press("p1", status=Status.TEST))
    await house.intake.emit(house.press("p2", "tv-000"))  # in earnest: it shows that the button works, but was no test
    house.register.seen("tv-001", house.clock.now())

    async def found() -> dict[str, str]:
        shown = await trials.trial(trial.id)
        assert shown is not None
        return {each.terminal: each.state for each in shown[1]}

    expected = {"tv-1": "tested", "tv-000": "heard", "tv-001": "heard", "tv-002": "silent"}
    assert await found() == expected
    house.clock.turn(3600)
    await trials._tick()
    house.register.seen("tv-002", house.clock.now(), pressed=True, test=True)
    assert await found() == expected  # it has ended
    ((kept,), again) = (
        await trials.trials(),
        await Trials(house.ledger, Register(), ["tv"], house.clock).trial(trial.id),
    )
    assert kept.ended_at is not None
    assert again is not None
    assert counts(again[1]) == {"total": 4, "tested": 1, "heard": 2, "silent": 1}


async def test_a_restart_goes_on_asking_where_it_was(house: Any) -> None:
    register = Register([], terminals(30))
    before = Trials(house.ledger, register, ["tv"], house.clock)
    await before.start("x", [], house.clock.now() + timedelta(days=1), "li", anywhere)
    await before._tick()
    after = Trials(house.ledger, register, ["tv"], house.clock)
    await after.load()
    running = asyncio.create_task(after.run())
    async with asyncio.timeout(60):
        while len(await asked(house)) < 30:
            await asyncio.sleep(0.02)
    running.cancel()
    await asyncio.wait([running])
    assert len(set(await asked(house))) == 30


async def test_a_run_can_be_ended_before_its_time_and_another_begun(house: Any) -> None:
    trials = Trials(house.ledger, Register([], terminals(3)), ["tv"], house.clock)
    until = house.clock.now() + timedelta(days=1)
    first = await trials.start("a", [], until, "li", anywhere)
    assert await trials.end(first.id)
    assert not await trials.end(first.id)
    second = await trials.start("b", [], until, "li", anywhere)
    assert [each.id for each in await trials.trials()] == [second.id, first.id]
    assert await trials.trial("nothing") is None


async def test_what_cannot_be_begun_is_said(house: Any) -> None:
    now = house.clock.now()
    trials = Trials(house.ledger, Register([], terminals(3)), ["tv"], house.clock)
    with pytest.raises(UsageError, match="passed"):
        await trials.start("a", [], now, "li", anywhere)
    with pytest.raises(UsageError, match="no terminal to test in 99"):
        await trials.start("a", ["99"], now + timedelta(1), "li", anywhere)
    with pytest.raises(UsageError, match="no terminal"):
        await trials.start("a", [], now + timedelta(1), "li", lambda area: False)
    with pytest.raises(UsageError, match="no broker"):
        await Trials(house.ledger, Register([], terminals(3)), [], house.clock).start(
            "a", [], now + timedelta(1), "li", anywhere
        )
