import asyncio
from collections.abc import Awaitable, Callable

from hypothesis import given
from hypothesis import strategies as st

from gateway.video.decoder.turns import Turns

Until = Callable[[Callable[[], object]], Awaitable[None]]


async def test_the_more_urgent_goes_first_and_equals_in_the_order_they_came() -> None:
    turns, served = Turns(), []

    async def ask(name: str, urgency: int) -> None:
        async with turns.turn(urgency):
            served.append(name)
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for name, urgency in (("first", 1), ("check", 1), ("late check", 1), ("picture", 0), ("late picture", 0)):
            group.create_task(ask(name, urgency))
    assert served == ["first", "picture", "late picture", "check", "late check"]
    assert turns.taken == 0


async def test_a_fault_passes_the_turn_on() -> None:
    turns = Turns()

    async def fail() -> None:
        async with turns.turn(0):
            await asyncio.sleep(0)
            raise ValueError

    results = await asyncio.gather(*(fail() for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [ValueError] * 3


@given(st.lists(st.tuples(st.integers(0, 2), st.none() | st.integers(0, 6)), min_size=1, max_size=12))
def test_whoever_goes_away_when_nobody_is_left_behind(script: list[tuple[int, int | None]]) -> None:
    """Tasks with an urgency, some cancelled after so many passes of the loop: all others are served, one at a time."""

    async def run() -> None:
        turns, inside, served = Turns(), 0, 0

        async def ask(urgency: int) -> None:
            nonlocal inside, served
            async with turns.turn(urgency):
                inside += 1
                assert inside == 1
                try:
                    await asyncio.sleep(0)
                    served += 1
                finally:
                    inside -= 1

        tasks = [asyncio.create_task(ask(urgency)) for urgency, _ in script]
        for passed in range(8):
            for task, (_, cancelled_after) in zip(tasks, script, strict=True):
                if cancelled_after == passed:
                    task.cancel()
            await asyncio.sleep(0)
        async with asyncio.timeout(60):
            results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(result is None or isinstance(result, asyncio.CancelledError) for result in results)
        assert sum(result is None for result in results) <= served
        assert turns.taken == 0
        async with asyncio.timeout(60), turns.turn(0):
            pass

    asyncio.run(run())
