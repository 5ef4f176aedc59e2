"""Figures that are looked up now and then rather than counted as they happen, and the lag of the core's loop."""

import asyncio
import time
from collections import Counter

from gateway.alerts.register import Register
from gateway.errors import StoreFailed
from gateway.observability import metrics
from gateway.observability.logs import logger
from gateway.ports import Ledger

_EVERY_S = 5.0
_LAG_PROBE_S = 0.1
_log = logger("app")


class Gauges:
    """Keeps the gauges true while it runs."""

    def __init__(self, ledger: Ledger, register: Register) -> None:
        self._ledger = ledger
        self._register = register

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._probe_lag())
            while True:
                try:
                    await self._look()
                except StoreFailed as error:
                    _log.warning("the gauges stay as they were: the ledger cannot be read", reason=str(error))
                await asyncio.sleep(_EVERY_S)

    async def _probe_lag(self) -> None:
        while True:
            due = time.monotonic() + _LAG_PROBE_S
            await asyncio.sleep(_LAG_PROBE_S)
            metrics.event_loop_lag.observe(max(0.0, time.monotonic() - due))

    async def _look(self) -> None:
        await self._queues()
        await self._open_alerts()
        self._terminals()

    async def _queues(self) -> None:
        backlog = await self._ledger.read(lambda reader: reader.backlog())
        parked: Counter[str] = Counter()
        for gauge in (metrics.forward_queue, metrics.forward_queue_oldest, metrics.forward_parked):
            gauge.clear()
        for sink, lane, waiting, oldest, refused in backlog:
            metrics.forward_queue.labels(sink, lane.name.lower()).set(waiting)
            if waiting:
                metrics.forward_queue_oldest.labels(sink, lane.name.lower()).set(oldest.timestamp())
            parked[sink] += refused
        for sink, count in parked.items():
            metrics.forward_parked.labels(sink).set(count)

    async def _open_alerts(self) -> None:
        counts = await self._ledger.read(lambda reader: reader.open_counts())
        metrics.alerts_open.clear()
        for workflow, severity, count in counts:
            metrics.alerts_open.labels(workflow, str(severity)).set(count)
        oldest = await self._ledger.read(lambda reader: reader.oldest_unacknowledged())
        for severity in range(1, 5):
            at = oldest.get(severity)
            metrics.alert_oldest_unacknowledged.labels(str(severity)).set(0 if at is None else at.timestamp())

    def _terminals(self) -> None:
        names = {True: "online", False: "offline", None: "unknown"}
        states = Counter(names[self._register.presence(one.id).online] for one in self._register.terminals())
        for name in names.values():
            metrics.terminals.labels(name).set(states[name])
