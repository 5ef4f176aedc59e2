"""The only retry loop for sinks: every parcel of the outbox reaches its receiver, however long that takes."""

import asyncio
import random
from collections.abc import Sequence

from gateway.calm import Calm
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
        calm: Calm | None = None,
    ) -> None:
        self._sinks = tuple(sinks)
        rng, calm = rng or random.SystemRandom(), calm or Calm()
        self._loops: dict[tuple[str, Lane], LaneLoop] = {}
        for sink in self._sinks:
            for lane in Lane:
                settlement = Settlement(ledger, settle, clock, sink.concurrency * _SETTLEMENTS_AHEAD, rng)
                self._loops[sink.id, lane] = LaneLoop(ledger, sink, lane, settlement, clock, rng, calm)

    def open(self, sink: str, lane: Lane) -> bool:
        """Whether a sink takes a lane's parcels, as far as has been seen; True for one that is none of ours."""
        loop = self._loops.get((sink, lane))
        return loop is None or loop.open

    async def run(self) -> None:
        """Ends only by being cancelled; then what was delivered is still written down (within 3 s)."""
        async with asyncio.TaskGroup() as group:
            for (sink, lane), loop in self._loops.items():
                group.create_task(loop.run(), name=f"deliver/{sink}/{lane.name.lower()}")
            await asyncio.Event().wait()
