"""Request bodies, read within bounds: a size for each, a deadline, and a budget of bytes per lower node."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from http import HTTPStatus

from starlette.requests import ClientDisconnect, Request

from adapters.cascade.problems import Problem

# A node that sends sixteen pictures in parallel never comes near it. Clips are not held in memory.
NODE_BUDGET = 128 * 1024 * 1024
_SILENT_S = 30.0  # a link that died without a word must not keep its place until the deadline of a whole clip


class Bodies:
    """Reads bodies. What one node sends at once is bounded, so that none can fill this node's memory."""

    def __init__(self, budget: int = NODE_BUDGET) -> None:
        self._budget = budget
        self._held: Counter[str] = Counter()

    @contextmanager
    def room(self, node: str) -> Iterator["Room"]:
        """The bytes read inside count against ``node`` until the block is left."""
        room = Room(self, node)
        try:
            yield room
        finally:
            self._give_back(node, room.held)

    def take(self, node: str, size: int) -> None:
        if self._held[node] + size > self._budget:
            raise Problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"{node} is sending more than {self._budget} bytes at once; send the next when one is answered",
                {"Retry-After": "1"},
            )
        self._held[node] += size

    def _give_back(self, node: str, size: int) -> None:
        self._held[node] -= size
        if not self._held[node]:
            del self._held[node]


class Room:
    def __init__(self, bodies: Bodies, node: str) -> None:
        self._bodies = bodies
        self._node = node
        self.held = 0

    async def read(self, request: Request, limit: int, seconds: float) -> bytes:
        """The whole body. Raises Problem: 413 beyond ``limit`` bytes, 408 after ``seconds`` or if it breaks off: a
        proxy may pass that on, and no lower node may take it for its event's fault."""
        too_large = Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is larger than {limit} bytes")
        if announced(request) > limit:
            raise too_large
        body = bytearray()
        try:
            async with asyncio.timeout(seconds):
                async for chunk in request.stream():
                    if len(body) + len(chunk) > limit:
                        raise too_large
                    self._bodies.take(self._node, len(chunk))
                    self.held += len(chunk)
                    body += chunk
        except TimeoutError:
            raise Problem(HTTPStatus.REQUEST_TIMEOUT, f"the body did not come within {seconds:g} s") from None
        except ClientDisconnect:
            raise Problem(HTTPStatus.REQUEST_TIMEOUT, "the connection ended before the body did") from None
        return bytes(body)


async def pieces(request: Request, limit: int, seconds: float) -> AsyncIterator[bytes]:
    """The body as it comes. Raises Problem: 413 beyond ``limit`` bytes, 408 after ``seconds``, half a minute's silence,
    or if it breaks off."""
    too_large = Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is larger than {limit} bytes")
    if announced(request) > limit:
        raise too_large
    taken, end = 0, asyncio.get_running_loop().time() + seconds
    chunks = request.stream()
    while True:
        try:
            async with asyncio.timeout_at(min(end, asyncio.get_running_loop().time() + _SILENT_S)):
                chunk = await anext(chunks, None)
        except TimeoutError:
            raise Problem(HTTPStatus.REQUEST_TIMEOUT, "the body stopped coming, or took too long in all") from None
        except ClientDisconnect:
            raise Problem(HTTPStatus.REQUEST_TIMEOUT, "the connection ended before the body did") from None
        if chunk is None:
            return
        taken += len(chunk)
        if taken > limit:
            raise too_large
        yield chunk


def announced(request: Request) -> int:
    """The body's size as its header says; 0 where it does not."""
    length = request.headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() and len(length) < 16 else 0
