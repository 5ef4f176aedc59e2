"""What can be asked of a camera over ONVIF: its snapshot address, its dome."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from gateway.errors import AuthFailed, DeviceError, Unreachable
from gateway.model import Preset, PtzMove
from gateway.ports import Clock
from gateway.video.devices.devices import Devices
from gateway.video.devices.link import DeviceLink

_T = TypeVar("_T")


class Abilities:
    """By camera. Every call raises DeviceError in words."""

    def __init__(self, devices: Devices, clock: Clock) -> None:
        self._devices = devices
        self._clock = clock
        self._moving: dict[str, asyncio.Task[None]] = {}

    async def picture(self, camera_id: str) -> bytes:
        """The JPEG at its snapshot address. Raises DeviceError."""
        view = await self._devices.view(camera_id)
        if view.snapshot is None:
            raise Unreachable(f"the device of camera {camera_id} has no snapshot address")
        url = view.snapshot
        return await self._do(camera_id, "snapshots", lambda link: link.picture(url))

    async def presets(self, camera_id: str) -> Sequence[Preset]:
        profile = await self._profile(camera_id)
        return await self._do(camera_id, "presets", lambda link: link.presets(profile))

    async def go_to_preset(self, camera_id: str, preset: str) -> None:
        profile = await self._profile(camera_id)
        await self._do(camera_id, "moves", lambda link: link.go_to_preset(profile, preset))

    async def move(self, camera_id: str, move: PtzMove) -> None:
        profile = await self._profile(camera_id)
        self._let_move(camera_id)
        try:
            await self._do(camera_id, "moves", lambda link: link.move(profile, move))
        finally:
            # Where no answer came it may turn all the same; and of two who move it at once the later one's end counts.
            self._let_move(camera_id)
            self._moving[camera_id] = asyncio.create_task(self._stop_after(camera_id, move.seconds))

    async def stop_moving(self, camera_id: str) -> None:
        profile = await self._profile(camera_id)
        self._let_move(camera_id)
        await self._do(camera_id, "moves", lambda link: link.stop_moving(profile))

    async def _stop_after(self, camera_id: str, seconds: float) -> None:
        """Several devices ignore the end that a move carries, and turn until they meet their stop."""
        await self._clock.sleep(seconds)
        self._moving.pop(camera_id, None)
        with contextlib.suppress(DeviceError):
            await self.stop_moving(camera_id)

    def _let_move(self, camera_id: str) -> None:
        if (stopping := self._moving.pop(camera_id, None)) is not None:
            stopping.cancel()

    async def _do(self, camera_id: str, what: str, work: Callable[[DeviceLink], Coroutine[Any, Any, _T]]) -> _T:
        """Once refused, this is not tried again before an operator says so: each time may count as a wrong password."""
        running = self._devices.known(camera_id)
        if (reason := running.barred.get(what)) is not None:
            raise AuthFailed(reason)
        link = running.session.link()
        try:
            return await work(link)
        except AuthFailed as refusal:
            running.barred[what] = f"the user may not use {what} of {running.session.name}: {refusal}"
            raise AuthFailed(running.barred[what]) from None

    async def _profile(self, camera_id: str) -> str:
        view = await self._devices.view(camera_id)
        if view.profile is None:
            raise Unreachable(f"camera {camera_id} cannot be moved: its device offers no PTZ for it")
        return view.profile

    async def close(self) -> None:
        for camera_id in list(self._moving):
            self._let_move(camera_id)
