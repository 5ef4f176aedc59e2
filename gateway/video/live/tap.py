"""Who reads a camera's stream while it comes, in the video worker: everything, at once, and nobody waits for a slow one."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.ports import AccessUnit
from gateway.video.clips.footage import Segment
from gateway.video.live.frames import BACKLOG, CODECS, KEYFRAME, MOST_BYTES, STILL, header
from gateway.video.pictures.ring import StoredKeyframe

CLOCK_RATE = 90_000
GOP_BYTES = 8 * 1024 * 1024
"""The longest GOP that is kept for those who come later: 16 s at 4 Mbit/s. Of a longer one they are shown a still."""
BEHIND_UNITS = 150
"""How far a reader may fall behind: 6 s at 25/s. Older pictures are no live view."""
JUMP_S = 10.0
"""Two units further apart than this by the camera's clock than by ours: its clock was set, not the picture late."""


class Times:
    """A stream's RTP times, extended beyond 32 bits and over reconnects, near CLOCK_MONOTONIC at 90 kHz."""

    def __init__(self) -> None:
        self._raw = 0
        self._time: int | None = None
        self._received = 0.0

    def of(self, rtp_time: int, received_mono: float, *, restart: bool = False) -> int:
        """The time of a unit. It goes back only where the stream's own does (B-frames)."""
        arrived = round(received_mono * CLOCK_RATE)
        if self._time is None:
            time = arrived
        else:
            step = (rtp_time - self._raw + 0x8000_0000) % 0x1_0000_0000 - 0x8000_0000
            waited = (received_mono - self._received) * CLOCK_RATE
            if restart or step == 0 or abs(step - waited) > JUMP_S * CLOCK_RATE:
                time = max(self._time + 1, self._time + round(waited))
            else:
                time = self._time + step
        self._raw, self._time, self._received = rtp_time, time, received_mono
        return time


class Reader:
    """One who reads. ``dropped``: units that it was too slow for; it goes on with a keyframe."""

    def __init__(self, left: Callable[["Reader"], None]) -> None:
        self.dropped = 0
        self.closed = False
        self._left = left
        self._queue: deque[bytes] = deque()
        self._bytes = 0
        self._most_units = BEHIND_UNITS
        self._awaits_keyframe = True
        self._lost = False
        self._more = asyncio.Event()

    async def read(self) -> bytes:
        """Whole frames, as many as there are; nothing once the stream has ended."""
        await self._more.wait()
        taken = b"".join(self._queue)
        self._queue.clear()
        self._bytes = 0
        self._most_units = BEHIND_UNITS
        if not self.closed:
            self._more.clear()
        return taken

    def close(self) -> None:
        """Nobody reads any more, or nothing comes any more."""
        if not self.closed:
            self.closed = True
            self._more.set()
            self._left(self)

    # ------------------------------------------------------------------------------------ for the tap

    def begin(self, backlog: "list[_Kept]", still: bytes | None) -> None:
        """Where it starts: with a complete GOP so far, or with a still."""
        for kept in backlog:
            self._queue.append(kept.frame(BACKLOG))
        if backlog:
            self._awaits_keyframe = False
        elif still is not None:
            self._queue.append(still)
        self._most_units = BEHIND_UNITS + len(self._queue)
        self._bytes = sum(map(len, self._queue))
        if self._queue:
            self._more.set()

    def put(self, frame: bytes, keyframe: bool) -> None:
        if self._awaits_keyframe and not keyframe:
            self.dropped += self._lost
            return
        if len(self._queue) >= self._most_units or self._bytes + len(frame) > 2 * MOST_BYTES:
            self.dropped += len(self._queue)
            self._queue.clear()
            self._bytes = 0
            if not keyframe:
                self.dropped += 1
                self._awaits_keyframe = self._lost = True
                return
        self._awaits_keyframe = self._lost = False
        self._queue.append(frame)
        self._bytes += len(frame)
        self._more.set()

    def gap(self) -> None:
        """What follows is from another connection."""
        self._awaits_keyframe = True


