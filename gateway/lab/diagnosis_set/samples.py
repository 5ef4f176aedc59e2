"""The set: samples by number, each a function of the seed; halves are split by place, so that no place is in both."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gateway.lab.diagnosis_set import faults
from gateway.lab.diagnosis_set.cameras import Aim, Camera
from gateway.lab.diagnosis_set.ground import Board, Chance, Image, Plane
from gateway.lab.diagnosis_set.lights import LIGHTS, NIGHT, finished
from gateway.lab.diagnosis_set.places import PLACES, pass_by, seen_by
from gateway.model import ImageFault

Half = Literal["tuning", "held_out"]
PICTURE_FAULTS = tuple(fault for fault in ImageFault if fault is not ImageFault.CLOCK)
ROW = 5
"""Keyframes in a row, where one is not enough."""
INTACT = 5
"""For each picture of a fault so many intact ones."""


@dataclass(frozen=True, slots=True)
class Sample:
    """``frames``: keyframes in a row, the newest last; ``reference``: the camera's view of another day, where it has one."""

    number: int
    fault: ImageFault | None
    place: str
    light: str
    frames: tuple[Image, ...]
    reference: Image | None

    @property
    def night(self) -> bool:
        return self.light in NIGHT


class Spot:
    """One camera at one place: a board that was drawn once, seen again and again."""

    def __init__(self, seed: int) -> None:
        chance = np.random.default_rng(seed)
        self.seed = seed
        self.name = list(PLACES)[chance.integers(len(PLACES))]
        self.camera = Camera(chance)
        self.home = Aim(chance.uniform(-0.03, 0.03), chance.uniform(-0.03, 0.03), chance.uniform(-1.5, 1.5))
        self.busy = float(max(0, chance.uniform(-0.4, 2)))
        self.board = Board(*self.camera.board_size, chance, float(chance.choice([0.0, 0.5, 1.0, 1.3])))
        PLACES[self.name](self.board)

    def light(self, light: str, chance: Chance, aim: Aim | None = None) -> Plane:
        """What comes to the lens at one moment."""
        board = seen_by(self.board, chance)
        pass_by(board, self.busy)
        seen = self.camera.aim(board.image, aim or self.home)
        return LIGHTS[light](seen, np.random.default_rng((self.seed, len(light), ord(light[0]))), chance)

    def picture(
        self, light: str, chance: Chance, aim: Aim | None = None, fault: ImageFault | None = None, damage: int = 0
    ) -> Image:
        """As the camera sends it. ``damage``: the seed of the fault, the same over pictures in a row."""
        harm, camera = np.random.default_rng(damage), self.camera
        plane = self.light(light, chance, aim)
        if fault is not None and fault in faults.OPTICAL:
            plane = faults.OPTICAL[fault](plane, harm)
            if light == "infrared":
                plane = np.repeat(plane.mean(axis=2, keepdims=True), 3, axis=2)
        plane = camera.through_lens(plane)
        electric = faults.ELECTRIC.get(fault) if fault is not None else None
        on_the_line = harm.uniform() < 0.4
        if electric is not None and not on_the_line:
            plane = electric(plane, harm)
        picture = finished(camera.sensed(plane, chance, light in NIGHT))
        picture = camera.captioned(picture, int(chance.integers(86_400)))
        if electric is not None and on_the_line:
            picture = finished(electric(picture.astype(np.float32), harm))
        return camera.encoded(picture)


def sample(number: int, fault: ImageFault | None, half: Half, seed: int) -> Sample:
    """The sample of this number. Places of the halves have seeds of their own: none is in both."""
    base = seed * 1_000_003 + number * 2 + (half == "held_out")
    chance = np.random.default_rng((base, 7))
    spot = Spot(base)
    light = list(LIGHTS)[chance.integers(len(LIGHTS))]
    if fault is ImageFault.COLOUR_CAST and light == "infrared":
        light = "day"  # a camera without colour has no cast; a green one at night has
    reference_light = light if chance.uniform() < 0.6 else list(LIGHTS)[chance.integers(len(LIGHTS))]
    reference_light = _kindred(light, reference_light)
    reference = spot.picture(reference_light, np.random.default_rng((base, 8)))
    frames = tuple(_frames(spot, light, fault, chance))
    return Sample(number, fault, spot.name, light, frames, reference)


