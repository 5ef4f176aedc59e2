import asyncio
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.supervision.governor import HEAD_START_S, Budget, DialQueue, Governor, Ticket
from gateway.supervision.place import Place


def place(host: int, subnet: int = 0) -> Place:
    return Place(f"10.0.{subnet}.{host}", 554, f"10.0.{subnet}.0/24")


def asked(queue: DialQueue, where: Place, rank: int = 2, now: float = 0.0) -> Ticket:
    ticket = Ticket(where, rank)
    queue.ask(ticket, now)
    return ticket


def taken(queue: DialQueue) -> list[Ticket]:
    found = []
    while (ticket := queue.take()) is not None:
        found.append(ticket)
    return found


def test_importance_goes_first_and_then_whoever_came_first() -> None:
    queue = DialQueue(Budget(box=10, subnet=10, host=10))
    late, early = asked(queue, place(1), 2, 1.0), asked(queue, place(2), 2, 0.5)
    wanted, important = asked(queue, place(3), 0, 2.0), asked(queue, place(4), 1, 2.0)
    assert taken(queue) == [wanted, important, early, late]


def test_a_full_subnet_does_not_hold_up_the_others() -> None:
    queue = DialQueue(Budget(box=64, subnet=2, host=1))
    dead = [asked(queue, place(number, 1), 1) for number in range(50)]
    alive = asked(queue, place(1, 2), 2, 9.0)
    assert taken(queue) == [*dead[:2], alive]
    queue.end(dead[0])
    assert taken(queue) == [dead[2]]


def test_a_full_host_does_not_hold_up_its_subnet() -> None:
    queue = DialQueue(Budget(box=64, subnet=16, host=4))
    recorder = [asked(queue, place(1), 1) for _ in range(64)]
    other = asked(queue, place(2), 2, 5.0)
    assert taken(queue) == [*recorder[:4], other]


def test_whoever_has_waited_long_goes_before_more_important_newcomers() -> None:
    queue = DialQueue(Budget(box=1))
    patient = asked(queue, place(1), 2, 0.0)
    important = asked(queue, place(2), 1, HEAD_START_S + 1)
    assert queue.take() is patient
    queue.end(patient)
    assert queue.take() is important


def test_hurry_puts_a_waiting_one_first() -> None:
    queue = DialQueue(Budget(box=1))
    busy = asked(queue, place(1), 1)
    assert queue.take() is busy
    others = [asked(queue, place(number), 1, 1.0) for number in range(2, 9)]
    queue.hurry(others[-1])
    queue.hurry(others[-1])
    queue.end(busy)
    assert taken(queue) == [others[-1]]
    queue.hurry(others[-1])  # under way: nothing to hurry
    queue.end(others[-1])
    assert queue.take() is others[0]


def test_ending_twice_or_never_asked_changes_nothing() -> None:
    queue = DialQueue(Budget(box=1))
    queue.end(Ticket(place(1), 1))
    ticket = asked(queue, place(1))
    queue.take()
    queue.end(ticket)
    queue.end(ticket)
    assert (queue.under_way, queue.waiting) == (0, 0)


steps = st.lists(
    st.tuples(
        st.sampled_from(["ask", "end", "withdraw", "hurry", "take"]),
        st.integers(1, 4),
        st.integers(0, 3),
        st.integers(-1, 12),
        st.integers(0, 1000),
    ),
    max_size=120,
)


@given(steps, st.integers(1, 6), st.integers(1, 4), st.integers(1, 3))
def test_budgets_are_never_exceeded_and_nobody_who_may_go_waits(
    steps: list[tuple[str, int, int, int, int]], box: int, subnet: int, host: int
) -> None:
    """Against a model that walks past everybody."""
    budget = Budget(box, subnet, host)
    queue, now = DialQueue(budget), 0.0
    waiting: dict[Ticket, tuple[float, int]] = {}
    under_way: list[Ticket] = []

    def may_go(ticket: Ticket) -> bool:
        hosts = Counter(each.place.host for each in under_way)
        subnets = Counter(each.place.subnet for each in under_way)
        return hosts[ticket.place.host] < host and subnets[ticket.place.subnet] < subnet and len(under_way) < box

    for number, (step, at_host, at_subnet, rank, pick) in enumerate(steps):
        now += pick / 50
        if step == "ask":
            ticket = asked(queue, place(at_host, at_subnet), rank, now)
            waiting[ticket] = (now + HEAD_START_S * min(9, max(0, rank)), number)
        elif step == "take":
            best = min(filter(may_go, waiting), key=lambda each: waiting[each], default=None)
            assert queue.take() is best
            if best is not None:
                del waiting[best]
                under_way.append(best)
        elif step == "end" and under_way:
            queue.end(under_way.pop(pick % len(under_way)))
        elif step == "withdraw" and waiting:
            gone = list(waiting)[pick % len(waiting)]
            del waiting[gone]
            queue.end(gone)
        elif step == "hurry" and waiting:
            hurried = list(waiting)[pick % len(waiting)]
            queue.hurry(hurried)
            waiting[hurried] = (hurried.asked_at, waiting[hurried][1])
        assert (queue.under_way, queue.waiting) == (len(under_way), len(waiting))
    for ticket in [*waiting, *under_way]:
        queue.end(ticket)
    assert (queue.under_way, queue.waiting, queue._subnets, queue._ready) == (0, 0, {}, [])


@given(st.lists(st.integers(0, 9), min_size=1, max_size=40))
def test_nobody_starves_however_important_the_others_are(ranks: list[int]) -> None:
    queue = DialQueue(Budget(box=1))
    humble = asked(queue, place(1), 9, 0.0)
    for turn in range(1000):
        asked(queue, place(2), ranks[turn % len(ranks)], float(turn))
        ticket = queue.take()
        assert ticket is not None
        queue.end(ticket)
        if ticket is humble:
            return
    pytest.fail("it never had its turn")


async def test_turns_are_given_as_others_end(clock: Any) -> None:
    governor = Governor(Budget(box=2), clock.mono)
    turns = [governor.ask(place(number), 1) for number in range(3)]
    await asyncio.gather(turns[0].come(), turns[1].come())
    third = asyncio.create_task(turns[2].come())
    await asyncio.sleep(0)
    assert not third.done()
    assert (governor.under_way, governor.waiting) == (2, 1)
    turns[0].end()
    await third
    turns[0].end()
    assert (governor.under_way, governor.waiting) == (2, 0)


async def test_who_is_cancelled_leaves_nothing_behind(clock: Any) -> None:
    governor = Governor(Budget(box=1), clock.mono)
    first = governor.ask(place(1), 1)
    waiters = [asyncio.create_task(governor.ask(place(number), 1).come()) for number in range(2, 30)]
    await asyncio.sleep(0)
    for waiter in waiters[:-1]:
        waiter.cancel()
    first.end()  # the turn is given in the same moment in which its receiver is cancelled
    waiters[-1].cancel()
    await asyncio.gather(*waiters, return_exceptions=True)
    assert (governor.under_way, governor.waiting) == (0, 0)
