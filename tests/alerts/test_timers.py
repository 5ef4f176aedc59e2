"""What is owed at a moment: due once, whatever the clock does, and across restarts."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.alerts.duties import Duty
from gateway.alerts.timers import TimerDesk, owe
from gateway.ledger.sqlite import SqliteLedger
from gateway.model import Timer


class Book(Duty):
    """Notes what came due; ``fails``: keys at which it fails."""

    timers = frozenset({"t"})

    def __init__(self) -> None:
        self.done: list[str] = []
        self.fails: set[str] = set()

    def expired(self, tx: Any, timer: Timer) -> None:
        if timer.key in self.fails:
            raise ZeroDivisionError(timer.key)
        self.done.append(timer.key)


class SteppingClock:
    """Elapsed time is turned by hand, the wall clock may be set apart from it."""

    def __init__(self, start: Any) -> None:
        self.wall, self.elapsed = start, 1000.0

    def now(self) -> Any:
        return self.wall

    def mono(self) -> float:
        return self.elapsed

    def turn(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)
        self.elapsed += seconds

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


class Desk:
    def __init__(self, ledger: SqliteLedger, clock: SteppingClock) -> None:
        self.ledger, self.clock, self.book = ledger, clock, Book()
        self.desk = TimerDesk(ledger, self.book, clock)

    async def owe(self, key: str, wait: float) -> None:
        await self.ledger.write(lambda tx: owe(tx, "t", key, self.clock.now(), wait))

    async def look(self) -> list[str]:
        while await self.desk.run_due():
            pass
        return self.book.done


@pytest.fixture
async def desk(tmp_path: Path, start: Any) -> Any:
    clock = SteppingClock(start)
    ledger = await SqliteLedger.open(tmp_path / "ledger.db", "town", clock)
    yield Desk(ledger, clock)
    await ledger.close()


async def test_each_is_done_once_when_it_is_due(desk: Any) -> None:
    for number in range(120):
        await desk.owe(f"k{number}", 10 if number % 2 else 20)
    assert await desk.look() == []
    desk.clock.turn(10)
    assert sorted(await desk.look()) == sorted(f"k{number}" for number in range(1, 120, 2))
    desk.clock.turn(100)
    assert len(await desk.look()) == len(set(desk.book.done)) == 120


@pytest.mark.parametrize("step", [-3600.0, -56 * 365 * 86400.0, 3600.0, 50 * 365 * 86400.0, -5.0, 5.0])
async def test_a_clock_that_is_set_neither_postpones_nor_hastens_what_is_owed(desk: Any, step: float) -> None:
    await desk.owe("before", 60)
    desk.clock.turn(20)
    assert await desk.look() == []
    desk.clock.wall += timedelta(seconds=step)
    await desk.owe("after", 60)
    desk.clock.turn(1)
    assert await desk.look() == []
    desk.clock.turn(38)
    assert await desk.look() == []
    desk.clock.turn(1)
    assert await desk.look() == ["before"]
    desk.clock.turn(20)
    assert await desk.look() == ["before", "after"]


async def test_a_date_on_the_calendar_is_the_clocks(desk: Any) -> None:
    due = desk.clock.now() + timedelta(hours=1)
    await desk.ledger.write(lambda tx: tx.set_timer("t", "date", due))
    assert await desk.look() == []
    desk.clock.wall += timedelta(hours=1)
    assert await desk.look() == ["date"]


async def test_after_a_restart_in_1970_nothing_waits_longer_than_it_ever_had_to(tmp_path: Path, start: Any) -> None:
    clock = SteppingClock(start)
    ledger = await SqliteLedger.open(tmp_path / "ledger.db", "town", clock)
    await Desk(ledger, clock).owe("k", 60)
    await ledger.close()
    clock = SteppingClock(start - timedelta(days=56 * 365))
    ledger = await SqliteLedger.open(tmp_path / "ledger.db", "town", clock)
    desk = Desk(ledger, clock)
    await desk.desk.shorten()
    clock.turn(59)
    assert await desk.look() == []
    clock.turn(1)
    assert await desk.look() == ["k"]
    await ledger.close()


async def test_a_duty_that_fails_at_one_timer_holds_up_no_other(desk: Any) -> None:
    for key in ("a", "b", "c"):
        await desk.owe(key, 1)
    desk.book.fails = {"b"}
    desk.clock.turn(1)
    assert set(await desk.look()) == {"a", "c"}
    desk.book.fails = set()
    desk.clock.turn(60)
    assert (await desk.look())[-1] == "b"


async def test_one_that_was_cleared_or_moved_meanwhile_is_not_done(desk: Any) -> None:
    await desk.owe("gone", 1)
    await desk.owe("later", 1)
    desk.clock.turn(1)
    due = await desk.ledger.read(lambda reader: reader.due_timers(desk.clock.now(), 10))
    await desk.ledger.write(lambda tx: tx.clear_timer("t", "gone"))
    await desk.owe("later", 5)
    await desk.ledger.write(lambda tx: desk.desk._expire(tx, due))
    assert desk.book.done == []
    desk.clock.turn(5)
    assert await desk.look() == ["later"]


async def test_runs_by_itself_and_wakes_for_one_that_is_set_sooner(
    desk: Any, eventually: Callable[[Callable[[], bool]], Any]
) -> None:
    running = asyncio.create_task(desk.desk.run())
    await desk.owe("late", 3600)
    await desk.owe("now", 0)
    await eventually(lambda: desk.book.done == ["now"])
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
