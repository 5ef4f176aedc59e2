"""The core's side of image diagnosis: verdicts are kept, become alerts, and get the picture that they stand on.

A verdict is on disk before its alert is, and the alert never waits for the picture: that is fetched after, from whoever still
has the keyframe, and comes as an entry of its own.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Protocol

from gateway.alerts import image_faults
from gateway.errors import DeviceError, StoreFailed, Unreachable
from gateway.model import (
    Camera,
    CameraHealth,
    CameraState,
    DeviceSignal,
    Kind,
    Verdict,
)
from gateway.observability import events
from gateway.observability.logs import logger
from gateway.ports import Clock, Ledger, Maintenance, MediaStore, Transaction
from gateway.video.diagnosis.verdict_pictures import Pictures, VerdictPictures
from gateway.video.diagnosis.verdict_signals import fault_of, is_held_back, is_verdict, named, said_of, verdict_of
from gateway.video.diagnosis.wire import TOPIC, Look, PatrolOrder, Report
from gateway.video.workers.client import WorkerClient

EVERY_S = 30.0
"""Pictures that could not be had are asked for again, and planned work that is over is noticed, so often."""
_AFTER = "/after"
"""Behind a signal's id: the same verdict, told once the planned work is over."""
_GONE = "the camera is no longer configured here"
_ENDED = "it ended while it was being told, after the planned work"
_log = logger("diagnosis")


class Signals(Protocol):
    """``CameraIntake``."""

    async def hear(self, told: Sequence[DeviceSignal], *, via: str = ...) -> None: ...


class Workers(Pictures, Protocol):
    """``WorkerPool``."""

    @property
    def size(self) -> int: ...
    def attend(
        self,
        hear: Callable[[Sequence[DeviceSignal]], Awaitable[None]],
        prepare: Callable[[WorkerClient], Awaitable[None]],
    ) -> None: ...
    def client(self, camera_id: str) -> WorkerClient: ...
    def clients(self) -> list[WorkerClient]: ...
    def health(self, camera_id: str) -> CameraHealth | None: ...


class Inventory(Protocol):
    """``Register``."""

    def camera(self, camera_id: str) -> Camera | None: ...
    def cameras(self) -> Sequence[Camera]: ...


@dataclass(frozen=True, slots=True)
class Care:
    """What the desk works for. ``width``: of the pictures; ``boot``: whose monotonic clock runs."""

    order: PatrolOrder
    width: int
    boot: str


