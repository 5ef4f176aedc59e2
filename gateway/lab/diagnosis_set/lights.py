"""Light and weather: what intact pictures look like by day, at dusk, under lamps and infrared, in fog, rain and snow."""

from collections.abc import Callable, Mapping

import cv2
import numpy as np

from gateway.lab.diagnosis_set.ground import Chance, Image, Plane, cloudy

Light = Callable[[Plane, Chance, Chance], Plane]
"""(picture as float BGR, chances of the place, chances of the moment) → picture."""


def day(picture: Plane, place: Chance, moment: Chance) -> Plane:
    return picture * np.float32(place.uniform(0.8, 1.1)) * np.float32(moment.uniform(0.95, 1.05))


def overcast(picture: Plane, place: Chance, moment: Chance) -> Plane:
    share = np.float32(place.uniform(0.65, 0.85))
    return (picture - 128) * share + np.float32(place.uniform(105, 140))


def sunset(picture: Plane, place: Chance, moment: Chance) -> Plane:
    high = picture.shape[0]
    warm = np.array([place.uniform(0.62, 0.82), place.uniform(0.82, 0.94), place.uniform(1.04, 1.18)], np.float32)
    share = np.linspace(1, place.uniform(0.2, 0.7), high, dtype=np.float32)[:, None, None]
    return picture * np.float32(place.uniform(0.6, 0.85)) * (1 + (warm - 1) * share)


def blue_hour(picture: Plane, place: Chance, moment: Chance) -> Plane:
    cold = np.array([place.uniform(1.05, 1.2), 1.0, place.uniform(0.8, 0.94)], np.float32)
    return picture * np.float32(place.uniform(0.4, 0.6)) * cold


def shadows(picture: Plane, place: Chance, moment: Chance) -> Plane:
    high, wide = picture.shape[:2]
    mask: Plane = np.ones((high, wide), np.float32)
    dark = place.uniform(0.28, 0.5)
    for _ in range(place.integers(1, 4)):
        x, across = place.uniform(-0.2, 0.9) * wide, place.uniform(0.15, 0.5) * wide
        lean = place.uniform(-0.4, 0.4) * wide
        corners = np.array([(x, 0), (x + across, 0), (x + across + lean, high), (x + lean, high)], np.int32)
        cv2.fillPoly(mask, [corners], dark)
    return picture * np.float32(1.05) * cv2.GaussianBlur(mask, (0, 0), 1.2)[:, :, None]


def fog(picture: Plane, place: Chance, moment: Chance) -> Plane:
    high = picture.shape[0]
    thick = np.linspace(place.uniform(0.45, 0.72), place.uniform(0.1, 0.4), high, dtype=np.float32)[:, None, None]
    return picture * (1 - thick) + np.float32(place.uniform(160, 205)) * thick


def rain(picture: Plane, place: Chance, moment: Chance) -> Plane:
    high, wide = picture.shape[:2]
    streaks: Plane = np.zeros((high, wide), np.float32)
    lean = place.uniform(-0.2, 0.2)
    for _ in range(moment.integers(80, 400)):
        x, y, long = moment.uniform(0, wide), moment.uniform(0, high), moment.uniform(0.02, 0.07) * high
        cv2.line(
            streaks, (int(x), int(y)), (int(x + lean * long), int(y + long)), moment.uniform(15, 50), 1, cv2.LINE_AA
        )
    return overcast(picture, place, moment) * np.float32(0.9) + streaks[:, :, None]


def snowfall(picture: Plane, place: Chance, moment: Chance) -> Plane:
    high, wide = picture.shape[:2]
    flakes: Plane = np.zeros((high, wide), np.float32)
    for _ in range(moment.integers(60, 420)):
        x, y, size = moment.uniform(0, wide), moment.uniform(0, high), moment.uniform(0.5, 3.0)
        cv2.circle(
            flakes, (int(x * 8), int(y * 8)), int(size * 8), moment.uniform(0.3, 0.9), cv2.FILLED, cv2.LINE_AA, 3
        )
    flakes = cv2.GaussianBlur(flakes, (0, 0), 0.9)[:, :, None]
    return overcast(picture, place, moment) * (1 - flakes) + 235 * flakes


def infrared(picture: Plane, place: Chance, moment: Chance) -> Plane:
    """No colour, bright in the middle and dark at the edges and far away."""
    high, wide = picture.shape[:2]
    grey = cv2.cvtColor(picture.clip(0, 255).astype(np.uint8), cv2.COLOR_BGR2GRAY).astype(np.float32)
    x = np.linspace(-1, 1, wide, dtype=np.float32)[None, :] - np.float32(place.uniform(-0.3, 0.3))
    y = np.linspace(-1, 1, high, dtype=np.float32)[:, None] - np.float32(place.uniform(0, 0.4))
    lamp = np.exp(-(x**2 + y**2) / np.float32(place.uniform(0.6, 1.4)))
    shown = (grey * np.float32(place.uniform(0.7, 0.95)) + 6) * (0.14 + lamp * np.float32(place.uniform(0.6, 1.0)))
    return np.repeat(shown[:, :, None], 3, axis=2)


def lamps(picture: Plane, place: Chance, moment: Chance) -> Plane:
    """A street by night in colour: sodium or LED lamps, headlights at times."""
    high, wide = picture.shape[:2]
    glow = np.full((high, wide), np.float32(place.uniform(0.1, 0.2)))
    spots: list[tuple[float, float]] = []
    for _ in range(place.integers(2, 6)):
        spots.append((place.uniform(0.05, 0.95) * wide, place.uniform(0.1, 0.45) * high))
        x, y = spots[-1]
        far = ((np.arange(wide)[None, :] - x) ** 2 + (np.arange(high)[:, None] - y - 0.2 * high) ** 2) / (
            0.35 * wide
        ) ** 2
        glow += np.exp(-far * 3).astype(np.float32) * np.float32(place.uniform(0.3, 0.6))
    warm = [(0.62, 0.9, 1.1), (1.0, 1.0, 1.0), (0.8, 0.95, 1.05)][place.integers(3)]
    shown = picture * glow.clip(0, 1)[:, :, None] * np.array(warm, np.float32)
    light: Plane = np.zeros((high, wide), np.float32)
    for x, y in spots:
        cv2.circle(light, (int(x), int(y)), max(2, high // 60), 255, cv2.FILLED, cv2.LINE_AA)
    if moment.uniform() < 0.5:
        x, y = int(moment.uniform(0.1, 0.9) * wide), int(moment.uniform(0.5, 0.8) * high)
        for side in (0, wide // 18):
            cv2.circle(light, (x + side, y), max(3, high // 36), 255, cv2.FILLED, cv2.LINE_AA)
    halo: Plane = light + cv2.GaussianBlur(light, (0, 0), high / 40) * 2
    lit: Plane = shown + halo[:, :, None]
    return lit


def cloud_shadow(picture: Plane, place: Chance, moment: Chance) -> Plane:
    high, wide = picture.shape[:2]
    shade: Plane = 1 + 0.15 * cloudy(moment, wide, high, wide / 2, 0.5, wide / 8)
    return picture * shade[:, :, None]


LIGHTS: Mapping[str, Light] = {
    light.__name__: light
    for light in (day, overcast, sunset, blue_hour, shadows, fog, rain, snowfall, infrared, lamps, cloud_shadow)
}
NIGHT = frozenset({"infrared", "lamps"})


def finished(picture: Plane) -> Image:
    return picture.clip(0, 255).astype(np.uint8)
