"""Node to node: what the cascade adapter may do here, and what it is asked to do above."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from gateway.model import Entry, Principal, Receipt
from gateway.ports.ledger import FeedEntry


@dataclass(frozen=True, slots=True)
class Arrival:
    """An entry as a lower node sent it, with the SHA-256 of the event's bytes."""

    entry: Entry
    sha256: str


@dataclass(frozen=True, slots=True)
class Report:
    """What a lower node says of itself (inventory, health). Only the newest of a type is kept, unlike entries.

    ``id`` is the event's, ``node`` the node it speaks of, ``sha256`` and ``size`` of the event's bytes.
    """

    id: str
    type: str
    node: str
    sha256: str
    size: int
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Digest:
    """What was received in a span of time: how many entries, and the SHA-256 hex of their ids and digests in order."""

    count: int
    sha256: str


class Reporting(Protocol):
    """What the cascade sink may be asked beside parcels. Raises TryLater | Refused."""

    id: str

    async def report(self, report_type: str, data: Mapping[str, Any]) -> None:
        """Give the upper node a report of this node's (``gateway.inventory.v1``, ``gateway.health.v1``): state, of which
        the newest counts, so it is never kept in the outbox."""

    async def digest(self, since: datetime, until: datetime) -> Digest:
        """What the upper node has of ours in [since, until), by its own commit times."""


class Exchange(Protocol):
    """What the cascade source may do on this node."""

    async def admit(self, node: str, arrivals: Sequence[Arrival | Report]) -> list[Receipt | str]:
        """Commit entries and reports from the lower node ``node``; per arrival its receipt, or the sentence that
        refuses it. Raises StoreFailed: then nothing was taken."""

    async def digest(self, node: str, since: datetime, until: datetime) -> Digest:
        """Of the entries received from ``node`` and committed in [since, until)."""

    def downlink(self, node: str, after: int) -> AsyncIterator[FeedEntry]:
        """Entries of alerts in ``node``'s subtree that did not come from it, after a position, then as they come."""


class Upper(Protocol):
    """What the cascade sink's downlink may do on this node."""

    async def bookmark(self) -> int:
        """The last downlink position taken from this upper node."""

    async def take(self, position: int, entry: Entry) -> None:
        """Commit an entry made above, with the position; returns once on disk."""


class Tokens(Protocol):
    def holder(self, token: str) -> Principal | None:
        """Whose bearer token this is; None for a wrong or revoked one. Constant time in the secret; may be cached."""
