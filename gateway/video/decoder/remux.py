"""Access units into an MP4 file, never transcoded. Runs in the decoder's child: libav reads what a camera sent.

ISO/IEC 14496-12 (MP4) and -15 (avc1, hvc1), with the index first, so that a browser plays it while it loads.
"""

import io
import os
import statistics
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

import av
import av.container

from gateway.video.clips.footage import KEYFRAME, RESTART
from gateway.video.decoder.timeline import CLOCK_RATE, decoding, presentation
from gateway.video.decoder.wire import CUT, MAX_PIXELS, USED

_TIME_BASE = Fraction(1, CLOCK_RATE)
_LIBAV = {"h264": "h264", "h265": "hevc"}
_TAGS = {"h264": "avc1", "h265": "hvc1"}
_MOST_VIEWS = 16
"""Different sequence parameter sets looked into in one clip; a camera changes them once a year, or always."""
_LAST_FRAME_S = 0.04


class Undecodable(Exception):
    """The bytes are not a picture, or no clip can be made of them."""


@dataclass(frozen=True, slots=True)
class Units:
    """A cut as it came over the wire: ``payloads[n]`` belongs to ``flags[n]``, ``received[n]``, ``rtp_times[n]``."""

    flags: Sequence[int]
    received: "array[float]"
    rtp_times: "array[int]"
    payloads: list[memoryview]

    @classmethod
    def unpack(cls, packed: memoryview) -> "Units":
        (count,) = CUT.unpack_from(packed)
        sizes, rtp_times, received = array("I"), array("I"), array("d")
        at = CUT.size
        for numbers in (sizes, rtp_times, received):
            end = at + count * numbers.itemsize
            numbers.frombytes(packed[at:end])
            at = end
        flags = bytes(packed[at : at + count])
        at += count
        payloads = []
        for size in sizes:
            payloads.append(packed[at : at + size])
            at += size
        return cls(flags, received, rtp_times, payloads)

    def part(self, start: int, stop: int) -> "Units":
        span = slice(start, stop)
        return Units(self.flags[span], self.received[span], self.rtp_times[span], self.payloads[span])


def clip(packed: memoryview, codec: str) -> tuple[bytes, int, int]:
    """(``USED`` and the MP4, width, height) of a packed cut. Raises Undecodable.

    Where the picture changes its size or profile, only the longest part is taken: an MP4 track has one of each.
    """
    units = Units.unpack(packed)
    start, stop, view = _longest(units, codec)
    used = units.part(start, stop)
    restarts = {n for n, flag in enumerate(used.flags) if n == 0 or flag & RESTART}
    shown = presentation(used.received, used.rtp_times, restarts)
    kept = list(_decodable(used.flags, shown, restarts))
    mp4 = _write(codec, view, [used.payloads[n] for n in kept], [shown[n] for n in kept], [used.flags[n] for n in kept])
    return USED.pack(start, start + kept[-1]) + mp4, *view.size


@dataclass(frozen=True, slots=True)
class _View:
    """What a keyframe's parameter sets say. ``sample``: a keyframe that has them."""

    size: tuple[int, int]
    profile: str | None
    pixels: str | None
    sample: memoryview

    def like(self, other: "_View | None") -> bool:
        return other is not None and (self.size, self.profile, self.pixels) == (other.size, other.profile, other.pixels)


def _longest(units: Units, codec: str) -> tuple[int, int, _View]:
    """The longest part in which every keyframe has the same view: (first, after the last, view)."""
    views: dict[bytes, _View | None] = {}
    parts: list[tuple[int, int, _View]] = []
    view: _View | None = None
    for start, stop in _gops(units.flags):
        sets = _sequence_sets(units.payloads[start], codec)
        if sets not in views and len(views) < _MOST_VIEWS:
            views[sets] = _look(units.payloads[start], codec)
        found = views.get(sets)
        if found is None:
            view = None  # a GOP that nobody can decode parts what is before it from what is after it
        elif found.like(view):
            parts[-1] = (parts[-1][0], stop, parts[-1][2])
        else:
            view = found
            parts.append((start, stop, view))
    if not parts:
        raise Undecodable("no keyframe of the clip can be decoded")
    return max(parts, key=lambda part: units.received[part[1] - 1] - units.received[part[0]])


