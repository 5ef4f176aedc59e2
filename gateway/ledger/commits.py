"""Group commits on the writing connection: everything that waits is written in one transaction with one fsync.

What failed decides what may go on. A full disk or a foreign lock is seen before anything is promised and rolls back
cleanly: that group fails, and the next may succeed. After a failed write or fsync, or with a damaged file, nobody knows
what is on the disk (a retried fsync may report success for pages the kernel has dropped): then the writer is latched,
and only opening the ledger anew, which reads back what is truly there, ends it.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import apsw

from gateway.errors import StoreFailed
from gateway.ledger.ballast import Ballast
from gateway.ledger.connection import DISK_ERRORS, FATAL, PASSING, in_words
from gateway.ledger.news import News
from gateway.ledger.transaction import SqliteTransaction
from gateway.observability import events, metrics

# A group is bounded so that the first of a storm is not told later than the last could be: at a millisecond a piece of
# work, two fsyncs more cost less than twice the wait.
GROUP = 64
# Pages of 4 KiB in the WAL: from the first mark it is copied into the database when nobody waits, from the second anyway.
_CHECKPOINT_IDLE = 2_000
_CHECKPOINT_ALWAYS = 32_000
# While the disk is nearly full the WAL must not take what the database needs.
_CHECKPOINT_TIGHT = 500

# A commit takes milliseconds, and seconds on a disk in distress. After this long the node says that it is not ready.
_HANGS = 10.0

_TRY_AGAIN = 2.0

Outcome = tuple["asyncio.Future[Any]", Any, BaseException | None]
Told = Callable[[Sequence[Outcome], News], None]


@dataclass(frozen=True, slots=True)
class Job:
    """``urgent``: goes before what is not; a press, for which somebody waits."""

    work: Callable[[Any], Any]
    future: "asyncio.Future[Any]"
    urgent: bool = False


class Commits:
    """What the writing connection does, on whatever thread calls; one call at a time, but ``fault`` from any thread."""

    def __init__(
        self, connection: apsw.Connection, transaction: SqliteTransaction, ballast: Ballast | None = None
    ) -> None:
        self._connection = connection
        self._ballast = ballast
        self._transaction = transaction
        self._wal_pages = 0
        self._latched = False
        self._fault: str | None = None
        self._since: float | None = None
        connection.set_wal_hook(self._committed)

    def fault(self) -> str | None:
        """Why nothing can be written now, in words; None while all is well. From any thread."""
        since = self._since
        if self._fault is None and since is not None and time.monotonic() - since > _HANGS:
            return "the disk does not answer; what is being written is not acknowledged"
        return self._fault

    @property
    def latched(self) -> bool:
        """Whether only opening the ledger anew helps. From any thread."""
        return self._latched

    def patience(self) -> float | None:
        """Seconds to wait for work: after a passing fault the disk is tried by itself, for ``/readyz`` must not stay
        red because nobody happens to write."""
        return _TRY_AGAIN if self._fault is not None and not self._latched else None

    def try_disk(self) -> None:
        """Write something nobody needs, to see whether a passing fault has passed."""
        with self._watched():
            self._try_disk()

    def _try_disk(self) -> None:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.execute("INSERT OR REPLACE INTO bookmark (name, value) VALUES ('disk', ?)", ("x" * 4096,))
            self._connection.execute("COMMIT")
        except DISK_ERRORS as error:
            self._failed(error)
        else:
            self._succeeded()

    def write(self, jobs: Sequence[Job]) -> tuple[Sequence[Outcome], News]:
        """One group: what to tell each caller, and what is new."""
        with self._watched():
            return self._write(jobs)

    def _write(self, jobs: Sequence[Job]) -> tuple[Sequence[Outcome], News]:
        if self._latched:
            return self._refused(jobs), News()
        started = time.monotonic()
        news = News()
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            outcomes = [self._work(job, news) for job in jobs]
            self._connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 – a writer that died in silence would leave everybody waiting
            self._failed(error)
            refused = self._refused(jobs)
            if self._made_room(error):
                self._try_disk()
            return refused, News()
        metrics.ledger_commit.observe(time.monotonic() - started)
        self._succeeded()
        return outcomes, news

    def _work(self, job: Job, news: News) -> Outcome:
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
            transaction.rolled_back()
            execute("RELEASE work")
            return job.future, None, _for_future(error)
        self._require_transaction()
        execute("RELEASE work")
        news.add(transaction.touched, transaction.posted)
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
        self._latched = self._latched or not isinstance(error, PASSING)
        self._transaction.rolled_back()
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
        if self._fault is not None and not self._latched:
            self._fault = None
            events.ledger_recovered()

    def _committed(self, _: apsw.Connection, __: str, pages: int) -> int:
        self._wal_pages = pages
        return apsw.SQLITE_OK

    def checkpoint(self, *, idle: bool, ending: bool = False) -> None:
        """Copy the WAL into the database, after everybody has been told. A reader in an old snapshot only delays it.

        ``idle``: nobody waits to be written.
        """
        self._look_after_room()
        always = _CHECKPOINT_TIGHT if self._is_tight() else _CHECKPOINT_ALWAYS
        wanted = ending or (idle and self._wal_pages > _CHECKPOINT_IDLE) or self._wal_pages > always
        if self._latched or not wanted:
            return
        with self._watched():
            try:
                self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
                self._wal_pages = 0
            except PASSING:
                return  # what is committed is in the WAL, where it may stay until there is room: presses are still taken
            except FATAL as error:
                self._failed(error)

    def _look_after_room(self) -> None:
        if self._ballast is not None and not self._latched:
            with contextlib.suppress(OSError):  # a disk in distress is told of by whoever writes to it
                self._ballast.look()

    def _is_tight(self) -> bool:
        return self._ballast is not None and not self._ballast.held

    def _made_room(self, error: Exception) -> bool:
        """Whether the next group finds room where this one found none."""
        return isinstance(error, apsw.FullError) and self._ballast is not None and self._ballast.give_up()

    def condemn(self, error: Exception) -> None:
        """A reader found the file damaged: nothing is promised on it any more. From any thread."""
        if not self._latched:
            self._latched = True
            self._fault = reason = in_words(error)
            events.ledger_failed(reason)

    def close(self) -> None:
        if self._latched:
            # What is in the WAL is for the next start to judge.
            self._connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        with contextlib.suppress(apsw.Error):
            self._connection.close()

    @contextlib.contextmanager
    def _watched(self) -> Iterator[None]:
        self._since = time.monotonic()
        try:
            yield
        finally:
            self._since = None


def _for_future(error: BaseException) -> BaseException:
    # A future cannot carry StopIteration (PEP 479).
    return RuntimeError("the work raised StopIteration") if isinstance(error, StopIteration) else error
