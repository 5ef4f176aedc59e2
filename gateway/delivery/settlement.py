"""Writing down what became of parcels: in the ledger, several in one commit, each exactly once."""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from gateway.backoff import Backoff
from gateway.errors import StoreFailed
from gateway.model import Lane, Parcel, Receipt
from gateway.observability import events
from gateway.observability.logs import logger
from gateway.ports import Clock, Ledger, Transaction

Settle = Callable[[Transaction, Parcel, Receipt | None], None]
"""What a delivery means for the node (R2, the presser's answer), in the transaction that takes the parcel out."""

_log = logger("delivery")

_BATCH = 64
_FINISH_DEADLINE = 2.0  # seconds to write what is known, on the way down; what is not written is sent again
_UNFORESEEN_WAIT = timedelta(seconds=60)
_GATHERING = 0.1  # seconds. Nobody waits for these; a commit for each of them would stand in a press's way


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a parcel: delivered, or ``refused`` (why), or put off ``until`` (with the ``reason``)."""

    parcel: Parcel
    receipt: Receipt | None = None
    refused: str | None = None
    until: datetime | None = None
    reason: str = ""

    @property
    def awaited(self) -> bool:
        """Whether somebody waits for what its settlement brings: R2 for an alarm."""
        return self.receipt is not None and self.parcel.lane is Lane.ALARM


class Settlement:
    """The outcomes of one lane. While the ledger fails they are kept, so that nothing delivered is sent again."""

    def __init__(self, ledger: Ledger, settle: Settle, clock: Clock, capacity: int, rng: random.Random) -> None:
        self._ledger = ledger
        self._settle = settle
        self._clock = clock
        self._capacity = capacity
        self._pending: deque[Outcome] = deque()  # bounded by the lane, which asks for room before it sends
        self._some = asyncio.Event()
        self._urgent = asyncio.Event()
        self._backoff = Backoff(first=1.0, ceiling=10.0, rng=rng)
        self._committing: asyncio.Task[float] | None = None

    @property
    def room(self) -> int:
        """How many more outcomes may be on their way."""
        return self._capacity - len(self._pending)

    def add(self, outcome: Outcome) -> None:
        self._pending.append(outcome)
        self._some.set()
        if outcome.awaited or len(self._pending) >= min(_BATCH, self._capacity):
            self._urgent.set()

    async def run(self, on_settled: Callable[[Outcome], None]) -> None:
        """Write outcomes as they come, for ever. Cancelled, it still writes what it knows."""
        try:
            while True:
                await self._some.wait()
                await self._gather()
                self._committing = asyncio.get_running_loop().create_task(self._commit(on_settled))
                wait = await asyncio.shield(self._committing)
                if wait > 0:
                    await self._clock.sleep(wait)
        finally:
            await self._finish(on_settled)

    async def _gather(self) -> None:
        """Let more come, unless somebody waits or one commit is full already."""
        if self._urgent.is_set():
            return
        waiting = asyncio.ensure_future(self._urgent.wait())
        timer = asyncio.ensure_future(self._clock.sleep(_GATHERING))
        try:
            await asyncio.wait((waiting, timer), return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            timer.cancel()

    async def _commit(self, on_settled: Callable[[Outcome], None]) -> float:
        """One write of the oldest outcomes. Returns how long to wait before the next, in seconds."""
        self._urgent.clear()
        batch = [self._pending[at] for at in range(min(_BATCH, len(self._pending)))]
        (result,) = await asyncio.gather(
            self._ledger.write(lambda tx: self._apply(tx, batch), urgent=self._holds_up()), return_exceptions=True
        )
        if isinstance(result, BaseException):
            if isinstance(result, asyncio.CancelledError):
                raise result
            if isinstance(result, StoreFailed):
                return self._backoff.next()
            return await self._write_singly(batch, on_settled)
        self._written(batch, on_settled)
        return 0.0

    def _holds_up(self) -> bool:
        """Whether alarms or answers wait for it. Presses go first, until the lane is full of what was sent and is not
        written yet."""
        return self._pending[0].parcel.lane is Lane.ALARM and 2 * len(self._pending) >= self._capacity

    async def _write_singly(self, batch: Sequence[Outcome], on_settled: Callable[[Outcome], None]) -> float:
        """One outcome of the batch cannot be written: find it, and let the others through."""
        for outcome in batch:
            write = self._ledger.write(lambda tx, one=outcome: self._apply(tx, [one]))  # type: ignore[misc]
            (result,) = await asyncio.gather(write, return_exceptions=True)
            if isinstance(result, asyncio.CancelledError):
                raise result
            if isinstance(result, StoreFailed):
                return self._backoff.next()
            if isinstance(result, BaseException):
                _log.error(
                    "a delivery could not be written down; the parcel will be sent again",
                    sink=outcome.parcel.sink,
                    parcel=outcome.parcel.id,
                    exc_info=result,
                )
                self._pending.popleft()
                self._pending.append(
                    replace(outcome, refused=None, until=self._clock.now() + _UNFORESEEN_WAIT, reason=str(result))
                )
                if outcome.until is not None:
                    return self._backoff.next()
                continue
            self._written([outcome], on_settled)
        return 0.0

    def _apply(self, tx: Transaction, batch: Sequence[Outcome]) -> None:
        for outcome in batch:
            parcel = outcome.parcel
            if outcome.refused is not None:
                tx.park(parcel.id, outcome.refused)
            elif outcome.until is not None:
                tx.put_off(parcel.id, outcome.until, outcome.reason)
            else:
                tx.delivered(parcel.id)
                self._settle(tx, parcel, outcome.receipt)

    def _written(self, batch: Sequence[Outcome], on_settled: Callable[[Outcome], None]) -> None:
        self._backoff.reset()
        for outcome in batch:
            self._pending.popleft()
            parcel = outcome.parcel
            if outcome.refused is not None:
                events.parcel_parked(parcel.sink, parcel.lane, outcome.refused)
            elif outcome.until is None:
                events.parcel_delivered(parcel.sink)
            on_settled(outcome)
        if not self._pending:
            self._some.clear()
        elif len(self._pending) >= _BATCH or any(outcome.awaited for outcome in self._pending):
            self._urgent.set()

    async def _finish(self, on_settled: Callable[[Outcome], None]) -> None:
        """Never leave a write half watched: its outcome would be written a second time."""
        deadline = asyncio.get_running_loop().time() + _FINISH_DEADLINE
        while True:
            if self._committing is None or self._committing.done():
                if not self._pending:
                    return
                self._committing = asyncio.get_running_loop().create_task(self._commit(on_settled))
            left = deadline - asyncio.get_running_loop().time()
            await asyncio.wait((self._committing,), timeout=max(0.0, left))
            if not self._committing.done():
                self._committing.cancel()
                return
            if self._committing.result() > 0:
                return  # the ledger cannot write; the receiver will see these parcels again
