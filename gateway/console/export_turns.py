"""Turns at putting an export together: what is read of a long story is as heavy as what is written of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.console.problems import Problem

AT_ONCE = 2
"""Case bundles, covered files and tables of figures together: each reads and hashes, or draws, much."""
WAIT_S = 5.0
RETRY_S = 10


class ExportTurns:
    """Few exports at once, and nobody waits for a turn without an end."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(AT_ONCE)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Raises Problem 503 where none is free within ``WAIT_S`` seconds."""
        try:
            async with asyncio.timeout(WAIT_S):
                await self._free.acquire()
        except TimeoutError:
            headers = {"Retry-After": str(RETRY_S)}
            raise Problem(503, "Others are being exported just now: try again.", headers=headers) from None
        try:
            yield
        finally:
            self._free.release()
