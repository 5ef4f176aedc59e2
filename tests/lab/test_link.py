"""The link does to a real connection what its weather says."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from gateway.lab.link import CLEAR, FaultLink, Weather

Dial = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


@pytest.fixture
async def heard() -> list[bytes]:
    return []


@pytest.fixture
async def link(heard: list[bytes]) -> AsyncIterator[FaultLink]:
    echoing: set[asyncio.Task[None] | None] = set()

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        echoing.add(asyncio.current_task())
        try:
            with contextlib.suppress(OSError):
                while content := await reader.read(4096):
                    heard.append(content)
                    writer.write(content)
                    await writer.drain()
        finally:
            writer.close()
            echoing.discard(asyncio.current_task())

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    made = FaultLink(server.sockets[0].getsockname(), rng=random.Random(1))
    await made.start()
    yield made
    await made.close()
    server.close()
    await until(lambda: not echoing)  # the link has closed its side: none may be left open to warn in another test


@pytest.fixture
async def dial(link: FaultLink) -> AsyncIterator[Dial]:
    opened: list[asyncio.StreamWriter] = []

    async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
        opened.append(writer)
        return reader, writer

    yield connect
    for writer in opened:
        writer.close()


async def until(look: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not look():
            await asyncio.sleep(0.01)


async def ask(peer: tuple[asyncio.StreamReader, asyncio.StreamWriter], words: bytes) -> bytes:
    peer[1].write(words)
    async with asyncio.timeout(60):
        return await peer[0].readexactly(len(words))


async def test_a_clear_link_passes_both_ways_and_ends_with_its_peer(link: FaultLink, dial: Dial) -> None:
    peer = await dial()
    assert await ask(peer, b"hello") == b"hello"
    peer[1].write_eof()
    async with asyncio.timeout(60):
        assert await peer[0].read() == b""


async def test_nothing_comes_out_of_a_black_hole_until_it_is_gone(
    link: FaultLink, dial: Dial, heard: list[bytes]
) -> None:
    peer = await dial()
    await ask(peer, b"before")
    link.weather = Weather(black_hole=True)
    peer[1].write(b"lost?")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await peer[0].read(1)
    assert heard == [b"before"]
    link.weather = CLEAR
    async with asyncio.timeout(60):
        assert await peer[0].readexactly(5) == b"lost?"


async def test_a_half_open_connection_stays_silent_while_new_ones_are_well(link: FaultLink, dial: Dial) -> None:
    old = await dial()
    await ask(old, b"a")
    assert link.half_open() == 1
    old[1].write(b"b")
    new = await dial()
    assert await ask(new, b"c") == b"c"
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await old[0].read(1)


async def test_a_reset_is_a_reset(link: FaultLink, dial: Dial) -> None:
    peer = await dial()
    await ask(peer, b"a")
    assert link.reset() == 1
    with pytest.raises(ConnectionResetError):
        async with asyncio.timeout(60):
            await peer[0].read(1)


async def test_an_answer_is_cut_where_the_weather_says(link: FaultLink, dial: Dial) -> None:
    link.weather = Weather(truncate=3)
    reader, writer = await dial()
    writer.write(b"abcdef")
    async with asyncio.timeout(60):
        assert await reader.read() == b"abc"


async def test_a_repeated_request_arrives_twice_and_is_answered_once(
    link: FaultLink, dial: Dial, heard: list[bytes]
) -> None:
    link.weather = Weather(repeat=1.0)
    peer = await dial()
    assert await ask(peer, b"once") == b"once"
    await until(lambda: heard == [b"once", b"once"])
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await peer[0].read(1)


async def test_a_refused_connection_ends_at_once(link: FaultLink, dial: Dial) -> None:
    link.weather = Weather(refuse=True)
    reader, _ = await dial()
    async with asyncio.timeout(60):
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""


async def test_slow_and_late_is_not_lost(link: FaultLink, dial: Dial) -> None:
    link.weather = Weather(rate=50_000, delay=0.01, overtaken=0.05)
    assert await ask(await dial(), bytes(2000)) == bytes(2000)
