"""What is deleted when its time is over: what goes, what stays, and that the chain says so."""

import hashlib
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.codec import entry_digest
from gateway.ledger import ages, erasure
from gateway.ledger.audit import verify_file
from gateway.ledger.soundness import first_fault
from gateway.ledger.sqlite import SqliteLedger
from gateway.model import Draft, Entry, Lane, ParcelDraft, Receipt, Stage, uuid7
from gateway.ports import AlertFilter, AuditRecord, Expired, PressRecord, Transaction

Drafts = Callable[..., Draft]
Opener = Callable[..., Awaitable[SqliteLedger]]
MONTH = timedelta(days=30)


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def ended(tx: Transaction, draft: Drafts, id: str, *, media: tuple[str, ...] = ()) -> None:
    """A closed alert of tv-1 with these pictures."""
    tx.append(draft(id))
    for each in media:
        tx.append(draft(id, "picture", camera="c1", snapshot="s1", state="ready", sha256=sha(each)))
    tx.append(draft(id, "close", disposition="real"))


async def sweep(ledger: SqliteLedger, step: Callable[[Transaction, int], Expired]) -> list[Expired]:
    """All steps, as the desk takes them."""
    steps: list[Expired] = []
    after: int | None = 0
    while after is not None:
        steps.append(await ledger.write(lambda tx, at=after: step(tx, at)))  # type: ignore[misc]
        after = steps[-1].after
        assert len(steps) < 500
    return steps


async def delete_alerts(ledger: SqliteLedger, before: datetime) -> list[Expired]:
    return await sweep(ledger, lambda tx, after: tx.expire_alerts(before, after, "r1"))


async def ids(ledger: SqliteLedger) -> set[str]:
    found, _ = await ledger.read(lambda reader: reader.alerts(AlertFilter(), None, 500))
    return {stored.alert.id for stored in found}


async def admit(ledger: SqliteLedger, entry: Entry) -> None:
    await ledger.write(lambda tx: tx.admit(entry, "village", entry_digest(entry)))


def whole(path: Path) -> bool:
    return first_fault(path) is None


