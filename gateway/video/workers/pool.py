"""The video workers as the core sees them: one VideoService, however many processes."""

import asyncio
import os
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gateway.errors import DeviceError, Unreachable
from gateway.model import (
    CameraHealth,
    CameraState,
    DeviceHealth,
    DeviceRemark,
    DeviceSignal,
    Footage,
    Keyframe,
    Picture,
    Preset,
    PtzMove,
)
from gateway.observability import events
from gateway.observability.logs import logger
from gateway.ports import Clock
from gateway.supervision.clock import SystemClock
from gateway.video.changes import NamedChanges
from gateway.video.wire import ONVIF_REFUSED, CameraOrder, Refused
from gateway.video.workers.client import Heard, WorkerClient
from gateway.video.workers.placement import homes, places
from gateway.video.workers.process import WORKER, Budgets
from gateway.video.workers.refusals import Refusals
from gateway.video.workers.run_dir import private_directory, socket_paths, write_options
from gateway.video.workers.slot import WorkerSlot

CAMERAS_PER_WORKER = 32
"""A worker and its decoder take about 120 MB: not one for each core of a large machine with three cameras."""
STOP_S = 6.0
HANG_UP_S = 8.0
"""How long a camera that moves waits for its old worker to hang up: some allow one session."""
_STARTING = "the video worker is being started"
_DIED = "the video worker died and is being started again"
_MOVED = "its video worker died; another one is connecting to it"


