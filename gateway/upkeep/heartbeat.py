"""The heartbeat: a drill press by a terminal of its own, the whole way through the broker, this node and the upper one.

Prometheus can see that programs answer, but only a press shows that presses arrive. Its presses are tests and join one
alert a day, which this desk closes when the next one begins: nobody has to handle it.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from functools import partial

from gateway.errors import GatewayError, StoreFailed
from gateway.model import Disposition, Draft, Kind, Stage, Status, uuid7
from gateway.observability import metrics, upkeep_events
from gateway.ports import Button, Clock, Ledger, PressHeard, Transaction

KIND = Kind.OTHER  # of the lowest severity: what is measured of real emergencies stays theirs
TEXT = "自动心跳演练，无需处置 (automatic heartbeat drill: nothing to do)"
_FIRST_S = 20.0  # after the start: broker and upper node are connected to by then
_MOST_LEFT_OPEN = 5


class Heartbeat:
    """``forwards``: whether there is an upper node, whose receipt is waited for too. ``every`` and ``within``: seconds."""

    def __init__(
        self,
        button: Button,
        ledger: Ledger,
        clock: Clock,
        *,
        terminal: str,
        every: float,
        within: float,
        forwards: bool,
    ) -> None:
        self._button = button
        self._ledger = ledger
        self._clock = clock
        self._terminal = terminal
        self._every = every
        self._within = within
        self._stages: Sequence[Stage] = (Stage.RECEIVED, Stage.FORWARDED) if forwards else (Stage.RECEIVED,)
        self._missed: set[Stage] = set()
        self._alert_id: str | None = None

    async def run(self) -> None:
        """A beat every ``every`` seconds, until cancelled."""
        metrics.heartbeat_interval.set(self._every)
        for stage in self._stages:
            metrics.heartbeat_last_success.labels(stage.value).set(0)
            metrics.heartbeat_misses.labels(stage.value)
        await self._clock.sleep(_FIRST_S)
        while True:
            began = self._clock.mono()
            await self.beat()
            await self._clock.sleep(max(1.0, self._every - (self._clock.mono() - began)))

    async def beat(self) -> None:
        """One press, and what became of it."""
        reason = f"not told within {self._within:g} s"
        try:
            async with asyncio.timeout(2 * self._within):  # connecting has deadlines of its own
                heard = await self._button.press(uuid7(), KIND, TEXT, self._stages[-1], self._within)
        except (GatewayError, OSError, ValueError) as error:  # whatever it is, no household may suffer by it
            heard, reason = PressHeard(), str(error)
        except TimeoutError:
            heard = PressHeard()
        for stage in self._stages:
            self._tell(stage, heard.after(stage), reason)
        if heard.alert_id is not None and heard.alert_id != self._alert_id:
            with contextlib.suppress(StoreFailed):  # the ledger says so itself
                await self._ledger.write(partial(self._close_earlier, heard.alert_id))
                self._alert_id = heard.alert_id

    def _tell(self, stage: Stage, seconds: float | None, reason: str) -> None:
        if seconds is None:
            upkeep_events.heartbeat_missed(stage.value, reason, first=stage not in self._missed)
            self._missed.add(stage)
            return
        upkeep_events.heartbeat_heard(stage.value, seconds, self._clock.now(), again=stage in self._missed)
        self._missed.discard(stage)

    def _close_earlier(self, alert_id: str, tx: Transaction) -> None:
        """What stands open of the days before."""
        for stored in tx.open_alerts(self._terminal, KIND.value, Status.TEST.value, _MOST_LEFT_OPEN):
            if stored.alert.id != alert_id:
                data = {"disposition": Disposition.DRILL.value}
                tx.append(
                    Draft(stored.alert.id, "close", "gateway", self._clock.now(), "the day's heartbeat is over", data)
                )
