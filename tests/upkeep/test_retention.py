"""The desk that deletes what is over: when, what, in which order, and what a kill leaves behind."""

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.config.sections.upkeep import RetentionSettings
from gateway.errors import StoreFailed
from gateway.ledger.soundness import first_fault
from gateway.ledger.sqlite import SqliteLedger
from gateway.model import Draft
from gateway.ports import AlertFilter, AuditRecord, Transaction
from gateway.upkeep.retention import RetentionDesk
from gateway.video.media import FileMediaStore

NIGHT = datetime(2026, 6, 1, 3, 0, tzinfo=UTC)
DAY = timedelta(days=1)


@dataclass
class Clock:
    at: datetime = field(default=NIGHT)

    def now(self) -> datetime:
        return self.at

    def mono(self) -> float:
        return self.at.timestamp()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


class Disk(FileMediaStore):
    """With as much room as it is told; ``refuses``: it lets nothing be removed."""

    left = 10**12
    refuses = False

    def room(self) -> tuple[int, int]:
        return self.left, 100

    async def remove(self, sha256: str, before: float) -> int:
        if self.refuses:
            raise StoreFailed("the disk does not let us")
        freed = await super().remove(sha256, before)
        self.left += freed
        return freed


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def ledger(tmp_path: Path, clock: Clock) -> AsyncIterator[SqliteLedger]:
    opened = await SqliteLedger.open(tmp_path / "ledger.db", "low", clock)
    yield opened
    await opened.close()


@pytest.fixture
async def disk(tmp_path: Path) -> AsyncIterator[Disk]:
    store = Disk(tmp_path / "media")
    yield store
    await store.close()


def settings(**given: Any) -> RetentionSettings:
    return RetentionSettings(**given)


@pytest.fixture
def desk(ledger: SqliteLedger, disk: Disk, clock: Clock) -> Callable[..., RetentionDesk]:
    def make(**given: Any) -> RetentionDesk:
        return RetentionDesk(ledger, disk, settings(**given), clock, uppers=["county"])

    return make


@pytest.fixture
def case(ledger: SqliteLedger, disk: Disk, clock: Clock) -> Callable[..., Any]:
    """``await case("a1", days=100, open=False, held=False)``: an alert with a picture and a clip that ended so many days ago;
    returns the hashes of both."""

    async def make(id: str, days: int, *, is_open: bool = False, held: bool = False, picture: str = "") -> list[str]:
        now, clock.at = clock.at, clock.at - days * DAY
        shas = [
            await disk.put(f"picture {picture or id}".encode(), "image/jpeg"),
            await disk.put(f"clip {id}".encode(), "video/mp4"),
        ]
        for sha in shas:
            for path in disk._root.glob(f"*/{sha}.*"):
                os.utime(path, (clock.at.timestamp(), clock.at.timestamp()))

        def work(tx: Transaction) -> None:
            base = {"kind": "sos", "severity": 1, "source": {"type": "terminal", "id": id}, "title": "求助"}
            tx.append(Draft(id, "raised", "terminal/tv", clock.at, None, {"base": base}))
            for action, sha in zip(("picture", "clip"), shas, strict=True):
                data = {"camera": "c1", "snapshot": "s", "clip": "c", "state": "ready", "sha256": sha}
                tx.append(Draft(id, action, "gateway", clock.at, None, data))
            if not is_open:
                tx.append(Draft(id, "close", "wang", clock.at, None, {"disposition": "real"}))
            if held:
                tx.append(Draft(id, "hold", "wang", clock.at, "法院"))

        await ledger.write(work)
        clock.at = now
        return shas

    return make


async def alerts(ledger: SqliteLedger) -> set[str]:
    found, _ = await ledger.read(lambda reader: reader.alerts(AlertFilter(), None, 500))
    return {stored.alert.id for stored in found}


async def _lived(desk: RetentionDesk, clock: Clock, days: int = 1) -> None:
    """So many days and an hour with a look at each hour."""
    for _ in range(24 * days + 1):
        clock.at += timedelta(hours=1)
        await desk.look()


