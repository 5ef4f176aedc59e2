"""Clips from a child of their own, so that no picture waits for one; it lives while clips are asked for."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gateway.errors import DeviceError
from gateway.observability.logs import logger
from gateway.video.clips.footage import Cut
from gateway.video.decoder import wire
from gateway.video.decoder.child import DecoderChild, Refusal

DEADLINE_S = 15.0
"""For one clip: 30 MB take about 0.1 s on an idle core, and the child is the last to be served on a busy one."""
START_S = 20.0
IDLE_S = 30.0
"""An alert's cameras are asked for together; after that the child's 50 MB are better free."""
QUEUE = 64


@dataclass(frozen=True, slots=True)
class Mp4:
    """A clip, in pieces. Times are those of its first and last access unit."""

    pieces: Sequence[bytes] = field(repr=False)
    from_mono: float
    to_mono: float
    codec: str


class Muxer:
    """Makes MP4 files of cuts, one at a time, in a child that may die of any of them: that costs the one clip."""

    def __init__(self, *, deadline_s: float = DEADLINE_S, idle_s: float = IDLE_S, queue: int = QUEUE) -> None:
        self._deadline = deadline_s
        self._idle = idle_s
        self._queue = queue
        self._waiting = 0
        self._turn = asyncio.Lock()
        self._child: DecoderChild | None = None
        self._leaving: asyncio.Task[None] | None = None
        self.made = 0
        self.failed = 0

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child else None

    async def clip(self, cut: Callable[[], Cut]) -> Mp4:
        """``cut`` is called when its turn has come: what waits holds no video. Raises DeviceError, as does ``cut``."""
        if self._waiting >= self._queue:
            raise DeviceError(f"too many clips are waiting ({self._waiting}); ask again later")
        self._waiting += 1
        try:
            async with self._turn:
                clip = await self._make(cut())
        except DeviceError:
            self.failed += 1
            raise
        finally:
            self._waiting -= 1
            self._leave_when_idle()
        self.made += 1
        return clip

    async def close(self) -> None:
        if self._leaving is not None:
            self._leaving.cancel()
            await asyncio.gather(self._leaving, return_exceptions=True)
        await self._bury()

    async def _make(self, cut: Cut) -> Mp4:
        child = await self._ready_child()
        try:
            async with asyncio.timeout(self._deadline):
                body, _, _ = await child.ask(wire.CLIP, cut.codec, 0, packed(cut))
        except Refusal as refusal:
            raise DeviceError(f"no clip of camera {cut.camera_id}: {refusal}") from None
        except TimeoutError:
            await self._lost(cut, f"it was not made within {self._deadline:g} s")
            raise DeviceError(f"the clip of camera {cut.camera_id} was not made within {self._deadline:g} s") from None
        except (EOFError, OSError):
            await self._lost(cut, "it died")
            raise DeviceError(f"the muxer died of the video of camera {cut.camera_id}") from None
        except asyncio.CancelledError:
            child.kill()  # half an exchange is on the wire
            raise
        return self._checked(cut, body)

    def _checked(self, cut: Cut, body: Sequence[bytes]) -> Mp4:
        """A child taken over by what it parsed may say anything."""
        head = body[0] if body else b""
        if len(head) <= wire.USED.size:
            raise DeviceError("the muxer gave an answer that is none")
        first, last = wire.USED.unpack_from(head)
        if not first <= last < len(cut.sizes):
            raise DeviceError("the muxer gave an answer that is none")
        pieces = (head[wire.USED.size :], *body[1:])
        return Mp4(pieces, cut.received[first], cut.received[last], cut.codec)

    async def _ready_child(self) -> DecoderChild:
        if self._child is not None and self._child.alive:
            return self._child
        await self._bury()
        try:
            async with asyncio.timeout(START_S):
                self._child = await DecoderChild.start("clips")
        except (TimeoutError, EOFError, OSError) as error:
            raise DeviceError(f"the muxer could not be started: {error or 'no sign of life'}") from None
        return self._child

    async def _lost(self, cut: Cut, how: str) -> None:
        await self._bury()
        logger("video").warning("a clip ended the muxer", camera=cut.camera_id, how=how)

    async def _bury(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            await child.end()

    def _leave_when_idle(self) -> None:
        if self._leaving is not None:
            self._leaving.cancel()
        self._leaving = asyncio.create_task(self._leave())

    async def _leave(self) -> None:
        await asyncio.sleep(self._idle)
        async with self._turn:
            await self._bury()


def packed(cut: Cut) -> list[bytes]:
    """As ``remux.Units`` unpacks it."""
    arrays = (cut.sizes.tobytes(), cut.rtp_times.tobytes(), cut.received.tobytes(), cut.flags)
    return [wire.CUT.pack(len(cut.sizes)) + b"".join(arrays), *cut.payloads]
