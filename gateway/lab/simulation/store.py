"""The real ledger on a simulated disk: the same transactions and group commits, run on the loop."""

import asyncio
from collections.abc import Sequence
from functools import partial

import apsw

from gateway.errors import StoreFailed
from gateway.lab.simulation.disk import Disk
from gateway.ledger.commits import GROUP, Commits, Job, Outcome, Told
from gateway.ledger.connection import DISK_ERRORS, make_durable
from gateway.ledger.migrate import migrate, schema_steps
from gateway.ledger.news import News
from gateway.ledger.sqlite import SqliteLedger
from gateway.ports import Clock, Reaction

_FILE = "ledger.db"


class LoopWriter:
    """gateway.ledger.writer.Writing without a thread. A group takes as long as the disk's fsync: meanwhile the next one
    gathers, and a crash may come after the commit and before anybody was told."""

    def __init__(self, disk: Disk, commits: Commits, told: Told) -> None:
        self._loop = asyncio.get_running_loop()
        self._disk = disk
        self._commits = commits
        self._told = told
        self._jobs: list[Job] = []
        self._busy = False
        self._stopped = False

    def submit(self, job: Job) -> None:
        self._jobs.append(job)
        if not self._busy:
            self._busy = True
            self._loop.call_soon(self._write)

    def stop(self) -> None:
        self._stopped = True
        while self._jobs:
            self._told(*self._commits.write(self._group()))
        self._commits.checkpoint(idle=True, ending=True)
        self._commits.close()

    def _write(self) -> None:
        if self._stopped:
            return
        self._busy = bool(self._jobs)
        if self._busy:
            outcomes, news = self._commits.write(self._group())
            self._loop.call_later(self._disk.latency, self._tell, outcomes, news)

    def _tell(self, outcomes: Sequence[Outcome], news: News) -> None:
        self._told(outcomes, news)
        if self._stopped:
            return
        self._commits.checkpoint(idle=not self._jobs)
        patience = self._commits.patience()
        if patience is not None:
            self._loop.call_later(patience, self._try_disk)
        self._write()

    def _try_disk(self) -> None:
        patience = self._commits.patience()
        if self._stopped or patience is None:
            return
        self._commits.try_disk()
        self._loop.call_later(patience, self._try_disk)

    def _group(self) -> list[Job]:
        jobs, self._jobs = self._jobs[:GROUP], self._jobs[GROUP:]
        return jobs


def connect(disk: Disk, synchronous: str = "full") -> apsw.Connection:
    """The ledger's file on ``disk``. Raises StoreFailed or what apsw raises."""
    flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
    connection = apsw.Connection(_FILE, flags=flags, vfs=disk.name)
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)  # a process that was killed closes nothing
    try:
        connection.pragma("locking_mode", "exclusive")  # then WAL needs no shared memory
        make_durable(connection)
        connection.pragma("synchronous", synchronous)
    except BaseException:
        connection.close()
        raise
    return connection


def install(disk: Disk, newest_schema: int) -> None:
    """A ledger as an earlier program left it. Raises StoreFailed."""
    connection = connect(disk)
    migrate(connection, {number: sql for number, sql in schema_steps().items() if number <= newest_schema})
    connection.close()


def open_ledger(
    disk: Disk, node: str, clock: Clock, reaction: Reaction, *, synchronous: str = "full"
) -> tuple[SqliteLedger, apsw.Connection]:
    """As SqliteLedger.open. Raises StoreFailed."""
    try:
        connection = connect(disk, synchronous)
    except DISK_ERRORS as error:
        raise StoreFailed(f"{_FILE}: {error}") from error
    try:
        migrate(connection, schema_steps())
    except DISK_ERRORS as error:
        connection.close()
        raise StoreFailed(f"{_FILE}: {error}") from error
    return SqliteLedger(connection, (), node, clock, reaction, partial(LoopWriter, disk)), connection
