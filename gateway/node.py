"""One node, put together from its settings in one place, run, and stopped in order."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from adapters.cascade.downlink import CascadeDownlink
from adapters.cascade.settings import CascadeSinkSettings, CascadeSourceSettings
from adapters.cascade.sink import CascadeSink
from adapters.cascade.source import CascadeSource
from adapters.mqtt.connection import MqttSource
from adapters.mqtt.settings import MqttSettings
from gateway import __version__
from gateway.alerts.exchange import LedgerExchange, LedgerUpper
from gateway.alerts.intake import Intake, IntakePolicy, boot_id
from gateway.alerts.reactions import Reactions
from gateway.alerts.register import Register
from gateway.backoff import Backoff
from gateway.config import Settings
from gateway.console.accounts import Accounts
from gateway.console.application import create_console
from gateway.console.server import HttpServer
from gateway.delivery.forwarder import Forwarder
from gateway.gauges import Gauges
from gateway.ledger.sqlite import SqliteLedger
from gateway.model import Accepted, Signal
from gateway.observability import events, logs
from gateway.observability.exposition import metrics_app
from gateway.ports import Sink, Source
from gateway.supervision.clock import SystemClock
from gateway.supervision.supervisor import supervise
from gateway.video.media import FileMediaStore
from gateway.video.pool import WorkerPool
from gateway.video.snapshots import SnapshotDesk

_log = logs.logger("app")
_WEB_ROOT = Path(__file__).parent / "console" / "web" / "dist"
_STOP_STEP_S = 3.0


@dataclass(frozen=True, slots=True)
class SourceOutlet:
    """Where one source puts what it hears; ``online`` goes to that source's supervision."""

    intake: Intake
    on_online: Callable[[], None]

    def online(self) -> None:
        self.on_online()

    async def emit(self, signal: Signal) -> Accepted:
        return await self.intake.emit(signal)

    async def withdraw(self, terminal_id: str, press_id: str | None) -> None:
        await self.intake.withdraw(terminal_id, press_id)

    def presence(self, terminal_id: str, online: bool | None) -> None:
        self.intake.presence(terminal_id, online)


@dataclass(frozen=True, slots=True)
class NodeFace:
    """What this node shows of itself."""

    id: str
    name: str
    level: str


