"""The only retry loop for sinks: every parcel of the outbox reaches its receiver, however long that takes."""

import asyncio
import random
from collections.abc import Sequence

from gateway.delivery.lanes import LaneLoop
from gateway.delivery.settlement import Settle, Settlement
from gateway.model import Lane
from gateway.ports import Clock, Ledger, Sink

_SETTLEMENTS_AHEAD = 4  # times the sink's concurrency: deliveries that may wait for a slow disk


class Forwarder:
    """Runs one loop for each lane of each sink; see lanes.py.

    ``settle`` is called in the transaction that takes a delivered parcel out of the outbox. There is no limit of
    attempts and no expiry. The sinks stay the caller's to close.
    """

    def __init__(
        self,
        ledger: Ledger,
        sinks: Sequence[Sink],
        settle: Settle,
        clock: Clock,
        *,
        rng: random.Random | None = None,
    ) -> None:
        self._ledger = ledger
        self._sinks = tuple(sinks)
        self._settle = settle
        self._clock = clock
        self._rng = rng or random.SystemRandom()

    async def run(self) -> None:
        """Ends only by being cancelled; then what was delivered is still written down (within 3 s)."""
        async with asyncio.TaskGroup() as group:
            for sink in self._sinks:
                for lane in Lane:
                    group.create_task(self._loop(sink, lane).run(), name=f"deliver/{sink.id}/{lane.name.lower()}")
            await asyncio.Event().wait()

    def _loop(self, sink: Sink, lane: Lane) -> LaneLoop:
        capacity = sink.concurrency * _SETTLEMENTS_AHEAD
        settlement = Settlement(self._ledger, self._settle, self._clock, capacity, self._rng)
        return LaneLoop(self._ledger, sink, lane, settlement, self._clock, self._rng)
