import asyncio
import math
import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import structlog

from gateway.backoff import Backoff
from gateway.errors import AuthFailed, Busy, Unreachable
from gateway.supervision.supervisor import BUSY_CEILING_S, State, Supervisor, in_words, supervise

Step = Callable[[Callable[[], None]], Awaitable[None]]


class Script:
    """Attempts that do one step each; after the last one it stays up for ever."""

    def __init__(self, *steps: Step) -> None:
        self.steps = list(steps)
        self.done = asyncio.Event()

    async def attempt(self, online: Callable[[], None]) -> None:
        if self.steps:
            await self.steps.pop(0)(online)
            return
        self.done.set()
        await asyncio.Event().wait()


class Witness:
    def __init__(self) -> None:
        self.broken: list[tuple[str, float, bool]] = []
        self.online = 0
        self.refused: list[str] = []

    def on_broken(self, reason: str, retry_in: float, first: bool) -> None:
        self.broken.append((reason, retry_in, first))

    def on_online(self) -> None:
        self.online += 1


def fails(error: BaseException) -> Step:
    async def step(online: Callable[[], None]) -> None:
        raise error

    return step


def works(clock: Any, seconds: float) -> Step:
    async def step(online: Callable[[], None]) -> None:
        online()
        online()
        clock.seconds += seconds
        raise Unreachable("gone again")

    return step


def backoff() -> Backoff:
    return Backoff(first=1, ceiling=8, rng=random.Random(7))


async def through(script: Script, clock: Any, **options: Any) -> Witness:
    """Run the supervisor until the script has come to its end."""
    witness = Witness()
    task = asyncio.create_task(
        supervise("it", script.attempt, backoff(), clock, witness.on_broken, witness.on_online, **options)
    )
    await asyncio.wait_for(script.done.wait(), 60)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return witness


async def test_errors_become_reasons_and_only_the_first_failure_is_first(clock: Any) -> None:
    script = Script(fails(Unreachable("no route to 10.0.0.5:554")), fails(ConnectionRefusedError(111, "refused")))
    witness = await through(script, clock)
    assert [(reason, first) for reason, _, first in witness.broken] == [
        ("no route to 10.0.0.5:554", True),
        ("refused", False),
    ]
    assert [wait for _, wait, _ in witness.broken] == clock.slept


async def test_waits_grow_to_the_ceiling_and_no_further(clock: Any) -> None:
    witness = await through(Script(*[fails(Unreachable("dark"))] * 30), clock)
    waits = [wait for _, wait, _ in witness.broken]
    assert waits[0] <= 1
    assert max(waits) <= 8
    assert max(waits[10:]) > 4


async def test_an_attempt_that_returns_is_broken_too(clock: Any) -> None:
    async def returns(online: Callable[[], None]) -> None:
        return

    witness = await through(Script(returns), clock)
    assert witness.broken[0][0] == "the connection ended"


async def test_online_is_told_once_an_attempt(clock: Any) -> None:
    witness = await through(Script(works(clock, 100), works(clock, 100)), clock)
    assert witness.online == 2


async def test_a_connection_that_stood_resets_the_back_off(clock: Any) -> None:
    script = Script(*[fails(Unreachable("dark"))] * 6, works(clock, 8.0))
    witness = await through(script, clock)
    assert witness.broken[-1][2] is True
    assert witness.broken[-1][1] <= 1


async def test_a_connection_that_breaks_at_once_is_not_dialled_without_a_pause(clock: Any) -> None:
    witness = await through(Script(*[works(clock, 0.1)] * 10), clock)
    assert max(wait for _, wait, _ in witness.broken) > 2
    assert [first for _, _, first in witness.broken].count(True) == 1


