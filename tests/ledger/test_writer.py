"""What is urgent is written before what is not, and nothing waits for ever."""

import asyncio
from typing import Any

from gateway.ledger.commits import GROUP, Job
from gateway.ledger.writer import Waiting


def job(name: str, *, urgent: bool = False) -> Job:
    future: Any = asyncio.Future
    return Job(lambda _: name, future, urgent)


def names(jobs: list[Job]) -> list[str]:
    return [each.work(None) for each in jobs]


def test_urgent_work_goes_first_and_takes_a_few_others_along() -> None:
    waiting = Waiting()
    for number in range(100):
        waiting.put(job(f"usual {number}"))
    waiting.put(job("press 1", urgent=True))
    waiting.put(job("press 2", urgent=True))
    jobs, ending = waiting.group(None)
    assert names(jobs)[:2] == ["press 1", "press 2"]
    assert names(jobs)[2:] == [f"usual {number}" for number in range(len(jobs) - 2)]
    assert 2 < len(jobs) < 20
    assert not ending
    jobs, _ = waiting.group(None)
    assert len(jobs) == GROUP


def test_in_a_storm_the_others_still_come_through() -> None:
    waiting = Waiting()
    waiting.put(job("usual"))
    for number in range(3 * GROUP):
        waiting.put(job(f"press {number}", urgent=True))
    assert "usual" in names(waiting.group(None)[0])


def test_the_end_comes_after_all_that_waits() -> None:
    waiting = Waiting()
    waiting.put(job("usual"))
    waiting.put(job("press", urgent=True))
    waiting.end()
    assert (names(waiting.group(None)[0]), waiting.empty()) == (["press", "usual"], True)
    assert waiting.group(None) == ([], True)


def test_patience_ends() -> None:
    assert Waiting().group(0.01) == ([], False)
