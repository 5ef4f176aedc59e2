"""One worker's place in the pool: finds or starts the process, keeps its camera list right, follows its health."""

import asyncio
import math
import signal
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from gateway.backoff import Backoff
from gateway.errors import Unreachable
from gateway.model import CameraHealth, DeviceHealth
from gateway.observability import events
from gateway.ports import Clock
from gateway.supervision.supervisor import Supervisor
from gateway.video.changes import Changes
from gateway.video.wire import SPEAKS, CameraFigures, CameraOrder, Refused
from gateway.video.workers.client import Heard, WorkerClient
from gateway.video.workers.hearing import Hearing
from gateway.video.workers.process import WORKER, WorkerProcess, listening_pid

START_S = 30.0
"""Loading a worker takes a second; a small box that boots everything at once takes its time."""
FOUND_S = 10.0
"""One that was found running answers at once, or it hangs."""
RECOGNISE_S = 2.0
"""A worker that is found hanging holds up the start of the others for this long."""
POLL_S = 5.0
"""Figures that are no change (bytes, last keyframe) are this fresh at least."""
COALESCE_S = 0.2
"""When a thousand cameras come up at once, their health is asked for five times a second and no more."""
STEADY_S = 60.0
"""A worker that died gets no cameras of others before it has stood for this long: it may die again of what killed it."""