async def test_a_programming_error_is_retried_and_traced_once(clock: Any) -> None:
    with structlog.testing.capture_logs() as lines:
        witness = await through(Script(*[fails(KeyError("oops"))] * 3), clock)
    assert len(witness.broken) == 3
    assert "KeyError" in witness.broken[0][0]
    assert [line["log_level"] for line in lines] == ["error"]
    assert isinstance(lines[0]["exc_info"], KeyError)


async def test_a_group_of_errors_is_told_in_one_sentence(clock: Any) -> None:
    group = ExceptionGroup("g", [Unreachable("a is silent"), ExceptionGroup("h", [Unreachable("b is silent")])])
    witness = await through(Script(fails(group)), clock)
    assert witness.broken[0][0] == "a is silent; b is silent"


async def test_a_task_cancelled_within_an_attempt_does_not_end_the_supervision(clock: Any) -> None:
    witness = await through(Script(fails(asyncio.CancelledError())), clock)
    assert witness.broken[0][0] == "it was cancelled from within"


async def test_a_refused_credential_is_not_tried_again_until_it_changes(clock: Any) -> None:
    script, witness = Script(fails(AuthFailed("wrong password"))), Witness()
    supervisor = Supervisor("cam", script.attempt, backoff(), clock, witness.on_broken, witness.on_online)
    task = asyncio.create_task(supervisor.run())
    for _ in range(100):
        await asyncio.sleep(0)
    assert witness.broken == [("wrong password", math.inf, True)]
    assert not script.done.is_set()
    supervisor.credential_changed()
    await asyncio.wait_for(script.done.wait(), 60)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_refusal_inside_a_group_counts_as_one(clock: Any) -> None:
    witness = Witness()
    script = Script(fails(ExceptionGroup("g", [Unreachable("x"), AuthFailed("wrong password")])))
    supervisor = Supervisor(
        "cam", script.attempt, backoff(), clock, witness.on_broken, witness.on_online, on_refused=witness.refused.append
    )
    ended = await supervisor.run_once()
    assert ended.refused
    assert ended.reason == "wrong password"


async def test_where_refusals_do_not_lock_they_are_tried_again_after_their_own_wait(clock: Any) -> None:
    script, witness = Script(fails(AuthFailed("no")), fails(AuthFailed("no"))), Witness()
    told = await through(script, clock, on_refused=witness.refused.append, refused_wait=30.0)
    assert clock.slept == [30.0, 30.0]
    assert witness.refused == ["no", "no"]
    assert told.broken == []


