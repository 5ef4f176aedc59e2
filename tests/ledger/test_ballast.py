"""Room kept for presses: given up before a commit has to fail, and taken again when somebody made room."""

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from gateway.errors import StoreFailed
from gateway.ledger import ballast as room
from gateway.ledger.ballast import Ballast
from gateway.ledger.sqlite import SqliteLedger
from gateway.model import Draft
from gateway.observability import metrics

MIB = 1 << 20


class SmallDisk:
    """What ``statvfs`` says: ``size`` bytes, of which others have taken all but ``free``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, size: int, free: int) -> None:
        self.size, self.free = size, free
        monkeypatch.setattr(room, "_disk", self.statvfs)

    def statvfs(self, path: Path) -> Any:
        free = self.free - (path.stat().st_size if path.exists() else 0)
        return os.statvfs_result((4096, 4096, self.size // 4096, free // 4096, free // 4096, 0, 0, 0, 0, 255))


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> SmallDisk:
    return SmallDisk(monkeypatch, 100 * MIB, 50 * MIB)


def held() -> float | None:
    return metrics.REGISTRY.get_sample_value("gateway_ledger_ballast_bytes")


def test_takes_its_share_gives_it_up_and_takes_it_again(disk: SmallDisk, tmp_path: Path) -> None:
    path = tmp_path / "ballast"
    ballast = Ballast(path)
    assert not ballast.held
    ballast.look()
    assert ballast.held
    assert path.stat().st_size == 5 * MIB == held()  # a twentieth of the disk
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.stat().st_blocks * 512 >= 5 * MIB  # room, not a promise of room
    disk.free = 7 * MIB  # 2 beside it
    ballast.look()
    assert ballast.held
    disk.free = 6 * MIB
    ballast.look()
    assert not ballast.held
    assert not path.exists()
    assert held() == 0
    disk.free = 14 * MIB
    ballast.look()
    assert not ballast.held
    disk.free = 15 * MIB
    ballast.look()
    assert ballast.held
    assert Ballast(path).held  # the next start finds it
    assert ballast.give_up()
    assert not ballast.give_up()


def test_is_not_taken_where_there_is_no_room_for_it(disk: SmallDisk, tmp_path: Path) -> None:
    disk.free = 14 * MIB
    ballast = Ballast(tmp_path / "ballast")
    ballast.look()
    assert not ballast.held
    assert held() == 0


def test_a_disk_that_is_fuller_than_it_says_leaves_nothing_behind(
    disk: SmallDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int, offset: int, size: int) -> None:
        os.ftruncate(handle, size // 2)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    ballast = Ballast(tmp_path / "ballast")
    ballast.look()
    assert not ballast.held
    assert not (tmp_path / "ballast").exists()


class FullUntilGivenUp(apsw.VFS):
    """A disk that takes no write while the ballast lies on it."""

    def __init__(self, ballast: Path) -> None:
        super().__init__("full-disk", "unix", makedefault=True)
        self.ballast: Path | None = ballast

    def xOpen(self, name: Any, flags: Any) -> apsw.VFSFile:
        return _FullFile(self, name, flags)


class _FullFile(apsw.VFSFile):
    def __init__(self, disk: FullUntilGivenUp, name: Any, flags: Any) -> None:
        super().__init__("unix", name, flags)
        self._disk = disk

    def xWrite(self, data: bytes, offset: int) -> None:
        if self._disk.ballast is not None and self._disk.ballast.exists():
            raise apsw.FullError("injected")
        super().xWrite(data, offset)


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[FullUntilGivenUp]:
    disk = FullUntilGivenUp(tmp_path / "ballast")
    yield disk
    disk.ballast = None
    disk.unregister()


async def test_a_commit_that_finds_the_disk_full_makes_room_for_the_next(
    disk: SmallDisk, full_disk: FullUntilGivenUp, draft: Callable[..., Draft], clock: Any, tmp_path: Path
) -> None:
    ledger = await SqliteLedger.open(tmp_path / "ledger.db", "low", clock, ballast=MIB)
    try:
        assert (tmp_path / "ballast").exists()
        disk.free = 2 * MIB  # and other programs' quotas are nearer than that
        with pytest.raises(StoreFailed, match="the disk is full"):
            await ledger.write(lambda tx: tx.append(draft()))
        assert not (tmp_path / "ballast").exists()
        assert (await ledger.write(lambda tx: tx.append(draft()))).seq == 1
        assert ledger.fault() is None
    finally:
        await ledger.close()


Opener = Callable[..., Awaitable[SqliteLedger]]


async def test_a_look_that_does_not_end_is_ended(
    open_ledger: Opener, draft: Callable[..., Draft], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.ledger.reader.LONGEST_READ_S", 0.2)
    ledger = await open_ledger()
    await ledger.write(lambda tx: tx.append(draft("a1")))

    def for_ever(reader: Any) -> None:
        while True:
            reader.alert("a1")

    def in_one(reader: Any) -> None:
        reader._value("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n")

    for work in (for_ever, in_one):
        async with asyncio.timeout(60):
            with pytest.raises(StoreFailed, match="took longer than"):
                await ledger.read(work)
    assert ledger.fault() is None
    assert await ledger.read(lambda reader: reader.newest_feed()) == 1


async def test_the_log_is_emptied_once_a_look_that_held_it_is_over(
    open_ledger: Opener, draft: Callable[..., Draft], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long the look would have gone on: it holds what was written since, and no longer than it may."""
    monkeypatch.setattr("gateway.ledger.reader.LONGEST_READ_S", 0.5)
    # also where the next write waits already: the writer is hardly ever idle on a busy machine
    monkeypatch.setattr("gateway.ledger.commits._CHECKPOINT_IDLE", 50)
    monkeypatch.setattr("gateway.ledger.commits._CHECKPOINT_ALWAYS", 50)
    ledger = await open_ledger()
    await ledger.write(lambda tx: tx.append(draft("a0")))
    began, log = threading.Event(), tmp_path / "ledger.db-wal"

    def for_ever(reader: Any) -> None:
        while True:
            reader.alert("a0")
            began.set()

    looking = asyncio.ensure_future(ledger.read(for_ever))
    await asyncio.to_thread(began.wait, 60)
    await ledger.write(lambda tx: [tx.append(draft(title="x" * 900, detail={"n": "y" * 9_000})) for _ in range(50)])
    with pytest.raises(StoreFailed, match="took longer than"):
        await looking
    held = log.stat().st_size
    for _ in range(30):
        await ledger.write(lambda tx: [tx.append(draft(detail={"n": "y" * 9_000})) for _ in range(20)])
    assert log.stat().st_size < 3 * held  # the same room again and again; else it would be twelve times as much
