"""The ledger on SQLite: WAL, synchronous=FULL, one writing thread, a few reading ones."""

import asyncio
import contextlib
import queue
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import apsw

from gateway.errors import StoreFailed, UsageError
from gateway.ledger.audit import verify_file
from gateway.ledger.ballast import Ballast
from gateway.ledger.commits import Commits, Job, Outcome, Told
from gateway.ledger.connection import DAMAGED, DISK_ERRORS, in_words, open_reader, open_writer, require_sqlite
from gateway.ledger.migrate import migrate, schema_steps
from gateway.ledger.news import HandOver, News
from gateway.ledger.reader import LONGEST_READ_S, SqliteReader
from gateway.ledger.restore import finish_restore
from gateway.ledger.transaction import SqliteTransaction
from gateway.ledger.writer import Writer, Writing
from gateway.model import Lane, Parcel
from gateway.ports import ChainVerdict, Clock, Reaction, Reader, Transaction

T = TypeVar("T")

# Callers beyond these wait for a place; nothing is dropped.
_WRITES_WAITING = 1_024
_READS_WAITING = 64
_READERS = 3


class SqliteLedger:
    """gateway.ports.Ledger. Made by ``SqliteLedger.open``; every method belongs to the loop that opened it.

    ``writing`` brings work to the group commits. Without ``readers`` what is read shares the writing connection: both are
    for a loop that runs everything in one thread, as the deterministic simulation does.
    """

    def __init__(
        self,
        connection: apsw.Connection,
        readers: Sequence[apsw.Connection],
        node: str,
        clock: Clock,
        reaction: Reaction | None,
        writing: Callable[[Commits, Told], Writing] = Writer,
        ballast: Ballast | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._places = asyncio.Semaphore(_WRITES_WAITING)
        self._reads = asyncio.Semaphore(_READS_WAITING)
        self._idle: queue.SimpleQueue[SqliteReader] = queue.SimpleQueue()
        for reader in readers or [connection]:
            self._idle.put(SqliteReader(reader, clock))
        self._connections = readers
        self._threads = ThreadPoolExecutor(len(readers) or 1, "ledger-reader")
        self._counts: dict[str, int] = {}
        self._waiters: dict[str, asyncio.Event] = {}
        self._handing = HandOver()
        self._closed = False
        self._path = Path(connection.filename)
        self._verifying: asyncio.Task[ChainVerdict] | None = None
        self._commits = Commits(connection, SqliteTransaction(connection, node, clock, reaction), ballast)
        self._writer = writing(self._commits, self._tell)

    @classmethod
    async def open(
        cls, path: Path, node: str, clock: Clock, reaction: Reaction | None = None, *, ballast: int = 0
    ) -> "SqliteLedger":
        """Open or create the ledger file of ``node`` and bring its schema up to date. ``ballast``: bytes of the disk to be
        kept for presses beside it; 0: none.

        Raises UsageError for a ledger of a newer gateway, StoreFailed where the disk does not let us write, RunningError
        for an SQLite that is not safe.
        """
        require_sqlite(apsw.sqlite_lib_version())
        writer, readers = await asyncio.to_thread(_connect, path)
        kept = await asyncio.to_thread(_keep_room, path, ballast) if ballast else None
        return cls(writer, readers, node, clock, reaction, ballast=kept)

    async def write(self, work: Callable[[Transaction], T], *, urgent: bool = False) -> T:
        """See gateway.ports.Ledger. A caller that is cancelled while it waits may find its work done all the same."""
        await self._places.acquire()
        if self._closed:
            self._places.release()
            raise StoreFailed("the ledger is closed")
        future: asyncio.Future[T] = self._loop.create_future()
        self._writer.submit(Job(work, future, urgent))
        return await future

    async def read(self, work: Callable[[Reader], T]) -> T:
        async with self._reads:
            if self._closed:
                raise StoreFailed("the ledger is closed")
            return await self._loop.run_in_executor(self._threads, self._read, work)

    def _read(self, work: Callable[[Reader], T]) -> T:
        reader = self._idle.get()
        try:
            return reader.at_one_moment(work)
        except apsw.InterruptError:
            raise StoreFailed(f"a look into the ledger took longer than {LONGEST_READ_S:g} s and was ended") from None
        except DISK_ERRORS as error:
            if isinstance(error, DAMAGED):
                self._commits.condemn(error)
            raise StoreFailed(f"the ledger cannot be read: {in_words(error)}") from error
        finally:
            self._idle.put(reader)

    async def changed(self, topic: str, seen: int) -> int:
        while (count := self._counts.get(topic, 0)) <= seen:
            await self._waiters.setdefault(topic, asyncio.Event()).wait()
        return count

    def fresh(self, sink: str, lane: Lane) -> list[Parcel] | None:
        return self._handing.take(sink, lane)

    async def verify(self, within_s: float) -> ChainVerdict:
        if self._closed:
            raise StoreFailed("the ledger is closed")
        if self._verifying is None or self._verifying.done():
            until = time.monotonic() + within_s
            self._verifying = self._loop.create_task(asyncio.to_thread(self._verify, until, within_s))
            self._verifying.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(self._verifying)

    def _verify(self, until: float, within_s: float) -> ChainVerdict:
        def rest(took: float) -> None:
            if self._closed or time.monotonic() > until:
                raise StoreFailed(
                    f"the chain was not walked to its end within {within_s:g} s; gateway audit verify takes its time"
                )
            time.sleep(took)  # half of the time is for the presses: hashing shares the interpreter with them

        try:
            found = verify_file(self._path, rest)
        except UsageError as error:
            raise StoreFailed(str(error)) from None
        broken = found.broken
        return ChainVerdict(found.links, found.newest, None if broken is None else (broken.n, broken.reason))

    @property
    def latched(self) -> bool:
        """Whether nothing can be written until the ledger is opened anew."""
        return self._commits.latched

    def fault(self) -> str | None:
        return "the ledger is closed" if self._closed else self._commits.fault()

    async def close(self) -> None:
        """Write what waits, then end. Whoever comes later gets StoreFailed."""
        if self._closed:
            return
        self._closed = True
        await asyncio.to_thread(self._threads.shutdown)
        for connection in self._connections:
            connection.close()
        await asyncio.to_thread(self._writer.stop)

    def _tell(self, outcomes: Sequence[Outcome], news: News) -> None:
        """On the writer's thread. A loop that is gone has nobody left to tell."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._settle, outcomes, news)

    def _settle(self, outcomes: Sequence[Outcome], news: News) -> None:
        self._handing.put(news)
        for topic in sorted(news.topics):  # whoever waits wakes in the same order in every run
            self._counts[topic] = self._counts.get(topic, 0) + 1
            if topic in self._waiters:
                self._waiters.pop(topic).set()
        for future, result, error in outcomes:
            self._places.release()
            if future.done():
                continue
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)


def _keep_room(path: Path, size: int) -> Ballast:
    ballast = Ballast(path.with_name("ballast"), size)
    ballast.look()
    return ballast


def _connect(path: Path) -> tuple[apsw.Connection, list[apsw.Connection]]:
    try:
        finish_restore(path)
    except OSError as error:
        raise StoreFailed(f"{path}: a restored backup cannot be put there ({error.strerror})") from error
    writer = open_writer(path)
    try:
        migrate(writer, schema_steps())
        return writer, [open_reader(path) for _ in range(_READERS)]
    except DISK_ERRORS as error:
        writer.close()
        raise StoreFailed(f"{path}: {in_words(error)}") from error
    except BaseException:
        writer.close()
        raise
