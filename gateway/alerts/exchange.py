"""Lower nodes' entries and reports: what they tell us and are given receipts for, and what we tell them."""

import asyncio
import hashlib
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Protocol

from gateway.alerts.admission import Gate, as_numbered, report_number, take_entry
from gateway.alerts.feed_times import Block, FeedTimes
from gateway.alerts.upper import ABOVE
from gateway.model import Receipt, rfc3339, utc_now
from gateway.ports import Arrival, Digest, FeedEntry, Ledger, Reader, Report, Transaction

_ALARMS = frozenset({"raised", "pressed", "withdrawn"})  # written before the rest
_BATCH = 200
_REST = 0.03  # s between two looks of a downlink: in a storm every commit would wake every lower node's
_BITE = 50  # arrivals in one transaction: a long list from below must not keep a press waiting
_REPORT_RECEIPTS = 8  # so many of a node's last reports of one type get their first receipt again
_OWNERS_KEPT = 512
_BREATH = 0.002  # s for others between two bites of a report
_END = object()


class Below(Protocol):
    """Who keeps what lower nodes tell of themselves."""

    def heard(self, sender: str) -> None:
        """A sign of life of a directly connected node."""

    def refusal(self, node: str, sender: str) -> str | None:
        """Why ``sender`` cannot tell of ``node``, beside whose node it is. Called on the ledger's thread."""

    def taking(self, report: Report, sender: str) -> Iterator[None]:
        """Take it bite by bite; one report of a sender at a time."""


