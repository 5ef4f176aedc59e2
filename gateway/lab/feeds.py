"""Feeds: one encoded stream each, shared by all who watch it. A feed works only while somebody does."""

import asyncio
import base64
import os
import random
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from typing import Protocol

import numpy as np

from gateway.lab.encoder import Clip, Coding, Encoded, Encoder
from gateway.lab.rtp import CLOCK_RATE, PAYLOAD_TYPE, Packets, packetise, sender_report
from gateway.lab.scenes import painter
from gateway.model import Scene

_REPORT_EVERY = 5.0  # RFC 3550 §6.2: the least interval of RTCP


class Watcher(Protocol):
    """Somebody who is sent a feed's interleaved frames. Never waits; drops itself when too slow."""

    def send(self, block: bytes, keyframe: bool) -> None: ...


class Feed(ABC):
    """An H.264 stream in RTP. Who joins is sent pictures from the next keyframe on (that is the watcher's part)."""

    def __init__(self, coding: Coding) -> None:
        self.coding = coding
        self._ssrc = random.getrandbits(32)
        self._watchers: set[Watcher] = set()
        self._sequence = random.getrandbits(15)
        self._packets = self._octets = 0
        self._report_at = 0.0

    @property
    @abstractmethod
    def parameter_sets(self) -> Sequence[bytes]:
        """SPS and PPS."""

    @abstractmethod
    def _begin(self) -> None: ...

    @abstractmethod
    def _end(self) -> None: ...

    async def close(self) -> None:
        """Stop for good and wait until nothing of it runs."""
        if self._watchers:
            self._watchers.clear()
            self._end()

    def join(self, watcher: Watcher) -> None:
        first = not self._watchers
        self._watchers.add(watcher)
        if first:
            self._begin()

    def leave(self, watcher: Watcher) -> None:
        if watcher in self._watchers:
            self._watchers.discard(watcher)
            if not self._watchers:
                self._end()

    def sdp_media(self) -> str:
        """The media section of the session description (RFC 6184 §8.2.1), without its control attribute."""
        sets = [base64.b64encode(nal).decode() for nal in self.parameter_sets]
        profile = self.parameter_sets[0][1:4].hex().upper()
        return (
            f"m=video 0 RTP/AVP {PAYLOAD_TYPE}\r\n"
            f"a=rtpmap:{PAYLOAD_TYPE} H264/{CLOCK_RATE}\r\n"
            f"a=fmtp:{PAYLOAD_TYPE} packetization-mode=1;profile-level-id={profile};"
            f"sprop-parameter-sets={','.join(sets)}\r\n"
            f"a=framerate:{self.coding.fps}\r\n"
            "a=recvonly\r\n"
        )

    def _publish(self, packets: Packets, timestamp: int) -> None:
        block = packets.stamped(self._sequence, timestamp)
        self._sequence = (self._sequence + len(packets.starts)) & 0xFFFF
        self._packets += len(packets.starts)
        self._octets += len(block) - 16 * len(packets.starts)
        now = time.monotonic()
        if now >= self._report_at:
            self._report_at = now + _REPORT_EVERY
            block = sender_report(self._ssrc, time.time(), timestamp, self._packets, self._octets) + block
        for watcher in tuple(self._watchers):
            watcher.send(block, packets.keyframe)


class ClipFeed(Feed):
    """A clip played round and round, ``phase`` pictures (and a part of one) into it.

    Cameras on feeds of different phases do not send their keyframes all at once, as no real cameras do.
    """

    def __init__(self, clip: Clip, packeted: Sequence[Packets], phase: float = 0.0) -> None:
        super().__init__(clip.coding)
        self._clip, self._packeted = clip, packeted
        self._index = int(phase)
        self._delay = (phase % 1) / clip.coding.fps
        self._ticks = 0
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @classmethod
    def family(cls, clip: Clip, count: int) -> list["ClipFeed"]:
        """``count`` feeds of one clip, spread evenly over its GOP. They share the packets (and so the SSRC)."""
        ssrc = random.getrandbits(32)
        packeted = [packetise(picture, ssrc) for picture in clip.pictures]
        return [cls(clip, packeted, index * clip.coding.gop / count) for index in range(count)]

    @property
    def parameter_sets(self) -> Sequence[bytes]:
        return self._clip.parameter_sets

    def _begin(self) -> None:
        loop = asyncio.get_running_loop()
        self._due = loop.time() + self._delay
        self._timer = loop.call_at(self._due, self._tick)

    def _end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        # Late by more than a second (the machine slept): go on from now instead of racing through the lost time.
        self._due = max(self._due + 1 / self.coding.fps, loop.time() - 1.0)
        self._timer = loop.call_at(self._due, self._tick)
        packets = self._packeted[self._index % len(self._packeted)]
        timestamp = self._ticks * CLOCK_RATE // self.coding.fps
        self._index += 1
        self._ticks += 1
        self._publish(packets, timestamp)


class LiveFeed(Feed):
    """A scene drawn and encoded in real time, in a thread of low priority, while somebody watches."""

    _AHEAD = 4  # pictures encoded but not yet sent; then the thread waits for the loop

    def __init__(self, scene: Scene, name: str, coding: Coding) -> None:
        super().__init__(coding)
        self._scene, self._name = scene, name
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @cached_property
    def parameter_sets(self) -> Sequence[bytes]:
        probe = Encoder(self.coding)
        probe.encode(np.zeros((self.coding.height, self.coding.width, 3), np.uint8))
        return probe.parameter_sets

    async def close(self) -> None:
        await super().close()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, 5.0)

    def _begin(self) -> None:
        self._stop = threading.Event()
        work = (asyncio.get_running_loop(), self._stop)
        self._thread = threading.Thread(target=self._encode, args=work, name=f"lab-{self._name}", daemon=True)
        self._thread.start()

    def _end(self) -> None:
        self._stop.set()

    def _encode(self, loop: asyncio.AbstractEventLoop, stop: threading.Event) -> None:
        # On Linux a thread has a nice value of its own: scenery must not take time from what is being watched.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
        artist = painter(self._scene, self.coding.width, self.coding.height, self._name)
        encoder, room = Encoder(self.coding), threading.BoundedSemaphore(self._AHEAD)
        due = time.monotonic()
        while not stop.is_set():
            age = time.monotonic()
            picture = encoder.encode(artist.frame(age, datetime.now().astimezone()))
            while not room.acquire(timeout=0.5):
                if stop.is_set():
                    return
            if loop.is_closed():
                return
            loop.call_soon_threadsafe(self._take, picture, round(age * CLOCK_RATE), stop, room)
            due = max(due + 1 / self.coding.fps, time.monotonic() - 0.5)
            stop.wait(max(0.0, due - time.monotonic()))

    def _take(self, picture: Encoded, timestamp: int, stop: threading.Event, room: threading.BoundedSemaphore) -> None:
        room.release()
        if not stop.is_set():
            self._publish(packetise(picture, self._ssrc), timestamp)
