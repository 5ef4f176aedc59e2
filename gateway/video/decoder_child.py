"""The child process that parses what cameras encoded: pictures of keyframes, their difference, what is wrong with them, clips.

``python -m gateway.video.decoder_child FD [clips]`` speaks over the inherited socket FD. It is the only process that parses what
a camera encoded, so it has hard limits, an empty environment and nothing to steal. Request: ``REQUEST`` header, payload.
Answer: ``ANSWER`` header, then the body, or the reason in UTF-8. ``READY`` is sent once, after the libraries are loaded
(for clips without OpenCV: half the memory).
"""

import json
import os
import resource
import socket
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal

import av

from gateway.confinement import confine
from gateway.video.decoder import remux
from gateway.video.decoder.remux import Undecodable
from gateway.video.decoder.wire import (
    ANSWER,
    CLIP,
    CODECS,
    COST,
    DIFFERENCE,
    DONE,
    FIRST_SIZE,
    MAX_PIXELS,
    MEASURE,
    MEASURED,
    PICTURE,
    READY,
    REFUSED,
    REQUEST,
    WHOLE,
    unpack_look,
    unpack_masks,
)

_LIBAV: dict[str, Literal["h264", "hevc", "mjpeg"]] = {"h264": "h264", "h265": "hevc", "mjpeg": "mjpeg"}

ADDRESS_SPACE = 2 * 1024**3
OPEN_FILES = 16
CPU_SECONDS = 6
"""CPU time for one answer: ends a decoder that loops, even after its worker was killed."""
JPEG_QUALITY = 80
GREY = (64, 36)
BLOCK = 4
"""Pixels: a person at the far end of a street still fills a sixteenth of such a block of the small grey picture."""

Answer = tuple[bytes, int, int]


def picture(payload: memoryview, codec: str, width: int) -> Answer:
    """(JPEG, width, height) of a keyframe, at most ``width`` wide, aspect kept, sides even, black within the masks that
    stand before it. Raises Undecodable."""
    import cv2

    masks, payload = unpack_masks(payload)
    frame = decode(payload, codec)
    wide, high = fit(frame.width, frame.height, width)
    # libswscale scales straight from YUV: a third of the cost of converting all of it and resizing in OpenCV.
    pixels = frame.reformat(width=wide, height=high, format="bgr24", interpolation="AREA", threads=1).to_ndarray()
    for mask in masks:
        black_out(pixels, mask)
    done, jpeg = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not done:
        raise Undecodable("the picture could not be written as JPEG")
    return jpeg.tobytes(), wide, high


