"""The upper end of the cascade: lower nodes bring entries, reports and pictures, and listen to what is done above."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

from adapters.cascade import media as pictures
from adapters.cascade import wire
from adapters.cascade.batch import Batch, read_batch
from adapters.cascade.bodies import Bodies, announced, pieces
from adapters.cascade.problems import Problem, json_response
from adapters.cascade.settings import CascadeSourceSettings
from adapters.cascade.streams import PING_EVERY, Streams
from adapters.cascade.uplinks import CascadeUplinks, Consume
from gateway.errors import StoreFailed
from gateway.model import Receipt, rfc3339
from gateway.observability import metrics
from gateway.observability.logs import logger
from gateway.ports import Exchange, MediaStore, Outlet, Tokens

_log = logger("cascade")

_EVENTS_WITHIN = 30.0  # s for 4 MiB: a village on a slow uplink of 1.2 Mbit/s
_MEDIA_WITHIN = 60.0
_QUICK_BODY = 32 * 1024  # larger ones take more than a millisecond to read and are read on a thread
_CLIPS_EACH = 2  # a node sends one at a time; the second is for one whose connection died unnoticed
_LARGE_BODIES = 4  # at once: 4 MiB of JSON can become a hundred times that in memory

Handler = Callable[[Request, str], Awaitable[Response]]


class CascadeSource:
    """Implements ports.Source; ``app`` is mounted in the node's HTTP server and answers ``/cascade/v1/…``."""

    def __init__(
        self,
        settings: CascadeSourceSettings,
        node_id: str,
        exchange: Exchange,
        media: MediaStore,
        tokens: Tokens,
        *,
        ping_every: float = PING_EVERY,
        via: Callable[[str], str | None] = lambda _node: None,
        consume: Consume | None = None,
    ) -> None:
        """``via``: the directly connected node through which another is reached; ``consume``: takes live views."""
        self.id = settings.id
        self._node = node_id
        self._exchange = exchange
        self._media = media
        self._tokens = tokens
        self._bodies = Bodies()
        self._streams = Streams(ping_every)
        self.uplinks = CascadeUplinks(self._streams.tell, via, consume)
        self._large_bodies = asyncio.Semaphore(_LARGE_BODIES)
        self._clips: Counter[str] = Counter()
        self._refusing: set[str] = set()
        self._digesting: set[str] = set()
        routes = [
            Route("/events", self._for_node(self._events), methods=["POST"]),
            Route("/media/{sha256}", self._for_node(self._put_media), methods=["PUT"]),
            Route("/downlink", self._for_node(self._downlink), methods=["GET"]),
            Route("/digest", self._for_node(self._digest), methods=["GET"]),
            WebSocketRoute("/live/{session}", self._live),
        ]
        self.app = Starlette(
            routes=[Mount("/cascade/v1", routes=routes)],
            exception_handlers={HTTPException: _http_problem, Problem: _problem, StoreFailed: _store_problem},
        )

    async def run(self, outlet: Outlet) -> None:
        """Nothing to dial: lower nodes come to us. Open downlinks end when this is cancelled."""
        self._streams.reopen()
        outlet.online()
        try:
            await asyncio.Event().wait()
        finally:
            self._streams.close()
            self.uplinks.close()

    def _for_node(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            return await handler(request, self._caller(request))

        return endpoint

    def _caller(self, request: HTTPConnection) -> str:
        """The lower node that holds the request's bearer token (RFC 6750 §3). Raises Problem 401 or 403."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            metrics.auth_failures.labels("node_token_missing").inc()
            raise Problem(
                HTTPStatus.UNAUTHORIZED,
                "this address is for lower nodes: send the node's token as `Authorization: Bearer …`",
                {"WWW-Authenticate": 'Bearer realm="cascade"'},
            )
        holder = self._tokens.holder(token.strip())
        if holder is None:
            metrics.auth_failures.labels("node_token_wrong").inc()
            raise Problem(
                HTTPStatus.UNAUTHORIZED,
                f"the token is wrong or was revoked; make one on {self._node} with `gateway token add`",
                {"WWW-Authenticate": 'Bearer realm="cascade", error="invalid_token"'},
            )
        if holder.role != "node" or not holder.node:
            metrics.auth_failures.labels("not_a_node").inc()
            raise Problem(
                HTTPStatus.FORBIDDEN,
                "the token is not a node's; make one with `gateway token add NAME --role node --node ID`",
                {"WWW-Authenticate": 'Bearer realm="cascade", error="insufficient_scope"'},
            )
        if holder.node == self._node:
            raise Problem(HTTPStatus.FORBIDDEN, f"the token is for {self._node}, which is this node itself")
        return holder.node

    async def _events(self, request: Request, node: str) -> Response:
        _require_json(request)
        with self._bodies.room(node) as room:
            body = await room.read(request, wire.MAX_BODY, _EVENTS_WITHIN)
            if len(body) <= _QUICK_BODY:
                return json_response(await self._admit(node, read_batch(body, node)))
            async with self._large_bodies:
                return json_response(await self._admit(node, await asyncio.to_thread(read_batch, body, node)))

    async def _admit(self, node: str, batch: Batch) -> dict[str, Any]:
        answers = await self._exchange.admit(node, batch.arrivals) if batch.arrivals else []
        refused = list(batch.refused)
        receipts: list[dict[str, Any]] = []
        for event_id, answer in zip(batch.ids, answers, strict=True):
            if isinstance(answer, Receipt):
                receipts.append(_receipt_json(replace(answer, id=event_id)))
            else:
                refused.append({"id": event_id, "reason": answer})
        self._tell_refusals(node, refused)
        return {"receipts": receipts, "refused": refused}

    def _tell_refusals(self, node: str, refused: list[dict[str, Any]]) -> None:
        """The first is a warning; then silence at that level until the node's events are all taken again."""
        if not refused:
            self._refusing.discard(node)
            return
        tell = _log.debug if node in self._refusing else _log.warning
        tell("refused events of a lower node", node=node, count=len(refused), first_reason=refused[0]["reason"])
        self._refusing.add(node)

    async def _put_media(self, request: Request, node: str) -> Response:
        sha256 = request.path_params["sha256"]
        kind = pictures.kind_of(sha256, request.headers.get("content-type", ""))
        if kind.media_type == pictures.CLIP:
            return await self._put_clip(request, node, sha256, kind)
        with self._bodies.room(node) as room:
            content = await room.read(request, kind.limit, _MEDIA_WITHIN)
            pictures.check(kind, sha256, content)
            if await self._media.read(sha256) is not None:
                return json_response({"sha256": sha256})
            await self._media.put(content, kind.media_type)
        return json_response({"sha256": sha256}, HTTPStatus.CREATED)

    async def _put_clip(self, request: Request, node: str, sha256: str, kind: pictures.MediaKind) -> Response:
        """Straight to the disk: the clips of a hundred nodes would fill this one's memory."""
        if self._clips[node] >= _CLIPS_EACH:
            raise Problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"{_CLIPS_EACH} clips of {node} are on their way; send the next when one is answered",
                {"Retry-After": "10"},
            )
        self._clips[node] += 1
        try:
            seconds = pictures.seconds_for(announced(request) or kind.limit)
            content = pictures.checked(kind, pieces(request, kind.limit, seconds))
            new = await self._media.receive(sha256, content, kind.media_type)
        except ValueError as error:
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from None
        except StoreFailed as error:
            # a clip can wait until somebody has made room; sending it again every two seconds would not help
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error), {"Retry-After": "60"}) from None
        finally:
            self._clips[node] -= 1
        return json_response({"sha256": sha256}, HTTPStatus.CREATED if new else HTTPStatus.OK)

    async def _downlink(self, request: Request, node: str) -> Response:
        # The header wins: an EventSource that resumes repeats its first query and adds what it has heard since.
        after = request.headers.get("last-event-id") or request.query_params.get("after") or "0"
        if not (after.isascii() and after.isdigit() and len(after) < 19):
            raise Problem(HTTPStatus.BAD_REQUEST, "Last-Event-ID, or after: a position that this node sent as id")
        self._streams.require_open()
        stream = self._streams.serve(node, self._exchange.downlink(node, int(after)))
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(stream, media_type="text/event-stream", headers=headers)

    async def _live(self, socket: WebSocket) -> None:
        """Refused, as a plain HTTP answer, before it is accepted: an upgraded connection costs more."""
        try:
            uplink = self.uplinks.expected(self._caller(socket), socket.path_params["session"])
        except Problem as problem:
            await socket.send_denial_response(problem.response())
            return
        await self.uplinks.take(uplink, socket)

    async def _digest(self, request: Request, node: str) -> Response:
        since, until = _moment(request, "from"), _moment(request, "to")
        if node in self._digesting:
            raise Problem(
                HTTPStatus.TOO_MANY_REQUESTS, f"a digest for {node} is being made; one at a time", {"Retry-After": "5"}
            )
        self._digesting.add(node)
        try:
            digest = await self._exchange.digest(node, since, until)
        finally:
            self._digesting.discard(node)
        content = {"from": rfc3339(since), "to": rfc3339(until), "count": digest.count, "sha256": digest.sha256}
        return json_response(content)


def _require_json(request: Request) -> None:
    content_type = request.headers.get("content-type")
    if content_type is not None and not wire.is_json(content_type):
        raise Problem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"{wire.SINGLE} (one event) or {wire.BATCH} (a list) is accepted",
            {"Accept": f"{wire.SINGLE}, {wire.BATCH}"},
        )


def _receipt_json(receipt: Receipt) -> dict[str, Any]:
    return {
        "id": receipt.id,
        "sha256": receipt.sha256,
        "seq": receipt.seq,
        "committed_at": rfc3339(receipt.committed_at),
    }


def _moment(request: Request, name: str) -> datetime:
    text = request.query_params.get(name, "")
    try:
        # A plus sign that was not percent-encoded arrives as a blank.
        moment = datetime.fromisoformat(text.replace(" ", "+"))
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise Problem(HTTPStatus.BAD_REQUEST, f"{name}: an RFC 3339 time is required, such as 2026-01-31T08:00:00Z")


async def _problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return error.response()


async def _http_problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return Problem(HTTPStatus(error.status_code), error.detail, error.headers).response()


async def _store_problem(_: Request, error: Exception) -> Response:
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error), {"Retry-After": "2"}).response()
