"""Live views of lower nodes' cameras, the upper end: asked for on the downlink, sent up on a WebSocket each.

All who watch the same stream of the same camera share one uplink.
"""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus

from starlette.websockets import WebSocket, WebSocketDisconnect

from adapters.cascade.frames import Frames
from adapters.cascade.live_wire import LiveRequest, read_refusal, request_event
from adapters.cascade.problems import Problem
from gateway.budget import Budget
from gateway.errors import DeviceError, GatewayError, Unreachable
from gateway.observability import metrics
from gateway.observability.logs import logger

_log = logger("cascade")

ANSWER_WITHIN = 8.0
_MOST_BITS = 64_000_000  # a second of one uplink: above any main stream; who sends faster is read more slowly
_MOST_OF_A_NODE = 16  # as many as a lower node sends at once
_MOST = 128
_CLOSE_S = 2.0

Consume = Callable[[str, AsyncIterator[bytes]], Awaitable[None]]
"""``LiveService.feed``."""


class Uplink:
    """One stream that a lower node is asked for. ``came``: done with its first frame, or with why there is none."""

    def __init__(self, child: str, node: str, camera_id: str, stream: str) -> None:
        self.id = secrets.token_urlsafe(18)  # who knows it still needs the token of ``child``
        self.child = child
        self.camera_id = camera_id if node == child else f"{node}:{camera_id}"
        self.stream = stream
        self.frames = Frames()
        self.came: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.came.add_done_callback(_looked_at)
        self.over = asyncio.Event()
        self.taken = False

    def end(self, why: GatewayError) -> None:
        if not self.came.done():
            self.came.set_exception(why)
        self.over.set()
        self.frames.end()


