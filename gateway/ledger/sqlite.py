"""The ledger on SQLite: WAL, synchronous=FULL, one writing thread, a few reading ones."""

import asyncio
import contextlib
import queue
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import apsw

from gateway.errors import StoreFailed
from gateway.ledger.connection import DISK_ERRORS, in_words, open_reader, open_writer, require_sqlite
from gateway.ledger.migrate import migrate, schema_steps
from gateway.ledger.reader import SqliteReader
from gateway.ledger.transaction import SqliteTransaction
from gateway.ledger.writer import Job, Outcome, Writer
from gateway.ports import Clock, Reaction, Reader, Transaction

T = TypeVar("T")

# Callers beyond these wait for a place; nothing is dropped.
_WRITES_WAITING = 1_024
_READS_WAITING = 64
_READERS = 3


class SqliteLedger:
    """gateway.ports.Ledger. Made by ``SqliteLedger.open``; every method belongs to the loop that opened it."""

    def __init__(
        self,
        connection: apsw.Connection,
        readers: Sequence[apsw.Connection],
        node: str,
        clock: Clock,
        reaction: Reaction | None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._places = asyncio.Semaphore(_WRITES_WAITING)
        self._reads = asyncio.Semaphore(_READS_WAITING)
        self._idle: queue.SimpleQueue[SqliteReader] = queue.SimpleQueue()
        for reader in readers:
            self._idle.put(SqliteReader(reader, clock))
        self._connections = readers
        self._threads = ThreadPoolExecutor(len(readers), "ledger-reader")
        self._counts: dict[str, int] = {}
        self._waiters: dict[str, asyncio.Event] = {}
        self._closed = False
        transaction = SqliteTransaction(connection, node, clock, reaction)
        self._writer = Writer(connection, transaction, self._tell)

    @classmethod
    async def open(cls, path: Path, node: str, clock: Clock, reaction: Reaction | None = None) -> "SqliteLedger":
        """Open or create the ledger file of ``node`` and bring its schema up to date.

        Raises UsageError for a ledger of a newer gateway, StoreFailed where the disk does not let us write, RunningError
        for an SQLite that is not safe.
        """
        require_sqlite(apsw.sqlite_lib_version())
        writer, readers = await asyncio.to_thread(_connect, path)
        return cls(writer, readers, node, clock, reaction)

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """See gateway.ports.Ledger. A caller that is cancelled while it waits may find its work done all the same."""
        await self._places.acquire()
        if self._closed:
            self._places.release()
            raise StoreFailed("the ledger is closed")
        future: asyncio.Future[T] = self._loop.create_future()
        self._writer.submit(Job(work, future))
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
        except DISK_ERRORS as error:
            raise StoreFailed(f"the ledger cannot be read: {in_words(error)}") from error
        finally:
            self._idle.put(reader)

    async def changed(self, topic: str, seen: int) -> int:
        while (count := self._counts.get(topic, 0)) <= seen:
            await self._waiters.setdefault(topic, asyncio.Event()).wait()
        return count

    def fault(self) -> str | None:
        return "the ledger is closed" if self._closed else self._writer.fault()

    async def close(self) -> None:
        """Write what waits, then end. Whoever comes later gets StoreFailed."""
        if self._closed:
            return
        self._closed = True
        await asyncio.to_thread(self._threads.shutdown)
        for connection in self._connections:
            connection.close()
        await asyncio.to_thread(self._writer.stop)

    def _tell(self, outcomes: Sequence[Outcome], topics: Iterable[str]) -> None:
        """On the writer's thread. A loop that is gone has nobody left to tell."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._settle, outcomes, topics)

    def _settle(self, outcomes: Sequence[Outcome], topics: Iterable[str]) -> None:
        for topic in topics:
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


def _connect(path: Path) -> tuple[apsw.Connection, list[apsw.Connection]]:
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
