"""The core's side of a worker's HTTP API."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import aiohttp

from gateway.errors import DeviceError, Unreachable
from gateway.model import CameraHealth, Keyframe, Picture
from gateway.video.wire import CameraOrder, health_from_json, orders_to_json

ANSWER_S = 5.0
"""For everything that needs no decoding: a worker that is alive answers within milliseconds."""
PICTURE_S = 15.0
"""Some pictures may wait before this one, and one of them may use up the decoder's own deadline."""
POLL_GRACE_S = 15.0
"""A long poll that is this much overdue comes from a worker that hangs."""


@dataclass(frozen=True, slots=True)
class Alive:
    """Which process answers, and of which version of the gateway it is."""

    pid: int
    version: str


@dataclass(frozen=True, slots=True)
class HealthReport:
    version: int
    cameras: tuple[CameraHealth, ...]


class WorkerClient:
    """Talks to the worker on ``socket``. Every call has a deadline and raises Unreachable when it is not answered.

    Use as an async context manager, inside a running loop.
    """

    def __init__(self, socket: Path) -> None:
        self._session = aiohttp.ClientSession(
            "http://worker", connector=aiohttp.UnixConnector(path=str(socket)), auto_decompress=False
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def alive(self) -> Alive:
        answer = await self._json("GET", "/alive", ANSWER_S)
        return Alive(int(answer["pid"]), str(answer.get("version")))

    async def put_cameras(self, orders: Sequence[CameraOrder]) -> None:
        await self._json("PUT", "/cameras", 4 * ANSWER_S, content=orders_to_json(orders))

    async def health(self, seen: int, wait_s: float) -> HealthReport:
        """All cameras, once the version exceeds ``seen`` or ``wait_s`` seconds have passed."""
        path = f"/health?since={seen}&wait={wait_s:g}"
        answer = await self._json("GET", path, wait_s + POLL_GRACE_S)
        return HealthReport(answer["version"], tuple(health_from_json(item) for item in answer["cameras"]))

    async def keyframes(self, camera_id: str) -> list[Keyframe]:
        answer = await self._json("GET", f"/cameras/{quote(camera_id, safe='')}/keyframes", ANSWER_S)
        return [Keyframe(item["id"], item["received_mono"]) for item in answer]

    async def picture(self, camera_id: str, keyframe_id: str, width: int) -> Picture:
        """Raises DeviceError, also for a keyframe that is gone or cannot be decoded."""
        path = f"/cameras/{quote(camera_id, safe='')}/keyframes/{quote(keyframe_id, safe='')}.jpg?width={width}"
        async with self._answer("GET", path, PICTURE_S) as response:
            jpeg = await response.read()
            return Picture(jpeg, int(response.headers["X-Width"]), int(response.headers["X-Height"]))

    async def figures(self) -> dict[str, Any]:
        answer: dict[str, Any] = await self._json("GET", "/figures", ANSWER_S)
        return answer

    async def stop(self) -> None:
        await self._json("POST", "/stop", 1.0)

    async def _json(self, method: str, path: str, within_s: float, content: object = None) -> Any:
        async with self._answer(method, path, within_s, content) as response:
            return await response.json()

    @asynccontextmanager
    async def _answer(
        self, method: str, path: str, within_s: float, content: object = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        deadline = aiohttp.ClientTimeout(total=within_s)
        try:
            async with self._session.request(method, path, json=content, timeout=deadline) as response:
                if response.status >= 400:
                    raise _fault(response.status, await response.text())
                yield response
        except TimeoutError:
            raise Unreachable(f"the video worker did not answer within {within_s:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise Unreachable(f"the video worker does not answer: {error}") from None


def _fault(status: int, body: str) -> DeviceError:
    detail = _detail(body) or f"the video worker answered {status}"
    return Unreachable(detail) if status == 503 else DeviceError(detail)


def _detail(body: str) -> str | None:
    try:
        value = json.loads(body)
    except ValueError:
        return None
    detail = value.get("detail") if isinstance(value, dict) else None
    return detail if isinstance(detail, str) else None
