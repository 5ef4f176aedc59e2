"""When the entries of the feed were committed, block by block, so that a span of time is found without reading all there is.

Clocks step: positions alone do not tell. What is committed never changes, so each block is looked at once.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime

from gateway.ports import Ledger

_BLOCK = 1_000  # entries: some milliseconds to read


@dataclass(frozen=True, slots=True)
class Block:
    """The entries at positions in (``after``, ``last``], committed from ``earliest`` to ``latest``."""

    after: int
    last: int
    earliest: datetime
    latest: datetime


class FeedTimes:
    """Of one ledger. A million entries are a thousand blocks, some 300 kB."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._whole: list[Block] = []
        self._one_at_a_time = asyncio.Lock()

    async def blocks(self, since: datetime, until: datetime) -> list[Block]:
        """Those that may hold entries committed in [since, until), in commit order."""
        async with self._one_at_a_time:
            rest = await self._learn()
        return [block for block in (*self._whole, *rest) if block.earliest < until and block.latest >= since]

    async def _learn(self) -> list[Block]:
        """Look at what has come since; the block that is not full yet, if any."""
        while True:
            after = self._whole[-1].last if self._whole else 0
            found = await self._ledger.read(lambda reader, after=after: reader.feed_times(after, _BLOCK))  # type: ignore[misc]
            if found is None:
                return []
            count, *block = found
            if count < _BLOCK:
                return [Block(after, *block)]
            self._whole.append(Block(after, *block))
