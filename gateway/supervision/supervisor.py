"""The only retry loop for devices and sources. An attempt connects, works and raises; waiting and trying again is here."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NoReturn, Protocol

from gateway.backoff import Backoff
from gateway.errors import AuthFailed, Busy, GatewayError
from gateway.observability.logs import logger
from gateway.ports import Clock

Attempt = Callable[[Callable[[], None]], Awaitable[None]]
"""One attempt. It is given ``online``, to be called once the connection truly works; it ends by raising."""

OnBroken = Callable[[str, float, bool], None]
"""(reason in words, seconds until the next attempt, whether this is the first failure since it last worked). The
seconds are ``math.inf`` after a refused credential."""


BUSY_CEILING_S = 300.0
"""However long a device asks us to stay away."""
NUDGE_AFTER_S = 1.0
"""Somebody who wants a picture now does not make us dial a dead camera more than once a second."""


class State(StrEnum):
    """Where a supervised connection stands. The first connect and every reconnect go the same way."""

    DISABLED = "disabled"  # not supervised (yet)
    WAITING = "waiting"  # for its turn to be dialled
    CONNECTING = "connecting"
    PLAYING = "playing"  # the device has agreed; nothing has been shown yet
    ONLINE = "online"
    BACKING_OFF = "backing_off"
    BUSY = "busy"  # the device has no session left for us: its stale ones are waited out
    REFUSED = "refused"  # the credential: until it changes


class Turn(Protocol):
    """The right to dial; ``end`` may be called as often as one likes."""

    def end(self) -> None: ...


Gate = Callable[[], Awaitable[Turn]]
"""Waits for the right to dial. Raises AuthFailed where the credential is known to be refused."""


@dataclass(frozen=True, slots=True)
class Break:
    """Why an attempt ended. ``refused``: the device did not take our credential. ``after``: it asked for so many seconds."""

    reason: str
    refused: bool = False
    after: float | None = None


class Supervisor:
    """Keeps one connection up for ever.

    A refused credential ends all attempts until ``credential_changed`` is called, because cameras lock themselves
    after a few; ``refused_wait`` (seconds) tries again instead, for peers that do not lock. ``on_refused`` is then told
    instead of ``on_broken``. ``gate`` is passed before each attempt; the turn it gives ends with ``playing``, with
    ``online`` or with the attempt.
    """

    def __init__(
        self,
        name: str,
        attempt: Attempt,
        backoff: Backoff,
        clock: Clock,
        on_broken: OnBroken,
        on_online: Callable[[], None],
        *,
        on_refused: Callable[[str], None] | None = None,
        refused_wait: float | None = None,
        gate: Gate | None = None,
    ) -> None:
        self.state = State.DISABLED
        self._name = name
        self._attempt = attempt
        self._backoff = backoff
        self._clock = clock
        self._on_broken = on_broken
        self._on_online = on_online
        self._on_refused = on_refused
        self._refused_wait = refused_wait
        self._gate = gate
        self._turn: Turn | None = None
        self._renewed = asyncio.Event()
        self._online_since: float | None = None
        self._pause: asyncio.Task[None] | None = None
        self._paused_at = 0.0
        self._traced: set[str] = set()

    async def run(self) -> NoReturn:
        """Attempt, wait, attempt again. Ends only by being cancelled."""
        try:
            while True:
                self._renewed.clear()
                ended = await self.run_once()
                self._settle()
                if ended.refused:
                    await self._sit_out(ended.reason)
                else:
                    await self._back_off(ended)
        finally:
            self.state = State.DISABLED

    async def run_once(self) -> Break:
        """One attempt, and why it ended. An attempt that merely returns is broken too."""
        self._online_since = None
        try:
            await self._pass_gate()
            self.state = State.CONNECTING
            await self._attempt(self._online)
        except asyncio.CancelledError:
            if _being_cancelled():
                raise
            return Break("it was cancelled from within")
        except Exception as error:  # noqa: BLE001 - a fault in one adapter must not end its supervision
            return self._explain(error)
        finally:
            self._end_turn()
        return Break("the connection ended")

    def playing(self) -> None:
        """The device has agreed to send: the dial is over, and the turn is somebody else's."""
        if self.state is State.CONNECTING:
            self.state = State.PLAYING
        self._end_turn()

    def credential_changed(self) -> None:
        """The credential is another one now, or an operator says that it is right: attempts may go on."""
        self._renewed.set()

    def nudge(self) -> bool:
        """Somebody waits for it: do not sit out the rest of the back-off. A busy or refusing device is left alone."""
        pause = self._pause
        if self.state is not State.BACKING_OFF or pause is None:
            return False
        return self._clock.mono() - self._paused_at >= NUDGE_AFTER_S and pause.cancel()

    def _online(self) -> None:
        self._end_turn()
        self.state = State.ONLINE
        if self._online_since is None:
            self._online_since = self._clock.mono()
            self._on_online()

    async def _pass_gate(self) -> None:
        if self._gate is not None:
            self.state = State.WAITING
            self._turn = await self._gate()

    def _end_turn(self) -> None:
        if self._turn is not None:
            self._turn.end()
            self._turn = None

    def _settle(self) -> None:
        # Only a connection that stood for a while resets the back-off. Two clients that throw each other off the same
        # broker, or a camera that hangs up after its first picture, would otherwise be dialled without a pause.
        since = self._online_since
        if since is not None and self._clock.mono() - since >= self._backoff.ceiling:
            self._backoff.reset()

    async def _back_off(self, ended: Break) -> None:
        first = self._backoff.failures == 0
        wait = self._backoff.next(None if ended.after is None else min(ended.after, BUSY_CEILING_S))
        self.state = State.BACKING_OFF if ended.after is None else State.BUSY
        self._on_broken(ended.reason, wait, first)
        self._paused_at = self._clock.mono()
        self._pause = asyncio.ensure_future(self._clock.sleep(wait))
        try:
            await self._pause
        except asyncio.CancelledError:
            if _being_cancelled():
                raise
        finally:
            self._pause = None

    async def _sit_out(self, reason: str) -> None:
        self.state = State.REFUSED
        wait = math.inf if self._refused_wait is None else self._refused_wait
        if self._on_refused is not None:
            self._on_refused(reason)
        else:
            self._on_broken(reason, wait, self._backoff.failures == 0)
        self._backoff.failures += 1
        if self._refused_wait is None:
            await self._renewed.wait()
            self._backoff.reset()
        else:
            await self._clock.sleep(wait)

    def _explain(self, error: Exception) -> Break:
        causes = list(_leaves(error))
        for cause in causes:
            if isinstance(cause, AuthFailed):
                return Break(str(cause), refused=True)
        for cause in causes:
            if isinstance(cause, Busy):
                return Break(str(cause), after=cause.after)
        for cause in causes:
            if not isinstance(cause, GatewayError | OSError):
                self._trace(cause)
                return Break(f"a fault in the gateway's own code ({type(cause).__name__}); please report it")
        return Break("; ".join(dict.fromkeys(in_words(cause) for cause in causes)))

    def _trace(self, fault: BaseException) -> None:
        """Log a programming error with its traceback, once of each kind: the retries would repeat it for ever."""
        kind = f"{type(fault).__name__}: {fault}"
        if kind in self._traced or len(self._traced) >= 16:
            return
        self._traced.add(kind)
        logger("supervision").error("a fault in the gateway's own code", source=self._name, exc_info=fault)


async def supervise(
    name: str,
    attempt: Attempt,
    backoff: Backoff,
    clock: Clock,
    on_broken: OnBroken,
    on_online: Callable[[], None],
    *,
    on_refused: Callable[[str], None] | None = None,
    refused_wait: float | None = None,
) -> NoReturn:
    """Keep ``attempt`` going for ever; see Supervisor. For those who replace the whole task when a credential changes."""
    await Supervisor(
        name, attempt, backoff, clock, on_broken, on_online, on_refused=on_refused, refused_wait=refused_wait
    ).run()


def _being_cancelled() -> bool:
    """Whether it is our own task that is to end, and not something it awaits that was cancelled."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def in_words(error: BaseException) -> str:
    """A sentence for a person; many an OSError has none of its own."""
    if isinstance(error, TimeoutError):
        return str(error) or "no answer within the time allowed"
    if isinstance(error, OSError):
        return error.strerror or str(error) or type(error).__name__
    return str(error) or type(error).__name__


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error
