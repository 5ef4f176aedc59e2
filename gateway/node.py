"""One node, put together from its settings in one place, run, and stopped in order."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from adapters.cascade.downlink import CascadeDownlink
from adapters.cascade.settings import CascadeSinkSettings, CascadeSourceSettings
from adapters.cascade.sink import CascadeSink
from adapters.mqtt.connection import MqttSource
from adapters.mqtt.settings import MqttSettings
from adapters.onvif.inspection.inspector import Inspector
from gateway import __version__
from gateway.alerts.arming import Arming
from gateway.alerts.camera_intake import CameraIntake
from gateway.alerts.domes import Domes
from gateway.alerts.duties import Duties
from gateway.alerts.evidence import boot_id
from gateway.alerts.exchange import LedgerExchange
from gateway.alerts.intake import Intake
from gateway.alerts.offline import OfflineDesk
from gateway.alerts.presence import PresenceDesk
from gateway.alerts.register import Register
from gateway.alerts.timers import TimerDesk
from gateway.alerts.trials import Trials
from gateway.calm import Calm
from gateway.caretaker import Caretaker
from gateway.config import Loaded, Settings
from gateway.config.camera_file import CameraFile
from gateway.config.sections.video import VideoSettings
from gateway.config.terminal_file import TerminalFile
from gateway.console.accounts import Accounts
from gateway.console.application import create_console
from gateway.console.node_key import FILE as KEY_FILE
from gateway.console.node_key import NodeKey
from gateway.console.proxies import BehindProxies
from gateway.console.server import HttpServer
from gateway.delivery.forwarder import Forwarder
from gateway.enrolment.healing import Healer
from gateway.enrolment.registrar import CameraRegistrar
from gateway.enrolment.terminal_registrar import TerminalRegistrar
from gateway.errors import StoreFailed
from gateway.gauges import Gauges
from gateway.hierarchy import Hierarchy
from gateway.ledger.sqlite import SqliteLedger
from gateway.listening import hear, hear_above
from gateway.live_views import LiveViews, Registers
from gateway.model import Place
from gateway.observability import logs
from gateway.observability.exposition import Together, metrics_app
from gateway.observability.video_metrics import VideoScene
from gateway.orders import orders_of, recorded
from gateway.own_acts import OwnActs
from gateway.policies import intake_policy_of, register_of, rules_of, schedules_of, terminal_models_of, zone_of
from gateway.ports import Sink, Source
from gateway.reach import Reach
from gateway.reload import Reloader
from gateway.sinks import delivery_desk_of, sinks_of
from gateway.supervision.clock import SystemClock
from gateway.video.clips.desk import ClipDesk
from gateway.video.media import FileMediaStore
from gateway.video.pictures.snapshots import SnapshotDesk
from gateway.video.workers.pool import WorkerPool
from gateway.video.workers.process import Budgets

_log = logs.logger("app")
_WEB_ROOT = Path(__file__).parent / "console" / "web" / "dist"
_STOP_S = 3.5
"""For all that ends before the video workers, which have 6 s: the contract gives 10 s to everything."""
_LAST_STEP_S = 0.2


@dataclass(frozen=True, slots=True)
class NodeFace:
    """What this node shows of itself."""

    id: str
    name: str
    level: str


class Node:
    """Everything of one running node, put together in one place."""

    def __init__(
        self,
        settings: Settings,
        register: Register,
        ledger: SqliteLedger,
        duties: Duties,
        clock: SystemClock,
        config: Path,
        read: Callable[[Path, Mapping[Path, str]], Loaded],
    ) -> None:
        """``read`` reads ``config``, or what it would be with other files in place of some."""
        node_id = settings.node.id
        self.settings = settings
        self.up = asyncio.Event()
        self.ledger = ledger
        self.clock = clock
        self.register = register
        self.accounts = Accounts(settings.data_dir / "accounts.db")
        self.media = FileMediaStore(settings.data_dir / "media")
        policy = intake_policy_of(settings)
        self.arming = Arming(ledger, schedules_of(settings.alerts), zone_of(settings.alerts))
        self.cameras = CameraIntake(ledger, self.register, policy, rules_of(settings.alerts), self.arming)
        orders = orders_of(self.register, settings.alerts)
        self.cameras.recorded = recorded(orders)
        own = OwnActs(ledger, clock)
        self.video = WorkerPool(
            settings.data_dir,
            orders,
            workers=settings.video.workers,
            budgets=_budgets(settings.video),
            clock=clock,
            apart=settings.video.apart,
            notify=None if (door := settings.discovery.notify) is None else (door.host, door.port),
            hear=self.cameras.hear,
            remark=own.remark,
            allow=settings.allow.cameras,
        )
        calm = Calm()
        self.intake = Intake(ledger, self.register, policy, clock, calm)
        self.presence = PresenceDesk(ledger, self.register)
        self.offline = OfflineDesk(
            ledger,
            self.register,
            terminal_models_of(settings),
            clock,
            node_id=node_id,
            node_place=Place(area_code=settings.node.area_code),
            grades=settings.alerts.grading,
        )
        self.domes = Domes(node_id, ledger, self.register, self.video, clock)
        self.clips = ClipDesk(ledger, self.video, self.media, clock, boot_id=boot_id())
        self.desk = SnapshotDesk(
            ledger,
            self.video,
            self.media,
            clock,
            boot_id=boot_id(),
            width=settings.alerts.snapshot_width,
            devices=self.video,
            calm=calm,
        )
        self.hierarchy = Hierarchy(settings, self.register, self.video, ledger, self.accounts, policy, clock)
        exchange = LedgerExchange(ledger, node_id, has_token=self.accounts.has_node_token, below=self.hierarchy.below)
        registers = Registers(self.register, ledger, clock)
        self.live = LiveViews(settings, registers, self.hierarchy.below, self.video, calm)
        self.sources: list[Source] = []
        self.sinks: list[Sink] = []
        self.downlinks: list[CascadeDownlink] = []
        mounts = []
        for source in settings.sources:
            if isinstance(source, MqttSettings):
                mqtt = MqttSource(source, node_id, clock, reserved={each.topic for each in settings.alerts.sirens})
                self.sources.append(mqtt)
                self.sinks.append(mqtt)
            elif isinstance(source, CascadeSourceSettings):
                cascade = self.live.source(source, exchange, self.media, self.accounts)
                self.sources.append(cascade)
                mounts.append(("/cascade/v1", cascade.app))
        self.sinks += sinks_of(settings, ledger, self.media, clock)
        ups = {sink.id: sink for sink in self.sinks if isinstance(sink, CascadeSink)}
        for sink in settings.sinks:
            if isinstance(sink, CascadeSinkSettings):
                self.downlinks.append(self.live.downlink(sink, ups[sink.id]))
        first = {sink.id for sink in settings.sinks if sink.standby_for is None}
        self.hierarchy.report_to([up for up in ups.values() if up.id in first])
        self.forwarder = Forwarder(ledger, self.sinks, duties.settle, clock, calm=calm)
        deliveries, self.reconciler = delivery_desk_of(settings, ledger, self.sinks, self.forwarder, clock)
        self.timers = TimerDesk(ledger, duties, clock)
        self.caretaker = Caretaker(
            settings, register, ledger, self.media, self.video, self.cameras, clock, calm, self.accounts.file
        )
        self.reloader = Reloader(settings, lambda: read(config, {}), self.take_over, self.video.retry)
        self.inspector = Inspector(reach=Reach.of(settings.allow.cameras))
        self.registrar = CameraRegistrar(
            CameraFile(config, read),
            lambda: self.settings,
            self.inspector.inspect,
            self.reloader.reload,
        )
        self.households = TerminalRegistrar(TerminalFile(config, read), self.reloader.reload)
        brokers = [source.id for source in settings.sources if isinstance(source, MqttSettings)]
        self.trials = Trials(ledger, self.register, brokers, clock)
        self.healer = Healer(
            self.register.cameras,
            self.video.health,
            self.video.device,
            self.registrar.move,
            own.note,
            settings.discovery,
            clock,
        )
        self.gauges = Gauges(ledger, self.register)
        tls = settings.http.tls
        console = create_console(
            node=NodeFace(node_id, settings.node.name or node_id, settings.node.level.value),
            ledger=ledger,
            media=self.media,
            video=self.video,
            devices=self.video,
            arming=self.arming,
            inventory=self.register,
            accounts=self.accounts,
            ready=self.unready,
            extra_mounts=mounts,
            web_root=_WEB_ROOT if (_WEB_ROOT / "index.html").exists() else None,
            secure_cookies=tls is not None,
            reload=self.reloader.reload,
            registrar=self.registrar,
            households=self.households,
            trials=self.trials,
            callback_after=settings.alerts.callback_after,
            deliveries=deliveries,
            taxonomy=policy.taxonomy,
            settings=settings.console,
            live=self.live.desk,
            uplinks=self.live.lower,
            node_key=NodeKey(settings.data_dir / KEY_FILE),
            care=self.caretaker.care,
            below=self.hierarchy.below,
            clock=clock,
        )
        listen = settings.http.listen
        if settings.http.proxies:
            console = BehindProxies(console, settings.http.proxies)
        self.servers = [HttpServer(console, listen.host, listen.port, tls, websockets=self.live.lower is not None)]
        if settings.metrics is not None:
            seen = settings.metrics.listen
            self.servers.append(HttpServer(metrics_app(self._scene), seen.host, seen.port))

    def unready(self) -> list[str]:
        """Why the node is not ready; sinks and cameras do not count."""
        faults = (self.ledger.fault(), self.accounts.fault())
        return [fault for fault in faults if fault is not None]

    async def take_over(self, settings: Settings) -> None:
        """Put other cameras and terminals in force; everything else stays as it was at the start."""
        told = {name: getattr(settings, name) for name in ("cameras", "terminals", "cameras_file", "terminals_file")}
        self.settings = self.settings.model_copy(update=told)
        # On a thread: reading and linking ten thousand terminals takes a good part of a second.
        self.register.replace(await asyncio.to_thread(register_of, settings))
        orders = await asyncio.to_thread(orders_of, self.register, self.settings.alerts)
        self.cameras.recorded = recorded(orders)
        await self.video.apply(orders)
        self.caretaker.take_over(self.settings)

    def _scene(self) -> Together:
        cameras = ((camera, self.video.health(camera.id)) for camera in self.register.cameras())
        per_camera = "off" if self.settings.metrics is None else self.settings.metrics.per_camera
        told = [(camera, health) for camera, health in cameras if health]
        devices = {camera.id: device for camera, _ in told if (device := self.video.device(camera.id)) is not None}
        return Together([VideoScene(told, self.video.figures(), per_camera, devices), self.hierarchy.scene()])

    async def run(self, stop: asyncio.Event) -> None:
        """Listen, work, and on ``stop`` end in order: sources, listeners, forwarding, workers."""
        await self.arming.load()
        await self.presence.load()
        await self.trials.load()
        for server in self.servers:
            await server.start()
        try:
            async with asyncio.TaskGroup() as group:
                intakes = [
                    group.create_task(hear(source, self.intake, self.presence, self.clock), name=f"source {source.id}")
                    for source in self.sources
                ]
                listeners = [group.create_task(server.run(), name="listener") for server in self.servers]
                works = [
                    group.create_task(self.forwarder.run(), name="forwarder"),
                    group.create_task(self.reconciler.run(), name="reconciliation"),
                    group.create_task(self.desk.run(), name="snapshots"),
                    group.create_task(self.clips.run(), name="clips"),
                    group.create_task(self.video.run(), name="video"),
                    group.create_task(self.domes.run(), name="domes"),
                    group.create_task(self.timers.run(), name="timers"),
                    group.create_task(self.gauges.run(), name="gauges"),
                    group.create_task(self.presence.run(), name="presence"),
                    group.create_task(self.offline.run(), name="offline terminals"),
                    group.create_task(self.trials.run(), name="test runs"),
                    group.create_task(self.healer.run(), name="healing"),
                    group.create_task(self.hierarchy.run(), name="hierarchy"),
                    group.create_task(self._measure_media(), name="media on disk"),
                    *self.caretaker.start(group),
                    *(group.create_task(self._hear_above(down), name="downlink") for down in self.downlinks),
                ]
                self.up.set()
                _log.info("the node runs", node=self.settings.node.id, version=__version__, http=str(self._address()))
                await stop.wait()
                _log.info("stopping", node=self.settings.node.id)
                until = self.clock.mono() + _STOP_S
                await _end(intakes, self._left(until))
                await asyncio.gather(*(server.stop(self._left(until)) for server in self.servers))
                await _end([*listeners, *works], self._left(until))
        finally:
            await self._close()

    def _left(self, until: float) -> float:
        """Seconds; never so few that a step that is quick by nature is cut short."""
        return max(_LAST_STEP_S, until - self.clock.mono())

    def _address(self) -> str:
        listen = self.settings.http.listen
        return f"{listen.host}:{listen.port}"

    async def _close(self) -> None:
        await asyncio.gather(*(server.stop(0.1) for server in self.servers), return_exceptions=True)
        await asyncio.gather(self.live.stop(), self.video.stop(), self.inspector.close())
        for sink in self.sinks:
            await sink.close()
        await self.media.close()

    async def _hear_above(self, downlink: CascadeDownlink) -> None:
        await hear_above(downlink, self.ledger, self.hierarchy.connected, self.clock)

    async def _measure_media(self) -> None:
        try:
            await self.media.measure()
        except StoreFailed as error:
            _log.warning("media could not be counted; its gauge begins at nothing", reason=str(error))


def _budgets(video: VideoSettings) -> Budgets:
    return Budgets(video.ring_mib, video.clip_mib, (video.dials.box, video.dials.subnet, video.dials.host))


async def _end(tasks: list[asyncio.Task[None]], within: float) -> None:
    for task in tasks:
        task.cancel()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within):
            await asyncio.gather(*tasks, return_exceptions=True)
