import asyncio

from hypothesis import given
from hypothesis import strategies as st

from gateway.budget import Bucket, Budget


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(1, 5_000)), max_size=60), st.integers(1_000, 100_000))
def test_over_any_time_no_more_goes_than_the_rate_allows_and_one_helping(asks, rate):
    bucket, now, gone = Bucket(rate, 0.0), 0.0, 0
    largest = max((size for _, size in asks), default=0)
    for pause, size in asks:
        now += pause
        now += bucket.wait(now)
        assert bucket.wait(now) == 0
        bucket.take(size, now)
        gone += size
        assert gone <= rate * (now + 0.25) + largest + 1


def test_urgent_bytes_are_never_held_and_others_pay_for_them_within_seconds():
    bucket = Bucket(1_000, 0.0)
    bucket.take(1_000_000, 0.0)
    assert 4.9 < bucket.wait(0.0) < 5.1
    assert bucket.wait(6.0) == 0


def test_a_clock_that_goes_back_gives_nothing_and_takes_nothing():
    bucket = Bucket(1_000, 100.0)
    bucket.take(1_250, 100.0)
    assert bucket.wait(50.0) == bucket.wait(50.0) > 0
    assert bucket.wait(52.0) == 0


async def test_without_a_budget_nobody_waits():
    budget = Budget(None)
    budget.count(10**9)
    await budget.spend(10**9, 4)
    assert budget.helping == 64 * 1024


async def test_the_more_urgent_goes_first_and_who_gave_up_takes_nothing():
    standing = True  # until all have asked, however long that takes

    def clock():
        return 0.0 if standing else asyncio.get_running_loop().time() - began

    budget, order = Budget(800_000, clock), []  # 100 kB/s
    budget.count(30_000)

    async def spend(name, urgency):
        await budget.spend(1_000, urgency)
        order.append(name)

    asked = [("clip", 4), ("health", 3), ("gone", 2), ("picture", 2), ("picture too", 2)]
    tasks = {name: asyncio.create_task(spend(name, urgency)) for name, urgency in asked}
    await asyncio.sleep(0)
    tasks.pop("gone").cancel()
    began, standing = asyncio.get_running_loop().time(), False
    await asyncio.gather(*tasks.values())
    assert order == ["picture", "picture too", "health", "clip"]


async def test_a_helping_is_an_eighth_of_a_second_of_a_thin_link():
    assert Budget(64_000).helping == 1_024
    assert Budget(1_000_000).helping == 15_625
