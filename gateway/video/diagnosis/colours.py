"""Colours: whether there are any, and whether all lean one way."""

import cv2
import numpy as np

from gateway.video.diagnosis.prepared import Prepared

LEAST_LIT, MOST_LIT = 12.0 * 2.55, 96.0 * 2.55
"""CIE L*: what is almost black or white shows no cast."""
FEWEST = 200
SMALL = (160, 90)
ALL = 20.0
"""Per cent: a cast is on all of the picture but for this: things of the opposite colour come out grey under it."""


def colours(picture: Prepared) -> tuple[float, float]:
    """(saturation, cast) in CIE Lab: the mean distance from grey; and how far nearly all of the picture is from it in one direction."""
    small = cv2.resize(picture.colour, SMALL, interpolation=cv2.INTER_AREA)
    shown = cv2.resize(picture.core.astype(np.uint8), SMALL, interpolation=cv2.INTER_NEAREST).astype(bool)
    lab = cv2.cvtColor(small, cv2.COLOR_BGR2LAB)[shown].astype(np.float32)  # 8 bits: L* × 2.55, a* and b* + 128
    if not lab.size:
        return 0.0, 0.0
    tint = lab[:, 1:] - 128
    saturation = float(np.hypot(tint[:, 0], tint[:, 1]).mean())
    tint = tint[(lab[:, 0] > LEAST_LIT) & (lab[:, 0] < MOST_LIT)]
    if len(tint) < FEWEST:
        return saturation, 0.0
    mean = tint.mean(axis=0)
    length = float(np.hypot(*mean))
    if length < 1:
        return saturation, 0.0
    along = tint @ (mean / length)
    return saturation, max(0.0, float(np.percentile(along, ALL)))
