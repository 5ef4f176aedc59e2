"""What goes wrong with a picture, of every kind and strength that a maintainer would be sent out for."""

from collections.abc import Callable, Mapping
from typing import Any

import cv2
import numpy as np

from gateway.lab.diagnosis_set.ground import Chance, Colour, Image, Plane, cloudy

Damage = Callable[[Plane, Chance], Plane]


def blurred(picture: Plane, chance: Chance) -> Plane:
    """Out of focus, a greasy dome, a moving camera."""
    scale = picture.shape[1] / 640
    kind = chance.integers(4)
    if kind == 0:
        return _plane(_soft(picture, chance.uniform(3.2, 9) * scale))
    if kind == 1:
        radius = chance.uniform(5.5, 14) * scale
        size = int(radius) * 2 + 3
        y, x = np.mgrid[:size, :size] - size // 2
        disc = (np.clip(radius - np.hypot(x, y) + 0.5, 0, 1)).astype(np.float32)
        return _plane(cv2.filter2D(picture, cv2.CV_32F, disc / disc.sum(), borderType=cv2.BORDER_REFLECT_101))
    if kind == 2:
        length, angle = chance.uniform(14, 34) * scale, chance.uniform(0, 180)
        size = int(length) // 2 * 2 + 3
        line: Plane = np.zeros((size, size), np.float32)
        line[size // 2, :] = 1
        spin = cv2.getRotationMatrix2D((size / 2 - 0.5, size / 2 - 0.5), angle, 1)
        line = cv2.warpAffine(line, spin, (size, size))
        return _plane(cv2.filter2D(picture, cv2.CV_32F, line / line.sum(), borderType=cv2.BORDER_REFLECT_101))
    wide, high = picture.shape[1], picture.shape[0]
    size = chance.uniform(7, 14) * scale
    small = cv2.resize(picture, (max(2, round(wide / size)), max(2, round(high / size))), interpolation=cv2.INTER_AREA)
    return _plane(_soft(cv2.resize(small, (wide, high), interpolation=cv2.INTER_CUBIC), 2.0 * scale))


def too_dark(picture: Plane, chance: Chance) -> Plane:
    mean = max(1.0, float(picture.mean()))
    if chance.uniform() < 0.5:
        return _plane(picture * np.float32(chance.uniform(11, 22) / mean))
    shaped = 255 * (picture.clip(0, 255) / 255) ** np.float32(chance.uniform(1.5, 2.5))
    return _plane(shaped * np.float32(min(1.0, chance.uniform(11, 20) / max(1.0, float(shaped.mean())))))


def too_bright(picture: Plane, chance: Chance) -> Plane:
    aim = chance.uniform(233, 252)
    if chance.uniform() < 0.5:
        lifted = picture + np.float32(aim - float(picture.mean()))
        while float(lifted.clip(0, 255).mean()) < aim - 3:
            lifted = lifted * np.float32(1.05) + 4
        return _plane(lifted)
    lifted = picture
    while float(lifted.clip(0, 255).mean()) < aim - 3:
        lifted = lifted * np.float32(1.15) + 3
    return _plane(lifted)


def black(picture: Plane, chance: Chance) -> Plane:
    return _plane(np.full_like(picture, chance.uniform(0, 7)) + picture * np.float32(chance.uniform(0, 0.015)))


def low_contrast(picture: Plane, chance: Chance) -> Plane:
    deviation = max(4.0, float(picture.std()))
    share = min(0.5, chance.uniform(3.0, 9.5) / deviation)
    return _plane((picture - picture.mean()) * np.float32(share) + np.float32(chance.uniform(80, 175)))


def colour_cast(picture: Plane, chance: Chance) -> Plane:
    """Every hue: a filter that hangs, a lost channel, a wrong white balance."""
    kind = chance.integers(3)
    hue = chance.uniform(0, 2 * np.pi)
    tint = np.array([np.cos(hue), np.cos(hue - 2.094), np.cos(hue - 4.189)], np.float32)
    if kind == 0:
        return _plane(picture + tint * np.float32(chance.uniform(46, 84)))
    if kind == 1:
        return _plane(picture * np.exp(tint * np.float32(chance.uniform(0.5, 0.85))))
    colour = (128 + 127 * tint)[None, None, :]
    share = np.float32(chance.uniform(0.4, 0.65))
    return _plane(picture * (1 - share) + colour * share)


def noise(picture: Plane, chance: Chance) -> Plane:
    high, wide = picture.shape[:2]
    kind = chance.integers(5)
    if kind == 0:
        grain = chance.standard_normal((high, wide, 1), np.float32)
        return _plane(picture + grain * np.float32(chance.uniform(24, 58)))
    if kind == 1:
        share = chance.uniform(0.02, 0.12)
        dice = chance.random((high, wide), np.float32)
        out = picture.copy()
        out[dice < share / 2] = 0
        out[dice > 1 - share / 2] = 255
        return out
    if kind == 2:
        streaks = _plane(cv2.blur(chance.standard_normal((high, wide), np.float32), (int(chance.integers(2, 6)), 1)))
        snow_strength = chance.uniform(30, 80) / max(0.1, float(streaks.std()))
        return _plane(picture * np.float32(chance.uniform(0.4, 1)) + streaks[:, :, None] * np.float32(snow_strength))
    if kind == 3:
        grain = chance.standard_normal((high, wide, 3), np.float32)
        return _plane(picture + grain * np.float32(chance.uniform(26, 58)))
    snow = chance.random((high, wide, 1), np.float32) * 255
    snowy = np.float32(chance.uniform(0.4, 1.0))
    return _plane(picture * (1 - snowy) + snow * snowy)


def stripes(picture: Plane, chance: Chance) -> Plane:
    high, wide = picture.shape[:2]
    scale = wide / 640
    kind = chance.integers(4)
    strength = np.float32(chance.uniform(20, 55))
    if kind == 3:
        single = chance.standard_normal((high,))
        dice = chance.random((high,))
        single[dice >= chance.uniform(0.25, 1.0)] = 0
        thick = max(1, int(chance.integers(1, 4) * scale))
        rows: Plane = _plane(cv2.blur(single[:, None].astype(np.float32), (1, thick))).ravel()
        rows = _plane(rows * (strength / max(0.1, float(rows.std()))))
        if chance.uniform() < 0.75:
            return _plane(picture + rows[:, None, None])
        return _plane(picture + _plane(cv2.resize(rows[:, None], (1, wide))).reshape(1, wide, 1))
    angle = [0.0, np.pi / 2, chance.uniform(0, np.pi)][kind]
    period = chance.uniform(5, 46) * scale
    y, x = np.mgrid[:high, :wide].astype(np.float32)
    wave = np.sin(
        (x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle))) * np.float32(2 * np.pi / period)
        + chance.uniform(0, 6)
    )
    if chance.uniform() < 0.4:
        wave = np.tanh(wave * 5)
    if chance.uniform() < 0.3:
        wave = np.maximum(wave, 0) * 1.6
    tint = np.array([1, 1, 1], np.float32) if chance.uniform() < 0.7 else chance.uniform(0.6, 1, 3).astype(np.float32)
    return _plane(picture + wave[:, :, None] * strength * tint)


