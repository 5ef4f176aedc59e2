"""What a lower node says, judged and taken within one transaction of the ledger, and the numbers of its receipts.

A node speaks for itself and for the nodes that are reached through it. Who is reached through whom is learned from the
first entries that come (``Transaction.claim_route``) and then kept.
"""

from collections.abc import Callable
from dataclasses import replace

from gateway.alerts import marks
from gateway.codec import entry_digest
from gateway.model import Entry, Receipt
from gateway.ports import Arrival, FeedEntry, Reader, Transaction

_REPORT_COUNT = "cascade/reports"


class Gate:
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
        if entry.action == "release":
            return self._release_refused(entry)
        return None

    def _release_refused(self, entry: Entry) -> str | None:
        """Who claims to stand as high as whoever above held it, does not."""
        claimed = marks.rank(entry.data.get("level"))
        for held in (item.entry for item in self._tx.entries(entry.alert_id) if item.entry.action == "hold"):
            is_below = held.node == self.sender or self._tx.route(held.node) == self.sender
            if not is_below and marks.rank(held.data.get("level")) <= claimed:
                return f"alert {entry.alert_id} is held by {held.node}, which is not below {self.sender}: it is released there"
        return None

    def already_here(self, entry: Entry) -> FeedEntry | None:
        """The same entry as it stands here, however it came; of a node that speaks for itself it is no echo."""
        if entry.node not in (self.sender, self._own) and self._has_token(entry.node):
            return None
        if entry.alert_id not in self._here:
            self._here[entry.alert_id] = {item.entry.id: item for item in self._tx.entries(entry.alert_id)}
        found = self._here[entry.alert_id].get(entry.id)
        return found if found is not None and entry_digest(found.entry) == entry_digest(entry) else None


def take_entry(tx: Transaction, gate: Gate, arrival: Arrival) -> Receipt | str:
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


def report_number(tx: Transaction) -> int:
    """The number of the next report's receipt: they rise over entries and reports together."""
    count = int(tx.bookmark(_REPORT_COUNT) or 0) + 1
    tx.set_bookmark(_REPORT_COUNT, str(count))
    return tx.newest_feed() + count


def as_numbered(reader: Reader, receipt: Receipt) -> Receipt:
    """The receipt of an entry, read from its place in the feed, with the number that was given for it."""
    return replace(receipt, seq=int(reader.bookmark(_moved(receipt.id)) or receipt.seq))


def _number(tx: Transaction, taken: FeedEntry, *, new: bool) -> int:
    """The number of an entry's receipt: its feed position, moved up by the reports that were receipted before it, so
    that numbers rise over both. A moved number is remembered, for a repeat gets the same one."""
    name = _moved(taken.entry.id)
    if not new:
        return int(tx.bookmark(name) or taken.position)
    reports = int(tx.bookmark(_REPORT_COUNT) or 0)
    if reports:
        tx.set_bookmark(name, str(taken.position + reports))
    return taken.position + reports


def _moved(entry_id: str) -> str:
    return f"cascade/seq/{entry_id}"
