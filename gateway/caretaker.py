"""What keeps a node well for years, put together: patrols, outages, figures, retention, the heartbeat."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from adapters.mqtt.button import MqttButton
from adapters.mqtt.settings import MqttSettings
from gateway.alerts.camera_intake import CameraIntake
from gateway.alerts.evidence import boot_id
from gateway.alerts.register import Register
from gateway.calm import Calm
from gateway.config import Settings
from gateway.console.account_age import forget_before
from gateway.console.account_file import AccountFile
from gateway.console.services import Care
from gateway.model import Place, SourceRef
from gateway.policies import outage_rules_of, patrol_order_of, windows_of, zone_of
from gateway.ports import Clock, Ledger
from gateway.settings import ClientTls
from gateway.upkeep.absences import Absences
from gateway.upkeep.box import Box
from gateway.upkeep.heartbeat import Heartbeat
from gateway.upkeep.maintenance import MaintenanceBook
from gateway.upkeep.outage_desk import OutageDesk
from gateway.upkeep.recording import AlertHistory, History
from gateway.upkeep.report import FigureBook, Terms
from gateway.upkeep.retention import RetentionDesk
from gateway.video.diagnosis.desk import Care as DiagnosisCare
from gateway.video.diagnosis.desk import DiagnosisDesk
from gateway.video.media import FileMediaStore
from gateway.video.workers.pool import WorkerPool

Work = tuple[str, Callable[[], Coroutine[Any, Any, None]]]


class Caretaker:
    """Each of its works runs as a task of the node's own, and ends by being cancelled."""

    def __init__(
        self,
        settings: Settings,
        register: Register,
        ledger: Ledger,
        media: FileMediaStore,
        video: WorkerPool,
        signals: CameraIntake,
        clock: Clock,
        calm: Calm | None = None,
        accounts: AccountFile | None = None,
    ) -> None:
        self._works: list[Work] = []
        self.maintenance = MaintenanceBook(ledger, windows_of(settings), zone_of(settings.alerts))
        self._works.append(("maintenance windows", partial(self.maintenance.remember, clock)))
        absences = Absences(register, video, self.maintenance, outage_rules_of(settings).damping)
        outages = _outage_desk(settings, ledger, absences, clock)
        if settings.outages.alert:
            self._works.append(("outages", outages.run))
        self._works.append(("box", Box(settings.data_dir, dict(_certificates(settings)), clock).run))
        if (heartbeat := _heartbeat(settings, ledger, clock)) is not None:
            self._works.append(("heartbeat", heartbeat.run))
        history = History(ledger, register, video, clock, zone_of(settings.alerts), self.maintenance)
        self._works.append(("history of cameras", history.run))
        self._works.append(("history of alerts", AlertHistory(ledger, clock).run))
        figures = FigureBook(ledger, history, register, clock, zone_of(settings.alerts), _terms(settings))
        retention = _retention_desk(settings, ledger, media, clock, calm, accounts)
        self._works.append(("retention", retention.run))
        care = DiagnosisCare(patrol_order_of(settings), settings.alerts.snapshot_width, boot_id())
        self.diagnosis = DiagnosisDesk(ledger, media, video, register, signals, clock, care, self.maintenance)
        self._works.append(("image diagnosis", self.diagnosis.run))
        self.care = Care(
            diagnosis=self.diagnosis,
            retention=retention,
            figures=figures,
            maintenance=self.maintenance,
            outages=outages,
        )

    def start(self, group: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        return [group.create_task(run(), name=name) for name, run in self._works]

    def take_over(self, settings: Settings) -> None:
        """Go on with what a reload changed."""
        self.diagnosis.renew()


def _heartbeat(settings: Settings, ledger: Ledger, clock: Clock) -> Heartbeat | None:
    beat = settings.heartbeat
    brokers = [source for source in settings.sources if isinstance(source, MqttSettings)]
    found = next((broker for broker in brokers if beat.source in (None, broker.id)), None)
    if beat.every is None or found is None:
        return None
    return Heartbeat(
        MqttButton(found, settings.node.id, beat.terminal),
        ledger,
        clock,
        terminal=beat.terminal,
        every=beat.every,
        within=beat.within,
        forwards=any(sink.kind == "cascade" for sink in settings.sinks),
    )


def _outage_desk(settings: Settings, ledger: Ledger, absences: Absences, clock: Clock) -> OutageDesk:
    node = settings.node
    return OutageDesk(
        ledger,
        absences,
        outage_rules_of(settings),
        clock,
        node=SourceRef("node", node.id, node.name),
        node_place=Place(area_code=node.area_code),
        grades=settings.alerts.grading,
    )


def _retention_desk(
    settings: Settings,
    ledger: Ledger,
    media: FileMediaStore,
    clock: Clock,
    calm: Calm | None,
    accounts: AccountFile | None,
) -> RetentionDesk:
    return RetentionDesk(
        ledger,
        media,
        settings.retention,
        clock,
        calm=calm,
        zone=zone_of(settings.alerts),
        uppers=[sink.id for sink in settings.sinks if sink.kind == "cascade"],
        forget_logins=None if accounts is None else partial(forget_before, accounts),
        heartbeat=settings.heartbeat.terminal,
    )


def _certificates(settings: Settings) -> Iterator[tuple[str, Path]]:
    """Those of our own TLS, by the name under which their end is shown."""
    if settings.http.tls is not None:
        yield "http", settings.http.tls.certificate
    for each in (*settings.sources, *settings.sinks):
        tls = getattr(each, "tls", None)
        if isinstance(tls, ClientTls):
            if tls.certificate is not None:
                yield each.id, tls.certificate
            if tls.ca is not None:
                yield f"{each.id}/ca", tls.ca


def _terms(settings: Settings) -> Terms:
    return Terms(round(settings.figures.down_over * 1000), settings.figures.online, settings.figures.intact)
