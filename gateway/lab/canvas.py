"""A drawing surface in scene units: every scene is drawn for 640×360 and comes out at any size."""

from collections.abc import Sequence
from datetime import datetime

import cv2
import numpy as np
from numpy.typing import NDArray

UNIT_WIDTH = 640
UNIT_HEIGHT = 360

Image = NDArray[np.uint8]
Colour = tuple[int, int, int]  # red, green, blue
Point = tuple[float, float]

_SHIFT = 4  # OpenCV draws with fixed-point coordinates: sixteenths of a pixel keep slow movement smooth


class Canvas:
    """An image (BGR, uint8, height × width × 3) that is drawn on in units of 640×360."""

    def __init__(self, image: Image) -> None:
        self.image = image
        self._scale: float = image.shape[1] / UNIT_WIDTH

    @classmethod
    def blank(cls, width: int, height: int) -> "Canvas":
        return cls(np.zeros((height, width, 3), np.uint8))

    def gradient(self, top: float, bottom: float, above: Colour, below: Colour) -> None:
        """Fill the whole width between two heights, blending from ``above`` to ``below``."""
        first, last = round(top * self._scale), min(round(bottom * self._scale), self.image.shape[0])
        share = np.linspace(0, 1, max(last - first, 1))[:, None]
        rows = np.array(above[::-1]) * (1 - share) + np.array(below[::-1]) * share
        self.image[first:last] = rows[: last - first, None, :].astype(np.uint8)

    def box(self, x: float, y: float, width: float, height: float, colour: Colour) -> None:
        self.polygon([(x, y), (x + width, y), (x + width, y + height), (x, y + height)], colour)

    def polygon(self, corners: Sequence[Point], colour: Colour) -> None:
        points = np.array([[self._fixed(x), self._fixed(y)] for x, y in corners], np.int32)
        cv2.fillPoly(self.image, [points], colour[::-1], cv2.LINE_AA, _SHIFT)

    def disc(self, x: float, y: float, radius: float, colour: Colour) -> None:
        centre = (self._fixed(x), self._fixed(y))
        cv2.circle(self.image, centre, self._fixed(radius), colour[::-1], cv2.FILLED, cv2.LINE_AA, _SHIFT)

    def oval(self, x: float, y: float, across: float, down: float, colour: Colour) -> None:
        """An ellipse with half axes ``across`` and ``down``."""
        centre, axes = (self._fixed(x), self._fixed(y)), (self._fixed(across), self._fixed(down))
        cv2.ellipse(self.image, centre, axes, 0, 0, 360, colour[::-1], cv2.FILLED, cv2.LINE_AA, _SHIFT)

    def ring(self, x: float, y: float, radius: float, thick: float, colour: Colour) -> None:
        centre = (self._fixed(x), self._fixed(y))
        cv2.circle(self.image, centre, self._fixed(radius), colour[::-1], self._pen(thick), cv2.LINE_AA, _SHIFT)

    def line(self, start: Point, end: Point, thick: float, colour: Colour) -> None:
        first, last = (self._fixed(start[0]), self._fixed(start[1])), (self._fixed(end[0]), self._fixed(end[1]))
        cv2.line(self.image, first, last, colour[::-1], self._pen(thick), cv2.LINE_AA, _SHIFT)

    def text(self, x: float, y: float, words: str, size: float = 0.5) -> None:
        """White letters with a dark edge, readable on any ground. ``y`` is the base line. ASCII only (OpenCV's font)."""
        edge = self._pen(1)
        for dx, dy in ((-edge, 0), (edge, 0), (0, -edge), (0, edge)):
            self._letters(x, y, words, size, (dx, dy), (0, 0, 0))
        self._letters(x, y, words, size, (0, 0), (255, 255, 255))

    def caption(self, name: str, at: datetime) -> None:
        """What a real camera burns in: the local date and time, to a tenth of a second, and its name."""
        self.text(412, 20, f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 100_000}")
        self.text(10, UNIT_HEIGHT - 12, name)

    def _letters(self, x: float, y: float, words: str, size: float, shift: tuple[int, int], colour: Colour) -> None:
        at = (round(x * self._scale) + shift[0], round(y * self._scale) + shift[1])
        font, pen = cv2.FONT_HERSHEY_SIMPLEX, self._pen(1)
        cv2.putText(self.image, words, at, font, size * self._scale, colour[::-1], pen, cv2.LINE_AA)

    def _fixed(self, units: float) -> int:
        return round(units * self._scale * (1 << _SHIFT))

    def _pen(self, units: float) -> int:
        return max(1, round(units * self._scale))
