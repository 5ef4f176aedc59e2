"""How sharp the edges are, whatever their contrast and however few they are."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from gateway.video.diagnosis.prepared import Plane, Prepared

FINE, COARSE = 0.8, 2.4
"""σ of two smoothings. The steepness of an edge of width s after each is as 1 / √(s² + σ²): their ratio gives s
(Elder and Zucker 1998), and contrast falls out."""
CELL = 8
"""Every second pixel is looked at: a cell is 16 pixels wide. Each gives its strongest edge, so that a lamp's halo is one of many."""
FEWEST = 12
FAINT, FAINTEST = 1.5, 0.8
"""Grey levels a pixel after the coarse smoothing: an edge below the first may be noise or a codec's block, and counts only where
too few stand out more, as in a dim picture badly out of focus; below the second none does."""
STRONGER = 0.5
"""Of the cells with an edge, the share with the stronger ones."""
SHARPEST = 75.0
"""Per cent: a scene has soft shadows and far things; some of its edges are sharp."""
WIDEST = 12.0


def blur(picture: Prepared) -> float:
    """Width of the edges as the σ of a Gaussian, in the direction where it is greatest (moving pictures smear one way); 0 where
    there are no edges."""
    grey = picture.grey.astype(np.float32)
    fine, coarse = (cv2.GaussianBlur(grey, (0, 0), sigma) for sigma in (FINE, COARSE))
    core = _cells(picture.core[1:-1:2, 1:-1:2]).all(axis=1)
    first, second = _slopes(fine), _slopes(coarse)
    found = 0.0
    for steep, gentle in zip(first, second, strict=True):
        found = max(found, _width(_cells(steep)[core], _cells(gentle)[core]))
    return found


def _slopes(plane: Plane) -> tuple[Plane, Plane, Plane, Plane]:
    """Along x, along y and along both diagonals, at every second pixel."""
    across = plane[1:-1:2, 2::2] - plane[1:-1:2, :-2:2]
    down = plane[2::2, 1:-1:2] - plane[:-2:2, 1:-1:2]
    across *= np.float32(0.5)
    down *= np.float32(0.5)
    return across, down, (across + down) * np.float32(0.5**0.5), (across - down) * np.float32(0.5**0.5)


def _cells(plane: NDArray[Any]) -> NDArray[Any]:
    """One row for each cell, with all that is in it."""
    high, wide = plane.shape[0] // CELL, plane.shape[1] // CELL
    cut = plane[: high * CELL, : wide * CELL].reshape(high, CELL, wide, CELL)
    return cut.transpose(0, 2, 1, 3).reshape(high * wide, CELL * CELL)


def _width(steep: Plane, gentle: Plane) -> float:
    sizes = np.abs(gentle)
    if not len(sizes):
        return 0.0
    places = sizes.argmax(axis=1)[:, None]
    strength = np.take_along_axis(sizes, places, axis=1)[:, 0]
    chosen = strength >= FAINT
    if np.count_nonzero(chosen) < FEWEST:
        chosen = strength >= FAINTEST
    if np.count_nonzero(chosen) < FEWEST:
        return 0.0
    chosen &= strength >= np.quantile(strength[chosen], 1 - STRONGER)
    ratios = np.abs(np.take_along_axis(steep, places, axis=1)[chosen, 0]) / strength[chosen]
    ratio = float(np.percentile(ratios, SHARPEST))
    if ratio >= COARSE / FINE:
        return 0.0
    if ratio <= 1.01:
        return WIDEST
    return min(WIDEST, float(np.sqrt((COARSE**2 - ratio**2 * FINE**2) / (ratio**2 - 1))))
