"""This node's cameras as a view from above sees them: a gateway.ports.Views."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from pathlib import Path

from gateway.errors import DeviceError
from gateway.ports import VideoService
from gateway.video.live.frames import encode
from gateway.video.live.worker_feed import frames

STILL_WIDTH = 1280
STILL_S = 10.0


class WorkerViews:
    """Asks the video workers. ``sockets``: where they listen, the one of that camera first."""

    def __init__(self, video: VideoService, sockets: Callable[[str], Sequence[Path]]) -> None:
        self._video = video
        self._sockets = sockets

    async def units(self, camera_id: str, stream: str) -> AsyncIterator[bytes]:
        sockets = [os.fspath(path) for path in self._sockets(camera_id)]
        async with aclosing(frames(sockets, camera_id, stream)) as units:
            async for frame in units:
                yield encode(frame)

    async def still(self, camera_id: str) -> bytes:
        try:
            async with asyncio.timeout(STILL_S):
                keyframes = await self._video.keyframes(camera_id)
                if not keyframes:
                    raise DeviceError(f"camera {camera_id} has shown no picture yet")
                picture = await self._video.picture(camera_id, keyframes[-1].id, STILL_WIDTH)
                return picture.jpeg
        except TimeoutError:
            raise DeviceError(f"the picture of camera {camera_id} did not come within {STILL_S:g} s") from None
