"""The one writer: everything that waits is written in one transaction with one fsync, and only then told.

What failed decides what may go on. A full disk or a foreign lock is seen before anything is promised and rolls back
cleanly: that group fails, and the next may succeed. After a failed write or fsync, or with a damaged file, nobody knows
what is on the disk (a retried fsync may report success for pages the kernel has dropped): then the writer is latched,
and only opening the ledger anew, which reads back what is truly there, ends it.
"""

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import apsw

from gateway.errors import StoreFailed
from gateway.ledger.connection import DISK_ERRORS, PASSING, in_words
from gateway.ledger.transaction import SqliteTransaction
from gateway.observability import events, metrics

# A group is bounded so that the first of a storm is not told later than the last could be.
_GROUP = 256
# Pages of 4 KiB in the WAL: from the first mark it is copied into the database when nobody waits, from the second anyway.
_CHECKPOINT_IDLE = 2_000
_CHECKPOINT_ALWAYS = 32_000

# A commit takes milliseconds, and seconds on a disk in distress. After this long the node says that it is not ready.
_HANGS = 10.0

_TRY_AGAIN = 2.0

Outcome = tuple["asyncio.Future[Any]", Any, BaseException | None]
Told = Callable[[Sequence[Outcome], Iterable[str]], None]


@dataclass(frozen=True, slots=True)
class Job:
    work: Callable[[Any], Any]
    future: "asyncio.Future[Any]"


class Writer:
    """A thread that owns the writing connection. ``told`` is called on it with the outcomes of each group."""

    def __init__(self, connection: apsw.Connection, transaction: SqliteTransaction, told: Told) -> None:
        self._connection = connection
        self._transaction = transaction
        self._told = told
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()  # bounded by the ledger's places
        self._wal_pages = 0
        self._latched = False
        self._fault: str | None = None
        self._since: float | None = None
        connection.set_wal_hook(self._committed)
        self._thread = threading.Thread(target=self._run, name="ledger-writer", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> None:
        self._queue.put(job)

    def stop(self) -> None:
        """Write what waits, then end. Blocks until it has ended."""
        self._queue.put(None)
        self._thread.join()

    def fault(self) -> str | None:
        """Why nothing can be written now, in words; None while all is well. From any thread."""
        since = self._since
        if self._fault is None and since is not None and time.monotonic() - since > _HANGS:
            return "the disk does not answer; what is being written is not acknowledged"
        return self._fault

    def _run(self) -> None:
        ending = False
        while not ending:
            jobs, ending = self._next_group()
            self._since = time.monotonic()
            if jobs:
                self._told(*self._write(jobs))
            elif not ending and self._patience() is not None:
                self._try_disk()
            self._checkpoint(ending)
            self._since = None
        if self._latched:
            # What is in the WAL is for the next start to judge.
            self._connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        with contextlib.suppress(apsw.Error):
            self._connection.close()

    def _next_group(self) -> tuple[list[Job], bool]:
        jobs: list[Job] = []
        try:
            job = self._queue.get(timeout=self._patience())
            while job is not None:
                jobs.append(job)
                if len(jobs) == _GROUP:
                    return jobs, False
                job = self._queue.get_nowait()
        except queue.Empty:
            return jobs, False
        return jobs, True

    def _patience(self) -> float | None:
        """Seconds to wait for work: after a passing fault the disk is tried by itself, for ``/readyz`` must not stay
        red because nobody happens to write."""
        return _TRY_AGAIN if self._fault is not None and not self._latched else None

    def _try_disk(self) -> None:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.execute("INSERT OR REPLACE INTO bookmark (name, value) VALUES ('disk', ?)", ("x" * 4096,))
            self._connection.execute("COMMIT")
        except DISK_ERRORS as error:
            self._failed(error)
        else:
            self._succeeded()

    def _write(self, jobs: Sequence[Job]) -> tuple[Sequence[Outcome], Iterable[str]]:
        if self._latched:
            return self._refused(jobs), ()
        started = time.monotonic()
        touched: set[str] = set()
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            outcomes = [self._work(job, touched) for job in jobs]
            self._connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 – a writer that died in silence would leave everybody waiting
            self._failed(error)
            return self._refused(jobs), ()
        metrics.ledger_commit.observe(time.monotonic() - started)
        self._succeeded()
        return outcomes, touched

    def _work(self, job: Job, touched: set[str]) -> Outcome:
        execute, transaction = self._connection.execute, self._transaction
        execute("SAVEPOINT work")
        try:
            transaction.begin()
            result = job.work(transaction)
        except DISK_ERRORS:
            raise
        except BaseException as error:  # noqa: BLE001 – it belongs to whoever asked for the work
            self._require_transaction()
            execute("ROLLBACK TO work")
            execute("RELEASE work")
            return job.future, None, _for_future(error)
        self._require_transaction()
        execute("RELEASE work")
        touched |= transaction.touched
        return job.future, result, None

    def _require_transaction(self) -> None:
        """SQLite may have rolled back everything by itself while the work swallowed the error."""
        if not self._connection.in_transaction:
            raise apsw.IOError("the transaction was rolled back by SQLite")

    def _refused(self, jobs: Sequence[Job]) -> list[Outcome]:
        return [(job.future, None, StoreFailed(f"the ledger cannot write: {self._fault}")) for job in jobs]

    def _failed(self, error: Exception) -> None:
        again = self._fault is not None
        self._fault = reason = in_words(error)
        self._latched = not isinstance(error, PASSING)
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except apsw.Error as worse:
            self._fault = reason = in_words(worse)
            self._latched = True
        if self._latched:
            events.ledger_failed(reason)
        else:
            events.ledger_full(reason, first=not again)

    def _succeeded(self) -> None:
        if self._fault is not None:
            self._fault = None
            events.ledger_recovered()

    def _committed(self, _: apsw.Connection, __: str, pages: int) -> int:
        self._wal_pages = pages
        return apsw.SQLITE_OK

    def _checkpoint(self, ending: bool) -> None:
        """Copy the WAL into the database, after everybody has been told. A reader in an old snapshot only delays it."""
        idle = self._queue.empty() and self._wal_pages > _CHECKPOINT_IDLE
        if self._latched or not (ending or idle or self._wal_pages > _CHECKPOINT_ALWAYS):
            return
        try:
            self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            self._wal_pages = 0
        except DISK_ERRORS as error:
            self._failed(error)


def _for_future(error: BaseException) -> BaseException:
    # A future cannot carry StopIteration (PEP 479).
    return RuntimeError("the work raised StopIteration") if isinstance(error, StopIteration) else error
