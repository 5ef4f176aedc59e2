"""Whose a view is, and that it ends with the right that opened it."""

import asyncio
from collections.abc import Callable

import pytest

from gateway.console.auth import Caller
from gateway.console.looks import Looks
from gateway.console.watching import Watching
from gateway.model import Principal

WANG = Caller(Principal("wang", "operator"), token="t1")
LI = Caller(Principal("li", "operator"), token="t2")


class Live:
    def __init__(self) -> None:
        self.there = {"v1", "v2"}
        self.warmed = 0

    async def warm(self):
        self.warmed += 1

    async def trickle(self, session_id, fragment):
        return session_id in self.there

    async def close(self, session_id):
        self.there.discard(session_id)
        return True

    async def end_of(self, viewer):
        raise AssertionError("nobody logs out here")


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_view_ends_when_its_opener_may_look_no_longer() -> None:
    live, allowed = Live(), {"wang", "li"}

    async def may(caller, camera_id):
        return caller.principal.name in allowed

    watching = Watching(live, may, look_every=0.01)  # type: ignore[arg-type]
    watching.began("v1", WANG, "cam-1", "e")
    watching.began("v2", LI, "cam-1", "e")
    allowed.remove("wang")
    await until(lambda: live.there == {"v2"})
    ended = watching.view("v1", WANG, "cam-1")
    assert ended is not None and ended.ended
    live.there.clear()  # the browser went away without a word
    going = watching.view("v2", LI, "cam-1")
    assert going is not None
    await until(lambda: going.ended)
    guard = watching._guard
    assert guard is not None
    await asyncio.wait_for(guard, 30)  # nobody watches: nothing runs


async def test_who_sits_at_the_console_finds_the_process_ready() -> None:
    live, now = Live(), [100.0]

    async def may(caller, camera_id):
        return True

    watching = Watching(live, may, mono=lambda: now[0])  # type: ignore[arg-type]
    for _ in range(3):
        watching.present()
        await asyncio.sleep(0)
    assert live.warmed == 1
    now[0] += 60
    watching.present()
    await until(lambda: live.warmed == 2)


async def test_looks_that_belong_together_are_one_line() -> None:
    looks, lines = Looks(), []

    async def write():
        await asyncio.sleep(0)
        lines.append(1)

    await asyncio.gather(*(looks.note("wang/1", "cam-1", "fire", 100.0, write) for _ in range(3)))
    assert len(lines) == 1
    for second in range(0, 600, 10):
        await looks.note("wang/1", "cam-1", "fire", 100.0 + second, write)
    assert len(lines) == 1
    await looks.note("wang/1", "cam-1", "fire", 701.0, write)
    assert len(lines) == 2  # one that goes on is written down again
    await looks.note("wang/1", "cam-1", "fire", 711.5, write)
    for other in (("wang/2", "cam-1", "fire"), ("wang/1", "cam-2", "fire"), ("wang/1", "cam-1", "theft")):
        await looks.note(*other, 711.5, write)
    assert len(lines) == 6


async def test_a_look_whose_line_could_not_be_written_shows_nothing_and_is_written_by_the_next() -> None:
    looks, lines = Looks(), []

    async def fail():
        raise OSError("full")

    async def write():
        lines.append(1)

    for _ in range(2):
        with pytest.raises(OSError, match="full"):
            await looks.note("wang/1", "cam-1", "fire", 1.0, fail)
    await looks.note("wang/1", "cam-1", "fire", 1.0, write)
    assert lines == [1]
