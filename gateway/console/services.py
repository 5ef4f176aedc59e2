"""What the routes of the console work with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Protocol

from fastapi import Depends, Request

from gateway.alerts.arming import Arming
from gateway.alerts.taxonomy import Taxonomy
from gateway.alerts.trials import Trials
from gateway.config.plan import Plan
from gateway.config.sections.console import ConsoleSettings
from gateway.console.auth import Caller, Gatekeeper
from gateway.console.export_turns import ExportTurns
from gateway.console.households import Households
from gateway.console.inventory import Inventory, NodeInfo
from gateway.console.looks import Looks, login_of
from gateway.console.newsroom import Newsroom
from gateway.console.node_key import NodeKey
from gateway.console.registrar import Registrar
from gateway.console.viewings import Viewings
from gateway.console.watching import Watching
from gateway.delivery.desk import DeliveryDesk
from gateway.errors import StoreFailed
from gateway.model import Principal
from gateway.observability.upkeep_events import audit_failed
from gateway.ports import AuditRecord, Clock, DeviceService, Ledger, LiveService, MediaStore, Uplinks, VideoService
from gateway.reporting.subtree import Subtree
from gateway.upkeep.maintenance import MaintenanceBook
from gateway.upkeep.outage_desk import OutageDesk
from gateway.upkeep.report import FigureBook
from gateway.upkeep.retention import RetentionDesk
from gateway.video.diagnosis.desk import DiagnosisDesk


class Reload(Protocol):
    """``Reloader.reload``."""

    async def __call__(self, yes: bool, *, retry: bool) -> Plan: ...


@dataclass(frozen=True, slots=True)
class Care:
    """What keeps the node well (``gateway/caretaker.py``), as far as the console shows and changes it."""

    maintenance: MaintenanceBook | None = None
    diagnosis: DiagnosisDesk | None = None
    outages: OutageDesk | None = None
    figures: FigureBook | None = None
    retention: RetentionDesk | None = None


@dataclass(frozen=True, slots=True)
class Services:
    """``ready``: the sentences that say why the node is not ready; none when it is. ``video``: None without cameras.
    ``reload``: reads the configuration anew, told whether to take a plan that removes much; None where there is no file.
    ``callback_after``: seconds within which a household is called back.
    ``devices`` and ``arming``: None on a node that watches no cameras. ``registrar``: finds cameras and writes them down;
    None where there is no file. ``below``: the lower nodes; None where there can be none.
    ``households`` writes terminals down; None where there is no file. ``trials``: test runs of terminals. ``live``: views in
    the browser, ``watching``: who has one; None where none are served. ``uplinks``: lower nodes' pictures; None without a
    way to them."""

    node: NodeInfo
    ledger: Ledger
    media: MediaStore
    video: VideoService | None
    inventory: Inventory
    gatekeeper: Gatekeeper
    newsroom: Newsroom
    ready: Callable[[], list[str]]
    clock: Clock
    reload: Reload | None = None
    viewings: Viewings = field(default_factory=Viewings)
    devices: DeviceService | None = None
    arming: Arming | None = None
    registrar: Registrar | None = None
    callback_after: float = 120.0
    below: Subtree | None = None
    households: Households | None = None
    trials: Trials | None = None
    deliveries: DeliveryDesk | None = None
    taxonomy: Taxonomy = field(default_factory=Taxonomy)
    settings: ConsoleSettings = field(default_factory=ConsoleSettings)
    live: LiveService | None = None
    uplinks: Uplinks | None = None
    watching: Watching | None = None
    looks: Looks = field(default_factory=Looks)
    node_key: NodeKey | None = None
    care: Care = field(default_factory=Care)
    exports: ExportTurns = field(default_factory=ExportTurns)

    async def look(self, caller: Caller, camera_id: str, reason: str, *, detail: str | None = None) -> None:
        """Return once this look through a camera is in the audit, with those that belong to it as one. Raises StoreFailed."""
        await self.looks.note(
            login_of(caller),
            camera_id,
            f"{reason}\n{detail}",  # a look that rests on something else is another
            self.clock.mono(),
            lambda: self.audit(caller, "view_camera", f"cameras/{camera_id}", reason=reason, detail=detail),
        )

    async def audit(
        self,
        actor: Principal | Caller | str,
        action: str,
        object_: str,
        *,
        reason: str | None = None,
        detail: str | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        """Return once the line is on disk; of a ``Caller`` with the address from which it asks. Raises StoreFailed: then show
        nothing."""
        told = {} if detail is None else {"detail": detail}
        if isinstance(actor, Caller):
            told |= {} if actor.address is None else {"address": actor.address}
            actor = actor.principal
        name = actor if isinstance(actor, str) else actor.name
        record = AuditRecord(self.clock.now(), name, action, object_, reason, {**told, **(more or {})})
        try:
            await self.ledger.write(lambda tx: tx.record(record))
        except StoreFailed as error:
            audit_failed(action, str(error))
            raise


def services(request: Request) -> Services:
    found: Services = request.app.state.services
    return found


async def _services(request: Request) -> Services:
    return services(request)


House = Annotated[Services, Depends(_services)]
