"""The worker's HTTP API, for its core alone, over its Unix socket."""

import asyncio
import math
import os
import resource
import time
from collections.abc import AsyncIterator, Callable, Sequence
from json import JSONDecodeError
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway import __version__
from gateway.errors import DeviceError, Unreachable
from gateway.model import Mask
from gateway.ports import AccessUnit
from gateway.video.cameras.fleet import joined
from gateway.video.decoder.decoder import BadKeyframe, Decoder
from gateway.video.decoder.muxer import Muxer
from gateway.video.devices.api import DeviceApi
from gateway.video.devices.wire import device_to_json
from gateway.video.diagnosis.api import DiagnosisApi
from gateway.video.diagnosis.patrol import Patrol
from gateway.video.live.tap import Reader
from gateway.video.pictures.desk import PictureDesk
from gateway.video.pictures.ring import StoredKeyframe
from gateway.video.roster import Roster
from gateway.video.wire import SPEAKS, camera_list_from_json, figures_to_json, health_to_json

LONGEST_POLL_S = 30.0
HEALTH_BATCH = 256
"""A thousand cameras that change at once are told in parts, so that neither side's loop stands still over one answer."""
WIDTHS = range(16, 7681)
LONGEST_SPAN_S = 900.0
"""Of a clip, and how far ahead one may be held: a mistaken request must not record for ever."""


