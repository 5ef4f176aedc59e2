"""Doubles for the forwarder: a clock that is turned by hand, an outbox in memory, a receiver with faults."""

import asyncio
import heapq
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.delivery.forwarder import Forwarder
from gateway.errors import StoreFailed
from gateway.model import Entry, Lane, Parcel, Receipt

START = datetime(2026, 1, 1, tzinfo=UTC)


class FakeClock:
    """Time passes only in ``run_for`` and ``run_until``, once nothing else is left to do."""

    def __init__(self) -> None:
        self.elapsed = 0.0
        self._timers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = 0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.elapsed)

    def mono(self) -> float:
        return 1000.0 + self.elapsed

    async def sleep(self, seconds: float) -> None:
        self._count += 1
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._timers, (self.elapsed + max(0.0, seconds), self._count, future))
        await future

    async def run_for(self, seconds: float) -> None:
        end = self.elapsed + seconds
        while True:
            await self._quiesce()
            if not self._timers or self._timers[0][0] > end:
                break
            self._fire()
        self.elapsed = end
        await self._quiesce()

    async def run_until(self, condition: Callable[[], bool], within: float) -> None:
        """Let time pass until the condition holds; fails after ``within`` seconds of this clock."""
        end = self.elapsed + within
        while True:
            await self._quiesce()
            if condition():
                return
            assert self._timers and self._timers[0][0] <= end, f"not reached within {within} s"
            self._fire()

    def _fire(self) -> None:
        """Go to the next moment at which somebody wakes, and wake everybody who wakes then."""
        self.elapsed = max(self.elapsed, self._timers[0][0])
        while self._timers and self._timers[0][0] <= self.elapsed:
            future = heapq.heappop(self._timers)[2]
            if not future.done():
                future.set_result(None)

    async def _quiesce(self) -> None:
        for _ in range(60):
            await asyncio.sleep(0)
        while self._timers and self._timers[0][2].done():
            heapq.heappop(self._timers)


@dataclass
class Row:
    parcel: Parcel
    due: datetime
    parked: str | None = None


class FakeLedger:
    """The outbox part of a Ledger. Every write is all or nothing; ``failing`` makes writes (or reads) fail."""

    def __init__(self, clock: FakeClock) -> None:
        self.rows: dict[int, Row] = {}
        self.writes = 0
        self.failing: Callable[[], bool] = lambda: False
        self.reads_failing = False
        self.hands_over = False
        self.by_alert = False  # else each parcel counts as an alert of its own
        self.reads = 0
        self._fresh: dict[tuple[str, Lane], list[Parcel]] = {}
        self._clock = clock
        self._counts: dict[str, int] = {}
        self._news = asyncio.Condition()
        self._next = 0

    async def write(self, work: Callable[[Any], Any], *, urgent: bool = False) -> Any:
        self.writes += 1
        before = {id: replace(row) for id, row in self.rows.items()}
        await asyncio.sleep(0)
        if self.failing():
            raise StoreFailed("the disk is full")
        transaction = FakeTransaction(self)
        try:
            result = work(transaction)
        except Exception:
            self.rows = before
            raise
        for undo in transaction.on_commit:
            undo()
        await self._tell(transaction.topics)
        return result

    async def read(self, work: Callable[[Any], Any]) -> Any:
        self.reads += 1
        await asyncio.sleep(0)
        if self.reads_failing:
            raise StoreFailed("the ledger is closed")
        seen = work(FakeTransaction(self))
        for _ in range(5):  # commits go on while a reader's answer is on its way
            await asyncio.sleep(0)
        return seen

    async def changed(self, topic: str, seen: int) -> int:
        async with self._news:
            await self._news.wait_for(lambda: self._counts.get(topic, 0) > seen)
            return self._counts[topic]

    def fresh(self, sink: str, lane: Lane) -> list[Parcel] | None:
        if not self.hands_over:
            return None
        parcels, self._fresh[sink, lane] = self._fresh.get((sink, lane)), []
        return parcels

    def fault(self) -> str | None:
        return None

    async def close(self) -> None: ...

    async def post(self, *lanes: Lane, sink: str = "up", name: str = "e", alert: str = "alert") -> list[int]:
        """Put one parcel into the outbox for each lane named; their ids."""
        ids = []
        for lane in lanes:
            self._next += 1
            entry = Entry(f"{name}{self._next}", alert, "n1", self._next, (), self._clock.now(), "gateway", "note")
            self.rows[self._next] = Row(Parcel(self._next, sink, lane, entry), self._clock.now())
            if (sink, lane) in self._fresh:
                self._fresh[sink, lane].append(self.rows[self._next].parcel)
            ids.append(self._next)
        await self._tell({f"parcel/{sink}/{lane.value}" for lane in lanes})
        return ids

    async def _tell(self, topics: set[str]) -> None:
        async with self._news:
            for topic in topics:
                self._counts[topic] = self._counts.get(topic, 0) + 1
            self._news.notify_all()


