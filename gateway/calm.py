"""Presses come first: what may wait looks whether many of them are under way, and lets them by."""

import asyncio
import contextlib
from collections.abc import Iterator

_MANY = 4
"""So many presses under way at once mean that they come faster than they are written: in a village's day there is one."""


class Calm:
    """How many presses are between their receipt and the disk. Of one loop."""

    def __init__(self) -> None:
        self._under_way = 0
        self._calm = asyncio.Event()
        self._calm.set()

    def __bool__(self) -> bool:
        return self._calm.is_set()

    @contextlib.contextmanager
    def disturbed(self) -> Iterator[None]:
        """A press is under way inside."""
        self._under_way += 1
        if self._under_way >= _MANY:
            self._calm.clear()
        try:
            yield
        finally:
            self._under_way -= 1
            if self._under_way < _MANY:
                self._calm.set()

    async def rest(self, at_most: float) -> None:
        """Return when few presses are under way, or after ``at_most`` seconds: what waits is not to wait for ever."""
        if self._calm.is_set():
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(at_most):
                await self._calm.wait()
