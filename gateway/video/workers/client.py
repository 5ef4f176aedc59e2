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
from gateway.model import (
    CameraHealth,
    DeviceHealth,
    DeviceRemark,
    DeviceSignal,
    Footage,
    Keyframe,
    Picture,
    Preset,
    PtzMove,
)
from gateway.video.devices.wire import device_from_json, move_to_json, remark_from_json, signal_from_json
from gateway.video.diagnosis.wire import (
    Look,
    PatrolOrder,
    Report,
    look_from_json,
    order_to_json,
    report_from_json,
)
from gateway.video.wire import CameraFigures, CameraOrder, Refused, camera_list_to_json, health_from_json

ANSWER_S = 5.0
"""For everything that needs no decoding: a worker that is alive answers within milliseconds."""
PICTURE_S = 15.0
"""Some pictures may wait before this one, and one of them may use up the decoder's own deadline."""
MAIN_S = 25.0
"""A main stream may have to be dialled first, and waited for until its next keyframe."""
FOOTAGE_S = 60.0
"""Some clips may wait before this one; each is made within the muxer's own deadline."""
DEVICE_S = 25.0
"""A device may have to be asked first what it offers, which takes seconds; then each of its answers has its own deadline."""
POLL_GRACE_S = 15.0
"""A long poll that is this much overdue comes from a worker that hangs."""


@dataclass(frozen=True, slots=True)
class Alive:
    """Which process answers, of which version of the gateway it is, and what it speaks (``wire.SPEAKS``)."""

    pid: int
    version: str
    speaks: int


@dataclass(frozen=True, slots=True)
class HealthReport:
    """The cameras that changed up to ``version``; ``more``: others changed too, ask again from there at once."""

    version: int
    cameras: tuple[CameraHealth, ...]
    more: bool = False
    devices: tuple[DeviceHealth, ...] = ()


