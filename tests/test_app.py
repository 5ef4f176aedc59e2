"""The running of a node: what the program does around it."""

import asyncio
import gc
import weakref

from gateway import app


class _Sleeper:
    """A clock that sleeps until it is told that the time is over."""

    def __init__(self) -> None:
        self.asleep, self.over = asyncio.Event(), asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.asleep.set()
        await self.over.wait()
        self.over.clear()


async def test_what_a_node_started_with_is_not_looked_at_by_the_collector_and_rings_made_later_are_freed():
    class Ring:
        def __init__(self) -> None:
            self.itself = self

    threshold, clock = gc.get_threshold(), _Sleeper()
    keeper = asyncio.create_task(app._collect_garbage(clock))
    try:
        async with asyncio.timeout(60):
            await clock.asleep.wait()
            assert gc.get_freeze_count() > 10_000
            ring = weakref.ref(Ring())
            clock.asleep.clear()
            clock.over.set()
            await clock.asleep.wait()
        assert ring() is None
    finally:
        gc.unfreeze()
        gc.set_threshold(*threshold)
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)