_CLOTHS: tuple[Colour, ...] = (
    (24, 24, 26), (48, 52, 60), (96, 104, 112), (150, 160, 168), (206, 210, 214), (96, 128, 188), (120, 156, 206), (40, 50, 130), (110, 60, 40), (48, 96, 60), (60, 150, 190),
)  # fmt: skip


def covered(picture: Plane, chance: Chance) -> Plane:
    """A hand, a cloth, paint, a leaf, a bag: near the lens, so nothing of it is sharp."""
    high, wide = picture.shape[:2]
    base = np.array(_CLOTHS[chance.integers(len(_CLOTHS))], np.float32) * np.float32(chance.uniform(0.75, 1.15))
    soft = cloudy(chance, wide, high, wide / chance.uniform(1, 4), 0.55, wide / chance.uniform(9, 30))
    surface = _plane(base[None, None, :] + soft[:, :, None] * np.float32(chance.uniform(2, 14)))
    if chance.uniform() < 0.25:
        fold = np.sin(np.linspace(0, chance.uniform(6, 26), wide, dtype=np.float32))[None, :, None]
        surface = _plane(surface + fold * np.float32(chance.uniform(2, 9)))
    surface = _plane(cv2.GaussianBlur(surface, (0, 0), wide / 90))
    mask = _hidden_part(wide, high, chance)
    return _plane(picture * (1 - mask[:, :, None]) + surface * mask[:, :, None])


