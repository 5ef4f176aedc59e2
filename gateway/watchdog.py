"""What systemd is told of a node: that it runs, that it is well, that it reloads or stops (sd_notify(3)).

Well means that the loop turns and the ledger's writer answers. Where either hangs nothing more is said, and systemd ends
the process after ``WatchdogSec=`` and starts another; so it does where the ledger has to be opened anew, after a failed
fsync. A full disk is an answer: a restart would not mend it.
"""

import asyncio
import faulthandler
import os
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import NoReturn

from gateway.observability.logs import logger

_MOST_BEATS_S = 10.0
"""However long the interval of systemd is: its journal then says soon that something hangs."""
_A_THIRD = 3.0
"""A beat may come late by as much as one interval and a half, under load, before systemd takes it for missing."""
_STARTING_S = 60.0
_LONGEST_START_S = 7200.0
"""A schema step of a ledger of years takes minutes; what takes hours hangs."""


class Notifier:
    """Speaks to the service manager over its datagram socket; without one it says nothing. Nothing here waits or raises."""

    def __init__(self, address: str | None = None) -> None:
        """``address``: a path, or with ``@`` an abstract name (unix(7)); others are not spoken to."""
        self._address = address if address and address[0] in "/@" else None

    def tell(self, *assignments: str) -> bool:
        """Send ``NAME=VALUE`` lines as one message; whether it went out."""
        if self._address is None:
            return False
        address = f"\0{self._address[1:]}" if self._address[0] == "@" else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC) as out:
                out.sendto("\n".join(assignments).encode(), address)
        except OSError as error:
            logger("app").debug("the service manager was not told", reason=error.strerror)
            return False
        return True


class Watchdog:
    """Tells of starting, ready, alive, reloading and stopping. ``interval_s``: within which systemd wants a sign of life,
    None for never."""

    def __init__(self, notifier: Notifier, interval_s: float | None) -> None:
        self._notifier = notifier
        self._beat_s = _MOST_BEATS_S if interval_s is None else min(_MOST_BEATS_S, interval_s / _A_THIRD)
        self._wanted = interval_s is not None

    @classmethod
    def of(cls, environment: Mapping[str, str] = os.environ) -> "Watchdog":
        """As systemd set it up: NOTIFY_SOCKET, and WATCHDOG_USEC where it is meant for this process (WATCHDOG_PID)."""
        interval = _interval(environment)
        if interval is not None:
            faulthandler.enable()  # systemd ends a hanging process by SIGABRT: the journal then says where it hung
        return cls(Notifier(environment.get("NOTIFY_SOCKET")), interval)

    async def starting(self) -> NoReturn:
        """Ask for more time as long as the loop turns; to be cancelled when the start is over."""
        until = time.monotonic() + _LONGEST_START_S
        while True:
            if time.monotonic() < until:
                self._notifier.tell(f"EXTEND_TIMEOUT_USEC={round(_STARTING_S * 1e6)}", "STATUS=The node starts.")
            await asyncio.sleep(_STARTING_S / _A_THIRD)

    async def run(self, well: Callable[[], Awaitable[bool]], up: asyncio.Event, stop: asyncio.Event) -> None:
        """Until ``stop``. ``up``: the node listens and works. ``well`` returns once the ledger's writer has answered, false
        where nothing but a restart would help."""
        told = False
        while not stop.is_set():
            told = told or (up.is_set() and self._notifier.tell("READY=1", "STATUS=The node runs."))
            if up.is_set() and self._wanted and await self._answered(well):
                self._notifier.tell("WATCHDOG=1")
            await _either(stop, None if up.is_set() else up, self._beat_s)
        self._notifier.tell("STOPPING=1", "STATUS=The node stops.")

    def reloading(self) -> None:
        """Told before a reload; ``reloaded`` has to follow."""
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._notifier.tell("RELOADING=1", f"MONOTONIC_USEC={now}", "STATUS=The node takes its configuration over.")

    def reloaded(self) -> None:
        self._notifier.tell("READY=1", "STATUS=The node runs.")

    async def _answered(self, well: Callable[[], Awaitable[bool]]) -> bool:
        """Whether the writer answered within a beat. A look that hangs is given up, and the next one asks anew."""
        try:
            async with asyncio.timeout(self._beat_s):
                if await well():
                    return True
                reason = "the ledger has to be opened anew"
        except TimeoutError:
            reason = f"the ledger's writer has not answered for {self._beat_s:g} s"
        logger("app").error("no sign of life for the service manager, which will start the node anew", reason=reason)
        return False


def _interval(environment: Mapping[str, str]) -> float | None:
    told, meant = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID")
    if not told.isdecimal() or int(told) == 0 or meant not in (None, "", str(os.getpid())):
        return None
    return int(told) / 1e6


async def _either(one: asyncio.Event, other: asyncio.Event | None, seconds: float) -> None:
    """Wait for one of them, at most for ``seconds``."""
    waiting = [asyncio.create_task(event.wait()) for event in (one, other) if event is not None]
    try:
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
