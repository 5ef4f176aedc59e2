"""The cameras of one worker as streams and as ONVIF devices, kept in step."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from gateway.model import CameraState, DeviceHealth
from gateway.ports import Clock
from gateway.video.cameras.fleet import Applied, Fleet
from gateway.video.devices.abilities import Abilities
from gateway.video.devices.device import Desk
from gateway.video.devices.devices import Devices
from gateway.video.devices.link import DeviceConnector
from gateway.video.devices.memory import DeviceMemory
from gateway.video.devices.note import Note
from gateway.video.devices.outbox import Outbox
from gateway.video.wire import CameraOrder, Refused

GATHER_S = 0.5
"""Five hundred devices that tell their addresses at once make a few changes of the camera list, not five hundred."""
CHECK_S = 15.0
DARK = timedelta(seconds=60)
"""After some failed dials: perhaps the device has other stream addresses now."""


class Roster:
    """One camera list for streams and devices; a stream address that is not configured comes from the device."""

    def __init__(
        self, fleet: Fleet, connector: DeviceConnector, clock: Clock, outbox: Outbox, memory: DeviceMemory
    ) -> None:
        self.fleet = fleet
        self.outbox = outbox
        desk = Desk(connector, fleet.governor, fleet.lockout, clock)
        self.devices = Devices(desk, outbox, memory, self)
        self.abilities = Abilities(self.devices, clock)
        self._clock = clock
        self._orders: Sequence[CameraOrder] = ()
        self._renewed = asyncio.Event()
        self._applying = asyncio.Lock()

    async def apply(self, orders: Sequence[CameraOrder], refused: Refused | None = None) -> Applied:
        """Make these the cameras; see ``Fleet.apply`` and ``Devices.apply``."""
        async with self._applying:
            self._orders = orders
            return await self._apply(refused)

    def health(self, camera_ids: Sequence[str]) -> list[DeviceHealth]:
        """Of those that have an ONVIF device."""
        found = (self.devices.health(camera_id) for camera_id in camera_ids)
        return [health for health in found if health is not None]

    def is_dome(self, camera_id: str) -> bool:
        """Whether its device can turn it."""
        health = self.devices.health(camera_id)
        return health is not None and health.has_ptz

    def retry(self, camera_id: str) -> None:
        """One more attempt with a refused credential, over RTSP and ONVIF. Raises Unreachable."""
        self.fleet.retry(camera_id)
        self.devices.retry(camera_id)

    async def follow(self) -> None:
        """Take over what devices say of their streams, for ever."""
        while True:
            await self._renewed.wait()
            await self._clock.sleep(GATHER_S)
            self._renewed.clear()
            async with self._applying:
                await self._apply()

    async def watch(self) -> None:
        """Ask devices again whose streams stay dark, or that have not said what they offer, for ever."""
        while True:
            await self._clock.sleep(CHECK_S)
            self.devices.check()
            now = self._clock.now()
            for health in self.fleet.health():
                if health.state is CameraState.OFFLINE and now - health.since > DARK:
                    self.devices.doubt(health.camera_id)

    def leave(self) -> None:
        """Begin what takes longest on the way down; ``close`` does the rest."""
        self.devices.leave()

    async def close(self) -> None:
        await self.abilities.close()
        await asyncio.gather(self.fleet.close(), self.devices.close())
        self.outbox.changes.release()

    # -------------------------------------------------------------------------------------- DeviceWatchers

    def device_changed(self, camera_id: str, note: Note) -> None:
        self.fleet.note_device(camera_id, note)
        self.fleet.changes.note(camera_id)

    def readdressed(self) -> None:
        self._renewed.set()

    async def _apply(self, refused: Refused | None = None) -> Applied:
        orders, refused = self.devices.addressed(self._orders), refused or Refused()
        applied = await self.fleet.apply(orders, refused.cameras)
        await self.devices.apply(orders, refused.onvif)
        return applied
