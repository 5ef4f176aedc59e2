"""The video workers as the core sees them: one VideoService, however many processes."""

import asyncio
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from gateway.errors import Unreachable
from gateway.model import Camera, CameraHealth, Keyframe, Picture
from gateway.ports import Clock
from gateway.supervision.clock import SystemClock
from gateway.video.changes import Changes
from gateway.video.process import WORKER
from gateway.video.ring import BUDGET_BYTES
from gateway.video.run_dir import private_directory, socket_paths
from gateway.video.slot import WorkerSlot
from gateway.video.wire import CameraOrder

CAMERAS_PER_WORKER = 32
"""A worker and its decoder take about 120 MB: not one for each core of a large machine with three cameras."""
STOP_S = 6.0


class WorkerPool:
    """Starts, finds, restarts and asks the video workers; a gateway.ports.VideoService.

    ``workers``: how many processes; unless told, one less than the cores of this machine, and fewer for few cameras.
    ``ring_bytes`` is what the keyframes of each may take. ``command`` is for tests. Raises RunningError when the sockets' directory cannot be made.
    """

    def __init__(
        self,
        data_dir: Path,
        cameras: Sequence[Camera],
        *,
        workers: int | None = None,
        ring_bytes: int = BUDGET_BYTES,
        clock: Clock | None = None,
        command: Sequence[str] = WORKER,
    ) -> None:
        self._clock = clock or SystemClock()
        self._data_dir = data_dir
        command = (*command, "--ring-mib", str(max(1, ring_bytes >> 20)))
        self._changes = Changes()
        self._cameras = tuple(cameras)
        count = workers or suggested_workers(len(cameras))
        self._slots = [
            WorkerSlot(socket, orders, self._clock, self._changes.note, command)
            for socket, orders in zip(socket_paths(data_dir, count), spread(cameras, count), strict=True)
        ]

    @property
    def pids(self) -> list[int]:
        """The process ids of the workers that run."""
        return [slot.pid for slot in self._slots if slot.pid is not None]

    async def run(self) -> None:
        """Keep the workers up for ever. Being cancelled leaves them running, for ``stop`` or for the next core."""
        await self._end_strays()
        async with asyncio.TaskGroup() as group:
            for slot in self._slots:
                group.create_task(slot.run(), name=f"worker {slot.name}")

    async def stop(self) -> None:
        """End all workers within about 6 s. ``run`` has to be cancelled first."""
        await asyncio.gather(*(slot.stop(STOP_S) for slot in self._slots))

    async def apply(self, cameras: Sequence[Camera]) -> None:
        """Another list of cameras; only those that differ are touched. The number of workers stays."""
        self._cameras = tuple(cameras)
        for slot, orders in zip(self._slots, spread(cameras, len(self._slots)), strict=True):
            slot.apply(orders)

    async def keyframes(self, camera_id: str) -> list[Keyframe]:
        return await self._slot(camera_id).client().keyframes(camera_id)

    async def picture(self, camera_id: str, keyframe_id: str, width: int) -> Picture:
        return await self._slot(camera_id).client().picture(camera_id, keyframe_id, width)

    def health(self, camera_id: str) -> CameraHealth | None:
        return self._slots[place(camera_id, len(self._slots))].health().get(camera_id)

    def all_health(self) -> Sequence[CameraHealth]:
        """In the order of the configuration."""
        found = (self.health(camera.id) for camera in self._cameras)
        return [health for health in found if health is not None]

    async def health_changed(self, seen: int) -> int:
        return await self._changes.beyond(seen)

    def _slot(self, camera_id: str) -> WorkerSlot:
        if self.health(camera_id) is None:
            raise Unreachable(f"camera {camera_id} is not configured here")
        return self._slots[place(camera_id, len(self._slots))]

    async def _end_strays(self) -> None:
        """Workers of an earlier run that had more of them would hold on to cameras that others now connect to."""
        ours = {slot.name for slot in self._slots}
        for socket in private_directory(self._data_dir).glob("video-*.sock"):
            if socket.stem not in ours:
                await WorkerSlot(socket, (), self._clock, lambda: None).stop(STOP_S)


def suggested_workers(cameras: int) -> int:
    cores = len(os.sched_getaffinity(0))
    return max(1, min(cores - 1, -(-cameras // CAMERAS_PER_WORKER)))


def place(camera_id: str, workers: int) -> int:
    """Which worker has this camera: always the same, so that a reload or another order moves none."""
    return int.from_bytes(hashlib.sha256(camera_id.encode()).digest()[:8]) % workers


def spread(cameras: Sequence[Camera], workers: int) -> list[list[CameraOrder]]:
    orders: list[list[CameraOrder]] = [[] for _ in range(workers)]
    for camera in cameras:
        orders[place(camera.id, workers)].append(CameraOrder.of(camera))
    return orders
