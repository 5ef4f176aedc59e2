"""Drawn scenes for simulated cameras: a street crossing, a rural lane, a village gate. People have no faces.

A scene is a pure function of its age in seconds, so the same second always looks the same; only the caption tells the
real time.
"""

import math
from abc import ABC, abstractmethod
from datetime import datetime

from gateway.lab.canvas import UNIT_HEIGHT, UNIT_WIDTH, Canvas, Colour, Image
from gateway.model import Scene

_SKIN: Colour = (214, 178, 150)
_TYRE: Colour = (30, 30, 32)


class Painter(ABC):
    """Paints one scene at one size. The standing ground is drawn once, what moves for every frame."""

    def __init__(self, width: int, height: int, name: str) -> None:
        self.name = name
        ground = Canvas.blank(width, height)
        self.paint_ground(ground)
        self._ground = ground.image

    def frame(self, age: float, at: datetime) -> Image:
        """The picture (BGR) at ``age`` seconds, captioned with the local time ``at``."""
        canvas = Canvas(self._ground.copy())
        self.paint_life(canvas, age)
        canvas.caption(self.name, at)
        return canvas.image

    @abstractmethod
    def paint_ground(self, canvas: Canvas) -> None: ...

    @abstractmethod
    def paint_life(self, canvas: Canvas, age: float) -> None: ...


class StreetCrossing(Painter):
    """A crossing in town: cars both ways, a bus, a walker on the stripes, a light that changes."""

    _CARS: tuple[tuple[float, float, Colour], ...] = (
        (0.0, 74.0, (196, 52, 44)),
        (0.37, 74.0, (236, 236, 232)),
        (0.7, 74.0, (52, 88, 150)),
    )
    _ONCOMING: tuple[tuple[float, float, Colour], ...] = ((0.15, 62.0, (60, 120, 88)), (0.6, 62.0, (224, 178, 60)))

    def paint_ground(self, canvas: Canvas) -> None:
        canvas.gradient(0, 162, (150, 190, 224), (226, 234, 236))
        canvas.oval(320, 160, 110, 34, (150, 168, 158))
        for left, top, wide, colour in (
            (0, 46, 96, (188, 172, 156)),
            (100, 72, 84, (168, 152, 146)),
            (188, 30, 74, (150, 160, 172)),
            (382, 58, 92, (198, 184, 160)),
            (478, 24, 70, (160, 168, 178)),
            (552, 64, 88, (182, 160, 144)),
        ):
            _building(canvas, left, top, wide, colour)
        canvas.box(0, 160, UNIT_WIDTH, 26, (176, 172, 166))
        canvas.gradient(186, UNIT_HEIGHT, (92, 94, 98), (70, 72, 76))
        canvas.polygon([(316, 140), (328, 140), (382, 187), (262, 187)], (94, 96, 100))
        canvas.polygon([(321.5, 140), (322.5, 140), (325, 187), (319, 187)], (214, 206, 150))
        for left in range(0, UNIT_WIDTH, 64):
            canvas.box(left, 262, 36, 4, (226, 216, 150))
        for left in range(266, 380, 20):
            canvas.polygon([(left, 196), (left + 11, 196), (left + 5, 344), (left - 8, 344)], (218, 218, 214))
        for x, y in ((60, 152), (222, 150), (420, 150), (596, 152)):
            _tree(canvas, x, y)
        canvas.box(396, 92, 4, 92, (60, 62, 66))
        canvas.box(388, 70, 20, 46, (36, 38, 40))

    def paint_life(self, canvas: Canvas, age: float) -> None:
        phase = age % 18
        lamps: tuple[Colour, ...] = ((70, 24, 20), (70, 58, 20), (20, 60, 26))
        lit: tuple[Colour, ...] = ((240, 60, 50), (246, 196, 60), (70, 226, 110))
        on = 2 if phase < 9 else 1 if phase < 10.5 else 0
        for index in range(3):
            canvas.disc(398, 78 + 15 * index, 5.5, lit[index] if index == on else lamps[index])
        for start, speed, colour in self._ONCOMING:
            _car(canvas, UNIT_WIDTH + 60 - (start * 760 + age * speed) % 760, 236, 0.8, colour)
        _bus(canvas, (age * 46) % 1500 - 180, 252)
        _walker(
            canvas, 322 + 8 * math.sin(age / 3), 200 + 130 * (0.5 - 0.5 * math.cos(age / 6)), 1.15, age, (88, 62, 120)
        )
        _walker(canvas, (age * 17) % 720 - 40, 180, 0.8, age, (46, 96, 120))
        _walker(canvas, 690 - (age * 13 + 200) % 740, 176, 0.75, age + 1, (150, 84, 60))
        for start, speed, colour in self._CARS:
            _car(canvas, (start * 800 + age * speed) % 800 - 80, 322, 1.15, colour)