class WorkerPool:
    """Starts, finds, restarts and asks the video workers; a gateway.ports.VideoService and DeviceService.

    ``workers``: how many processes; unless told, one less than the cores of this machine, and fewer for few cameras.
    ``budgets`` are for all of them together. A camera stays with its worker until that one dies: then the others take its
    cameras, and keep them (going back would cost the ring again) until the next ``apply``. ``hear`` is given what cameras
    noticed, ``remark`` what was done to them for the audit; each returns once that is on disk, and what it raised StoreFailed
    at is told again: at least once, known by its id. ``notify``: the host and the first of the ports where ONVIF devices call
    that cannot be asked for their events, a port for each worker. ``allow``: the only networks that cameras are
    dialled in, any where none are named. ``command`` is for tests. ``apart``: the workers are
    started by somebody else (systemd), with what is written for them beside their sockets, and outlive this core.
    Raises RunningError when the sockets' directory cannot be made.
    """

    def __init__(
        self,
        data_dir: Path,
        orders: Sequence[CameraOrder],
        *,
        workers: int | None = None,
        budgets: Budgets | None = None,
        clock: Clock | None = None,
        command: Sequence[str] = WORKER,
        notify: tuple[str, int] | None = None,
        hear: Callable[[Sequence[DeviceSignal]], Awaitable[None]] | None = None,
        remark: Callable[[Sequence[DeviceRemark]], Awaitable[None]] | None = None,
        apart: bool = False,
        allow: Sequence[str] = (),
    ) -> None:
        self._hear = hear
        self._remark = remark
        self._preparing: Callable[[WorkerClient], Awaitable[None]] | None = None
        self._clock = clock or SystemClock()
        self._data_dir = data_dir
        self._changes = NamedChanges()
        self._refusals = Refusals()
        self._orders = {order.id: order for order in orders}
        self._applying = asyncio.Lock()
        count = workers or suggested_workers(len(orders))
        shares = (budgets or Budgets()).shared(count).options()
        sockets = socket_paths(data_dir, count)
        allowed = [word for network in allow for word in ("--allow", network)]
        options = [(*shares, *_door(notify, number), *allowed) for number in range(count)]
        if apart:
            write_options(sockets, options)
        self._slots = [
            WorkerSlot(
                socket,
                self._clock,
                self._heard,
                self._lost,
                self._refusals.among,
                (*command, *told),
                self._pass_on if hear is not None or remark is not None else None,
                apart,
                self._prepare,
            )
            for socket, told in zip(sockets, options, strict=True)
        ]
        self._at = homes(orders, range(count))
        self._away: set[str] = set()
        self._unheard = self._placeholders(self._orders, _STARTING)
        self._deal()

    @property
    def size(self) -> int:
        """How many workers there are, running or not."""
        return len(self._slots)

    @property
    def pids(self) -> list[int]:
        """The process ids of the workers that run."""
        return [slot.pid for slot in self._slots if slot.pid is not None]

    def figures(self) -> Mapping[str, Mapping[str, Any]]:
        """What each worker that runs says of itself, a few seconds old at most: the worker's ``/figures`` by its name."""
        return {slot.name: slot.figures for slot in self._slots if slot.ready}

    def attend(
        self,
        hear: Callable[[Sequence[DeviceSignal]], Awaitable[None]],
        prepare: Callable[[WorkerClient], Awaitable[None]],
    ) -> None:
        """Give what cameras noticed to ``hear`` from now on, and have ``prepare`` tell each worker that comes up what else it
        has to know. To be called before ``run``."""
        self._hear, self._preparing = hear, prepare

    def client(self, camera_id: str) -> WorkerClient:
        """To the worker that has this camera. Raises Unreachable."""
        return self._slot(camera_id).client()

    def clients(self) -> list[WorkerClient]:
        """To the workers that run."""
        return [slot.client() for slot in self._slots if slot.ready]

    def sockets(self, camera_id: str) -> list[Path]:
        """Where the workers listen, the one that has this camera first."""
        at = self._at.get(camera_id)
        return [slot.socket for slot in sorted(self._slots, key=lambda slot: slot is not self._slots[at or 0])]

    async def run(self) -> None:
        """Keep the workers up for ever. Being cancelled leaves them running, for ``stop`` or for the next core."""
        await self._end_strays()
        await self._recognise()
        async with asyncio.TaskGroup() as group:
            for slot in self._slots:
                group.create_task(slot.run(), name=f"worker {slot.name}")

    async def stop(self) -> None:
        """End all workers within about 6 s, but those that are apart. ``run`` has to be cancelled first."""
        await asyncio.gather(*(slot.stop(STOP_S) for slot in self._slots))

    async def apply(self, orders: Sequence[CameraOrder]) -> None:
        """Other orders; only the cameras that differ are touched, and those that a worker's death drove away go home.
        The number of workers stays. Takes a few seconds at most."""
        async with self._applying:
            before, self._orders = self._orders, {order.id: order for order in orders}
            for name in before.keys() - self._orders.keys():
                self._changes.forget(name)
            standing = {name: at for name, at in self._at.items() if not self._may_move(name)}
            best = places(orders, self._candidates(), standing)
            moving = [name for name, at in best.items() if self._at.get(name) != at]
            # First hang up, then dial: many cameras allow two sessions, some one.
            leaving = {name for name in moving if name in self._at}
            self._at = {name: at for name, at in self._at.items() if name in self._orders and name not in leaving}
            self._unheard |= self._placeholders(moving, None)
            self._deal()
            if leaving:
                await asyncio.gather(*(slot.applied(HANG_UP_S) for slot in self._slots))
            best = places(orders, self._candidates(), self._at)
            self._at |= {name: best[name] for name in moving}
            home = homes(orders, range(len(self._slots)))
            self._away = {name for name in self._away.union(moving) & home.keys() if self._at[name] != home[name]}
            self._unheard = {name: health for name, health in self._unheard.items() if name in self._orders}
            self._refusals.keep(self._orders)
            self._deal()
            self._changes.note()

    async def retry(self) -> int:
        """Let every camera that refused its credential try once more: operators mend passwords at the camera, too.
        How many there were."""
        refused = [name for name in self._orders if self._is_refused(name)]
        for number, slot in enumerate(self._slots):
            names = [name for name in refused if self._at.get(name) == number]
            for name in names:
                self._refusals.forget(name)
            try:
                if names:
                    await slot.client().retry_all(names)
            except DeviceError as fault:
                # Its worker is down: the next one will not be told that they were refused.
                logger("video").warning("refused cameras could not be tried again", cameras=names, reason=str(fault))
        return len(refused)

    # -------------------------------------------------------------------------------------- VideoService

    async def keyframes(self, camera_id: str) -> list[Keyframe]:
        return await self._slot(camera_id).client().keyframes(camera_id)

    async def picture(self, camera_id: str, keyframe_id: str, width: int) -> Picture:
        return await self._slot(camera_id).client().picture(camera_id, keyframe_id, width)

    async def main_picture(self, camera_id: str, width: int) -> tuple[Keyframe, Picture]:
        return await self._slot(camera_id).client().main_picture(camera_id, width)

    async def hold(self, camera_id: str, from_mono: float, until_mono: float) -> None:
        await self._slot(camera_id).client().hold(camera_id, from_mono, until_mono)

    async def footage(self, camera_id: str, from_mono: float, to_mono: float) -> Footage:
        return await self._slot(camera_id).client().footage(camera_id, from_mono, to_mono)

    def health(self, camera_id: str) -> CameraHealth | None:
        if camera_id not in self._orders:
            return None
        at = self._at.get(camera_id)
        told = None if at is None else self._slots[at].health(camera_id)
        return told or self._unheard.get(camera_id)

    def all_health(self) -> Sequence[CameraHealth]:
        """In the order of the configuration."""
        found = (self.health(camera_id) for camera_id in self._orders)
        return [health for health in found if health is not None]

    async def health_changed(self, seen: int) -> int:
        return await self._changes.beyond(seen)

    def health_changes(self, seen: int) -> Sequence[str]:
        return [name for name, _ in self._changes.since(seen)]

    # -------------------------------------------------------------------------------------- DeviceService

    def device(self, camera_id: str) -> DeviceHealth | None:
        at = self._at.get(camera_id)
        return None if at is None or camera_id not in self._orders else self._slots[at].device(camera_id)

    async def device_picture(self, camera_id: str, width: int) -> tuple[Keyframe, Picture]:
        return await self._slot(camera_id).client().device_picture(camera_id, width)

    async def presets(self, camera_id: str) -> Sequence[Preset]:
        return await self._slot(camera_id).client().presets(camera_id)

    async def go_to_preset(self, camera_id: str, preset: str) -> None:
        await self._slot(camera_id).client().go_to_preset(camera_id, preset)

    async def move(self, camera_id: str, move: PtzMove) -> None:
        await self._slot(camera_id).client().move(camera_id, move)

    async def stop_moving(self, camera_id: str) -> None:
        await self._slot(camera_id).client().stop_moving(camera_id)

    # -------------------------------------------------------------------------------------- the workers

    async def _pass_on(self, heard: Heard) -> None:
        """Raises StoreFailed: then all of it is told again, also what one of the two has on disk."""
        if heard.signals and self._hear is not None:
            await self._hear(heard.signals)
        if heard.remarks and self._remark is not None:
            await self._remark(heard.remarks)

    async def _prepare(self, client: WorkerClient) -> None:
        if self._preparing is not None:
            await self._preparing(client)

    def _slot(self, camera_id: str) -> WorkerSlot:
        if camera_id not in self._orders:
            raise Unreachable(f"camera {camera_id} is not configured here")
        if camera_id not in self._at:
            raise Unreachable(f"camera {camera_id} is going to another video worker; ask again in a few seconds")
        return self._slots[self._at[camera_id]]

    def _deal(self) -> None:
        """Hand every worker its cameras."""
        hands: dict[int, list[CameraOrder]] = defaultdict(list)
        for name, order in self._orders.items():
            if name in self._at:
                hands[self._at[name]].append(order)
        for number, slot in enumerate(self._slots):
            slot.apply(hands[number])

    def _heard(self, told: Sequence[tuple[CameraOrder, CameraHealth]]) -> None:
        for order, health in told:
            self._refusals.note(order, health)
            self._changes.note(order.id)

    def _lost(self, slot: WorkerSlot) -> None:
        """A worker died: the others take its cameras at once, where there are others."""
        lost = self._slots.index(slot)
        orphans = [name for name, at in self._at.items() if at == lost]
        others = [number for number in self._candidates() if number != lost and self._slots[number].ready]
        self._unheard |= self._placeholders(orphans, _MOVED if others else _DIED)
        if others and orphans:
            standing = {name: at for name, at in self._at.items() if at in others}
            found = places(list(self._orders.values()), others, standing)
            self._at |= {name: found[name] for name in orphans}
            self._away.update(orphans)
            events.cameras_moved(slot.name, len(orphans), [self._slots[number].name for number in others])
        self._deal()
        for name in orphans:
            self._changes.note(name)

    def _candidates(self) -> list[int]:
        """Workers that may be given cameras: the steady ones, else those that run, else all."""
        numbers = range(len(self._slots))
        steady = [number for number in numbers if self._slots[number].steady]
        return steady or [number for number in numbers if self._slots[number].ready] or list(numbers)

    def _may_move(self, camera_id: str) -> bool:
        """Whether it stands nowhere, or where only a death has driven it. Others stay: moving would cost their ring."""
        return camera_id not in self._at or camera_id in self._away

    def _is_refused(self, camera_id: str) -> bool:
        health = self.health(camera_id)
        return health is not None and (health.state is CameraState.AUTH_FAILED or ONVIF_REFUSED in health.faults)

    def _placeholders(self, cameras: Iterable[str], reason: str | None) -> dict[str, CameraHealth]:
        """What is shown of cameras that no worker has told of."""
        now = self._clock.now()
        shown = {}
        for name in cameras:
            order = self._orders[name]
            dialled = order.enabled and (order.url is not None or order.onvif is not None)
            state = CameraState.CONNECTING if dialled else CameraState.DISABLED
            shown[name] = CameraHealth(name, state, since=now, reason=reason if dialled else None)
        return shown

    async def _recognise(self) -> None:
        """Leave cameras with the workers that a core which crashed gave them to, wherever a death had driven them: another
        worker would begin with an empty ring. Where workers are missing or are more now, the cameras are dealt anew."""
        held = await asyncio.gather(*(slot.found() for slot in self._slots))
        if None in held:
            return
        home = dict(self._at)
        left = {name: at for at, names in enumerate(held) for name in names or () if name in self._orders}
        self._at |= places(list(self._orders.values()), range(len(self._slots)), left)
        self._away = {name for name, at in self._at.items() if at != home[name]}
        self._deal()

    async def _end_strays(self) -> None:
        """Workers of an earlier run that had more of them would hold on to cameras that others now connect to."""
        ours = {slot.name for slot in self._slots}
        for socket in private_directory(self._data_dir).glob("video-*.sock"):
            if socket.stem not in ours:
                await WorkerSlot(socket, self._clock, lambda _: None, lambda _: None, lambda _: Refused()).stop(STOP_S)


def _door(notify: tuple[str, int] | None, worker: int) -> list[str]:
    if notify is None:
        return []
    host, first = notify
    return ["--notify", f"{host}:{first + worker if first else 0}"]


def suggested_workers(cameras: int) -> int:
    cores = len(os.sched_getaffinity(0))
    return max(1, min(cores - 1, -(-cameras // CAMERAS_PER_WORKER)))
