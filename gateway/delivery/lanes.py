"""The lanes of a sink: one loop each, so that none waits for a lower one.

A lane is *open* while the sink takes parcels: up to ``sink.concurrency`` sends are under way, newest parcel first.
After a failure it is *shut*: one parcel at a time is tried, at growing intervals, until one gets through; then it is
open again at once. Nothing is written for a sink that is down. A parcel that fails although others get through is put
off by itself, so that it cannot hold up its lane. Parcels just committed come with the commit: while nothing else waits,
they are sent without a look into the outbox.
"""

import asyncio
import random
from collections.abc import Sequence
from datetime import datetime, timedelta

from gateway.backoff import Backoff
from gateway.calm import Calm
from gateway.delivery.gate import PACES, Gate
from gateway.delivery.sending import Ended, Sending, Sendings
from gateway.delivery.settlement import Outcome, Settlement
from gateway.errors import Refused, StoreFailed, TryLater, TurnedAway
from gateway.model import Lane, Parcel
from gateway.observability import events
from gateway.observability.logs import logger
from gateway.ports import Clock, Ledger, Reader, Sink

_log = logger("delivery")

_OWN_WAIT = 5.0  # seconds. A receiver that asks for so long a wait means this parcel, not all of them
_LONGEST_WAIT = 3600.0  # seconds. No receiver may put an alert off for longer
_NEVER_PUT_OFF = timedelta(seconds=2 * _LONGEST_WAIT)
_STALE_POLL = 1.0  # seconds between looks for parcels that come due behind one that is due and under way
_LOOK_ANYWAY = 60.0  # seconds. A look for what no hand-over told of; there should be nothing
_LAST_WORDS = 0.5  # seconds for cancelled sends to end
_GIVES_WAY = frozenset({Lane.PICTURE, Lane.CLIP})
_GIVE_WAY = 1.0  # seconds for which pictures wait for presses to become fewer
_ORDERED_MARGIN = 256  # parcels read beyond those that can be sent, where one alert's wait for each other
_MOST_PUT_OFF = 4096  # alerts of which is remembered that one of their parcels has been put off


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
        calm: Calm,
    ) -> None:
        self._calm = calm if lane in _GIVES_WAY else Calm()
        self._ledger = ledger
        self._sink = sink
        self._lane = lane
        self._pace = PACES[lane]
        self._settlement = settlement
        self._clock = clock
        self._gate = Gate(Backoff(ceiling=self._pace.ceiling, rng=rng))
        self._wake = asyncio.Event()
        self._sendings = Sendings(sink, self._pace.deadline, self._wake.set)
        self._busy: dict[int, str | None] = {}  # being sent, or sent and not yet written, with their alerts
        self._more = True  # there may be due parcels that we have not seen
        self._next_due: datetime | None = None
        self._read_backoff = Backoff(first=1.0, ceiling=10.0, rng=rng)
        self._read_again_at: float | None = None
        self._look_at = clock.mono() + _LOOK_ANYWAY
        self._told = 0  # what was left to the next look
        self._ordered: bool = getattr(sink, "ordered", False)
        self._put_off_first: dict[str | None, int] = {}

    @property
    def open(self) -> bool:
        """Whether the sink takes this lane's parcels, as far as has been seen."""
        return self._gate.open

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
        for ended in self._sendings.collect():
            self._ended(ended)
        self._sendings.cancel_overdue(self._clock.mono())
        await self._start_some()
        await self._rest()

    # ------------------------------------------------------------------------------------------ starting

    async def _start_some(self) -> None:
        room = self._room()
        if room <= 0 or not self._due_for_a_look():
            return
        await self._calm.rest(_GIVE_WAY)
        passed_over = set() if self._gate.open else self._gate.passed_over
        # As it is before the look: what is written down meanwhile is still in the outbox as the look sees it.
        busy, told = dict(self._busy), self._told
        self._more = True  # and what comes with commits meanwhile is left to the next look
        limit = room + len(busy) + len(passed_over) + (_ORDERED_MARGIN if self._ordered else 0)
        try:
            found, self._next_due = await self._ledger.read(lambda reader: self._look(reader, limit))
        except StoreFailed as error:
            self._read_again_at = self._clock.mono() + self._read_backoff.next()
            _log.debug("the ledger cannot be read", sink=self._sink.id, lane=self._lane.name.lower(), reason=str(error))
            return
        self._read_backoff.reset()
        self._read_again_at = None
        self._look_at = self._clock.mono() + _LOOK_ANYWAY
        waiting = [parcel for parcel in self._in_turn(found) if parcel.id not in busy]
        chosen = [parcel for parcel in waiting if parcel.id not in passed_over][:room] or waiting[:room]
        for parcel in chosen:
            self._start(parcel)
        unseen = not self._ordered and len(found) >= limit
        self._more = unseen or len(chosen) < len(waiting) or self._told != told

    def _in_turn(self, parcels: Sequence[Parcel]) -> Sequence[Parcel]:
        """For a sink that keeps an alert's order: the first of each alert, unless an earlier one has been put off."""
        if not self._ordered:
            return parcels
        first: dict[str | None, Parcel] = {}
        for parcel in parcels:
            first.setdefault(parcel.content.alert_id, parcel)
        return [parcel for alert, parcel in first.items() if self._put_off_first.get(alert, parcel.id) == parcel.id]

    def _room(self) -> int:
        """How many sends may be started now."""
        if self._gate.open:
            wide = min(self._sink.concurrency, self._pace.width, self._settlement.room)
            return wide - len(self._sendings)
        now = self._clock.mono()
        assert self._gate.retry_at is not None
        waiting = self._sendings.probing or now < self._gate.retry_at or self._settlement.room <= 0
        return 0 if waiting else 1

    def _due_for_a_look(self) -> bool:
        now = self._clock.mono()
        if self._read_again_at is not None and now < self._read_again_at:
            return False
        wait = None if self._next_due is None else self._next_due - self._clock.now()
        due = wait is not None and (wait <= timedelta(0) or wait > _NEVER_PUT_OFF)
        return self._more or due or now >= self._look_at

    def _look(self, reader: Reader, limit: int) -> tuple[list[Parcel], datetime | None]:
        """Due parcels, newest first, and when the first of all comes due. Runs on a thread of the ledger."""
        now = self._clock.now()
        next_due = reader.next_due(self._sink.id, self._lane)
        if next_due is not None and next_due - now > _NEVER_PUT_OFF:
            now = next_due  # the box's clock has gone back since
        return reader.parcels(self._sink.id, self._lane, limit, now), next_due

    def _start(self, parcel: Parcel) -> None:
        self._busy[parcel.id] = parcel.content.alert_id
        self._sendings.start(parcel, self._clock.mono(), while_open=self._gate.open)

    def _start_fresh(self, parcels: Sequence[Parcel]) -> bool:
        """Send what was just committed without a look; False where that has to be left to one."""
        if (
            self._more
            or not self._calm
            or not self._gate.open
            or self._read_again_at is not None
            or self._room() < len(parcels)
        ):
            return False
        busy_alerts = set(self._busy.values()) if self._ordered else set()
        for parcel in self._in_turn(parcels):
            if parcel.id not in self._busy and parcel.content.alert_id not in busy_alerts:
                self._start(parcel)
        return True

    # ------------------------------------------------------------------------------------------ finishing

    def _ended(self, ended: Ended) -> None:
        parcel = ended.sending.parcel
        if ended.error is None:
            self._answered(Outcome(parcel, receipt=ended.receipt))
        elif isinstance(ended.error, Refused):
            self._answered(Outcome(parcel, refused=str(ended.error)))
        else:
            self._failed(ended.sending, ended.error)

    def _answered(self, outcome: Outcome) -> None:
        """The receiver took the parcel, or refused it for good: either way it is there."""
        self._settlement.add(outcome)
        self._put_off_first.pop(outcome.parcel.content.alert_id, None)
        if self._gate.succeeded(outcome.parcel.id):
            self._more = True
            events.sink_recovered(self._sink.id, self._lane)

    def _failed(self, sending: Sending, error: TryLater) -> None:
        parcel = sending.parcel
        asked = None if error.after is None else min(max(error.after, 0.0), _LONGEST_WAIT)
        if asked is not None and asked >= _OWN_WAIT:
            self._put_off(parcel, asked, str(error))
        elif self._gate.at_fault(parcel.id):
            turned_away = isinstance(error, TurnedAway)
            wait = self._gate.alone(parcel.id, self._pace) if turned_away else self._pace.ceiling
            self._put_off(parcel, wait, str(error), loud=turned_away)
        else:
            self._busy.pop(parcel.id, None)
            self._more = True
            if not sending.while_open:
                self._gate.pass_over(parcel.id)
            if self._gate.open or not sending.while_open:
                first = self._gate.open
                wait = self._gate.shut(self._clock.mono(), asked)
                events.sink_unavailable(self._sink.id, self._lane, str(error), wait, first=first)

    def _put_off(self, parcel: Parcel, wait: float, reason: str, *, loud: bool = False) -> None:
        """The sink works, this parcel does not: it alone waits, and a probe of it leaves the lane as it was."""
        self._settlement.add(Outcome(parcel, until=self._clock.now() + timedelta(seconds=wait), reason=reason))
        if self._ordered:
            if len(self._put_off_first) >= _MOST_PUT_OFF:
                self._put_off_first.clear()
            self._put_off_first.setdefault(parcel.content.alert_id, parcel.id)
        events.sink_unavailable(self._sink.id, self._lane, reason, wait, first=loud)

    def _settled(self, outcome: Outcome) -> None:
        self._busy.pop(outcome.parcel.id, None)
        if outcome.until is not None or self._ordered:
            self._more = True
            self._told += 1  # also for a look that is under way and may not see it
        self._wake.set()

    async def _give_up(self) -> None:
        """On the way down: end what is under way; what the receiver has by now is still written down."""
        for ended in await self._sendings.give_up(_LAST_WORDS):
            if ended.error is None:
                self._settlement.add(Outcome(ended.sending.parcel, receipt=ended.receipt))

    # ------------------------------------------------------------------------------------------ waiting

    async def _watch(self) -> None:
        topic = f"parcel/{self._sink.id}/{self._lane.value}"
        seen = 0
        self._ledger.fresh(self._sink.id, self._lane)  # from now on they come with the commit
        while True:
            seen = await self._ledger.changed(topic, seen)
            parcels = self._ledger.fresh(self._sink.id, self._lane)
            if parcels is None or not self._start_fresh(parcels):
                self._more = True
                self._told += 1
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
        moments = self._sendings.deadlines()
        if self._read_again_at is not None:
            moments.append(self._read_again_at)
        elif self._room() > 0:
            if self._more:
                return 0.0
            moments.append(self._look_at)
        if self._gate.retry_at is not None and self._more and self._gate.retry_at > now:
            moments.append(self._gate.retry_at)
        if self._next_due is not None and not self._more:
            due = (self._next_due - self._clock.now()).total_seconds()
            # Past due and still there: it is under way, and hides what comes due behind it.
            moments.append(now + (due if due > 0 else _STALE_POLL))
        return max(0.0, min(moments) - now) if moments else None
