"""What the routes of the console work with."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from gateway.console.auth import Gatekeeper
from gateway.console.inventory import Inventory, NodeInfo
from gateway.console.newsroom import Newsroom
from gateway.model import Principal
from gateway.ports import AuditRecord, Clock, Ledger, MediaStore, VideoService


@dataclass(frozen=True, slots=True)
class Services:
    """``ready``: the sentences that say why the node is not ready; none when it is. ``video``: None without cameras."""

    node: NodeInfo
    ledger: Ledger
    media: MediaStore
    video: VideoService | None
    inventory: Inventory
    gatekeeper: Gatekeeper
    newsroom: Newsroom
    ready: Callable[[], list[str]]
    clock: Clock

    async def audit(
        self, actor: Principal | str, action: str, object_: str, *, reason: str | None = None, detail: str | None = None
    ) -> None:
        """Return once the line is on disk. Raises StoreFailed: then show nothing."""
        name = actor if isinstance(actor, str) else actor.name
        record = AuditRecord(
            self.clock.now(), name, action, object_, reason, {} if detail is None else {"detail": detail}
        )
        await self.ledger.write(lambda tx: tx.record(record))


def services(request: Request) -> Services:
    found: Services = request.app.state.services
    return found


async def _services(request: Request) -> Services:
    return services(request)


House = Annotated[Services, Depends(_services)]
