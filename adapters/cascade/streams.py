"""The downlink's server side: Server-Sent Events (WHATWG HTML §9.2) of the entries made above a lower node."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from http import HTTPStatus
from typing import Any

from adapters.cascade.problems import Problem
from adapters.cascade.wire import event_bytes
from gateway.model import rfc3339, utc_now
from gateway.ports import FeedEntry

PING_EVERY = 5.0  # s; the peer takes 20 s of silence for a dead path, so three may be lost
STREAMS_PER_NODE = 4  # a node needs one; a second stands while a dead one is still being noticed


class Streams:
    """Open downlinks: bounded per node, and ended together when the source stops."""

    def __init__(self, ping_every: float = PING_EVERY) -> None:
        self._ping_every = ping_every
        self._open: Counter[str] = Counter()
        self._closing = asyncio.Event()

    def reopen(self) -> None:
        self._closing.clear()

    def close(self) -> None:
        self._closing.set()

    def require_place(self, node: str) -> None:
        """Raises Problem 429 where a node has too many downlinks open."""
        if self._open[node] >= STREAMS_PER_NODE:
            raise Problem(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"{node} has {STREAMS_PER_NODE} downlinks open already; one is enough",
                {"Retry-After": "10"},
            )

    async def serve(self, node: str, feed: AsyncIterator[FeedEntry]) -> AsyncIterator[bytes]:
        """The bytes of the stream; a ``ping`` at once and whenever it was quiet for ``ping_every`` seconds."""
        self._open[node] += 1
        closing = asyncio.create_task(_wait(self._closing))
        upcoming = asyncio.create_task(_next(feed))
        try:
            yield b"retry: 1000\n" + _ping()
            while True:
                done, _ = await asyncio.wait(
                    {closing, upcoming}, timeout=self._ping_every, return_when=asyncio.FIRST_COMPLETED
                )
                if closing in done:
                    return
                if upcoming not in done:
                    yield _ping()
                    continue
                item = upcoming.result()
                if item is None:
                    return
                yield _event(item)
                upcoming = asyncio.create_task(_next(feed))
        finally:
            self._give_back(node)
            await _end(closing, upcoming)
            if isinstance(feed, AsyncGenerator):
                await feed.aclose()

    def _give_back(self, node: str) -> None:
        self._open[node] -= 1
        if not self._open[node]:
            del self._open[node]


def _event(item: FeedEntry) -> bytes:
    return b"id: %d\nevent: entry\ndata: %b\n\n" % (item.position, event_bytes(item.entry))


def _ping() -> bytes:
    return b"event: ping\ndata: %b\n\n" % json.dumps({"at": rfc3339(utc_now())}).encode()


async def _next(feed: AsyncIterator[FeedEntry]) -> FeedEntry | None:
    return await anext(feed, None)


async def _wait(event: asyncio.Event) -> None:
    await event.wait()


async def _end(*tasks: "asyncio.Task[Any]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
