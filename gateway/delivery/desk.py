"""What a person may see and do of deliveries: what waits and why, what was refused, how each sink does."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.delivery.forwarder import Forwarder
from gateway.delivery.reconciliation import Reconciler, Reconciliation
from gateway.model import Lane, OutboxItem
from gateway.ports import AuditRecord, Clock, Ledger, Transaction


@dataclass(frozen=True, slots=True)
class SinkCard:
    """What the configuration says of a sink. ``budget``: bits a second, None without one."""

    id: str
    kind: str
    standby_for: str | None = None
    budget: int | None = None


@dataclass(frozen=True, slots=True)
class LaneState:
    """``open``: the receiver takes parcels, as far as has been seen. ``oldest``: of those that wait or are parked."""

    lane: Lane
    open: bool
    waiting: int = 0
    parked: int = 0
    oldest: datetime | None = None


class DeliveryDesk:
    """One for a node. ``cards``: of all sinks that it forwards to, terminals' brokers included."""

    def __init__(
        self, ledger: Ledger, forwarder: Forwarder, reconciler: Reconciler, cards: Sequence[SinkCard], clock: Clock
    ) -> None:
        self._ledger = ledger
        self._forwarder = forwarder
        self._reconciler = reconciler
        self._cards = tuple(cards)
        self._clock = clock

    async def sinks(self) -> list[tuple[SinkCard, list[LaneState]]]:
        backlog = await self._ledger.read(lambda reader: reader.backlog())
        held = {(sink, lane): (waiting, parked, oldest) for sink, lane, waiting, oldest, parked in backlog}
        return [
            (card, [self._state(card.id, lane, *held.get((card.id, lane), (0, 0, None))) for lane in Lane])
            for card in self._cards
        ]

    def _state(self, sink: str, lane: Lane, waiting: int, parked: int, oldest: datetime | None) -> LaneState:
        return LaneState(lane, self._forwarder.open(sink, lane), waiting, parked, oldest)

    async def items(
        self, sink: str | None, cursor: str | None, limit: int, *, parked: bool
    ) -> tuple[list[OutboxItem], str | None]:
        """Newest first. Raises ValueError for a cursor not of its making."""
        return await self._ledger.read(lambda reader: reader.outbox(sink, cursor, limit, parked=parked))

    async def resend(self, parcel_id: int, by: str) -> bool:
        """Due now, as if it had never failed; False where it is gone."""

        def work(tx: Transaction) -> bool:
            found = tx.resend(parcel_id)
            if found:
                tx.record(AuditRecord(self._clock.now(), by, "resend", f"deliveries/{parcel_id}"))
            return found

        return await self._ledger.write(work)

    async def discard(self, parcel_id: int, by: str, reason: str | None) -> bool:
        """Take a parked one out for good; False where no such one is parked."""

        def work(tx: Transaction) -> bool:
            found = tx.discard(parcel_id)
            if found:
                tx.record(AuditRecord(self._clock.now(), by, "discard", f"deliveries/{parcel_id}", reason))
            return found

        return await self._ledger.write(work)

    def reconciliations(self) -> Sequence[Reconciliation]:
        return self._reconciler.results()

    async def reconcile(self, sink: str | None, by: str) -> list[Reconciliation]:
        """With one upper node or all of them. Raises KeyError for a sink that is none."""
        wanted = self._reconciler.uppers if sink is None else (sink,)
        return [await self._reconciler.reconcile(each, by=by) for each in wanted]
