"""Running a node from its configuration file: lock, ledger, signals, reload."""

import asyncio
import contextlib
import gc
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import uvloop

from gateway import __version__
from gateway.commands import read_config, warnings_here
from gateway.config import Settings
from gateway.errors import GatewayError, StoreFailed, UsageError
from gateway.ledger import ballast
from gateway.ledger.sqlite import SqliteLedger
from gateway.lock import hold
from gateway.node import Node
from gateway.observability import logs, metrics
from gateway.open_files import raise_limit
from gateway.policies import duties_of, register_of
from gateway.supervision.clock import SystemClock
from gateway.watchdog import Watchdog

_log = logs.logger("app")
_SWITCH_S = 0.0005
_ERRAND_RUNNERS = 4
_YOUNG, _MIDDLE, _NEVER = 10_000, 20, 1_000_000  # net new objects; collections of the generation below
_COLLECT_EVERY = 1800.0


def run_node(path: Path) -> None:
    """Run one node until it is told to stop. Raises GatewayError with a sentence."""
    logs.configure()
    raise_limit()
    loaded = read_config(path)
    for warning in (*loaded.warnings, *warnings_here(loaded.settings)):
        _log.warning(warning)
    # The ledger's threads and the loop take turns at Python's lock: 5 ms of patience each would be the whole of R1.
    sys.setswitchinterval(_SWITCH_S)
    with hold(loaded.settings.data_dir):
        try:
            uvloop.run(_run(path, loaded.settings))
        except* GatewayError as group:
            raise _first(group) from None


def _first(group: BaseExceptionGroup[GatewayError]) -> GatewayError:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, GatewayError)
    return error


async def _run(path: Path, settings: Settings) -> None:
    clock = SystemClock()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_default_executor(_errand_runners())
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    metrics.build_info.labels(__version__).set(1)
    metrics.config_last_reload_successful.set(1)
    watchdog = Watchdog.of()
    starting = loop.create_task(watchdog.starting(), name="starting")
    register = await asyncio.to_thread(register_of, settings)
    duties = duties_of(settings, register, clock)
    store = settings.data_dir / "ledger.db"
    ledger = await SqliteLedger.open(store, settings.node.id, clock, duties.react, ballast=ballast.SIZE)
    try:
        await _own(ledger, settings.node.id, settings.data_dir)
        node = Node(settings, register, ledger, duties, clock, path, read_config)
        asked, again = asyncio.Event(), asyncio.Event()
        loop.add_signal_handler(signal.SIGHUP, asked.set)
        loop.add_signal_handler(signal.SIGUSR1, again.set)
        works = [
            loop.create_task(_reload_when(asked, node, watchdog), name="reload"),
            loop.create_task(_retry_when(again, node), name="retry"),
            loop.create_task(_collect_garbage(clock), name="garbage"),
            loop.create_task(watchdog.run(partial(_writes, ledger), node.up, stop), name="watchdog"),
        ]
        for work in works:
            work.add_done_callback(_tell_of_a_fault)
        starting.cancel()
        await node.run(stop)
        for work in works:
            work.cancel()
    finally:
        starting.cancel()
        await ledger.close()


async def _writes(ledger: SqliteLedger) -> bool:
    """Return once the writer has answered; false where only opening the ledger anew helps."""
    with contextlib.suppress(StoreFailed):  # a full disk is an answer
        await ledger.write(lambda _: None, urgent=True)
    return not ledger.latched


def _errand_runners() -> ThreadPoolExecutor:
    """Threads for what would hold up the loop. All are started now, so that what a node holds does not grow with its
    first busy hour, and a growing count means a leak."""
    runners = ThreadPoolExecutor(_ERRAND_RUNNERS, "errands")
    together = threading.Barrier(_ERRAND_RUNNERS)
    for _ in range(_ERRAND_RUNNERS):
        runners.submit(together.wait, 10)
    return runners


async def _collect_garbage(clock: SystemClock) -> None:
    """A whole collection stops everything: some 100 ms for what a node has imported, more where lower nodes' devices are
    held. So what is here once it has started is never looked at again, and the rest seldom; nearly all of it is freed
    without any collection, and what is short-lived by the young ones."""
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _NEVER)
    while True:
        await clock.sleep(_COLLECT_EVERY)
        gc.collect()


async def _own(ledger: SqliteLedger, node_id: str, data_dir: Path) -> None:
    """A ledger is one node's for ever: its entries are numbered under that name."""
    owner = await ledger.read(lambda reader: reader.bookmark("node"))
    if owner is None:
        if any((data_dir / "media").glob("??")):
            _log.critical(
                "the ledger is empty, but pictures of an earlier one are here: was it deleted? restore it from a backup",
                data_dir=str(data_dir),
            )
        await ledger.write(lambda tx: tx.set_bookmark("node", node_id))
    elif owner != node_id:
        raise UsageError(
            f"node.id is {node_id}, but {data_dir} holds the ledger of node {owner}; set node.id back, or name another data_dir"
        )


async def _reload_when(asked: asyncio.Event, node: Node, watchdog: Watchdog) -> None:
    """SIGHUP: take over cameras and terminals. What is wrong with the file is logged, and the old one stays in force."""
    await node.reloader.note_start()
    while True:
        await asked.wait()
        asked.clear()
        watchdog.reloading()
        with contextlib.suppress(GatewayError):
            await node.reloader.reload()
        watchdog.reloaded()


async def _retry_when(asked: asyncio.Event, node: Node) -> None:
    """SIGUSR1: passwords were mended at the cameras; those that refused theirs are asked once more."""
    while True:
        await asked.wait()
        asked.clear()
        _log.info("refused passwords are tried once more", cameras=await node.video.retry())


def _tell_of_a_fault(task: asyncio.Task[None]) -> None:
    fault = None if task.cancelled() else task.exception()
    if fault is not None:
        _log.critical("a fault in the gateway's own code; signals are not heeded until a restart", exc_info=fault)
