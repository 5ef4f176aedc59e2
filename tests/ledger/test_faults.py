"""What a broken disk does: nothing is acknowledged that is not on it, and the ledger says so in words."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import apsw
import pytest

from gateway.errors import RunningError, StoreFailed, UsageError
from gateway.ledger.audit import Verdict, verify_file
from gateway.ledger.connection import open_writer, require_sqlite
from gateway.ledger.migrate import migrate, schema_steps
from gateway.ledger.soundness import first_fault
from gateway.ledger.sqlite import SqliteLedger
from gateway.model import Draft
from gateway.observability import metrics
from gateway.ports import AlertFilter, Transaction

Opener = Callable[..., Awaitable[SqliteLedger]]


class FaultyDisk(apsw.VFS):
    """SQLite's own way to the disk, but for writes and fsyncs that are told to fail."""

    def __init__(self) -> None:
        super().__init__("faulty-disk", "unix", makedefault=True)
        self.on_sync: Exception | None = None
        self.on_sync_of_database: Exception | None = None
        self.on_write: Exception | None = None
        self.done: list[tuple[str, int, int]] = []  # (what, offset, bytes), of the database or the WAL

    def xOpen(self, name: Any, flags: Any) -> apsw.VFSFile:
        return _FaultyFile(self, name, flags)


class _FaultyFile(apsw.VFSFile):
    def __init__(self, disk: FaultyDisk, name: Any, flags: Any) -> None:
        super().__init__("unix", name, flags)
        self._disk = disk
        self._is_database = bool(flags[0] & apsw.SQLITE_OPEN_MAIN_DB)

    def xSync(self, flags: int) -> None:
        if self._disk.on_sync is not None:
            raise self._disk.on_sync
        if self._disk.on_sync_of_database is not None and self._is_database:
            raise self._disk.on_sync_of_database
        super().xSync(flags)
        self._disk.done.append(("sync", 0, 0) if self._is_database else ("sync WAL", 0, 0))

    def xWrite(self, data: bytes, offset: int) -> None:
        if self._disk.on_write is not None:
            raise self._disk.on_write
        super().xWrite(data, offset)
        self._disk.done.append(("write" if self._is_database else "write WAL", offset, len(data)))


@pytest.fixture
def disk() -> Iterator[FaultyDisk]:
    faulty = FaultyDisk()
    yield faulty
    faulty.on_sync = faulty.on_sync_of_database = faulty.on_write = None
    faulty.unregister()


# The disk is made before the ledger and taken down after it.
@pytest.fixture
def opener(disk: FaultyDisk, open_ledger: Opener) -> Opener:
    return open_ledger


async def write(ledger: SqliteLedger, draft: Draft) -> int:
    return (await ledger.write(lambda tx: tx.append(draft))).seq


async def entries(ledger: SqliteLedger) -> list[int]:
    return [item.entry.seq for item in await ledger.read(lambda reader: reader.feed(0, 100))]


def failed() -> float | None:
    return metrics.REGISTRY.get_sample_value("gateway_ledger_failed")


@pytest.mark.parametrize("fault", ["on_sync", "on_write"])
async def test_after_an_io_error_nothing_is_written_until_it_is_opened_anew(
    disk: FaultyDisk, opener: Opener, draft: Callable[..., Draft], tmp_path: Path, fault: str
) -> None:
    ledger = await opener()
    assert await write(ledger, draft()) == 1
    setattr(disk, fault, apsw.IOError("injected"))
    results = await asyncio.gather(*(write(ledger, draft()) for _ in range(5)), return_exceptions=True)
    assert [type(result) for result in results] == [StoreFailed] * 5
    assert "the disk failed" in str(results[0])
    assert "the disk failed" in (ledger.fault() or "")
    assert failed() == 1
    setattr(disk, fault, None)  # a retried fsync may lie: it stays shut although the disk seems well
    with pytest.raises(StoreFailed, match="restart the gateway"):
        await write(ledger, draft())
    assert await entries(ledger) == [1]
    assert await ledger.changed("entry", 0) == 1
    await ledger.close()
    again = await opener()
    seqs = await entries(again)
    assert seqs[0] == 1 and seqs == list(range(1, len(seqs) + 1))
    assert await write(again, draft()) == len(seqs) + 1
    assert again.fault() is None
    assert verify_file(tmp_path / "ledger.db").broken is None


