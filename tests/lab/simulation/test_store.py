"""The real ledger on the simulated disk: what it acknowledged is there, whatever ended the process before."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import pytest
import structlog

from gateway.errors import StoreFailed
from gateway.lab.simulation.disk import Disk
from gateway.lab.simulation.store import install, open_ledger
from gateway.lab.simulation.time import START, NodeClock, VirtualLoop
from gateway.ledger import audit
from gateway.ledger.migrate import schema_steps
from gateway.model import Draft
from gateway.ports import AuditRecord, Transaction


class Box:
    """A disk, and the ledger that is open on it."""

    def __init__(self, seed: int) -> None:
        self.disk = Disk(random.Random(seed))
        self.open()

    def open(self) -> None:
        clock = NodeClock(asyncio.get_running_loop())
        self.ledger, self.connection = open_ledger(self.disk, "town", clock, lambda *_: None)

    async def record(self, name: str) -> None:
        await self.ledger.write(lambda tx: tx.record(AuditRecord(START, "test", name, "test")))

    async def names(self) -> list[str]:
        page, _ = await self.ledger.read(lambda reader: reader.audit(None, 500))
        assert audit.verify(self.connection).broken is None
        return sorted(record.action for record in page)

    async def mark(self, numbers: Iterable[int], value: str) -> None:
        """Each on pages of its own, in one transaction."""

        def work(tx: Transaction) -> None:
            for number in numbers:
                tx.set_bookmark(f"{number:02}", value + 6_000 * " ")

        await self.ledger.write(work)

    async def marks(self, numbers: Iterable[int]) -> list[str]:
        return [
            (await self.ledger.read(lambda reader, name=f"{number:02}": reader.bookmark(name) or "")).strip()  # type: ignore[misc]
            for number in numbers
        ]

    def killed(self) -> None:
        self.disk.kill()
        self.connection.close()

    def power_cut(self) -> None:
        self.disk.cut_power()
        self.connection.close()


def simulated(work: Callable[[Box], Awaitable[None]], seed: int = 1) -> None:
    async def run() -> None:
        box = Box(seed)
        try:
            await work(box)
        finally:
            box.killed()
            box.disk.unregister()

    loop = VirtualLoop()
    with structlog.testing.capture_logs(), asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(run())


@pytest.mark.parametrize("seed", range(12))
def test_nothing_is_built_on_what_a_failed_fsync_left_in_the_cache(seed: int) -> None:
    """The kernel still shows such pages after a restart, though they are on no disk: commits behind them would go with
    the next power cut."""

    async def work(box: Box) -> None:
        await box.record("before")
        box.disk.sync_fails_in = 1
        with pytest.raises(StoreFailed):
            await box.record("failed")
        box.killed()
        box.open()
        await box.record("after")
        box.power_cut()
        box.open()
        assert set(await box.names()) >= {"before", "after"}

    simulated(work, seed)


@pytest.mark.parametrize("seed", range(12))
def test_nothing_is_built_on_it_on_a_full_disk_either(seed: int) -> None:
    """The database has no room for what is in the WAL, and the WAL has room for more where it was emptied before."""

    async def work(box: Box) -> None:
        for number in range(40):
            await box.record(f"{number:02}")
        box.connection.wal_checkpoint()
        await box.record("before " + 20_000 * "x")
        box.disk.sync_fails_in = 1
        with pytest.raises(StoreFailed):
            await box.record("failed")
        box.killed()
        box.disk.full = True
        box.open()
        await box.record("after")
        box.power_cut()
        box.disk.full = False
        box.open()
        assert "after" in await box.names()

    simulated(work, seed)


@pytest.mark.parametrize("seed", range(2))
def test_a_power_cut_during_the_start_after_a_failed_fsync_tears_nothing(seed: int) -> None:
    """Pages of a transaction must not come into the database while the WAL on the disk ends before it."""

    async def work(box: Box) -> None:
        box.killed()
        box.disk.unregister()
        for number in range(1, 40):
            box.disk = Disk(random.Random(100 * seed + number))
            box.open()
            await box.mark(range(20), "old")
            box.connection.wal_checkpoint()
            await box.mark(range(1), "old")
            box.disk.sync_fails_in = 1
            with pytest.raises(StoreFailed):
                await box.mark(range(20), "new")
            box.killed()
            _end_at(box.disk, number)
            with contextlib.suppress(StoreFailed):
                box.open()
            box.power_cut()
            box.open()
            assert box.connection.pragma("integrity_check") == "ok"
            assert await box.marks(range(20)) in (["old"] * 20, ["new"] * 20)
            box.killed()
            box.disk.unregister()
        box.disk = Disk(random.Random(seed))

    simulated(work, seed)


def test_a_group_is_told_when_its_fsync_is_over() -> None:
    async def work(box: Box) -> None:
        loop = asyncio.get_running_loop()
        box.disk.latency = 3.0
        await asyncio.gather(box.record("a"), box.record("b"))
        assert loop.time() == pytest.approx(3.0)
        assert await box.names() == ["a", "b"]

    simulated(work)


def test_a_full_disk_is_noticed_to_have_room_again() -> None:
    async def work(box: Box) -> None:
        box.disk.full = True
        with contextlib.suppress(StoreFailed):
            for number in range(1000):
                await box.record(f"{number:04}")
        assert box.ledger.fault() is not None
        box.disk.full = False
        await asyncio.sleep(5)
        assert box.ledger.fault() is None

    simulated(work)


def test_a_node_starts_on_a_full_disk() -> None:
    async def work(box: Box) -> None:
        await box.record("before")
        box.killed()
        box.disk.full = True
        box.open()
        assert await box.names() == ["before"]
        box.disk.full = False
        await box.record("later")

    simulated(work)


def test_an_upgrade_that_is_killed_anywhere_is_finished_at_the_next_start() -> None:
    async def work(_: Box) -> None:
        for number in range(1, 60):
            disk = Disk(random.Random(number))
            install(disk, 1 + number % (max(schema_steps()) - 1))
            _end_at(disk, number)
            clock = NodeClock(asyncio.get_running_loop())
            with contextlib.suppress(StoreFailed):
                open_ledger(disk, "town", clock, lambda *_: None)[1].close()
            disk.kill()
            ledger, connection = open_ledger(disk, "town", clock, lambda *_: None)
            await ledger.write(lambda tx: tx.append(Draft("a1", "note", "test", START)))
            assert connection.pragma("user_version") == max(schema_steps())
            disk.kill()
            connection.close()
            disk.unregister()

    simulated(work)


def _end_at(disk: Disk, number: int) -> None:
    left = [number]

    def count() -> None:
        left[0] -= 1
        if left[0] == 0:
            disk.cut_power()

    disk.on_write = count


def test_the_same_work_makes_the_same_writes() -> None:
    counts: list[Any] = []

    async def work(box: Box) -> None:
        for number in range(30):
            await box.record(str(number))
        counts.append((box.disk.writes, box.disk.syncs))

    simulated(work)
    simulated(work)
    assert counts[0] == counts[1]
