"""What the event streams tell of this node's own cameras and terminals, as they change."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import TypeVar

from gateway.console.inventory import Inventory
from gateway.console.states import States, compact
from gateway.console.views import camera_json, terminal_json
from gateway.model import Camera, CameraHealth, Terminal
from gateway.ports import Clock, VideoService

_PRESENCE_POLL_S = 0.5  # terminals report by thousands: their changes are gathered
_LOOK_AGAIN_S = 5.0  # cameras that go to another worker change without being named
_AT_ONCE = 100  # devices looked at before others have their turn on the loop

Item = TypeVar("Item")


class DeviceNews:
    """Notes into ``states`` what changed, and calls ``wake`` once for several changes."""

    def __init__(
        self, inventory: Inventory, video: VideoService | None, states: States, wake: Callable[[], None], clock: Clock
    ) -> None:
        self._inventory = inventory
        self._video = video
        self._states = states
        self._wake = wake
        self._clock = clock

    def followers(self) -> list[Coroutine[None, None, None]]:
        """Each is to be run until cancelled."""
        cameras = [] if self._video is None else [self._follow_cameras(self._video)]
        return [self._follow_inventory(), *cameras]

    async def _follow_cameras(self, video: VideoService) -> None:
        seen = 0
        while True:
            before, seen = seen, await video.health_changed(seen)
            changed = (self._inventory.camera(name) for name in video.health_changes(before))
            await self._look_at_cameras([camera for camera in changed if camera is not None])

    async def _follow_inventory(self) -> None:
        """Every device once, then terminals as they change, and everything after a reload."""
        inventory = self._inventory
        seen, replaced = inventory.changes, inventory.replaced
        looked_at = self._clock.mono()
        await self._look_at_all()
        while True:
            await asyncio.sleep(_PRESENCE_POLL_S)
            before, seen = seen, inventory.changes
            if inventory.replaced != replaced:
                replaced = inventory.replaced
                await self._look_at_all()
            elif seen != before:
                changed = (inventory.terminal(name) for name in inventory.presence_changes(before))
                await self._look_at_terminals([terminal for terminal in changed if terminal is not None])
            if self._clock.mono() - looked_at >= _LOOK_AGAIN_S:
                looked_at = self._clock.mono()
                await self._look_at_cameras(inventory.cameras())

    async def _look_at_all(self) -> None:
        cameras, terminals = self._inventory.cameras(), self._inventory.terminals()
        self._states.forget("camera", {camera.id for camera in cameras})
        self._states.forget("terminal", {terminal.id for terminal in terminals})
        await self._look_at_cameras(cameras)
        await self._look_at_terminals(terminals)

    async def _look_at_cameras(self, cameras: Sequence[Camera]) -> None:
        for some in _batched(cameras, _AT_ONCE):
            changes = [self._look_at_camera(camera) for camera in some]
            await self._told(any(changes))

    async def _look_at_terminals(self, terminals: Sequence[Terminal]) -> None:
        for some in _batched(terminals, _AT_ONCE):
            changes = [self._look_at_terminal(terminal) for terminal in some]
            await self._told(any(changes))

    async def _told(self, changed: bool) -> None:
        """Wake the streams once for several changes, and let others have their turn."""
        if changed:
            self._wake()
        await asyncio.sleep(0)

    def _look_at_camera(self, camera: Camera) -> bool:
        if self._inventory.camera(camera.id) is not camera:
            return False  # a reload came while others had their turn
        health = None if self._video is None else self._video.health(camera.id)
        return self._states.note(
            "camera",
            camera.id,
            camera.place.area_code,
            _camera_key(camera, health),
            lambda: compact(camera_json(camera, health)),
        )

    def _look_at_terminal(self, terminal: Terminal) -> bool:
        if self._inventory.terminal(terminal.id) is not terminal:
            return False
        presence = self._inventory.presence(terminal.id)
        return self._states.note(
            "terminal",
            terminal.id,
            terminal.place.area_code,
            (terminal, presence.online, presence.last_press),
            lambda: compact(terminal_json(terminal, presence)),
        )


def _batched(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """``items`` in runs of at most ``size``."""
    return (items[start : start + size] for start in range(0, len(items), size))


def _camera_key(camera: Camera, health: CameraHealth | None) -> tuple[object, ...]:
    if health is None:
        return (camera, None)
    return (camera, health.state, health.reason, health.codec, health.width, health.height, health.faults)