class TestSettings:
    @pytest.mark.parametrize(
        ("given", "words"),
        [
            ({"pictures": 29}, "30"),
            ({"clips": 7}, "Article 17"),
            ({"audit": 179}, "six months"),
            ({"pictures": 4000, "alerts": 3653}, "个人信息保护法"),
            ({"alerts": 60}, "takes its pictures along"),
        ],
    )
    def test_what_the_law_does_not_allow_is_refused_in_words(self, given: dict[str, int], words: str) -> None:
        with pytest.raises(ValueError, match=words):
            settings(**given)

    def test_tests_may(self) -> None:
        assert settings(pictures=1, clips=1, evidence=1, alerts=2, below_the_law=True).floor("pictures") == 1
        assert settings().floor("pictures") == 30


class TestRun:
    async def test_media_goes_before_its_alert(
        self, ledger: SqliteLedger, disk: Disk, desk: Any, case: Any, tmp_path: Path
    ) -> None:
        old = await case("old", 1200)
        middle = await case("middle", 100)
        young = await case("young", 20)
        run = await desk().sweep()
        assert await alerts(ledger) == {"middle", "young"}
        for sha in (*old, *middle):
            assert await disk.find(sha) is None
        for sha in young:
            assert await disk.find(sha) is not None
        assert run.gone == {"pictures": 2, "clips": 2, "alerts": 1}
        assert run.freed == sum(len(f"{kind} {id}") for kind in ("picture", "clip") for id in ("old", "middle"))
        assert first_fault(tmp_path / "ledger.db") is None
        [told], _ = await ledger.read(lambda reader: reader.audit(None, 1))
        assert (told.action, told.detail["deleted"], told.detail["run"]) == ("retention", run.gone, run.id)

    async def test_open_and_held_ones_keep_all_they_have(
        self, disk: Disk, ledger: SqliteLedger, desk: Any, case: Any
    ) -> None:
        kept = [*await case("open", 2000, is_open=True), *await case("held", 2000, held=True)]
        run = await desk().sweep()
        assert all([await disk.find(sha) is not None for sha in kept])
        assert await alerts(ledger) == {"open", "held"}
        assert (dict(run.gone), dict(run.kept)) == ({}, {"open": 1, "held": 1})

    async def test_what_stays_is_counted_once_however_many_lines_tell_of_it(
        self, ledger: SqliteLedger, clock: Clock, desk: Any, case: Any
    ) -> None:
        await case("held", 2000, held=True)
        viewed = AuditRecord(clock.at - 1900 * DAY, "wang", "view_snapshot", "alerts/held/snapshots/s")
        for _ in range(3):
            await ledger.write(lambda tx: tx.record(viewed))
        for n in range(20):
            await case(f"old{n}", 1900)  # more than one step: those that stay are met again
        run = await desk().sweep()
        assert (run.gone["alerts"], dict(run.kept)) == (20, {"held": 1})

    async def test_tests_of_the_heartbeat_go_early_and_no_others(
        self, ledger: SqliteLedger, disk: Disk, clock: Clock, case: Any
    ) -> None:
        now = clock.at
        for id, days, source, status in [
            ("beat-old", 40, "heartbeat", "test"),
            ("beat-young", 20, "heartbeat", "test"),
            ("drill", 40, "tv-1", "test"),
            ("true", 40, "heartbeat", "actual"),
        ]:
            clock.at = now - days * DAY
            base = {"kind": "sos", "severity": 1, "status": status, "source": {"type": "terminal", "id": source}}
            raised = Draft(id, "raised", "terminal/tv", clock.at, None, {"base": {**base, "title": "演练"}})
            closed = Draft(id, "close", "gateway", clock.at, None, {"disposition": "test"})
            await ledger.write(lambda tx, drafts=(raised, closed): [tx.append(each) for each in drafts])
        clock.at = now
        run = await RetentionDesk(ledger, disk, settings(), clock, heartbeat="heartbeat").sweep()
        assert await alerts(ledger) == {"beat-young", "drill", "true"}
        assert run.gone == {"alerts": 1}

    async def test_a_picture_that_another_alert_has_too_stays(self, disk: Disk, desk: Any, case: Any) -> None:
        [shared, _] = await case("old", 100, picture="both")
        await case("young", 20, picture="both")
        await desk().sweep()
        assert await disk.find(shared) is not None

    async def test_what_a_kill_left_behind_goes_with_the_next_run(self, disk: Disk, desk: Any, case: Any) -> None:
        """Between the commit and the files, or while a file had no entry yet."""
        shas = await case("old", 100)
        disk.refuses = True
        run = await desk().sweep()
        assert run.fault == "the disk does not let us"
        assert await disk.find(shas[0]) is not None
        disk.refuses = False
        run = await desk().sweep()
        assert run.fault is None and await disk.find(shas[0]) is None

    async def test_files_from_a_clock_that_was_ahead_go_with_their_alert(
        self, disk: Disk, clock: Clock, desk: Any, case: Any
    ) -> None:
        shas = await case("old", 100)
        needed = await case("young", 20)
        ahead = clock.at.replace(year=2060).timestamp()
        for sha in (*shas, *needed):
            for path in disk._root.glob(f"*/{sha}.*"):
                os.utime(path, (ahead, ahead))
        await desk().sweep()
        assert [await disk.find(sha) for sha in shas] == [None, None]
        assert None not in [await disk.find(sha) for sha in needed]

    async def test_a_file_whose_entry_may_still_come_stays(self, disk: Disk, clock: Clock, desk: Any) -> None:
        ahead = await disk.put(b"ahead of its entry", "image/jpeg")
        [path] = disk._root.glob(f"*/{ahead}.*")
        os.utime(path, (clock.at.timestamp(), clock.at.timestamp()))
        await desk().sweep()
        assert await disk.find(ahead) is not None

    async def test_it_is_told_after_a_restart(self, ledger: SqliteLedger, desk: Any, case: Any) -> None:
        await case("old", 1200)
        run = await desk().sweep()
        again = desk()
        task = asyncio.create_task(again.run())
        while (await again.overview()).last is None:
            await asyncio.sleep(0)
        task.cancel()
        assert (await again.overview()).last == run


