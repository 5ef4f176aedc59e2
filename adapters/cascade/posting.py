"""Events that come while others are on their way up go together: one request, one transaction above, each its receipt."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from adapters.cascade.answers import HttpAnswer, read_receipt, require_success
from gateway.canonical import sha256_hex
from gateway.errors import GatewayError, Refused, TurnedAway
from gateway.model import Receipt

_MOST_EVENTS = 32
_MOST_BYTES = 30 * 1024  # larger bodies are read on a thread above, and hold up a thin uplink


@dataclass(frozen=True, slots=True)
class _Event:
    id: str
    body: bytes
    receipt: "asyncio.Future[Receipt]"


class Posting:
    """``ask`` gives one event's bytes, or a list's, to the upper node; ``width``: requests under way at once. ``upper``
    names the address for sentences."""

    def __init__(
        self, ask: Callable[[list[bytes]], Awaitable[HttpAnswer]], upper: Callable[[], str], *, width: int
    ) -> None:
        self._ask = ask
        self._upper = upper
        self._width = width
        self._waiting: deque[_Event] = deque()  # bounded by the sink's concurrency
        self._under_way: set[asyncio.Task[None]] = set()

    async def send(self, event_id: str, body: bytes) -> Receipt:
        """The upper node's receipt. Raises TryLater | Refused | Unreachable."""
        event = _Event(event_id, body, asyncio.get_running_loop().create_future())
        self._waiting.append(event)
        self._start()
        return await event.receipt

    async def close(self) -> None:
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    def _start(self) -> None:
        while len(self._under_way) < self._width and (batch := self._next()):
            task = asyncio.get_running_loop().create_task(self._deliver(batch))
            self._under_way.add(task)
            task.add_done_callback(self._ended)

    def _next(self) -> list[_Event]:
        batch: list[_Event] = []
        size = 0
        while self._waiting and len(batch) < _MOST_EVENTS:
            event = self._waiting[0]
            if batch and size + len(event.body) > _MOST_BYTES:
                break
            self._waiting.popleft()
            if not event.receipt.done():  # else its sender has given up
                batch.append(event)
                size += len(event.body)
        return batch

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._under_way.discard(task)
        self._start()

    async def _deliver(self, batch: list[_Event]) -> None:
        """Everybody in the batch hears something, whatever happens."""
        try:
            answer = await self._ask([event.body for event in batch])
            require_success(answer, self._upper())
        except (Refused, TurnedAway) as error:
            if len(batch) == 1:
                _tell(batch, error)
            else:  # one of them, or lists as such, are not taken: find out which
                for event in batch:
                    await self._deliver([event])
        except GatewayError as error:
            _tell(batch, error)
        else:
            for event in batch:
                self._read(event, answer)
        finally:
            for event in batch:
                event.receipt.cancel()  # of whom has heard nothing yet: the sink was closed

    def _read(self, event: _Event, answer: HttpAnswer) -> None:
        try:
            receipt = read_receipt(answer, event.id, sha256_hex(event.body), self._upper())
        except GatewayError as error:
            _tell([event], error)
        else:
            if not event.receipt.done():
                event.receipt.set_result(receipt)


def _tell(batch: list[_Event], error: GatewayError) -> None:
    for event in batch:
        if not event.receipt.done():
            event.receipt.set_exception(error)
