"""A part of the picture without a single edge: sky, a plain wall, or something before the lens."""

import cv2
import numpy as np

from gateway.video.diagnosis.prepared import CAPTIONS, Frame, Plane, Prepared, Valid
from gateway.video.diagnosis.references import Likeness

CELL = 8
"""Pixels at half size."""
EDGE, FAINTEST = 5.0, 1.2
"""Grey levels between neighbours at half size, smoothed: what is an edge in a picture of full contrast, and at least."""
SHARE_OF_CONTRAST = 0.25
"""… and in one of little contrast: a faded scene has its edges still, a hand before the lens has none."""
EDGES = 0.02


TEXTURE = 0.95
"""Grey levels between neighbours: what is before the lens is out of focus and has less than a wall or the sky's noise."""
FULL_ROW = 0.85
LAYERED = 0.55
"""Share of the part in rows that it fills: sky and ground lie in layers."""
ALONG, NOT_ALONG = 0.8, 0.3
SIZE = (320, 180)
TILES = (32, 18)
FINE, COARSE = 1.2, 2.4
"""σ of two smoothings, of a picture 320 wide: between them lies what a lens shows of things at some distance only."""
SOFT = 0.4
"""Grey levels of it, on average over a tile: a sensor's noise by night has 0.3, a wall's plaster 0.6."""


def gone(frame: Frame, likeness: Likeness) -> float:
    """Share of the reference view's structure that is not where it was, and behind one part without any detail there. What turned
    away shows details of something else; what is blurred or dim is in its place."""
    wide, high = likeness.structured.shape[1], likeness.structured.shape[0]
    hidden = cv2.resize(_soft_part(frame), (wide, high), interpolation=cv2.INTER_AREA) > 0.5
    return float((likeness.lost & hidden).sum() / likeness.structured.sum())


def _soft_part(frame: Frame) -> Plane:
    """1 in the largest connected part that is out of focus, 0 elsewhere."""
    grey = frame if frame.ndim == 2 else cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
    small = cv2.resize(grey, SIZE, interpolation=cv2.INTER_AREA).astype(np.float32)
    detail = np.abs(cv2.GaussianBlur(small, (0, 0), FINE) - cv2.GaussianBlur(small, (0, 0), COARSE))
    soft = (cv2.resize(detail, TILES, interpolation=cv2.INTER_AREA) < SOFT).astype(np.uint8)
    band = round(CAPTIONS * TILES[1])
    soft[:band] = soft[-band:] = 0
    _, labels, stats, _ = cv2.connectedComponentsWithStats(soft, connectivity=4)
    number = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax()) if len(stats) > 1 else -1
    largest: Plane = (labels == number).astype(np.float32)
    return largest


def smooth(picture: Prepared, contrast: float) -> tuple[float, float]:
    """(share of the largest part without edges, how far its brightness is from the rest's in grey levels). ``contrast``: deviation
    of the grey levels. The second is 0 where that part has texture, or lies as sky or ground does."""
    grey = cv2.GaussianBlur(picture.half, (0, 0), 1.2).astype(np.float32)
    across = cv2.Sobel(grey, cv2.CV_32F, 1, 0, ksize=3, scale=0.25)
    down = cv2.Sobel(grey, cv2.CV_32F, 0, 1, ksize=3, scale=0.25)
    slope = cv2.magnitude(across, down)
    least = min(EDGE, max(FAINTEST, SHARE_OF_CONTRAST * contrast))
    wide, high = grey.shape[1] // CELL, grey.shape[0] // CELL
    cells = _cells((slope > least).astype(np.float32))
    core = cv2.resize(picture.core_half.astype(np.uint8), (wide, high), interpolation=cv2.INTER_NEAREST) > 0
    bare = ((cells < EDGES) & core).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(bare, connectivity=4)
    whole = int(core.sum())
    if len(stats) < 2 or not whole:
        return 0.0, 0.0
    number = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    part, rest = labels == number, core & (labels != number)
    share = float(stats[number, cv2.CC_STAT_AREA]) / whole
    if not rest.any() or np.median(_cells(slope)[part]) > TEXTURE:
        return share, 0.0
    light = _cells(grey)
    off = float(light[part].mean() - light[rest].mean())
    return share, 0.0 if _is_layer(part[core.any(axis=1)], bright=off > 0) else abs(off)


def _is_layer(part: Valid, *, bright: bool) -> bool:
    """Whether it lies along the top and not the bottom, or the other way round, as sky and ground do. A bright one may have trees
    and houses before it."""
    top, bottom = float(part[0].mean()), float(part[-1].mean())
    if not ((top > ALONG and bottom < NOT_ALONG) or (bottom > ALONG and top < NOT_ALONG)):
        return False
    full = part.mean(axis=1) > FULL_ROW
    return bright or float(part[full].sum() / part.sum()) > LAYERED


def _cells(plane: Plane) -> Plane:
    wide, high = plane.shape[1] // CELL, plane.shape[0] // CELL
    means: Plane = cv2.resize(plane[: high * CELL, : wide * CELL], (wide, high), interpolation=cv2.INTER_AREA)
    return means