class TestWhen:
    async def test_not_before_the_clock_went_on_for_a_day(
        self, ledger: SqliteLedger, clock: Clock, desk: Any, case: Any
    ) -> None:
        """A box that boots in 2099, or was away for long, deletes nothing on the strength of it."""
        await case("old", 1200)
        steady = desk()
        await steady.look()
        assert await alerts(ledger) == {"old"} and (await steady.overview()).waits is not None
        for _ in range(24):
            clock.at += timedelta(hours=1)
            await steady.look()
        assert await alerts(ledger) == set() and (await steady.overview()).waits is None

    async def test_a_clock_that_jumps_is_waited_for_anew(
        self, clock: Clock, ledger: SqliteLedger, desk: Any, case: Any
    ) -> None:
        steady, true_mono = desk(), clock.mono
        await steady.look()
        offset = 0.0
        clock.mono = lambda: true_mono() - offset  # type: ignore[method-assign]
        for _ in range(30):
            clock.at += timedelta(hours=1)
            await steady.look()
        await case("a1", 20)
        clock.at += 3650 * DAY
        offset = (3650 * DAY).total_seconds()
        await steady.look()
        assert await alerts(ledger) == {"a1"}
        assert (await steady.overview()).waits is not None

    async def test_a_year_that_cannot_be_deletes_nothing_however_long_it_stays(
        self, clock: Clock, ledger: SqliteLedger, desk: Any, case: Any
    ) -> None:
        """A wrong year stays wrong for longer than a day, also over a restart."""
        await _lived(desk(), clock)
        await case("a1", 20)
        clock.at = NIGHT + 74 * 365 * DAY
        for steady in (desk(), desk()):
            await _lived(steady, clock, days=4)
            assert "an administrator" in str((await steady.overview()).waits)
        assert await alerts(ledger) == {"a1"}
        clock.at = NIGHT + 8 * DAY  # set right: believed again after a day
        await _lived(right := desk(), clock)
        assert (await right.overview()).waits is None and await alerts(ledger) == {"a1"}

    async def test_nor_does_a_clock_that_walks_there_while_the_node_runs(
        self, clock: Clock, ledger: SqliteLedger, disk: Disk, desk: Any, case: Any
    ) -> None:
        """Whoever answers for the time server moves it by a little less than a jump at each look."""
        walked = timedelta()
        true_mono = clock.mono
        clock.mono = lambda: true_mono() - walked.total_seconds()  # type: ignore[method-assign]
        await _lived(steady := desk(), clock)
        shas = await case("a1", 20)
        for _ in range(700):
            walked += timedelta(hours=5.9)
            clock.at += timedelta(hours=5.9, minutes=10)
            await steady.look()
        await _lived(steady, clock, days=3)
        assert await alerts(ledger) == {"a1"}
        assert [await disk.find(sha) for sha in shas if await disk.find(sha) is None] == [], "pictures go after 90 days"
        assert (await steady.overview()).waits is not None

    async def test_a_clock_without_a_battery_is_believed_again_once_it_is_set(
        self, clock: Clock, ledger: SqliteLedger, desk: Any, case: Any
    ) -> None:
        await _lived(desk(), clock)
        await case("old", 1200)
        now, clock.at = clock.at, datetime(1970, 1, 1, tzinfo=UTC)
        await (booted := desk()).look()
        clock.at = now + timedelta(hours=1)
        clock.mono = lambda: clock.at.timestamp() - now.timestamp()  # type: ignore[method-assign]
        await booted.look()
        assert "for a day" in str((await booted.overview()).waits) and await alerts(ledger) == {"old"}
        await _lived(booted, clock, days=2)
        assert await alerts(ledger) == set()

    async def test_a_box_that_was_away_for_months_waits_for_a_person(
        self, clock: Clock, ledger: SqliteLedger, desk: Any, case: Any
    ) -> None:
        await _lived(desk(), clock)
        await case("old", 1200)
        clock.at += 90 * DAY
        steady = desk()
        assert await steady.waits() is not None
        await steady.believe_clock()
        assert await steady.waits() is None
        await steady.sweep("li")
        assert await alerts(ledger) == set()

    async def test_at_the_quiet_hour_and_once(self, clock: Clock, ledger: SqliteLedger, desk: Any, case: Any) -> None:
        at_night = desk(below_the_law=True)
        await at_night.look()
        first = (await at_night.overview()).last
        assert first is not None
        clock.at += timedelta(hours=13)  # noon
        await at_night.look()
        assert (await at_night.overview()).last == first
        clock.at += timedelta(hours=11)
        await at_night.look()
        assert (await at_night.overview()).last != first

    async def test_a_box_that_is_off_at_night_has_its_first_run_too(
        self, clock: Clock, ledger: SqliteLedger, desk: Any, case: Any
    ) -> None:
        """Switched on from eight to six, and never on at the quiet hour."""
        clock.at = NIGHT.replace(hour=8)
        await case("old", 1200)
        for _ in range(2):
            by_day = desk()
            for _ in range(10):
                await by_day.look()
                clock.at += timedelta(hours=1)
            clock.at += timedelta(hours=14)
        assert await alerts(ledger) == {"old"}  # a day and a half are not over
        by_day = desk()
        for _ in range(10):
            await by_day.look()
            clock.at += timedelta(hours=1)
        assert await alerts(ledger) == set()
        assert (await by_day.overview()).last is not None

    async def test_a_new_box_waits_for_the_quiet_hour(
        self, clock: Clock, ledger: SqliteLedger, desk: Any, case: Any
    ) -> None:
        clock.at = NIGHT.replace(hour=8)
        await case("old", 1200)
        by_day = desk(below_the_law=True)
        await by_day.look()
        clock.at += timedelta(hours=6)
        await by_day.look()
        assert await alerts(ledger) == {"old"}
        clock.at += timedelta(hours=13)
        await by_day.look()
        assert await alerts(ledger) == set()


