"""One life of a node's process: what it started, and its end, which may come at any moment."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from typing import Any
from weakref import WeakSet

from gateway.lab.simulation.time import NodeClock
from gateway.model import RisingSeed, id_seed

_current: ContextVar["Life | None"] = ContextVar("life", default=None)


class Life:
    """From start to crash. Everything it does runs in ``context``; once it is over it reaches nobody any more."""

    def __init__(self, clock: NodeClock, rng: random.Random) -> None:
        self.alive = True
        self.clock = clock
        self.rng = random.Random(rng.getrandbits(64))
        self.context: Context = copy_context()
        self.context.run(id_seed.set, RisingSeed(self._millis, self.rng.randbytes))
        self._ended: list[Callable[[], None]] = []
        self._tasks: WeakSet[asyncio.Task[Any]] = WeakSet()
        self.context.run(_current.set, self)

    def start(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        return asyncio.get_running_loop().create_task(work, context=self.context.copy())

    def adopt(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.add(task)

    def on_end(self, call: Callable[[], None]) -> None:
        self._ended.append(call)

    def end(self) -> None:
        """The process is gone."""
        if not self.alive:
            return
        self.alive = False
        for call in self._ended:
            call()
        for task in sorted(self._tasks, key=hash):
            task.cancel()

    def _millis(self) -> int:
        return round(self.clock.now().timestamp() * 1000)


def life_of_this_task() -> Life | None:
    return _current.get()
