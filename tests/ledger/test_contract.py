"""What every Ledger does (gateway.ports)."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.alerts.lifecycle import fold
from gateway.codec import entry_digest
from gateway.errors import StoreFailed
from gateway.ledger.sqlite import SqliteLedger
from gateway.model import (
    Answer,
    ClipTask,
    Draft,
    Entry,
    Forwarding,
    Lane,
    Parcel,
    ParcelDraft,
    PictureTask,
    ReplyTo,
    Stage,
    Workflow,
    uuid7,
)
from gateway.ports import AlertFilter, AuditRecord, FeedEntry, PressRecord, StoredAlert, Transaction

Drafts = Callable[..., Draft]
Opener = Callable[..., Awaitable[SqliteLedger]]
EVERYTHING = AlertFilter()


async def raise_alert(ledger: SqliteLedger, draft: Draft) -> str:
    await ledger.write(lambda tx: tx.append(draft))
    return draft.alert_id


async def get(ledger: SqliteLedger, alert_id: str) -> StoredAlert:
    stored = await ledger.read(lambda reader: reader.alert(alert_id))
    assert stored is not None
    return stored


class TestEntries:
    async def test_append_gives_id_sequence_and_parents(self, ledger: SqliteLedger, draft: Drafts) -> None:
        first = await ledger.write(lambda tx: tx.append(draft("a1")))
        second = await ledger.write(lambda tx: tx.append(draft("a1", "note", comment="hello", n=1)))
        other = await ledger.write(lambda tx: tx.append(draft("a2")))
        assert [(e.node, e.seq, e.parents) for e in (first, second, other)] == [
            ("low", 1, ()),
            ("low", 2, (first.id,)),
            ("low", 3, ()),
        ]
        assert (second.comment, second.data, second.actor) == ("hello", {"n": 1}, "wang")
        stored = await ledger.read(lambda reader: reader.entries("a1"))
        assert [item.entry for item in stored] == [first, second]

    async def test_what_was_rolled_back_leaves_no_gap(self, ledger: SqliteLedger, draft: Drafts) -> None:
        def broken(tx: Transaction) -> None:
            tx.append(draft())
            tx.record(AuditRecord(datetime.now(UTC), "x", "y", "z"))
            tx.post(ParcelDraft("s", Lane.ALARM, entry_id=tx.append(draft()).id))
            raise LookupError("no")

        async def try_broken() -> None:
            with pytest.raises(LookupError, match="no"):
                await ledger.write(broken)

        await asyncio.gather(try_broken(), raise_alert(ledger, draft("a1")), try_broken())
        await raise_alert(ledger, draft("a2"))
        feed = await ledger.read(lambda reader: reader.feed(0, 10))
        assert [(item.position, item.entry.alert_id, item.entry.seq) for item in feed] == [(1, "a1", 1), (2, "a2", 2)]
        assert await ledger.read(lambda reader: reader.backlog()) == []
        assert ledger.fault() is None

    async def test_a_work_may_raise_anything(self, ledger: SqliteLedger) -> None:
        for error in (ValueError("x"), StopIteration(), asyncio.CancelledError(), SystemExit(3)):

            def broken(tx: Transaction, error: BaseException = error) -> None:
                raise error

            expected = RuntimeError if isinstance(error, StopIteration) else type(error)
            with pytest.raises(expected):
                await ledger.write(broken)
        assert await ledger.write(lambda tx: tx.newest_feed()) == 0

    async def test_sequence_and_feed_go_on_after_a_restart(self, open_ledger: Opener, draft: Drafts) -> None:
        before = await open_ledger()
        first = await before.write(lambda tx: tx.append(draft("a1")))
        await before.close()
        after = await open_ledger()
        second = await after.write(lambda tx: tx.append(draft("a1", "acknowledge")))
        assert (second.seq, second.parents) == (2, (first.id,))
        assert (await get(after, "a1")).alert.workflow is Workflow.ACKNOWLEDGED
        assert await after.read(lambda reader: reader.newest_feed()) == 2

    async def test_feed_pages(self, ledger: SqliteLedger, draft: Drafts, clock: Any) -> None:
        for n in range(5):
            await raise_alert(ledger, draft(f"a{n}"))
        page = await ledger.read(lambda reader: reader.feed(2, 2))
        assert [(item.position, item.entry.alert_id, item.committed_at) for item in page] == [
            (3, "a2", clock.at),
            (4, "a3", clock.at),
        ]
        assert await ledger.read(lambda reader: reader.feed(5, 2)) == []

    async def test_a_text_that_json_cannot_carry_is_refused_alone(self, ledger: SqliteLedger, draft: Drafts) -> None:
        with pytest.raises(ValueError, match="canonical"):
            await ledger.write(lambda tx: tx.append(draft("a1", "note", text="\ud800")))
        assert (await ledger.write(lambda tx: tx.append(draft("a1")))).seq == 1


class TestAlerts:
    async def test_version_rises_with_every_change(self, ledger: SqliteLedger, draft: Drafts, clock: Any) -> None:
        await raise_alert(ledger, draft("a1"))
        received = clock.at
        stored = await get(ledger, "a1")
        assert (stored.version, stored.feed, stored.received_at, stored.forwarded) == (1, 1, received, ())
        clock.at += timedelta(seconds=5)
        await ledger.write(lambda tx: tx.append(draft("a1", "note")))
        r2 = Forwarding("county", clock.at, 17)
        await ledger.write(lambda tx: tx.note_forwarding("a1", r2))
        await ledger.write(lambda tx: tx.note_forwarding("a1", replace(r2, seq=99)))
        stored = await get(ledger, "a1")
        assert (stored.version, stored.feed, stored.received_at, stored.forwarded) == (3, 2, received, (r2,))

    async def test_is_the_fold_of_its_entries(self, ledger: SqliteLedger, draft: Drafts) -> None:
        await raise_alert(ledger, draft("a1"))
        for action in ("acknowledge", "pressed", "dispatch", "withdrawn", "close", "reopen", "arrive"):
            await ledger.write(lambda tx, action=action: tx.append(draft("a1", action, disposition="real")))
            entries = await ledger.read(lambda reader: reader.entries("a1"))
            assert (await get(ledger, "a1")).alert == fold(item.entry for item in entries)

    async def test_unknown_ones(self, ledger: SqliteLedger) -> None:
        assert await ledger.read(lambda reader: reader.alert("nope")) is None
        assert await ledger.read(lambda reader: reader.entries("nope")) == []

    async def test_open_alert(self, ledger: SqliteLedger, draft: Drafts) -> None:
        def find(kind: str = "sos", status: str = "actual") -> Callable[[Transaction], str | None]:
            def work(tx: Transaction) -> str | None:
                stored = tx.open_alert("tv-1", kind, status)
                return None if stored is None else stored.alert.id

            return work

        assert await ledger.write(find()) is None
        for id, fields in {"a1": {}, "a2": {}, "fire": {"kind": "fire"}, "drill": {"status": "drill"}}.items():
            await raise_alert(ledger, draft(id, **fields))
        above = Entry("e1", "up1", "up", 1, (), draft().at, "x", "raised", None, draft("up1").data)
        await ledger.write(lambda tx: tx.admit(above, "up", entry_digest(above)))
        assert await ledger.write(find()) == "a2"
        assert await ledger.write(find("fire")) == "fire"
        assert await ledger.write(find(status="drill")) == "drill"
        await ledger.write(lambda tx: tx.append(draft("a2", "close", disposition="real")))
        assert await ledger.write(find()) == "a1"
        await ledger.write(lambda tx: tx.append(draft("a1", "cancel")))
        assert await ledger.write(find()) is None
        await ledger.write(lambda tx: tx.append(draft("a2", "reopen")))
        assert await ledger.write(find()) == "a2"

    async def test_figures(self, ledger: SqliteLedger, draft: Drafts, clock: Any) -> None:
        first = clock.at
        for n, severity in enumerate((1, 1, 3, 3)):
            await raise_alert(ledger, draft(f"a{n}", severity=severity))
            clock.at += timedelta(minutes=1)
        await ledger.write(lambda tx: tx.append(draft("a0", "acknowledge")))
        await ledger.write(lambda tx: tx.append(draft("a3", "cancel")))
        assert sorted(await ledger.read(lambda reader: reader.open_counts())) == [
            ("acknowledged", 1, 1),
            ("new", 1, 1),
            ("new", 3, 1),
        ]
        oldest = await ledger.read(lambda reader: reader.oldest_unacknowledged())
        assert oldest == {1: first + timedelta(minutes=1), 3: first + timedelta(minutes=2)}


class TestLists:
    @pytest.fixture
    async def filled(self, ledger: SqliteLedger, draft: Drafts, clock: Any) -> SqliteLedger:
        for n in range(40):
            place = {"area_code": f"5117240{n % 4}0001", "address": "East Gate" if n % 5 == 0 else "西门"}
            fields = {"kind": ("sos", "fire")[n % 2], "severity": n % 4 + 1, "place": place, "title": f"No. {n} 求助"}
            await raise_alert(ledger, draft(f"a{n:02}", **fields))
            if n % 3 == 0:
                await ledger.write(lambda tx, n=n: tx.append(draft(f"a{n:02}", "acknowledge")))
            if n % 6 == 0:
                await ledger.write(lambda tx, n=n: tx.append(draft(f"a{n:02}", "close", disposition="real")))
            clock.at += timedelta(minutes=1)
        return ledger

    async def pages(self, ledger: SqliteLedger, wanted: AlertFilter, limit: int) -> list[str]:
        found: list[str] = []
        cursor: str | None = None
        while True:
            page, cursor = await ledger.read(lambda reader, cursor=cursor: reader.alerts(wanted, cursor, limit))
            assert len(page) <= limit
            found += [stored.alert.id for stored in page]
            if cursor is None:
                return found
            assert len(page) == limit

    @pytest.mark.parametrize("limit", [1, 7, 40, 500])
    async def test_newest_first_in_pages(self, filled: SqliteLedger, limit: int) -> None:
        assert await self.pages(filled, EVERYTHING, limit) == [f"a{n:02}" for n in reversed(range(40))]

    @pytest.mark.parametrize(
        ("fields", "keeps"),
        [
            ({"workflow": ("closed",)}, lambda n: n % 6 == 0),
            ({"workflow": ("new", "acknowledged", "new")}, lambda n: n % 6 != 0),
            ({"severity": (1, 3)}, lambda n: n % 4 in (0, 2)),
            ({"severity": (2,), "workflow": ("new",)}, lambda n: n % 4 == 1 and n % 3 != 0),
            ({"kind": ("fire",)}, lambda n: n % 2 == 1),
            ({"kind": ("fire", "sos", "medical")}, lambda n: True),
            ({"kind": ("fire",), "severity": (2, 4)}, lambda n: n % 2 == 1),
            ({"area": "51172402"}, lambda n: n % 4 == 2),
            ({"area": "5117240"}, lambda n: True),
            ({"area": "5117240%"}, lambda n: False),
            ({"areas": ("51172401", "51172403")}, lambda n: n % 2 == 1),
            ({"areas": ("51172401",), "area": "51172402"}, lambda n: False),
            ({"q": "east"}, lambda n: n % 5 == 0),
            ({"q": "西门"}, lambda n: n % 5 != 0),
            ({"q": "no. 7 "}, lambda n: n == 7),
            ({"q": "TV-1"}, lambda n: True),
            ({"q": "li family", "severity": (1,)}, lambda n: n % 4 == 0),
            ({"q": "%"}, lambda n: False),
            ({"workflow": ("unheard_of",)}, lambda n: False),
        ],
    )
    async def test_filters(self, filled: SqliteLedger, fields: dict[str, Any], keeps: Callable[[int], bool]) -> None:
        wanted = AlertFilter(**fields)
        expected = [f"a{n:02}" for n in reversed(range(40)) if keeps(n)]
        assert await self.pages(filled, wanted, 3) == expected
        assert await self.pages(filled, wanted, 100) == expected

    async def test_span_of_time(self, filled: SqliteLedger, clock: Any) -> None:
        start = clock.at - timedelta(minutes=40)
        span = AlertFilter(since=start + timedelta(minutes=10), until=start + timedelta(minutes=13))
        assert await self.pages(filled, span, 2) == ["a12", "a11", "a10"]
        assert await self.pages(filled, AlertFilter(since=clock.at), 2) == []
        assert await self.pages(filled, AlertFilter(until=start), 2) == []

    async def test_an_alert_with_an_old_clock_is_found_by_its_time(self, filled: SqliteLedger, draft: Drafts) -> None:
        await raise_alert(filled, draft("old", raised_at="1970-01-01T00:05:00Z"))
        assert (await self.pages(filled, EVERYTHING, 50))[0] == "old"
        assert await self.pages(filled, AlertFilter(until=datetime(1980, 1, 1, tzinfo=UTC)), 50) == ["old"]

    @pytest.mark.parametrize("cursor", ["", "x", "-1", "1.5", "١٢", "9" * 40, "1 OR 1=1"])
    async def test_a_cursor_of_another_making(self, ledger: SqliteLedger, cursor: str) -> None:
        with pytest.raises(ValueError, match="cursor"):
            await ledger.read(lambda reader: reader.alerts(EVERYTHING, cursor, 5))
        with pytest.raises(ValueError, match="cursor"):
            await ledger.read(lambda reader: reader.audit(cursor, 5))


class TestAdmit:
    @pytest.fixture
    def entry(self, draft: Drafts) -> Entry:
        return Entry(uuid7(), "a1", "village", 7, (), draft().at, "terminal/tv-1", "raised", None, draft("a1").data)

    async def test_is_kept_as_it_is_and_has_its_receipt(self, ledger: SqliteLedger, entry: Entry, clock: Any) -> None:
        fed = await ledger.write(lambda tx: tx.admit(entry, "township", "ab" * 32))
        assert (fed.position, fed.entry, fed.committed_at) == (1, entry, clock.at)
        receipt = await ledger.read(lambda reader: reader.admitted("township", entry.id))
        assert receipt is not None
        assert (receipt.id, receipt.sha256, receipt.seq, receipt.committed_at) == (entry.id, "ab" * 32, 1, clock.at)
        assert await ledger.read(lambda reader: reader.admitted("village", entry.id)) is None
        assert (await get(ledger, "a1")).alert.node == "village"

    async def test_a_repeat_changes_nothing(self, open_ledger: Opener, entry: Entry, clock: Any) -> None:
        calls: list[str] = []
        ledger = await open_ledger(lambda tx, fed, stored, via: calls.append(fed.entry.id))
        first = await ledger.write(lambda tx: tx.admit(entry, "township", "ab" * 32))
        clock.at += timedelta(hours=1)
        again = await ledger.write(lambda tx: tx.admit(entry, "elsewhere", "cd" * 32))
        assert again == first
        assert calls == [entry.id]
        assert (await get(ledger, "a1")).version == 1

    @pytest.mark.parametrize("field", ["data", "actor", "seq", "alert_id", "parents"])
    async def test_a_forged_repeat_is_refused(self, ledger: SqliteLedger, entry: Entry, field: str) -> None:
        await ledger.write(lambda tx: tx.admit(entry, "township", "ab" * 32))
        changes = {"data": {}, "actor": "x", "seq": 8, "alert_id": "a2", "parents": ("z",)}
        forged = replace(entry, **{field: changes[field]})
        with pytest.raises(ValueError, match=entry.id):
            await ledger.write(lambda tx: tx.admit(forged, "township", "ab" * 32))
        assert [item.entry for item in await ledger.read(lambda reader: reader.feed(0, 9))] == [entry]

    async def test_entries_before_those_they_follow(self, ledger: SqliteLedger, entry: Entry, draft: Drafts) -> None:
        ack = Entry("e2", "a1", "village", 8, (entry.id,), entry.at, "wang", "acknowledge")
        close = Entry("e3", "a1", "village", 9, ("e2",), entry.at, "wang", "close", None, {"disposition": "real"})
        note = await ledger.write(lambda tx: (tx.admit(close, "v", ""), tx.append(draft("a1", "note")))[1])
        assert note.parents == ("e3",)
        assert await ledger.read(lambda reader: reader.alert("a1")) is None
        assert await ledger.read(lambda reader: reader.alerts(EVERYTHING, None, 5)) == ([], None)
        await ledger.write(lambda tx: tx.admit(entry, "v", ""))
        assert (await get(ledger, "a1")).alert.workflow is Workflow.CLOSED
        await ledger.write(lambda tx: tx.admit(ack, "v", ""))
        entries = [item.entry for item in await ledger.read(lambda reader: reader.entries("a1"))]
        assert (await get(ledger, "a1")).alert == fold(entries)
        last = await ledger.write(lambda tx: tx.append(draft("a1", "note")))
        assert last.parents == (note.id,)

    async def test_the_same_entries_make_the_same_alert_on_two_nodes(
        self, open_ledger: Opener, entry: Entry, draft: Drafts
    ) -> None:
        low, up = await open_ledger(node="village", name="low.db"), await open_ledger(node="up", name="up.db")
        await low.write(lambda tx: tx.admit(entry, "x", ""))
        await up.write(lambda tx: tx.admit(entry, "village", ""))
        for action in ("acknowledge", "dispatch", "close"):
            await low.write(lambda tx, action=action: tx.append(draft("a1", action, disposition="real")))
        for action in ("acknowledge", "note", "cancel", "reopen"):
            await up.write(lambda tx, action=action: tx.append(draft("a1", action)))
        for giver, taker in ((low, up), (up, low)):
            for item in reversed(await giver.read(lambda reader: reader.entries("a1"))):
                await taker.write(lambda tx, item=item: tx.admit(item.entry, "peer", ""))
        assert (await get(low, "a1")).alert == (await get(up, "a1")).alert
        assert (await get(low, "a1")).alert.workflow is Workflow.CLOSED
        merged = [await ledger.write(lambda tx: tx.append(draft("a1", "note"))) for ledger in (low, up)]
        assert set(merged[0].parents) == set(merged[1].parents) and len(merged[0].parents) == 2

    @settings(
        max_examples=25,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(st.data())
    async def test_any_set_of_entries_in_any_order_is_the_fold(self, ledger: SqliteLedger, data: st.DataObject) -> None:
        alert_id, at = uuid7(), datetime(2026, 1, 1, tzinfo=UTC)
        ids = [f"{alert_id}/{n}" for n in range(8)]
        actions = ["raised", "acknowledge", "dispatch", "close", "reopen", "return", "cancel", "pressed"]
        entries = [
            Entry(
                id,
                alert_id,
                data.draw(st.sampled_from(["n1", "n2"])),
                n + 1,
                tuple(data.draw(st.lists(st.sampled_from([*ids, "gone"]), max_size=3))),
                at,
                "x",
                data.draw(st.sampled_from(actions)) if n else "raised",
                None,
                {"base": {"title": id}, "disposition": "real"},
            )
            for n, id in enumerate(ids)
        ]
        arrived: list[Entry] = []
        for entry in data.draw(st.permutations(entries)):
            await ledger.write(lambda tx, entry=entry: tx.admit(entry, "peer", ""))
            arrived.append(entry)
            stored = await ledger.read(lambda reader: reader.alert(alert_id))
            assert (None if stored is None else stored.alert) == fold(arrived)
        for action in data.draw(st.lists(st.sampled_from(actions), max_size=3)):
            draft = Draft(alert_id, action, "wang", at, None, {"disposition": "real"})
            arrived.append(await ledger.write(lambda tx, draft=draft: tx.append(draft)))
            stored = await ledger.read(lambda reader: reader.alert(alert_id))
            assert stored is not None
            assert stored.alert == fold(arrived)

    async def test_a_forger_cannot_make_an_alert_dearer_and_dearer(
        self, ledger: SqliteLedger, entry: Entry, draft: Drafts
    ) -> None:
        await ledger.write(lambda tx: tx.admit(entry, "village", ""))

        def flood(parents: Callable[[int], tuple[str, ...]], action: str = "note") -> Callable[[Transaction], int]:
            def work(tx: Transaction) -> int:
                taken = 0
                for n in range(600):
                    forged = replace(entry, id=uuid7(), seq=n + 1, parents=parents(n), action=action)
                    with contextlib.suppress(ValueError):
                        tx.admit(forged, "village", "")
                        taken += 1
                return taken

            return work

        assert await ledger.write(flood(lambda n: ())) < 200
        assert await ledger.write(flood(lambda n: (), "raised")) == 0
        merged = await ledger.write(lambda tx: tx.append(draft("a1", "acknowledge")))
        assert 100 < len(merged.parents) <= 256
        assert await ledger.write(flood(lambda n: tuple(f"gone-{n}-{k}" for k in range(50)))) < 20
        assert await ledger.write(flood(lambda n: (entry.id,))) < 200
        # Who is honest and has seen everything is still heard.
        await ledger.write(lambda tx: tx.append(draft("a1", "dispatch")))
        last = await ledger.write(lambda tx: tx.append(draft("a1", "note")))
        honest = replace(entry, id=uuid7(), parents=(last.id,), action="arrive")
        await ledger.write(lambda tx: tx.admit(honest, "village", ""))
        assert (await get(ledger, "a1")).alert.workflow is Workflow.ON_SCENE


class TestReaction:
    async def test_is_called_in_the_transaction_of_every_new_entry(self, open_ledger: Opener, draft: Drafts) -> None:
        calls: list[tuple[int, str, str | None, int | None]] = []

        def react(tx: Transaction, fed: FeedEntry, stored: StoredAlert | None, via: str | None) -> None:
            calls.append((fed.position, fed.entry.action, via, None if stored is None else stored.version))
            assert tx.alert(fed.entry.alert_id) == stored
            if fed.entry.action == "boom":
                raise RuntimeError("boom")
            tx.post(ParcelDraft("county", Lane.ALARM, entry_id=fed.entry.id))

        ledger = await open_ledger(react)
        early = Entry("e0", "a1", "up", 1, (), draft().at, "x", "note")
        await ledger.write(lambda tx: tx.admit(early, "county", ""))
        await raise_alert(ledger, draft("a1"))
        with pytest.raises(RuntimeError, match="boom"):
            await ledger.write(lambda tx: tx.append(draft("a1", "boom")))
        assert calls == [(1, "note", "county", None), (2, "raised", None, 2), (3, "boom", None, 3)]
        assert [(sink, waiting) for sink, _, waiting, *_ in await ledger.read(lambda r: r.backlog())] == [("county", 2)]


class TestPresses:
    def record(self, clock: Any, press_id: str = "p1", **fields: Any) -> PressRecord:
        return replace(PressRecord("tv-1", press_id, "a1", Stage.RECEIVED, clock.at, "tv"), **fields)

    async def test_by_id_and_by_payload_within_their_time(self, ledger: SqliteLedger, clock: Any) -> None:
        first = self.record(clock, reply_to=ReplyTo("answers/1", b"\x00\xff"))
        await ledger.write(lambda tx: tx.remember_press(first, "d1"))
        start = clock.at
        clock.at += timedelta(hours=25)
        second = self.record(clock, alert_id="a2")
        await ledger.write(lambda tx: tx.remember_press(second, "d1"))
        for since, expected in ((start, second), (clock.at, second), (clock.at + timedelta(milliseconds=1), None)):
            assert await ledger.write(lambda tx, since=since: tx.press("tv-1", "p1", since)) == expected
            assert await ledger.write(lambda tx, since=since: tx.press_by_payload("tv-1", "d1", since)) == expected
        assert await ledger.write(lambda tx: tx.press("tv-2", "p1", start)) is None
        assert await ledger.write(lambda tx: tx.press_by_payload("tv-1", "d2", start)) is None
        assert await ledger.write(lambda tx: tx.presses("a1")) == [first]

    async def test_the_stage_only_rises(self, ledger: SqliteLedger, clock: Any) -> None:
        await ledger.write(lambda tx: tx.remember_press(self.record(clock), "d1"))
        for told, highest in (("forwarded", "forwarded"), ("received", "forwarded"), ("closed", "closed")):
            await ledger.write(lambda tx, told=told: tx.raise_stage("tv-1", "p1", "a1", Stage(told)))
            (record,) = await ledger.write(lambda tx: tx.presses("a1"))
            assert record.stage == highest
        await ledger.write(lambda tx: tx.raise_stage("tv-1", "p1", "other", Stage.ACCEPTED))
        await ledger.write(lambda tx: tx.raise_stage("tv-1", "p1", "a1", Stage.RECEIVED))
        assert (await ledger.write(lambda tx: tx.presses("a1")))[0].stage is Stage.CLOSED


class TestOutbox:
    async def test_the_newest_alert_goes_first_and_each_in_its_own_order(
        self, ledger: SqliteLedger, clock: Any
    ) -> None:
        def work(tx: Transaction) -> None:
            for alert_id, action in (("old", "raised"), ("new", "raised"), ("old", "pressed"), ("new", "pressed")):
                entry = tx.append(Draft(alert_id, action, "terminal/tv-1", clock.at))
                tx.post(ParcelDraft("county", Lane.ALARM, entry_id=entry.id))

        await ledger.write(work)
        parcels = await ledger.read(lambda reader: reader.parcels("county", Lane.ALARM, 9, clock.at))
        assert [(parcel.content.alert_id, parcel.content.action) for parcel in parcels] == [
            ("new", "raised"),
            ("new", "pressed"),
            ("old", "raised"),
            ("old", "pressed"),
        ]

    async def post(self, ledger: SqliteLedger, draft: Drafts, lane: Lane = Lane.ALARM, sink: str = "county") -> str:
        def work(tx: Transaction) -> str:
            entry = tx.append(draft())
            tx.post(ParcelDraft(sink, lane, entry_id=entry.id))
            return entry.id

        return await ledger.write(work)

    async def due(self, ledger: SqliteLedger, at: datetime, limit: int = 10) -> list[Any]:
        return await ledger.read(lambda reader: reader.parcels("county", Lane.ALARM, limit, at))

    async def test_newest_first_by_sink_and_lane(self, ledger: SqliteLedger, draft: Drafts, clock: Any) -> None:
        ids = [await self.post(ledger, draft) for _ in range(5)]
        await self.post(ledger, draft, Lane.UPDATE)
        await self.post(ledger, draft, sink="other")
        parcels = await self.due(ledger, clock.at)
        assert [parcel.content.id for parcel in parcels] == ids[::-1]
        assert {(parcel.sink, parcel.lane, parcel.attempts) for parcel in parcels} == {("county", Lane.ALARM, 0)}
        assert [parcel.content.id for parcel in await self.due(ledger, clock.at, 2)] == ids[:2:-1]

    async def test_an_answer_given_again_while_it_waits_is_due_at_once_and_hardly_multiplies(
        self, ledger: SqliteLedger, clock: Any
    ) -> None:
        def repeated(**other: Any) -> Callable[[Transaction], None]:
            answer = Answer("tv", "tv-1", "p1", "a1", Stage.RECEIVED, "low", clock.at, "已收到")
            return lambda tx: tx.post(ParcelDraft("tv", Lane.ALARM, answer=replace(answer, **other), again=True))

        async def waiting() -> list[Parcel]:
            return list(await ledger.read(lambda reader: reader.parcels("tv", Lane.ALARM, 9, clock.now())))

        await ledger.write(repeated())
        (first,) = await waiting()
        await ledger.write(lambda tx: tx.put_off(first.id, clock.now() + timedelta(seconds=30), "nobody subscribes"))
        assert not await waiting()
        await clock.sleep(8)
        await ledger.write(repeated())
        assert [parcel.id for parcel in await waiting()] == [first.id]
        await ledger.write(repeated(reply_to=ReplyTo("elsewhere", b"1")))
        await ledger.write(repeated(press_id="p2"))
        assert len(await waiting()) == 3
        for _ in range(5):  # the first may be on its way: one more, and no third
            await ledger.write(repeated())
        assert len(await waiting()) == 4
        await ledger.write(lambda tx: tx.delivered(first.id))
        await ledger.write(repeated())
        assert len(await waiting()) == 4

    async def test_an_answer_comes_back_whole(self, ledger: SqliteLedger, clock: Any) -> None:
        for reply_to in (None, ReplyTo("t"), ReplyTo("t", b"\xff\x00")):
            answer = Answer("tv", "tv-1", "p1", "a1", Stage.RECEIVED, "low", clock.at, "已收到", reply_to)
            await ledger.write(lambda tx, answer=answer: tx.post(ParcelDraft("tv", Lane.ALARM, answer=answer)))
            *_, parcel = await ledger.read(lambda reader: reader.parcels("tv", Lane.ALARM, 5, clock.at))
            assert parcel.content == answer

    async def test_put_off_parked_delivered(self, ledger: SqliteLedger, draft: Drafts, clock: Any) -> None:
        for _ in range(3):
            await self.post(ledger, draft)
        newest, middle, oldest = await self.due(ledger, clock.at)
        later = clock.at + timedelta(seconds=30)
        await ledger.write(lambda tx: tx.put_off(newest.id, later, "busy"))
        await ledger.write(lambda tx: tx.park(middle.id, "too old"))
        assert await self.due(ledger, clock.at) == [oldest]
        assert await ledger.read(lambda reader: reader.next_due("county", Lane.ALARM)) == clock.at
        assert await ledger.read(lambda reader: reader.backlog()) == [("county", Lane.ALARM, 2, clock.at, 1)]
        await ledger.write(lambda tx: tx.delivered(oldest.id))
        assert await self.due(ledger, clock.at) == []
        assert await ledger.read(lambda reader: reader.next_due("county", Lane.ALARM)) == later
        assert await self.due(ledger, later) == [replace(newest, attempts=1)]
        await ledger.write(lambda tx: tx.delivered(newest.id))
        assert await ledger.read(lambda reader: reader.next_due("county", Lane.ALARM)) is None
        assert await ledger.read(lambda reader: reader.backlog()) == [("county", Lane.ALARM, 0, clock.at, 1)]

    async def test_a_parcel_carries_one_thing_that_is_there(self, ledger: SqliteLedger, clock: Any) -> None:
        answer = Answer("tv", "tv-1", "p1", "a1", Stage.RECEIVED, "low", clock.at, "x")
        for parcel in (
            ParcelDraft("s", Lane.ALARM),
            ParcelDraft("s", Lane.ALARM, entry_id="x", answer=answer),
            ParcelDraft("s", Lane.ALARM, entry_id="nope"),
        ):
            with pytest.raises(ValueError, match=r"parcel|entry"):
                await ledger.write(lambda tx, parcel=parcel: tx.post(parcel))


class TestTheRest:
    async def test_picture_tasks(self, ledger: SqliteLedger, clock: Any) -> None:
        tasks = [PictureTask("a1", f"s{n}", "c1", -5000, clock.at, 12.5, "boot", n == 1) for n in range(3)]
        for task in (*tasks, tasks[0]):
            await ledger.write(lambda tx, task=task: tx.ask_picture(task))
        assert await ledger.read(lambda reader: reader.picture_tasks(9)) == tasks
        await ledger.write(lambda tx: tx.picture_done("a1", "s0"))
        assert await ledger.read(lambda reader: reader.picture_tasks(1)) == [tasks[1]]

    async def test_who_reads_picture_tasks_on_from_the_last_misses_none_whatever_is_done_meanwhile(
        self, ledger: SqliteLedger, clock: Any
    ) -> None:
        seen, after = [], 0
        for n in range(6):
            task = PictureTask("a1", f"s{n}", "c1", -5000, clock.at, 12.5, "boot")
            await ledger.write(lambda tx, task=task: tx.ask_picture(task))
            new = await ledger.read(lambda reader, after=after: reader.picture_tasks(9, after))
            seen += [task.snapshot_id for task in new]
            after = new[-1].id
            if n % 2:  # the newest of all, too: SQLite alone would give its number again
                await ledger.write(lambda tx, n=n: tx.picture_done("a1", f"s{n}"))
        assert seen == [f"s{n}" for n in range(6)]

    async def test_clip_tasks(self, ledger: SqliteLedger, clock: Any) -> None:
        tasks = [ClipTask("a1", f"k{n}", "c1", -30_000, 30_000, clock.at, 12.5, "boot") for n in range(3)]
        for task in (*tasks, replace(tasks[0], camera_id="other")):
            await ledger.write(lambda tx, task=task: tx.ask_clip(task))
        assert await ledger.read(lambda reader: reader.clip_tasks(9)) == tasks
        await ledger.write(lambda tx: tx.clip_done("a1", "k0"))
        assert await ledger.read(lambda reader: reader.clip_tasks(1)) == [tasks[1]]

    async def test_a_route_stays_with_the_first(self, ledger: SqliteLedger) -> None:
        assert await ledger.write(lambda tx: tx.claim_route("v1", "township"))
        assert not await ledger.write(lambda tx: tx.claim_route("v1", "other"))
        assert await ledger.write(lambda tx: tx.claim_route("v1", "township"))
        assert await ledger.read(lambda reader: reader.route("v1")) == "township"
        assert await ledger.read(lambda reader: reader.route("v2")) is None

    async def test_bookmarks(self, ledger: SqliteLedger) -> None:
        assert await ledger.read(lambda reader: reader.bookmark("b")) is None
        for value in ("1", "2"):
            await ledger.write(lambda tx, value=value: tx.set_bookmark("b", value))
        assert await ledger.read(lambda reader: reader.bookmark("b")) == "2"

    async def test_idempotency_lasts_a_day(self, ledger: SqliteLedger, clock: Any) -> None:
        await ledger.write(lambda tx: tx.remember_answer("k1", "one"))
        clock.at += timedelta(hours=24)
        assert await ledger.read(lambda reader: reader.idempotent("k1")) == "one"
        clock.at += timedelta(milliseconds=1)
        assert await ledger.read(lambda reader: reader.idempotent("k1")) is None
        await ledger.write(lambda tx: tx.remember_answer("k1", "anew"))
        assert await ledger.read(lambda reader: reader.idempotent("k1")) == "anew"

    async def test_audit_newest_first(self, ledger: SqliteLedger, clock: Any) -> None:
        records = [AuditRecord(clock.at, "wang", "viewed", f"cameras/{n}", "为什么", {"n": n}, n + 1) for n in range(5)]
        for record in records:
            await ledger.write(lambda tx, record=record: tx.record(record))
        page, cursor = await ledger.read(lambda reader: reader.audit(None, 3))
        assert page == records[:1:-1]
        assert await ledger.read(lambda reader: reader.audit(cursor, 3)) == (records[1::-1], None)


class TestTopics:
    async def test_only_a_commit_counts_and_none_is_missed(
        self, ledger: SqliteLedger, draft: Drafts, clock: Any
    ) -> None:
        def everything(tx: Transaction) -> None:
            entry = tx.append(draft("a1"))
            tx.post(ParcelDraft("county", Lane.UPDATE, entry_id=entry.id))
            tx.ask_picture(PictureTask("a1", "s", "c", 0, clock.at, 0.0, "b"))
            tx.ask_clip(ClipTask("a1", "k", "c", -1, 1, clock.at, 0.0, "b"))
            tx.note_forwarding("a1", Forwarding("county", clock.at, 1))
            tx.record(AuditRecord(clock.at, "x", "y", "z"))

        def failing(tx: Transaction) -> None:
            everything(tx)
            raise LookupError

        topics = ("entry", "parcel/county/1", "picture", "clip", "receipt", "audit")
        waiting = {topic: asyncio.create_task(ledger.changed(topic, 0)) for topic in topics}
        silent = asyncio.create_task(ledger.changed("parcel/county/0", 0))
        with pytest.raises(LookupError):
            await ledger.write(failing)
        assert not any(task.done() for task in waiting.values())
        await ledger.write(everything)
        async with asyncio.timeout(60):
            assert {topic: await task for topic, task in waiting.items()} == dict.fromkeys(topics, 1)
        assert await ledger.changed("entry", 0) == 1
        again = asyncio.create_task(ledger.changed("entry", 1))
        await ledger.write(lambda tx: tx.append(draft("a1", "note")))
        async with asyncio.timeout(60):
            assert await again == 2
        assert not silent.done()
        silent.cancel()

    async def test_many_waiters_and_a_cancelled_one(self, ledger: SqliteLedger, draft: Drafts) -> None:
        waiters = [asyncio.create_task(ledger.changed("entry", 0)) for _ in range(5)]
        await asyncio.sleep(0)
        waiters.pop().cancel()
        await raise_alert(ledger, draft())
        async with asyncio.timeout(60):
            assert await asyncio.gather(*waiters) == [1] * 4


class TestMany:
    async def test_concurrent_writers_share_commits_and_lose_nothing(self, ledger: SqliteLedger, draft: Drafts) -> None:
        await asyncio.gather(*(raise_alert(ledger, draft(f"a{n}")) for n in range(1500)))
        feed = await ledger.read(lambda reader: reader.feed(0, 2000))
        assert [item.position for item in feed] == list(range(1, 1501))
        assert [item.entry.seq for item in feed] == list(range(1, 1501))
        assert {item.entry.alert_id for item in feed} == {f"a{n}" for n in range(1500)}
        assert await ledger.changed("entry", 0) < 1500

    async def test_a_read_sees_one_moment(self, ledger: SqliteLedger, draft: Drafts) -> None:
        from threading import Event

        looked, go_on = Event(), Event()

        def read(reader: Any) -> tuple[int, int]:
            before = reader.newest_feed()
            looked.set()
            assert go_on.wait(100)
            return before, reader.newest_feed()

        reading = asyncio.create_task(ledger.read(read))
        await asyncio.to_thread(looked.wait, 60)
        await raise_alert(ledger, draft())
        go_on.set()
        assert await reading == (0, 0)
        assert await ledger.read(lambda reader: reader.newest_feed()) == 1

    async def test_a_cancelled_waiter_leaves_its_place(self, ledger: SqliteLedger, draft: Drafts) -> None:
        tasks = [asyncio.create_task(raise_alert(ledger, draft())) for _ in range(50)]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await raise_alert(ledger, draft("last"))
        assert (await get(ledger, "last")).version == 1


class TestClosing:
    async def test_what_waits_is_written_and_who_comes_later_is_refused(
        self, open_ledger: Opener, draft: Drafts
    ) -> None:
        ledger = await open_ledger()
        writes = [asyncio.create_task(raise_alert(ledger, draft(f"a{n}"))) for n in range(100)]
        await asyncio.sleep(0)
        await ledger.close()
        await asyncio.gather(*writes)
        for refused in (ledger.write(lambda tx: 1), ledger.read(lambda reader: 1)):
            with pytest.raises(StoreFailed, match="closed"):
                await refused
        assert ledger.fault() is not None
        await ledger.close()
        again = await open_ledger()
        assert await again.read(lambda reader: reader.newest_feed()) == 100