@dataclass
class FakeTransaction:
    ledger: FakeLedger
    topics: set[str] = field(default_factory=set)
    on_commit: list[Callable[[], None]] = field(default_factory=list)

    def parcels(self, sink: str, lane: Lane, limit: int, due_before: datetime) -> list[Parcel]:
        due = [row.parcel for row in self._waiting(sink, lane) if row.due <= due_before]
        newest = {row.parcel.content.alert_id: id for id, row in reversed(self.ledger.rows.items())}
        by_alert = sorted(due, key=lambda parcel: (-newest[parcel.content.alert_id], parcel.id))
        return (by_alert if self.ledger.by_alert else sorted(due, key=lambda parcel: -parcel.id))[:limit]

    def next_due(self, sink: str, lane: Lane) -> datetime | None:
        return min((row.due for row in self._waiting(sink, lane)), default=None)

    def delivered(self, parcel_id: int) -> None:
        self._touch(parcel_id)
        del self.ledger.rows[parcel_id]

    def put_off(self, parcel_id: int, until: datetime, reason: str) -> None:
        self._touch(parcel_id)
        row = self.ledger.rows[parcel_id]
        row.due = until
        row.parcel = replace(row.parcel, attempts=row.parcel.attempts + 1)

    def park(self, parcel_id: int, reason: str) -> None:
        self._touch(parcel_id)
        self.ledger.rows[parcel_id].parked = reason

    def _waiting(self, sink: str, lane: Lane) -> list[Row]:
        rows = self.ledger.rows.values()
        return [row for row in rows if row.parked is None and (row.parcel.sink, row.parcel.lane) == (sink, lane)]

    def _touch(self, parcel_id: int) -> None:
        parcel = self.ledger.rows[parcel_id].parcel
        self.topics.add(f"parcel/{parcel.sink}/{parcel.lane.value}")


class FakeSink:
    """A receiver. ``behave`` decides about each send; ``received`` is what truly arrived, in order."""

    def __init__(self, clock: FakeClock, id: str = "up", concurrency: int = 4) -> None:
        self.id = id
        self.concurrency = concurrency
        self.behave: Callable[[Parcel], Awaitable[None]] = self._take
        self.received: list[int] = []
        self.attempts: list[tuple[float, int]] = []
        self.under_way: dict[Lane, int] = {}
        self.most_under_way = 0
        self._clock = clock

    async def send(self, parcel: Parcel) -> Receipt:
        self.attempts.append((self._clock.elapsed, parcel.id))
        self.under_way[parcel.lane] = self.under_way.get(parcel.lane, 0) + 1
        self.most_under_way = max(self.most_under_way, self.under_way[parcel.lane])
        try:
            await self.behave(parcel)
        finally:
            self.under_way[parcel.lane] -= 1
        self.received.append(parcel.id)
        return Receipt(f"e{parcel.id}", "0" * 64, len(self.received), self._clock.now())

    async def close(self) -> None: ...

    async def _take(self, parcel: Parcel) -> None:
        await self._clock.sleep(0.01)


@dataclass
class Bench:
    """A forwarder between a ledger and sinks. ``settled`` lists committed settlements."""

    clock: FakeClock
    ledger: FakeLedger
    sink: FakeSink
    settled: list[int] = field(default_factory=list)
    settle_fault: Callable[[Parcel], None] = lambda parcel: None
    _task: asyncio.Task[None] | None = None

    def start(self, *more: FakeSink, seed: int = 1) -> None:
        forwarder = Forwarder(self.ledger, [self.sink, *more], self.settle, self.clock, rng=random.Random(seed))
        self._task = asyncio.create_task(forwarder.run())

    def settle(self, tx: FakeTransaction, parcel: Parcel, receipt: Receipt | None) -> None:
        self.settle_fault(parcel)
        tx.on_commit.append(lambda: self.settled.append(parcel.id))

    @property
    def waiting(self) -> list[int]:
        return [id for id, row in self.ledger.rows.items() if row.parked is None]

    async def stop(self) -> None:
        if self._task is not None:
            assert not self._task.done() or self._task.cancelled(), self._task.exception()
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None


@pytest.fixture(params=["read", "handed over"])
async def bench(request):
    """Whether parcels are found by a look, or come with their commit, nothing may differ but the looks."""
    clock = FakeClock()
    made = Bench(clock, FakeLedger(clock), FakeSink(clock))
    made.ledger.hands_over = request.param == "handed over"
    yield made
    await made.stop()
