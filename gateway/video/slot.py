"""One worker's place in the pool: finds or starts the process, keeps its camera list right, follows its health."""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import NoReturn

from gateway import __version__
from gateway.backoff import Backoff
from gateway.errors import Unreachable
from gateway.model import CameraHealth, CameraState
from gateway.observability import events
from gateway.ports import Clock
from gateway.supervision.supervisor import Supervisor
from gateway.video.changes import Changes
from gateway.video.client import HealthReport, WorkerClient
from gateway.video.process import WORKER, WorkerProcess, listening_pid
from gateway.video.wire import CameraOrder

START_S = 30.0
"""Loading a worker takes a second; a small box that boots everything at once takes its time."""
FOUND_S = 10.0
"""One that was found running answers at once, or it hangs."""
POLL_S = 5.0
"""Figures that are no change (bytes, last keyframe) are this fresh at least."""
COALESCE_S = 0.2
"""When a thousand cameras come up at once, their health is asked for five times a second and no more."""


class WorkerSlot:
    """Keeps one worker running on ``socket``. ``changed`` is called when the health of its cameras is another."""

    def __init__(
        self,
        socket: Path,
        orders: Sequence[CameraOrder],
        clock: Clock,
        changed: Callable[[], None],
        command: Sequence[str] = WORKER,
    ) -> None:
        self.name = socket.stem
        self._socket = socket
        self._clock = clock
        self._changed = changed
        self._command = command
        self._wanted = Changes()
        self._orders = tuple(orders)
        self._process: WorkerProcess | None = None
        self._client: WorkerClient | None = None
        self._started = False
        self._health = self._waiting("the video worker is being started")

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self._process.running else None

    def health(self) -> dict[str, CameraHealth]:
        return self._health

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

    def apply(self, orders: Sequence[CameraOrder]) -> None:
        self._orders = tuple(orders)
        self._show({})
        self._wanted.note()

    async def stop(self, within_s: float) -> None:
        """End the worker: ask it, tell it, kill it. Leaves neither process nor socket. Not while ``run`` runs."""
        process = self._process or self._find()
        if process is not None:
            if not (await self._ask_to_stop() and await process.wait(within_s - 3)):
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
            if not process.running:
                self._process = None

    async def _serve(self, client: WorkerClient, process: WorkerProcess, online: Callable[[], None]) -> None:
        await self._answered(client, process)
        seen = self._wanted.count
        await client.put_cameras(self._orders)
        report = await client.health(-1, 0)
        self._take(report)
        self._client = client
        online()
        await _until_one_fails(self._push(client, seen), self._follow(client, report.version))

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
            if process.found and alive.version != __version__:
                # An update came after a crash: the old worker may not understand what we say.
                process.send(signal.SIGTERM)
                await process.wait(5)
                raise Unreachable(f"it is of version {alive.version}, this is {__version__}")
            return
        raise Unreachable(f"the video worker did not answer within {within:g} s")

    async def _push(self, client: WorkerClient, seen: int) -> NoReturn:
        while True:
            seen = await self._wanted.beyond(seen)
            await client.put_cameras(self._orders)

    async def _follow(self, client: WorkerClient, version: int) -> NoReturn:
        while True:
            await self._clock.sleep(COALESCE_S)
            report = await client.health(version, POLL_S)
            version = report.version
            self._take(report)

    def _take(self, report: HealthReport) -> None:
        self._show({camera.camera_id: camera for camera in report.cameras})

    def _show(self, known: dict[str, CameraHealth]) -> None:
        # A camera that the worker does not have yet is shown as it was.
        self._health = {
            order.id: known.get(order.id) or self._health.get(order.id) or self._unknown(order, None)
            for order in self._orders
        }
        self._changed()

    def _broken(self, reason: str, retry_in: float, first: bool) -> None:
        events.worker_broken(self.name, reason, retry_in, first=first)
        self._health = self._waiting("the video worker died and is being started again")
        self._changed()

    def _waiting(self, reason: str) -> dict[str, CameraHealth]:
        return {order.id: self._unknown(order, reason) for order in self._orders}

    def _unknown(self, order: CameraOrder, reason: str | None) -> CameraHealth:
        state = CameraState.CONNECTING if order.enabled and order.url else CameraState.DISABLED
        return CameraHealth(order.id, state, since=self._clock.now(), reason=reason if order.url else None)

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
