"""Live views for the upper node, the lower end: opens a WebSocket for each that is wanted and sends its frames. Never retries.

An alarm goes before every frame; what the uplink cannot carry is left out where the frames come from.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Coroutine
from functools import partial

import aiohttp

from adapters.cascade.link import Link
from adapters.cascade.live_wire import MAX_FRAME, REFUSED, LiveRequest, is_keyframe, refusal
from adapters.cascade.settings import CascadeSinkSettings
from adapters.cascade.traffic import SEND_BUFFER, THIN_SEND_BUFFER, Traffic
from gateway.budget import Budget
from gateway.calm import Calm
from gateway.errors import DeviceError, GatewayError, NotAllowed, StoreFailed, Unreachable
from gateway.model import Lane, ViewFromAbove
from gateway.observability import metrics
from gateway.observability.logs import logger
from gateway.ports import ViewsFromAbove

_log = logger("cascade")

MOST = 16
_MOST_WAITING = 32  # refusals and further viewers; beyond them an upper node is told nothing
_GIVE_WAY_S = 1.0  # as a clip: a frame a second while alarms are on their way
_SEND_S = 15.0  # a frame that is not taken for so long: the link is dead
_REFUSED = (DeviceError, NotAllowed, StoreFailed)


class CascadeLive:
    """``views``: what may be seen, by this node's rules. ``traffic`` and ``budget``: of the sink towards the same node;
    ``calm``: whether presses leave time for frames."""

    def __init__(
        self,
        settings: CascadeSinkSettings,
        node_id: str,
        views: ViewsFromAbove,
        traffic: Traffic,
        budget: Budget,
        *,
        calm: Calm | None = None,
        most: int = MOST,
    ) -> None:
        self.id = settings.id
        self._views = views
        self._traffic = traffic
        self._budget = budget
        self._calm = calm or Calm()
        self._most = most
        self._link = Link(settings, node_id, connections=1, bulk=most + _MOST_WAITING)
        self._shown: dict[str, asyncio.Task[None]] = {}
        self._others: set[asyncio.Task[None]] = set()

    def wanted(self, request: LiveRequest) -> None:
        """Begin to show it; where it is shown already, another viewer has come, who goes into the audit too."""
        if request.session in self._shown:
            self._start_other(partial(self._note, request))
        elif len(self._shown) < self._most:
            task = asyncio.get_running_loop().create_task(self._show(request))
            self._shown[request.session] = task
            task.add_done_callback(partial(self._ended, request.session))
            metrics.live_sessions.labels("cascade_out").inc()
        else:
            full = DeviceError(f"it shows {self._most} live views to {self.id} already")
            self._start_other(partial(self._refuse, request, full))

    async def close(self) -> None:
        tasks = [*self._shown.values(), *self._others]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._link.close()

    def _ended(self, session: str, _: "asyncio.Task[None]") -> None:
        del self._shown[session]
        metrics.live_sessions.labels("cascade_out").dec()

    def _start_other(self, work: Callable[[], Coroutine[None, None, None]]) -> None:
        if len(self._others) < _MOST_WAITING:
            task = asyncio.get_running_loop().create_task(work())
            self._others.add(task)
            task.add_done_callback(self._others.discard)

    async def _note(self, request: LiveRequest) -> None:
        with contextlib.suppress(*_REFUSED):  # the upper node has asked its own rules; the view itself was allowed
            await self._views.admit(request.view(self.id))

    async def _refuse(self, request: LiveRequest, error: GatewayError) -> None:
        with contextlib.suppress(Unreachable):
            async with self._open(request) as socket:
                await _say_no(socket, error)

    async def _show(self, request: LiveRequest) -> None:
        view = request.view(self.id)
        try:
            await self._views.admit(view)
        except _REFUSED as error:
            await self._refuse(request, error)
            return
        try:
            async with self._open(request) as socket:
                await self._send_all(socket, view)
        except Unreachable as error:
            _log.warning("a live view could not be sent up", sink=self.id, camera=view.camera_id, reason=str(error))

    def _open(self, request: LiveRequest) -> "contextlib.AbstractAsyncContextManager[aiohttp.ClientWebSocketResponse]":
        buffer = SEND_BUFFER if self._budget.bits is None else THIN_SEND_BUFFER
        return self._link.websocket(f"/cascade/v1/live/{request.session}", send_buffer=buffer)

    async def _send_all(self, socket: aiohttp.ClientWebSocketResponse, view: ViewFromAbove) -> None:
        """Until either end has had enough."""
        sending = asyncio.create_task(self._send(socket, view))
        leaving = asyncio.create_task(_left(socket))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, leaving):
                task.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)

    async def _send(self, socket: aiohttp.ClientWebSocketResponse, view: ViewFromAbove) -> None:
        try:
            if view.stream == "still":
                await self._put(socket, await self._views.still(view))
                await socket.close()
            else:
                await self._send_units(socket, view)
        except _REFUSED as error:
            await _say_no(socket, error)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            _log.info("a live view broke off", sink=self.id, camera=view.camera_id, reason=type(error).__name__)

    async def _send_units(self, socket: aiohttp.ClientWebSocketResponse, view: ViewFromAbove) -> None:
        units = self._views.units(view)
        skipping = False
        try:
            async for frame in units:
                if len(frame) > MAX_FRAME:
                    skipping = True  # what follows cannot be decoded without it
                elif not skipping or is_keyframe(frame):
                    skipping = False
                    await self._put(socket, frame)
        finally:
            if isinstance(units, AsyncGenerator):
                await units.aclose()

    async def _put(self, socket: aiohttp.ClientWebSocketResponse, content: bytes) -> None:
        if len(content) > MAX_FRAME:
            raise DeviceError(f"its picture is larger than {MAX_FRAME} bytes")
        await self._calm.rest(_GIVE_WAY_S)
        await self._traffic.clear(_GIVE_WAY_S)
        for start in range(0, len(content), self._budget.helping):
            await self._budget.spend(min(self._budget.helping, len(content) - start), Lane.CLIP.value)
        async with asyncio.timeout(_SEND_S):
            await socket.send_bytes(content)


async def _say_no(socket: aiohttp.ClientWebSocketResponse, error: Exception) -> None:
    with contextlib.suppress(TimeoutError, aiohttp.ClientError, OSError):
        async with asyncio.timeout(_SEND_S):
            await socket.send_str(refusal(error))
        await socket.close(code=REFUSED)


async def _left(socket: aiohttp.ClientWebSocketResponse) -> None:
    """Return when the upper node has gone."""
    async for _ in socket:
        continue
