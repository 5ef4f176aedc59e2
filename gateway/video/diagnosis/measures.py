"""Measures of pictures. Loaded by the decoder child alone: it needs numpy and OpenCV."""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from gateway.model import Measures
from gateway.video.diagnosis import covers, screens, sharpness
from gateway.video.diagnosis.colours import colours
from gateway.video.diagnosis.grain import chroma_grain, grain, impulses
from gateway.video.diagnosis.prepared import Frame, Valid, prepare
from gateway.video.diagnosis.references import compare, read_reference, tint, view_of
from gateway.video.diagnosis.steadiness import jitter, stillness
from gateway.video.diagnosis.stripes import stripes

_LEVELS = np.arange(256, dtype=np.float64)


def measure(frame: Frame, valid: Valid | None = None) -> Measures:
    """Of one picture: height × width × 3 (BGR) or height × width (grey), any size; ``valid`` False where it is masked.

    Raises ValueError for what is no picture, or a mask of another size.
    """
    picture = prepare(frame, valid)
    counts = cv2.calcHist([picture.grey], [0], picture.valid.astype(np.uint8), [256], [0, 256]).ravel()
    if not counts.any():
        return _nothing(picture.seen)
    shares = counts / counts.sum()
    brightness = float(shares @ _LEVELS)
    contrast = float(shares @ (_LEVELS - brightness) ** 2) ** 0.5
    low, high = (int(np.searchsorted(np.cumsum(shares), share)) for share in (0.02, 0.98))
    saturation, cast = colours(picture)
    share, apart = covers.smooth(picture, contrast)
    return Measures(
        seen=picture.seen,
        brightness=brightness,
        highlight=float(high),
        contrast=contrast,
        spread=float(high - low),
        saturation=saturation,
        cast=cast,
        blur=sharpness.blur(picture),
        grain=grain(picture),
        impulses=impulses(picture),
        chroma_grain=chroma_grain(picture),
        stripes=stripes(picture),
        flat=screens.flat(picture),
        bars=screens.bars(picture),
        smooth=share,
        apart=apart,
    )


def look(frames: Sequence[Frame], valid: Valid | None = None, reference: bytes | None = None) -> Measures:
    """Of the newest (last) of one to several keyframes in a row, with what only several or a reference view can tell.

    Raises ValueError as ``measure`` does, and for a reference of another version.
    """
    views = [view_of(frame, valid) for frame in frames]
    found = replace(measure(frames[-1], valid), jitter=jitter(views), stillness=stillness(views))
    if reference is None:
        return found
    view = read_reference(reference)
    found, compared = replace(found, tint=tint(view, views[-1])), compare(view, views[-1])
    if compared is None:
        return found
    gone = covers.gone(frames[-1], compared)
    return replace(found, kept=compared.kept, home=compared.home, faded=compared.faded, gone=gone)


def _nothing(seen: float) -> Measures:
    return Measures(seen, *(0.0,) * 15)
