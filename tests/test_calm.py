"""Who may wait lets many presses by, but not for ever."""

import asyncio

from gateway.calm import Calm


async def test_few_presses_disturb_nobody() -> None:
    calm = Calm()
    with calm.disturbed():
        assert calm
        async with asyncio.timeout(60):
            await calm.rest(3600)


async def test_many_do_until_they_are_on_disk() -> None:
    calm = Calm()
    with calm.disturbed(), calm.disturbed(), calm.disturbed():
        with calm.disturbed():
            assert not calm
            waiting = asyncio.ensure_future(calm.rest(3600))
            await asyncio.sleep(0)
            assert not waiting.done()
        assert calm
        async with asyncio.timeout(60):
            await waiting


async def test_nobody_waits_for_the_end_of_a_storm() -> None:
    calm = Calm()
    with calm.disturbed(), calm.disturbed(), calm.disturbed(), calm.disturbed():
        async with asyncio.timeout(60):
            await calm.rest(0.01)
        assert not calm
