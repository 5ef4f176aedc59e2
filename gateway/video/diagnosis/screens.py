"""Pictures that no camera took: the blue or grey screen of a recorder without a signal, and its colour bars."""

import cv2
import numpy as np

from gateway.video.diagnosis.prepared import Prepared

ALIKE = 3
"""Levels of each plane: a codec moves an even colour by no more."""
WHITE, BLACK = 232, 18
"""An overexposed picture is white, a dark one black: neither is a screen."""
BARS = 5
"""So many colours stand side by side in a test picture, at least."""
VIVID = 60
STEADY = 5.0


def flat(picture: Prepared) -> float:
    """Share of the picture within a few levels of one colour."""
    pixels = picture.colour[::4, ::4][picture.valid[::4, ::4]].astype(np.int16)
    if not len(pixels):
        return 0.0
    coarse = (pixels >> 3).astype(np.int32) @ np.array([1 << 10, 1 << 5, 1], np.int32)
    members = pixels[coarse == np.bincount(coarse).argmax()]
    centre = np.median(members, axis=0)
    if centre.min() > WHITE or centre.max() < BLACK:
        return 0.0
    off = np.abs(pixels - centre.astype(np.int16))
    return float((np.maximum(np.maximum(off[:, 0], off[:, 1]), off[:, 2]) <= ALIKE).mean())


def bars(picture: Prepared) -> float:
    """Share of columns that have one colour over most of their height, where they show several vivid colours side by side."""
    high = picture.colour.shape[0]
    part = picture.colour[round(high * 0.15) : max(round(high * 0.6), 1)]
    if part.shape[0] < 4:
        return 0.0
    columns = cv2.resize(part, (160, 24), interpolation=cv2.INTER_AREA).astype(np.float32)
    steady = columns.std(axis=0).max(axis=1) < STEADY
    colour = columns.mean(axis=0)
    vivid = colour.max(axis=1) - colour.min(axis=1) > VIVID
    seen = {tuple((level > 110).tolist()) for level in colour[steady & vivid]}
    return float(steady.mean()) if len(seen) >= BARS else 0.0
