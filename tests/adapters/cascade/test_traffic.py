import asyncio

import pytest

from adapters.cascade.traffic import HELPING, Helpings, Traffic


async def read_all(helpings):
    return [piece async for piece in helpings]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "clip"
    path.write_bytes(bytes(2 * HELPING + 1))
    return path


async def test_a_clear_way_is_not_waited_for(file):
    helpings = Helpings(file, Traffic(), give_way=3600)
    async with asyncio.timeout(60):
        assert [len(piece) for piece in await read_all(helpings)] == [HELPING, HELPING, 1]
    helpings.close()


async def test_a_helping_waits_until_the_last_that_is_urgent_is_through(file):
    traffic = Traffic()
    helpings = Helpings(file, traffic, give_way=3600)
    with traffic.urgent():
        with traffic.urgent():
            waiting = asyncio.create_task(anext(helpings))
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.02)
        assert not waiting.done()
    async with asyncio.timeout(60):
        assert len(await waiting) == HELPING
    helpings.close()


async def test_what_is_urgent_for_ever_stops_no_clip(file):
    traffic = Traffic()
    helpings = Helpings(file, traffic, give_way=0.01)
    with traffic.urgent():
        async with asyncio.timeout(60):
            assert len(await read_all(helpings)) == 3
    helpings.close()


async def test_closing_before_the_first_helping_is_nothing(file):
    Helpings(file, Traffic()).close()