class TestRoom:
    async def test_the_oldest_goes_first_and_no_more_than_needed(self, disk: Disk, desk: Any, case: Any) -> None:
        shas = {days: await case(f"a{days}", days) for days in (80, 60, 40, 20)}
        disk.left = 185
        await desk().make_room()
        assert [await disk.find(shas[days][0]) is not None for days in (80, 60, 40, 20)] == [False, True, True, True]

    async def test_never_what_the_law_keeps_and_says_so(
        self, disk: Disk, ledger: SqliteLedger, desk: Any, case: Any
    ) -> None:
        held = await case("held", 60, held=True)
        shas = {days: await case(f"a{days}", days) for days in (40, 20)}
        disk.left = 0
        short = desk()
        await short.make_room()
        assert await disk.find(shas[40][0]) is None
        assert await disk.find(shas[20][0]) is not None and await disk.find(held[0]) is not None
        assert short.short is not None and "1 alerts are held" in short.short
        disk.left = 10**12
        await short.make_room()
        assert short.short is None


async def test_storing_again_keeps_a_file(disk: Disk) -> None:
    """Whoever was told that it is there is about to refer to it."""
    sha = await disk.put(b"same", "image/jpeg")
    [path] = disk._root.glob(f"*/{sha}.*")
    os.utime(path, (0, 0))
    assert hashlib.sha256(b"same").hexdigest() == sha
    await disk.put(b"same", "image/jpeg")
    assert await disk.remove(sha, time.time() - 60) == 0
    assert await disk.find(sha) is not None