class WorkerApi:
    """Handlers. ``stop`` ends the worker; ``heard`` is told of every request, so that an orphan knows it is one."""

    def __init__(
        self,
        roster: Roster,
        desk: PictureDesk,
        decoder: Decoder,
        muxer: Muxer,
        stop: Callable[[], None],
        heard: Callable[[], None],
        patrol: Patrol,
    ) -> None:
        self._patrol = patrol
        self._roster = roster
        self._fleet = roster.fleet
        self._device_api = DeviceApi(roster.outbox, roster.abilities)
        self._desk = desk
        self._decoder = decoder
        self._muxer = muxer
        self._stop = stop
        self._heard = heard
        self._started = time.monotonic()

    def app(self) -> ASGIApp:
        frame = "/cameras/{camera}/keyframes/{frame}.jpg"
        routes = [
            Route("/alive", self.alive),
            Route("/cameras", self.put_cameras, methods=["PUT"]),
            Route("/health", self.health),
            Route("/health/figures", self.health_figures),
            Route("/cameras/{camera}/keyframes", self.keyframes),
            Route(frame, self.picture),
            Route("/cameras/{camera}/main.jpg", self.main_picture),
            Route("/cameras/{camera}/device.jpg", self.device_picture),
            *self._device_api.routes(),
            *DiagnosisApi(self._patrol).routes(),
            Route("/cameras/{camera}/hold", self.hold, methods=["POST"]),
            Route("/cameras/{camera}/clip.mp4", self.clip),
            Route("/cameras/{camera}/units", self.units),
            Route("/cameras/{camera}/retry", self.retry, methods=["POST"]),
            Route("/retry", self.retry_all, methods=["POST"]),
            Route("/figures", self.figures),
            Route("/stop", self.stop, methods=["POST"]),
        ]
        faults: Any = {Unreachable: _fault(503), BadKeyframe: _fault(422), DeviceError: _fault(503)}
        return _Listening(Starlette(routes=routes, exception_handlers=faults), self._heard)

    async def alive(self, _: Request) -> Response:
        return JSONResponse(
            {"pid": os.getpid(), "version": __version__, "speaks": SPEAKS, "cameras": self._fleet.digest}
        )

    async def put_cameras(self, request: Request) -> Response:
        """The camera list, whole: starts, stops and restarts only what differs."""
        try:
            orders, refused = camera_list_from_json(await request.json())
        except (JSONDecodeError, UnicodeDecodeError):
            return _problem(400, "the camera list is not JSON")
        except ValueError as fault:
            return _problem(400, str(fault))
        applied = await self._roster.apply(orders, refused)
        return JSONResponse({"started": applied.started, "stopped": applied.stopped, "kept": applied.kept})

    async def health(self, request: Request) -> Response:
        """``?since=N&wait=S``: the cameras that changed after version N, once there are any or S seconds have passed.
        ``more``: there are others, to be asked for from the version of this answer on."""
        try:
            since = int(request.query_params.get("since", "-1"))
            wait = float(request.query_params.get("wait", "0"))
            if not 0 <= wait <= LONGEST_POLL_S:
                raise ValueError
        except ValueError:
            return _problem(400, f"since is a whole number, wait 0 to {LONGEST_POLL_S:g} seconds")
        await self._fleet.changes.within(since, wait)
        version, changed = self._fleet.health_since(since, HEALTH_BATCH)
        more = version < self._fleet.changes.count
        devices = self._roster.health([health.camera_id for health in changed])
        return JSONResponse(
            {
                "version": version,
                "more": more,
                "cameras": [health_to_json(health) for health in changed],
                "devices": [device_to_json(health) for health in devices],
            }
        )

    async def health_figures(self, _: Request) -> Response:
        """Of every camera what changes all the time: see ``wire.CameraFigures``."""
        heard = self._roster.devices.last_event_at
        return JSONResponse(
            {health.camera_id: figures_to_json(health, heard(health.camera_id)) for health in self._fleet.health()}
        )

    async def keyframes(self, request: Request) -> Response:
        frames = self._fleet.keyframes(request.path_params["camera"])
        return JSONResponse([{"id": frame.id, "received_mono": frame.received_mono} for frame in frames])

    async def picture(self, request: Request) -> Response:
        width = _width(request)
        if width is None:
            return _wrong_width()
        camera, name = request.path_params["camera"], request.path_params["frame"]
        frame = self._fleet.ring.get(camera, name) or self._patrol.evidence(camera, name)
        if frame is None:
            return _problem(404, f"keyframe {name} of camera {camera} is no longer held")
        return await self._picture(frame, width)

    async def main_picture(self, request: Request) -> Response:
        """A keyframe of now of the main stream. ``X-Id`` and ``X-Received-Mono`` name it."""
        width = _width(request)
        if width is None:
            return _wrong_width()
        camera = request.path_params["camera"]
        before = self._fleet.masks(camera)
        return await self._picture(await self._fleet.main_keyframe(camera), width, before)

    async def device_picture(self, request: Request) -> Response:
        """A picture of now from the device's snapshot address, made smaller by the decoder as every other one."""
        width = _width(request)
        if width is None:
            return _wrong_width()
        camera = request.path_params["camera"]
        before = self._fleet.masks(camera)
        jpeg = await self._roster.abilities.picture(camera)
        unit = AccessUnit(camera, time.monotonic(), True, "mjpeg", jpeg)
        return await self._picture(self._fleet.ring.name(unit), width, before)

    async def hold(self, request: Request) -> Response:
        """``{"from","until"}``, CLOCK_MONOTONIC seconds: a clip of this span will be asked for."""
        try:
            span = await request.json()
            start, until = _span(span["from"], span["until"])
        except (JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, ValueError):
            return _wrong_span()
        self._fleet.hold(request.path_params["camera"], start, until)
        return JSONResponse({"held": True})

    async def clip(self, request: Request) -> Response:
        """``?from=&to=``: what is kept of this span as MP4. ``X-From`` and ``X-To`` are the true times, ``X-Codec`` h264 or
        h265."""
        try:
            start, until = _span(request.query_params["from"], request.query_params["to"])
        except (KeyError, ValueError):
            return _wrong_span()
        camera, recorder = request.path_params["camera"], self._fleet.recorder
        mp4 = await self._muxer.clip(lambda: recorder.cut(camera, start, until))
        headers = {
            "X-From": repr(mp4.from_mono),
            "X-To": repr(mp4.to_mono),
            "X-Codec": mp4.codec,
            "Content-Length": str(sum(map(len, mp4.pieces))),
        }
        return StreamingResponse(_each(mp4.pieces), media_type="video/mp4", headers=headers)

    async def units(self, request: Request) -> Response:
        """``?stream=sub|main``: its access units as they come, until either hangs up: see ``live.frames``."""
        stream = request.query_params.get("stream", "sub")
        if stream not in ("sub", "main"):
            return _problem(400, "stream is sub or main")
        return _Units(await self._fleet.tap(request.path_params["camera"], stream))

    async def retry(self, request: Request) -> Response:
        """One more attempt with a credential that was refused."""
        self._roster.retry(request.path_params["camera"])
        return JSONResponse({"retrying": True})

    async def retry_all(self, request: Request) -> Response:
        """A list of ids. All are released before any dials, so that 64 channels with one login make one attempt of it: a
        second refusal stops the others again."""
        try:
            wanted = await request.json()
        except (JSONDecodeError, UnicodeDecodeError):
            return _problem(400, "the list of cameras is not JSON")
        if not isinstance(wanted, list):
            return _problem(400, "a list of camera ids is accepted")
        known = {health.camera_id for health in self._fleet.health()}
        retried = [name for name in wanted if isinstance(name, str) and name in known]
        for name in retried:
            self._roster.retry(name)
        return JSONResponse({"retrying": len(retried)})

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
                "tasks": len(asyncio.all_tasks()),
                "cameras": states,
                "dials": {"under_way": self._fleet.governor.under_way, "waiting": self._fleet.governor.waiting},
                "devices": self._roster.devices.figures(),
                "signals": {"waiting": len(self._roster.outbox), "dropped": self._roster.outbox.dropped},
                "received_bytes": sum(camera.received_bytes for camera in health),
                "ring": {
                    "bytes": self._fleet.ring.bytes,
                    "keyframes": len(self._fleet.ring),
                    "dropped_over_budget": self._fleet.ring.dropped,
                },
                "recorder": {"bytes": self._fleet.recorder.bytes, "dropped_over_budget": self._fleet.recorder.dropped},
                "taps": dict(zip(("readers", "dropped"), self._fleet.tapped(), strict=True)),
                "diagnosis": self._patrol.figures(),
                "pictures_cached_bytes": self._desk.bytes,
                "decoder": {
                    "pid": self._decoder.pid,
                    "decoded": self._decoder.decoded,
                    "failed": self._decoder.failed,
                    "deaths": self._decoder.deaths,
                },
                "muxer": {"pid": self._muxer.pid, "made": self._muxer.made, "failed": self._muxer.failed},
            }
        )

    async def _picture(self, frame: StoredKeyframe, width: int, before: tuple[Mask, ...] = ()) -> Response:
        """``before``: the masks when the picture was asked for; the camera may have another address since then."""
        masks = joined(before, self._fleet.masks(frame.camera_id))
        picture = await self._desk.picture(frame, width, masks)
        headers = {
            "X-Width": str(picture.width),
            "X-Height": str(picture.height),
            "X-Id": frame.id,
            "X-Received-Mono": repr(frame.received_mono),
        }
        return Response(picture.jpeg, media_type="image/jpeg", headers=headers)

    async def stop(self, _: Request) -> Response:
        self._stop()
        return JSONResponse({"stopping": True})


