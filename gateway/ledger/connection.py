"""SQLite connections as the ledger needs them, and SQLite's errors in words."""

from pathlib import Path

import apsw

from gateway.errors import RunningError, StoreFailed

# Before 3.51.3 a WAL that is reset while another connection reads can corrupt the database (the WAL-reset bug).
_OLDEST_SQLITE = (3, 51, 3)
# The writer waits this long for another program's lock, e.g. of a person with the sqlite3 shell.
_BUSY_MS = 5_000
_CARRY_OVER_MS = 500
_PIECE = 1 << 16  # bytes; SQLite's way to the disk takes less than 128 KiB at once
# The index pages that a storm keeps touching stay in memory; SQLite's own 2 MB would spill them in the middle of a group.
_CACHE_KIB = 32_768

# A failed transaction that has been rolled back cleanly; the next one may succeed.
PASSING = (apsw.FullError, apsw.BusyError, apsw.LockedError)
# After these nobody knows what is on the disk: a retried fsync may succeed without having written anything.
FATAL = (
    apsw.IOError,
    apsw.CorruptError,
    apsw.NotADBError,
    apsw.ReadOnlyError,
    apsw.CantOpenError,
    apsw.NoMemError,
    apsw.InternalError,
    apsw.ProtocolError,
    apsw.PermissionsError,
)
DAMAGED = (apsw.CorruptError, apsw.NotADBError)
DISK_ERRORS = (*PASSING, *FATAL)


def require_sqlite(version: str) -> None:
    """Raise RunningError for an SQLite that can corrupt a ledger."""
    if tuple(int(part) for part in version.split(".")[:3]) < _OLDEST_SQLITE:
        needed = ".".join(map(str, _OLDEST_SQLITE))
        raise RunningError(
            f"the SQLite inside the apsw package is {version}, which can corrupt a ledger in use; "
            f"install an apsw with SQLite {needed} or newer"
        )


def open_writer(path: Path) -> apsw.Connection:
    """A connection whose COMMIT returns once the transaction is fsynced into the WAL."""
    flags = apsw.SQLITE_OPEN_READWRITE
    try:
        path.touch(mode=0o600)  # SQLite gives its other files the mode of this one
        connection = apsw.Connection(str(path), flags=flags)
        make_durable(connection)
    except OSError as error:
        raise StoreFailed(f"{path}: the ledger file cannot be opened or written ({error.strerror})") from error
    except DISK_ERRORS as error:
        raise StoreFailed(f"{path}: {in_words(error)}") from error
    return connection


def make_durable(connection: apsw.Connection) -> None:
    """From now on a COMMIT returns once the transaction is fsynced. Raises StoreFailed where that cannot be had."""
    connection.set_busy_timeout(_BUSY_MS)
    if connection.pragma("journal_mode", "wal") != "wal":
        raise StoreFailed(
            f"{connection.filename}: this file system cannot hold an SQLite write-ahead log; use a local disk"
        )
    connection.pragma("synchronous", "full")
    connection.pragma("cache_size", -_CACHE_KIB)
    # A press dirties more pages than SQLite keeps of a savepoint in memory: else each one makes and removes a file.
    connection.pragma("temp_store", "memory")
    _plan_once(connection)
    # A page that cannot be one is noticed when it is read, not when something is written according to it.
    connection.pragma("cell_size_check", True)
    # Checkpoints are the writer's own doing, after the waiting have been told (commits.py).
    connection.wal_autocheckpoint(0)
    connection.pragma("journal_size_limit", 64 * 2**20)
    _carry_over(connection)


def _carry_over(connection: apsw.Connection) -> None:
    """Have what an earlier process left in the WAL truly on the disk, and in the database, before anything is built on it.

    After a failed fsync the kernel calls those pages clean and still shows them, so that the WAL reads well and is not on
    the disk: commits behind that hole would be fsynced, acknowledged, and lost with the next power cut.
    """
    _write_wal_again(connection)
    connection.set_busy_timeout(_CARRY_OVER_MS)
    try:
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    except apsw.FullError:
        pass  # better a node that says that it is not ready than none; what is in the WAL stays there
    except apsw.BusyError:
        # Somebody reads an old state of it, e.g. `gateway audit verify`: as much as can be is written.
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
    finally:
        connection.set_busy_timeout(_BUSY_MS)


def _write_wal_again(connection: apsw.Connection) -> None:
    """Put the WAL's own bytes over themselves and fsync them: only pages that are written again does the kernel write.

    Not left to the checkpoint: it may find no room or a reader in its way, and the power may go while it copies pages of
    a transaction that the WAL on the disk does not have, which would leave half of it. Takes no room. SQLite's write lock
    keeps other programs out meanwhile.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        flags = [apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_READWRITE, 0]
        wal = apsw.VFSFile(connection.open_vfs, connection.filename_wal, flags)
        try:
            size = wal.xFileSize()
            for start in range(0, size, _PIECE):
                wal.xWrite(wal.xRead(min(_PIECE, size - start), start), start)
            wal.xSync(apsw.SQLITE_SYNC_NORMAL)
        finally:
            wal.xClose()
    finally:
        connection.execute("ROLLBACK")


def _plan_once(connection: apsw.Connection) -> None:
    """The Query Planner Stability Guarantee: else every look-up is planned anew whenever another value is bound."""
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)


# growing the shared-memory file fails as an I/O error, though what it lacks is room
_NO_ROOM = frozenset({apsw.SQLITE_IOERR_SHMSIZE, apsw.SQLITE_IOERR_SHMMAP})


def open_reader(path: Path) -> apsw.Connection:
    """A read-only connection; it never writes, not even a checkpoint."""
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        connection.set_busy_timeout(_BUSY_MS)
        connection.pragma("query_only", True)
        _plan_once(connection)
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    except DISK_ERRORS as error:
        raise StoreFailed(f"{path}: {in_words(error)}") from error
    return connection


def in_words(error: Exception) -> str:
    """What an error of the ledger means for the person who has to mend it."""
    if isinstance(error, apsw.FullError) or getattr(error, "extendedresult", 0) in _NO_ROOM:
        return "the disk is full; free some space"
    if isinstance(error, apsw.BusyError | apsw.LockedError):
        return "another program holds the ledger's lock; close it"
    if isinstance(error, DAMAGED):
        return f"the ledger file is damaged ({error}); restore it from a backup"
    if isinstance(error, apsw.ReadOnlyError | apsw.PermissionsError | apsw.CantOpenError):
        return f"the ledger file cannot be opened or written ({error}); check its owner and mode"
    if not isinstance(error, DISK_ERRORS):
        return f"the ledger failed in a way that it should not ({error!r}); restart the gateway and report this"
    return f"the disk failed to store it ({error}); check the disk, then restart the gateway"