class CascadeUplinks:
    """Implements ports.Uplinks. ``tell`` puts an event on a node's downlink, False where it has none; ``via`` names the
    directly connected node through which another is reached."""

    def __init__(
        self,
        tell: Callable[[str, bytes], bool],
        via: Callable[[str], str | None],
        consume: Consume | None,
        *,
        within: float = ANSWER_WITHIN,
    ) -> None:
        self._tell = tell
        self._via = via
        self._consume = consume
        self._within = within
        self._open: dict[str, Uplink] = {}
        self._shared: dict[tuple[str, str, str], Uplink] = {}
        self._feeding: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._open)

    async def ask(self, node: str, camera_id: str, stream: str, viewer: str, reason: str) -> str:
        """See ports.Uplinks."""
        if self._consume is None:
            raise DeviceError("this node serves no live views")
        key = (node, camera_id, stream)
        uplink = self._shared.get(key)
        if uplink is None:
            uplink = self._begin(node, camera_id, stream)
            self._shared[key] = uplink
        # each viewer is told of below, where it goes into the audit too
        self._request(uplink, viewer, reason)
        await self._first(uplink)
        return uplink.id

    async def still(self, node: str, camera_id: str, viewer: str, reason: str) -> bytes:
        """See ports.Uplinks."""
        uplink = self._begin(node, camera_id, "still")
        try:
            self._request(uplink, viewer, reason)
            return await self._first(uplink)
        finally:
            self._end(uplink, Unreachable("the picture was no longer wanted"))

    async def units(self, node: str, camera_id: str, stream: str, viewer: str, reason: str) -> AsyncIterator[bytes]:
        """Frames for a node above this one, on an uplink of their own. Raises DeviceError | NotAllowed."""
        uplink = self._begin(node, camera_id, stream)
        try:
            self._request(uplink, viewer, reason)
            await self._first(uplink)
            async for frame in uplink.frames:
                yield frame
        finally:
            self._end(uplink, Unreachable("nobody watches any more"))

    def close(self) -> None:
        """End all; the WebSockets follow by themselves."""
        for uplink in list(self._open.values()):
            self._end(uplink, Unreachable("this node is stopping"))
        for task in self._feeding:
            task.cancel()

    def expected(self, node: str, session: str) -> Uplink:
        """What ``node`` was asked for as ``session``. Raises Problem 404 or 409."""
        uplink = self._open.get(session)
        if uplink is None or uplink.child != node:
            raise Problem(HTTPStatus.NOT_FOUND, "this live view is not, or no longer, wanted")
        if uplink.taken:
            raise Problem(HTTPStatus.CONFLICT, "this live view is being sent already")
        return uplink

    async def take(self, uplink: Uplink, socket: WebSocket) -> None:
        """Accept the WebSocket of an expected uplink and take what it brings until either side ends it."""
        uplink.taken = True
        reading = asyncio.create_task(self._accept_and_read(uplink, socket))
        ending = asyncio.create_task(uplink.over.wait())
        try:
            await asyncio.wait({reading, ending}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            reading.cancel()
            ending.cancel()
            await asyncio.gather(reading, ending, return_exceptions=True)
            self._end(uplink, Unreachable(f"{uplink.child} ended the live view"))
        with contextlib.suppress(RuntimeError, WebSocketDisconnect, TimeoutError, OSError):  # it is closed already
            async with asyncio.timeout(_CLOSE_S):
                await socket.close()

    async def _accept_and_read(self, uplink: Uplink, socket: WebSocket) -> None:
        await socket.accept()
        budget = Budget(_MOST_BITS)
        while True:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            text, content = message.get("text"), message.get("bytes")
            if text is not None:
                self._end(uplink, read_refusal(text, uplink.child))
                return
            if content is None:
                continue
            await budget.spend(len(content), 0)
            try:
                self._take(uplink, content)
            except ValueError as error:
                self._end(uplink, DeviceError(f"{uplink.child} sent what is no frame of a live view: {error}"))
                return
            if uplink.over.is_set():
                return

    def _take(self, uplink: Uplink, content: bytes) -> None:
        if uplink.stream == "still":
            if content[:2] != b"\xff\xd8":
                raise ValueError("a still picture is a JPEG")
        else:
            uplink.frames.put(content)
        if uplink.came.done():
            return
        uplink.came.set_result(content)
        if uplink.stream == "still":
            self._end(uplink, Unreachable("the picture has come"))
        elif uplink in self._shared.values():
            task = asyncio.get_running_loop().create_task(self._feed(uplink))
            self._feeding.add(task)
            task.add_done_callback(self._feeding.discard)

    async def _feed(self, uplink: Uplink) -> None:
        assert self._consume is not None
        try:
            await self._consume(uplink.id, uplink.frames)
        except GatewayError as error:
            _log.warning("a live view from below cannot be shown", node=uplink.child, reason=str(error))
        finally:
            self._end(uplink, Unreachable("nobody watches any more"))

    def _begin(self, node: str, camera_id: str, stream: str) -> Uplink:
        child = self._via(node) or node
        if len(self._open) >= _MOST or sum(each.child == child for each in self._open.values()) >= _MOST_OF_A_NODE:
            raise DeviceError(f"{child} sends as many live views as it may at once: end another first")
        uplink = Uplink(child, node, camera_id, stream)
        self._open[uplink.id] = uplink
        self._count()
        return uplink

    def _request(self, uplink: Uplink, viewer: str, reason: str) -> None:
        wanted = LiveRequest(uplink.id, uplink.camera_id, uplink.stream, viewer, reason)
        if not self._tell(uplink.child, request_event(wanted)) and not uplink.taken:
            self._end(uplink, Unreachable(f"{uplink.child} is not connected to this node now"))

    async def _first(self, uplink: Uplink) -> bytes:
        """The first frame, for all who wait; who gives up ends it for nobody else before its time."""
        try:
            async with asyncio.timeout(self._within):
                return await asyncio.shield(uplink.came)
        except TimeoutError:
            error = Unreachable(f"{uplink.child} has sent nothing within {self._within:g} s")
            self._end(uplink, error)
            raise error from None

    def _end(self, uplink: Uplink, why: GatewayError) -> None:
        if self._open.pop(uplink.id, None) is None:
            return
        self._count()
        for key in [key for key, each in self._shared.items() if each is uplink]:
            del self._shared[key]
        if uplink.frames.left_out:
            _log.warning("frames of a live view were left out", node=uplink.child, count=uplink.frames.left_out)
        uplink.end(why)

    def _count(self) -> None:
        metrics.live_sessions.labels("cascade_in").set(len(self._open))


def _looked_at(came: "asyncio.Future[bytes]") -> None:
    """All who asked may have gone away: then nobody looks at its fault."""
    if not came.cancelled():
        came.exception()
