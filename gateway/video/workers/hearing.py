"""What a worker's cameras noticed, passed on to the core until it is on disk."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import NoReturn, Protocol

from gateway.errors import StoreFailed
from gateway.observability import events
from gateway.observability.logs import logger
from gateway.ports import Clock
from gateway.video.workers.client import Heard

POLL_S = 20.0
UNSTORED_S = 1.0
"""What could not be written is asked for again after this long: the worker keeps it."""
FAULT_S = 10.0
MOST_TRIES = 6
"""Of one signal that our own code fails at. It holds up what was noticed after it for a minute, and not for ever."""


class Worker(Protocol):
    """``WorkerClient``."""

    async def signals(self, run: str, after: int, wait_s: float) -> Heard: ...


class Hearing:
    """``hear`` returns once what it was given is on disk. It may be given the same twice: all of it has ids of its own."""

    def __init__(self, name: str, hear: Callable[[Heard], Awaitable[None]], clock: Clock) -> None:
        self._name = name
        self._hear = hear
        self._clock = clock

    async def run(self, worker: Worker) -> NoReturn:
        """Acknowledge, by asking for what follows, once it is on disk. Raises DeviceError where the worker is gone."""
        run, position = "", 0
        while True:
            heard = await worker.signals(run, position, POLL_S)
            try:
                await self._pass_on(heard)
            except StoreFailed as fault:
                events.signals_not_stored(self._name, len(heard.signals), str(fault))
                await self._clock.sleep(UNSTORED_S)
                continue
            run, position = heard.run, heard.next

    async def _pass_on(self, heard: Heard) -> None:
        """Raises StoreFailed."""
        if not (heard.signals or heard.remarks) or await self._took(heard):
            return
        left = [one for one in _one_by_one(heard) if not await self._took(one)]
        for _ in range(MOST_TRIES):
            if not left:
                return
            await self._clock.sleep(FAULT_S)
            left = [one for one in left if not await self._took(one)]
        for one in left:
            for signal in one.signals:
                events.signal_let_go(self._name, signal.id, signal.camera_id, signal.kind)

    async def _took(self, heard: Heard) -> bool:
        """False where our own code has a fault with it; it must not take the worker's pictures with it."""
        try:
            await self._hear(heard)
        except StoreFailed:
            raise
        except Exception as fault:  # noqa: BLE001 - whatever it is, other cameras' signals wait behind it
            logger("video").error("a fault in the gateway's own code", worker=self._name, exc_info=fault)
            return False
        return True


def _one_by_one(heard: Heard) -> Iterator[Heard]:
    yield from (replace(heard, signals=(signal,), remarks=()) for signal in heard.signals)
    yield from (replace(heard, signals=(), remarks=(remark,)) for remark in heard.remarks)