def _hidden_part(wide: int, high: int, chance: Chance) -> Plane:
    """Of at least 58 % of the picture; its edge is soft."""
    kind, share = chance.integers(4), chance.uniform(0.62, 1.0)
    if share > 0.93:
        return _plane(np.ones((high, wide), np.float32))
    x, y = np.linspace(-1, 1, wide, dtype=np.float32)[None, :], np.linspace(-1, 1, high, dtype=np.float32)[:, None]
    if kind < 2:  # from one side
        angle = chance.uniform(0, 2 * np.pi)
        far = x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle))
    else:  # a blob
        far = np.hypot(
            x - np.float32(chance.uniform(-0.4, 0.4)),
            (y - np.float32(chance.uniform(-0.4, 0.4))) * np.float32(chance.uniform(0.7, 1.2)),
        )
    far = far + cloudy(chance, wide, high, wide / 2, 0.5, wide / 10) * np.float32(chance.uniform(0, 0.12))
    mask = (far < np.quantile(far, share)).astype(np.float32)
    return _plane(cv2.GaussianBlur(mask, (0, 0), wide * chance.uniform(0.004, 0.03)))


def no_signal(wide: int, high: int, chance: Chance) -> Image:
    """What recorders show instead of a picture."""
    kind = chance.integers(6)
    picture = np.zeros((high, wide, 3), np.uint8)
    if kind == 0:
        picture[:] = (chance.integers(130, 256), chance.integers(0, 30), chance.integers(0, 30))
    elif kind == 1:
        level = chance.integers(60, 200)
        picture[:] = (level, level, level)
    elif kind == 2:
        picture[:] = (0, chance.integers(100, 180), 0)
    elif kind == 3:
        picture[:] = tuple(int(part) for part in chance.integers(20, 200, 3))
    else:
        full = int(chance.integers(170, 256))
        names = [(1, 1, 1), (0, 1, 1), (1, 1, 0), (0, 1, 0), (1, 0, 1), (0, 0, 1), (1, 0, 0), (0, 0, 0)][
            : int(chance.integers(7, 9))
        ]
        for number, name in enumerate(names):
            left, right = number * wide // len(names), (number + 1) * wide // len(names)
            picture[:, left:right] = [full * part for part in name]
        if kind == 5:
            picture[high * 3 // 4 :] = 20
            picture[high * 3 // 4 :, wide // 3 : wide // 2] = 235
        return picture
    if chance.uniform() < 0.6:
        words = ["NO SIGNAL", "VIDEO LOSS", "No Video", "SIGNAL LOST"][chance.integers(4)]
        size = wide / 640 * chance.uniform(0.8, 2)
        at = (round(wide * 0.3), round(high * chance.uniform(0.3, 0.7)))
        cv2.putText(
            picture, words, at, cv2.FONT_HERSHEY_SIMPLEX, size, (255, 255, 255), max(1, round(size * 2)), cv2.LINE_AA
        )
    return picture


def _plane(light: Any) -> Plane:
    plane: Plane = np.asarray(light, np.float32)
    return plane


def _soft(picture: Plane, sigma: float) -> Plane:
    out: Plane = cv2.GaussianBlur(picture, (0, 0), sigma)
    return out


OPTICAL: Mapping[str, Damage] = {damage.__name__: damage for damage in (blurred, too_dark, too_bright, black, covered)}
"""Before the sensor: the captions stay as they are."""
ELECTRIC: Mapping[str, Damage] = {damage.__name__: damage for damage in (low_contrast, colour_cast, noise, stripes)}
"""Before the captions or, on an analogue line, with them."""
