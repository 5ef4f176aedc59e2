import asyncio

from gateway.video.changes import Changes


async def test_a_change_noted_before_is_seen_at_once() -> None:
    changes = Changes()
    changes.note()
    changes.note()
    assert await changes.beyond(0) == 2
    assert await changes.within(1, 60) == 2


async def test_waiters_are_woken_by_the_next_change() -> None:
    changes = Changes()
    waiting = [asyncio.create_task(changes.beyond(0)) for _ in range(3)]
    await asyncio.sleep(0)
    changes.note()
    assert await asyncio.wait_for(asyncio.gather(*waiting), 60) == [1, 1, 1]


async def test_a_release_without_a_change_ends_only_bounded_waits() -> None:
    changes = Changes()
    bounded, patient = asyncio.create_task(changes.within(0, 600)), asyncio.create_task(changes.beyond(0))
    await asyncio.sleep(0)
    changes.release()
    assert await asyncio.wait_for(bounded, 60) == 0
    assert not patient.done()
    changes.note()
    assert await asyncio.wait_for(patient, 60) == 1


async def test_a_bounded_wait_ends_by_itself() -> None:
    assert await asyncio.wait_for(Changes().within(0, 0.01), 60) == 0
