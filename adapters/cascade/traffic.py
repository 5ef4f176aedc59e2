"""Clips give way: while anything more urgent is on its way up, a clip's bytes come in small helpings."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import BinaryIO, Self

from gateway.budget import Budget
from gateway.model import Lane

HELPING = 128 * 1024
SEND_BUFFER = 128 * 1024
"""Bytes of a clip that the kernel may hold: what stands there is ahead of every alarm on a thin uplink."""
THIN_SEND_BUFFER = 8 * 1024
"""The same where a budget says that the uplink is thin: the kernel doubles it, two seconds of 64 kbit/s."""
_GIVE_WAY_S = 1.0  # a helping a second is 1 Mbit/s: what a clip's deadline counts on, half of the thinnest uplink


class Traffic:
    """What is on its way to one upper node."""

    def __init__(self) -> None:
        self._urgent = 0
        self._clear = asyncio.Event()
        self._clear.set()

    @contextlib.contextmanager
    def urgent(self) -> Iterator[None]:
        """Something that clips give way to is under way inside."""
        self._urgent += 1
        self._clear.clear()
        try:
            yield
        finally:
            self._urgent -= 1
            if not self._urgent:
                self._clear.set()

    async def clear(self, within: float) -> None:
        """Return once nothing urgent is under way, or after ``within`` seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._clear.wait()


class Helpings:
    """A file's bytes, each helping once the way is clear, or after ``give_way`` seconds. Reading raises OSError."""

    def __init__(
        self, path: Path, traffic: Traffic, give_way: float = _GIVE_WAY_S, budget: Budget | None = None
    ) -> None:
        self._path = path
        self._traffic = traffic
        self._give_way = give_way
        self._budget = budget or Budget(None)
        self._helping = HELPING if self._budget.bits is None else self._budget.helping
        self._file: BinaryIO | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._file is None:
            self._file = await asyncio.to_thread(self._path.open, "rb")
        piece = await asyncio.to_thread(self._file.read, self._helping)
        if not piece:
            raise StopAsyncIteration
        if self._budget.bits is None:
            await self._traffic.clear(self._give_way)
        await self._budget.spend(len(piece), Lane.CLIP.value)
        return piece

    def close(self) -> None:
        """To be called by whoever made it: an HTTP client does not, when its request ends early."""
        if self._file is not None:
            self._file.close()


async def paced(content: bytes, budget: Budget, lane: Lane) -> AsyncIterator[bytes]:
    """``content`` in helpings, each when the budget lets it through."""
    for start in range(0, len(content), budget.helping):
        piece = content[start : start + budget.helping]
        await budget.spend(len(piece), lane.value)
        yield piece
