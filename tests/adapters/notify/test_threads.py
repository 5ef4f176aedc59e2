import asyncio
import threading

import pytest

from adapters.notify.threads import Threads
from gateway.errors import TryLater


async def test_what_hangs_is_left_behind_and_counted() -> None:
    over, begun = threading.Event(), threading.Semaphore(0)
    threads = Threads(2)

    def hang() -> None:
        begun.release()
        over.wait(60)

    for _ in range(2):
        waiting = asyncio.create_task(threads.run(hang, 60))
        await asyncio.to_thread(begun.acquire, timeout=60)  # one that had not begun would give its place back
        waiting.cancel()
        await asyncio.wait([waiting])
    with pytest.raises(TryLater, match="still hanging"):
        await threads.run(lambda: True, 5)
    over.set()
    async with asyncio.timeout(60):
        while True:
            try:
                assert await threads.run(lambda: "done", 20) == "done"
                return
            except TryLater:
                await asyncio.sleep(0.01)


async def test_who_waits_too_long_is_told_so() -> None:
    over = threading.Event()
    with pytest.raises(TimeoutError):
        await Threads(1).run(lambda: over.wait(60), 0.05)
    over.set()


async def test_an_error_comes_to_who_waits_and_the_thread_is_free_again() -> None:
    threads = Threads(1)

    def fail() -> None:
        raise ZeroDivisionError

    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            async with asyncio.timeout(60):
                await _when_free(threads, fail)


async def test_no_thread_keeps_the_program_from_ending() -> None:
    seen: list[bool] = []
    await Threads(1).run(lambda: seen.append(threading.current_thread().daemon), 30)
    assert seen == [True]


async def _when_free(threads: Threads, work: object) -> None:
    while True:
        try:
            await threads.run(work, 20)  # type: ignore[arg-type]
        except TryLater:
            await asyncio.sleep(0.01)
        else:
            return
