"""Frames of one live view on their way to whoever shows them: never awaited, dropped to the next keyframe, and counted."""

import asyncio
from collections import deque
from typing import Self

from adapters.cascade.live_wire import is_keyframe

_MOST_BYTES = 8 * 1024 * 1024  # some seconds of a main stream; the live process takes them within milliseconds


class Frames:
    """``put`` never waits. Of one reader: iterating ends once ``end`` was called and what was there is taken."""

    def __init__(self, most: int = _MOST_BYTES) -> None:
        self._most = most
        self._held: deque[bytes] = deque()
        self._size = 0
        self._skipping = False
        self._over = False
        self._ready = asyncio.Event()
        self.left_out = 0

    def put(self, frame: bytes) -> None:
        """Raises ValueError for what is no frame."""
        keyframe = is_keyframe(frame)
        if keyframe:
            self._skipping = False
        if not self._skipping and self._size + len(frame) > self._most:
            self.left_out += len(self._held)
            self._held.clear()
            self._size = 0
            self._skipping = not keyframe
        if self._skipping:
            self.left_out += 1
            return
        self._held.append(frame)
        self._size += len(frame)
        self._ready.set()

    def end(self) -> None:
        self._over = True
        self._ready.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        while not self._held:
            if self._over:
                raise StopAsyncIteration
            self._ready.clear()
            await self._ready.wait()
        frame = self._held.popleft()
        self._size -= len(frame)
        return frame
