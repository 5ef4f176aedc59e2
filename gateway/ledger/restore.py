"""A backup put in the place of the ledger, so that a kill at any moment leaves the old one or the new one.

Others have seen more of this node than its backup knows: entries with sequence numbers, feed positions as receipts. Both
go on from far beyond anything that can have been given out, which the audit says in a line of its own (see audit.py).
"""

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import apsw

from gateway.errors import RunningError, UsageError
from gateway.ledger import rows
from gateway.ledger.backup import Progress, sync_directory
from gateway.ledger.connection import DISK_ERRORS, in_words, open_reader
from gateway.ledger.soundness import first_fault
from gateway.ledger.transaction import SqliteTransaction
from gateway.ports import AuditRecord, Clock

# More than any node writes between two backups; the present moment in milliseconds, where that is more, is beyond
# whatever was written after an earlier restore of the same backup.
_MARGIN = 1_000_000

_SUFFIXES = ("-wal", "-shm", "")  # the log first: it must never stand beside another ledger


def restore(ledger: Path, backup: Path, node: str, clock: Clock, progress: Progress = lambda what, part: None) -> Path:
    """Put ``backup`` in the place of ``ledger`` and return where the one that stood there was put aside (it may not exist).

    The caller holds the lock of the data directory. Raises UsageError for a file that is no backup of this node, RunningError
    where it is not whole or cannot be put there; then the ledger is as it was.
    """
    finish_restore(ledger)
    progress("checking", 0.0)
    fault = first_fault(backup)
    if fault is not None:
        raise RunningError(f"{backup}: {fault}; nothing was restored")
    if ledger.exists() and backup.samefile(ledger):
        raise UsageError(f"{backup} is the ledger itself; name a backup of it")
    part = ledger.with_name("ledger.restoring")
    try:
        progress("copying", 0.5)
        _copy(backup, part)
        _go_on_from_afar(part, _given_out(ledger), node, backup.name, clock)
        part.rename(_ready(ledger))  # from here on it is restored, whatever happens: the next start would finish it
        sync_directory(ledger.parent)
        return finish_restore(ledger) or ledger
    except OSError as error:
        raise RunningError(f"{ledger}: the backup cannot be put there: {error.strerror}") from None
    except DISK_ERRORS as error:
        raise RunningError(f"{ledger}: the backup cannot be put there: {in_words(error)}") from None
    finally:
        part.unlink(missing_ok=True)


def finish_restore(ledger: Path) -> Path | None:
    """Do what is left of a restore that was interrupted; called before the ledger is opened. Raises OSError.

    Returns the name that the former ledger has now; None where nothing was left to do.
    """
    ready = _ready(ledger)
    try:
        made = datetime.fromtimestamp(ready.stat().st_mtime, UTC)
    except FileNotFoundError:
        return None
    aside = _free(ledger.with_name(f"{ledger.name}.before-{made:%Y%m%dT%H%M%SZ}"))
    for suffix in _SUFFIXES:
        standing = ledger.with_name(ledger.name + suffix)
        if standing.exists():
            standing.rename(aside.with_name(aside.name + suffix))
    sync_directory(ledger.parent)
    ready.rename(ledger)
    sync_directory(ledger.parent)
    return aside


def _free(wanted: Path) -> Path:
    """Two restores within a second: what the first put aside is not put away by the second."""
    names = [wanted, *(wanted.with_name(f"{wanted.name}-{number}") for number in range(2, 100))]
    return next((name for name in names if not name.exists()), wanted)


def _ready(ledger: Path) -> Path:
    return ledger.with_name("ledger.restored")


def _copy(backup: Path, part: Path) -> None:
    part.unlink(missing_ok=True)
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "wb") as to, backup.open("rb") as taken:
        shutil.copyfileobj(taken, to, 1 << 20)
        to.flush()
        os.fsync(to.fileno())


def _given_out(ledger: Path) -> tuple[int, int]:
    """The highest sequence number and feed position of the ledger that stands there, as far as it can still be read."""
    if not ledger.exists():
        return 0, 0
    try:
        connection = open_reader(ledger)
        try:
            return _highest(connection)
        finally:
            connection.close()
    except (RunningError, apsw.Error):
        return 0, 0


def _highest(connection: apsw.Connection) -> tuple[int, int]:
    seq = connection.execute("SELECT value FROM counter WHERE name = 'seq'").get
    position = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'entry'").get
    return seq or 0, position or 0


def _go_on_from_afar(part: Path, given_out: tuple[int, int], node: str, name: str, clock: Clock) -> None:
    connection = apsw.Connection(str(part), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        owner = connection.execute("SELECT value FROM bookmark WHERE name = 'node'").get
        if owner not in (None, node):
            raise UsageError(f"{name} is a backup of node {owner}, and this is {node}; nothing was restored")
        before = _highest(connection)
        now = rows.millis(clock.now())
        seq, position = (max(now, _MARGIN + max(both)) for both in zip(before, given_out, strict=True))
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT OR REPLACE INTO counter (name, value) VALUES ('seq', ?)", (seq,))
        connection.execute("DELETE FROM sqlite_sequence WHERE name = 'entry'")
        connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('entry', ?)", (position,))
        detail = {"backup": name, "seq": [before[0], seq], "position": [before[1], position]}
        record = AuditRecord(clock.now(), "gateway", "restored", "ledger", None, detail)
        SqliteTransaction(connection, node, clock, None).record(record)
        connection.execute("COMMIT")
    finally:
        connection.close()