@dataclass(frozen=True, slots=True)
class _Kept:
    flags: int
    codec: str
    time: int
    captured_ms: int
    payload: bytes = field(repr=False)

    def frame(self, flags: int = 0) -> bytes:
        head = header(self.flags | flags, self.codec, self.time, len(self.payload), self.captured_ms)
        return b"".join((head, self.payload))


class Taps:
    """All readers of one stream. ``epoch``: what is to be added to CLOCK_MONOTONIC for the time of day, in seconds.

    While anybody reads, the GOP that is coming is kept, so that the next reader sees moving pictures at once. The payloads
    are the very objects that came; they are copied once for all readers, behind the frame's header.
    """

    def __init__(self, epoch: Callable[[], float]) -> None:
        self._epoch = epoch
        self._readers: list[Reader] = []
        self._times = Times()
        self._gop: list[_Kept] = []
        self._gop_bytes = 0
        self._restart = False
        self._dropped = 0

    @property
    def wanted(self) -> bool:
        return bool(self._readers)

    @property
    def readers(self) -> int:
        return len(self._readers)

    @property
    def dropped(self) -> int:
        """Units that readers were too slow for."""
        return self._dropped + sum(reader.dropped for reader in self._readers)

    def open(self, recorded: Segment | None, newest: StoredKeyframe | None) -> Reader:
        """Begin to read. ``recorded``: the GOP that is coming, where a recorder keeps it; ``newest``: the last keyframe,
        shown where no GOP is kept."""
        if not self._readers:
            self._begin(recorded)
        reader = Reader(self._leave)
        reader.begin(self._gop, self._still(newest) if newest is not None and not self._gop else None)
        self._readers.append(reader)
        return reader

    def unit(self, unit: AccessUnit) -> None:
        if not self._readers or unit.codec not in CODECS or len(unit.payload) > MOST_BYTES:
            return
        time = self._times.of(unit.rtp_time, unit.received_mono, restart=self._restart)
        self._restart = False
        kept = _Kept(
            KEYFRAME if unit.keyframe else 0, unit.codec, time, self._captured(unit.received_mono), unit.payload
        )
        self._keep(kept)
        frame = kept.frame()
        for reader in self._readers:
            reader.put(frame, unit.keyframe)

    def broke(self) -> None:
        """The connection is over: what follows begins with a keyframe, and perhaps with another clock."""
        self._restart = True
        self._forget()
        for reader in self._readers:
            reader.gap()

    def close(self) -> None:
        """The camera is gone from here."""
        for reader in list(self._readers):
            reader.close()

    def _leave(self, reader: Reader) -> None:
        self._dropped += reader.dropped
        self._readers.remove(reader)
        if not self._readers:
            self._forget()

    def _begin(self, recorded: Segment | None) -> None:
        self._forget()
        self._times, self._restart = Times(), False
        if recorded is None or recorded.codec not in CODECS:
            return
        for flags, received, rtp_time, payload in zip(
            recorded.flags, recorded.received, recorded.rtp_times, recorded.payloads, strict=True
        ):
            time = self._times.of(rtp_time, received)
            self._keep(_Kept(flags & KEYFRAME, recorded.codec, time, self._captured(received), payload))

    def _keep(self, kept: _Kept) -> None:
        if kept.flags & KEYFRAME:
            self._forget()
        elif not self._gop:
            return
        self._gop.append(kept)
        self._gop_bytes += len(kept.payload)
        if self._gop_bytes > GOP_BYTES:
            self._forget()

    def _forget(self) -> None:
        self._gop = []
        self._gop_bytes = 0

    def _still(self, newest: StoredKeyframe) -> bytes | None:
        if newest.codec not in CODECS or len(newest.payload) > MOST_BYTES:
            return None
        time, captured = round(newest.received_mono * CLOCK_RATE), self._captured(newest.received_mono)
        return _Kept(KEYFRAME | STILL, newest.codec, time, captured, newest.payload).frame()

    def _captured(self, received_mono: float) -> int:
        return max(0, round((received_mono + self._epoch()) * 1000))
