"""The file that holds users, tokens and sessions, and what users keep for themselves: a small SQLite database of its own.

The command line opens it while the node runs, so two processes share it. It therefore keeps SQLite's rollback journal
(``journal_mode=DELETE``): the write-ahead log of SQLite 3.7.0 to 3.51.2 can be corrupted by two connections.
"""

import contextlib
import os
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from gateway.errors import UsageError

_TICK_NS = 20_000_000  # of the kernel's clock that stamps files: 10 ms at the most
LOCK_WAIT_S = 5.0  # a commit takes milliseconds; five seconds means that somebody holds the file

_SCHEMA = """
CREATE TABLE users (
    name          TEXT PRIMARY KEY,
    role          TEXT NOT NULL,
    areas         TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    disabled      INTEGER NOT NULL DEFAULT 0,
    created_at    REAL NOT NULL
) STRICT;
CREATE TABLE tokens (
    id         INTEGER PRIMARY KEY,
    name       TEXT NOT NULL,
    role       TEXT NOT NULL,
    areas      TEXT NOT NULL,
    node       TEXT,
    digest     TEXT NOT NULL UNIQUE,
    created_at REAL NOT NULL,
    revoked_at REAL
) STRICT;
CREATE UNIQUE INDEX tokens_in_force ON tokens (name) WHERE revoked_at IS NULL;
CREATE TABLE sessions (
    digest     TEXT PRIMARY KEY,
    user       TEXT NOT NULL REFERENCES users (name),
    created_at REAL NOT NULL,
    seen_at    REAL NOT NULL
) STRICT;
CREATE INDEX sessions_of_user ON sessions (user);
CREATE TABLE failures (
    name TEXT NOT NULL,
    at   REAL NOT NULL
) STRICT;
CREATE INDEX failures_of_name ON failures (name, at);
CREATE TABLE locks (
    name  TEXT PRIMARY KEY,
    until REAL NOT NULL
) STRICT;
"""
_DESK = """
CREATE TABLE preferences (
    user  TEXT NOT NULL,
    name  TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (user, name)
) STRICT;
CREATE TABLE handovers (
    id        INTEGER PRIMARY KEY,
    given_by  TEXT NOT NULL,
    given_to  TEXT NOT NULL,
    given_at  REAL NOT NULL,
    since     REAL NOT NULL,
    areas     TEXT NOT NULL,
    notes     TEXT NOT NULL,
    report    TEXT NOT NULL,
    taken_by  TEXT,
    taken_at  REAL
) STRICT;
"""
_ADDRESSES = """
DROP TABLE failures;
DROP TABLE locks;
CREATE TABLE failures (
    name    TEXT NOT NULL,
    address TEXT NOT NULL,
    at      REAL NOT NULL
) STRICT;
CREATE INDEX failures_of_name ON failures (name, at);
CREATE TABLE locks (
    name    TEXT NOT NULL,
    address TEXT NOT NULL,
    until   REAL NOT NULL,
    PRIMARY KEY (name, address)
) STRICT;
"""
_STEPS = (
    _SCHEMA,
    _DESK,
    _ADDRESSES,
)  # from each version of the file to the next; a step that was released never changes
SCHEMA_VERSION = len(_STEPS)


class AccountsBusy(UsageError):
    """Another process is writing; in a moment it is done."""


class AccountFile:
    """Opens the database for one operation at a time. Every failure is a UsageError that says what to do."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def reading(self, wait: float = LOCK_WAIT_S) -> Iterator[sqlite3.Connection]:
        with self._plain_errors(), closing(self._open(wait)) as connection:
            connection.execute("BEGIN")
            yield connection
            connection.execute("COMMIT")

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, on disk when the block ends; what the block raises rolls it back."""
        with self._plain_errors(), closing(self._open(LOCK_WAIT_S)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def signature(self) -> tuple[int, ...] | None:
        """Differs after a committed change, and at each call while another one could still bear the same stamp; None while
        there is no file.

        The file is not opened for it: closing any handle of it would drop the locks that SQLite holds in this process.
        """
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise UsageError(f"cannot read the accounts in {self.path}: {error.strerror}") from None
        stamp = (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        settled = abs(time.time_ns() - found.st_ctime_ns) > _TICK_NS
        return stamp if settled else (*stamp, time.monotonic_ns())

    def _open(self, wait: float) -> sqlite3.Connection:
        self._create_private()
        connection = sqlite3.connect(self.path, timeout=wait, isolation_level=None)
        try:
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA synchronous = FULL")
            self._migrate(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _create_private(self) -> None:
        """Create the file 0600 before SQLite would with the umask's mode. Root leaves it to the directory's owner:
        the service, which runs as that owner, must be able to open what an administrator made with sudo."""
        if self.path.exists():
            return
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, made = tempfile.mkstemp(dir=self.path.parent, prefix=".accounts-")  # 0600
        try:
            owner = self.path.parent.stat()
            if os.geteuid() == 0 and owner.st_uid != 0:
                os.fchown(handle, owner.st_uid, owner.st_gid)
            os.close(handle)
            with contextlib.suppress(FileExistsError):  # another process was quicker
                self.path.hardlink_to(made)
        finally:
            Path(made).unlink()

    def _migrate(self, connection: sqlite3.Connection) -> None:
        if self._version(connection) == SCHEMA_VERSION:
            return
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("BEGIN IMMEDIATE")
        version = self._version(connection)
        if version < SCHEMA_VERSION:
            for statement in ";".join(_STEPS[version:]).split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
        if version > SCHEMA_VERSION:
            raise UsageError(f"{self.path} was written by a newer gateway (version {version}): install that one again")

    def _version(self, connection: sqlite3.Connection) -> int:
        found: int = connection.execute("PRAGMA user_version").fetchone()[0]
        return found

    @contextmanager
    def _plain_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise AccountsBusy(f"{self.path} is in use by another process: try again in a moment") from None
            raise UsageError(f"cannot use the accounts in {self.path}: {error}") from None
        except sqlite3.DatabaseError as error:
            raise UsageError(f"{self.path} is damaged ({error}): restore it from a backup") from None
        except OSError as error:
            raise UsageError(f"cannot use the accounts in {self.path}: {error.strerror}") from None
