"""A picture made ready for measuring: one size, what is not picture left out, and the scales that several measures share."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Frame = NDArray[Any]  # of uint8
Valid = NDArray[Any]  # of bool
Plane = NDArray[Any]  # of float32; OpenCV says less than that

WIDE = 640
SMALLEST = 32
"""Pixels: what is smaller is enlarged, so that every measure has a neighbourhood to look at."""
CAPTIONS = 0.11
"""Share of the height, at the top and at the bottom, where cameras write the time and their name."""
BLOCK = 16
BAR_LEVEL = 20
BAR_MOST = 0.3
"""A letterbox takes less than this share on each side; a darker picture is a dark picture."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """``colour``: BGR, at most 640 wide; ``grey``: its luma; ``half``: that at half size, ``valid``: what is picture;
    ``core``: valid and apart from the captions, ``core_half``: at half size; ``blocks``: which blocks of 16 × 16 are core.
    ``seen``: the share of the frame that is picture."""

    colour: Frame
    grey: Frame
    half: Frame
    valid: Valid
    core: Valid
    core_half: Valid
    blocks: Valid
    seen: float


def prepare(frame: Frame, valid: Valid | None = None) -> Prepared:
    """Raises ValueError for what is no picture of 8-bit BGR or grey."""
    colour = _colour(frame)
    if valid is not None and valid.shape != colour.shape[:2]:
        raise ValueError(f"the mask is {valid.shape}, the picture {colour.shape[:2]}: both must have the same size")
    mask: Frame = np.ones(colour.shape[:2], np.uint8) if valid is None else valid.astype(np.uint8)
    wide, high = _size(colour.shape[1], colour.shape[0])
    if (high, wide) != colour.shape[:2]:
        colour = cv2.resize(colour, (wide, high), interpolation=cv2.INTER_AREA)
        mask = cv2.resize(mask, (wide, high), interpolation=cv2.INTER_NEAREST)
    grey = cv2.cvtColor(colour, cv2.COLOR_BGR2GRAY)
    top, bottom, left, right = _letterbox(grey, mask)
    bars = (high - top - bottom) * (wide - left - right) / (high * wide)
    colour, grey, mask = (
        np.ascontiguousarray(plane[top : high - bottom, left : wide - right]) for plane in (colour, grey, mask)
    )
    if valid is not None:
        mask = cv2.erode(mask, np.ones((5, 5), np.uint8), borderType=cv2.BORDER_REPLICATE)
    core = mask.copy()
    band = max(0, round(CAPTIONS * high) - min(top, bottom))
    if band:
        core[:band] = 0
        core[-band:] = 0
    half_size = (max(1, grey.shape[1] // 2), max(1, grey.shape[0] // 2))
    core_half = cv2.resize(core, half_size, interpolation=cv2.INTER_NEAREST)
    return Prepared(
        colour=colour,
        grey=grey,
        half=cv2.resize(grey, half_size, interpolation=cv2.INTER_AREA),
        valid=mask.astype(bool),
        core=core.astype(bool),
        core_half=core_half.astype(bool),
        blocks=block_means(core.astype(np.float32)) > 0.9,
        seen=float(mask.mean()) * bars,
    )


def block_means(plane: Plane) -> Plane:
    """Means of blocks of 16 × 16; what is left over at the right and at the bottom goes with no block."""
    high, wide = plane.shape[0] // BLOCK * BLOCK, plane.shape[1] // BLOCK * BLOCK
    means: Plane = cv2.resize(plane[:high, :wide], (wide // BLOCK, high // BLOCK), interpolation=cv2.INTER_AREA)
    return means


def _colour(frame: Frame) -> Frame:
    if frame.dtype != np.uint8 or frame.ndim not in (2, 3) or 0 in frame.shape:
        raise ValueError(
            f"a picture is 8-bit, height × width × 3 or height × width, and not {frame.dtype} {frame.shape}"
        )
    if frame.ndim == 2:
        return cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_GRAY2BGR)
    if frame.shape[2] != 3:
        raise ValueError(f"a picture has the three planes blue, green, red, or is grey; this one has {frame.shape[2]}")
    return frame


def _size(wide: int, high: int) -> tuple[int, int]:
    scale = min(1.0, WIDE / wide, 2 * WIDE / high)
    return max(SMALLEST, round(wide * scale)), max(SMALLEST, round(high * scale))


def _letterbox(grey: Frame, mask: Frame) -> tuple[int, int, int, int]:
    """Rows and columns of black at the top, bottom, left, right; none where the rest would be black as well."""
    dark = (grey[::2, ::2] <= BAR_LEVEL) & (mask[::2, ::2] > 0)
    rows, columns = (dark.mean(axis=axis).repeat(2)[: grey.shape[1 - axis]] >= 0.8 for axis in (1, 0))
    top, bottom = _run(rows), _run(rows[::-1])
    left, right = _run(columns), _run(columns[::-1])
    inner = grey[top : grey.shape[0] - bottom, left : grey.shape[1] - right]
    if inner.size < grey.size * 0.4 or inner.mean() < 2 * BAR_LEVEL:
        return 0, 0, 0, 0
    return top, bottom, left, right


def _run(black: NDArray[np.bool_]) -> int:
    """How many of them stand at the beginning; 0 where that is too many for a bar."""
    lit = np.flatnonzero(~black)
    count = int(lit[0]) if lit.size else len(black)
    return count if count <= BAR_MOST * len(black) else 0
