"""Against an upper node that keeps a book of its own, and loses pages of it."""

import asyncio
import hashlib
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from gateway.delivery import reconciliation
from gateway.delivery.reconciliation import Reconciler, digest_of
from gateway.errors import Refused, TryLater
from gateway.ledger.sqlite import SqliteLedger
from gateway.model import Draft, Receipt
from gateway.ports import Digest
from gateway.supervision.clock import SystemClock

THERE = datetime(1999, 12, 31, 23, 0, tzinfo=UTC)  # the upper node's clock is its own affair


@dataclass
class Upper:
    """An upper node as far as books go."""

    id: str = "county"
    concurrency: int = 4
    book: dict[str, Receipt] = field(default_factory=dict)
    newest: int = 0
    digests: int = 0
    sent: int = 0
    now: datetime = THERE
    fault: Exception | None = None
    chance: random.Random = field(default_factory=lambda: random.Random(1))

    async def send(self, parcel) -> Receipt:
        self.sent += 1
        if self.fault is not None:
            raise self.fault
        entry = parcel.content
        if entry.id not in self.book:
            self.newest += 1
            self.now += timedelta(milliseconds=self.chance.randrange(3_000))
            self.book[entry.id] = Receipt(
                entry.id, hashlib.sha256(entry.id.encode()).hexdigest(), self.newest, self.now
            )
        return self.book[entry.id]

    async def digest(self, since, until) -> Digest:
        self.digests += 1
        if isinstance(self.fault, TryLater):
            raise self.fault
        return digest_of([receipt for receipt in self.book.values() if since <= receipt.committed_at < until])

    async def report(self, report_type, data) -> None: ...
    async def close(self) -> None: ...


@dataclass
class Lower:
    ledger: SqliteLedger
    upper: Upper
    reconciler: Reconciler
    ids: list[str] = field(default_factory=list)

    async def forward(self, count: int) -> list[str]:
        """Entries that the upper node took, with its receipts in our book."""

        def append(tx):
            return [tx.append(Draft(f"alert-{n % 7}", "note", "li", THERE)) for n in range(count)]

        entries = await self.ledger.write(append)
        receipts = [(entry.id, await self.upper.send(_Parcel(entry))) for entry in entries]

        def remember(tx):
            for id, receipt in receipts:
                tx.remember_receipt("county", id, receipt)

        await self.ledger.write(remember)
        self.upper.sent = 0
        ids = [entry.id for entry in entries]
        self.ids += ids
        return ids

    async def audit(self):
        found, _ = await self.ledger.read(lambda reader: reader.audit(None, 10))
        return found


@dataclass
class _Parcel:
    content: object


@pytest.fixture
async def lower(tmp_path):
    ledger = await SqliteLedger.open(tmp_path / "ledger.db", "zhuyang", SystemClock())
    upper = Upper()
    yield Lower(ledger, upper, Reconciler(ledger, [upper], SystemClock()))
    await ledger.close()


async def test_books_that_agree_cost_one_question_and_no_entry(lower):
    await lower.forward(500)
    result = await lower.reconciler.reconcile("county")
    assert (result.compared, result.missing, result.extra, result.fault) == (500, 0, 0, None)
    assert (lower.upper.digests, lower.upper.sent) == (1, 0)
    assert lower.reconciler.results() == (result,)
    assert await lower.audit() == []


async def test_with_nothing_forwarded_there_is_nothing_to_ask(lower):
    result = await lower.reconciler.reconcile("county")
    assert (result.compared, result.fault, lower.upper.digests) == (0, None, 0)


@pytest.mark.parametrize("seed", range(5))
async def test_what_the_upper_node_lost_is_named_given_again_and_not_found_missing_twice(lower, seed):
    rng = random.Random(seed)
    await lower.forward(600)
    lost = set(rng.sample(lower.ids, rng.choice([1, 2, 7])))
    for id in lost:
        del lower.upper.book[id]
    result = await lower.reconciler.reconcile("county")
    assert (set(result.gaps), result.missing, result.fault) == (lost, len(lost), None)
    assert set(lower.upper.book) == set(lower.ids)
    assert lower.upper.sent <= 100 * len(lost), "only what stands near a gap is asked for"
    (line,) = await lower.audit()
    assert (line.actor, line.action, set(line.detail["gaps"])) == ("gateway", "reconcile", lost)
    again = await lower.reconciler.reconcile("county")
    assert (again.missing, again.extra, again.fault) == (0, 0, None)


async def test_an_upper_node_restored_from_a_backup_that_counts_anew_gets_everything_again(lower):
    await lower.forward(300)
    for id in lower.ids[100:]:
        del lower.upper.book[id]
    lower.upper.newest = 100  # numbers are given a second time
    await lower.forward(50)
    result = await lower.reconciler.reconcile("county")
    assert (result.missing, result.fault) == (200, None)
    assert set(lower.upper.book) == set(lower.ids)
    for _ in range(3):  # receipts whose numbers were taken stood in each other's way
        result = await lower.reconciler.reconcile("county")
    assert (result.missing, result.fault) == (0, None)


async def test_receipts_that_we_lost_are_extra_and_no_gap(lower):
    ids = await lower.forward(40)
    receipts = lower.upper.book
    await lower.ledger.write(lambda tx: tx.forget_receipt("county", ids[20], receipts[ids[20]].seq))
    result = await lower.reconciler.reconcile("county")
    assert (result.missing, result.extra, result.fault) == (0, 1, None)


