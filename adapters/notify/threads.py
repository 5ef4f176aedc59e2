"""Threads for a library that blocks: few, and never what keeps the program from ending."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from gateway.errors import TryLater

T = TypeVar("T")


class Threads:
    """At most ``most`` at once, those counted in that nobody waits for any more (a resolver that hangs)."""

    def __init__(self, most: int) -> None:
        self._free = threading.BoundedSemaphore(most)

    async def run(self, work: Callable[[], T], within: float) -> T:
        """What ``work`` gives, or raises. Raises TimeoutError, and TryLater where too many still hang."""
        if not self._free.acquire(blocking=False):
            raise TryLater("earlier messages are still hanging", 10.0)
        future: Future[T] = Future()
        threading.Thread(target=self._do, args=(work, future), name="notify", daemon=True).start()
        return await asyncio.wait_for(asyncio.wrap_future(future), within)

    def _do(self, work: Callable[[], T], future: "Future[T]") -> None:
        try:
            if future.set_running_or_notify_cancel():
                future.set_result(work())
        except BaseException as error:  # noqa: BLE001 -- handed on to who waits, whatever it is
            future.set_exception(error)
        finally:
            self._free.release()
