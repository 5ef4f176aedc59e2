"""What a camera's view looks like when all is well, kept small, and how much of it a later picture still shows."""

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from gateway.video.diagnosis.prepared import CAPTIONS, Frame, Plane, Valid

WIDE, HIGH = 160, 90
VERSION = b"V2"
STEP = 10
"""Pixels of one block of a view: a sixteenth of its width."""
FAINT = 5.0
"""Grey levels: a slope like that counts half."""
STRUCTURE = 0.18
ALIKE = 0.45
MOST_HOME = 99.0
FEWEST = 12
"""Blocks with structure: with fewer a reference says nothing."""
WHITENED = 0.5
"""Of a cross-spectrum: 0 is correlation, where rows of windows fit one window aside as well; 1 is phase correlation, where noise
counts as much as the scene (Knapp and Carter 1976)."""
NEAR, AWAY = 4, 7
"""Pixels of a view: wind moves a pole by less than the one; what lies further than the other is another place."""
TILES_WIDE, TILES_HIGH = 32, 18
"""A view's colours are kept as coarsely as this."""
COLOUR = 4.0
"""Distance from grey (CIE Lab): on average below it a view has no colour, as under infrared light."""
ALL_TILES = 10.0
"""Per cent: a cast is on all tiles but for these, before which somebody stands."""

Field = NDArray[np.complexfloating[Any, Any]]


@dataclass(frozen=True, slots=True)
class View:
    """Grey, 160 × 90, which of it is picture, and its colours (BGR), 32 × 18."""

    grey: Frame
    valid: Valid
    colour: Frame


def view_of(frame: Frame, valid: Valid | None = None) -> View:
    """The whole of the frame, bars and all, so that two of one camera lie one on the other."""
    mask = np.ones(frame.shape[:2], np.uint8) if valid is None else valid.astype(np.uint8)
    grey = frame if frame.ndim == 2 else cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
    small = cv2.resize(grey, (WIDE, HIGH), interpolation=cv2.INTER_AREA)
    shown = cv2.resize(mask, (WIDE, HIGH), interpolation=cv2.INTER_AREA)
    shown = cv2.erode(shown, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_REPLICATE)
    colour = frame if frame.ndim == 3 else cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_GRAY2BGR)
    tiles = cv2.resize(colour, (TILES_WIDE, TILES_HIGH), interpolation=cv2.INTER_AREA)
    return View(small, shown.astype(bool), tiles)


def reference_of(frame: Frame, valid: Valid | None = None) -> bytes:
    """The view as a reference: below 20 kB, with its version before it."""
    view = view_of(frame, valid)
    packed = np.packbits(view.valid)
    return VERSION + view.grey.tobytes() + packed.tobytes() + view.colour.tobytes()


def read_reference(reference: bytes) -> View:
    """Raises ValueError for what is none, or one of another version."""
    count, tiles = WIDE * HIGH, TILES_WIDE * TILES_HIGH * 3
    if reference[: len(VERSION)] != VERSION or len(reference) != len(VERSION) + count + (count + 7) // 8 + tiles:
        raise ValueError("this reference view is not one of this version; take a new one")
    body = np.frombuffer(reference, np.uint8, offset=len(VERSION))
    valid = np.unpackbits(body[count:-tiles], count=count).reshape(HIGH, WIDE).astype(bool)
    return View(body[:count].reshape(HIGH, WIDE), valid, body[-tiles:].reshape(TILES_HIGH, TILES_WIDE, 3))


@dataclass(frozen=True, slots=True)
class Likeness:
    """``kept``: share of the reference's structured blocks that are where they were; ``home``: how many times better the reference
    fits in place than elsewhere; ``faded``: how strong the edges of structured blocks are now against then; ``structured``: the
    blocks of the reference that have structure, ``lost``: those of them that are not where they were."""

    kept: float
    home: float
    faded: float
    structured: Valid
    lost: Valid