@dataclass(frozen=True, slots=True)
class Heard:
    """What cameras noticed, and what was done to them, after a position of the worker's ``run``. Asking from ``next``
    acknowledges it."""

    run: str
    next: int
    signals: tuple[DeviceSignal, ...]
    remarks: tuple[DeviceRemark, ...]


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
        return Alive(int(answer["pid"]), str(answer.get("version")), int(answer.get("speaks", 0)))

    async def put_cameras(self, orders: Sequence[CameraOrder], refused: Refused | None = None) -> None:
        """Make these the worker's cameras. ``refused``: those whose credential was refused before, with the reason."""
        await self._json("PUT", "/cameras", 4 * ANSWER_S, content=camera_list_to_json(orders, refused or Refused()))

    async def retry(self, camera_id: str) -> None:
        """One more attempt with the credential that was refused. Raises DeviceError."""
        await self._json("POST", f"{_path(camera_id)}/retry", ANSWER_S)

    async def retry_all(self, camera_ids: Sequence[str]) -> None:
        """One more attempt for each login among these cameras, however many of them share it."""
        await self._json("POST", "/retry", ANSWER_S, content=list(camera_ids))

    async def health(self, seen: int, wait_s: float) -> HealthReport:
        """The cameras that changed after version ``seen``, once there are any or ``wait_s`` seconds have passed."""
        path = f"/health?since={seen}&wait={wait_s:g}"
        answer = await self._json("GET", path, wait_s + POLL_GRACE_S)
        return HealthReport(
            answer["version"],
            tuple(health_from_json(item) for item in answer["cameras"]),
            bool(answer["more"]),
            tuple(device_from_json(item) for item in answer["devices"]),
        )

    async def signals(self, run: str, after: int, wait_s: float) -> Heard:
        """What came after this position of this run, once there is anything or ``wait_s`` seconds have passed. All up to it
        must be on disk: the worker lets go of it."""
        path = f"/signals?run={quote(run, safe='')}&after={after}&wait={wait_s:g}"
        answer = await self._json("GET", path, wait_s + POLL_GRACE_S)
        return Heard(
            answer["run"],
            answer["next"],
            tuple(signal_from_json(item) for item in answer["signals"]),
            tuple(remark_from_json(item) for item in answer["remarks"]),
        )

    async def device_picture(self, camera_id: str, width: int) -> tuple[Keyframe, Picture]:
        """A picture of now from the device's snapshot address. Raises DeviceError."""
        return await self._picture_of_now(f"{_path(camera_id)}/device.jpg?width={width}", DEVICE_S)

    async def presets(self, camera_id: str) -> list[Preset]:
        answer = await self._json("GET", f"{_path(camera_id)}/presets", DEVICE_S)
        return [Preset(item["token"], item["name"]) for item in answer]

    async def go_to_preset(self, camera_id: str, preset: str) -> None:
        await self._json("POST", f"{_path(camera_id)}/preset", DEVICE_S, content={"preset": preset})

    async def move(self, camera_id: str, move: PtzMove) -> None:
        await self._json("POST", f"{_path(camera_id)}/move", DEVICE_S, content=move_to_json(move))

    async def stop_moving(self, camera_id: str) -> None:
        await self._json("DELETE", f"{_path(camera_id)}/move", DEVICE_S)

    async def order_diagnosis(self, order: PatrolOrder) -> None:
        """Patrol so from now on."""
        await self._json("PUT", "/diagnosis", ANSWER_S, content=order_to_json(order))

    async def diagnosis(self, camera_id: str) -> Report:
        return report_from_json(await self._json("GET", f"{_path(camera_id)}/diagnosis", ANSWER_S))

    async def look(self, camera_id: str) -> Look:
        """Have its newest picture looked at now. Raises DeviceError."""
        return look_from_json(await self._json("POST", f"{_path(camera_id)}/diagnosis", PICTURE_S))

    async def set_reference(self, camera_id: str, by: str) -> Report:
        """What it shows now is what it is to show. Raises DeviceError."""
        path = f"{_path(camera_id)}/reference?by={quote(by, safe='')}"
        return report_from_json(await self._json("PUT", path, PICTURE_S))

    async def forget_reference(self, camera_id: str) -> bool:
        """Whether there was one."""
        answer = await self._json("DELETE", f"{_path(camera_id)}/reference", ANSWER_S)
        return bool(answer["forgotten"])

    async def health_figures(self) -> dict[str, CameraFigures]:
        """Of every camera what changes all the time."""
        answer = await self._json("GET", "/health/figures", ANSWER_S)
        return {camera: CameraFigures(*figures) for camera, figures in answer.items()}

    async def keyframes(self, camera_id: str) -> list[Keyframe]:
        answer = await self._json("GET", f"{_path(camera_id)}/keyframes", ANSWER_S)
        return [Keyframe(item["id"], item["received_mono"]) for item in answer]

    async def picture(self, camera_id: str, keyframe_id: str, width: int) -> Picture:
        """Raises DeviceError, also for a keyframe that is gone or cannot be decoded."""
        path = f"{_path(camera_id)}/keyframes/{quote(keyframe_id, safe='')}.jpg?width={width}"
        async with self._answer("GET", path, PICTURE_S) as response:
            return await _picture(response)

    async def main_picture(self, camera_id: str, width: int) -> tuple[Keyframe, Picture]:
        """The newest keyframe of the main stream. Raises DeviceError."""
        return await self._picture_of_now(f"{_path(camera_id)}/main.jpg?width={width}", MAIN_S)

    async def hold(self, camera_id: str, from_mono: float, until_mono: float) -> None:
        """Keep the complete video of this span as far as it is here or will come. Raises DeviceError."""
        span = {"from": from_mono, "until": until_mono}
        await self._json("POST", f"{_path(camera_id)}/hold", ANSWER_S, content=span)

    async def footage(self, camera_id: str, from_mono: float, to_mono: float) -> Footage:
        """What is kept of this span, as MP4. Raises DeviceError."""
        path = f"{_path(camera_id)}/clip.mp4?from={from_mono!r}&to={to_mono!r}"
        async with self._answer("GET", path, FOOTAGE_S) as response:
            headers = response.headers
            mp4 = await response.read()
            return Footage(mp4, float(headers["X-From"]), float(headers["X-To"]), headers["X-Codec"])

    async def figures(self) -> dict[str, Any]:
        answer: dict[str, Any] = await self._json("GET", "/figures", ANSWER_S)
        return answer

    async def stop(self) -> None:
        await self._json("POST", "/stop", 1.0)

    async def _picture_of_now(self, path: str, within_s: float) -> tuple[Keyframe, Picture]:
        async with self._answer("GET", path, within_s) as response:
            headers = response.headers
            return Keyframe(headers["X-Id"], float(headers["X-Received-Mono"])), await _picture(response)

    async def _json(self, method: str, path: str, within_s: float, content: object = None) -> Any:
        async with self._answer(method, path, within_s, content) as response:
            return await response.json()

    @asynccontextmanager
    async def _answer(
        self, method: str, path: str, within_s: float, content: object = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        if self._session.closed:  # aiohttp would raise RuntimeError, which is for faults in our own code
            raise Unreachable("the video worker does not answer: the connection to it was given up")
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


def _path(camera_id: str) -> str:
    return f"/cameras/{quote(camera_id, safe='')}"


async def _picture(response: aiohttp.ClientResponse) -> Picture:
    jpeg = await response.read()
    return Picture(jpeg, int(response.headers["X-Width"]), int(response.headers["X-Height"]))


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