def _gops(flags: Sequence[int]) -> Iterator[tuple[int, int]]:
    starts = [n for n, flag in enumerate(flags) if flag & KEYFRAME]
    return pairwise([*starts, len(flags)])


def _sequence_sets(payload: memoryview, codec: str) -> bytes:
    """The sequence parameter sets, which stand before the picture (ITU-T H.264 §7.4.1.2.3, H.265 §7.4.2.4.4)."""
    wanted, shift, mask = (7, 0, 0x1F) if codec == "h264" else (33, 1, 0x3F)
    nals = bytes(payload[:4096]).split(b"\0\0\1")
    return b"".join(nal.rstrip(b"\0") for nal in nals if nal and nal[0] >> shift & mask == wanted)


def _look(payload: memoryview, codec: str) -> _View | None:
    try:
        with _opened(payload, codec) as keyframe:
            context = keyframe.streams.video[0].codec_context
            wide, high = context.width, context.height
            return (
                _View((wide, high), context.profile, context.pix_fmt, payload)
                if 0 < wide * high <= MAX_PIXELS
                else None
            )
    except (av.FFmpegError, IndexError):
        return None


def _opened(keyframe: memoryview, codec: str) -> av.container.InputContainer:
    limits: Any = [{"max_pixels": str(MAX_PIXELS)}]  # a dict for each stream, whatever PyAV's stub says
    return av.open(io.BytesIO(keyframe), "r", format=_LIBAV[codec], stream_options=limits)


def _decodable(flags: Sequence[int], shown: Sequence[int], restarts: set[int]) -> Iterator[int]:
    """All but leading pictures after a start: they refer to what was before it (H.265 RASL, H.264 open GOP)."""
    earliest, after_start = 0, False
    for number, time in enumerate(shown):
        if number in restarts:
            earliest, after_start = time, True
        elif flags[number] & KEYFRAME:
            after_start = False
        if not after_start or time >= earliest:
            yield number


def _write(
    codec: str, view: _View, payloads: Sequence[memoryview], shown: Sequence[int], flags: Sequence[int]
) -> bytes:
    decoded = decoding(shown)
    usual = round(statistics.median(_steps(shown)) if len(shown) > 1 else _LAST_FRAME_S * CLOCK_RATE)
    # Anonymous memory with a name: faststart reads the file again to move the index before the pictures.
    file = os.memfd_create("clip")
    try:
        options = {"movflags": "faststart"}
        with (
            _opened(view.sample, codec) as template,
            av.open(f"/proc/self/fd/{file}", "w", format="mp4", options=options) as output,
        ):
            stream = output.add_stream_from_template(template.streams.video[0], opaque=True)
            stream.codec_context.codec_tag = _TAGS[codec]
            stream.time_base = _TIME_BASE
            for payload, at, before, flag in zip(payloads, shown, decoded, flags, strict=True):
                packet = av.Packet(bytes(payload))
                packet.stream, packet.time_base = stream, _TIME_BASE
                packet.pts, packet.dts = at, before
                packet.is_keyframe = bool(flag & KEYFRAME)
                if packet.dts == decoded[-1]:
                    packet.duration = usual
                output.mux(packet)
        return os.pread(file, os.fstat(file).st_size, 0)
    except av.FFmpegError as error:
        raise Undecodable(f"the clip could not be written: {error.strerror}") from None
    finally:
        os.close(file)


def _steps(shown: Sequence[int]) -> list[int]:
    return [later - earlier for earlier, later in pairwise(sorted(shown))]