def compare(reference: View, view: View) -> Likeness | None:
    """None where the reference has too little structure."""
    shown = reference.valid & view.valid
    band = round(CAPTIONS * HIGH)
    shown[:band] = False
    shown[-band:] = False
    raw = [_slope(one.grey) for one in (reference, view)]
    before, now = (np.where(shown, _doubled(slope), 0) for slope in raw)
    energy = _blocks(np.abs(before) ** 2)
    structured = (energy > STRUCTURE**2) & (_blocks(shown.astype(np.float32)) > 0.5)
    count = int(structured.sum())
    if count < FEWEST:
        return None
    best = np.full(energy.shape, -1.0, np.float32)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            moved = np.roll(now, (dy, dx), axis=(0, 1))
            product = _blocks((before * moved.conj()).real)
            scale = np.sqrt(energy * _blocks(np.abs(moved) ** 2)) + 1e-6
            best = np.maximum(best, product / scale)
    kept = structured & (best > ALIKE)
    then, since = (_blocks(np.where(shown, np.abs(slope), 0) ** 2)[structured] for slope in raw)
    return Likeness(
        kept=float(kept.sum() / count),
        home=_home(before, now),
        faded=float(np.median(np.sqrt(since / (then + 1e-6)))),
        structured=structured,
        lost=structured & ~kept,
    )


def tint(reference: View, view: View) -> float | None:
    """How far nearly all of the view went from the reference's colours in one direction (CIE Lab); None where the reference has
    no colour. What is almost black or white says nothing."""
    before, now = (cv2.cvtColor(one.colour.astype(np.float32) / 255, cv2.COLOR_BGR2LAB) for one in (reference, view))
    if float(np.hypot(before[..., 1], before[..., 2]).mean()) < COLOUR:
        return None
    shown = _tiles(reference.valid & view.valid)
    lit = shown & (before[..., 0] > 12) & (now[..., 0] > 12) & (now[..., 0] < 97)
    off = (now - before)[lit][:, 1:]
    if len(off) < TILES_WIDE * TILES_HIGH // 8:
        return None
    usual = np.median(off, axis=0)
    length = float(np.hypot(*usual))
    return max(0.0, float(np.percentile(off @ (usual / length), ALL_TILES))) if length > 1 else 0.0


def _tiles(shown: Valid) -> Valid:
    """Which tiles of colour are picture and no caption."""
    shares = cv2.resize(shown.astype(np.float32), (TILES_WIDE, TILES_HIGH), interpolation=cv2.INTER_AREA)
    shares[:2] = shares[-2:] = 0
    return shares > 0.9


def _home(before: Field, now: Field) -> float:
    """The peak of the half-whitened correlation near no displacement, against the highest one elsewhere and against what is usual:
    their geometric mean. A river bank fits one post aside as well, but stands out; what fits nowhere does not."""
    cross = np.fft.fft2(before) * np.fft.fft2(now).conj()
    fits = np.fft.ifft2(cross / (np.abs(cross) ** WHITENED + 1e-9)).real
    around = np.roll(fits, (AWAY, AWAY), axis=(0, 1))  # no displacement is at (AWAY, AWAY) now
    near = slice(AWAY - NEAR, AWAY + NEAR + 1)
    here = float(around[near, near].max())
    around[: 2 * AWAY + 1, : 2 * AWAY + 1] = -np.inf
    there, usual = max(float(around.max()), 1e-9), max(float(fits.std()), 1e-9)
    return min(MOST_HOME, max(0.0, here) / math.sqrt(there * usual))


def slopes(grey: Frame) -> Field:
    """The direction of every slope, doubled so that dark-to-light and light-to-dark are one: lamps and infrared turn them round."""
    return _doubled(_slope(grey))


def _slope(grey: Frame) -> Field:
    plane = cv2.GaussianBlur(grey.astype(np.float32), (0, 0), 1.0)
    slope: Field = cv2.Sobel(plane, cv2.CV_32F, 1, 0) / 4 + 1j * cv2.Sobel(plane, cv2.CV_32F, 0, 1) / 4
    return slope


def _doubled(slope: Field) -> Field:
    size: Plane = np.abs(slope)
    field: Field = (slope**2 / (size**2 + 1e-6) * (size / (size + FAINT))).astype(np.complex64)
    return field


def _blocks(plane: Plane) -> Plane:
    means: Plane = plane.reshape(HIGH // STEP, STEP, WIDE // STEP, STEP).mean(axis=(1, 3))
    return means
