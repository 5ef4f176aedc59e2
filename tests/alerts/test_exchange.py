"""What nodes may say about each other, on real ledgers: county above zhuyang (with village xinmin below it) and longmen."""

import asyncio
import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.alerts import feed_times
from gateway.alerts.exchange import LedgerExchange
from gateway.alerts.upper import ABOVE, LedgerUpper
from gateway.canonical import sha256_hex
from gateway.codec import entry_digest
from gateway.ledger.sqlite import SqliteLedger
from gateway.model import Draft, Entry, Receipt, utc_now
from gateway.ports import Arrival, Report
from gateway.supervision.clock import SystemClock

AT = datetime(2026, 1, 31, 8, 0, 0, 123000, tzinfo=UTC)
BASE = {"kind": "sos", "severity": 1, "status": "actual", "source": {"type": "terminal", "id": "tv-1"}, "title": "sos"}


def entry(node: str, number: int, action: str = "note", alert: str = "a1", **changes) -> Entry:
    data = {"base": BASE} if action == "raised" else {}
    values = {
        "parents": (),
        "at": AT,
        "actor": "wang",
        "data": data,
        "id": f"{node}-{number}",
        "comment": None,
    } | changes
    return Entry(alert_id=alert, node=node, seq=number, action=action, **values)


def arrivals(*entries: Entry) -> list[Arrival]:
    return [Arrival(one, entry_digest(one)) for one in entries]


def report(number: int, node: str = "zhuyang", kind: str = "gateway.health.v1", size: int = 100) -> Report:
    return Report(f"r{number}", kind, node, "0" * 64, size, {"n": number})


@pytest.fixture
async def ledger(tmp_path):
    opened = await SqliteLedger.open(tmp_path / "county.db", "county", SystemClock())
    yield opened
    await opened.close()


