"""Holding our receipts against an upper node's own book, so that what it lost is named and given to it again.

All times are the upper node's, from its receipts: its clock may be off, but it is off alike in both books. Every round
compares what has been receipted since the last one that ended well, and the last day; once a day all there is.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from gateway.errors import GatewayError, Refused, StoreFailed, TryLater
from gateway.model import Entry, Lane, Parcel, Receipt
from gateway.observability import events
from gateway.observability.logs import logger
from gateway.ports import AuditRecord, Clock, Digest, Ledger, Reader, Reporting, Sink, Transaction

_log = logger("delivery")

_EVERY = 3600.0
_USUAL_SPAN = timedelta(hours=25)  # an hour more than a day, for clocks that were put forward
_WHOLE_EVERY = 24  # rounds; the others look at the usual span
_SPAN = 5_000  # receipts that are compared at once, and held in memory
_PAGE = 2_000
_FEW = 50  # so few are sent again one by one, rather than halved further
_NAMED = 100
_MOST_IN_VAIN = 2_000  # asked for and found to be there: then digests and answers contradict each other
_MOST_GIVEN_AGAIN = 50_000  # in one round; the rest in the next
_LONGEST = 1800.0  # seconds of one round, whatever the upper node's patience
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(milliseconds=1)


class UpperNode(Reporting, Sink, Protocol):
    """A sink that can be asked for digests."""


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What a comparison with the upper node of ``sink`` found. ``gaps``: entries that it had receipted and lost, at most a
    hundred of them; ``extra``: entries that it has and of which our book has no receipt. ``fault``: why it was not
    finished, in words."""

    sink: str
    at: datetime
    since: datetime | None = None
    until: datetime | None = None
    compared: int = 0
    missing: int = 0
    gaps: tuple[str, ...] = ()
    extra: int = 0
    fault: str | None = None


class Reconciler:
    """Compares every hour, and when asked."""

    def __init__(
        self,
        ledger: Ledger,
        uppers: Sequence[UpperNode],
        clock: Clock,
        *,
        every: float = _EVERY,
        longest: float = _LONGEST,
    ) -> None:
        self._ledger = ledger
        self._uppers = {upper.id: upper for upper in uppers}
        self._clock = clock
        self._every = every
        self._longest = longest
        self._results: dict[str, Reconciliation] = {}
        self._one_at_a_time = asyncio.Lock()

    @property
    def uppers(self) -> Sequence[str]:
        return tuple(self._uppers)

    def results(self) -> Sequence[Reconciliation]:
        """The latest of each upper node that has been asked."""
        return tuple(self._results.values())

    async def run(self) -> None:
        """For ever; the first comparison an hour after the start, for a node that starts has other work."""
        rounds = 0
        while True:
            await self._clock.sleep(self._every)
            rounds += 1
            for upper in self._uppers:
                await self.reconcile(upper, whole=rounds % _WHOLE_EVERY == 0)

    async def reconcile(self, sink: str, *, whole: bool = True, by: str = "gateway") -> Reconciliation:
        """Compare, and give again what is missing above. ``whole``: all that is remembered, else about a day. Never raises
        but for a sink that is none of the upper nodes (KeyError); what went wrong stands in the result."""
        upper = self._uppers[sink]
        async with self._one_at_a_time:
            result = await self._compared(upper, whole=whole)
            self._results[sink] = result
            events.reconciled(sink, result.compared, result.missing, result.fault)
            if result.missing or by != "gateway":
                await self._record(result, by)
            return result

    async def _compared(self, upper: UpperNode, *, whole: bool) -> Reconciliation:
        found = Reconciliation(upper.id, self._clock.now())
        comparison, fault = _Comparison(self._ledger, upper), None
        try:
            async with asyncio.timeout(self._longest):
                equal = await self._equal_up_to(upper.id)
                begin, stop = await self._ledger.read(lambda reader: _bounds(reader, upper.id, -1 if whole else equal))
                if begin < stop:
                    found = replace(found, since=begin, until=stop)
                while begin < stop:
                    book, end = await self._span(upper.id, begin, stop)
                    await comparison.compare(book, begin, end)
                    found = replace(found, compared=found.compared + len(book))
                    equal = max(equal, *(receipt.seq for receipt in book))
                    begin = end
                await self._ledger.write(lambda tx: tx.set_bookmark(_bookmark(upper.id), str(equal)))
        except (TryLater, Refused, StoreFailed, _Contradicted) as error:
            fault = str(error)
        except TimeoutError:
            fault = f"not finished within {self._longest:g} s; the next round begins anew"
        gaps = comparison.gaps  # also of a round that was not finished: they have been given again
        return replace(found, missing=len(gaps), gaps=tuple(gaps[:_NAMED]), extra=comparison.extra, fault=fault)

    async def _equal_up_to(self, sink: str) -> int:
        """The highest of the upper node's numbers that a round which ended well has compared."""
        kept = await self._ledger.read(lambda reader: reader.bookmark(_bookmark(sink)))
        return int(kept or -1)

    async def _span(self, sink: str, since: datetime, stop: datetime) -> tuple[list[Receipt], datetime]:
        """Our next receipts in the order of the upper node's numbers, and where the span that they fill ends."""
        end = await self._ledger.read(lambda reader: min(stop, reader.receipts_end(sink, since, _SPAN) or stop))
        book: list[Receipt] = []
        while True:
            after = book[-1].seq if book else -1
            page = await self._ledger.read(
                lambda reader, after=after: reader.receipts(sink, since, end, after, _PAGE)  # type: ignore[misc]
            )
            book += page
            if len(page) < _PAGE:
                return book, end

    async def _record(self, result: Reconciliation, by: str) -> None:
        detail = {
            "compared": result.compared,
            "missing": result.missing,
            "gaps": list(result.gaps),
            "fault": result.fault,
        }
        record = AuditRecord(self._clock.now(), by, "reconcile", f"sinks/{result.sink}", None, detail)
        try:
            await self._ledger.write(lambda tx: tx.record(record))
        except StoreFailed as error:
            _log.warning("a reconciliation could not be written into the audit", sink=result.sink, reason=str(error))


