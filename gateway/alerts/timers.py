"""What is owed at a moment, and the desk that sees to it.

Timers stand in the ledger and survive restarts. Those that are a wait (made by ``owe``) count elapsed time and not the
clock's: boxes boot in 1970 and are set right a minute later. While the process runs, a step of the clock moves them by as
much; after a restart none has further to go than it ever had to wait.
"""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from gateway.alerts.duties import Duty
from gateway.errors import StoreFailed
from gateway.model import Timer
from gateway.observability.logs import logger
from gateway.ports import Clock, Ledger, Reader, Transaction

_SET = "set"  # in a timer's data: when it was set, in ms since 1970, by the clock of that moment
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EVER = datetime(9999, 1, 1, tzinfo=UTC)
_LONGEST_REST = 2.0  # s between two looks: a step of the clock is noticed within that
_STEP = 2.0  # s by which the clock must be off against the monotonic one to have been set; less is discipline
_BITE = 50  # timers in one transaction: a press must not wait behind a thousand of them
_MOST_MOVED = 100_000
_MOVED_AT_ONCE = 200  # in one transaction: a press waits for no more than these
_BETWEEN_LOOKS = 0.1  # s: in a storm every commit sets timers
_FAULTY_AGAIN = timedelta(minutes=1)
_DISK_AGAIN = 1.0  # s

_log = logger("alerts")


def owe(tx: Transaction, name: str, key: str, at: datetime, wait: float, data: Mapping[str, Any] | None = None) -> None:
    """Set a timer ``wait`` seconds from ``at``, which is now. For a date on the calendar use ``tx.set_timer`` itself."""
    tx.set_timer(name, key, at + timedelta(seconds=wait), {**(data or {}), _SET: _millis(at)})


class TimerDesk:
    """Runs the timers of one node; ``duty`` is all its duties."""

    def __init__(self, ledger: Ledger, duty: Duty, clock: Clock) -> None:
        self._ledger = ledger
        self._duty = duty
        self._clock = clock
        self._seen = 0
        self._looked = (clock.now(), clock.mono())

    async def run(self) -> None:
        """Ends only by being cancelled. A ledger that cannot write is tried again for ever."""
        started = False
        while True:
            try:
                if not started:
                    await self.shorten()
                    started = True
                while await self.run_due():
                    pass
                await self._rest()
            except StoreFailed as error:
                _log.debug("timers wait for the ledger", reason=str(error))
                await self._clock.sleep(_DISK_AGAIN)

    async def run_due(self) -> int:
        """See to a few of those that are due; how many."""
        now = await self._heed_the_clock()
        due = await self._ledger.read(lambda reader: reader.due_timers(now, _BITE))
        if not due:
            return 0
        try:
            await self._ledger.write(lambda tx: self._expire(tx, due))
        except StoreFailed:
            raise
        except Exception:  # noqa: BLE001 – a duty that fails at one timer must not hold up all that is owed to others
            for timer in due:
                await self._expire_alone(timer)
        return len(due)

    async def shorten(self) -> None:
        """After a restart: whoever has further to go than it ever had to wait was set by a clock that was ahead."""
        now = self._clock.now()
        ahead = [timer for timer in await self._ledger.read(_waits) if _set_at(timer) > now]
        if ahead:
            _log.warning("the clock is behind what it was; timers were shortened", timers=len(ahead))
            await self._move([(timer, now - _set_at(timer)) for timer in ahead])

    async def _heed_the_clock(self) -> datetime:
        """Now. If the clock was set since the last look, all waits are moved by as much before."""
        (before, before_mono), (now, mono) = self._looked, (self._clock.now(), self._clock.mono())
        step = (now - before) - timedelta(seconds=mono - before_mono)
        if abs(step.total_seconds()) >= _STEP:
            timers = await self._ledger.read(_waits)
            # set later than this: by the clock as it is now (which a timer keeps in whole milliseconds)
            since = now - timedelta(seconds=mono - before_mono, milliseconds=1)
            moved = [(timer, step) for timer in timers if not since <= _set_at(timer) <= now]
            _log.warning("the clock was set", by_s=round(step.total_seconds(), 1), timers=len(moved))
            await self._move(moved)
        self._looked = (now, mono)
        return now

    async def _move(self, moves: Sequence[tuple[Timer, timedelta]]) -> None:
        for start in range(0, len(moves), _MOVED_AT_ONCE):
            await self._ledger.write(partial(_moved, moves[start : start + _MOVED_AT_ONCE]))

    def _expire(self, tx: Transaction, due: Sequence[Timer]) -> None:
        # Between the look and this transaction some may have been cleared, or moved.
        standing = {(timer.name, timer.key): timer for timer in tx.due_timers(self._clock.now(), 2 * _BITE)}
        for timer in due:
            if standing.get((timer.name, timer.key)) == timer:
                tx.clear_timer(timer.name, timer.key)
                self._duty.expired(tx, timer)

    async def _expire_alone(self, timer: Timer) -> None:
        try:
            await self._ledger.write(lambda tx: self._expire(tx, [timer]))
        except StoreFailed:
            raise
        except Exception as fault:  # noqa: BLE001 – see run_due
            again = self._clock.now() + _FAULTY_AGAIN
            _log.critical(
                "a fault in the gateway's own code: what was owed is tried again in a minute",
                timer=timer.name,
                key=timer.key,
                exc_info=fault,
            )
            await self._ledger.write(lambda tx: tx.set_timer(timer.name, timer.key, again, timer.data))

    async def _rest(self) -> None:
        """Until the next is due, one is set, or it is time to look at the clock."""
        due = await self._ledger.read(lambda reader: reader.next_timer())
        left = _LONGEST_REST if due is None else (due - self._clock.now()).total_seconds()
        if left <= 0:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(left, _LONGEST_REST)):
                self._seen = await self._ledger.changed("timer", self._seen)
                await self._clock.sleep(_BETWEEN_LOOKS)


def _waits(reader: Reader) -> list[Timer]:
    return [timer for timer in reader.due_timers(_EVER, _MOST_MOVED) if isinstance(timer.data.get(_SET), int)]


def _moved(moves: Sequence[tuple[Timer, timedelta]], tx: Transaction) -> None:
    for timer, by in moves:
        if tx.timer(timer.name, timer.key) == timer:
            data = {**timer.data, _SET: _millis(_set_at(timer) + by)}
            tx.set_timer(timer.name, timer.key, timer.due + by, data)


def _set_at(timer: Timer) -> datetime:
    return _EPOCH + timedelta(milliseconds=timer.data[_SET])


def _millis(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(milliseconds=1)