class RuralLane(Painter):
    """Hills and rice fields, a lane, a cyclist coming nearer, somebody walking home, clouds and birds."""

    def paint_ground(self, canvas: Canvas) -> None:
        canvas.gradient(0, 170, (122, 176, 222), (226, 236, 232))
        for base, height, wide, colour in (
            (120, 58, 260, (136, 164, 160)),
            (420, 70, 300, (124, 154, 152)),
            (280, 44, 220, (112, 146, 128)),
            (560, 40, 190, (104, 140, 116)),
        ):
            canvas.oval(base, 176, wide / 1.6, height, colour)
        canvas.gradient(168, UNIT_HEIGHT, (150, 176, 92), (92, 132, 54))
        for row, colour in enumerate(((170, 188, 96), (138, 172, 84), (158, 182, 90), (120, 158, 72))):
            y = 178 + row * 30
            canvas.polygon([(0, y), (300 - row * 40, y - 4), (280 - row * 60, y + 22), (0, y + 30)], colour)
            canvas.polygon([(350 + row * 30, y - 4), (640, y), (640, y + 30), (366 + row * 46, y + 22)], colour)
        canvas.polygon([(316, 172), (330, 172), (470, 360), (170, 360)], (196, 180, 148))
        canvas.polygon([(321, 172), (325, 172), (340, 360), (302, 360)], (178, 162, 128))
        canvas.polygon([(492, 150), (540, 128), (588, 150)], (104, 72, 62))
        canvas.box(500, 150, 80, 34, (224, 214, 198))
        canvas.box(532, 160, 14, 24, (110, 80, 60))
        for x, y in ((86, 186), (130, 180), (608, 196), (420, 172)):
            _tree(canvas, x, y)
        for x in (40, 210, 452):
            canvas.box(x, 92, 3, 100, (96, 82, 70))
            canvas.box(x - 9, 98, 21, 3, (96, 82, 70))

    def paint_life(self, canvas: Canvas, age: float) -> None:
        for offset, height, speed in ((0, 40, 5.0), (260, 66, 3.4), (470, 30, 4.2)):
            drift = (offset + age * speed) % 800 - 80
            for shift, radius in ((-24, 13), (0, 19), (24, 14)):
                canvas.oval(drift + shift, height, radius * 1.5, radius * 0.7, (246, 248, 248))
        for index in range(3):
            x = (age * 26 + index * 24) % 760 - 40
            y, flap = 84 + index * 9 + 5 * math.sin(age + index), 4 * math.sin(age * 8 + index)
            canvas.line((x - 6, y - flap), (x, y), 1.4, (60, 60, 66))
            canvas.line((x + 6, y - flap), (x, y), 1.4, (60, 60, 66))
        _walker(
            canvas,
            292 - 60 * _there_and_back(age, 44),
            212 + 96 * _there_and_back(age, 44),
            1.0,
            age,
            (170, 66, 60),
            hat=True,
        )
        near = (age / 24) % 1
        _cyclist(canvas, 326 + 64 * near * near, 190 + 150 * near * near, 0.35 + 1.1 * near * near, age)
        sway = 3 * math.sin(age * 1.4)
        for blade in range(6, 640, 22):
            canvas.line((blade, 360), (blade + sway, 342 + (blade * 7) % 9), 2, (110, 150, 60))


