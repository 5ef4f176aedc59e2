"""Running a node from its configuration file: lock, ledger, signals, reload."""

import asyncio
import signal
import sys
from pathlib import Path

import uvloop

from gateway import __version__
from gateway.alerts.reactions import Reactions
from gateway.commands import read_config
from gateway.config import Settings
from gateway.errors import ConfigError, GatewayError, UsageError
from gateway.ledger.sqlite import SqliteLedger
from gateway.lock import hold
from gateway.node import Node, register_of
from gateway.observability import logs, metrics
from gateway.supervision.clock import SystemClock

_log = logs.logger("app")
_SWITCH_S = 0.0005


def run_node(path: Path) -> None:
    """Run one node until it is told to stop. Raises GatewayError with a sentence."""
    logs.configure()
    loaded = read_config(path)
    for warning in loaded.warnings:
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
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    metrics.build_info.labels(__version__).set(1)
    metrics.config_last_reload_successful.set(1)
    uppers = [sink.id for sink in settings.sinks]
    reactions = Reactions(settings.node.id, uppers, clock)
    ledger = await SqliteLedger.open(settings.data_dir / "ledger.db", settings.node.id, clock, reactions.react)
    try:
        await _own(ledger, settings.node.id, settings.data_dir)
        node = Node(settings, ledger, reactions, clock)
        asked = asyncio.Event()
        loop.add_signal_handler(signal.SIGHUP, asked.set)
        reloading = loop.create_task(_reload_when(asked, path, node), name="reload")
        await node.run(stop)
        reloading.cancel()
    finally:
        await ledger.close()


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


async def _reload_when(asked: asyncio.Event, path: Path, node: Node) -> None:
    while True:
        await asked.wait()
        asked.clear()
        await _reload(path, node)


async def _reload(path: Path, node: Node) -> None:
    """SIGHUP: take over cameras and terminals; what else changed needs a restart, and is said so."""
    try:
        settings = read_config(path).settings
    except ConfigError as error:
        metrics.config_last_reload_successful.set(0)
        _log.error("the configuration was not reloaded; the old one stays in force", faults=str(error))
        return
    node.register.replace(register_of(settings))
    await node.video.apply(node.register.cameras())
    metrics.config_last_reload_successful.set(1)
    rest = {"cameras", "terminals", "cameras_file", "terminals_file"}
    if settings.model_dump(exclude=rest) != node.settings.model_dump(exclude=rest):
        _log.warning("cameras and terminals are reloaded; the other changes take effect at the next start")
    else:
        _log.info("the configuration is reloaded", cameras=len(settings.cameras), terminals=len(settings.terminals))
