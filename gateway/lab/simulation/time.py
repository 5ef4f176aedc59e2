"""Virtual time: an event loop that never waits, and the clocks of nodes, which may jump."""

import asyncio
import itertools
import math
import selectors
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

T = TypeVar("T")


class Stalled(RuntimeError):
    """Everything waits and nothing is due: in a real process this would be a hang."""


class _Jump(selectors.SelectSelector):
    """Waits for nothing: whoever would sleep finds that the time has passed."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise Stalled("everything waits, and nothing is due")
        if timeout > 0:
            # Far from zero a short wait may be less than a float can tell.
            self.now = max(self.now + timeout, math.nextafter(self.now, math.inf))
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """One thread, no I/O; time stands while something runs, and jumps to the next timer when nothing does.

    Threads are not started: what is handed to an executor runs on the loop, in its turn. Tasks hash by their number, so
    that sets of them have the same order in every run.
    """

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)
        # asyncio runs what is due within this; its own nanosecond is less than a float can tell after a year.
        self._clock_resolution = 1e-6
        self._numbers = itertools.count()
        self.on_task: Callable[[asyncio.Task[Any]], None] | None = None
        self.set_task_factory(self._numbered)

    def time(self) -> float:
        return self._jump.now

    def _numbered(
        self, loop: asyncio.AbstractEventLoop, coro: Any, *, context: Context | None = None
    ) -> "asyncio.Task[Any]":
        task = _Task(next(self._numbers), coro, loop=loop, context=context)
        if self.on_task is not None:
            (context.run if context is not None else _here)(self.on_task, task)
        return task

    def _write_to_self(self) -> None:
        """There is no other thread that would have to wake this one."""

    def run_in_executor(  # type: ignore[override]
        self, executor: object, func: Callable[..., T], *args: Any
    ) -> "asyncio.Future[T]":
        future: asyncio.Future[T] = self.create_future()

        def run() -> None:
            if future.done():
                return
            try:
                future.set_result(func(*args))
            except Exception as error:  # noqa: BLE001 – it belongs to whoever waits for the future
                future.set_exception(error)

        self.call_soon(run)
        return future


def _here(call: Callable[[Any], None], value: Any) -> None:
    call(value)


class _Task(asyncio.Task[Any]):
    def __init__(self, number: int, coro: Coroutine[Any, Any, Any] | Generator[Any, None, Any], **options: Any) -> None:
        self._number = number
        super().__init__(coro, **options)

    def __hash__(self) -> int:
        return self._number

    def __eq__(self, other: object) -> bool:
        return self is other


START = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)


class NodeClock:
    """gateway.ports.Clock of one node: its wall clock is off by ``error``, which faults change; mono never jumps."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.error = timedelta()

    def now(self) -> datetime:
        millis = round(self._loop.time() * 1000)
        return START + self.error + timedelta(milliseconds=millis)

    def mono(self) -> float:
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))
