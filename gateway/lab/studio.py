"""The pictures that faults ask for, encoded when one first does and then shared by all cameras that have it."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import cv2
import numpy as np

from gateway.lab.encoder import Clip, Coding, encode_clip
from gateway.lab.feeds import ClipFeed, Feed, Packeted, SoundFeed
from gateway.lab.lenses import LENSES
from gateway.lab.scenes import painter
from gateway.model import Scene

KINDS = ("frozen", "repeated", "slices", "aggregated", "refresh", "h265", "mjpeg", "sound", *LENSES)
_JPEG_PICTURES = 10
_SETTLED = 24


class Studio:
    """Feeds of every kind but the usual one, for streams of one coding. Get one ready before it is shown."""

    def __init__(self, coding: Coding, *, seconds: float = 4.0) -> None:
        self._coding, self._seconds = replace(coding, preset="ultrafast"), seconds
        self._feeds: dict[str, Feed] = {}
        self._turn = asyncio.Lock()

    async def ready(self, kind: str) -> Feed:
        """The feed of a kind; encodes it the first time (in a thread, a second or so)."""
        async with self._turn:
            if kind not in self._feeds:
                self._feeds[kind] = await asyncio.to_thread(self._make, kind)
            return self._feeds[kind]

    def feed(self, kind: str) -> Feed:
        """The same, once it is ready."""
        return self._feeds[kind]

    async def close(self) -> None:
        await asyncio.gather(*(feed.close() for feed in self._feeds.values()))

    def _make(self, kind: str) -> Feed:
        coding = self._coding
        if kind == "sound":
            return SoundFeed(coding)
        if kind == "mjpeg":
            return self._jpeg()
        if kind in ("frozen", "repeated"):
            # A camera that has been frozen for a while has settled on a quantiser; x264 would be seconds about it.
            seconds = self._seconds if kind == "frozen" else coding.gop / coding.fps
            return _of(encode_clip(Scene.STREET, replace(coding, quantiser=_SETTLED), seconds, frozen=True))
        if kind in LENSES:
            return _of(encode_clip(Scene.STREET, coding, self._seconds, lens=LENSES[kind]))
        if kind == "aggregated":
            return ClipFeed.family(self._encode(coding), 1, aggregate=True)[0]
        changes = {"slices": {"slices": 4}, "refresh": {"refresh": True}, "h265": {"codec": "h265"}}
        return _of(self._encode(replace(coding, **changes[kind])))  # type: ignore[arg-type]

    def _encode(self, coding: Coding) -> Clip:
        return encode_clip(Scene.STREET, coding, self._seconds)

    def _jpeg(self) -> Feed:
        coding = replace(self._coding, fps=5, codec="mjpeg")
        width, height = coding.width // 16 * 16, coding.height // 16 * 16  # RFC 2435 counts in blocks of eight
        artist, start = painter(Scene.STREET, width, height, "LAB JPEG"), datetime.now().astimezone()
        pictures = []
        for index in range(_JPEG_PICTURES):
            age = index / coding.fps
            image = np.asarray(artist.frame(age, start + timedelta(seconds=age)))
            pictures.append(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 60])[1].tobytes())
        return ClipFeed(coding, Packeted.of_jpeg(pictures, width, height))


def _of(clip: Clip) -> Feed:
    return ClipFeed(clip.coding, Packeted.of(clip))
