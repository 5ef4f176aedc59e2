"""Other nodes' entries: what lower nodes may tell us, what we tell them, and what comes down from an upper node.

A node speaks for itself and for the nodes that are reached through it. Who is reached through whom is learned from the
first entries that come (``Transaction.claim_route``) and then kept; nodes above are kept apart under ``ABOVE``, so that
no lower node can speak in their name.
"""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from gateway.codec import entry_digest
from gateway.model import Entry, Receipt, rfc3339, utc_now
from gateway.observability.logs import logger
from gateway.ports import Arrival, Digest, FeedEntry, Ledger, Reader, Report, Transaction

ABOVE = "/above"  # no node id has a slash
_BATCH = 200
_REST = 0.03  # s between two looks of a downlink: in a storm every commit would wake every lower node's
_BITE = 50  # arrivals in one transaction: a long list from below must not keep a press waiting
_REPORT_RECEIPTS = 8  # so many of a node's last reports of one type get their first receipt again
_REPORT_BYTES = 32 * 1024 * 1024  # of reports kept in memory; the one heard longest ago goes first
_OWNERS_KEPT = 512
_REPORT_COUNT = "cascade/reports"

_log = logger("cascade")


class LedgerExchange:
    """Implements ports.Exchange on the ledger of the node ``node_id``.

    ``has_token`` tells which nodes are connected directly; those no other lower node may speak for, even before they
    were heard the first time; it is called on the ledger's thread.
    """

    def __init__(
        self,
        ledger: Ledger,
        node_id: str,
        *,
        has_token: Callable[[str], bool] = lambda _node: False,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._ledger = ledger
        self._node = node_id
        self._has_token = has_token
        self._now = now
        self._reports: dict[tuple[str, str], tuple[int, Report]] = {}

    def report(self, node: str, report_type: str) -> Report | None:
        """The newest report of a type about a node, since this process started."""
        kept = self._reports.get((node, report_type))
        return None if kept is None else kept[1]

    async def admit(self, node: str, arrivals: Sequence[Arrival | Report]) -> list[Receipt | str]:
        """See ports.Exchange. The order of the receipts' numbers is the order of the arrivals."""
        answers: list[Receipt | str] = []
        for start in range(0, len(arrivals), _BITE):
            bite = arrivals[start : start + _BITE]
            answered = await self._admit_together(node, bite)
            self._keep_reports(bite, answered)
            answers += answered
        return answers

    async def _admit_together(self, node: str, arrivals: Sequence[Arrival | Report]) -> list[Receipt | str]:
        try:
            return await self._ledger.write(lambda tx: self._take(tx, node, arrivals))
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
        gate = _Gate(tx, self._node, node, self._has_token)
        tx.claim_route(node, node)
        return [
            self._take_report(tx, gate, arrival) if isinstance(arrival, Report) else _take_entry(tx, gate, arrival)
            for arrival in arrivals
        ]

    def _take_report(self, tx: Transaction, gate: "_Gate", report: Report) -> Receipt | str:
        refusal = gate.author_refused(report.node)
        if refusal is not None:
            return refusal
        tx.claim_route(report.node, gate.sender)
        name = f"cascade/report/{report.node}/{report.type}"
        given: list[list[str | int]] = json.loads(tx.bookmark(name) or "[]")
        for report_id, seq, committed_at in given:
            if report_id == report.id:
                return Receipt(report.id, report.sha256, int(seq), datetime.fromisoformat(str(committed_at)))
        count = int(tx.bookmark(_REPORT_COUNT) or 0) + 1
        receipt = Receipt(report.id, report.sha256, tx.newest_feed() + count, self._now())
        tx.set_bookmark(_REPORT_COUNT, str(count))
        given.append([report.id, receipt.seq, rfc3339(receipt.committed_at)])
        tx.set_bookmark(name, json.dumps(given[-_REPORT_RECEIPTS:]))
        return receipt

    def _keep_reports(self, arrivals: Sequence[Arrival | Report], answers: Sequence[Receipt | str]) -> None:
        heard = [
            (arrival, answer)
            for arrival, answer in zip(arrivals, answers, strict=True)
            if isinstance(arrival, Report) and isinstance(answer, Receipt)
        ]
        for arrival, answer in heard:
            key = (arrival.node, arrival.type)
            if key in self._reports and self._reports[key][0] > answer.seq:
                continue  # a late repeat of one that has been overtaken
            self._reports.pop(key, None)
            self._reports[key] = (answer.seq, arrival)
        while heard and sum(report.size for _, report in self._reports.values()) > _REPORT_BYTES:
            del self._reports[next(iter(self._reports))]

    async def digest(self, node: str, since: datetime, until: datetime) -> Digest:
        """See ports.Exchange. Each entry adds the line ``{seq} {id} {sha256}`` in the order of the commits.

        Reads the whole feed, for clocks step and commit times need not rise; in small bites, so that nobody waits.
        """
        total, count, position = hashlib.sha256(), 0, 0
        while True:
            read = partial(_received, node=node, after=position)
            position, receipts = await self._ledger.read(read)
            for receipt in receipts:
                if since <= receipt.committed_at < until:
                    total.update(f"{receipt.seq} {receipt.id} {receipt.sha256}\n".encode())
                    count += 1
            if position < 0:
                return Digest(count, total.hexdigest())

    async def downlink(self, node: str, after: int) -> AsyncIterator[FeedEntry]:
        """See ports.Exchange. A position beyond our newest is from before our ledger was restored: all is sent again."""
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


class LedgerUpper:
    """Implements ports.Upper for the upper node that is reached by the sink ``sink_id``."""

    def __init__(self, ledger: Ledger, sink_id: str) -> None:
        self._ledger = ledger
        self._sink = sink_id
        self._bookmark = f"downlink/{sink_id}"

    async def bookmark(self) -> int:
        kept = await self._ledger.read(lambda reader: reader.bookmark(self._bookmark))
        return int(kept or 0)

    async def take(self, position: int, entry: Entry) -> None:
        """See ports.Upper. What cannot be taken is logged and passed over: an upper node must not be able to stop us."""
        try:
            refusal = await self._ledger.write(lambda tx: self._take(tx, position, entry))
        except ValueError as error:
            refusal = str(error)
            await self._ledger.write(lambda tx: tx.set_bookmark(self._bookmark, str(position)))
        if refusal is not None:
            _log.warning("an entry from above was passed over", sink=self._sink, entry=entry.id, reason=refusal)

    def _take(self, tx: Transaction, position: int, entry: Entry) -> str | None:
        tx.set_bookmark(self._bookmark, str(position))
        if entry.action == "raised" or tx.alert(entry.alert_id) is None:
            return f"alert {entry.alert_id} is not one of this node's"
        if not tx.claim_route(entry.node, ABOVE):
            return f"node {entry.node} is below this one: an upper node does not speak for it"
        tx.admit(entry, via=self._sink, sha256=entry_digest(entry))
        return None


class _Gate:
    """Judges what the lower node ``sender`` says, within one transaction."""

    def __init__(self, tx: Transaction, own: str, sender: str, has_token: Callable[[str], bool]) -> None:
        self._tx = tx
        self._own = own
        self.sender = sender
        self._has_token = has_token
        self._here: dict[str, dict[str, FeedEntry]] = {}

    def author_refused(self, author: str) -> str | None:
        """None if ``author`` is the sender or may be reached through it, else the sentence that refuses it."""
        if author == self.sender:
            return None
        if author == self._own:
            return f"node {author} is this node: {self.sender} cannot speak for it"
        if self._has_token(author) or self._tx.route(author) not in (None, self.sender):
            return f"node {author} is not below {self.sender}: what a node says about others' nodes is refused"
        return None

    def entry_refused(self, entry: Entry) -> str | None:
        refusal = self.author_refused(entry.node)
        if refusal is not None:
            return refusal
        known = self._tx.alert(entry.alert_id)
        if known is None:
            return None
        owner = known.alert.node
        if owner != self.sender and self._tx.route(owner) != self.sender:
            return f"alert {entry.alert_id} belongs to {owner}, which is not below {self.sender}"
        if entry.action == "raised":
            return f"alert {entry.alert_id} was raised before: an alert is raised once"
        return None

    def already_here(self, entry: Entry) -> FeedEntry | None:
        """The same entry as it stands here, however it came."""
        if entry.alert_id not in self._here:
            self._here[entry.alert_id] = {item.entry.id: item for item in self._tx.entries(entry.alert_id)}
        found = self._here[entry.alert_id].get(entry.id)
        return found if found is not None and entry_digest(found.entry) == entry_digest(entry) else None


def _take_entry(tx: Transaction, gate: _Gate, arrival: Arrival) -> Receipt | str:
    entry = arrival.entry
    known = tx.admitted(gate.sender, entry.id)
    if known is None:
        refusal = gate.entry_refused(entry)
        if refusal is not None:
            echo = gate.already_here(entry)
            if echo is None:
                return refusal
            return Receipt(entry.id, arrival.sha256, _number(tx, echo, new=False), echo.committed_at)
        tx.claim_route(entry.node, gate.sender)
    newest = tx.newest_feed()
    taken = tx.admit(entry, via=gate.sender, sha256=arrival.sha256)
    seq = _number(tx, taken, new=taken.position > newest)
    return Receipt(entry.id, arrival.sha256, seq, taken.committed_at)


def _number(tx: Transaction, taken: FeedEntry, *, new: bool) -> int:
    """The number of an entry's receipt: its feed position, moved up by the reports that were receipted before it, so
    that numbers rise over both. A moved number is remembered, for a repeat gets the same one."""
    name = f"cascade/seq/{taken.entry.id}"
    if not new:
        return int(tx.bookmark(name) or taken.position)
    reports = int(tx.bookmark(_REPORT_COUNT) or 0)
    if reports:
        tx.set_bookmark(name, str(taken.position + reports))
    return taken.position + reports


def _received(reader: Reader, node: str, after: int) -> tuple[int, list[Receipt]]:
    """(position to go on from or -1 at the end, receipts given to ``node`` in the next bite of the feed)."""
    batch = reader.feed(after, _BATCH)
    receipts = [
        replace(receipt, seq=int(reader.bookmark(f"cascade/seq/{item.entry.id}") or receipt.seq))
        for item in batch
        if (receipt := reader.admitted(node, item.entry.id)) is not None
    ]
    return (batch[-1].position if len(batch) == _BATCH else -1), receipts


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
