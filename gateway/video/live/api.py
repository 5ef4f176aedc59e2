"""The live process's HTTP API, for its core alone, over its Unix socket."""

import asyncio
import os
import resource
from collections.abc import Callable, Mapping
from json import JSONDecodeError
from typing import Any

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from gateway import __version__
from gateway.errors import DeviceError, NotSpoken
from gateway.observability.logs import logger
from gateway.video.live.feed import Feed
from gateway.video.live.frames import FrameReader
from gateway.video.live.sessions import Own, Pushed, Sessions


class LiveApi:
    """Handlers. ``stop`` ends the process."""

    def __init__(self, sessions: Sessions, stop: Callable[[], None]) -> None:
        self._sessions = sessions
        self._stop = stop

    def app(self) -> ASGIApp:
        routes = [
            Route("/alive", self.alive),
            Route("/figures", self.figures),
            Route("/sessions", self.open, methods=["POST"]),
            Route("/sessions", self.end_of, methods=["DELETE"]),
            Route("/sessions/{session}", self.trickle, methods=["PATCH"]),
            Route("/sessions/{session}", self.end, methods=["DELETE"]),
            Route("/feeds/{feed}", self.feed, methods=["PUT"]),
            Route("/stop", self.stop, methods=["POST"]),
        ]
        faults: Any = {NotSpoken: _fault(406), DeviceError: _fault(503)}
        return Starlette(routes=routes, exception_handlers=faults)

    async def alive(self, _: Request) -> Response:
        return JSONResponse({"pid": os.getpid(), "version": __version__})

    async def figures(self, _: Request) -> Response:
        used = resource.getrusage(resource.RUSAGE_SELF)
        return JSONResponse({"cpu_s": used.ru_utime + used.ru_stime, **self._sessions.figures()})

    async def open(self, request: Request) -> Response:
        """``{"source": {"camera","stream","sockets"} | {"feed"}, "sdp", "viewer"}`` → 201, a LiveSession."""
        try:
            wanted = await request.json()
            source, offer, viewer = _source(wanted["source"]), str(wanted["sdp"]), str(wanted["viewer"])
        except (JSONDecodeError, UnicodeDecodeError, KeyError, TypeError):
            return _problem(400, "a view is a source, an SDP offer and a viewer")
        opened = await self._sessions.open(source, offer, viewer)
        session = opened.session
        answer = {
            "id": session.id,
            "answer": opened.answer,
            "etag": session.id[:8],
            "codec": opened.codec,
            "start": session.start,
        }
        return JSONResponse(answer, status_code=201)

    async def trickle(self, request: Request) -> Response:
        try:
            fragment = str((await request.json())["fragment"])
        except (JSONDecodeError, UnicodeDecodeError, KeyError, TypeError):
            return _problem(400, "a fragment is wanted")
        there = await self._sessions.trickle(request.path_params["session"], fragment)
        return Response(status_code=204) if there else _problem(404, "no such view")

    async def end(self, request: Request) -> Response:
        there = await self._sessions.end(request.path_params["session"])
        return JSONResponse({"ended": 1}) if there else _problem(404, "no such view")

    async def end_of(self, request: Request) -> Response:
        return JSONResponse({"ended": await self._sessions.end_of(request.query_params.get("viewer", ""))})

    async def feed(self, request: Request) -> Response:
        """Frames one after the other, until they end or nobody watches."""
        feed = self._sessions.push(request.path_params["feed"])
        taking = asyncio.create_task(_take(request, feed))
        over = asyncio.create_task(feed.over.wait())
        try:
            await asyncio.wait((taking, over), return_when=asyncio.FIRST_COMPLETED)
        finally:
            taking.cancel()
            over.cancel()
            await asyncio.gather(taking, over, return_exceptions=True)
            self._sessions.pushed(feed)
        return JSONResponse({"over": feed.over.is_set()}, headers={"Connection": "close"})

    async def stop(self, _: Request) -> Response:
        self._stop()
        return JSONResponse({"stopping": True})


async def _take(request: Request, feed: Feed) -> None:
    reader = FrameReader()
    try:
        async for data in request.stream():
            for frame in reader.feed(data):
                feed.take(frame)
    except ClientDisconnect:
        return
    except ValueError as fault:
        logger("video").warning("a lower node's live view cannot be read", feed=feed.name, reason=str(fault))


def _source(wanted: Mapping[str, Any]) -> Own | Pushed:
    """Raises KeyError, TypeError."""
    if "feed" in wanted:
        return Pushed(str(wanted["feed"]))
    return Own(str(wanted["camera"]), str(wanted["stream"]), tuple(map(str, wanted["sockets"])))


def _fault(status: int) -> Callable[[Request, Exception], Response]:
    return lambda _, fault: _problem(status, str(fault))


def _problem(status: int, detail: str) -> Response:
    return JSONResponse({"detail": detail}, status_code=status)
