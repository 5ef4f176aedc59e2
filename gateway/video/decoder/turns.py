"""One at a time, the more urgent first."""

import asyncio
import contextlib
import heapq
from collections.abc import AsyncIterator


class Turns:
    """Turns at something that serves one at a time: the lowest ``urgency`` first, among equals the first to come.

    ``taken``: how many have a turn or wait for one.
    """

    def __init__(self) -> None:
        self.taken = 0
        self._busy = False
        self._came = 0
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []

    @contextlib.asynccontextmanager
    async def turn(self, urgency: int) -> AsyncIterator[None]:
        self.taken += 1
        try:
            await self._wait(urgency)
            try:
                yield
            finally:
                self._next()
        finally:
            self.taken -= 1

    async def _wait(self, urgency: int) -> None:
        if not self._busy:
            self._busy = True
            return
        mine = asyncio.get_running_loop().create_future()
        self._came += 1
        heapq.heappush(self._waiting, (urgency, self._came, mine))
        try:
            await mine
        except asyncio.CancelledError:
            if not mine.cancel() and not mine.cancelled():
                self._next()  # it was given to us, and we are going
            raise

    def _next(self) -> None:
        while self._waiting:
            _, _, waiter = heapq.heappop(self._waiting)
            if not waiter.done():
                waiter.set_result(None)
                return
        self._busy = False
