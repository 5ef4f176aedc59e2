"""Feeds: one encoded stream each, shared by all who watch it. A feed works only while somebody does."""

import asyncio
import os
import random
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Protocol

import numpy as np

from gateway.lab.encoder import Clip, Coding, Encoded, Encoder
from gateway.lab.mjpeg import JPEG_PAYLOAD_TYPE, jpeg_payloads
from gateway.lab.rtp import CLOCK_RATE, Packets, packetise, packets_of, sender_report
from gateway.lab.scenes import painter
from gateway.model import Scene

AUDIO_PAYLOAD_TYPE = 8  # PCMA
_REPORT_EVERY = 5.0  # RFC 3550 §6.2: the least interval of RTCP


class Watcher(Protocol):
    """Somebody who is sent a feed's interleaved frames. Never waits; drops itself when too slow."""

    def send(self, block: bytes, keyframe: bool) -> None: ...


class Feed(ABC):
    """A stream in RTP. Who joins is sent pictures from the next keyframe on (that is the watcher's part)."""

    def __init__(self, coding: Coding) -> None:
        self.coding = coding
        self.ssrc = random.getrandbits(32)
        self.sequence = random.getrandbits(15)  # of the next packet
        self.timestamp = 0  # of the last picture, on the RTP clock
        self._watchers: tuple[Watcher, ...] = ()
        self._packets = self._octets = 0
        self._report_at = 0.0

    @property
    @abstractmethod
    def parameter_sets(self) -> Sequence[bytes]:
        """SPS and PPS, after the VPS where there is one; none for codecs without."""

    @abstractmethod
    def _begin(self) -> None: ...

    @abstractmethod
    def _end(self) -> None: ...

    async def close(self) -> None:
        """Stop for good and wait until nothing of it runs."""
        if self._watchers:
            self._watchers = ()
            self._end()

    def join(self, watcher: Watcher) -> None:
        first = not self._watchers
        self._watchers = (*self._watchers, watcher)
        if first:
            self._begin()

    def leave(self, watcher: Watcher) -> None:
        if watcher in self._watchers:
            self._watchers = tuple(one for one in self._watchers if one is not watcher)
            if not self._watchers:
                self._end()

    def _publish(self, packets: Packets, timestamp: int) -> None:
        block = packets.stamped(self.sequence, timestamp)
        self.sequence = (self.sequence + len(packets.starts)) & 0xFFFF
        self.timestamp = timestamp
        self._packets += len(packets.starts)
        self._octets += len(block) - 16 * len(packets.starts)
        now = time.monotonic()
        if now >= self._report_at:
            self._report_at = now + _REPORT_EVERY
            block = sender_report(self.ssrc, time.time(), timestamp, self._packets, self._octets) + block
        keyframe = packets.keyframe
        for watcher in self._watchers:
            watcher.send(block, keyframe)


@dataclass(frozen=True, slots=True)
class Packeted:
    """Pictures as packets, for all the feeds that show them."""

    pictures: tuple[Packets, ...] = field(repr=False)
    ssrc: int
    parameter_sets: tuple[bytes, ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, clip: Clip, *, aggregate: bool = False) -> "Packeted":
        ssrc = random.getrandbits(32)
        pictures = tuple(packetise(picture, ssrc, aggregate=aggregate) for picture in clip.pictures)
        return cls(pictures, ssrc, clip.parameter_sets)

    @classmethod
    def of_jpeg(cls, pictures: Sequence[bytes], width: int, height: int) -> "Packeted":
        """From JPEG files (baseline, 4:2:0, the usual Huffman tables): every picture is a keyframe."""
        ssrc = random.getrandbits(32)
        cut = [jpeg_payloads(picture, width, height) for picture in pictures]
        return cls(tuple(packets_of(payloads, ssrc, JPEG_PAYLOAD_TYPE, keyframe=True) for payloads in cut), ssrc)


class ClipFeed(Feed):
    """A clip played round and round, ``phase`` pictures (and a part of one) into it.

    Cameras on feeds of different phases do not send their keyframes all at once, as no real cameras do.
    """

    def __init__(self, coding: Coding, packeted: Packeted, phase: float = 0.0) -> None:
        super().__init__(coding)
        self.ssrc = packeted.ssrc
        self._parameter_sets, self._pictures = packeted.parameter_sets, packeted.pictures
        self._index = int(phase)
        self._delay = (phase % 1) / coding.fps
        self._ticks = 0
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @classmethod
    def family(cls, clip: Clip, count: int, *, aggregate: bool = False) -> list["ClipFeed"]:
        """``count`` feeds of one clip, spread evenly over its GOP. They share the packets (and so the SSRC)."""
        packeted = Packeted.of(clip, aggregate=aggregate)
        return [cls(clip.coding, packeted, index * clip.coding.gop / count) for index in range(count)]

    @property
    def parameter_sets(self) -> Sequence[bytes]:
        return self._parameter_sets

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
        packets = self._pictures[self._index % len(self._pictures)]
        timestamp = self._ticks * CLOCK_RATE // self.coding.fps
        self._index += 1
        self._ticks += 1
        self._publish(packets, timestamp)


class SoundFeed(Feed):
    """Silence in G.711 A-law (RFC 3551 §4.5.14), five packets of 20 ms each 100 ms: a camera whose picture is gone."""

    _EVERY = 0.1
    _SILENCE = bytes((0xD5,)) * 160

    def __init__(self, coding: Coding) -> None:
        super().__init__(coding)
        self._timer: asyncio.TimerHandle | None = None

    @property
    def parameter_sets(self) -> Sequence[bytes]:
        return ()

    def _begin(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._EVERY, self._tick)

    def _end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _tick(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._EVERY, self._tick)
        for _ in range(5):
            packet = packets_of((self._SILENCE,), self.ssrc, AUDIO_PAYLOAD_TYPE, keyframe=True)
            self._publish(packet, self.timestamp + len(self._SILENCE))


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
            self._publish(packetise(picture, self.ssrc), timestamp)
