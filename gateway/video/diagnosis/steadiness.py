"""What several keyframes in a row tell: whether the view jumps, and whether the picture lives at all."""

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np

from gateway.video.diagnosis.prepared import CAPTIONS, WIDE
from gateway.video.diagnosis.references import HIGH, Field, View, slopes

FEWEST = 3
CELL = 10
MEAN = 10.0
ACROSS, DOWN = 22, 14
"""Pixels of a view that it is looked for to each side."""
PEAK = 3
"""So far around the best place all belong to it."""
CLEARLY = 1.4


def jitter(views: Sequence[View]) -> float | None:
    """How far the view jumps between pictures, in pixels of a picture 640 wide: the median distance of its steps from their own
    median, so that a steady pan is none and one step ill seen does no harm. None with fewer than three pictures."""
    planes = [_spectrum(view) for view in views]
    seen = [step for one, other in pairwise(planes) if (step := _step(one, other)) is not None]
    if len(seen) < FEWEST - 1:
        return None
    steps = np.array(seen)
    off = steps - np.median(steps, axis=0)
    return float(np.median(np.hypot(off[:, 0], off[:, 1]))) * WIDE / int(views[0].grey.shape[1])


def stillness(views: Sequence[View]) -> float | None:
    """How far pictures in a row differ, in grey levels, captions left out: ten times the mean, or the block that differs most where
    that is more; of the pair that differs most. None with fewer than two pictures."""
    if len(views) < 2:
        return None
    band = round(CAPTIONS * HIGH)
    inner = [view.grey[band:-band].astype(np.float32) for view in views]
    most = 0.0
    for one, other in pairwise(inner):
        off = np.abs(one - other)
        most = max(most, MEAN * float(off.mean()), float(cv2.blur(off, (CELL, CELL)).max()))
    return most


def _step(one: Field, other: Field) -> tuple[float, float] | None:
    """How far a view went between two pictures, x and y in its pixels; None where no one place fits clearly better than all others.
    ``one`` and ``other``: their spectra."""
    cross = one.conj() * other
    fits = np.fft.ifft2(cross / (np.sqrt(np.abs(cross)) + 1e-9)).real  # half whitened: texture counts, grain does not
    near = np.roll(fits, (DOWN, ACROSS), axis=(0, 1))[: 2 * DOWN + 1, : 2 * ACROSS + 1]
    y, x = (int(at) for at in np.unravel_index(int(near.argmax()), near.shape))
    if not 0 < x < 2 * ACROSS or not 0 < y < 2 * DOWN:
        return None
    elsewhere = near.copy()
    elsewhere[max(0, y - PEAK) : y + PEAK + 1, max(0, x - PEAK) : x + PEAK + 1] = -1
    if near[y, x] < CLEARLY * elsewhere.max():
        return None
    dx = _peak(near[y, x - 1], near[y, x], near[y, x + 1])
    dy = _peak(near[y - 1, x], near[y, x], near[y + 1, x])
    return x - ACROSS + dx, y - DOWN + dy


def _peak(before: float, top: float, after: float) -> float:
    """Where between three neighbours a parabola has its top."""
    bend = before - 2 * top + after
    return float(0.5 * (before - after) / bend) if bend else 0.0


def _spectrum(view: View) -> Field:
    """Of its slopes, captions and what is masked left out."""
    band = round(CAPTIONS * view.grey.shape[0])
    found: Field = np.fft.fft2(np.where(view.valid, slopes(view.grey), 0)[band:-band])
    return found
