"""Pieces of a stream as they lie in memory: segments, and what is cut from them for a clip."""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway.ports import AccessUnit

CLIP_BYTES = 48 * 1024 * 1024
"""The longest clip: an upper node takes 64 MiB. 60 s at 6.7 Mbit/s."""
UNIT_BYTES = 70
"""Of a unit beside its payload: the object's head, its place in the heap and in the arrays."""
SEGMENT_BYTES = 700
"""Of a segment's objects."""
KEYFRAME, RESTART = 1, 2
"""Flags of a unit: it is a keyframe; it is the first after a break of the connection."""


class Segment:
    """One GOP (or several short ones), beginning with a keyframe.

    The payloads are the very objects that came, the keyframe's also the ring's: nothing is copied. What else there is to
    a unit stands in arrays, a tenth of the size of an object for each.
    """

    __slots__ = ("began", "bytes", "codec", "flags", "last", "payloads", "received", "rtp_times")

    def __init__(self, unit: AccessUnit, restart: bool) -> None:
        self.codec = unit.codec
        self.began = self.last = unit.received_mono
        self.payloads = [unit.payload]
        self.flags = bytearray((KEYFRAME | (RESTART if restart else 0),))
        self.received = array("d", (unit.received_mono,))
        self.rtp_times = array("I", (unit.rtp_time & 0xFFFFFFFF,))
        self.bytes = len(unit.payload) + UNIT_BYTES + SEGMENT_BYTES

    def add(self, unit: AccessUnit) -> int:
        """The bytes that this takes."""
        self.payloads.append(unit.payload)
        self.flags.append(unit.keyframe)
        self.received.append(unit.received_mono)
        self.rtp_times.append(unit.rtp_time & 0xFFFFFFFF)
        self.last = unit.received_mono
        size = len(unit.payload) + UNIT_BYTES
        self.bytes += size
        return size


@dataclass(frozen=True, slots=True)
class Cut:
    """Access units of one codec in decoding order, the first a keyframe.

    ``sizes``: bytes of each; ``flags``: 1 a keyframe, 2 the first after a break of the connection; ``received``:
    CLOCK_MONOTONIC seconds; ``rtp_times``: the camera's 90 kHz clock, 32 bits.
    """

    camera_id: str
    codec: str
    sizes: "array[int]"
    flags: bytes
    received: "array[float]"
    rtp_times: "array[int]"
    payloads: tuple[bytes, ...] = field(repr=False)

    @property
    def bytes(self) -> int:
        return sum(self.sizes)


class Run:
    """Consecutive units of one codec: (segment, first index, index after the last)."""

    def __init__(self, parts: list[tuple[Segment, int, int]]) -> None:
        self._parts = parts

    @property
    def seconds(self) -> float:
        first, start, _ = self._parts[0]
        last, _, stop = self._parts[-1]
        return last.received[stop - 1] - first.received[start]

    def within(self, limit: int) -> "Run":
        """Around the middle, at most ``limit`` bytes: the press is there unless the configuration says otherwise."""
        parts = list(self._parts)
        total = sum(len(payload) for segment, start, stop in parts for payload in segment.payloads[start:stop])
        middle = parts[0][0].received[parts[0][1]] + self.seconds / 2
        while total > limit and (len(parts), parts[-1][2] - parts[-1][1]) != (1, 1):
            first, start, stop = parts[0]
            last, tail, end = parts[-1]
            if len(parts) > 1 and middle - first.received[stop - 1] > last.received[end - 1] - middle:
                total -= sum(map(len, first.payloads[start:stop]))
                del parts[0]
            else:
                total -= len(last.payloads[end - 1])
                parts[-1:] = [(last, tail, end - 1)] if end - 1 > tail else []
        return Run(parts)

    def cut(self, camera_id: str) -> Cut:
        flags, received, rtp_times = bytearray(), array("d"), array("I")
        payloads: list[bytes] = []
        for segment, start, stop in self._parts:
            flags += segment.flags[start:stop]
            received += segment.received[start:stop]
            rtp_times += segment.rtp_times[start:stop]
            payloads += segment.payloads[start:stop]
        sizes = array("I", map(len, payloads))
        return Cut(camera_id, self._parts[0][0].codec, sizes, bytes(flags), received, rtp_times, tuple(payloads))


def runs(segments: Iterable[Segment], from_mono: float, to_mono: float) -> list[Run]:
    """What of them belongs to the span, parted where the codec changes. Begins with the keyframe at or before it."""
    found: list[list[tuple[Segment, int, int]]] = []
    for segment in segments:
        stop = sum(received <= to_mono for received in segment.received)
        if segment.last < from_mono or not stop:
            continue
        keyframes = [n for n in range(stop) if segment.flags[n] & KEYFRAME and segment.received[n] <= from_mono]
        start = keyframes[-1] if keyframes else 0
        if found and found[-1][-1][0].codec == segment.codec:
            found[-1].append((segment, start, stop))
        else:
            found.append([(segment, start, stop)])
    return [Run(parts) for parts in found]