class Gate:
    """Gives turns when told, and knows how many are held."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.held = 0
        self.error: Exception | None = None

    async def enter(self) -> "Gate":
        await self.open.wait()
        if self.error is not None:
            raise self.error
        self.held += 1
        return self

    def end(self) -> None:
        self.held -= 1


class Walk:
    """A supervisor whose every step the test takes; pauses last until ``wake``."""

    def __init__(self, clock: Any) -> None:
        self.clock, self.gate, self.witness = clock, Gate(), Witness()
        self.wake = asyncio.Event()
        self.slept: list[float] = []
        self.attempts: list[asyncio.Future[None]] = []
        self.tell_online: Callable[[], None] = lambda: None
        clock.sleep = self._sleep
        self.supervisor = Supervisor(
            "cam",
            self._attempt,
            backoff(),
            clock,
            self.witness.on_broken,
            self.witness.on_online,
            on_refused=self.witness.refused.append,
            gate=self.gate.enter,
        )
        self.task = asyncio.create_task(self.supervisor.run())

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.wake.clear()
        await self.wake.wait()

    async def _attempt(self, online: Callable[[], None]) -> None:
        self.tell_online = online
        self.attempts.append(asyncio.get_running_loop().create_future())
        await self.attempts[-1]

    async def settled(self) -> State:
        for _ in range(20):
            await asyncio.sleep(0)
        return self.supervisor.state

    async def end(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def test_the_way_from_waiting_to_online_and_the_turn_ends_with_playing(clock: Any) -> None:
    walk = Walk(clock)
    assert await walk.settled() is State.WAITING
    assert walk.attempts == []
    walk.gate.open.set()
    assert await walk.settled() is State.CONNECTING
    assert walk.gate.held == 1
    walk.supervisor.playing()
    assert (walk.supervisor.state, walk.gate.held) == (State.PLAYING, 0)
    walk.tell_online()
    walk.supervisor.playing()
    assert (walk.supervisor.state, walk.witness.online, walk.gate.held) == (State.ONLINE, 1, 0)
    walk.attempts[0].set_exception(Unreachable("gone"))
    assert await walk.settled() is State.BACKING_OFF
    walk.wake.set()
    assert await walk.settled() is State.CONNECTING
    await walk.end()
    assert (walk.supervisor.state, walk.gate.held) == (State.DISABLED, 0)


async def test_the_turn_ends_with_an_attempt_that_never_plays(clock: Any) -> None:
    walk = Walk(clock)
    walk.gate.open.set()
    await walk.settled()
    walk.attempts[0].set_exception(Unreachable("no route"))
    assert await walk.settled() is State.BACKING_OFF
    assert walk.gate.held == 0
    await walk.end()


async def test_a_busy_device_is_left_alone_as_long_as_it_asks(clock: Any) -> None:
    walk = Walk(clock)
    walk.gate.open.set()
    await walk.settled()
    walk.attempts[0].set_exception(Busy("453 not enough bandwidth", 61.0))
    assert await walk.settled() is State.BUSY
    assert walk.slept == [61.0]
    walk.clock.seconds += 30
    assert not walk.supervisor.nudge()
    walk.wake.set()
    await walk.settled()
    walk.attempts[1].set_exception(Busy("come back next week", 1e6))
    await walk.settled()
    assert walk.slept[1] == BUSY_CEILING_S
    await walk.end()


async def test_a_nudge_ends_a_pause_but_not_more_than_once_a_second(clock: Any) -> None:
    walk = Walk(clock)
    assert not walk.supervisor.nudge()
    walk.gate.open.set()
    await walk.settled()
    walk.attempts[0].set_exception(Unreachable("dark"))
    await walk.settled()
    walk.clock.seconds += 0.5
    assert not walk.supervisor.nudge()
    assert await walk.settled() is State.BACKING_OFF
    walk.clock.seconds += 1
    assert walk.supervisor.nudge()
    assert await walk.settled() is State.CONNECTING
    assert len(walk.attempts) == 2
    await walk.end()


async def test_a_gate_that_refuses_the_login_dials_nothing(clock: Any) -> None:
    walk = Walk(clock)
    walk.gate.error = AuthFailed("refused elsewhere")
    walk.gate.open.set()
    assert await walk.settled() is State.REFUSED
    assert (walk.attempts, walk.witness.refused) == ([], ["refused elsewhere"])
    walk.gate.error = None
    walk.supervisor.credential_changed()
    assert await walk.settled() is State.CONNECTING
    await walk.end()


@pytest.mark.parametrize("stage", ["waiting", "connecting", "pausing"])
async def test_it_ends_at_once_when_cancelled_wherever_it_is(clock: Any, stage: str) -> None:
    walk = Walk(clock)
    if stage != "waiting":
        walk.gate.open.set()
        await walk.settled()
    if stage == "pausing":
        walk.attempts[0].set_exception(Unreachable("dark"))
        await walk.settled()
    before = asyncio.all_tasks()
    await walk.end()
    assert walk.task.cancelled()
    assert walk.gate.held == 0
    assert len(asyncio.all_tasks()) <= len(before) - (2 if stage == "pausing" else 1)


def test_every_error_has_words() -> None:
    assert in_words(TimeoutError()) == "no answer within the time allowed"
    assert in_words(OSError()) == "OSError"
    assert in_words(ConnectionResetError(104, "Connection reset by peer")) == "Connection reset by peer"
    assert in_words(Unreachable("silent")) == "silent"