async def test_an_upper_node_that_cannot_be_asked_leaves_a_reason(lower):
    await lower.forward(10)
    lower.upper.fault = TryLater("the county is away")
    result = await lower.reconciler.reconcile("county", by="li")
    assert (result.fault, result.missing) == ("the county is away", 0)
    assert (await lower.audit())[0].actor == "li"


async def test_an_entry_that_is_refused_now_does_not_stop_the_others(lower):
    await lower.forward(10)
    lower.upper.book.clear()
    lower.upper.fault = Refused("too old")
    result = await lower.reconciler.reconcile("county")
    assert (result.missing, result.fault) == (0, None)


async def test_every_hour_the_last_day_and_once_a_day_everything(lower):
    await lower.forward(20)
    first = await lower.reconciler.reconcile("county", whole=False)
    lower.upper.now += timedelta(days=3)
    await lower.forward(20)
    usual = await lower.reconciler.reconcile("county", whole=False)
    again = await lower.reconciler.reconcile("county", whole=False)
    whole = await lower.reconciler.reconcile("county", whole=True)
    assert (first.compared, usual.compared, again.compared, whole.compared) == (20, 20, 20, 40)


async def test_what_no_round_has_found_equal_yet_is_compared_however_old_it_is(lower):
    """After a week without a round that ended well, also in a new process."""
    await lower.forward(10)
    await lower.reconciler.reconcile("county", whole=False)
    lower.upper.now += timedelta(days=2)
    older = await lower.forward(30)
    lower.upper.fault = TryLater("the county is away")
    assert (await lower.reconciler.reconcile("county", whole=False)).fault is not None
    lower.upper.fault = None
    lower.upper.now += timedelta(days=7)
    await lower.forward(10)
    del lower.upper.book[older[3]]
    anew = Reconciler(lower.ledger, [lower.upper], SystemClock())
    result = await anew.reconcile("county", whole=False)
    assert (result.compared, result.gaps, result.fault) == (40, (older[3],), None)


@pytest.mark.parametrize("span", [1, 7, 50, 119])
async def test_a_book_of_any_length_is_compared_span_by_span(lower, monkeypatch, span):
    monkeypatch.setattr(reconciliation, "_SPAN", span)
    monkeypatch.setattr(reconciliation, "_PAGE", 5)
    monkeypatch.setattr(reconciliation, "_FEW", 3)
    ids = await lower.forward(120)
    for lost in (ids[0], ids[60], ids[119]):  # the newest, too: no book is so long that its end is not looked at
        del lower.upper.book[lost]
    result = await lower.reconciler.reconcile("county")
    assert (set(result.gaps), result.compared, result.extra, result.fault) == (
        {ids[0], ids[60], ids[119]},
        120,
        0,
        None,
    )
    again = await lower.reconciler.reconcile("county")
    assert (again.compared, again.missing, again.fault) == (120, 0, None)


async def test_receipts_of_one_moment_stay_together_and_clocks_may_have_been_set_back(lower, monkeypatch):
    monkeypatch.setattr(reconciliation, "_SPAN", 4)
    receipts = [Receipt(f"e{n}", "00", n + 1, THERE - timedelta(days=n // 10)) for n in range(40)]
    lower.upper.book = {receipt.id: receipt for receipt in receipts}

    def remember(tx):
        for receipt in receipts:
            tx.remember_receipt("county", receipt.id, receipt)

    await lower.ledger.write(remember)
    result = await lower.reconciler.reconcile("county")
    assert (result.compared, result.missing, result.fault, lower.upper.digests) == (40, 0, None, 4)


@dataclass
class Liar(Upper):
    """Its digests fit nothing; ``counts_anew``: nor does any receipt it gives a second time."""

    counts_anew: bool = False

    async def digest(self, since, until) -> Digest:
        self.digests += 1
        return Digest(1, "0" * 64)

    async def send(self, parcel) -> Receipt:
        if self.counts_anew:
            self.book.pop(parcel.content.id, None)
        return await super().send(parcel)


async def test_digests_that_no_entry_explains_do_not_have_all_sent_again(lower, monkeypatch):
    monkeypatch.setattr(reconciliation, "_MOST_IN_VAIN", 60)
    lower.upper = Liar()
    await lower.forward(400)
    result = await Reconciler(lower.ledger, [lower.upper], SystemClock()).reconcile("county")
    assert (result.missing, lower.upper.sent) == (0, 61)
    assert "digests differ" in result.fault


async def test_an_upper_node_that_never_gives_a_receipt_twice_ends_the_round_and_what_it_was_given_is_named(
    lower, monkeypatch
):
    monkeypatch.setattr(reconciliation, "_MOST_GIVEN_AGAIN", 70)
    lower.upper = Liar(counts_anew=True)
    await lower.forward(200)
    result = await Reconciler(lower.ledger, [lower.upper], SystemClock()).reconcile("county")
    assert (result.missing, len(result.gaps), lower.upper.sent) == (70, 70, 70)
    assert "next round" in result.fault


async def test_a_round_that_lasts_too_long_ends_with_what_it_found(lower):
    class Slow(Upper):
        async def digest(self, since, until) -> Digest:
            await asyncio.Event().wait()
            raise AssertionError

    lower.upper = Slow()
    await lower.forward(3)
    result = await Reconciler(lower.ledger, [lower.upper], SystemClock(), longest=0.01).reconcile("county")
    assert (result.missing, result.compared) == (0, 3) or result.compared == 0  # where reading alone took so long
    assert "not finished" in result.fault
