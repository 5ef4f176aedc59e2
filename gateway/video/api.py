"""The worker's HTTP API, for its core alone, over its Unix socket."""

import os
import resource
import time
from collections.abc import Callable
from json import JSONDecodeError
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway import __version__
from gateway.errors import DeviceError, Unreachable
from gateway.video.decoder import BadKeyframe, Decoder
from gateway.video.fleet import Fleet
from gateway.video.pictures import PictureDesk
from gateway.video.wire import health_to_json, orders_from_json

LONGEST_POLL_S = 30.0
WIDTHS = range(16, 7681)


class WorkerApi:
    """Handlers. ``stop`` ends the worker; ``heard`` is told of every request, so that an orphan knows it is one."""

    def __init__(
        self, fleet: Fleet, desk: PictureDesk, decoder: Decoder, stop: Callable[[], None], heard: Callable[[], None]
    ) -> None:
        self._fleet = fleet
        self._desk = desk
        self._decoder = decoder
        self._stop = stop
        self._heard = heard
        self._started = time.monotonic()

    def app(self) -> ASGIApp:
        frame = "/cameras/{camera}/keyframes/{frame}.jpg"
        routes = [
            Route("/alive", self.alive),
            Route("/cameras", self.put_cameras, methods=["PUT"]),
            Route("/health", self.health),
            Route("/cameras/{camera}/keyframes", self.keyframes),
            Route(frame, self.picture),
            Route("/figures", self.figures),
            Route("/stop", self.stop, methods=["POST"]),
        ]
        faults: Any = {Unreachable: _fault(503), BadKeyframe: _fault(422), DeviceError: _fault(503)}
        return _Listening(Starlette(routes=routes, exception_handlers=faults), self._heard)

    async def alive(self, _: Request) -> Response:
        return JSONResponse({"pid": os.getpid(), "version": __version__, "cameras": self._fleet.digest})

    async def put_cameras(self, request: Request) -> Response:
        """The camera list, whole: starts, stops and restarts only what differs."""
        try:
            orders = orders_from_json(await request.json())
        except (JSONDecodeError, UnicodeDecodeError):
            return _problem(400, "the camera list is not JSON")
        except ValueError as fault:
            return _problem(400, str(fault))
        applied = await self._fleet.apply(orders)
        return JSONResponse({"started": applied.started, "stopped": applied.stopped, "kept": applied.kept})

    async def health(self, request: Request) -> Response:
        """``?since=N&wait=S``: all cameras, once their version exceeds N or S seconds have passed."""
        try:
            since = int(request.query_params.get("since", "-1"))
            wait = float(request.query_params.get("wait", "0"))
            if not 0 <= wait <= LONGEST_POLL_S:
                raise ValueError
        except ValueError:
            return _problem(400, f"since is a whole number, wait 0 to {LONGEST_POLL_S:g} seconds")
        version = await self._fleet.changes.within(since, wait)
        return JSONResponse(
            {"version": version, "cameras": [health_to_json(health) for health in self._fleet.health()]}
        )

    async def keyframes(self, request: Request) -> Response:
        frames = self._fleet.keyframes(request.path_params["camera"])
        return JSONResponse([{"id": frame.id, "received_mono": frame.received_mono} for frame in frames])

    async def picture(self, request: Request) -> Response:
        text = request.query_params.get("width", "640")
        width = int(text) if text.isdecimal() and len(text) < 6 else 0
        if width not in WIDTHS:
            return _problem(400, f"width is a whole number from {WIDTHS.start} to {WIDTHS.stop - 1}")
        camera, name = request.path_params["camera"], request.path_params["frame"]
        frame = self._fleet.ring.get(camera, name)
        if frame is None:
            return _problem(404, f"keyframe {name} of camera {camera} is no longer held")
        picture = await self._desk.picture(frame, width)
        size = {"X-Width": str(picture.width), "X-Height": str(picture.height)}
        return Response(picture.jpeg, media_type="image/jpeg", headers=size)

    async def figures(self, _: Request) -> Response:
        used = resource.getrusage(resource.RUSAGE_SELF)
        health = self._fleet.health()
        states: dict[str, int] = {}
        for camera in health:
            states[camera.state] = states.get(camera.state, 0) + 1
        return JSONResponse(
            {
                "pid": os.getpid(),
                "uptime_s": round(time.monotonic() - self._started, 3),
                "cpu_s": used.ru_utime + used.ru_stime,
                "rss_bytes": _rss_bytes(),
                "cameras": states,
                "received_bytes": sum(camera.received_bytes for camera in health),
                "ring": {
                    "bytes": self._fleet.ring.bytes,
                    "keyframes": len(self._fleet.ring),
                    "dropped_over_budget": self._fleet.ring.dropped,
                },
                "pictures_cached_bytes": self._desk.bytes,
                "decoder": {
                    "pid": self._decoder.pid,
                    "decoded": self._decoder.decoded,
                    "failed": self._decoder.failed,
                    "deaths": self._decoder.deaths,
                },
            }
        )

    async def stop(self, _: Request) -> Response:
        self._stop()
        return JSONResponse({"stopping": True})


class _Listening:
    def __init__(self, app: ASGIApp, heard: Callable[[], None]) -> None:
        self._app = app
        self._heard = heard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._heard()
        await self._app(scope, receive, send)


def _fault(status: int) -> Callable[[Request, Exception], Response]:
    return lambda _, fault: _problem(status, str(fault))


def _problem(status: int, detail: str) -> Response:
    return JSONResponse({"detail": detail}, status_code=status)


def _rss_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as statm:  # noqa: PTH123 - one number, asked for often
        return int(statm.read().split()[1]) * resource.getpagesize()
