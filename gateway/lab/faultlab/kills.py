"""Plays of sudden deaths: kill -9 at random moments, at chosen system calls; brokers that die; orderly restarts."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable

from gateway.lab.faultlab.processes import PLAIN, Node, Wrap
from gateway.lab.faultlab.tracing import SYNCS, WRITES, Injection, attached, early_or_late, ledger_files
from gateway.lab.faultlab.trial import Trial

_LATEST_CALL = 200
_DIES_WITHIN = 15.0
_WHILE_STARTING = 0.25


async def home_dies(trial: Trial) -> None:
    """kill -9 of the core, again and again; what was told received is looked for at once."""
    await _dies(trial, trial.town.home, looks=True)


async def upper_dies(trial: Trial) -> None:
    """kill -9 of the upper node."""
    await _dies(trial, trial.town.top, looks=False)


async def _dies(trial: Trial, node: Node, *, looks: bool) -> None:
    while True:
        await trial.pause(0.3, 2.5)
        trial.write(f"kill -9 {node.name}")
        await node.kill()
        await node.until_ready()
        if looks:
            await trial.promise_holds()
        if not trial.pressing:
            return


async def workers_die(trial: Trial) -> None:
    """kill -9 of video workers, now and then together with their core."""
    home = trial.town.home
    while True:
        await trial.pause(0.5, 1.5)
        pids = home.worker_pids()
        trial.write(f"kill -9 of {len(pids)} video workers")
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if trial.rng.random() < 0.3:
            trial.write("and of the core")
            await home.kill()
            await home.until_ready()
        if not trial.pressing:
            return


async def everything_dies(trial: Trial) -> None:
    """Any process at any moment, several at once too."""
    town = trial.town
    while True:
        await trial.pause(0.2, 1.5)
        victims = trial.rng.sample([*town.nodes, town.broker], trial.rng.choice((1, 1, 2, 3)))
        trial.write(f"kill -9 {', '.join(victim.name for victim in victims)}")
        await asyncio.gather(*(victim.kill() for victim in victims))
        if not trial.pressing:
            return


async def broker_dies(trial: Trial) -> None:
    """kill -9 of the broker, a second or two of no broker at all, and a broker that hangs."""
    broker = trial.town.broker
    while True:
        await trial.pause(0.5, 2.0)
        way = trial.rng.choice(("kill", "away", "hang"))
        trial.write(f"the broker: {way}")
        if way == "kill":
            await broker.kill()
        elif way == "away":
            await broker.down()
            await trial.pause(0.5, 3.0)
            await broker.start()
        else:
            broker.send(signal.SIGSTOP)
            await trial.pause(0.5, 3.0)
            broker.send(signal.SIGCONT)
        await broker.until_listening()
        if not trial.pressing:
            return


async def home_dies_writing(trial: Trial) -> None:
    """kill -9 at the nth system call of the ledger's writer, while it works and while it starts."""
    await _dies_writing(trial, trial.town.home, looks=True)


async def upper_dies_writing(trial: Trial) -> None:
    """The same at the upper node: what it gave a receipt for has to be there."""
    await _dies_writing(trial, trial.town.top, looks=False)


async def _dies_writing(trial: Trial, node: Node, *, looks: bool) -> None:
    while True:
        await trial.pause(0.1, 0.6)
        number = early_or_late(trial.rng, _LATEST_CALL)
        fault = Injection(trial.rng.choice((SYNCS, WRITES)), "signal=KILL", str(number), ledger_files(node.data_dir))
        starting = trial.rng.random() < _WHILE_STARTING
        trial.write(f"{node.name} dies at call {number} of {fault.calls}{' of its start' if starting else ''}")
        deaths = node.deaths
        if starting:
            await node.restart_with(_once(fault.from_the_start()))
            await _until_dead(trial, node, deaths)
        else:
            await _dies_at(trial, node, fault, deaths)
        if starting:
            await node.restart_with(None)
        await node.until_ready()
        if looks:
            await trial.promise_holds()
        if not trial.pressing:
            return


async def _dies_at(trial: Trial, node: Node, fault: Injection, deaths: int) -> None:
    pid = node.core_pid
    assert pid is not None
    async with attached(fault, pid):
        await _until_dead(trial, node, deaths)


async def _until_dead(trial: Trial, node: Node, deaths: int) -> None:
    """The keeper counts. A node that has nothing to write is given something."""
    deadline = time.monotonic() + _DIES_WITHIN
    while node.deaths == deaths:
        if time.monotonic() > deadline:
            trial.write(f"{node.name} did not come to it")  # a call that it makes too seldom
            return
        await trial.pressed_or(0.1)


def _once(fault: Wrap) -> Callable[[], Wrap]:
    """At the next start, and plainly after that."""
    starts = iter((fault,))
    return lambda: next(starts, PLAIN)


async def restarts(trial: Trial) -> None:
    """SIGTERM and a new start, under load, of each node in turn."""
    while True:
        for node in trial.town.nodes:
            await trial.pause(0.3, 1.5)
            trial.write(f"SIGTERM {node.name}")
            await node.down(signal.SIGTERM)
            await node.start()
            await node.until_ready()
        await trial.promise_holds()
        if not trial.pressing:
            return
