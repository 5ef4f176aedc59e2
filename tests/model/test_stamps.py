"""Ids: versions, and the order that everything read by id relies on."""

import random
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from gateway.model import RisingSeed, id_seed, uuid7


def made_of(seed: RisingSeed, count: int) -> list[str]:
    def make() -> list[str]:
        id_seed.set(seed)
        return [uuid7() for _ in range(count)]

    return copy_context().run(make)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=200), st.integers(0, 2**32))
def test_ids_rise_within_a_millisecond_and_over_it(steps, chance) -> None:
    moments, now = [], 1_700_000_000_000
    for step in steps:
        now += step
        moments.append(now)
    left = iter(moments)
    made = made_of(RisingSeed(lambda: next(left), random.Random(chance).randbytes), len(moments))
    assert made == sorted(set(made))
    assert [int(each.replace("-", ""), 16) >> 80 for each in made] == moments


def test_no_chance_runs_out_of_room() -> None:
    made = made_of(RisingSeed(lambda: 1, lambda count: b"\xff" * count), 10_000)
    assert made == sorted(set(made))
    assert {(UUID(each).version, UUID(each).variant) for each in made} == {(7, "specified in RFC 4122")}


def test_threads_make_no_id_twice() -> None:
    with ThreadPoolExecutor(8) as pool:
        made = [each for many in pool.map(lambda _: [uuid7() for _ in range(2_000)], range(8)) for each in many]
    assert len(set(made)) == len(made)


def test_a_clock_set_back_makes_ids_of_its_own_time() -> None:
    moments = iter([2_000, 1_000, 1_000])
    late, early, next_early = made_of(RisingSeed(lambda: next(moments), random.Random(1).randbytes), 3)
    assert early < next_early < late
