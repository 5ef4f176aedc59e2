"""Live views, put together: the process that serves browsers, the way up from lower nodes, and what nodes above may see."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from adapters.cascade.downlink import CascadeDownlink
from adapters.cascade.live import CascadeLive
from adapters.cascade.settings import CascadeSinkSettings, CascadeSourceSettings
from adapters.cascade.sink import CascadeSink
from adapters.cascade.source import CascadeSource
from adapters.cascade.uplinks import CascadeUplinks
from gateway.calm import Calm
from gateway.config import Settings
from gateway.console.api.access import require_open
from gateway.console.below import split
from gateway.console.inventory import Inventory
from gateway.console.looks import Looks
from gateway.console.problems import Problem
from gateway.errors import DeviceError, NotAllowed
from gateway.model import Camera, ViewFromAbove
from gateway.ports import AuditRecord, Clock, Exchange, Ledger, MediaStore, Tokens, Views
from gateway.reporting.subtree import Subtree
from gateway.video.live.desk import LiveDesk
from gateway.video.live.views import WorkerViews
from gateway.video.workers.pool import WorkerPool

_LOOK_EVERY_S = 10.0  # whether a view from above may go on: an alert that opened a household's camera may be closed


class LowerViews(Protocol):
    """The cascade's upper end, as a node between others uses it."""

    def units(self, node: str, camera_id: str, stream: str, viewer: str, reason: str) -> AsyncIterator[bytes]: ...
    async def still(self, node: str, camera_id: str, viewer: str, reason: str) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Registers:
    inventory: Inventory
    ledger: Ledger
    clock: Clock


class ShownAbove:
    """Implements ports.ViewsFromAbove. ``lower``: the way to the nodes below this one; None without one."""

    def __init__(
        self, registers: Registers, below: Subtree, views: Views, *, look_every: float = _LOOK_EVERY_S
    ) -> None:
        self._registers = registers
        self._below = below
        self._views = views
        self._look_every = look_every
        self._looks = Looks()
        self.lower: LowerViews | None = None

    async def admit(self, wanted: ViewFromAbove) -> None:
        if not wanted.reason:
            raise NotAllowed("who looks says why: it is audited")
        consent = await self._require_open(wanted.camera_id)
        viewer = f"{wanted.node}/{wanted.viewer or 'somebody'}"

        async def write() -> None:
            detail = f"from {wanted.node}" if consent is None else f"from {wanted.node}; {consent}"
            record = AuditRecord(
                self._registers.clock.now(),
                viewer,
                "view_camera",
                f"cameras/{wanted.camera_id}",
                wanted.reason,
                {"detail": detail},
            )
            await self._registers.ledger.write(lambda tx: tx.record(record))

        await self._looks.note(
            viewer, wanted.camera_id, f"{wanted.reason}\n{consent}", self._registers.clock.mono(), write
        )

    async def units(self, wanted: ViewFromAbove) -> AsyncIterator[bytes]:
        units, clock = self._units(wanted), self._registers.clock
        look_at = clock.mono() + self._look_every
        try:
            async for frame in units:
                yield frame
                if clock.mono() >= look_at:
                    await self._require_open(wanted.camera_id)
                    look_at = clock.mono() + self._look_every
        finally:
            if isinstance(units, AsyncGenerator):
                await units.aclose()

    async def still(self, wanted: ViewFromAbove) -> bytes:
        lower = split(wanted.camera_id)
        if lower is None:
            return await self._views.still(wanted.camera_id)
        return await self._way_down().still(*lower, _viewer(wanted), wanted.reason)

    def _units(self, wanted: ViewFromAbove) -> AsyncIterator[bytes]:
        lower = split(wanted.camera_id)
        if lower is None:
            return self._views.units(wanted.camera_id, wanted.stream)
        return self._way_down().units(*lower, wanted.stream, _viewer(wanted), wanted.reason)

    def _way_down(self) -> LowerViews:
        if self.lower is None:
            raise DeviceError("there is no way to the nodes below it")
        return self.lower

    async def _require_open(self, camera_id: str) -> str | None:
        """What it rests on, for the audit. Of a node further below its own rules hold, which are asked there."""
        lower = split(camera_id)
        if lower is not None:
            if self._below.camera(*lower) is None:
                raise DeviceError(f"there is no camera {camera_id} below it")
            return None
        camera: Camera | None = self._registers.inventory.camera(camera_id)
        if camera is None:
            raise DeviceError(f"there is no camera {camera_id} there")
        try:
            return await require_open(self._registers, camera)
        except Problem as problem:
            raise NotAllowed(problem.detail) from None


class LiveViews:
    """``desk`` serves browsers; ``lower`` asks the nodes below; ``uppers`` send to those above, by the sink's id."""

    def __init__(self, settings: Settings, registers: Registers, below: Subtree, video: WorkerPool, calm: Calm) -> None:
        self._calm = calm
        self._settings = settings
        self._below = below
        self.lower: CascadeUplinks | None = None
        self.desk = LiveDesk(settings.data_dir, settings.live, video.sockets)
        self.above = ShownAbove(registers, below, WorkerViews(video, video.sockets))
        self.uppers: dict[str, CascadeLive] = {}

    def source(
        self, settings: CascadeSourceSettings, exchange: Exchange, media: MediaStore, tokens: Tokens
    ) -> CascadeSource:
        """A cascade source whose live views are shown here."""
        node = self._settings.node.id
        made = CascadeSource(settings, node, exchange, media, tokens, via=self._below.via, consume=self.desk.feed)
        if self.lower is None:  # lower nodes reach the first one alone: all have the same addresses
            self.above.lower = self.lower = made.uplinks
        return made

    def downlink(self, settings: CascadeSinkSettings, sink: CascadeSink) -> CascadeDownlink:
        """The downlink of an upper node, which may ask for live views; they share the uplink of ``sink``."""
        node = self._settings.node.id
        upper = CascadeLive(settings, node, self.above, sink.traffic, sink.budget, calm=self._calm)
        self.uppers[settings.id] = upper
        return CascadeDownlink(settings, node, live=upper.wanted)

    async def stop(self) -> None:
        """End every view, those of browsers and those of upper nodes."""
        await asyncio.gather(self.desk.stop(), *(each.close() for each in self.uppers.values()))


def _viewer(wanted: ViewFromAbove) -> str:
    """As a node further below is told."""
    return f"{wanted.node}/{wanted.viewer}"
