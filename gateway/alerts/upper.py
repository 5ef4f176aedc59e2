"""What comes down from an upper node, taken into the ledger."""

from gateway.codec import entry_digest
from gateway.model import Entry
from gateway.observability.logs import logger
from gateway.ports import Ledger, Transaction

ABOVE = "/above"
"""The way to every node above; no node id has a slash."""

_log = logger("cascade")


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