class TestAlerts:
    async def test_what_ended_and_is_over_goes(
        self, ledger: SqliteLedger, draft: Drafts, clock: Any, tmp_path: Path
    ) -> None:
        await ledger.write(lambda tx: ended(tx, draft, "old", media=("x",)))
        await ledger.write(lambda tx: tx.append(draft("open")))
        clock.at += MONTH
        await ledger.write(lambda tx: ended(tx, draft, "young"))
        [step] = await delete_alerts(ledger, clock.at - timedelta(days=1))
        assert (step.count, step.entries, step.files, dict(step.kept)) == (1, 3, (sha("x"),), {4: "open"})
        assert await ids(ledger) == {"open", "young"}
        assert await ledger.read(lambda reader: reader.entries("old")) == []
        assert whole(tmp_path / "ledger.db")
        content = (tmp_path / "ledger.db").read_bytes()
        await ledger.close()
        assert "old" not in {
            row[0] for row in apsw.Connection(str(tmp_path / "ledger.db")).execute("SELECT id FROM alert")
        }
        assert content  # read while it ran

    async def test_texts_are_overwritten_in_the_file(
        self, open_ledger: Opener, draft: Drafts, clock: Any, tmp_path: Path
    ) -> None:
        ledger = await open_ledger()
        await ledger.write(
            lambda tx: ended(tx, lambda *a, **k: draft(*a, **(k if len(a) > 1 else {"title": "SECRET-NAME"})), "a1")
        )
        clock.at += MONTH
        await delete_alerts(ledger, clock.at)
        await ledger.close()
        assert b"SECRET-NAME" not in (tmp_path / "ledger.db").read_bytes()
        assert b"secret-name" not in (tmp_path / "ledger.db").read_bytes()

    async def test_one_sealed_record_tells_of_it(self, ledger: SqliteLedger, draft: Drafts, clock: Any) -> None:
        await ledger.write(lambda tx: ended(tx, draft, "a1"))
        clock.at += MONTH
        await delete_alerts(ledger, clock.at)
        [record], _ = await ledger.read(lambda reader: reader.audit(None, 10))
        assert (record.actor, record.action, record.object) == ("gateway", "deleted", "ledger")
        assert record.detail["alerts"] == ["a1"] and record.detail["lines"] == 2 and record.detail["run"] == "r1"
        assert len(record.detail["digest"]) == 64

    async def test_held_alerts_stay_until_they_are_released(
        self, ledger: SqliteLedger, draft: Drafts, clock: Any
    ) -> None:
        await ledger.write(lambda tx: ended(tx, draft, "a1", media=("x",)))
        await ledger.write(lambda tx: tx.append(draft("a1", "hold", comment="法院调取")))
        clock.at += MONTH
        [step] = await delete_alerts(ledger, clock.at)
        assert (step.count, dict(step.kept)) == (0, {1: "held"})
        [stored] = await ledger.read(lambda reader: reader.holds(10))
        assert stored.alert.detail["held"]["reason"] == "法院调取"
        await ledger.write(lambda tx: tx.append(draft("a1", "release", comment="结案")))
        assert await ledger.read(lambda reader: reader.holds(10)) == []
        clock.at += MONTH
        await delete_alerts(ledger, clock.at)
        assert await ids(ledger) == set()

    @pytest.mark.parametrize("parked", [False, True])
    async def test_nothing_undelivered_goes(
        self, ledger: SqliteLedger, draft: Drafts, clock: Any, parked: bool
    ) -> None:
        def work(tx: Transaction) -> None:
            ended(tx, draft, "a1")
            tx.post(ParcelDraft("county", Lane.UPDATE, entry_id=tx.entries("a1")[-1].entry.id))

        await ledger.write(work)
        [parcel] = await ledger.read(lambda reader: reader.parcels("county", Lane.UPDATE, 9, clock.at))
        if parked:
            await ledger.write(lambda tx: tx.park(parcel.id, "refused"))
        clock.at += MONTH
        [step] = await delete_alerts(ledger, clock.at)
        assert dict(step.kept) == {1: "owed"}
        await ledger.write(lambda tx: tx.delivered(parcel.id))
        await delete_alerts(ledger, clock.at)
        assert await ids(ledger) == set()

    async def test_what_was_written_before_the_clock_was_set_is_as_old_as_what_follows(
        self, ledger: SqliteLedger, draft: Drafts, clock: Any
    ) -> None:
        now = clock.at
        clock.at = now.replace(year=1970)
        await ledger.write(lambda tx: ended(tx, draft, "a1"))
        clock.at = now
        assert (await delete_alerts(ledger, now - MONTH))[-1].count == 0
        await ledger.write(lambda tx: tx.append(draft("a2")))
        assert (await delete_alerts(ledger, now - MONTH))[-1].count == 0
        clock.at = now + 2 * MONTH
        assert (await delete_alerts(ledger, clock.at - MONTH))[-1].count == 1

    async def test_a_stuck_button_goes_in_several_steps(
        self, ledger: SqliteLedger, draft: Drafts, clock: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(erasure, "MOST_ENTRIES", 4)

        def work(tx: Transaction) -> None:
            tx.append(draft("a1"))
            for _ in range(9):
                tx.append(draft("a1", "note", comment="x"))
            tx.append(draft("a1", "close", disposition="real"))

        await ledger.write(work)
        await ledger.write(lambda tx: ended(tx, draft, "a2"))
        clock.at += MONTH
        first = await ledger.write(lambda tx: tx.expire_alerts(clock.at, 0, "r1"))
        assert first.entries == 4
        assert whole(tmp_path / "ledger.db")  # also in the middle of it
        steps = await delete_alerts(ledger, clock.at)
        assert sum(step.entries for step in steps) == 9
        assert whole(tmp_path / "ledger.db")
        assert await ledger.read(lambda reader: reader.feed(0, 10)) == []

    async def test_its_press_is_a_new_one_again(self, ledger: SqliteLedger, draft: Drafts, clock: Any) -> None:
        def work(tx: Transaction) -> None:
            ended(tx, draft, "a1")
            tx.remember_press(PressRecord("tv-1", "p1", "a1", Stage.CLOSED, clock.at, "tv"), "d1")

        at = clock.at
        await ledger.write(work)
        clock.at += MONTH
        await delete_alerts(ledger, clock.at)
        assert await ledger.write(lambda tx: tx.press("tv-1", "p1", at)) is None
        await ledger.write(lambda tx: tx.append(draft("a2")))
        assert await ids(ledger) == {"a2"}


class TestLate:
    def entry(self, clock: Any, id: str = "e9", alert: str = "far", **fields: Any) -> Entry:
        return Entry(
            id,
            alert,
            "village",
            9,
            fields.pop("parents", ()),
            clock.at,
            "wang",
            fields.pop("action", "note"),
            None,
            fields,
        )

    async def far(self, ledger: SqliteLedger, draft: Drafts, clock: Any) -> list[Entry]:
        """An alert of a lower node, deleted here; its entries."""
        base = draft("far").data
        first = Entry("f1", "far", "village", 1, (), clock.at, "terminal/tv-1", "raised", None, base)
        last = Entry("f2", "far", "village", 2, ("f1",), clock.at, "wang", "close", None, {"disposition": "real"})
        for entry in (first, last):
            await ledger.write(lambda tx, each=entry: tx.admit(each, "village", entry_digest(each)))  # type: ignore[misc]
        clock.at += MONTH
        await delete_alerts(ledger, clock.at)
        return [first, last]

    async def test_a_duplicate_brings_nothing_back_and_has_its_first_receipt(
        self, ledger: SqliteLedger, draft: Drafts, clock: Any, tmp_path: Path
    ) -> None:
        entries = await self.far(ledger, draft, clock)
        for position, entry in enumerate(entries, 1):
            again = await ledger.write(lambda tx, each=entry: tx.admit(each, "village", entry_digest(each)))  # type: ignore[misc]
            assert again.position == position
            receipt = await ledger.read(lambda reader, id=entry.id: reader.admitted("village", id))  # type: ignore[misc]
            assert receipt is not None and receipt.sha256 == entry_digest(entry)
        assert await ids(ledger) == set()
        assert whole(tmp_path / "ledger.db")

    async def test_another_under_its_name_is_refused(self, ledger: SqliteLedger, draft: Drafts, clock: Any) -> None:
        [first, _] = await self.far(ledger, draft, clock)
        with pytest.raises(ValueError, match="a different entry"):
            await ledger.write(lambda tx: tx.admit(first, "village", "ab" * 32))

    async def test_a_late_one_has_its_receipt_and_nothing_else(
        self, ledger: SqliteLedger, draft: Drafts, clock: Any, tmp_path: Path
    ) -> None:
        await self.far(ledger, draft, clock)
        late = self.entry(clock, parents=("f2",), action="reopen", word="LATE-TEXT")
        taken = await ledger.write(lambda tx: tx.admit(late, "village", "cd" * 32))
        assert (await ledger.read(lambda reader: reader.admitted("village", "e9"))) == Receipt(
            "e9", "cd" * 32, taken.position, clock.at
        )
        assert await ids(ledger) == set() and await ledger.read(lambda reader: reader.entry("e9")) is None
        assert whole(tmp_path / "ledger.db")

    async def test_the_books_of_both_levels_still_agree(self, ledger: SqliteLedger, draft: Drafts, clock: Any) -> None:
        entries = await self.far(ledger, draft, clock)
        book = await ledger.read(lambda reader: reader.admissions("village", 0, 10))
        assert [receipt.id for receipt in book] == [entry.id for entry in entries]

    async def test_nothing_is_written_on_a_deleted_alert(self, ledger: SqliteLedger, draft: Drafts, clock: Any) -> None:
        await self.far(ledger, draft, clock)
        with pytest.raises(ValueError, match="was deleted"):
            await ledger.write(lambda tx: tx.append(draft("far", "note", comment="x")))

    async def test_receipts_are_forgotten_up_to_the_first_that_is_needed(
        self, ledger: SqliteLedger, draft: Drafts, clock: Any
    ) -> None:
        def work(tx: Transaction) -> None:
            for n, id in enumerate(("a1", "a2", "a3")):
                tx.append(draft(id))
                if id != "a2":
                    tx.append(draft(id, "close", disposition="real"))
                for place, line in enumerate(tx.entries(id)):
                    at = clock.at + timedelta(seconds=10 * n + place)
                    tx.remember_receipt(
                        "county", line.entry.id, Receipt(line.entry.id, "ab" * 32, 10 * n + place + 1, at)
                    )

        await ledger.write(work)
        clock.at += MONTH
        await delete_alerts(ledger, clock.at)
        assert await ledger.write(lambda tx: tx.expire_receipts("county", 100)) == 2
        since = clock.at - 2 * MONTH
        left = await ledger.read(lambda reader: reader.receipts("county", since, clock.at, -1, 10))
        assert [receipt.seq for receipt in left] == [11, 21, 22]


class TestMedia:
    async def test_files_of_alerts_that_are_over(self, ledger: SqliteLedger, draft: Drafts, clock: Any) -> None:
        await ledger.write(lambda tx: ended(tx, draft, "a1", media=("x", "shared")))
        clock.at += MONTH
        await ledger.write(lambda tx: ended(tx, draft, "a2", media=("shared",)))
        [step] = await sweep(ledger, lambda tx, after: tx.expire_media("pictures", clock.at, after, "r1"))
        assert step.files == (sha("x"),)  # the other is still needed
        assert await ids(ledger) == {"a1", "a2"}
        assert await ledger.write(lambda tx: tx.unreferenced([sha("x"), sha("shared"), sha("never")])) == [
            sha("x"),
            sha("never"),
        ]

    async def test_clips_and_evidence_have_times_of_their_own(
        self, ledger: SqliteLedger, draft: Drafts, clock: Any
    ) -> None:
        def work(tx: Transaction) -> None:
            tx.append(draft("fault", kind="image_fault"))
            tx.append(draft("fault", "picture", camera="c1", snapshot="s", state="ready", sha256=sha("fault")))
            tx.append(draft("fault", "close", disposition="real"))
            tx.append(draft("a1"))
            tx.append(draft("a1", "clip", camera="c1", clip="c", state="ready", sha256=sha("clip")))
            tx.append(draft("a1", "close", disposition="real"))

        await ledger.write(work)
        clock.at += MONTH
        found = {}
        for kind in ("pictures", "clips", "evidence"):
            steps = await sweep(ledger, lambda tx, after, kind=kind: tx.expire_media(kind, clock.at, after, "r1"))  # type: ignore[misc]
            found[kind] = [file for step in steps for file in step.files]
        assert found == {"pictures": [], "clips": [sha("clip")], "evidence": [sha("fault")]}


class TestAudit:
    async def test_old_lines_go_and_deletions_stay(
        self, ledger: SqliteLedger, draft: Drafts, clock: Any, tmp_path: Path
    ) -> None:
        await ledger.write(lambda tx: ended(tx, draft, "a1"))
        await ledger.write(lambda tx: tx.record(AuditRecord(clock.at, "wang", "view_camera", "cameras/c1", "why")))
        clock.at += MONTH
        await delete_alerts(ledger, clock.at)
        await ledger.write(lambda tx: tx.record(AuditRecord(clock.at, "li", "view_camera", "cameras/c1", "why")))
        clock.at += MONTH
        steps = await sweep(ledger, lambda tx, after: tx.expire_audit(clock.at - timedelta(days=40), after, "r2"))
        assert sum(step.count for step in steps) == 1
        lines, _ = await ledger.read(lambda reader: reader.audit(None, 10))
        assert [(line.actor, line.action) for line in lines] == [
            ("gateway", "deleted"),
            ("li", "view_camera"),
            ("gateway", "deleted"),
        ]
        assert whole(tmp_path / "ledger.db")

    async def test_lines_about_a_held_alert_stay(self, ledger: SqliteLedger, draft: Drafts, clock: Any) -> None:
        await ledger.write(lambda tx: ended(tx, draft, "a1"))
        await ledger.write(lambda tx: tx.append(draft("a1", "hold", comment="x")))
        await ledger.write(
            lambda tx: tx.record(AuditRecord(clock.at, "wang", "view_snapshot", "alerts/a1/snapshots/s"))
        )
        clock.at += MONTH
        [step] = await sweep(ledger, lambda tx, after: tx.expire_audit(clock.at, after, "r"))
        assert (step.count, dict(step.kept)) == (0, {1: "held"})

    async def test_lines_about_an_alert_whose_name_only_begins_like_a_held_one_go(
        self, ledger: SqliteLedger, draft: Drafts, clock: Any
    ) -> None:
        """Names come from lower nodes, too: one that is held would keep the audit of all that begin with it."""
        await ledger.write(lambda tx: ended(tx, draft, "a1"))
        await ledger.write(lambda tx: tx.append(draft("a1", "hold", comment="x")))
        for about in ("alerts/a1", "alerts/a10", "alerts/a10/clips/c"):
            await ledger.write(lambda tx, each=about: tx.record(AuditRecord(clock.at, "wang", "viewed", each)))  # type: ignore[misc]
        clock.at += MONTH
        [step] = await sweep(ledger, lambda tx, after: tx.expire_audit(clock.at, after, "r"))
        assert (step.count, dict(step.kept)) == (2, {1: "held"})


class TestOrder:
    """The walk goes in the order of coming; neither what came late to an alert nor a wrong clock hides what is behind it."""

    @pytest.fixture
    def small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """So that a few alerts are several looks ahead."""
        monkeypatch.setattr(erasure, "_AHEAD", 10)
        monkeypatch.setattr(erasure, "_RECORDS_AHEAD", 10)
        monkeypatch.setattr(ages, "_BEFORE", 10)

    async def many(self, ledger: SqliteLedger, draft: Drafts, count: int, name: str, *, closed: bool = True) -> None:
        def work(tx: Transaction) -> None:
            for n in range(count):
                if closed:
                    ended(tx, draft, f"{name}{n}", media=(f"{name}{n}",))
                else:
                    tx.append(draft(f"{name}{n}"))
                    picture = {"camera": "c1", "snapshot": "s1", "state": "ready", "sha256": sha(f"{name}{n}")}
                    tx.append(draft(f"{name}{n}", "picture", **picture))

        await ledger.write(work)

    async def media(self, ledger: SqliteLedger, before: datetime) -> int:
        steps = await sweep(ledger, lambda tx, after: tx.expire_media("pictures", before, after, "r1"))
        return sum(step.count for step in steps)

    async def gone(self, ledger: SqliteLedger, before: datetime) -> int:
        return sum(step.count for step in await delete_alerts(ledger, before))

    async def test_alerts_that_were_closed_late_do_not_hide_the_ones_behind_them(
        self, ledger: SqliteLedger, draft: Drafts, clock: Any
    ) -> None:
        await self.many(ledger, draft, 25, "late", closed=False)
        await self.many(ledger, draft, 40, "old")
        clock.at += 3 * MONTH
        await ledger.write(lambda tx: [tx.append(draft(f"late{n}", "close", disposition="real")) for n in range(25)])
        assert await self.media(ledger, clock.at - MONTH) == 40
        assert await self.gone(ledger, clock.at - MONTH) == 40
        clock.at += 2 * MONTH
        assert await self.gone(ledger, clock.at - MONTH) == 25

    @pytest.mark.parametrize("ahead", [timedelta(days=73 * 365), timedelta(days=60)])
    @pytest.mark.usefixtures("small")
    async def test_nor_do_those_that_came_while_the_clock_was_ahead(
        self, ledger: SqliteLedger, draft: Drafts, clock: Any, ahead: timedelta
    ) -> None:
        """Also once the time has come that it told, when they look like young ones."""
        now, clock.at = clock.at, clock.at + ahead
        await self.many(ledger, draft, 65, "wrong")
        clock.at = now
        await self.many(ledger, draft, 30, "old")
        clock.at += timedelta(days=65)
        before = clock.at - MONTH
        old = {f"old{n}" for n in range(5, 30)}  # the first may be from a clock that was behind
        assert await self.media(ledger, before) >= 25
        assert await self.gone(ledger, before) >= 25
        assert not await ids(ledger) & old

    @pytest.mark.usefixtures("small")
    async def test_nor_lines_of_the_audit_from_such_an_hour(
        self, ledger: SqliteLedger, draft: Drafts, clock: Any
    ) -> None:
        def lines(tx: Transaction, at: datetime, count: int) -> None:
            for _ in range(count):
                tx.record(AuditRecord(at, "wang", "view_camera", "cameras/c1", "why"))

        now = clock.at
        await ledger.write(lambda tx: lines(tx, now.replace(year=2099), 75))
        await ledger.write(lambda tx: lines(tx, now, 30))
        clock.at += 3 * MONTH
        await sweep(ledger, lambda tx, after: tx.expire_audit(clock.at - MONTH, after, "r1"))
        left, _ = await ledger.read(lambda reader: reader.audit(None, 500))
        assert not [line for line in left if line.at == now]

    @pytest.mark.usefixtures("small")
    async def test_what_came_while_the_clock_was_ahead_is_as_old_as_what_followed(
        self, ledger: SqliteLedger, draft: Drafts, clock: Any
    ) -> None:
        """Its pictures are kept for their term, and not until 2099."""
        now, clock.at = clock.at, clock.at.replace(year=2099)
        await self.many(ledger, draft, 30, "wrong")
        clock.at = now
        assert await self.gone(ledger, now) == 0  # nothing followed yet
        clock.at = now + MONTH
        await self.many(ledger, draft, 1, "right")
        clock.at = now + 2 * MONTH - timedelta(hours=1)
        assert await self.gone(ledger, clock.at - MONTH) == 0
        clock.at = now + 2 * MONTH + timedelta(hours=1)
        assert await self.media(ledger, clock.at - MONTH) == 31
        assert await self.gone(ledger, clock.at - MONTH) == 31

    async def test_what_came_while_the_clock_was_behind_is_not_old_when_it_is_set(
        self, ledger: SqliteLedger, draft: Drafts, clock: Any
    ) -> None:
        """A clock that lost its time begins with the year its system was built, and not in 1970."""
        await self.many(ledger, draft, 5, "before")
        now, clock.at = clock.at, clock.at - 48 * MONTH
        await self.many(ledger, draft, 60, "behind")
        clock.at = now + timedelta(days=2)
        await self.many(ledger, draft, 5, "after")
        assert await self.media(ledger, clock.at - MONTH) == 0
        assert await self.gone(ledger, clock.at - MONTH) == 0
        clock.at += 2 * MONTH
        assert await self.media(ledger, clock.at - MONTH) == 70
        assert await self.gone(ledger, clock.at - MONTH) == 70

    async def test_while_the_clock_is_behind_nothing_is_taken_for_old(
        self, ledger: SqliteLedger, draft: Drafts, clock: Any
    ) -> None:
        await self.many(ledger, draft, 30, "a")
        clock.at -= 12 * MONTH
        assert await self.gone(ledger, clock.at - MONTH) == 0

    @pytest.mark.parametrize("year", [1970, 2099])
    @pytest.mark.usefixtures("small")
    async def test_lines_of_the_audit_from_a_wrong_clock_are_as_old_as_what_followed(
        self, ledger: SqliteLedger, clock: Any, year: int
    ) -> None:
        wrong = AuditRecord(clock.at.replace(year=year), "wang", "view_camera", "cameras/c1", "why")
        await ledger.write(lambda tx: [tx.record(wrong) for _ in range(75)])  # type: ignore[func-returns-value]
        clock.at += timedelta(hours=1)
        await ledger.write(lambda tx: tx.record(AuditRecord(clock.at, "li", "view_camera", "cameras/c1", "why")))
        for days, gone in ((29, 0), (31, 76)):
            now = clock.at
            clock.at += timedelta(days=days)
            steps = await sweep(ledger, lambda tx, after: tx.expire_audit(clock.at - MONTH, after, "r1"))
            assert sum(step.count for step in steps) == gone
            clock.at = now

    @pytest.mark.usefixtures("small")
    async def test_young_ones_are_passed_in_few_steps(self, ledger: SqliteLedger, draft: Drafts, clock: Any) -> None:
        clock.at += 3 * MONTH
        await self.many(ledger, draft, 125, "young")
        steps = await delete_alerts(ledger, clock.at - MONTH)
        assert sum(step.count for step in steps) == 0 and len(steps) <= 125 // 35 + 1


class TestProof:
    """Deleted is told from tampered."""

    @pytest.fixture
    async def path(self, open_ledger: Opener, draft: Drafts, clock: Any, tmp_path: Path) -> Path:
        ledger = await open_ledger()
        for id in ("a1", "a2", "a3"):
            await ledger.write(lambda tx, id=id: ended(tx, draft, id))  # type: ignore[misc]
            clock.at += timedelta(days=1)
        await delete_alerts(ledger, clock.at - timedelta(days=1, hours=1))
        await ledger.close()
        return tmp_path / "ledger.db"

    def test_it_holds(self, path: Path) -> None:
        assert verify_file(path).broken is None

    @pytest.mark.parametrize(
        ("statement", "line"),
        [
            ("UPDATE entry SET body = '' WHERE position = 5", 5),
            ("DELETE FROM entry WHERE position = 5", 5),
            ("UPDATE chain SET erased = NULL WHERE n = 1", 1),
            ("UPDATE chain SET digest = x'00' WHERE n = 1", 1),
            ("UPDATE entry SET body = 'x' WHERE position = 1", 1),
            ("DELETE FROM audit", 7),
        ],
    )
    def test_what_nobody_sealed_is_a_broken_line(self, path: Path, statement: str, line: int) -> None:
        connection = apsw.Connection(str(path))
        connection.execute(statement)
        connection.close()
        broken = verify_file(path).broken
        assert broken is not None and broken.n == line

    @pytest.mark.parametrize("record", [1, 99])
    def test_nor_can_it_be_hidden_behind_a_deletion(self, path: Path, record: int) -> None:
        connection = apsw.Connection(str(path))
        connection.execute("UPDATE entry SET body = '' WHERE position = 5")
        connection.execute("UPDATE chain SET salt = x'', erased = ? WHERE n = 5", (record,))
        connection.close()
        assert verify_file(path).broken is not None


class TestAnyOrder:
    @settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.data())
    async def test_what_stays_is_unchanged_and_the_chain_holds(
        self, open_ledger: Opener, draft: Drafts, clock: Any, tmp_path: Path, data: st.DataObject
    ) -> None:
        """Raises, closings, holds, late and repeated entries, and deletions, in any order."""
        ledger = await open_ledger(name=f"{uuid7()}.db")
        told: dict[str, Entry] = {}
        steps = data.draw(st.lists(st.tuples(st.sampled_from(_STEPS), st.integers(0, 3)), min_size=4, max_size=25))
        gone: set[str] = set()
        for number, (what, which) in enumerate(steps):
            alert = f"a{which}"
            clock.at += timedelta(days=1)
            before = await _folds(ledger)
            if what == "delete":
                await delete_alerts(ledger, clock.at - timedelta(days=2))
                after = await _folds(ledger)
                gone |= before.keys() - after.keys()
                for id in before.keys() - after.keys():
                    assert before[id].workflow == "closed" and "held" not in before[id].detail
            elif what == "again" and told:
                entry = data.draw(st.sampled_from(sorted(told.values(), key=lambda entry: entry.id)))
                await admit(ledger, entry)
                after = await _folds(ledger)
                assert after == before
            elif what == "raised":
                entry = Entry(
                    f"r{which}",
                    alert,
                    "village",
                    which + 1,
                    (),
                    clock.at,
                    "terminal/t",
                    "raised",
                    None,
                    draft(alert).data,
                )
                if entry.id not in told:
                    told[entry.id] = entry
                    await admit(ledger, entry)
            else:
                data_ = {"disposition": "real"} if what == "close" else {}
                entry = Entry(f"n{number}", alert, "village", 100 + number, (), clock.at, "wang", what, None, data_)
                told[entry.id] = entry
                await admit(ledger, entry)
            after = await _folds(ledger)
            assert not gone & after.keys()
            assert all(after[id] == before[id] for id in before.keys() & after.keys() if id != alert)
        path = next(iter(sorted(tmp_path.glob("*.db"), key=lambda file: file.stat().st_mtime_ns, reverse=True)))
        await ledger.close()
        assert first_fault(path) is None


