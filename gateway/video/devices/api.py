"""The part of the worker's HTTP API that is about cameras as ONVIF devices."""

import asyncio
import math
import time
from collections.abc import Sequence
from json import JSONDecodeError
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.model import DeviceSignal, Preset, PtzMove
from gateway.video.devices.outbox import Outbox
from gateway.video.devices.wire import move_from_json, remark_to_json, signal_to_json

LONGEST_POLL_S = 30.0
BATCH = 256
"""So many at once: a commit of the core is then a few milliseconds, and neither loop stands still over one answer."""
HELPING_S = 0.04
"""What a busy village notices is told in helpings, no closer than this: an answer for each event cost a quarter of all that
hearing costs. The first after a quiet moment goes at once."""


class Domes(Protocol):
    """The cameras that can be moved. Every call raises DeviceError."""

    async def presets(self, camera_id: str) -> Sequence[Preset]: ...
    async def go_to_preset(self, camera_id: str, preset: str) -> None: ...
    async def move(self, camera_id: str, move: PtzMove) -> None: ...
    async def stop_moving(self, camera_id: str) -> None: ...


class DeviceApi:
    """Handlers, for the worker's core alone."""

    def __init__(self, outbox: Outbox, domes: Domes) -> None:
        self._outbox = outbox
        self._domes = domes
        self._told_mono = -math.inf

    def routes(self) -> list[Route]:
        return [
            Route("/signals", self.signals),
            Route("/cameras/{camera}/presets", self.presets),
            Route("/cameras/{camera}/preset", self.go_to_preset, methods=["POST"]),
            Route("/cameras/{camera}/move", self.move, methods=["POST"]),
            Route("/cameras/{camera}/move", self.stop_moving, methods=["DELETE"]),
        ]

    async def signals(self, request: Request) -> Response:
        """``?run=R&after=N&wait=S``: what was heard after position N of run R, once there is anything or S seconds have
        passed. Asking so says that all up to N is on disk. ``next`` is the position to ask from then."""
        try:
            after = int(request.query_params.get("after", "0"))
            wait = float(request.query_params.get("wait", "0"))
            if after < 0 or not 0 <= wait <= LONGEST_POLL_S:
                raise ValueError
        except ValueError:
            return _problem(f"after is a whole number from 0, wait 0 to {LONGEST_POLL_S:g} seconds")
        outbox, run = self._outbox, request.query_params.get("run")
        seen = outbox.changes.count
        if not outbox.has_after(run, after):
            outbox.after(run, after, 0)
            await outbox.changes.within(seen, wait)
        since = time.monotonic() - self._told_mono
        if since < HELPING_S:
            await asyncio.sleep(HELPING_S - since)
        batch = outbox.after(run, after, BATCH)
        if batch.items:
            self._told_mono = time.monotonic()
        signals: list[dict[str, Any]] = []
        remarks: list[dict[str, Any]] = []
        for item in batch.items:
            if isinstance(item, DeviceSignal):
                signals.append(signal_to_json(item))
            else:
                remarks.append(remark_to_json(item))
        return JSONResponse({"run": outbox.run, "signals": signals, "remarks": remarks, "next": batch.next})

    async def presets(self, request: Request) -> Response:
        found = await self._domes.presets(_camera(request))
        return JSONResponse([{"token": preset.token, "name": preset.name} for preset in found])

    async def go_to_preset(self, request: Request) -> Response:
        """``{"preset": token or name}``."""
        wanted = await _object(request)
        preset = None if wanted is None else wanted.get("preset")
        if not isinstance(preset, str) or not preset:
            return _problem("preset is the token or the name of a preset")
        await self._domes.go_to_preset(_camera(request), preset)
        return JSONResponse({"moving": True})

    async def move(self, request: Request) -> Response:
        """``{"pan","tilt","zoom","seconds"}``."""
        try:
            move = move_from_json(await _object(request))
        except ValueError as fault:
            return _problem(str(fault))
        await self._domes.move(_camera(request), move)
        return JSONResponse({"moving": True})

    async def stop_moving(self, request: Request) -> Response:
        await self._domes.stop_moving(_camera(request))
        return JSONResponse({"moving": False})


def _camera(request: Request) -> str:
    return str(request.path_params["camera"])


async def _object(request: Request) -> dict[str, Any] | None:
    try:
        value = await request.json()
    except (JSONDecodeError, UnicodeDecodeError):
        return None
    return value if isinstance(value, dict) else None


def _problem(detail: str) -> Response:
    return JSONResponse({"detail": detail}, status_code=400)
