"""The downlink's server side: Server-Sent Events (WHATWG HTML §9.2) of the entries made above a lower node."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from http import HTTPStatus
from typing import Any

from adapters.cascade.problems import Problem
from adapters.cascade.wire import event_bytes
from gateway.model import rfc3339, utc_now
from gateway.ports import FeedEntry

PING_EVERY = 5.0  # s; the peer takes 20 s of silence for a dead path, so three may be lost
# A node needs one. On a link that flaps, those that died unnoticed stay for TCP's quarter of an hour: the oldest goes.
STREAMS_PER_NODE = 4


class Streams:
    """Open downlinks: bounded per node, and ended together when the source stops."""

    def __init__(self, ping_every: float = PING_EVERY) -> None:
        self._ping_every = ping_every
        self._open: dict[str, list[asyncio.Event]] = {}
        self._closed = False

    def reopen(self) -> None:
        self._closed = False

    def close(self) -> None:
        self._closed = True
        for ended in [ended for open_ones in self._open.values() for ended in open_ones]:
            ended.set()

    def require_open(self) -> None:
        if self._closed:
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "this node is stopping; come again", {"Retry-After": "1"})

    async def serve(self, node: str, feed: AsyncIterator[FeedEntry]) -> AsyncIterator[bytes]:
        """The bytes of the stream; a ``ping`` at once and whenever it was quiet for ``ping_every`` seconds."""
        ended = self._enter(node)
        ending = asyncio.create_task(ended.wait())
        upcoming = asyncio.create_task(_next(feed))
        try:
            yield b"retry: 1000\n" + _ping()
            while True:
                done, _ = await asyncio.wait(
                    {ending, upcoming}, timeout=self._ping_every, return_when=asyncio.FIRST_COMPLETED
                )
                if ending in done:
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
            self._leave(node, ended)
            await _end(ending, upcoming)
            if isinstance(feed, AsyncGenerator):
                await feed.aclose()

    def _enter(self, node: str) -> asyncio.Event:
        ended = asyncio.Event()
        open_ones = self._open.setdefault(node, [])
        open_ones.append(ended)
        for oldest in open_ones[:-STREAMS_PER_NODE]:
            oldest.set()
        return ended

    def _leave(self, node: str, ended: asyncio.Event) -> None:
        self._open[node].remove(ended)
        if not self._open[node]:
            del self._open[node]


def _event(item: FeedEntry) -> bytes:
    return b"id: %d\nevent: entry\ndata: %b\n\n" % (item.position, event_bytes(item.entry))


def _ping() -> bytes:
    return b"event: ping\ndata: %b\n\n" % json.dumps({"at": rfc3339(utc_now())}).encode()


async def _next(feed: AsyncIterator[FeedEntry]) -> FeedEntry | None:
    return await anext(feed, None)


async def _end(*tasks: "asyncio.Task[Any]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
