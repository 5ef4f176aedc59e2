"""The simulated disk is as honest as real ones: a killed process loses nothing, a power cut what was not synced."""

import random
from collections.abc import Iterator
from typing import Any

import apsw
import pytest

from gateway.lab.simulation.disk import Disk
from gateway.lab.simulation.store import connect
from gateway.ledger.connection import DISK_ERRORS


@pytest.fixture
def disk() -> Iterator[Disk]:
    disk = Disk(random.Random(1))
    yield disk
    disk.on_write = None
    disk.unregister()


class Table:
    """A database on the disk, with one row for each commit."""

    def __init__(self, disk: Disk, synchronous: str = "full") -> None:
        self._connection = connect(disk, synchronous)
        self._connection.execute("CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY, fill TEXT)")

    def commit(self, *numbers: int) -> None:
        for number in numbers:
            self._connection.execute("INSERT INTO t VALUES (?, ?)", (number, "x" * 3000))

    def rows(self) -> list[int]:
        assert self._connection.pragma("integrity_check") == "ok"
        return [number for (number,) in self._connection.execute("SELECT n FROM t ORDER BY n")]

    def close(self) -> None:
        self._connection.close()


def test_what_was_committed_survives_kill_and_power_cut(disk: Disk) -> None:
    for end in (disk.kill, disk.cut_power) * 5:
        before = Table(disk)
        rows = before.rows()
        before.commit(*range(len(rows), len(rows) + 7))
        end()
        after = Table(disk)
        assert after.rows() == list(range(len(rows) + 7))
        after.close()
        before.close()


@pytest.mark.parametrize("synchronous", ["off", "normal"])
def test_what_was_not_synced_is_lost_in_some_power_cut(synchronous: str) -> None:
    lost = 0
    for seed in range(10):
        disk = Disk(random.Random(seed))
        table = Table(disk)
        table.close()
        table = Table(disk, synchronous)
        table.commit(*range(20))
        disk.cut_power()
        after = Table(disk)
        lost += len(after.rows()) < 20
        after.close()
        table.close()
        disk.unregister()
    assert lost


def test_a_process_that_is_gone_writes_nothing(disk: Disk) -> None:
    table = Table(disk)
    table.commit(1)
    disk.kill()
    with pytest.raises(apsw.IOError):
        table.commit(2)
    after = Table(disk)
    assert after.rows() == [1]
    after.close()
    table.close()


def test_it_ends_at_any_write(disk: Disk) -> None:
    """Whatever the write: what was committed is there, and at most what was being committed beside it."""
    committed = 0
    for number in range(1, 40):
        table = Table(disk)
        assert table.rows() == list(range(len(table.rows()))) and len(table.rows()) >= committed
        committed = len(table.rows())
        disk.on_write = _after(number, disk.cut_power)
        try:
            for _ in range(20):
                table.commit(committed)
                committed += 1
        except DISK_ERRORS:
            pass
        disk.kill()
        table.close()
    assert committed > 40


def test_a_failed_fsync_drops_what_was_dirty(disk: Disk) -> None:
    """And a later one succeeds without it: fsyncgate."""
    table = Table(disk)
    table.commit(1)
    disk.sync_fails_in = 1
    with pytest.raises(apsw.IOError):
        table.commit(2)
    disk.kill()
    table.close()


def test_a_full_disk(disk: Disk) -> None:
    table = Table(disk)
    disk.full = True
    with pytest.raises(apsw.FullError):
        table.commit(*range(50))
    disk.full = False
    rows = table.rows()
    table.commit(100)
    assert table.rows() == [*rows, 100]
    table.close()


def test_a_disk_that_lies_is_found_out(disk: Disk) -> None:
    table = Table(disk)
    disk.lies = True
    table.commit(*range(30))
    disk.cut_power()
    disk.lies = False
    after = Table(disk)
    assert len(after.rows()) < 30
    after.close()
    table.close()


def _after(number: int, end: Any) -> Any:
    left = [number]

    def count() -> None:
        left[0] -= 1
        if left[0] == 0:
            end()

    return count
