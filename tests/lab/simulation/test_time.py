"""Virtual time: hours pass in no time, in the same order in every run."""

import asyncio
import time
from datetime import timedelta
from typing import Any

import pytest

from gateway.lab.simulation.time import START, NodeClock, Stalled, VirtualLoop


def run(work: Any) -> Any:
    loop = VirtualLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(work)


def test_a_year_passes_at_once() -> None:
    async def sleeping() -> float:
        await asyncio.sleep(365 * 24 * 3600)
        return asyncio.get_running_loop().time()

    assert run(sleeping()) == pytest.approx(365 * 24 * 3600)


def test_whoever_is_due_first_runs_first() -> None:
    heard: list[str] = []

    async def after(seconds: float, name: str) -> None:
        await asyncio.sleep(seconds)
        heard.append(name)

    async def all_of_them() -> None:
        await asyncio.gather(after(3, "c"), after(1, "a"), after(2, "b"))

    run(all_of_them())
    assert heard == ["a", "b", "c"]


def test_what_is_handed_to_a_thread_runs_on_the_loop() -> None:
    async def work() -> tuple[int, str]:
        answer = await asyncio.to_thread(lambda: 42)
        try:
            await asyncio.to_thread(_broken)
        except ValueError as error:
            return answer, str(error)
        raise AssertionError

    assert run(work()) == (42, "broken")


def test_a_hang_is_an_error() -> None:
    async def forever() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Stalled):
        run(forever())


def test_sets_of_tasks_have_the_same_order_in_every_run() -> None:
    async def order() -> list[int]:
        tasks = {asyncio.create_task(asyncio.sleep(0)) for _ in range(50)}
        numbers = [hash(task) for task in tasks]
        await asyncio.gather(*tasks)
        return numbers

    assert run(order()) == run(order())


def test_a_node_has_a_wall_clock_of_its_own() -> None:
    async def clocks() -> tuple[Any, Any, float]:
        clock = NodeClock(asyncio.get_running_loop())
        await clock.sleep(5)
        right = clock.now()
        clock.error = timedelta(days=-20_513)
        return right, clock.now(), clock.mono()

    right, wrong, mono = run(clocks())
    assert (right, mono) == (START + timedelta(seconds=5), 5.0)
    assert wrong.year == 1969 or wrong.year == 1970


def _broken() -> None:
    raise ValueError("broken")


def test_real_time_does_not_pass() -> None:
    before = time.monotonic()
    run(asyncio.sleep(10_000))
    assert time.monotonic() - before < 1_000
