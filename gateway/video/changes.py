"""A count of changes that others can wait for; it never misses one."""

import asyncio


class Changes:
    """Counts up from 0. A reader remembers the count it has seen and waits for a greater one."""

    def __init__(self) -> None:
        self.count = 0
        self._next = asyncio.Event()

    def note(self) -> None:
        self.count += 1
        self.release()

    def release(self) -> None:
        """Let everyone who waits look again without a change: for the way down."""
        self._next.set()
        self._next = asyncio.Event()

    async def beyond(self, seen: int) -> int:
        while self.count <= seen:
            await self._next.wait()
        return self.count

    async def within(self, seen: int, seconds: float) -> int:
        """As ``beyond``, but at most this long, and at once when released."""
        if self.count <= seen:
            waiting = self._next
            try:
                async with asyncio.timeout(seconds):
                    await waiting.wait()
            except TimeoutError:
                pass
        return self.count


class NamedChanges(Changes):
    """Changes of named things: a reader that has seen a count asks which have changed since, and is told of those alone."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[str, int] = {}  # in the order of their last change

    def note(self, name: str | None = None) -> None:
        if name is not None:
            self._last.pop(name, None)
            self._last[name] = self.count + 1
        super().note()

    def forget(self, name: str) -> None:
        self._last.pop(name, None)

    def since(self, seen: int) -> list[tuple[str, int]]:
        """Each thing that changed after ``seen`` with its last change, oldest first."""
        found = []
        for name, count in reversed(self._last.items()):
            if count <= seen:
                break
            found.append((name, count))
        return found[::-1]
