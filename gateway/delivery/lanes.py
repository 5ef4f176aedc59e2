"""The lanes of a sink: one loop each, so that none waits for a lower one, and the state that says who may be tried.

A lane is *open* while the sink takes parcels: up to ``sink.concurrency`` sends are under way, newest parcel first.
After a failure it is *shut*: one parcel at a time is tried, at growing intervals, until one gets through; then it is
open again at once. Nothing is written for a sink that is down. A parcel that fails although others get through is put
off by itself, so that it cannot hold up its lane.
"""

import asyncio
import random
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from gateway.backoff import Backoff
from gateway.delivery.settlement import Outcome, Settlement
from gateway.errors import Refused, StoreFailed, TryLater
from gateway.model import Lane, Parcel, Receipt
from gateway.observability import events
from gateway.observability.logs import logger
from gateway.ports import Clock, Ledger, Reader, Sink

_log = logger("delivery")

_OWN_WAIT = 5.0  # seconds. A receiver that asks for so long a wait means this parcel, not all of them
_LONGEST_WAIT = 3600.0  # seconds. No receiver may put an alert off for longer
_STALE_POLL = 1.0  # seconds between looks for parcels that come due behind one that is due and under way
_MOST_REMEMBERED = 4096  # failed parcels whose failure is remembered in memory
_LAST_WORDS = 0.5  # seconds for cancelled sends to end
_CONVICTED = 0  # fewer than any lane's successes, which count from 1
_MOST_PASSED_OVER = 16  # parcels tried in vain, before a shut lane begins again with its newest


@dataclass(frozen=True, slots=True)
class Pace:
    """``deadline``: seconds for one send. ``ceiling``: the longest wait of a shut lane. ``width``: sends under way at
    once, where the sink allows as many; what is not urgent comes in small helpings, because a burst of pictures on the
    one loop is what an alarm would wait for."""

    deadline: float
    ceiling: float
    width: int


PACES = {
    Lane.ALARM: Pace(deadline=10.0, ceiling=2.0, width=64),
    Lane.UPDATE: Pace(deadline=10.0, ceiling=2.0, width=8),
    Lane.PICTURE: Pace(deadline=60.0, ceiling=10.0, width=4),
    Lane.HEALTH: Pace(deadline=60.0, ceiling=10.0, width=2),
}


@dataclass(slots=True)
class Gate:
    """Whether a lane is open, and which parcels failed. Pure but for the back-off's randomness.

    ``failed`` maps a parcel to the number of successes of the lane before it failed last: if that number has risen
    when it fails again, the sink works and the parcel is at fault, until it gets through after all.
    """

    backoff: Backoff
    retry_at: float | None = None  # monotonic; None: open
    successes: int = 1
    failed: dict[int, int] = field(default_factory=dict)
    passed_over: set[int] = field(default_factory=set)

    @property
    def open(self) -> bool:
        return self.retry_at is None

    def succeeded(self, parcel_id: int) -> bool:
        """True if this opens a shut lane."""
        self.successes += 1
        self.failed.pop(parcel_id, None)
        self.passed_over.clear()
        was_shut = self.retry_at is not None
        self.retry_at = None
        self.backoff.reset()
        return was_shut

    def at_fault(self, parcel_id: int) -> bool:
        """Has the lane had success since this parcel failed last? Remembers the failure."""
        at_fault = self.failed.get(parcel_id, self.successes) < self.successes
        if len(self.failed) >= _MOST_REMEMBERED:
            self.failed.clear()
        self.failed[parcel_id] = _CONVICTED if at_fault else self.successes
        return at_fault

    def shut(self, now: float, asked: float | None) -> float:
        """Shut the lane for a while; the wait in seconds."""
        wait = self.backoff.next(asked)
        self.retry_at = now + wait
        return wait

    def pass_over(self, parcel_id: int) -> None:
        if len(self.passed_over) >= _MOST_PASSED_OVER:
            self.passed_over.clear()
        self.passed_over.add(parcel_id)


@dataclass(frozen=True, slots=True)
class _Sending:
    parcel: Parcel
    deadline: float  # monotonic
    while_open: bool


