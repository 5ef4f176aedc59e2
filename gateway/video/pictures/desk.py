"""Pictures of keyframes, made on demand: each once, however many ask."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from typing import Protocol

from gateway.model import Mask, Picture
from gateway.video.decoder.decoder import BadKeyframe
from gateway.video.pictures.ring import StoredKeyframe

CACHE_BYTES = 16 * 1024 * 1024
REMEMBERED_FAILURES = 256

Key = tuple[str, int, tuple[Mask, ...]]


class PictureMaker(Protocol):
    async def picture(self, payload: bytes, codec: str, width: int, masks: Sequence[Mask]) -> Picture: ...


class PictureDesk:
    """A small cache (bytes) before the decoder, keyed by keyframe, width and masks: what a mask hides is hidden at
    once, also of pictures that were made before. A keyframe that failed is not tried again."""

    def __init__(self, decoder: PictureMaker, cache_bytes: int = CACHE_BYTES) -> None:
        self._decoder = decoder
        self._budget = cache_bytes
        self._cached: OrderedDict[Key, Picture] = OrderedDict()
        self._failed: OrderedDict[str, str] = OrderedDict()
        self._under_way: dict[Key, asyncio.Task[Picture]] = {}
        self.bytes = 0

    async def picture(self, frame: StoredKeyframe, width: int, masks: tuple[Mask, ...] = ()) -> Picture:
        """Raises DeviceError."""
        key = (frame.id, width, masks)
        if key in self._cached:
            self._cached.move_to_end(key)
            return self._cached[key]
        if frame.id in self._failed:
            raise BadKeyframe(self._failed[frame.id])
        task = self._under_way.get(key)
        if task is None:
            task = self._under_way[key] = asyncio.create_task(self._make(frame, width, masks))
            task.add_done_callback(lambda done: self._finished(key, done))
        # One asker going away must not take the picture from the others.
        return await asyncio.shield(task)

    async def close(self) -> None:
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _make(self, frame: StoredKeyframe, width: int, masks: tuple[Mask, ...]) -> Picture:
        return await self._decoder.picture(frame.payload, frame.codec, width, masks)

    def _finished(self, key: Key, task: asyncio.Task[Picture]) -> None:
        del self._under_way[key]
        if task.cancelled():
            return
        fault = task.exception()
        if fault is None:
            self._keep(key, task.result())
        elif isinstance(fault, BadKeyframe):
            self._failed[key[0]] = str(fault)
            if len(self._failed) > REMEMBERED_FAILURES:
                self._failed.popitem(last=False)

    def _keep(self, key: Key, picture: Picture) -> None:
        self._cached[key] = picture
        self.bytes += len(picture.jpeg)
        while self.bytes > self._budget:
            _, dropped = self._cached.popitem(last=False)
            self.bytes -= len(dropped.jpeg)