def _kindred(light: str, other: str) -> str:
    """By day a reference of the day, by night one of the night: a camera has one of each."""
    if (light in NIGHT) == (other in NIGHT):
        return other
    return light


def _frames(spot: Spot, light: str, fault: ImageFault | None, chance: Chance) -> Iterator[Image]:
    damage = int(chance.integers(1 << 31))
    if fault is ImageFault.SIGNAL_LOST:
        screen = faults.no_signal(spot.camera.wide, spot.camera.high, np.random.default_rng(damage))
        yield spot.camera.encoded(spot.camera.captioned(screen, 1) if chance.uniform() < 0.4 else screen)
    elif fault is ImageFault.FROZEN:
        still = spot.light(light, chance)
        kept = finished(spot.camera.sensed(spot.camera.through_lens(still), chance, light in NIGHT))
        clock = chance.uniform() < 0.5
        for second in range(ROW):
            yield spot.camera.encoded(spot.camera.captioned(kept.copy(), second if clock else 0))
    elif fault is ImageFault.SHAKE:
        size = chance.uniform(0.009, 0.05)
        for _ in range(ROW):
            way = chance.uniform(0, 2 * np.pi)
            push = size * chance.uniform(0.6, 1.2)
            aim = Aim(
                spot.home.pan + push * np.cos(way),
                spot.home.tilt + push * np.sin(way),
                spot.home.turn + chance.normal(0, 0.3),
            )
            yield spot.picture(light, chance, aim)
    elif fault is ImageFault.MOVED:
        yield _moved(spot, light, chance)
    elif fault is None:
        yield from _intact(spot, light, chance)
    else:
        yield spot.picture(light, chance, fault=fault, damage=damage)


def _intact(spot: Spot, light: str, chance: Chance) -> Iterator[Image]:
    """Several in a row, at times with a slow pan or the wind at the pole: neither is a fault."""
    pan = chance.uniform(0.01, 0.03) if chance.uniform() < 0.15 else 0.0
    gust = chance.uniform(0, 0.0012) if chance.uniform() < 0.6 else 0.0
    for number in range(ROW):
        wind = chance.normal(0, 1, 2) * gust
        yield spot.picture(
            light,
            chance,
            Aim(spot.home.pan + wind[0] + pan * (number - ROW + 1), spot.home.tilt + wind[1], spot.home.turn),
        )


def _moved(spot: Spot, light: str, chance: Chance) -> Image:
    home, kind = spot.home, chance.integers(5)
    sign = 1 if chance.uniform() < 0.5 else -1
    if kind == 0:
        aim = Aim(home.pan + sign * chance.uniform(0.1, 0.22), home.tilt, home.turn)
    elif kind == 1:
        aim = Aim(home.pan, home.tilt + sign * chance.uniform(0.12, 0.22), home.turn)
    elif kind == 2:
        aim = Aim(home.pan, home.tilt, home.turn + sign * chance.uniform(9, 30))
    elif kind == 3:
        aim = Aim(home.pan, home.tilt, home.turn, chance.uniform(1.35, 2.2))
    else:
        other = Spot(spot.seed + 500_000_007)
        other.camera = spot.camera
        return other.picture(light, chance)
    return spot.picture(light, chance, aim)


def samples(half: Half, each: int, seed: int = 1) -> Iterator[Sample]:
    """``each`` of every fault, and five times as many intact ones."""
    number = 0
    for fault in (*PICTURE_FAULTS, *(None,) * INTACT):
        for _ in range(each):
            yield sample(number, fault, half, seed)
            number += 1