class _Contradicted(GatewayError):
    """What the upper node says does not fit together: asking on would never end."""


class _Comparison:
    def __init__(self, ledger: Ledger, upper: UpperNode) -> None:
        self._ledger = ledger
        self._upper = upper
        self.gaps: list[str] = []
        self.extra = 0
        self._in_vain = 0

    async def compare(self, book: Sequence[Receipt], since: datetime, until: datetime) -> None:
        """Halve by time until few are left or the books agree; what is left is asked for by being sent again."""
        theirs = await self._upper.digest(since, until)
        if theirs == digest_of(book):
            return
        times = sorted({receipt.committed_at for receipt in book})
        if len(book) <= _FEW or len(times) == 1:
            before = len(self.gaps)
            await self._ask(book)
            self.extra += max(0, theirs.count - (len(book) - (len(self.gaps) - before)))
            return
        middle = times[len(times) // 2]
        await self.compare([receipt for receipt in book if receipt.committed_at < middle], since, middle)
        await self.compare([receipt for receipt in book if receipt.committed_at >= middle], middle, until)

    async def _ask(self, book: Sequence[Receipt]) -> None:
        """A repeat gets the receipt it had; another one says that the entry had been lost, and now is there."""
        for receipt in book:
            entry = await self._ledger.read(lambda reader, id=receipt.id: reader.entry(id))  # type: ignore[misc]
            if entry is None:
                continue  # deleted here since, lawfully: there is nothing to be given again
            again = await self._send(entry)
            if again is None or again == receipt:
                self._count_in_vain()
                continue
            self.gaps.append(receipt.id)
            await self._ledger.write(lambda tx, new=again: _instead(tx, self._upper.id, new))  # type: ignore[misc]
            if len(self.gaps) >= _MOST_GIVEN_AGAIN:
                raise _Contradicted(f"{_MOST_GIVEN_AGAIN} entries were given again; the rest follows in the next round")

    def _count_in_vain(self) -> None:
        """Beside each gap stand a few that are there; many without one are a digest that no entry explains."""
        self._in_vain += 1
        if self._in_vain > _MOST_IN_VAIN + 2 * _FEW * len(self.gaps):
            raise _Contradicted(
                f"its digests differ from our receipts, but it has {self._in_vain} of the entries that were asked for; "
                "look at the upper node's clock and ledger"
            )

    async def _send(self, entry: Entry) -> Receipt | None:
        try:
            return await self._upper.send(Parcel(0, self._upper.id, Lane.UPDATE, entry))
        except Refused as error:
            _log.warning("an entry is refused that was taken before", sink=self._upper.id, reason=str(error))
            return None


def digest_of(book: Sequence[Receipt]) -> Digest:
    """As an upper node makes it: a line ``{seq} {id} {sha256}`` for each, in the order of its numbers."""
    total = hashlib.sha256()
    for receipt in sorted(book, key=lambda receipt: receipt.seq):
        total.update(f"{receipt.seq} {receipt.id} {receipt.sha256}\n".encode())
    return Digest(len(book), total.hexdigest())


def _bounds(reader: Reader, sink: str, equal: int) -> tuple[datetime, datetime]:
    """From when to when to compare: from the first receipt above the number ``equal``, but from a day before the newest at
    the latest."""
    times = reader.receipt_times(sink, equal)
    if times is None:
        return _NEVER, _NEVER
    first, newest = times
    return first if equal < 0 else min(first, newest - _USUAL_SPAN), newest + _TICK


def _bookmark(sink: str) -> str:
    return f"reconciled/{sink}"


def _instead(tx: Transaction, sink: str, receipt: Receipt) -> None:
    tx.forget_receipt(sink, receipt.id, receipt.seq)
    tx.remember_receipt(sink, receipt.id, receipt)