class DiagnosisDesk:
    """``run`` for ever; ``hear`` stands between the workers and the cameras' intake. ``maintenance``: planned work, during which
    a verdict is kept and no alert raised."""

    def __init__(
        self,
        ledger: Ledger,
        media: MediaStore,
        workers: Workers,
        inventory: Inventory,
        signals: Signals,
        clock: Clock,
        care: Care,
        maintenance: Maintenance | None = None,
    ) -> None:
        self.maintenance = maintenance
        self._ledger = ledger
        self._pictures = VerdictPictures(ledger, media, workers, clock, width=care.width, boot=care.boot)
        self._workers = workers
        self._inventory = inventory
        self._signals = signals
        self._clock = clock
        self._care = care
        self._knock = asyncio.Event()
        self._untold = False  # a worker has its orders, and does not know what stands
        self._unseen: set[str] = set()  # verdicts that stand here and that their worker does not know of
        workers.attend(self.hear, self.prepare)

    @property
    def order(self) -> PatrolOrder:
        """How the workers patrol, all of them together."""
        return self._care.order

    # -------------------------------------------------------------------------------------- what people ask

    async def report(self, camera_id: str) -> Report:
        """What its worker knows of its picture. Raises DeviceError."""
        return await self._workers.client(camera_id).diagnosis(camera_id)

    async def look(self, camera_id: str) -> Look:
        """Have it looked at now. Raises DeviceError."""
        return await self._workers.client(camera_id).look(camera_id)

    async def set_reference(self, camera_id: str, by: str) -> Report:
        """What it shows now is what it is to show. Raises DeviceError."""
        return await self._workers.client(camera_id).set_reference(camera_id, by)

    async def forget_reference(self, camera_id: str) -> bool:
        """Whether there was one. Raises DeviceError."""
        return await self._workers.client(camera_id).forget_reference(camera_id)

    # -------------------------------------------------------------------------------------- what workers tell

    async def hear(self, told: Sequence[DeviceSignal]) -> None:
        """Return once all of it is on disk. Raises StoreFailed: then it has to be told again."""
        verdicts = [signal for signal in told if is_verdict(signal)]
        others = [signal for signal in told if not is_verdict(signal)]
        if others:
            await self._signals.hear(others)
        if verdicts:
            await self._take(verdicts)

    async def prepare(self, client: WorkerClient) -> None:
        """Tell a worker how to patrol, and what stands of the one before it. Raises Unreachable."""
        try:
            await client.order_diagnosis(self._shared(await self._standing()))
        except Unreachable:
            raise
        except DeviceError as fault:
            _log.warning("a video worker does not take its orders for image diagnosis", reason=str(fault))

    async def _standing(self) -> Mapping[str, Sequence[str]]:
        """The faults that stand, by camera. A look that fails takes no worker away, whose pictures alarms need: it patrols
        without knowing, and is told in the next round."""
        standing: dict[str, list[str]] = {}
        try:
            for verdict in await self._ledger.read(lambda reader: reader.standing_verdicts()):
                standing.setdefault(verdict.camera, []).append(verdict.fault)
        except StoreFailed as fault:
            self._untold = True
            _log.warning("a video worker is told later which pictures' faults stand", reason=str(fault))
        return standing

    def renew(self) -> None:
        """The cameras are others now."""
        self._knock.set()

    async def run(self) -> None:
        """Fetch the pictures of verdicts, and tell those that planned work held back, for ever."""
        known = self._places()
        while True:
            self._knock.clear()
            try:
                if known != (places := self._places()) or self._untold:
                    known = places
                    await self._reorder()
                await self._pictures.fetch_all()
                await self._look_after()
            except StoreFailed as fault:
                _log.warning("what is known of pictures' faults could not be kept", reason=str(fault))
            await self._pause()

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(EVERY_S):
                await self._knock.wait()
        except TimeoutError:
            return

    # -------------------------------------------------------------------------------------- verdicts

    async def _take(self, told: Sequence[DeviceSignal]) -> None:
        planned = {signal.id: self._planned(signal.camera_id, signal.received_at) for signal in told}
        here = {signal.camera_id for signal in told if self._inventory.camera(signal.camera_id) is not None}

        def keep(tx: Transaction) -> dict[str, Verdict]:
            kept = {}
            for signal in told:
                if signal.active:
                    verdict = tx.keep_verdict(verdict_of(signal, planned[signal.id], self._care.boot))
                    if verdict.signal == signal.id:  # else it stood: who took the camera over found it by itself
                        kept[signal.id] = verdict
                elif signal.camera_id in here:  # else its alert has to be cleared with it, see _end
                    at, mono = signal.received_at, signal.received_mono
                    tx.end_verdicts(signal.camera_id, fault_of(signal), at, mono, self._care.boot)
            return kept

        kept = await self._ledger.write(keep)
        news = [signal for signal in told if not signal.active or signal.id in kept]
        wanted = [named(signal, kept.get(signal.id)) for signal in news if not is_held_back(kept.get(signal.id))]
        await self._signals.hear(wanted, via=image_faults.VIA)
        await self._ledger.write(lambda tx: self._settle(tx, [(name, each) for name, each in kept.items()]))
        self._knock.set()

    def _settle(self, tx: Transaction, kept: Sequence[tuple[str, Verdict]]) -> None:
        """Put down which alert each verdict is of, and give that alert its picture where it is known already."""
        for occurrence, verdict in kept:
            alert = image_faults.alert_of(tx, occurrence)
            now = tx.verdict(verdict.id) or verdict  # its picture may have come since
            if alert is not None and now.alert is None:
                self._pictures.show(tx, replace(now, alert=alert, planned=None))

    # -------------------------------------------------------------------------------------- planned work

    def _planned(self, camera_id: str, at: datetime) -> str | None:
        camera = self._inventory.camera(camera_id)
        return None if camera is None or self.maintenance is None else self.maintenance.covers(camera, at)

    async def _look_after(self) -> None:
        """What stands although its planned work is over becomes an alert now; of cameras that are gone nothing stands."""
        now = self._clock.now()
        standing = await self._ledger.read(lambda reader: reader.standing_verdicts())
        unseen = {verdict.id for verdict in standing if self._is_unseen(verdict)}
        if unseen & self._unseen:
            await self._reorder()
        self._unseen = unseen
        for verdict in standing:
            if self._inventory.camera(verdict.camera) is None:
                await self._end(verdict)
            elif verdict.planned and verdict.alert is None and self._planned(verdict.camera, now) is None:
                await self._tell_late(verdict, now)

    async def _end(self, verdict: Verdict) -> None:
        """Its camera is gone, of which the cameras' intake hears nothing: so its alert is cleared here, together with it."""
        now, mono = self._clock.now(), self._clock.mono()

        def end(tx: Transaction) -> str | None:
            tx.end_verdicts(verdict.camera, verdict.fault, now, mono, self._care.boot)
            return image_faults.clear(tx, tx.verdict(verdict.id) or verdict, now, _GONE)

        if (cleared := await self._ledger.write(end)) is not None:
            events.signal_cleared(cleared, Kind.IMAGE_FAULT, verdict.camera)

    def _is_unseen(self, verdict: Verdict) -> bool:
        """Its camera went to another worker, which has to be told what stands, or it would never clear."""
        health = self._workers.health(verdict.camera)
        return health is not None and health.state is CameraState.ONLINE and verdict.fault not in health.faults

    async def _tell_late(self, verdict: Verdict, now: datetime) -> None:
        health = self._workers.health(verdict.camera)
        if health is None or verdict.fault not in health.faults:
            return  # it is dark now, or another worker has not looked yet: what is not seen is no news
        signal = DeviceSignal(
            verdict.signal + _AFTER,
            verdict.camera,
            Kind.IMAGE_FAULT,
            now,
            self._clock.mono(),
            True,
            topic=TOPIC,
            detail=said_of(verdict),
        )
        await self._signals.hear([signal], via=image_faults.VIA)
        if (cleared := await self._ledger.write(partial(self._settle_late, signal.id, verdict))) is not None:
            events.signal_cleared(cleared, Kind.IMAGE_FAULT, verdict.camera)

    def _settle_late(self, occurrence: str, verdict: Verdict, tx: Transaction) -> str | None:
        """The alert, where it is cleared again: its worker may have told of the end before this was told of the beginning."""
        self._settle(tx, [(occurrence, verdict)])
        now = tx.verdict(verdict.id)
        if now is None or now.until is None:
            return None
        begun_again = any((each.camera, each.fault) == (now.camera, now.fault) for each in tx.standing_verdicts())
        return None if begun_again else image_faults.clear(tx, now, self._clock.now(), _ENDED)

    # -------------------------------------------------------------------------------------- orders

    def _places(self) -> dict[str, tuple[float, float]]:
        return {
            camera.id: (camera.place.lon, camera.place.lat)
            for camera in self._inventory.cameras()
            if camera.place.lon is not None and camera.place.lat is not None
        }

    def _shared(self, standing: Mapping[str, Sequence[str]]) -> PatrolOrder:
        """One worker's part of the share of a core."""
        share = self._care.order.cpu / max(1, self._workers.size)
        return replace(self._care.order, cpu=share, places=self._places(), standing=standing)

    async def _reorder(self) -> None:
        self._untold = False
        for client in self._workers.clients():
            try:
                await self.prepare(client)
            except Unreachable:
                continue  # it is told when it is back