def black_out(pixels: Any, mask: Sequence[tuple[int, int]]) -> None:
    """Fill a polygon; the pixels that its edge runs through are within it, and what it goes around is, too: where a polygon
    crosses itself its filling would have holes."""
    import cv2
    import numpy as np

    high, wide = pixels.shape[:2]
    corners = [(min(round(x * wide / WHOLE), wide - 1), min(round(y * high / WHOLE), high - 1)) for x, y in mask]
    cover = np.zeros((high, wide), np.uint8)
    cv2.fillPoly(cover, [np.array(corners, np.int32)], 255)
    outlines, _ = cv2.findContours(cover, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(pixels, outlines, -1, (0, 0, 0), cv2.FILLED)


def difference(payload: memoryview, codec: str, _: int) -> Answer:
    """How far two keyframes of a camera differ, in grey levels (0 to 255) of 64×36 pictures: the mean, and that of the
    4×4 block that differs most. Raises Undecodable."""
    import numpy as np

    (size,) = FIRST_SIZE.unpack_from(payload)
    keyframes = payload[FIRST_SIZE.size :]
    wide, high = GREY
    one, other = (
        decode(part, codec)
        .reformat(width=wide, height=high, format="gray", interpolation="AREA", threads=1)
        .to_ndarray()
        .astype(np.int16)
        for part in (keyframes[:size], keyframes[size:])
    )
    off = np.abs(one - other)
    blocks = off.reshape(high // BLOCK, BLOCK, wide // BLOCK, BLOCK).mean(axis=(1, 3))
    return MEASURED.pack(float(off.mean()), float(blocks.max())), wide, high


def measure(payload: memoryview, codec: str, width: int) -> Answer:
    """What is wrong with the newest of some keyframes, in numbers: see ``diagnosis.measures``. What masks hide is black and told
    to be masked, before anything is measured; no picture leaves but the small reference view, where it is wanted. Raises
    Undecodable."""
    from gateway.video.diagnosis import references

    began = time.process_time()
    masks, reference, keyframes, wants_view = unpack_look(payload)
    frames = _of_one_size([_pixels(keyframe, codec, width) for keyframe in keyframes])
    valid = visible(frames[-1].shape[:2], masks) if masks else None
    for frame in frames:
        if valid is not None:
            frame[~valid] = 0
    try:
        seen = _held_against(frames, valid, reference)
        view = references.reference_of(frames[-1], valid) if wants_view else b""
    except ValueError as error:
        raise Undecodable(f"the picture cannot be measured: {error}") from None
    found = json.dumps(seen.to_json()).encode()
    high, wide = frames[-1].shape[:2]
    return COST.pack(time.process_time() - began, len(found)) + found + view, wide, high


def _held_against(frames: list[Any], valid: Any, reference: bytes | None) -> Any:
    """A reference view of another version of the gateway is as none: its figures stay unknown."""
    from gateway.video.diagnosis import measures

    try:
        return measures.look(frames, valid, reference)
    except ValueError:
        if reference is None:
            raise
        return measures.look(frames, valid)


def _pixels(payload: memoryview, codec: str, width: int) -> Any:
    frame = decode(payload, codec)
    wide, high = fit(frame.width, frame.height, width)
    return frame.reformat(width=wide, height=high, format="bgr24", interpolation="AREA", threads=1).to_ndarray()


def _of_one_size(frames: list[Any]) -> list[Any]:
    """The newest, and those before it that are as large: a camera may have been set to another size just now."""
    return [frame for frame in frames if frame.shape == frames[-1].shape]


def visible(size: tuple[int, int], masks: Sequence[Sequence[tuple[int, int]]]) -> Any:
    """Where nothing is masked, (height, width) of bool."""
    import numpy as np

    seen = np.full((*size, 3), 255, np.uint8)
    for mask in masks:
        black_out(seen, mask)
    return seen[:, :, 0] > 0


def clip(payload: memoryview, codec: str, _: int) -> Answer:
    """The MP4 of a packed cut, see ``remux``. Raises Undecodable."""
    return remux.clip(payload, codec)


OPERATIONS: dict[int, Callable[[memoryview, str, int], Answer]] = {
    PICTURE: picture,
    DIFFERENCE: difference,
    CLIP: clip,
    MEASURE: measure,
}


def decode(payload: memoryview, codec: str) -> av.VideoFrame:
    """The picture of a keyframe. Raises Undecodable."""
    # A new context costs no more than flushing an old one (measured), and no frame can spoil the next.
    context = av.CodecContext.create(_LIBAV[codec], "r")
    context.thread_count = 1
    context.options = {"max_pixels": str(MAX_PIXELS)}
    try:
        frames = [*context.decode(av.Packet(bytes(payload))), *context.decode(None)]
    except av.FFmpegError as error:
        raise Undecodable(f"the {codec} decoder refused the keyframe: {error.strerror}") from None
    if not frames:
        raise Undecodable(f"the {codec} decoder made no picture of the keyframe")
    if frames[0].is_corrupt:
        raise Undecodable("the keyframe is damaged: parts of the picture are missing")
    return frames[0]


def fit(width: int, height: int, widest: int) -> tuple[int, int]:
    """Even sides, at most ``widest`` wide, same aspect, never enlarged."""
    wide = max(2, min(width, widest) // 2 * 2)
    return wide, max(2, round(height * wide / width / 2) * 2)


def limit_resources(nice: int) -> None:
    os.nice(nice)
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def limit_cpu() -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime) + CPU_SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def serve(peer: socket.socket) -> None:
    """Answer requests until the worker hangs up."""
    while True:
        header = _read(peer, REQUEST.size)
        if header is None:
            return
        operation, codec, width, size = REQUEST.unpack(header)
        payload = _read(peer, size)
        if payload is None:
            return
        limit_cpu()
        try:
            body, wide, high = OPERATIONS[operation](payload, CODECS[codec], width)
            status = DONE
        except Undecodable as fault:
            body, wide, high, status = str(fault).encode(), 0, 0, REFUSED
        peer.sendall(ANSWER.pack(status, wide, high, len(body)))
        peer.sendall(body)


def _read(peer: socket.socket, size: int) -> memoryview | None:
    view, filled = memoryview(bytearray(size)), 0
    while filled < size:
        count = peer.recv_into(view[filled:])
        if count == 0:
            return None
        filled += count
    return view


def main() -> None:
    peer = socket.socket(fileno=int(sys.argv[1]))
    clips_only = sys.argv[2:] == ["clips"]
    if not clips_only:
        import cv2

        cv2.setNumThreads(1)
    av.logging.set_level(None)
    limit_resources(10 if clips_only else 5)
    confine(network=False)
    try:
        peer.sendall(READY)
        serve(peer)
    except (BrokenPipeError, ConnectionResetError):
        pass  # the worker is gone, and so is the reason to be here


if __name__ == "__main__":
    main()