_STEPS = ["raised", "close", "hold", "release", "note", "again", "delete"]


async def _folds(ledger: SqliteLedger) -> dict[str, Any]:
    found, _ = await ledger.read(lambda reader: reader.alerts(AlertFilter(), None, 500))
    return {stored.alert.id: stored.alert for stored in found}


async def test_what_stays_of_the_deleted_lies_together(
    open_ledger: Opener, draft: Drafts, clock: Any, tmp_path: Path
) -> None:
    """A row that only shrinks would keep its page: then years of alerts would keep their whole size."""
    ledger = await open_ledger()

    def written(tx: Transaction) -> None:
        for n in range(20):
            ended(tx, draft, uuid7(), media=tuple(f"{n} {each}" for each in "abcd"))
            tx.append(draft(uuid7(), "raised", base={"title": "x" * 1500}))

    def closed(tx: Transaction) -> None:
        for stored in tx.alerts(AlertFilter(), None, 500)[0]:
            if stored.alert.workflow != "closed":
                tx.append(draft(stored.alert.id, "close", disposition="real"))

    for _ in range(10):
        await ledger.write(written)
    await ledger.write(closed)
    clock.at += MONTH
    await delete_alerts(ledger, clock.at)
    await ledger.close()
    connection = apsw.Connection(str(tmp_path / "ledger.db"))
    pages, free = connection.pragma("page_count"), connection.pragma("freelist_count")
    rows = connection.execute("SELECT count(*) FROM entry WHERE body = ''").get
    connection.close()
    assert rows == 1600
    assert (pages - free) * 4096 < rows * 600, (pages, free)
