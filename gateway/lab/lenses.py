"""What becomes of a simulated camera's picture before it is encoded: a hand over the lens, another direction, a wrong colour."""

from collections.abc import Callable, Mapping

import cv2
import numpy as np

from gateway.lab.canvas import Image

Lens = Callable[[Image], Image]
_CLOTH = (52, 60, 78)  # blue, green, red: grey-brown, as a cloth or a palm near the lens lets it through


def black(image: Image) -> Image:
    """The sensor sees nothing; its noise comes after."""
    return np.zeros_like(image)


def covered(image: Image) -> Image:
    """A cloth hangs before the lens: nothing of it is sharp, some of the scene's light shines through."""
    shine = cv2.GaussianBlur(image, (0, 0), image.shape[1] / 8)
    return cv2.addWeighted(shine, 0.15, np.full_like(image, _CLOTH), 0.9, 0)  # type: ignore[return-value]


def blurred(image: Image) -> Image:
    """Out of focus."""
    return cv2.GaussianBlur(image, (0, 0), image.shape[1] / 110)  # type: ignore[return-value]


def moved(image: Image) -> Image:
    """It was turned: another part of the scene, nearer and tilted."""
    high, wide = image.shape[:2]
    turn = cv2.getRotationMatrix2D((wide * 0.2, high * 0.75), 14, 1.9)
    return cv2.warpAffine(image, turn, (wide, high), borderMode=cv2.BORDER_REFLECT)  # type: ignore[return-value]


def overexposed(image: Image) -> Image:
    """The iris hangs open."""
    return np.clip(image.astype(np.int16) + 190, 0, 255).astype(np.uint8)


def colour_cast(image: Image) -> Image:
    """A filter hangs: all of it is green."""
    tinted: Image = np.clip(image * np.array((0.55, 1.25, 0.55)), 0, 255).astype(np.uint8)
    return tinted


LENSES: Mapping[str, Lens] = {
    "black": black,
    "covered": covered,
    "blurred": blurred,
    "moved": moved,
    "overexposed": overexposed,
    "colour_cast": colour_cast,
}
