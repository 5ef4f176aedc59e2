"""The event stream (WHATWG HTML §9.2, server-sent events): what changes, to every console that is open.

Every stream has a position of its own in the ledger's feed and pulls: there is no queue per client that could overflow,
and a client that was away resumes without a gap. A client that does not read is cut off; its browser comes back and
resumes.
"""

import asyncio
import contextlib
import json
from collections.abc import Callable

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from gateway.console.auth import Caller, concerns, covers, may_call
from gateway.console.newsroom import Newsroom
from gateway.console.states import compact
from gateway.console.views import without_callers_phone, without_phone
from gateway.model import rfc3339
from gateway.observability import events

PING_S = 10.0  # the contract says 15 at most; consoles call the stream stale after 30
_WITHOUT_PHONE = {"alert": without_callers_phone, "terminal": without_phone}
_SEND_S = 30.0  # a client that takes nothing for so long is gone, or hung


def encode(event: str, data: str, id_: int | None = None) -> bytes:
    """One event; ``data`` is JSON and so holds no line break."""
    head = f"event: {event}\n" if id_ is None else f"event: {event}\nid: {id_}\n"
    return f"{head}data: {data}\n\n".encode()


class EventStream(Response):
    """The answer to one ``GET /stream``. ``still``: whether the caller is still who it was, asked at every ping."""

    media_type = "text/event-stream"

    def __init__(self, newsroom: Newsroom, caller: Caller, last: int | None, still: Callable[[], bool]) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._newsroom = newsroom
        self._principal = caller.principal
        self._last = last
        self._still = still
        self._wake = asyncio.Event()
        self._gone = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._newsroom.seat(self._principal.name, self._wake):
            position, whole = await self._newsroom.begin(self._last)
            headers = [header for header in self.raw_headers if header[0] != b"content-length"]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            stopping: asyncio.Event | None = scope.get("state", {}).get("stopping")
            watchers = [asyncio.create_task(self._watch_client(receive))]
            if stopping is not None:
                watchers.append(asyncio.create_task(self._watch_server(stopping)))
            try:
                await self._pump(send, position, whole)
            except TimeoutError:
                events.stream_cut("the client has taken nothing for too long")
                return
            finally:
                for task in watchers:
                    task.cancel()
            await send(_chunk(b"", more=False))

    async def _pump(self, send: Send, position: int, whole: bool) -> None:
        # The first ping alone has an id: a client that is cut off before its first alert then resumes from here.
        await _send(send, self._ping_event(position, whole, id_=position))
        receipts_after = self._newsroom.revision if self._last is None else 0
        revision, next_ping = 0, self._newsroom.clock.mono() + PING_S
        while not self._gone and not self._newsroom.broken:
            self._wake.clear()
            changes, reached = await self._newsroom.changes(position)
            for change in changes:
                if concerns(self._principal, change.area_code):
                    await _send(send, encode("alert", self._shown("alert", change.data), change.position))
            if self._newsroom.clock.mono() >= next_ping:
                if not self._still():
                    return
                await _send(send, self._ping_event(position, whole))
                next_ping = self._newsroom.clock.mono() + PING_S
            if reached > position:
                position = reached
                continue  # alerts first: states wait until there is no newer alert
            for state in self._newsroom.states(revision, receipts_after):
                revision = state.revision
                if covers(self._principal, state.area_code):
                    await _send(send, encode(state.event, self._shown(state.event, state.data)))
            await self._sleep(next_ping - self._newsroom.clock.mono())

    def _shown(self, event: str, data: str) -> str:
        if event not in _WITHOUT_PHONE or may_call(self._principal):
            return data
        return compact(_WITHOUT_PHONE[event](json.loads(data)))

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._wake.wait()
        except TimeoutError:
            return

    def _ping_event(self, position: int, whole: bool, id_: int | None = None) -> bytes:
        """``resumed`` is false where the client missed more than can be made up: it loads its lists anew."""
        now = rfc3339(self._newsroom.clock.now())
        return encode("ping", compact({"at": now, "position": position, "resumed": whole}), id_)

    async def _watch_client(self, receive: Receive) -> None:
        with contextlib.suppress(HTTPException):  # it announced a body and never sent it
            while (await receive())["type"] != "http.disconnect":
                continue
        self._end()

    async def _watch_server(self, stopping: asyncio.Event) -> None:
        await stopping.wait()
        self._end()

    def _end(self) -> None:
        self._gone = True
        self._wake.set()


def _chunk(body: bytes, *, more: bool) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}


async def _send(send: Send, body: bytes) -> None:
    async with asyncio.timeout(_SEND_S):
        await send(_chunk(body, more=True))
