import asyncio

from gateway.video.devices.farewell import AT_ONCE, farewell


class Session:
    """One whose goodbye lasts until ``free``."""

    saying = 0
    most = 0

    def __init__(self, free: asyncio.Event) -> None:
        self.said = False
        self._free = free
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            Session.saying += 1
            Session.most = max(Session.most, Session.saying)
            try:
                await self._free.wait()
                self.said = True
            finally:
                Session.saying -= 1


async def begun(count: int, free: asyncio.Event) -> list[Session]:
    Session.saying = Session.most = 0
    sessions = [Session(free) for _ in range(count)]
    await asyncio.sleep(0)
    return sessions


async def test_all_say_goodbye_so_many_at_a_time() -> None:
    free = asyncio.Event()
    sessions = await begun(3 * AT_ONCE, free)
    leaving = asyncio.create_task(farewell([session.task for session in sessions], 60))
    async with asyncio.timeout(60):
        while Session.saying < AT_ONCE:
            await asyncio.sleep(0)
        for _ in range(20):
            await asyncio.sleep(0)
        free.set()
        await leaving
    assert Session.most == AT_ONCE
    assert all(session.said and session.task.cancelled() for session in sessions)


async def test_who_has_no_time_left_ends_without_a_goodbye() -> None:
    sessions = await begun(2 * AT_ONCE, asyncio.Event())
    async with asyncio.timeout(60):
        await farewell([session.task for session in sessions], 0.05)
    assert all(session.task.cancelled() for session in sessions)
    assert not any(session.said for session in sessions)


async def test_nobody_to_part_from() -> None:
    await farewell([], 60)
