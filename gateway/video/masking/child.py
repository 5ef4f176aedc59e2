"""The child process that covers parts of one picture or clip: ``python -m gateway.video.masking.child IN OUT``.

IN and OUT are inherited file descriptors; the order (orders.py) comes on standard input. It parses what a camera encoded, or
a lower node sent, so it has hard limits, an empty environment, no network and the lowest priority. On success its
exit code is 0 and its output ``{"frames": N, "width": W, "height": H}``; else 1 and the reason.
"""

import json
import os
import resource
import sys
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, BinaryIO

import av
import av.container
import cv2
import numpy as np

from gateway.confinement import confine
from gateway.video.decoder.wire import MAX_PIXELS
from gateway.video.masking.orders import Cover, Style, unpacked

ADDRESS_SPACE = 3 * 1024**3
CPU_SECONDS = 600
LARGEST = 1 << 30
_ENCODERS = ("libx264", "libopenh264")
_QUALITY = {"libx264": {"crf": "21", "preset": "veryfast"}, "libopenh264": {"b": "4000000"}}
_JPEG_QUALITY = 88
_BLOCKS = 12
"""A mosaic's blocks across the longer side of what is covered: too few for a plate or a face to be put together again."""
_BLOCK = 8
"""A block's sides at the least, in pixels: what is far away is small, and blocks of one pixel would cover nothing."""
_SMALL = 3 * _BLOCK
"""Pixels. What is smaller than this on its longer side becomes one colour: it has room for no more than a few blocks."""


class Unmaskable(Exception):
    """It cannot be decoded or written, in words."""


def picture(source: BinaryIO, target: BinaryIO, covers: Sequence[Cover], style: Style) -> tuple[int, int, int]:
    """A JPEG with its parts covered; what else the file carried, such as a place, is gone."""
    with _opened(source, "mjpeg") as container:
        for frame in container.decode(video=0):
            pixels = _pixels(frame)
            cover(pixels, [each.polygon for each in covers], style)
            done, jpeg = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
            if not done:
                raise Unmaskable("the picture could not be written as JPEG")
            target.write(jpeg.tobytes())
            return 1, frame.width, frame.height
    raise Unmaskable("there is no picture in it")


def clip(source: BinaryIO, target: BinaryIO, covers: Sequence[Cover], style: Style) -> tuple[int, int, int]:
    """An MP4 (H.264) with its parts covered while their time lasts; without sound, which is of somebody, too."""
    frames = 0
    with (
        _opened(source, "mp4") as container,
        av.open(_Nameless(target), "w", format="mp4") as out,
    ):
        video = container.streams.video[0]
        stream: Any = None
        first: float | None = None
        for frame in container.decode(video):
            if frame.pts is None or frame.time_base is None:
                continue
            at = float(frame.pts * frame.time_base)
            first = at if first is None else first
            if stream is None:
                stream = _encoder(out, frame.width // 2 * 2, frame.height // 2 * 2, video.average_rate)
            if (frame.width // 2 * 2, frame.height // 2 * 2) != (stream.width, stream.height):
                raise Unmaskable("the picture changes its size in the middle")
            pixels = _pixels(frame)[: stream.height, : stream.width]
            cover(pixels, [each.polygon for each in covers if each.at((at - first) * 1000)], style)
            made = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="bgr24")
            made.pts, made.time_base = round((at - first) * 90_000), Fraction(1, 90_000)
            for packet in stream.encode(made):
                out.mux(packet)
            frames += 1
        if stream is None:
            raise Unmaskable("there is no picture in it")
        for packet in stream.encode(None):
            out.mux(packet)
        return frames, stream.width, stream.height


def cover(pixels: Any, polygons: Sequence[Sequence[tuple[float, float]]], style: Style) -> None:
    """Of BGR pixels, in place. The pixels that an edge runs through are covered; a polygon that crosses itself has no holes."""
    high, wide = pixels.shape[:2]
    for polygon in polygons:
        at = [(min(round(x * wide), wide - 1), min(round(y * high), high - 1)) for x, y in polygon]
        corners = np.array(at, np.int32)
        within = np.zeros((high, wide), np.uint8)
        cv2.fillPoly(within, [corners], 255)
        outlines, _ = cv2.findContours(within, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(within, outlines, -1, 255, cv2.FILLED)
        if style == "black":
            pixels[within > 0] = 0
        else:
            _mosaic(pixels, within)


def _mosaic(pixels: Any, within: Any) -> None:
    left, top, wide, high = cv2.boundingRect(within)
    if wide == 0 or high == 0:
        return
    part = pixels[top : top + high, left : left + wide]
    chosen = within[top : top + high, left : left + wide] > 0
    if max(wide, high) < _SMALL:
        part[chosen] = part[chosen].mean(axis=0).round()
        return
    block = max(_BLOCK, -(-max(wide, high) // _BLOCKS))
    small = cv2.resize(part, (max(1, wide // block), max(1, high // block)), interpolation=cv2.INTER_AREA)
    coarse = cv2.resize(small, (wide, high), interpolation=cv2.INTER_NEAREST)
    part[chosen] = coarse[chosen]


def _opened(source: BinaryIO, form: str) -> Any:
    """``form`` is not left to the file to say: libav knows hundreds, and some fetch others."""
    forms = {"mjpeg": "jpeg_pipe", "mp4": "mp4"}
    return av.open(
        _Nameless(source), "r", format=forms[form], options={"max_pixels": str(MAX_PIXELS), "enable_drefs": "0"}
    )


def _pixels(frame: av.VideoFrame) -> Any:
    if frame.width * frame.height > MAX_PIXELS:
        raise Unmaskable("the picture is larger than any camera's")
    return frame.to_ndarray(format="bgr24").copy()


class _Nameless:
    """libav would open a file by its name once more."""

    def __init__(self, file: BinaryIO) -> None:
        self.read, self.write, self.seek, self.tell = file.read, file.write, file.seek, file.tell


def _encoder(out: av.container.OutputContainer, width: int, height: int, rate: Fraction | None) -> Any:
    for name in _ENCODERS:
        try:
            stream: Any = out.add_stream(name, rate=round(rate) if rate else 25, options=_QUALITY[name])
        except (ValueError, av.FFmpegError):
            continue
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 90_000)
        stream.codec_context.thread_count = 1
        return stream
    raise Unmaskable(f"this installation encodes no H.264 ({' or '.join(_ENCODERS)})")


def main() -> int:
    source, target = os.fdopen(int(sys.argv[1]), "rb"), os.fdopen(int(sys.argv[2]), "w+b")
    kind, covers, style = unpacked(sys.stdin.buffer.read())
    cv2.setNumThreads(1)
    av.logging.set_level(None)
    os.nice(19)
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST, LARGEST))
    confine(network=False)
    try:
        frames, width, height = (clip if kind == "clip" else picture)(source, target, covers, style)
        target.flush()
    except (Unmaskable, av.FFmpegError, cv2.error, ValueError, MemoryError, OSError) as error:
        sys.stdout.write(str(error) or type(error).__name__)
        return 1
    sys.stdout.write(json.dumps({"frames": frames, "width": width, "height": height}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