class VillageGate(Painter):
    """A village gate with lanterns that swing, people passing through, and a dog that has the place to itself."""

    def paint_ground(self, canvas: Canvas) -> None:
        canvas.gradient(0, 190, (236, 206, 170), (244, 232, 212))
        canvas.oval(130, 190, 220, 70, (150, 160, 148))
        canvas.oval(520, 190, 230, 58, (138, 152, 140))
        for left, wide in ((0, 120), (500, 140)):
            canvas.box(left, 128, wide, 70, (232, 226, 214))
            canvas.polygon(
                [(left - 12, 130), (left + wide / 2, 96), (left + wide + 12, 130)],
                (84, 84, 90),
            )
            canvas.box(left + wide / 2 - 12, 156, 24, 42, (120, 72, 56))
        canvas.gradient(196, UNIT_HEIGHT, (190, 178, 156), (150, 138, 116))
        canvas.polygon([(250, 196), (390, 196), (520, 360), (120, 360)], (206, 196, 176))
        for y in (214, 238, 268, 306):
            spread = (y - 196) * 0.79
            canvas.line((250 - spread, y), (390 + spread, y), 1.4, (182, 170, 148))
        for x in (206, 424):
            canvas.box(x, 92, 14, 124, (150, 52, 44))
            canvas.box(x - 6, 208, 26, 16, (140, 136, 128))
        canvas.box(196, 104, 252, 12, (52, 92, 88))
        canvas.box(270, 84, 104, 24, (46, 62, 96))
        canvas.box(274, 88, 96, 16, (210, 168, 74))
        canvas.polygon([(164, 86), (212, 62), (432, 62), (480, 86), (470, 92), (174, 92)], (72, 74, 80))
        canvas.polygon([(230, 62), (262, 40), (382, 40), (414, 62)], (72, 74, 80))
        _tree(canvas, 70, 214)
        _tree(canvas, 590, 212)

    def paint_life(self, canvas: Canvas, age: float) -> None:
        for index, x in enumerate((236, 272, 372, 408)):
            swing = 5 * math.sin(age * 1.6 + index)
            canvas.line((x, 116), (x + swing, 134), 1.2, (60, 50, 46))
            canvas.oval(x + swing, 144, 11, 10, (214, 46, 40))
            canvas.oval(x + swing, 144, 4, 10, (238, 96, 70))
            canvas.line((x + swing, 154), (x + swing * 1.3, 164), 1.6, (226, 178, 70))
        for index, (pace, shift, coat) in enumerate(
            ((20, 262, (60, 92, 140)), (27, 318, (140, 60, 90)), (34, 372, (72, 116, 76)))
        ):
            depth = _there_and_back(age + index * 7, pace)
            aside = shift + (shift - 320) * depth * 1.1
            _walker(canvas, aside, 214 + depth * 124, 0.7 + depth * 0.75, age + index, coat)
        _dog(canvas, 320 + 190 * math.sin(age / 2.6), 300 + 26 * math.cos(age / 1.7), age, math.cos(age / 2.6) >= 0)


def painter(scene: Scene, width: int, height: int, name: str) -> Painter:
    """The painter of a scene at ``width`` × ``height`` pixels (16:9). A household looks onto its village gate."""
    painters: dict[Scene, type[Painter]] = {
        Scene.STREET: StreetCrossing,
        Scene.RURAL: RuralLane,
        Scene.VILLAGE: VillageGate,
        Scene.HOUSEHOLD: VillageGate,
    }
    return painters[scene](width, height, name)


def _there_and_back(age: float, period: float) -> float:
    """0 → 1 → 0 over ``period`` seconds."""
    return 1 - abs(1 - (age / period % 1) * 2)


def _building(canvas: Canvas, left: float, top: float, wide: float, colour: Colour) -> None:
    canvas.box(left, top, wide, 165 - top, colour)
    dark = (colour[0] - 60, colour[1] - 56, colour[2] - 48)
    for y in range(round(top) + 8, 140, 16):
        for x in range(round(left) + 8, round(left + wide) - 10, 16):
            canvas.box(x, y, 8, 9, (236, 216, 150) if (x * 7 + y * 3) % 11 == 0 else dark)


def _tree(canvas: Canvas, x: float, y: float) -> None:
    canvas.box(x - 2.5, y - 18, 5, 30, (98, 74, 56))
    for dx, dy, radius in ((-11, -22, 13), (10, -24, 14), (0, -36, 15), (0, -20, 13)):
        canvas.disc(x + dx, y + dy, radius, (72 + (dx + 11) * 2, 118 + (dx + 11), 66))


def _car(canvas: Canvas, x: float, y: float, size: float, colour: Colour) -> None:
    canvas.oval(x, y + 3 * size, 36 * size, 5 * size, (52, 54, 58))
    canvas.polygon(
        [
            (x - 18 * size, y - 14 * size),
            (x - 10 * size, y - 25 * size),
            (x + 9 * size, y - 25 * size),
            (x + 19 * size, y - 14 * size),
        ],
        (58, 74, 90),
    )
    canvas.box(x - 33 * size, y - 15 * size, 66 * size, 14 * size, colour)
    for dx in (-20, 20):
        canvas.disc(x + dx * size, y, 6.5 * size, _TYRE)
        canvas.disc(x + dx * size, y, 3 * size, (150, 152, 156))