async def test_a_full_disk_fails_its_group_and_the_ledger_recovers(
    disk: FaultyDisk, opener: Opener, draft: Callable[..., Draft], tmp_path: Path
) -> None:
    ledger = await opener()
    await write(ledger, draft())
    disk.on_write = apsw.FullError("injected")
    results = await asyncio.gather(*(write(ledger, draft()) for _ in range(5)), return_exceptions=True)
    assert [type(result) for result in results] == [StoreFailed] * 5
    assert ledger.fault() == "the disk is full; free some space"
    assert failed() == 1
    disk.on_write = None
    assert await write(ledger, draft()) == 2
    assert ledger.fault() is None
    assert failed() == 0
    assert await entries(ledger) == [1, 2]
    assert verify_file(tmp_path / "ledger.db").broken is None


async def test_a_disk_with_room_again_is_noticed_though_nobody_writes(
    disk: FaultyDisk, opener: Opener, draft: Callable[..., Draft], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.ledger.commits._TRY_AGAIN", 0.05)
    ledger = await opener()
    await write(ledger, draft())
    disk.on_write = apsw.FullError("injected")
    with pytest.raises(StoreFailed):
        await write(ledger, draft())
    assert ledger.fault() is not None
    disk.on_write = None
    async with asyncio.timeout(60):
        while ledger.fault() is not None:
            await asyncio.sleep(0.02)


async def test_a_full_disk_in_the_middle_of_a_work_fails_all_of_the_group(
    opener: Opener, draft: Callable[..., Draft]
) -> None:
    def full(tx: Transaction) -> None:
        tx.append(draft())
        raise apsw.FullError("injected")

    ledger = await opener()
    results = await asyncio.gather(
        write(ledger, draft()), ledger.write(full), write(ledger, draft()), return_exceptions=True
    )
    alone = [type(result) is int for result in results]
    assert isinstance(results[1], StoreFailed)
    assert await entries(ledger) == list(range(1, sum(alone) + 1))
    assert await write(ledger, draft()) == sum(alone) + 1


async def test_a_work_that_hides_a_lost_transaction_is_not_believed(
    opener: Opener, draft: Callable[..., Draft]
) -> None:
    def hiding(tx: Any) -> str:
        tx.append(draft())
        tx._connection.execute("ROLLBACK")  # what SQLite does by itself after some errors
        return "all is well"

    ledger = await opener()
    with pytest.raises(StoreFailed):
        await ledger.write(hiding)
    assert await entries(ledger) == []


async def test_a_failure_that_nobody_foresaw_does_not_leave_writers_waiting(
    opener: Opener, draft: Callable[..., Draft]
) -> None:
    ledger = await opener()

    def leaving_it_open(tx: Any) -> None:
        tx._connection.execute("RELEASE work")  # then the writer's own RELEASE finds nothing

    async with asyncio.timeout(60):
        for _ in range(2):
            with pytest.raises(StoreFailed, match="restart the gateway and report this"):
                await ledger.write(leaving_it_open)
    assert "report this" in (ledger.fault() or "")
    assert await entries(ledger) == []


async def test_a_checkpoint_that_fails_is_a_failed_disk(
    disk: FaultyDisk, opener: Opener, draft: Callable[..., Draft], tmp_path: Path
) -> None:
    """Nobody waits for a checkpoint, but a disk that refuses it cannot be trusted with the next commit."""
    ledger = await opener()

    def much(tx: Transaction) -> None:
        for _ in range(1_500):
            tx.append(draft(title="x" * 8_000))
        disk.on_sync_of_database = apsw.IOError("injected")

    await ledger.write(much)
    async with asyncio.timeout(60):
        while ledger.fault() is None:
            await asyncio.sleep(0.01)
    with pytest.raises(StoreFailed, match="restart the gateway"):
        await write(ledger, draft())
    await ledger.close()
    disk.on_sync_of_database = None
    assert verify_file(tmp_path / "ledger.db") == Verdict(1_500, ANY, None)


async def test_a_start_writes_the_wal_again_before_anything_else_though_somebody_reads_an_old_state(
    disk: FaultyDisk, opener: Opener, draft: Callable[..., Draft], tmp_path: Path
) -> None:
    """A failed fsync may have left it in the kernel's cache alone, and no checkpoint gets past that reader."""
    ledger = await opener()
    await write(ledger, draft(title="x" * 200_000))
    reader = apsw.Connection(str(tmp_path / "ledger.db"), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        with reader:
            assert reader.execute("SELECT count(*) FROM entry").get == 1
            await write(ledger, draft())
            disk.on_sync = apsw.IOError("injected")
            with pytest.raises(StoreFailed):
                await write(ledger, draft())
            await ledger.close()
            disk.on_sync = None
            size = (tmp_path / "ledger.db-wal").stat().st_size
            disk.done.clear()
            again = await opener()
            first = disk.done[: disk.done.index(("sync WAL", 0, 0))]
            assert {what for what, _, _ in first} == {"write WAL"}
            ends = [0, *(offset + length for _, offset, length in first)]
            assert [offset for _, offset, _ in first] == ends[:-1] and ends[-1] == size > 200_000
            assert (await entries(again))[:2] == [1, 2]
    finally:
        reader.close()


async def test_another_programs_lock_passes(
    opener: Opener, draft: Callable[..., Draft], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.ledger.connection._BUSY_MS", 50)
    ledger = await opener()
    other = open_writer(tmp_path / "ledger.db")
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreFailed, match="another program holds the ledger's lock"):
        await write(ledger, draft())
    other.execute("ROLLBACK")
    other.close()
    assert await write(ledger, draft()) == 1
    assert ledger.fault() is None


class TestOpening:
    async def test_a_damaged_file(self, opener: Opener, tmp_path: Path) -> None:
        (tmp_path / "bad.db").write_bytes(b"this is not a database, whatever its name says" * 100)
        with pytest.raises(StoreFailed, match=r"bad\.db: the ledger file is damaged .* restore it from a backup"):
            await opener(name="bad.db")

    async def test_no_directory(self, opener: Opener) -> None:
        with pytest.raises(StoreFailed, match="cannot be opened or written"):
            await opener(name="nowhere/ledger.db")

    async def test_a_newer_schema(self, opener: Opener, tmp_path: Path) -> None:
        connection = open_writer(tmp_path / "ledger.db")
        migrate(connection, {**schema_steps(), 70: "CREATE TABLE later (x)"})
        connection.close()
        with pytest.raises(
            UsageError, match=rf"newer gateway \(its schema is 70, this program knows {max(schema_steps())}\)"
        ):
            await opener()

    def test_an_old_sqlite(self) -> None:
        for version in ("3.40.1", "3.51.2"):
            with pytest.raises(RunningError, match=r"3\.51\.3 or newer"):
                require_sqlite(version)
        for version in ("3.51.3", "3.52.0", "4.0.0"):
            require_sqlite(version)

    async def test_the_file_is_its_owners_alone(self, opener: Opener, tmp_path: Path) -> None:
        await opener()
        for path in tmp_path.glob("ledger.db*"):
            assert path.stat().st_mode & 0o077 == 0, path


class TestDamage:
    """Pages overwritten behind the ledger's back."""

    @pytest.fixture
    async def path(self, opener: Opener, draft: Callable[..., Draft], tmp_path: Path) -> Path:
        ledger = await opener()
        for n in range(30):
            await write(ledger, draft(f"a{n}", title="x" * 2_000))
        await ledger.close()
        return tmp_path / "ledger.db"

    @pytest.mark.parametrize("name", ["entry_of_alert", "sqlite_autoindex_entry_1", "alert_by_workflow", "entry"])
    async def test_found_by_the_writer(
        self, opener: Opener, draft: Callable[..., Draft], path: Path, name: str
    ) -> None:
        damage(path, name)
        ledger = await opener()
        with pytest.raises(StoreFailed, match="the ledger file is damaged"):
            await write(ledger, draft())
        assert "restore it from a backup" in (ledger.fault() or "")
        assert failed() == 1
        with pytest.raises(StoreFailed, match="the ledger file is damaged"):
            await ledger.write(lambda tx: tx.set_bookmark("a", "b"))  # which touches no damaged page
        assert first_fault(path) is not None

    async def test_found_by_a_reader(self, opener: Opener, draft: Callable[..., Draft], path: Path) -> None:
        damage(path, "alert_by_kind")
        ledger = await opener()
        with pytest.raises(StoreFailed, match="the ledger cannot be read: the ledger file is damaged"):
            await ledger.read(lambda reader: reader.alerts(AlertFilter(kind=("sos",)), None, 9))
        assert "damaged" in (ledger.fault() or "")
        assert failed() == 1
        with pytest.raises(StoreFailed, match="damaged"):
            await ledger.write(lambda tx: tx.set_bookmark("a", "b"))


def damage(path: Path, name: str) -> None:
    """Overwrite the root page of a table or an index."""
    connection = apsw.Connection(str(path))
    root = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (name,)).get
    size = connection.pragma("page_size")
    connection.close()
    with path.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xa5" * size)
