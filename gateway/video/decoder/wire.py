"""What a video worker and its decoder children say to each other, over an inherited socket."""

import struct
from collections.abc import Sequence

from gateway.model import Mask

REQUEST = struct.Struct("!BBHI")
"""Operation, codec number (CODECS), widest picture wanted, payload size."""
ANSWER = struct.Struct("!BHHI")
"""Status (DONE | REFUSED), width, height, body size."""
FIRST_SIZE = struct.Struct("!I")
"""DIFFERENCE: the size of the first of the two keyframes, before them."""
MEASURED = struct.Struct("!dd")
"""DIFFERENCE: mean and block, see ``difference``."""
MASKS_SIZE = struct.Struct("!I")
"""PICTURE: the size of its masks, before them and the keyframe."""
MASK = struct.Struct("!B")
"""How many corners it has; then each of them."""
CORNER = struct.Struct("!HH")
"""x and y in parts of WHOLE of the picture's width and height."""
WHOLE = 65535
READY = b"\x06"
DONE, REFUSED = 0, 1
PICTURE, DIFFERENCE, CLIP, MEASURE = 0, 1, 2, 3
CODECS = ("h264", "h265", "mjpeg")
CUT = struct.Struct("!I")
"""CLIP: how many units; then the arrays of ``footage.Cut`` (sizes, RTP times, receive times, flags), then their bytes."""
USED = struct.Struct("!II")
"""CLIP: the first and the last unit that are in the clip, before the MP4."""
LOOK = struct.Struct("!BIB")
"""MEASURE, after the masks: whether a reference view is wanted, the size of the one to compare with, how many keyframes; then
the size of each (FIRST_SIZE), the reference view, and the keyframes, newest last."""
COST = struct.Struct("!dI")
"""MEASURE: CPU seconds that it took, the size of the measures as JSON; then they, and the reference view that was wanted."""
MOST_LOOKED_AT = 6
MAX_PIXELS = 40_000_000
"""7680×4320 is 33 million: nothing that a street camera sends is larger."""


def pack_masks(masks: Sequence[Mask]) -> bytes:
    """With their size before them."""
    packed = b"".join(
        MASK.pack(len(mask)) + b"".join(CORNER.pack(round(x * WHOLE), round(y * WHOLE)) for x, y in mask)
        for mask in masks
    )
    return MASKS_SIZE.pack(len(packed)) + packed


def unpack_masks(payload: memoryview) -> tuple[list[list[tuple[int, int]]], memoryview]:
    """Their corners in parts of WHOLE, and what comes after them."""
    (size,) = MASKS_SIZE.unpack_from(payload)
    packed, rest = payload[MASKS_SIZE.size : MASKS_SIZE.size + size], payload[MASKS_SIZE.size + size :]
    masks: list[list[tuple[int, int]]] = []
    at = 0
    while at < len(packed):
        (corners,) = MASK.unpack_from(packed, at)
        at += MASK.size
        masks.append([CORNER.unpack_from(packed, at + CORNER.size * number) for number in range(corners)])
        at += CORNER.size * corners
    return masks, rest


def pack_look(
    masks: Sequence[Mask], reference: bytes | None, keyframes: Sequence[bytes], *, wants_view: bool
) -> list[bytes]:
    held = reference or b""
    sizes = b"".join(FIRST_SIZE.pack(len(keyframe)) for keyframe in keyframes)
    return [pack_masks(masks), LOOK.pack(wants_view, len(held), len(keyframes)), sizes, held, *keyframes]


def unpack_look(
    payload: memoryview,
) -> tuple[list[list[tuple[int, int]]], bytes | None, list[memoryview], bool]:
    """(masks, reference view or None, keyframes, whether a reference view is wanted)."""
    masks, rest = unpack_masks(payload)
    wants_view, held, count = LOOK.unpack_from(rest)
    at = LOOK.size
    sizes = [FIRST_SIZE.unpack_from(rest, at + FIRST_SIZE.size * number)[0] for number in range(count)]
    at += FIRST_SIZE.size * count
    reference = bytes(rest[at : at + held]) or None
    at += held
    keyframes = []
    for size in sizes:
        keyframes.append(rest[at : at + size])
        at += size
    return masks, reference, keyframes, bool(wants_view)