def _bus(canvas: Canvas, x: float, y: float) -> None:
    canvas.box(x - 62, y - 48, 124, 44, (44, 122, 148))
    for dx in range(-56, 50, 19):
        canvas.box(x + dx, y - 43, 15, 16, (196, 216, 224))
    canvas.box(x - 62, y - 18, 124, 4, (240, 236, 220))
    for dx in (-38, 36):
        canvas.disc(x + dx, y - 3, 8, _TYRE)
        canvas.disc(x + dx, y - 3, 3.5, (150, 152, 156))


def _walker(canvas: Canvas, x: float, y: float, size: float, age: float, coat: Colour, *, hat: bool = False) -> None:
    stride = 5 * size * math.sin(age * 6)
    canvas.oval(x, y, 8 * size, 2.4 * size, (104, 102, 96))
    canvas.line((x, y - 15 * size), (x + stride, y), 3.4 * size, (52, 54, 68))
    canvas.line((x, y - 15 * size), (x - stride, y), 3.4 * size, (44, 46, 58))
    canvas.line((x, y - 27 * size), (x - stride * 0.9, y - 16 * size), 2.6 * size, coat)
    canvas.oval(x, y - 22 * size, 5 * size, 9 * size, coat)
    canvas.line((x, y - 27 * size), (x + stride * 0.9, y - 16 * size), 2.6 * size, coat)
    canvas.disc(x, y - 34 * size, 4.2 * size, _SKIN)
    if hat:
        canvas.polygon(
            [(x - 9 * size, y - 35 * size), (x, y - 43 * size), (x + 9 * size, y - 35 * size)], (222, 200, 130)
        )
    else:
        canvas.oval(x, y - 36 * size, 4.3 * size, 2.8 * size, (46, 40, 38))


def _cyclist(canvas: Canvas, x: float, y: float, size: float, age: float) -> None:
    for dx in (-11, 11):
        canvas.ring(x + dx * size, y - 7 * size, 7 * size, 1.6 * size, _TYRE)
        spoke = age * 7
        tip = (x + (dx + 6 * math.cos(spoke)) * size, y + (-7 + 6 * math.sin(spoke)) * size)
        canvas.line((x + dx * size, y - 7 * size), tip, 0.8 * size, (120, 120, 124))
    for start, end in (
        ((-11, -7), (-2, -18)),
        ((-2, -18), (11, -7)),
        ((-11, -7), (2, -7)),
        ((2, -7), (-2, -18)),
        ((8, -22), (11, -7)),
    ):
        canvas.line(_at(x, y, size, start), _at(x, y, size, end), 1.8 * size, (40, 96, 150))
    knee = 4 * math.sin(age * 7)
    canvas.line(_at(x, y, size, (-3, -19)), _at(x, y, size, (4, -14 + knee / 2)), 3 * size, (60, 60, 70))
    canvas.line(_at(x, y, size, (4, -14 + knee / 2)), _at(x, y, size, (2, -5 + knee / 2)), 3 * size, (60, 60, 70))
    canvas.line(_at(x, y, size, (-3, -20)), _at(x, y, size, (3, -33)), 6 * size, (214, 120, 48))
    canvas.line(_at(x, y, size, (3, -32)), _at(x, y, size, (9, -23)), 2.4 * size, (214, 120, 48))
    canvas.disc(x + 5 * size, y - 40 * size, 4.4 * size, _SKIN)
    canvas.oval(x + 5 * size, y - 42 * size, 4.6 * size, 3 * size, (236, 236, 230))


def _at(x: float, y: float, size: float, offset: tuple[float, float]) -> tuple[float, float]:
    return x + offset[0] * size, y + offset[1] * size


def _dog(canvas: Canvas, x: float, y: float, age: float, to_the_right: bool) -> None:
    way, trot = (1 if to_the_right else -1), 4 * math.sin(age * 11)
    fur: Colour = (150, 106, 66)
    for dx, step in ((-8, trot), (-6, -trot), (7, -trot), (9, trot)):
        canvas.line((x + dx * way, y - 8), (x + dx * way + step, y), 2.2, fur)
    canvas.oval(x, y - 11, 12, 5, fur)
    canvas.line((x - 11 * way, y - 13), (x - 17 * way, y - 19 + trot / 2), 2, fur)
    canvas.disc(x + 13 * way, y - 16, 5, fur)
    canvas.oval(x + 18 * way, y - 15, 4, 2.4, (120, 82, 50))
    canvas.polygon([(x + 10 * way, y - 19), (x + 12 * way, y - 25), (x + 15 * way, y - 19)], (110, 74, 46))