class Below:
    """Remembers what it was told, and takes no more nodes once it is ``full``."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, str]] = []
        self.visitors: list[str] = []
        self.full = False
        self.bites = 0
        self.begun: list[str] = []

    def heard(self, sender: str) -> None:
        self.visitors.append(sender)

    def refusal(self, node: str, sender: str) -> str | None:
        return "no more" if self.full else None

    def taking(self, report: Report, sender: str) -> Iterator[None]:
        self.begun.append(report.id)
        for _ in range(self.bites):
            yield
        self.taken.append((report.id, sender))


@pytest.fixture
def below() -> Below:
    return Below()


@pytest.fixture
def exchange(ledger, below):
    return LedgerExchange(ledger, "county", has_token=lambda node: node in ("zhuyang", "longmen"), below=below)


async def positions(ledger) -> list[str]:
    return [item.entry.id for item in await ledger.read(lambda reader: reader.feed(0, 1000))]


async def test_a_node_speaks_for_itself_and_for_those_reached_through_it(ledger, exchange):
    said = arrivals(
        entry("zhuyang", 1, "raised", "a1"),
        entry("xinmin", 1, "raised", "a2"),
        entry("zhuyang", 2, alert="a2"),
        entry("xinmin", 2, alert="a2"),
    )
    answers = await exchange.admit("zhuyang", said)
    assert [answer.seq for answer in answers] == [1, 2, 3, 4]
    assert await ledger.read(lambda reader: (reader.route("xinmin"), reader.route("zhuyang"))) == ("zhuyang", "zhuyang")


async def test_what_a_node_says_about_others_nodes_is_refused_and_the_others_go_on(ledger, exchange):
    await exchange.admit("zhuyang", arrivals(entry("zhuyang", 1, "raised"), entry("xinmin", 1, "raised", "a2")))
    said = arrivals(
        entry("zhuyang", 9),  # in another node's name
        entry("xinmin", 9, alert="b9"),  # in the name of a village that is reached another way
        entry("county", 9, alert="b1"),  # in our own name
        entry("longmen", 2, alert="a1"),  # about another node's alert
        entry("longmen", 3, alert="a2"),  # about an alert of another node's village
        entry("longmen", 1, "raised", "b1"),
    )
    *refused, good = await exchange.admit("longmen", said)
    assert all(isinstance(answer, str) for answer in refused)
    assert isinstance(good, Receipt)
    assert await positions(ledger) == ["zhuyang-1", "xinmin-1", "longmen-1"]


async def test_nobody_below_releases_what_this_node_holds_whatever_level_it_claims(ledger, exchange):
    await exchange.admit("zhuyang", arrivals(entry("zhuyang", 1, "raised")))
    await ledger.write(lambda tx: tx.append(Draft("a1", "hold", "li", AT, "法院", {"level": "county"})))
    [hold] = [each.entry.id for each in await ledger.read(lambda reader: reader.entries("a1"))][1:]
    said = arrivals(
        entry("zhuyang", 2, "release", data={"level": "city"}, parents=(hold,)),
        entry("made-up", 1, "release", data={"level": "county"}, parents=(hold,)),
        entry("zhuyang", 3, "hold", data={"level": "city"}, parents=(hold,)),
        entry("zhuyang", 4, "release", data={"level": "city"}, parents=(hold, "zhuyang-3")),
        entry("zhuyang", 5, "release", data={"level": "township"}, parents=(hold,)),
    )
    first, second, third, fourth, fifth = await exchange.admit("zhuyang", said)
    assert "is held by county" in first and "is held by county" in second and "is held by county" in fourth
    assert isinstance(third, Receipt) and isinstance(fifth, Receipt)
    stored = await ledger.read(lambda reader: reader.alert("a1"))
    assert "held" in stored.alert.detail


async def test_a_node_that_holds_a_token_is_not_spoken_for_even_before_it_was_heard(exchange):
    [answer] = await exchange.admit("zhuyang", arrivals(entry("longmen", 1, "raised", "b1")))
    assert "longmen is not below zhuyang" in answer
    [answer] = await exchange.admit("longmen", arrivals(entry("longmen", 1, "raised", "b1")))
    assert isinstance(answer, Receipt)
    [answer] = await exchange.admit("zhuyang", arrivals(entry("longmen", 1, "raised", "b1")))  # not even word for word
    assert "longmen is not below zhuyang" in answer


async def test_our_own_entry_is_acknowledged_where_it_is_exactly_ours(ledger, exchange):
    await exchange.admit("zhuyang", arrivals(entry("zhuyang", 1, "raised")))
    ours = await ledger.write(lambda tx: tx.append(Draft("a1", "acknowledge", "wang", AT)))
    forged = Entry(**{**{name: getattr(ours, name) for name in ours.__slots__}, "comment": "forged"})
    echo, refusal = await exchange.admit("zhuyang", [*arrivals(ours), *arrivals(forged)])
    assert (echo.id, echo.seq) == (ours.id, 2)
    assert isinstance(refusal, str)
    assert await positions(ledger) == ["zhuyang-1", ours.id]


async def test_a_repeat_gets_the_first_receipt_with_the_digest_of_its_own_bytes(exchange):
    one = entry("zhuyang", 1, "raised")
    [first] = await exchange.admit("zhuyang", [Arrival(one, "1" * 64)])
    await exchange.admit("zhuyang", arrivals(entry("zhuyang", 2)))
    [same, differently_written] = await exchange.admit("zhuyang", [Arrival(one, "1" * 64), Arrival(one, "2" * 64)])
    assert same == first
    assert differently_written == Receipt(first.id, "2" * 64, first.seq, first.committed_at)


async def test_another_content_under_a_known_id_is_refused_and_spoils_nothing(ledger, exchange):
    await exchange.admit("zhuyang", arrivals(entry("zhuyang", 1, "raised")))
    changed = entry("zhuyang", 1, "raised", comment="changed")
    before, refusal, after = await exchange.admit(
        "zhuyang", arrivals(entry("zhuyang", 2), changed, entry("zhuyang", 3))
    )
    assert (before.seq, after.seq) == (2, 3)
    assert "zhuyang-1" in refusal
    assert await positions(ledger) == ["zhuyang-1", "zhuyang-2", "zhuyang-3"]


async def test_an_alert_is_raised_once(exchange):
    await exchange.admit("zhuyang", arrivals(entry("zhuyang", 1, "raised")))
    [answer] = await exchange.admit("zhuyang", arrivals(entry("zhuyang", 2, "raised")))
    assert "raised before" in answer


async def test_entries_may_come_before_the_one_that_raised_their_alert(ledger, exchange):
    answers = await exchange.admit("zhuyang", arrivals(entry("zhuyang", 2), entry("zhuyang", 1, "raised")))
    assert all(isinstance(answer, Receipt) for answer in answers)
    assert (await ledger.read(lambda reader: reader.alert("a1"))).alert.node == "zhuyang"


async def test_a_list_longer_than_one_bite_is_taken_whole_and_in_order(exchange):
    followers = (entry("zhuyang", number, parents=(f"zhuyang-{number - 1}",)) for number in range(2, 131))
    said = [entry("zhuyang", 1, "raised"), *followers]
    answers = await exchange.admit("zhuyang", arrivals(*said))
    assert [answer.seq for answer in answers] == list(range(1, 131))


async def test_numbers_rise_over_entries_and_reports_and_stay_with_a_repeat(exchange):
    mixed = [report(1), *arrivals(entry("zhuyang", 1, "raised")), report(2), report(3), *arrivals(entry("zhuyang", 2))]
    answers = await exchange.admit("zhuyang", mixed)
    numbers = [answer.seq for answer in answers]
    assert numbers == sorted(set(numbers))
    assert await exchange.admit("zhuyang", mixed) == answers


async def test_reports_are_handed_on_once_each_and_only_of_the_senders_subtree(exchange, below):
    answers = await exchange.admit(
        "zhuyang", [report(1), report(2), report(3, "xinmin"), report(4, "longmen"), report(5, "county")]
    )
    assert [isinstance(answer, Receipt) for answer in answers] == [True, True, True, False, False]
    assert below.taken == [("r1", "zhuyang"), ("r2", "zhuyang"), ("r3", "zhuyang")]
    await exchange.admit("zhuyang", [report(1), report(2)])
    assert len(below.taken) == 3, "neither a repeat nor one that was overtaken says anything new"


async def test_a_report_is_taken_bite_by_bite_and_anew_where_its_sender_went_away_meanwhile(exchange, below):
    below.bites = 10**9
    sending = asyncio.create_task(exchange.admit("zhuyang", [report(1)]))
    while not below.begun:
        await asyncio.sleep(0.01)
    below.bites = 3
    await exchange.admit("longmen", [report(2, "longmen")])  # nobody waits for the endless one
    assert below.taken == [("r2", "longmen")]
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    await exchange.admit("zhuyang", [report(1)])
    assert below.taken == [("r2", "longmen"), ("r1", "zhuyang")]


async def test_whoever_keeps_reports_may_refuse_more_nodes_and_no_way_is_learned_of_those(ledger, exchange, below):
    below.full = True
    [answer] = await exchange.admit("zhuyang", [report(1, "xinmin")])
    assert answer == "no more"
    assert await ledger.read(lambda reader: reader.route("xinmin")) is None


async def test_every_kind_of_visit_is_a_sign_of_life(exchange, below):
    await exchange.admit("zhuyang", [])
    await exchange.digest("longmen", AT, AT)
    stream = exchange.downlink("xinmin", 0)
    waiting = asyncio.ensure_future(anext(stream))
    while len(below.visitors) < 3:
        await asyncio.sleep(0.01)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert below.visitors == ["zhuyang", "longmen", "xinmin"]


async def test_the_digest_is_of_what_came_from_one_node_in_a_span_of_time(exchange):
    said = [report(1), *arrivals(entry("zhuyang", 1, "raised"), entry("xinmin", 1, "raised", "a2"))]
    receipts = (await exchange.admit("zhuyang", said))[1:]
    await exchange.admit("longmen", arrivals(entry("longmen", 1, "raised", "b1")))
    first, last = receipts[0].committed_at, receipts[-1].committed_at
    digest = await exchange.digest("zhuyang", first, last + timedelta(milliseconds=1))
    lines = "".join(f"{receipt.seq} {receipt.id} {receipt.sha256}\n" for receipt in receipts)
    assert (digest.count, digest.sha256) == (2, sha256_hex(lines.encode()))
    assert (await exchange.digest("zhuyang", first - timedelta(hours=1), first)).count == 0


async def test_a_digest_reads_the_blocks_of_the_feed_that_its_span_lies_in_wherever_the_clock_was(
    ledger, exchange, monkeypatch
):
    monkeypatch.setattr(feed_times, "_BLOCK", 4)
    receipts = []
    for number in range(1, 24):
        receipts += await exchange.admit("zhuyang", arrivals(entry("zhuyang", number, "raised", f"a{number}")))
        digest = await exchange.digest("zhuyang", AT, datetime.max.replace(tzinfo=UTC))  # grows with the feed
        assert digest.count == len(receipts)
        while utc_now() <= receipts[-1].committed_at:  # each in a millisecond of its own
            await asyncio.sleep(0)
    times = sorted({receipt.committed_at for receipt in receipts})
    for since, until in itertools.combinations([times[0], times[7], times[8], times[-1]], 2):
        spanned = [receipt for receipt in receipts if since <= receipt.committed_at < until]
        lines = "".join(f"{receipt.seq} {receipt.id} {receipt.sha256}\n" for receipt in spanned)
        digest = await exchange.digest("zhuyang", since, until)
        assert (digest.count, digest.sha256) == (len(spanned), sha256_hex(lines.encode()))


async def hear(exchange, node, after, count):
    feed = exchange.downlink(node, after)
    async with asyncio.timeout(60):
        heard = [await anext(feed) for _ in range(count)]
    await feed.aclose()
    return heard


async def test_the_downlink_is_what_was_done_above_about_ones_own(ledger, exchange):
    await exchange.admit("zhuyang", arrivals(entry("zhuyang", 1, "raised"), entry("xinmin", 1, "raised", "a2")))
    await exchange.admit("longmen", arrivals(entry("longmen", 1, "raised", "b1")))
    done = [
        await ledger.write(lambda tx, a=a: tx.append(Draft(a, "acknowledge", "wang", AT))) for a in ("b1", "a1", "a2")
    ]
    await LedgerUpper(ledger, "city").take(1, entry("city", 1))
    heard = await hear(exchange, "zhuyang", 0, 3)
    assert [item.entry.id for item in heard] == [done[1].id, done[2].id, "city-1"]
    assert [item.entry.id for item in await hear(exchange, "zhuyang", heard[0].position, 2)] == [done[2].id, "city-1"]
    assert [item.entry.id for item in await hear(exchange, "longmen", 0, 1)] == [done[0].id]


async def test_the_downlink_goes_on_as_entries_come_and_over_long_stretches_of_others(ledger, exchange):
    await exchange.admit("zhuyang", arrivals(entry("zhuyang", 1, "raised")))
    feed = exchange.downlink("zhuyang", 0)
    waiting = asyncio.create_task(anext(feed))
    await exchange.admit("longmen", arrivals(*(entry("longmen", n, "raised", f"b{n}") for n in range(1, 451))))
    assert not waiting.done()
    ours = await ledger.write(lambda tx: tx.append(Draft("a1", "acknowledge", "wang", AT)))
    async with asyncio.timeout(60):
        assert (await waiting).entry == ours
    await feed.aclose()
    assert [item.entry for item in await hear(exchange, "zhuyang", 0, 1)] == [ours]


async def test_a_position_from_before_our_ledger_was_restored_starts_over(ledger, exchange):
    await exchange.admit("zhuyang", arrivals(entry("zhuyang", 1, "raised")))
    ours = await ledger.write(lambda tx: tx.append(Draft("a1", "acknowledge", "wang", AT)))
    assert [item.entry for item in await hear(exchange, "zhuyang", 10_000, 1)] == [ours]


async def test_an_entry_from_above_is_taken_with_its_position(ledger):
    await ledger.write(lambda tx: tx.append(Draft("a1", "raised", "terminal/tv-1", AT, data={"base": BASE})))
    upper = LedgerUpper(ledger, "city")
    assert await upper.bookmark() == 0
    for _ in range(2):
        await upper.take(17, entry("city", 1, "acknowledge"))
    assert await upper.bookmark() == 17
    assert (await ledger.read(lambda reader: reader.alert("a1"))).alert.accepted_by == "wang"
    assert len(await positions(ledger)) == 2


async def test_what_an_upper_node_may_not_say_is_passed_over_and_stops_nothing(ledger, exchange):
    await exchange.admit("zhuyang", arrivals(entry("zhuyang", 1, "raised")))
    upper = LedgerUpper(ledger, "city")
    await upper.take(1, entry("city", 1, alert="unknown"))
    await upper.take(2, entry("city", 2, "raised", "new"))
    await upper.take(3, entry("zhuyang", 9))
    await upper.take(4, entry("city", 1, id="zhuyang-1"))
    assert await positions(ledger) == ["zhuyang-1"]
    assert await upper.bookmark() == 4
    await upper.take(5, entry("city", 3))
    assert await positions(ledger) == ["zhuyang-1", "city-3"]


async def test_a_lower_node_cannot_speak_in_the_name_of_a_node_above(ledger, exchange):
    await exchange.admit("zhuyang", arrivals(entry("zhuyang", 1, "raised")))
    await LedgerUpper(ledger, "city").take(1, entry("city", 1))
    assert await ledger.read(lambda reader: reader.route("city")) == ABOVE
    [refusal] = await exchange.admit("zhuyang", arrivals(entry("city", 2)))
    assert "city is not below zhuyang" in refusal


names = st.sampled_from(["zhuyang", "longmen", "xinmin", "county", "city"])
said = st.lists(
    st.tuples(
        st.sampled_from(["zhuyang", "longmen"]),
        names,
        st.integers(1, 4),
        st.sampled_from(["raised", "note", "close"]),
        st.sampled_from(["a1", "b1"]),
    ),
    max_size=25,
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(said)
def test_whatever_is_said_every_subtree_holds_only_what_its_own_nodes_said(tmp_path_factory, words):
    """And each arrival is answered, by a receipt of a committed entry or by a sentence."""
    asyncio.run(_say(tmp_path_factory.mktemp("said") / "county.db", words))


async def _say(path, words):
    ledger = await SqliteLedger.open(path, "county", SystemClock())
    try:
        exchange = LedgerExchange(ledger, "county", has_token=lambda node: node in ("zhuyang", "longmen"))
        for sender, author, number, action, alert in words:
            [answer] = await exchange.admit(sender, arrivals(entry(author, number, action, alert)))
            assert isinstance(answer, Receipt) or answer
        committed = await ledger.read(lambda reader: reader.feed(0, 1000))
        ways = await ledger.read(lambda reader: {name: reader.route(name) for name in ("xinmin", "city")})
        assert not any(item.entry.node == "county" for item in committed)
        subtree = {"zhuyang": "zhuyang", "longmen": "longmen", **ways}
        for alert in ("a1", "b1"):
            kept = await ledger.read(lambda reader, alert=alert: reader.alert(alert))
            raised_at = next(
                (n for n, i in enumerate(committed) if i.entry.alert_id == alert and i.entry.action == "raised"), None
            )
            if kept is None or raised_at is None:
                continue
            owner = subtree[kept.alert.node]
            later = [i.entry for i in committed[raised_at:] if i.entry.alert_id == alert]
            assert all(subtree[one.node] == owner for one in later)
    finally:
        await ledger.close()
