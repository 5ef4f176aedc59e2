"""Surfaces: what makes a drawn place look like one of leaves, plaster, gravel or water."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[Any]  # of uint8
Plane = NDArray[Any]  # of float32; OpenCV says less than that
Chance = np.random.Generator
Colour = tuple[float, float, float]  # blue, green, red


def cloudy(chance: Chance, wide: int, high: int, coarsest: float, roughness: float, finest: float = 1.0) -> Plane:
    """Noise of all sizes from ``coarsest`` to ``finest`` pixels, mean 0 and deviation 1; each octave ``roughness`` of the one above."""
    total: Plane = np.zeros((high, wide), np.float32)
    size, weight = coarsest, 1.0
    while size >= finest:
        rows, columns = max(2, round(high / size)), max(2, round(wide / size))
        grid = chance.standard_normal((rows, columns), np.float32)
        total += weight * cv2.resize(grid, (wide, high), interpolation=cv2.INTER_CUBIC)
        size, weight = size / 2, weight * roughness
    even: Plane = (total - total.mean()) / (total.std() + 1e-6)
    return even


class Board:
    """A picture to draw on, with its places as shares of width and height. ``grain``: how much surfaces show, 0 for a cartoon."""

    def __init__(self, wide: int, high: int, chance: Chance, grain: float) -> None:
        self.image: Image = np.zeros((high, wide, 3), np.uint8)
        self.chance = chance
        self.grain = grain
        self.wide, self.high = wide, high

    def at(self, x: float, y: float) -> tuple[int, int]:
        return round(x * self.wide), round(y * self.high)

    def fade(self, top: float, bottom: float, above: Colour, below: Colour) -> None:
        first, last = round(top * self.high), max(round(bottom * self.high), round(top * self.high) + 1)
        share = np.linspace(0, 1, last - first, dtype=np.float32)[:, None]
        rows = np.array(above, np.float32) * (1 - share) + np.array(below, np.float32) * share
        part = self.image[first:last]
        part[:] = rows[: len(part), None, :].clip(0, 255).astype(np.uint8)

    def shape(self, corners: list[tuple[float, float]], colour: Colour, rough: float = 0.0, size: float = 16.0) -> None:
        """A polygon; ``rough``: deviation of its surface in grey levels, ``size``: of its greatest grains in pixels."""
        points = np.array([self.at(x, y) for x, y in corners], np.int32)
        if rough * self.grain < 0.5:
            cv2.fillPoly(self.image, [points], colour, cv2.LINE_AA)
            return
        left, top = points.min(axis=0).clip(0)
        right, bottom = np.minimum(points.max(axis=0) + 1, (self.wide, self.high))
        if right <= left or bottom <= top:
            return
        mask = np.zeros((bottom - top, right - left), np.uint8)
        cv2.fillPoly(mask, [points - (left, top)], 255, cv2.LINE_AA)
        tone = cloudy(self.chance, right - left, bottom - top, size, 0.75)[:, :, None] * rough * self.grain
        surface = (np.array(colour, np.float32) + tone).clip(0, 255)
        share = mask[:, :, None].astype(np.float32) / 255
        part = self.image[top:bottom, left:right]
        part[:] = (part * (1 - share) + surface * share).astype(np.uint8)

    def box(
        self, x: float, y: float, wide: float, high: float, colour: Colour, rough: float = 0.0, size: float = 16
    ) -> None:
        self.shape([(x, y), (x + wide, y), (x + wide, y + high), (x, y + high)], colour, rough, size)

    def disc(self, x: float, y: float, radius: float, colour: Colour) -> None:
        cv2.circle(self.image, self.at(x, y), max(1, round(radius * self.high)), colour, cv2.FILLED, cv2.LINE_AA)

    def line(self, x: float, y: float, to_x: float, to_y: float, thick: float, colour: Colour) -> None:
        pen = max(1, round(thick * self.high))
        cv2.line(self.image, self.at(x, y), self.at(to_x, to_y), colour, pen, cv2.LINE_AA)

    def leaves(self, x: float, y: float, across: float, down: float, colour: Colour, count: int) -> None:
        """A crown or hedge: many small discs of many greens."""
        for dx, dy, size, shade in zip(
            self.chance.normal(0, 0.45, count), self.chance.normal(0, 0.45, count),
            self.chance.uniform(0.004, 0.016, count), self.chance.normal(0, 26, count), strict=True,
        ):  # fmt: skip
            tone = tuple(min(255.0, max(0.0, part + shade)) for part in colour)
            self.disc(x + dx * across, y + dy * down, size, (tone[0], tone[1], tone[2]))


def tinted(chance: Chance, colour: Colour, spread: float = 24.0) -> Colour:
    """A colour like this one: another house has another wall."""
    light = chance.normal(0, spread)
    parts = [min(250.0, max(5.0, part + light + chance.normal(0, spread / 3))) for part in colour]
    return parts[0], parts[1], parts[2]
