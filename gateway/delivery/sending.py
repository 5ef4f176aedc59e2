"""The sends of one lane that are under way: their tasks, their deadlines, and what their ends mean."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from gateway.errors import Refused, TryLater
from gateway.model import Parcel, Receipt
from gateway.observability.logs import logger
from gateway.ports import Sink

_log = logger("delivery")

_MOST_TRACED = 16


@dataclass(frozen=True, slots=True)
class Sending:
    """``deadline`` is monotonic. ``while_open``: it began while the lane was open; else it is a probe."""

    parcel: Parcel
    deadline: float
    while_open: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """``error`` is None where the receiver took the parcel, with ``receipt`` where it gives any."""

    sending: Sending
    receipt: Receipt | None
    error: TryLater | Refused | None


class Sendings:
    """``on_end`` is called when a send has ended, so that ``collect`` is called soon."""

    def __init__(self, sink: Sink, within: float, on_end: Callable[[], None]) -> None:
        self._sink = sink
        self._within = within
        self._on_end = on_end
        self._tasks: dict[asyncio.Task[Receipt | None], Sending] = {}
        self._traced: set[str] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    @property
    def probing(self) -> bool:
        return any(not sending.while_open for sending in self._tasks.values())

    def deadlines(self) -> list[float]:
        return [sending.deadline for sending in self._tasks.values()]

    def start(self, parcel: Parcel, now: float, *, while_open: bool) -> None:
        task = asyncio.get_running_loop().create_task(self._sink.send(parcel))
        self._tasks[task] = Sending(parcel, now + self._within, while_open)
        task.add_done_callback(lambda _: self._on_end())

    def collect(self) -> list[Ended]:
        """Those that have ended since the last call."""
        done = [task for task in self._tasks if task.done()]
        return [self._ended(task, self._tasks.pop(task)) for task in done]

    def cancel_overdue(self, now: float) -> None:
        for task, sending in self._tasks.items():
            if sending.deadline <= now:
                task.cancel()
                self._tasks[task] = replace(sending, deadline=now + self._within)

    async def give_up(self, last_words: float) -> list[Ended]:
        """End what is under way; what the receiver has by then is among the ended without an error."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=last_words)
        return self.collect()

    def _ended(self, task: "asyncio.Task[Receipt | None]", sending: Sending) -> Ended:
        error = self._error(task)
        return Ended(sending, task.result() if error is None else None, error)

    def _error(self, task: "asyncio.Task[Receipt | None]") -> TryLater | Refused | None:
        if task.cancelled():
            return TryLater(f"no answer within {self._within:g} s")
        error = task.exception()
        if error is None or isinstance(error, TryLater | Refused):
            return error
        name = f"{type(error).__name__}: {error}"
        if name not in self._traced and len(self._traced) < _MOST_TRACED:
            self._traced.add(name)
            _log.error("a sink failed in an unforeseen way; trying again", sink=self._sink.id, exc_info=error)
        return TryLater(f"unforeseen: {name}")