class LedgerExchange:
    """Implements ports.Exchange on the ledger of the node ``node_id``.

    ``has_token`` tells which nodes are connected directly; those no other lower node may speak for, even before they
    were heard the first time; it is called on the ledger's thread. ``below``: takes their reports, each once.
    """

    def __init__(
        self,
        ledger: Ledger,
        node_id: str,
        *,
        has_token: Callable[[str], bool] = lambda _node: False,
        now: Callable[[], datetime] = utc_now,
        below: Below | None = None,
    ) -> None:
        self._ledger = ledger
        self._below = below
        self._node = node_id
        self._has_token = has_token
        self._now = now
        self._times = FeedTimes(ledger)
        self._taking: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)  # by the node that sent the reports
        self._turn = asyncio.Lock()  # fair: between two bites of one sender's there is one of each other's
        self._newest: dict[tuple[str, str], int] = {}  # receipt number of the newest report of a node and type

    def _heard(self, node: str) -> None:
        if self._below is not None:
            self._below.heard(node)

    async def admit(self, node: str, arrivals: Sequence[Arrival | Report]) -> list[Receipt | str]:
        """See ports.Exchange. The order of the receipts' numbers is the order of the arrivals."""
        self._heard(node)  # also where it cannot be written now: then it is not the lower node that fails
        answers: list[Receipt | str] = []
        for start in range(0, len(arrivals), _BITE):
            bite = arrivals[start : start + _BITE]
            answered = await self._admit_together(node, bite)
            await self._hand_on(node, bite, answered)
            answers += answered
        return answers

    async def _admit_together(self, node: str, arrivals: Sequence[Arrival | Report]) -> list[Receipt | str]:
        try:
            urgent = any(isinstance(each, Arrival) and each.entry.action in _ALARMS for each in arrivals)
            return await self._ledger.write(lambda tx: self._take(tx, node, arrivals), urgent=urgent)
        except ValueError:
            # The ledger found a fault that only writing shows and undid them all: one by one the others go on.
            return [await self._admit_alone(node, arrival) for arrival in arrivals]

    async def _admit_alone(self, node: str, arrival: Arrival | Report) -> Receipt | str:
        try:
            [answer] = await self._ledger.write(lambda tx: self._take(tx, node, [arrival]))
        except ValueError as error:
            return str(error)
        return answer

    def _take(self, tx: Transaction, node: str, arrivals: Sequence[Arrival | Report]) -> list[Receipt | str]:
        gate = Gate(tx, self._node, node, self._has_token)
        tx.claim_route(node, node)
        return [
            self._take_report(tx, gate, arrival) if isinstance(arrival, Report) else take_entry(tx, gate, arrival)
            for arrival in arrivals
        ]

    def _take_report(self, tx: Transaction, gate: Gate, report: Report) -> Receipt | str:
        refusal = gate.author_refused(report.node)
        if refusal is None and self._below is not None:
            refusal = self._below.refusal(report.node, gate.sender)
        if refusal is not None:
            return refusal
        tx.claim_route(report.node, gate.sender)
        name = f"cascade/report/{report.node}/{report.type}"
        given: list[list[str | int]] = json.loads(tx.bookmark(name) or "[]")
        for report_id, seq, committed_at in given:
            if report_id == report.id:
                return Receipt(report.id, report.sha256, int(seq), datetime.fromisoformat(str(committed_at)))
        receipt = Receipt(report.id, report.sha256, report_number(tx), self._now())
        given.append([report.id, receipt.seq, rfc3339(receipt.committed_at)])
        tx.set_bookmark(name, json.dumps(given[-_REPORT_RECEIPTS:]))
        return receipt

    async def _hand_on(self, node: str, arrivals: Sequence[Arrival | Report], answers: Sequence[Receipt | str]) -> None:
        """Reports are state: a repeat, or one that has been overtaken, says nothing new."""
        for arrival, answer in zip(arrivals, answers, strict=True):
            if self._below is None or not isinstance(arrival, Report) or not isinstance(answer, Receipt):
                continue
            key = (arrival.node, arrival.type)
            async with self._taking[node]:
                if answer.seq > self._newest.get(key, 0):
                    await self._take_in_bites(self._below.taking(arrival, node))
                    self._newest[key] = answer.seq  # not before: who goes away meanwhile tells it again

    async def _take_in_bites(self, bites: Iterator[None]) -> None:
        """A press must not wait for a report of seventy thousand devices; nor must another node's report."""
        more = True
        while more:
            async with self._turn:
                more = next(bites, _END) is None
                await asyncio.sleep(_BREATH if more else 0)

    async def digest(self, node: str, since: datetime, until: datetime) -> Digest:
        """See ports.Exchange. Each entry adds the line ``{seq} {id} {sha256}`` in the order of the commits.

        Read in small bites, so that nobody waits.
        """
        self._heard(node)
        total, count = hashlib.sha256(), 0
        for block in await self._times.blocks(since, until):
            for receipt in await self._ledger.read(partial(_received, node=node, block=block)):
                if since <= receipt.committed_at < until:
                    total.update(f"{receipt.seq} {receipt.id} {receipt.sha256}\n".encode())
                    count += 1
        return Digest(count, total.hexdigest())

    async def downlink(self, node: str, after: int) -> AsyncIterator[FeedEntry]:
        """See ports.Exchange. A position beyond our newest is from before our ledger was restored: all is sent again."""
        self._heard(node)
        newest = await self._ledger.read(lambda reader: reader.newest_feed())
        position = after if 0 <= after <= newest else 0
        owners: dict[str, str] = {}
        seen = 0
        while True:
            read = partial(self._bite_for_below, node=node, after=position, owners=owners)
            end, wanted = await self._ledger.read(read)
            for item in wanted:
                yield item
            if end - position < _BATCH:  # the feed has no gaps
                seen = await self._ledger.changed("entry", seen)
                await asyncio.sleep(_REST)
            position = end

    def _bite_for_below(
        self, reader: Reader, node: str, after: int, owners: dict[str, str]
    ) -> tuple[int, list[FeedEntry]]:
        """(position read up to, what of it concerns ``node``)."""
        batch = reader.feed(after, _BATCH)
        ways = {author: reader.route(author) for author in {item.entry.node for item in batch}}
        wanted = [
            item
            for item in batch
            if (item.entry.node == self._node or ways[item.entry.node] == ABOVE)
            and _owned_by(reader, node, item.entry.alert_id, owners)
        ]
        return (batch[-1].position if batch else after), wanted


def _received(reader: Reader, node: str, block: Block) -> list[Receipt]:
    """The receipts given to ``node`` for what stands in a block of the feed."""
    return [as_numbered(reader, receipt) for receipt in reader.admissions(node, block.after, block.last)]


def _owned_by(reader: Reader, node: str, alert_id: str, owners: dict[str, str]) -> bool:
    """Whether an alert belongs to the subtree of ``node``. An alert's node never changes, its way may be learned late."""
    owner = owners.get(alert_id)
    if owner is None:
        known = reader.alert(alert_id)
        if known is None:
            return False
        owner = known.alert.node
        if len(owners) >= _OWNERS_KEPT:
            del owners[next(iter(owners))]
        owners[alert_id] = owner
    return owner == node or reader.route(owner) == node
