"""The decoder's child process: turns one encoded keyframe at a time into a JPEG.

``python -m gateway.video.decoder_child FD`` speaks over the inherited socket FD. It is the only process that parses what
a camera encoded, so it has hard limits, an empty environment and nothing to steal. Request: ``REQUEST`` header, payload.
Answer: ``ANSWER`` header, then the JPEG, or the reason in UTF-8. ``READY`` is sent once, after the libraries are loaded.
"""

import os
import resource
import socket
import struct
import sys

REQUEST = struct.Struct("!IHB")
"""Payload size, widest picture wanted, codec number (CODECS)."""
ANSWER = struct.Struct("!BHHI")
"""Status (DONE | UNDECODABLE), width, height, body size."""
READY = b"\x06"
DONE, UNDECODABLE = 0, 1
CODECS = ("h264", "h265")

ADDRESS_SPACE = 2 * 1024**3
OPEN_FILES = 16
CPU_SECONDS = 6
"""CPU time for one picture: ends a decoder that loops, even after its worker was killed."""
MAX_PIXELS = 40_000_000
"""7680×4320 is 33 million: nothing that a street camera sends is larger."""
JPEG_QUALITY = 80


class Undecodable(Exception):
    """The bytes are not a picture."""


def decode(payload: bytes, codec: str, width: int) -> tuple[bytes, int, int]:
    """(JPEG, width, height) of a keyframe, at most ``width`` wide, aspect kept, sides even. Raises Undecodable."""
    import av
    import cv2

    # A new context costs no more than flushing an old one (measured), and no frame can spoil the next.
    context = av.CodecContext.create("hevc" if codec == "h265" else "h264", "r")
    context.thread_count = 1
    context.options = {"max_pixels": str(MAX_PIXELS)}
    try:
        frames = [*context.decode(av.Packet(payload)), *context.decode(None)]
    except av.FFmpegError as error:
        raise Undecodable(f"the {codec} decoder refused the keyframe: {error.strerror}") from None
    if not frames:
        raise Undecodable(f"the {codec} decoder made no picture of the keyframe")
    frame = frames[0]
    if frame.is_corrupt:
        raise Undecodable("the keyframe is damaged: parts of the picture are missing")
    wide, high = fit(frame.width, frame.height, width)
    # libswscale scales straight from YUV: a third of the cost of converting all of it and resizing in OpenCV.
    pixels = frame.reformat(width=wide, height=high, format="bgr24", interpolation="AREA", threads=1).to_ndarray()
    done, jpeg = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not done:
        raise Undecodable("the picture could not be written as JPEG")
    return jpeg.tobytes(), wide, high


def fit(width: int, height: int, widest: int) -> tuple[int, int]:
    """Even sides, at most ``widest`` wide, same aspect, never enlarged."""
    wide = max(2, min(width, widest) // 2 * 2)
    return wide, max(2, round(height * wide / width / 2) * 2)


def limit_resources() -> None:
    os.nice(5)
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
        size, width, codec = REQUEST.unpack(header)
        payload = _read(peer, size)
        if payload is None:
            return
        limit_cpu()
        try:
            jpeg, wide, high = decode(payload, CODECS[codec], width)
            peer.sendall(ANSWER.pack(DONE, wide, high, len(jpeg)) + jpeg)
        except Undecodable as fault:
            reason = str(fault).encode()
            peer.sendall(ANSWER.pack(UNDECODABLE, 0, 0, len(reason)) + reason)


def _read(peer: socket.socket, size: int) -> bytes | None:
    buffer = bytearray(size)
    view, filled = memoryview(buffer), 0
    while filled < size:
        count = peer.recv_into(view[filled:])
        if count == 0:
            return None
        filled += count
    return bytes(buffer)


def main() -> None:
    peer = socket.socket(fileno=int(sys.argv[1]))
    import av
    import cv2

    av.logging.set_level(None)
    cv2.setNumThreads(1)
    limit_resources()
    try:
        peer.sendall(READY)
        serve(peer)
    except (BrokenPipeError, ConnectionResetError):
        pass  # the worker is gone, and so is the reason to be here


if __name__ == "__main__":
    main()
