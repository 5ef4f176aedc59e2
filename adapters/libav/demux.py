"""One stream, opened and taken apart by libav: packets of its video as access units. Runs in the child only."""

import errno
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import av
import av.error
from av.bitstream import BitStreamFilterContext
from av.container.input import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from adapters.libav.units import AnnexB, Jpeg, jpeg_size
from adapters.libav.wire import Opening, Reason

CLOCK_RATE = 90_000  # of RTP time for video (RFC 3551 §5)
_NAMES = {"h264": "h264", "hevc": "h265", "mjpeg": "mjpeg"}
_TO_ANNEX_B = {"h264": "h264_mp4toannexb", "h265": "hevc_mp4toannexb"}
_UNTIMED = frozenset({"mpjpeg", "mjpeg", "h264", "hevc"})
"""Formats without a clock: libav makes their timestamps up, at 25 pictures a second."""


class Failed(Exception):
    """The stream cannot be read on. ``str()`` holds no address: libav's own messages do, with the password."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Taken:
    """One packet of whatever stream: ``unit`` is None where it is not wanted, not video, or could not be put together."""

    at_mono: float
    size: int
    video: bool
    dropped: bool = False
    keyframe: bool = False
    unit: bytes | None = field(default=None, repr=False)
    rtp_time: int = 0
    play_at: float | None = None  # seconds from the first packet, for what is played by its timestamps


class Stream:
    """An open stream; opening and reading it raise Failed. ``codec`` and size are those of its first pictures."""

    def __init__(self, opening: Opening) -> None:
        self._patience = min(opening.open_s, opening.silence_s)
        self._waiting_since = time.monotonic()
        try:
            self._container: InputContainer = av.open(
                opening.url,
                container_options=dict(opening.options),
                metadata_errors="replace",
                timeout=(opening.open_s, opening.silence_s),
            )
        except (av.error.FFmpegError, MemoryError, ValueError) as error:
            raise self._failure(error) from None
        try:
            self._video = self._choose()
            self.codec = _NAMES[self._video.codec_context.name]
            self.width, self.height = self._video.codec_context.width, self._video.codec_context.height
            self._filter, self._assembler = self._prepare()
        except BaseException:
            self.close()
            raise
        self._paced = opening.paced
        self._timed = opening.paced or self._container.format.name not in _UNTIMED
        self._first_dts: int | None = None

    def close(self) -> None:
        """Hang up; an RTSP session is torn down."""
        self._container.close()

    def packets(self, wanted: "Wanted") -> Iterator[Taken]:
        """Every packet as it comes, until the stream ends; only what is ``wanted`` is copied out of it."""
        try:
            self._waiting_since = time.monotonic()
            for packet in self._container.demux():
                if packet.size:  # the last ones are empty and only flush decoders
                    yield self._take(packet, wanted)
                self._waiting_since = time.monotonic()
        except (av.error.FFmpegError, MemoryError) as error:
            raise self._failure(error) from None

    def _failure(self, error: Exception) -> Failed:
        found = failure(error)
        # A deadline that passes inside its RTSP dialogue libav reports as invalid data.
        if found.reason in (Reason.UNREADABLE, Reason.ENDED) and self._waited() >= self._patience:
            return Failed(Reason.SILENT)
        return found

    def _waited(self) -> float:
        return time.monotonic() - self._waiting_since

    def _take(self, packet: "Packet[Any]", wanted: "Wanted") -> Taken:
        now, size = time.monotonic(), packet.size  # filtering empties the packet
        if packet.stream.index != self._video.index:
            return Taken(now, size, video=False)
        keyframe = packet.is_keyframe or self.codec == "mjpeg"
        play_at = self._play_at(packet)
        if not wanted(now, keyframe):
            return Taken(now, size, video=True, keyframe=keyframe, play_at=play_at)
        rtp_time = self._rtp_time(packet, now)
        made = None if packet.is_corrupt else self._assembler.unit(self._annex_b(packet), keyframe)
        if made is None:
            return Taken(now, size, video=True, dropped=True, play_at=play_at)
        unit, keyframe = made
        self._measure(unit)
        return Taken(now, size, True, False, keyframe, unit, rtp_time, play_at)

    def _annex_b(self, packet: "Packet[Any]") -> bytes:
        if self._filter is None:
            return bytes(packet)
        try:
            return b"".join(bytes(part) for part in self._filter.filter(packet))
        except av.error.InvalidDataError:
            return b""  # one broken packet; the next keyframe mends it

    def _choose(self) -> VideoStream:
        offered = []
        for stream in self._container.streams.video:
            # `codec_context` is None where libav has no decoder: PyAV's types do not say so.
            name = getattr(stream.codec_context, "name", "an unknown codec")
            if name in _NAMES:
                return stream
            offered.append(name)
        raise Failed(Reason.CODEC, ", ".join(offered[:8]))

    def _prepare(self) -> tuple[BitStreamFilterContext | None, AnnexB | Jpeg]:
        if self.codec == "mjpeg":
            return None, Jpeg()
        extradata = self._video.codec_context.extradata or b""
        # avcC and hvcC begin with their version, a 1 (ISO/IEC 14496-15 §5.3.3.1); Annex B begins with a zero.
        if not extradata.startswith(b"\x01"):
            return None, AnnexB(self.codec, extradata)
        return BitStreamFilterContext(_TO_ANNEX_B[self.codec], self._video), AnnexB(self.codec, b"")

    def _measure(self, unit: bytes) -> None:
        if self.codec == "mjpeg":
            self.width, self.height = jpeg_size(unit)

    def _rtp_time(self, packet: "Packet[Any]", now: float) -> int:
        stamp = packet.pts if packet.pts is not None else packet.dts
        if not self._timed or stamp is None or packet.time_base is None:
            return int(now * CLOCK_RATE) & 0xFFFF_FFFF
        return int(stamp * packet.time_base * CLOCK_RATE) & 0xFFFF_FFFF

    def _play_at(self, packet: "Packet[Any]") -> float | None:
        if not self._paced or packet.dts is None or packet.time_base is None:
            return None
        if self._first_dts is None:
            self._first_dts = packet.dts
        return float((packet.dts - self._first_dts) * packet.time_base)


class Wanted:
    """What has to leave the child: everything, or keyframes, and those of MJPEG no closer than ``spacing`` seconds."""

    def __init__(self, spacing: float) -> None:
        self.everything = False
        self._spacing = spacing
        self._last = float("-inf")

    def __call__(self, now: float, keyframe: bool) -> bool:
        if self.everything:
            return True
        if not keyframe or now - self._last < self._spacing:
            return False
        self._last = now
        return True


def failure(error: Exception) -> Failed:
    """libav's error as a reason. The error's own text is not used: it holds the address, password and all."""
    match error:
        case av.error.HTTPUnauthorizedError():
            return Failed(Reason.UNAUTHORISED)
        case av.error.HTTPServerError() | av.error.HTTPTooManyRequestsError():
            return Failed(Reason.BUSY)
        case av.error.HTTPForbiddenError():
            return Failed(Reason.REFUSED, "403 Forbidden")
        case av.error.HTTPNotFoundError():
            return Failed(Reason.REFUSED, "404 Not Found")
        case av.error.HTTPClientError():
            return Failed(Reason.REFUSED, "a refusal (4xx)")
        case av.error.ExitError() | av.error.TimeoutError():
            return Failed(Reason.SILENT)
        case av.error.EOFError():
            return Failed(Reason.ENDED)
        case av.error.FFmpegError() if isinstance(error, OSError):
            # EIO is what libav says of a name that is not found and of a stream that breaks off.
            return Failed(Reason.NETWORK, "" if error.errno == errno.EIO else error.strerror or "")
        case MemoryError():
            return Failed(Reason.UNREADABLE, "more of it than fits into memory")
        case av.error.FFmpegError():
            return Failed(Reason.UNREADABLE, error.strerror or "")
        case _:
            return Failed(Reason.UNREADABLE)
