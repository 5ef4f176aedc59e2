"""The worker's API where what it asks takes long: the camera may be another one by the answer."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from starlette.requests import Request

from gateway.model import Mask, Picture
from gateway.video.api import WorkerApi
from gateway.video.devices.outbox import Outbox
from gateway.video.pictures.desk import PictureDesk
from gateway.video.wire import CameraOrder

OLD, NEW = (((0.0, 0.0), (1.0, 0.0), (1.0, 1.0)), ((0.0, 0.0), (0.5, 0.0), (0.5, 0.5)))
CAMERA = CameraOrder("a", "rtsp://10.0.0.5/main", masks=(OLD,))
ELSEWHERE = replace(CAMERA, main="rtsp://10.0.0.6/main", masks=(NEW,))


@dataclass
class Painter:
    """A decoder that notes the masks of each picture."""

    masks: list[tuple[Mask, ...]] = field(default_factory=list)

    async def picture(self, payload: bytes, codec: str, width: int, masks: Sequence[Mask]) -> Picture:
        self.masks.append(tuple(masks))
        return Picture(b"jpeg", width, width)


@dataclass
class Snapshots:
    """A device whose answer is on its way while ``meanwhile`` happens."""

    meanwhile: Callable[[], Any]

    async def picture(self, camera_id: str) -> bytes:
        await self.meanwhile()
        return b"jpeg"


@dataclass
class RosterOf:
    fleet: Any
    abilities: Any
    outbox: Outbox = field(default_factory=Outbox)


def asked(camera: str) -> Request:
    scope = {"type": "http", "path_params": {"camera": camera}, "query_string": b"width=320", "headers": []}
    return Request(scope)


@pytest.fixture
async def painter(stage: Any) -> Painter:
    await stage.fleet.apply([CAMERA])
    (await stage.line(0)).shows(stage.clock.mono())
    return Painter()


def api_of(stage: Any, painter: Painter, meanwhile: Callable[[], Any]) -> WorkerApi:
    unused: Any = None
    roster: Any = RosterOf(stage.fleet, Snapshots(meanwhile))
    return WorkerApi(roster, PictureDesk(painter), unused, unused, unused, unused, unused)


async def test_a_devices_own_picture_is_painted_with_the_masks_of_when_it_was_asked_too(stage, painter) -> None:
    await api_of(stage, painter, lambda: stage.fleet.apply([ELSEWHERE])).device_picture(asked("a"))
    assert set(painter.masks[0]) == {OLD, NEW}


async def test_so_is_a_picture_of_the_main_stream(stage, painter, monkeypatch) -> None:
    keyframe = stage.fleet.main_keyframe

    async def slow(camera_id: str) -> Any:
        found = await keyframe(camera_id)
        await stage.fleet.apply([ELSEWHERE])
        return found

    monkeypatch.setattr(stage.fleet, "main_keyframe", slow)
    await api_of(stage, painter, lambda: asyncio.sleep(0)).main_picture(asked("a"))
    assert set(painter.masks[0]) == {OLD, NEW}


async def test_masks_that_did_not_change_are_painted_once(stage, painter) -> None:
    await api_of(stage, painter, lambda: asyncio.sleep(0)).device_picture(asked("a"))
    assert painter.masks == [(OLD,)]
