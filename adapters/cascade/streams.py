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
_MOST_TOLD = 64  # a node that takes none of them is not there


class Streams:
    """Open downlinks: bounded per node, and ended together when the source stops."""

    def __init__(self, ping_every: float = PING_EVERY) -> None:
        self._ping_every = ping_every
        self._open: dict[str, list[_Stream]] = {}
        self._closed = False

    def reopen(self) -> None:
        self._closed = False

    def close(self) -> None:
        self._closed = True
        for stream in [stream for open_ones in self._open.values() for stream in open_ones]:
            stream.ended.set()

    def require_open(self) -> None:
        if self._closed:
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "this node is stopping; come again", {"Retry-After": "1"})

    def tell(self, node: str, event: bytes) -> bool:
        """Put an event that nobody resumes on every open stream of ``node`` (one of them may be dead already); whether there
        is one that takes it."""
        told = [stream.tell(event) for stream in self._open.get(node, ())]
        return any(told)

    async def serve(self, node: str, feed: AsyncIterator[FeedEntry]) -> AsyncIterator[bytes]:
        """The bytes of the stream; a ``ping`` at once and whenever it was quiet for ``ping_every`` seconds."""
        stream = self._enter(node)
        ending = asyncio.create_task(stream.ended.wait())
        upcoming = asyncio.create_task(_next(feed))
        telling = asyncio.create_task(stream.told.get())
        try:
            yield b"retry: 1000\n" + _ping()
            while True:
                done, _ = await asyncio.wait(
                    {ending, upcoming, telling}, timeout=self._ping_every, return_when=asyncio.FIRST_COMPLETED
                )
                if ending in done:
                    return
                if telling in done:
                    yield telling.result()
                    telling = asyncio.create_task(stream.told.get())
                if not done:
                    yield _ping()
                if upcoming not in done:
                    continue
                item = upcoming.result()
                if item is None:
                    return
                yield _event(item)
                upcoming = asyncio.create_task(_next(feed))
        finally:
            self._leave(node, stream)
            await _end(ending, upcoming, telling)
            if isinstance(feed, AsyncGenerator):
                await feed.aclose()

    def _enter(self, node: str) -> "_Stream":
        stream = _Stream()
        open_ones = self._open.setdefault(node, [])
        open_ones.append(stream)
        for oldest in open_ones[:-STREAMS_PER_NODE]:
            oldest.ended.set()
        return stream

    def _leave(self, node: str, stream: "_Stream") -> None:
        self._open[node].remove(stream)
        if not self._open[node]:
            del self._open[node]


class _Stream:
    """One open downlink, and what it is told beside entries."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        self.told: asyncio.Queue[bytes] = asyncio.Queue(_MOST_TOLD)

    def tell(self, event: bytes) -> bool:
        """Whether there was room."""
        try:
            self.told.put_nowait(event)
        except asyncio.QueueFull:
            return False
        return not self.ended.is_set()


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
