"""Noise: of the sensor, of the line (snow), single pixels, and of the colours, told from texture."""

import cv2
import numpy as np

from gateway.video.diagnosis.prepared import Plane, Prepared, Valid, block_means

CALM = 25.0
"""Per cent: noise is everywhere, so a picture has at least as much of it as its calmest quarter; foliage has not."""
TEXTURE = 1.0
"""What of the next octave's energy is taken for texture: white noise has a quarter there, texture as much or more."""
ALONG = 65
"""Pixels: snow changes along a line; what is the same over so many are stripes, and is taken away first."""
IMPULSE = 45
CLIPPED = (10, 245)
_IMMERKAER = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
_UPRIGHT = np.array([[1], [-2], [1]], np.float32)


def grain(picture: Prepared) -> float:
    """σ of the noise in grey levels (Immerkær 1996, block by block), also where it runs along the lines as analogue snow does."""
    grey, half = picture.grey.astype(np.float32), picture.half.astype(np.float32)
    usable = picture.blocks & _unclipped(grey)
    fine = _sigma(grey, _IMMERKAER, 6.0)
    coarse = _fit(_sigma(half, _IMMERKAER, 6.0, halved=True), fine)
    upright = _sigma(grey, _UPRIGHT, 6.0**0.5, along=ALONG)
    upright_coarse = _fit(_sigma(half, _UPRIGHT, 6.0**0.5, halved=True, along=ALONG // 2), fine)
    white = np.sqrt(np.maximum(fine**2 - TEXTURE * coarse**2, 0))
    lines = np.sqrt(np.maximum(upright**2 - TEXTURE * upright_coarse**2, 0))
    return max(_calm(white, usable), _calm(lines, usable))


def impulses(picture: Prepared) -> float:
    """Share of single pixels far from the median of their neighbourhood, and from both neighbours in their line and in their column
    (a disturbed line is far from those above and below alone), in the calmest quarter."""
    grey = picture.grey
    off = cv2.absdiff(grey, cv2.medianBlur(grey, 3)) > IMPULSE
    if not off.any():
        return 0.0
    for size in ((3, 1), (1, 3)):
        beside = cv2.blur(grey, size, borderType=cv2.BORDER_REFLECT_101)  # a third of which is the pixel itself
        off &= cv2.absdiff(grey, beside) > IMPULSE * 2 // 3
    return _calm(block_means(off.astype(np.float32)), picture.blocks)


def chroma_grain(picture: Prepared) -> float:
    """σ of the noise of Cr and Cb, the greater of both."""
    planes = cv2.cvtColor(picture.colour, cv2.COLOR_BGR2YCrCb)
    wide, high = picture.half.shape[1], picture.half.shape[0]
    small = cv2.resize(planes, (wide, high), interpolation=cv2.INTER_AREA).astype(np.float32)
    found = 0.0
    for index in (1, 2):
        fine = _sigma(np.ascontiguousarray(small[:, :, index]), _IMMERKAER, 6.0, halved=True)
        found = max(found, _calm(fine, _fit(picture.blocks.astype(np.float32), fine) > 0.9))
    return found


def _sigma(plane: Plane, kernel: Plane, norm: float, *, halved: bool = False, along: int = 0) -> Plane:
    response: Plane = cv2.filter2D(plane, cv2.CV_32F, kernel, borderType=cv2.BORDER_REFLECT_101)
    if along:
        response -= cv2.blur(response, (along, 1), borderType=cv2.BORDER_REFLECT_101)
    response = np.abs(response)
    means = _half_block_means(response) if halved else block_means(response)
    return means * np.float32((np.pi / 2) ** 0.5 / norm)


def _half_block_means(plane: Plane) -> Plane:
    high, wide = plane.shape[0] // 8 * 8, plane.shape[1] // 8 * 8
    means: Plane = cv2.resize(plane[:high, :wide], (wide // 8, high // 8), interpolation=cv2.INTER_AREA)
    return means


def _fit(plane: Plane, like: Plane) -> Plane:
    """Blocks of both sizes differ by at most one at the edge."""
    if plane.shape == like.shape:
        return plane
    fitted: Plane = cv2.resize(plane, (like.shape[1], like.shape[0]), interpolation=cv2.INTER_NEAREST)
    return fitted


def _unclipped(grey: Plane) -> Valid:
    """Blocks where noise can show: black and white swallow it."""
    means = block_means(grey)
    return (means > CLIPPED[0]) & (means < CLIPPED[1])


def _calm(blocks: Plane, usable: Valid) -> float:
    chosen = blocks[usable]
    return float(np.percentile(chosen, CALM)) if chosen.size else 0.0
