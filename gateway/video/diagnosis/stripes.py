"""Interference: one regular pattern, or disturbed lines, over the whole picture. A fence is regular too, but not everywhere."""

import cv2
import numpy as np

from gateway.video.diagnosis.prepared import Plane, Prepared

SIZE = (320, 180)
TILES = 4
CLIP = 24.0
"""Grey levels: edges of the scene are cut to this, or they would drown the pattern."""
LOWEST = 3
"""Waves across the picture: slower ones are the scene's own light."""
AROUND = 9
PROMINENT = 12.0
"""How far above the frequencies around it a pattern's one stands."""
SEGMENTS = 8
WEAK = 8.0
"""Per cent: all tiles but the weakest have the wave …"""
EVEN = 0.7
"""… and the weak ones at least this share of what is usual; a fence is strong where it is."""
FINE = 7
"""Lines that disturbances of lines are narrower than."""
FAINT = 12.0
COMMON = 60.0
LINES = 0.65
"""Makes the figures of waves and of lines comparable."""
_TURN = np.complex64(-2j * np.pi)


def stripes(picture: Prepared) -> float:
    """Amplitude in grey levels of the strongest pattern that is in all parts of the picture and in step; 0 where none is."""
    small = cv2.resize(picture.half, SIZE, interpolation=cv2.INTER_AREA).astype(np.float32)
    shown = cv2.resize(picture.core_half.astype(np.uint8), SIZE, interpolation=cv2.INTER_NEAREST).astype(bool)
    rows = np.flatnonzero(shown.any(axis=1))
    if rows.size < SIZE[1] // 2 or shown.mean() < 0.3:
        return 0.0
    small, shown = small[rows[0] : rows[-1] + 1], shown[rows[0] : rows[-1] + 1]
    rest = np.clip(small - cv2.GaussianBlur(small, (0, 0), 8), -CLIP, CLIP)
    rest[~shown] = 0
    return float(max(_regular(rest), _lines(rest), _lines(rest.T)))


def _regular(rest: Plane) -> float:
    high, wide = rest.shape
    window = cv2.createHanningWindow((wide, high), cv2.CV_32F)
    power = np.abs(np.fft.rfft2(rest * window)).astype(np.float32)
    down = np.fft.fftfreq(high) * high
    across = np.arange(power.shape[1])
    slow = (np.abs(down)[:, None] < LOWEST) & (across[None, :] < LOWEST)
    around = cv2.blur(np.roll(power, high // 2, axis=0), (AROUND, AROUND), borderType=cv2.BORDER_REFLECT_101)
    around = np.roll(around, -(high // 2), axis=0)
    score = power * np.sqrt(power) / (around + power.mean() * 0.2 + 1e-6)
    score[slow] = 0
    best = np.unravel_index(int(score.argmax()), score.shape)
    if power[best] < 3 * around[best]:
        return 0.0
    return _in_step(rest, float(down[best[0]]), float(across[best[1]]))


def _in_step(rest: Plane, down: float, across: float) -> float:
    """Amplitude of one wave in the tiles where it is weak, as far as the tiles agree on where it begins."""
    high, wide = rest.shape[0] // TILES * TILES, rest.shape[1] // TILES * TILES
    best = 0.0
    for dx in (-0.5, 0.0, 0.5):
        columns = rest[:high, :wide] * np.exp(_TURN * (across + dx) / rest.shape[1] * np.arange(wide, dtype=np.float32))
        sums = columns.reshape(high, TILES, wide // TILES).mean(axis=2)
        for dy in (-0.5, 0.0, 0.5):
            rows = np.exp(_TURN * (down + dy) / rest.shape[0] * np.arange(high, dtype=np.float32))
            tiles = (sums * rows[:, None]).reshape(TILES, high // TILES, TILES).mean(axis=1)
            size = np.abs(tiles)
            agreement = float(abs(tiles.sum()) / (size.sum() + 1e-9))
            weak, usual = np.percentile(size, (WEAK, 50))
            even = min(1.0, float(weak / (usual + 1e-9)) / EVEN)
            best = max(best, 2 * float(weak) * agreement**2 * even)
    return best


def _lines(rest: Plane) -> float:
    """What whole lines have in common, as far as each part of them agrees with the others: stairs end somewhere. An edge from one
    side to the other is a few lines of many."""
    fine = np.clip(rest - cv2.blur(rest, (1, FINE)), -FAINT, FAINT)
    count = rest.shape[1] // SEGMENTS
    profiles = fine[:, : count * SEGMENTS].reshape(rest.shape[0], SEGMENTS, count).mean(axis=2)
    profiles -= profiles.mean(axis=0)
    others = profiles.sum(axis=1, keepdims=True) - profiles
    sizes = np.linalg.norm(profiles, axis=0) * np.linalg.norm(others, axis=0)
    if sizes.min() < 1e-3:
        return 0.0
    weakest = float(((profiles * others).sum(axis=0) / sizes).min())
    common = np.abs(profiles.mean(axis=1))
    return LINES * float(np.percentile(common, COMMON)) * max(0.0, weakest)