class WorkerSlot:
    """Keeps one worker running on ``socket``.

    ``heard`` is given cameras whose health is another, each with the order that it is about; ``lost`` is called when the
    worker has died; ``refused`` tells which of these orders are not to be dialled, and why. ``hear`` is given what cameras
    noticed and returns once that is on disk; without it nothing is asked for, and the worker keeps what it has room for.
    ``apart``: somebody else starts the worker, and it is left running at our end. ``prepare`` tells a worker that answers
    what else it has to know.
    """

    def __init__(
        self,
        socket: Path,
        clock: Clock,
        heard: Callable[[Sequence[tuple[CameraOrder, CameraHealth]]], None],
        lost: Callable[["WorkerSlot"], None],
        refused: Callable[[Sequence[CameraOrder]], Refused],
        command: Sequence[str] = WORKER,
        hear: Callable[[Heard], Awaitable[None]] | None = None,
        apart: bool = False,
        prepare: Callable[[WorkerClient], Awaitable[None]] | None = None,
    ) -> None:
        self.name = socket.stem
        self._prepare = prepare
        self._apart = apart
        self.figures: Mapping[str, Any] = {}
        self._socket = socket
        self._clock = clock
        self._heard = heard
        self._lost = lost
        self._refused = refused
        self._command = command
        self._hearing = None if hear is None else Hearing(self.name, hear, clock)
        self._wanted = Changes()
        self._orders: tuple[CameraOrder, ...] = ()
        self._ours: frozenset[str] = frozenset()
        self._told: dict[str, CameraOrder] = {}  # as the worker has them
        self._sent = 0
        self._acknowledged = Changes()
        self._process: WorkerProcess | None = None
        self._client: WorkerClient | None = None
        self._online_since = math.inf
        self._has_died = False
        self._started = False
        self._health: dict[str, CameraHealth] = {}
        self._camera_figures: dict[str, CameraFigures] = {}
        self._devices: dict[str, DeviceHealth] = {}

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self._process.running else None

    @property
    def socket(self) -> Path:
        """Where the worker listens."""
        return self._socket

    @property
    def ready(self) -> bool:
        return self._client is not None

    @property
    def steady(self) -> bool:
        """Whether it may be given other cameras: it has never died, or has stood for a while since."""
        return not self._has_died or self._clock.mono() - self._online_since >= STEADY_S

    def health(self, camera_id: str) -> CameraHealth | None:
        """As its worker told it last; None before that."""
        known, figures = self._health.get(camera_id), self._camera_figures.get(camera_id)
        if known is None or figures is None:
            return known
        return replace(
            known,
            last_keyframe_at=figures.last_keyframe_at,
            received_bytes=figures.received_bytes,
            reconnects=figures.reconnects,
            dropped=figures.dropped,
        )

    def device(self, camera_id: str) -> DeviceHealth | None:
        """As its worker told it last; None before that, and for cameras without an ONVIF address."""
        known, figures = self._devices.get(camera_id), self._camera_figures.get(camera_id)
        if known is None or figures is None or figures.last_event_at is None:
            return known
        return replace(known, last_event_at=figures.last_event_at)

    def client(self) -> WorkerClient:
        """Raises Unreachable while the worker is down."""
        if self._client is None:
            raise Unreachable("the video worker is being started; ask again in a few seconds")
        return self._client

    async def run(self) -> NoReturn:
        """Keep the worker up for ever. Being cancelled leaves it running; ``stop`` ends it.

        Nothing is started before there is a camera: a county without any needs no worker.
        """
        while not self._orders and listening_pid(self._socket) is None:
            await self._wanted.beyond(self._wanted.count)
        await Supervisor(
            self.name, self._attempt, Backoff(first=0.2, ceiling=5.0), self._clock, self._broken, lambda: None
        ).run()

    async def found(self) -> frozenset[str] | None:
        """The cameras of a worker that a former core has left here; None where none answers soon that speaks as we do."""
        if listening_pid(self._socket) is None:
            return None
        try:
            async with asyncio.timeout(RECOGNISE_S), WorkerClient(self._socket) as client:
                if (await client.alive()).speaks != SPEAKS:
                    return None
                return frozenset(await client.health_figures())
        except (Unreachable, TimeoutError):
            return None

    def apply(self, orders: Sequence[CameraOrder]) -> None:
        """Make these its cameras."""
        orders = tuple(orders)
        if orders == self._orders:
            return
        self._orders = orders
        self._ours = frozenset(order.id for order in orders)
        self._health = {name: health for name, health in self._health.items() if name in self._ours}
        with_device = {order.id for order in orders if order.onvif is not None}
        self._devices = {name: device for name, device in self._devices.items() if name in with_device}
        self._wanted.note()

    async def applied(self, within_s: float) -> bool:
        """Wait until the worker has hung up and dialled as the last ``apply`` says; False if it did not in time."""
        wanted = self._wanted.count
        deadline = self._clock.mono() + within_s
        while self.ready and self._sent < wanted and (left := deadline - self._clock.mono()) > 0:
            await self._acknowledged.within(self._acknowledged.count, left)
        return self._sent >= wanted

    async def stop(self, within_s: float) -> None:
        """End the worker: ask it, tell it, kill it. Leaves neither process nor socket, but lets one that is ``apart`` be.
        Not while ``run`` runs."""
        if self._apart:
            if self._process is not None:
                self._process.release()
                self._process = None
            return
        process = self._process or self._find()
        if process is not None:
            if not (await self._ask_to_stop() and await process.wait(within_s - 2)):
                process.send(signal.SIGTERM)
            if not await process.wait(1):
                process.send(signal.SIGKILL)
                await process.wait(1)
            process.release()
        self._process = None
        self._socket.unlink(missing_ok=True)

    async def _attempt(self, online: Callable[[], None]) -> None:
        process = self._process = self._process or self._find() or self._start()
        try:
            async with WorkerClient(self._socket) as client:
                await self._serve(client, process, online)
        except Unreachable:
            # A worker that is dying breaks the connection a moment before the kernel reports its end.
            if await process.wait(0.5):
                raise Unreachable(f"the video worker died: {process.how()}") from None
            process.send(signal.SIGKILL)
            await process.wait(5)
            raise
        finally:
            self._client = None
            self._acknowledged.release()
            if not process.running:
                self._process = None

    async def _serve(self, client: WorkerClient, process: WorkerProcess, online: Callable[[], None]) -> None:
        await self._answered(client, process)
        seen = await self._put(client)
        if self._prepare is not None:
            await self._prepare(client)
        version = await self._take(client, -1, 0)
        self._client = client
        self._online_since = self._clock.mono()
        online()
        try:
            works = [self._push(client, seen), self._follow(client, version), self._count(client)]
            if self._hearing is not None:
                works.append(self._hearing.run(client))
            await _until_one_fails(*works)
        finally:
            self._client = None  # at once: burying a worker that hangs takes seconds, and nobody is to ask it meanwhile

    def _find(self) -> WorkerProcess | None:
        """The worker that already listens on our socket, left by a core that crashed."""
        pid = listening_pid(self._socket)
        if pid is None:
            return None
        try:
            process = WorkerProcess(pid)
        except ProcessLookupError:
            return None
        events.worker_adopted(self.name, pid)
        return process

    def _start(self) -> WorkerProcess:
        if self._apart:
            raise Unreachable(
                f"no video worker listens on {self._socket}, and video.apart says that one is started elsewhere:"
                f" systemctl enable --now gateway-video@{self.name.rpartition('-')[2]}"
            )
        process = WorkerProcess.start(self._socket, self._command)
        events.worker_started(self.name, process.pid, again=self._started)
        self._started = True
        return process

    async def _answered(self, client: WorkerClient, process: WorkerProcess) -> None:
        within = FOUND_S if process.found else START_S
        deadline = self._clock.mono() + within
        while process.running and self._clock.mono() < deadline:
            try:
                alive = await client.alive()
            except Unreachable:
                await self._clock.sleep(0.05)
                continue
            if process.found and alive.speaks != SPEAKS:
                # An update came meanwhile: the old worker would not understand what we say.
                process.send(signal.SIGTERM)
                await process.wait(5)
                raise Unreachable(f"it is of version {alive.version}, which speaks otherwise")
            return
        raise Unreachable(f"the video worker did not answer within {within:g} s")

    async def _put(self, client: WorkerClient) -> int:
        wanted = self._wanted.count
        orders = self._orders
        await client.put_cameras(orders, self._refused(orders))
        self._told = {order.id: order for order in orders}
        self._sent = wanted
        self._acknowledged.note()
        return wanted

    async def _push(self, client: WorkerClient, seen: int) -> NoReturn:
        while True:
            await self._wanted.beyond(seen)
            seen = await self._put(client)

    async def _follow(self, client: WorkerClient, version: int) -> NoReturn:
        while True:
            await self._clock.sleep(COALESCE_S)
            version = await self._take(client, version, POLL_S)

    async def _take(self, client: WorkerClient, seen: int, wait_s: float) -> int:
        """Take over what changed after ``seen``, part by part; the version reached."""
        more = True
        while more:
            report = await client.health(seen, wait_s)
            seen, more = report.version, report.more
            self._devices |= {device.camera_id: device for device in report.devices if device.camera_id in self._ours}
            self._note([camera for camera in report.cameras if camera.camera_id in self._ours])
        return seen

    def _note(self, changed: Sequence[CameraHealth]) -> None:
        for camera in changed:
            self._health[camera.camera_id] = camera
            self._camera_figures.pop(camera.camera_id, None)
        known = [(self._told[camera.camera_id], camera) for camera in changed if camera.camera_id in self._told]
        if known:
            self._heard(known)

    async def _count(self, client: WorkerClient) -> NoReturn:
        while True:
            self._camera_figures = await client.health_figures()
            self.figures = await client.figures()
            await self._clock.sleep(POLL_S)

    def _broken(self, reason: str, retry_in: float, first: bool) -> None:
        events.worker_broken(self.name, reason, retry_in, first=first)
        self._has_died = True
        self._online_since = math.inf
        self._health, self._camera_figures, self.figures, self._devices = {}, {}, {}, {}
        self._lost(self)

    async def _ask_to_stop(self) -> bool:
        try:
            async with WorkerClient(self._socket) as client:
                await client.stop()
        except Unreachable:
            return False
        return True


async def _until_one_fails(*works: Coroutine[None, None, NoReturn]) -> None:
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