class Node:
    """Everything of one running node, put together in one place."""

    def __init__(self, settings: Settings, ledger: SqliteLedger, reactions: Reactions, clock: SystemClock) -> None:
        node_id = settings.node.id
        self.settings = settings
        self.ledger = ledger
        self.clock = clock
        self.register = register_of(settings)
        self.accounts = Accounts(settings.data_dir / "accounts.db")
        self.media = FileMediaStore(settings.data_dir / "media")
        self.video = WorkerPool(
            settings.data_dir,
            self.register.cameras(),
            workers=settings.video.workers,
            ring_bytes=settings.video.ring_mib << 20,
            clock=clock,
        )
        self.intake = Intake(ledger, self.register, _policy(settings), clock)
        self.desk = SnapshotDesk(
            ledger, self.video, self.media, clock, boot_id=boot_id(), width=settings.alerts.snapshot_width
        )
        exchange = LedgerExchange(ledger, node_id, has_token=self.accounts.has_node_token)
        self.sources: list[Source] = []
        self.sinks: list[Sink] = []
        self.downlinks: list[CascadeDownlink] = []
        mounts = []
        for source in settings.sources:
            if isinstance(source, MqttSettings):
                mqtt = MqttSource(source, node_id, clock)
                self.sources.append(mqtt)
                self.sinks.append(mqtt)
            elif isinstance(source, CascadeSourceSettings):
                cascade = CascadeSource(source, node_id, exchange, self.media, self.accounts)
                self.sources.append(cascade)
                mounts.append(("/cascade/v1", cascade.app))
        for sink in settings.sinks:
            if isinstance(sink, CascadeSinkSettings):
                self.sinks.append(CascadeSink(sink, node_id, self.media))
                self.downlinks.append(CascadeDownlink(sink, node_id))
        self.forwarder = Forwarder(ledger, self.sinks, reactions.settle, clock)
        self.gauges = Gauges(ledger, self.video, self.register, per_camera=_per_camera(settings))
        tls = settings.http.tls
        console = create_console(
            node=NodeFace(node_id, settings.node.name or node_id, settings.node.level.value),
            ledger=ledger,
            media=self.media,
            video=self.video,
            inventory=self.register,
            accounts=self.accounts,
            ready=self.unready,
            extra_mounts=mounts,
            web_root=_WEB_ROOT if (_WEB_ROOT / "index.html").exists() else None,
            secure_cookies=tls is not None,
            clock=clock,
        )
        listen = settings.http.listen
        self.servers = [HttpServer(console, listen.host, listen.port, tls)]
        if settings.metrics is not None:
            self.servers.append(HttpServer(metrics_app(), settings.metrics.listen.host, settings.metrics.listen.port))

    def unready(self) -> list[str]:
        """Why the node is not ready; sinks and cameras do not count."""
        fault = self.ledger.fault()
        return [] if fault is None else [fault]

    async def run(self, stop: asyncio.Event) -> None:
        """Listen, work, and on ``stop`` end in order: sources, listeners, forwarding, workers."""
        for server in self.servers:
            await server.start()
        try:
            async with asyncio.TaskGroup() as group:
                intakes = [group.create_task(self._hear(source), name=f"source {source.id}") for source in self.sources]
                listeners = [group.create_task(server.run(), name="listener") for server in self.servers]
                works = [
                    group.create_task(self.forwarder.run(), name="forwarder"),
                    group.create_task(self.desk.run(), name="snapshots"),
                    group.create_task(self.video.run(), name="video"),
                    group.create_task(self.gauges.run(), name="gauges"),
                    group.create_task(self._measure_media(), name="media on disk"),
                    *(group.create_task(self._listen_above(down), name="downlink") for down in self.downlinks),
                ]
                _log.info("the node runs", node=self.settings.node.id, version=__version__, http=str(self._address()))
                await stop.wait()
                _log.info("stopping", node=self.settings.node.id)
                await _end(intakes)
                await asyncio.gather(*(server.stop(_STOP_STEP_S) for server in self.servers))
                await _end(listeners)
                await _end(works)
        finally:
            await self._close()

    def _address(self) -> str:
        listen = self.settings.http.listen
        return f"{listen.host}:{listen.port}"

    async def _close(self) -> None:
        await asyncio.gather(*(server.stop(0.1) for server in self.servers), return_exceptions=True)
        await self.video.stop()
        for sink in self.sinks:
            await sink.close()
        await self.media.close()

    async def _measure_media(self) -> None:
        await self.media.measure()

    async def _hear(self, source: Source) -> None:
        async def attempt(online: Callable[[], None]) -> None:
            await source.run(SourceOutlet(self.intake, online))

        await supervise(
            source.id,
            attempt,
            Backoff(first=0.2, ceiling=2.0),
            self.clock,
            lambda reason, wait, first: events.source_broken(source.id, reason, wait, first=first),
            lambda: events.source_online(source.id),
            refused_wait=10.0,  # a broker does not lock us out; its password file may be about to be mended
        )

    async def _listen_above(self, downlink: CascadeDownlink) -> None:
        upper = LedgerUpper(self.ledger, downlink.id)
        name = f"{downlink.id} downlink"
        await supervise(
            name,
            lambda online: downlink.run(upper, online),
            Backoff(first=0.5, ceiling=5.0),
            self.clock,
            lambda reason, wait, first: events.source_broken(name, reason, wait, first=first),
            lambda: events.source_online(name),
            refused_wait=10.0,
        )


def register_of(settings: Settings) -> Register:
    return Register(
        (camera.to_model() for camera in settings.cameras), (terminal.to_model() for terminal in settings.terminals)
    )


def _policy(settings: Settings) -> IntakePolicy:
    alerts = settings.alerts
    return IntakePolicy(
        node_id=settings.node.id,
        offsets_ms=tuple(round(offset * 1000) for offset in alerts.snapshot_offsets),
        merge_window=alerts.merge_window,
        late_after=alerts.late_after,
        nearest=alerts.linking.nearest,
        within_m=alerts.linking.within_m,
        grading=alerts.grading,
    )


def _per_camera(settings: Settings) -> bool:
    return settings.metrics is not None and settings.metrics.per_camera != "off"


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_STOP_STEP_S):
            await asyncio.gather(*tasks, return_exceptions=True)
