"""Turns come back, whatever becomes of who had one or waited for one."""

import asyncio

import pytest

from gateway.console import export_turns
from gateway.console.export_turns import AT_ONCE, ExportTurns
from gateway.console.problems import Problem


async def test_a_turn_comes_back_from_one_that_fails() -> None:
    turns = ExportTurns()
    for _ in range(AT_ONCE + 1):
        with pytest.raises(OSError, match="full"):
            async with turns.turn():
                raise OSError("full")


async def test_nobody_waits_without_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_turns, "WAIT_S", 0.01)
    turns = ExportTurns()
    taken = [turns.turn() for _ in range(AT_ONCE)]
    for each in taken:
        await each.__aenter__()
    with pytest.raises(Problem) as told:
        async with turns.turn():
            pass
    assert (told.value.status, told.value.headers) == (503, {"Retry-After": "10"})
    for each in taken:
        await each.__aexit__(None, None, None)
    async with turns.turn():
        pass


async def test_one_who_goes_while_waiting_takes_none_along() -> None:
    turns = ExportTurns()
    async with asyncio.timeout(20):
        taken = [turns.turn() for _ in range(AT_ONCE)]
        for each in taken:
            await each.__aenter__()
        waiting = turns.turn()
        gone = asyncio.create_task(waiting.__aenter__())
        await asyncio.sleep(0)
        gone.cancel()
        for each in taken:
            await each.__aexit__(None, None, None)
        with pytest.raises(asyncio.CancelledError):
            await gone
        again = [turns.turn() for _ in range(AT_ONCE)]
        for each in again:
            await each.__aenter__()