class _Units(StreamingResponse):
    """Sends what a reader reads, and closes it whatever ends it."""

    def __init__(self, reader: Reader) -> None:
        super().__init__(self._frames(), media_type="application/octet-stream")
        self._reader = reader

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._reader.close()

    async def _frames(self) -> AsyncIterator[bytes]:
        while frames := await self._reader.read():
            yield frames


class _Listening:
    def __init__(self, app: ASGIApp, heard: Callable[[], None]) -> None:
        self._app = app
        self._heard = heard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._heard()
        await self._app(scope, receive, send)


def _width(request: Request) -> int | None:
    text = request.query_params.get("width", "640")
    width = int(text) if text.isdecimal() and len(text) < 6 else 0
    return width if width in WIDTHS else None


def _wrong_width() -> Response:
    return _problem(400, f"width is a whole number from {WIDTHS.start} to {WIDTHS.stop - 1}")


def _span(start: object, until: object) -> tuple[float, float]:
    """Raises ValueError, TypeError."""
    if not isinstance(start, str | int | float) or not isinstance(until, str | int | float):
        raise TypeError
    first, last = float(start), float(until)
    ahead = last - time.monotonic()
    if not math.isfinite(first) or not 0 < last - first <= LONGEST_SPAN_S or ahead > LONGEST_SPAN_S:
        raise ValueError
    return first, last


def _wrong_span() -> Response:
    return _problem(400, f"a span is two times of CLOCK_MONOTONIC, at most {LONGEST_SPAN_S:g} s long and ahead")


async def _each(pieces: Sequence[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def _fault(status: int) -> Callable[[Request, Exception], Response]:
    return lambda _, fault: _problem(status, str(fault))


def _problem(status: int, detail: str) -> Response:
    return JSONResponse({"detail": detail}, status_code=status)


def _rss_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as statm:  # noqa: PTH123 - one number, asked for often
        return int(statm.read().split()[1]) * resource.getpagesize()