class LaneLoop:
    """Sends the parcels of one lane of one sink, for ever."""

    def __init__(
        self,
        ledger: Ledger,
        sink: Sink,
        lane: Lane,
        settlement: Settlement,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self._ledger = ledger
        self._sink = sink
        self._lane = lane
        self._pace = PACES[lane]
        self._settlement = settlement
        self._clock = clock
        self._gate = Gate(Backoff(ceiling=self._pace.ceiling, rng=rng))
        self._sending: dict[asyncio.Task[Receipt | None], _Sending] = {}
        self._busy: set[int] = set()  # being sent, or sent and not yet written
        self._wake = asyncio.Event()
        self._more = True  # there may be parcels that we have not seen
        self._next_due: datetime | None = None
        self._read_backoff = Backoff(first=1.0, ceiling=10.0, rng=rng)
        self._read_again_at: float | None = None
        self._traced: set[str] = set()

    async def run(self) -> None:
        """Ends only by being cancelled; then sends under way are given up (the receiver de-duplicates)."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch())
            group.create_task(self._settlement.run(self._settled))
            try:
                while True:
                    await self._step()
            finally:
                await self._give_up()

    async def _step(self) -> None:
        self._wake.clear()
        self._collect()
        self._cancel_overdue()
        await self._start_some()
        await self._rest()

    # ------------------------------------------------------------------------------------------ starting

    async def _start_some(self) -> None:
        room = self._room()
        if room <= 0 or not self._due_for_a_look():
            return
        passed_over = set() if self._gate.open else self._gate.passed_over
        # As it is before the look: what is written down meanwhile is still in the outbox as the look sees it.
        busy = frozenset(self._busy)
        hidden = len(busy) + len(passed_over)
        self._more = False
        try:
            found, self._next_due = await self._ledger.read(lambda reader: self._look(reader, room + hidden))
        except StoreFailed as error:
            wait = self._read_backoff.next()
            self._more = True
            self._read_again_at = self._clock.mono() + wait
            _log.debug("the ledger cannot be read", sink=self._sink.id, lane=self._lane.name.lower(), reason=str(error))
            return
        self._read_backoff.reset()
        self._read_again_at = None
        waiting = [parcel for parcel in found if parcel.id not in busy]
        chosen = [parcel for parcel in waiting if parcel.id not in passed_over][:room] or waiting[:room]
        for parcel in chosen:
            self._start(parcel)

    def _room(self) -> int:
        """How many sends may be started now."""
        if self._gate.open:
            wide = min(self._sink.concurrency, self._pace.width, self._settlement.room)
            return wide - len(self._sending)
        now = self._clock.mono()
        assert self._gate.retry_at is not None
        probing = any(not sending.while_open for sending in self._sending.values())
        return 0 if probing or now < self._gate.retry_at or self._settlement.room <= 0 else 1

    def _due_for_a_look(self) -> bool:
        if self._read_again_at is not None and self._clock.mono() < self._read_again_at:
            return False
        return self._more or (self._next_due is not None and self._next_due <= self._clock.now())

    def _look(self, reader: Reader, limit: int) -> tuple[list[Parcel], datetime | None]:
        """Due parcels, newest first, and when the first of all comes due. Runs on a thread of the ledger."""
        now = self._clock.now()
        next_due = reader.next_due(self._sink.id, self._lane)
        if next_due is not None and next_due - now > timedelta(seconds=2 * _LONGEST_WAIT):
            # Nothing is put off for so long: the box's clock has gone back since.
            now = next_due
        return reader.parcels(self._sink.id, self._lane, limit, now), next_due

    def _start(self, parcel: Parcel) -> None:
        deadline = self._clock.mono() + self._pace.deadline
        task = asyncio.get_running_loop().create_task(self._sink.send(parcel))
        self._sending[task] = _Sending(parcel, deadline, self._gate.open)
        self._busy.add(parcel.id)
        task.add_done_callback(lambda _: self._wake.set())

    # ------------------------------------------------------------------------------------------ finishing

    def _collect(self) -> None:
        for task in [task for task in self._sending if task.done()]:
            sending = self._sending.pop(task)
            self._more = True
            error = self._error(task)
            if error is None:
                self._answered(Outcome(sending.parcel, receipt=task.result()))
            elif isinstance(error, Refused):
                self._answered(Outcome(sending.parcel, refused=str(error)))
            else:
                self._failed(sending, error)

    def _error(self, task: "asyncio.Task[Receipt | None]") -> TryLater | Refused | None:
        if task.cancelled():
            return TryLater(f"no answer within {self._pace.deadline:g} s")
        error = task.exception()
        if error is None or isinstance(error, TryLater | Refused):
            return error
        name = f"{type(error).__name__}: {error}"
        if name not in self._traced and len(self._traced) < 16:
            self._traced.add(name)
            _log.error("a sink failed in an unforeseen way; trying again", sink=self._sink.id, exc_info=error)
        return TryLater(f"unforeseen: {name}")

    def _answered(self, outcome: Outcome) -> None:
        """The receiver took the parcel, or refused it for good: either way it is there."""
        self._settlement.add(outcome)
        if self._gate.succeeded(outcome.parcel.id):
            events.sink_recovered(self._sink.id, self._lane)

    def _failed(self, sending: _Sending, error: TryLater) -> None:
        parcel = sending.parcel
        asked = None if error.after is None else min(max(error.after, 0.0), _LONGEST_WAIT)
        if asked is not None and asked >= _OWN_WAIT:
            self._put_off(parcel, asked, str(error))
        elif self._gate.at_fault(parcel.id):
            self._put_off(parcel, self._pace.ceiling, str(error))
        else:
            self._busy.discard(parcel.id)
            if not sending.while_open:
                self._gate.pass_over(parcel.id)
            if self._gate.open or not sending.while_open:
                first = self._gate.open
                wait = self._gate.shut(self._clock.mono(), asked)
                events.sink_unavailable(self._sink.id, self._lane, str(error), wait, first=first)

    def _put_off(self, parcel: Parcel, wait: float, reason: str) -> None:
        """The sink works, this parcel does not: it alone waits, and a probe of it leaves the lane as it was."""
        self._settlement.add(Outcome(parcel, until=self._clock.now() + timedelta(seconds=wait), reason=reason))
        events.sink_unavailable(self._sink.id, self._lane, reason, wait, first=False)

    def _settled(self, outcome: Outcome) -> None:
        self._busy.discard(outcome.parcel.id)
        self._more = True
        self._wake.set()

    def _cancel_overdue(self) -> None:
        now = self._clock.mono()
        for task, sending in self._sending.items():
            if sending.deadline <= now:
                task.cancel()
                self._sending[task] = replace(sending, deadline=now + self._pace.deadline)

    async def _give_up(self) -> None:
        """On the way down: end what is under way; what the receiver has by now is still written down."""
        for task in self._sending:
            task.cancel()
        if self._sending:
            await asyncio.wait(self._sending, timeout=_LAST_WORDS)
        for task, sending in self._sending.items():
            if task.done() and self._error(task) is None:
                self._settlement.add(Outcome(sending.parcel, receipt=task.result()))

    # ------------------------------------------------------------------------------------------ waiting

    async def _watch(self) -> None:
        topic = f"parcel/{self._sink.id}/{self._lane.value}"
        seen = 0
        while True:
            seen = await self._ledger.changed(topic, seen)
            self._more = True
            self._wake.set()

    async def _rest(self) -> None:
        """Wait for whatever comes first: news, an ended send, a written outcome, a deadline, a parcel's due time."""
        wait = self._nearest()
        if wait is None:
            await self._wake.wait()
            return
        if wait <= 0:
            await asyncio.sleep(0)
            return
        waking = asyncio.ensure_future(self._wake.wait())
        timer = asyncio.ensure_future(self._clock.sleep(wait))
        try:
            await asyncio.wait((waking, timer), return_when=asyncio.FIRST_COMPLETED)
        finally:
            waking.cancel()
            timer.cancel()

    def _nearest(self) -> float | None:
        """Seconds until something has to be done, or None."""
        now = self._clock.mono()
        moments = [sending.deadline for sending in self._sending.values()]
        if self._read_again_at is not None:
            moments.append(self._read_again_at)
        elif self._room() > 0 and self._more:
            return 0.0
        if self._gate.retry_at is not None and self._more and self._gate.retry_at > now:
            moments.append(self._gate.retry_at)
        if self._next_due is not None and not self._more:
            due = (self._next_due - self._clock.now()).total_seconds()
            # Past due and still there: it is under way, and hides what comes due behind it.
            moments.append(now + (due if due > 0 else _STALE_POLL))
        return max(0.0, min(moments) - now) if moments else None
