import asyncio
import json

import pytest

from adapters.cascade.answers import HttpAnswer
from adapters.cascade.posting import Posting
from gateway.canonical import sha256_hex
from gateway.errors import Refused, TryLater, TurnedAway, Unreachable
from gateway.model import Receipt


class Upper:
    """Answers once it is let; keeps what each request held."""

    def __init__(self):
        self.requests: list[list[bytes]] = []
        self.let = asyncio.Event()
        self.poison: set[bytes] = set()
        self.filtered: set[bytes] = set()  # a filter on the way answers for these
        self.takes_lists = True
        self.fault = None

    async def ask(self, events):
        self.requests.append(events)
        await self.let.wait()
        if self.fault is not None:
            raise self.fault
        if self.filtered & set(events):
            return HttpAnswer(400, {"Content-Type": "text/html"}, b"<h1>Bad Request</h1>")
        if len(events) > 1 and not self.takes_lists:
            return HttpAnswer(415, {}, b"")
        named = [(json.loads(event)["id"], sha256_hex(event)) for event in events if event not in self.poison]
        receipts = [{"id": id, "sha256": sha, "seq": 1, "committed_at": "2026-01-31T08:00:00Z"} for id, sha in named]
        refused = [{"id": json.loads(event)["id"], "reason": "bad"} for event in events if event in self.poison]
        return HttpAnswer(200, {}, json.dumps({"receipts": receipts, "refused": refused}).encode())


@pytest.fixture
async def upper():
    return Upper()


@pytest.fixture
async def posting(upper):
    made = Posting(upper.ask, lambda: "http://county", width=2)
    yield made
    await made.close()


def body(number, size=10):
    return json.dumps({"id": f"e{number}", "x": "y" * size}).encode()


async def _begun(posting, *numbers, size=10):
    sends = [asyncio.create_task(posting.send(f"e{number}", body(number, size))) for number in numbers]
    for _ in range(5):
        await asyncio.sleep(0)
    return sends


async def test_the_first_go_alone_and_what_comes_meanwhile_goes_together(upper, posting):
    sends = await _begun(posting, *range(12))
    assert [len(events) for events in upper.requests] == [1, 1]
    upper.let.set()
    receipts = await asyncio.gather(*sends)
    assert [receipt.id for receipt in receipts] == [f"e{number}" for number in range(12)]
    assert [len(events) for events in upper.requests] == [1, 1, 10]


async def test_a_list_is_bounded_in_bytes_and_in_events(upper, posting):
    small, large = await _begun(posting, *range(70)), await _begun(posting, *range(100, 104), size=20_000)
    upper.let.set()
    await asyncio.gather(*small, *large)
    assert max(len(events) for events in upper.requests) == 32
    assert max(sum(map(len, events)) for events in upper.requests if len(events) > 1) <= 30 * 1024


async def test_one_that_is_refused_is_refused_alone(upper, posting):
    upper.poison.add(body(5))
    sends = await _begun(posting, *range(8))
    upper.let.set()
    ends = await asyncio.gather(*sends, return_exceptions=True)
    assert [number for number, end in enumerate(ends) if isinstance(end, Refused)] == [5]


async def test_one_that_a_filter_turns_away_is_turned_away_alone(upper, posting):
    upper.filtered.add(body(5))
    sends = await _begun(posting, *range(8))
    upper.let.set()
    ends = await asyncio.gather(*sends, return_exceptions=True)
    assert [number for number, end in enumerate(ends) if isinstance(end, TurnedAway)] == [5]
    assert sum(isinstance(end, Receipt) for end in ends) == 7


async def test_an_upper_node_that_takes_no_lists_gets_them_one_by_one(upper, posting):
    upper.takes_lists = False
    sends = await _begun(posting, *range(8))
    upper.let.set()
    assert len(await asyncio.gather(*sends)) == 8


@pytest.mark.parametrize("fault", [Unreachable("gone"), TryLater("busy", 3.0)])
async def test_what_befalls_a_request_is_told_to_all_in_it(upper, posting, fault):
    upper.fault = fault
    sends = await _begun(posting, *range(6))
    upper.let.set()
    ends = await asyncio.gather(*sends, return_exceptions=True)
    assert all(end is fault for end in ends)


async def test_who_gives_up_before_its_turn_is_not_sent_and_holds_nobody_up(upper, posting):
    sends = await _begun(posting, *range(6))
    sends[0].cancel()  # under way
    sends[4].cancel()  # waiting
    await asyncio.sleep(0)
    upper.let.set()
    ends = await asyncio.gather(*sends, return_exceptions=True)
    assert [type(end).__name__ for end in ends] == [
        "CancelledError",
        *["Receipt"] * 3,
        "CancelledError",
        "Receipt",
    ]
    assert body(4) not in [event for events in upper.requests for event in events]
