"""Places of townships and villages, each another one by its seed: what stands there, and what passes."""

import math
from collections.abc import Callable, Mapping

from gateway.lab.diagnosis_set.ground import Board, Chance, Colour, tinted

SKY: Colour = (226, 196, 158)
ROAD: Colour = (98, 94, 92)
GREEN: Colour = (52, 104, 78)


def street(board: Board) -> None:
    chance, horizon = board.chance, board.chance.uniform(0.32, 0.5)
    _sky(board, horizon)
    _houses(board, horizon, int(chance.integers(4, 9)))
    board.fade(horizon, 1, tinted(chance, ROAD), tinted(chance, (78, 76, 74)))
    middle = chance.uniform(0.35, 0.65)
    board.shape([(middle - 0.05, horizon), (middle + 0.05, horizon), (1.1, 1), (-0.1, 1)], tinted(chance, ROAD), 7, 6)
    for step in range(6):
        y = horizon + (1 - horizon) * (step / 6) ** 1.6
        board.box(middle - 0.004 - 0.01 * step, y + 0.01, 0.008 + 0.02 * step, 0.012 + 0.015 * step, (200, 214, 220))
    for _ in range(chance.integers(1, 5)):
        _tree(board, chance.uniform(0, 1), horizon + chance.uniform(0.02, 0.15), chance.uniform(0.08, 0.2))
    for _ in range(chance.integers(1, 4)):
        x = chance.uniform(0.05, 0.95)
        board.box(x, horizon - 0.3, 0.006, 0.42, (70, 70, 72))
        board.line(x, horizon - 0.28, 1, horizon - chance.uniform(0.2, 0.4), 0.003, (40, 40, 40))


def courtyard(board: Board) -> None:
    chance = board.chance
    board.fade(0, 1, tinted(chance, (170, 176, 180)), tinted(chance, (140, 150, 158)))
    line = chance.uniform(0.3, 0.5)
    board.box(0, 0, 1, line, tinted(chance, (180, 196, 206)), 6, 40)
    board.box(0, line, 1, 1 - line, tinted(chance, (140, 150, 156)), 9, 8)
    for number in range(chance.integers(2, 5)):
        _window(board, 0.08 + number * 0.22, line * 0.25, 0.1, line * 0.4)
    board.box(0.7, line * 0.2, 0.12, line * 0.8, tinted(chance, (60, 70, 130)), 4)
    for _ in range(chance.integers(3, 9)):
        x, y = chance.uniform(0, 0.9), chance.uniform(line, 0.9)
        board.box(x, y, chance.uniform(0.03, 0.12), chance.uniform(0.04, 0.14), tinted(chance, (90, 110, 130), 50), 8)
    for row in range(1, 7):
        y = line + (1 - line) * (row / 7) ** 1.4
        board.line(0, y, 1, y + chance.uniform(-0.01, 0.01), 0.003, (110, 116, 120))
    for column in range(8):
        board.line(0.5 + (column - 4) * 0.09, line, 0.5 + (column - 4) * 0.26, 1, 0.003, (112, 118, 122))


def field(board: Board) -> None:
    """Wheat, rice or bare earth to the horizon: nothing but texture."""
    chance, horizon = board.chance, board.chance.uniform(0.32, 0.5)
    _sky(board, horizon)
    crop = [(70, 160, 190), (60, 130, 96), (70, 96, 126), (80, 150, 120)][chance.integers(4)]
    _hills(board, horizon)
    board.box(0, horizon, 1, 1 - horizon, tinted(chance, (crop[0], crop[1], crop[2])), 16, 12)
    for _ in range(round(260 * board.grain) + 60):
        x, y = chance.uniform(0, 1), horizon + (1 - horizon) * chance.uniform(0, 1) ** 0.7
        near = (y - horizon) / (1 - horizon)
        tone = tinted(chance, (crop[0], crop[1], crop[2]), 30)
        board.line(x, y, x + chance.normal(0, 0.004), y - 0.015 - 0.05 * near, 0.002 + 0.003 * near, tone)
    for _ in range(chance.integers(1, 5)):
        _tree(board, chance.uniform(0, 1), horizon + 0.01, chance.uniform(0.04, 0.1))
    board.line(chance.uniform(0, 1), 1, chance.uniform(0.3, 0.7), horizon, 0.01, (120, 150, 170))
    x = chance.uniform(0.1, 0.9)
    board.box(x, horizon - 0.18, 0.006, 0.25, (80, 84, 90))


def corridor(board: Board) -> None:
    chance = board.chance
    x, y = chance.uniform(0.4, 0.6), chance.uniform(0.35, 0.5)
    wall = tinted(chance, (196, 204, 208))
    board.shape([(0, 0), (1, 0), (1, 1), (0, 1)], wall, 4, 60)
    board.shape([(0, 1), (1, 1), (x + 0.08, y + 0.12), (x - 0.08, y + 0.12)], tinted(chance, (130, 140, 150)), 7, 10)
    board.shape([(0, 0), (1, 0), (x + 0.08, y - 0.12), (x - 0.08, y - 0.12)], tinted(chance, (220, 222, 222)), 3, 40)
    board.box(x - 0.08, y - 0.12, 0.16, 0.24, tinted(chance, (150, 156, 160)), 4)
    for side in (-1, 1):
        for door in range(3):
            far = 0.12 + 0.3 * door + chance.uniform(0, 0.05)
            left, right = x + side * (0.08 + (0.5 - 0.08) * far), x + side * (0.08 + 0.42 * (far + 0.16))
            top, bottom = y - 0.08 - 0.35 * far, y + 0.12 + 0.42 * far
            board.shape(
                [(left, top), (right, top - 0.05), (right, bottom + 0.06), (left, bottom)],
                tinted(chance, (80, 110, 150)),
                5,
            )
    for lamp in range(4):
        far = 0.1 + 0.22 * lamp
        board.box(x - 0.03 - 0.08 * far, y - 0.13 - 0.36 * far, 0.06 + 0.16 * far, 0.015 + 0.02 * far, (250, 252, 252))
    for tile in range(1, 6):
        far = (tile / 6) ** 1.5
        board.line(
            x - 0.08 - 0.45 * far,
            y + 0.12 + 0.42 * far,
            x + 0.08 + 0.45 * far,
            y + 0.12 + 0.42 * far,
            0.003,
            (100, 108, 116),
        )


def wall(board: Board) -> None:
    """A plain wall with little on it: the hardest of the intact ones."""
    chance = board.chance
    colour = tinted(
        chance, [(196, 204, 210), (160, 180, 200), (150, 150, 150), (190, 180, 170)][chance.integers(4)], 16
    )
    board.box(0, 0, 1, 1, colour, 5, 90)
    floor = chance.uniform(0.7, 0.88)
    board.box(0, floor, 1, 1 - floor, tinted(chance, (110, 120, 130)), 8, 10)
    board.line(0, floor, 1, floor + chance.uniform(-0.04, 0.04), 0.012, tinted(chance, (90, 96, 100)))
    x = chance.uniform(0.1, 0.7)
    board.box(x, floor - 0.5, 0.16, 0.5, tinted(chance, (70, 90, 120)), 4)
    board.disc(x + 0.14, floor - 0.24, 0.012, (60, 160, 190))
    for _ in range(chance.integers(2, 6)):
        x, y = chance.uniform(0, 0.9), chance.uniform(0.12, floor - 0.1)
        board.box(x, y, chance.uniform(0.02, 0.1), chance.uniform(0.03, 0.1), tinted(chance, (120, 130, 140), 50), 4)
    board.line(chance.uniform(0, 1), 0, chance.uniform(0, 1), floor, 0.006, tinted(chance, (100, 106, 110)))


def foliage(board: Board) -> None:
    """Leaves nearly everywhere: the finest texture there is."""
    chance = board.chance
    _sky(board, 0.3)
    board.box(0, 0.25, 1, 0.75, tinted(chance, (50, 84, 66)), 14, 20)
    for _ in range(7):
        board.leaves(chance.uniform(0, 1), chance.uniform(0.2, 0.8), 0.25, 0.25, tinted(chance, GREEN, 20), 260)
    board.shape([(0.4, 1), (0.6, 1), (0.52, 0.45), (0.49, 0.45)], tinted(chance, (130, 146, 156)), 10, 8)
    for _ in range(3):
        x = chance.uniform(0.05, 0.95)
        board.box(x, 0.2, 0.012, 0.7, tinted(chance, (50, 66, 84)), 5)


def snow_yard(board: Board) -> None:
    chance, horizon = board.chance, board.chance.uniform(0.25, 0.45)
    board.fade(0, horizon, tinted(chance, (206, 200, 196), 12), tinted(chance, (220, 216, 212), 10))
    _houses(board, horizon, int(chance.integers(2, 5)))
    board.box(0, horizon, 1, 1 - horizon, tinted(chance, (214, 208, 202), 10), 5, 50)
    for _ in range(2):
        start = chance.uniform(0.2, 0.8)
        board.shape([(start, 1), (start + 0.03, 1), (0.52, horizon), (0.515, horizon)], (176, 168, 162), 5, 6)
    for _ in range(chance.integers(2, 5)):
        x = chance.uniform(0.05, 0.95)
        board.box(x, horizon - 0.1, 0.008, 0.26, (60, 64, 70))
    for _ in range(chance.integers(3, 8)):
        x, y = chance.uniform(0, 0.95), chance.uniform(horizon + 0.05, 0.95)
        board.box(x, y, chance.uniform(0.02, 0.06), chance.uniform(0.02, 0.05), tinted(chance, (90, 100, 110), 30), 4)


def river(board: Board) -> None:
    chance, bank = board.chance, board.chance.uniform(0.35, 0.5)
    _sky(board, bank - 0.1)
    _hills(board, bank - 0.05)
    board.box(0, bank - 0.1, 1, 0.12, tinted(chance, GREEN), 14, 8)
    board.box(0, bank, 1, 0.4, tinted(chance, (150, 146, 120)), 8, 30)
    for _ in range(120):
        x, y = chance.uniform(0, 1), chance.uniform(bank + 0.02, bank + 0.4)
        board.line(x, y, x + chance.uniform(0.01, 0.05), y, 0.003, tinted(chance, (180, 176, 160), 24))
    board.box(0, bank + 0.4, 1, 0.7, tinted(chance, (120, 140, 150)), 12, 8)
    for post in range(9):
        board.box(0.05 + post * 0.11, bank + 0.3, 0.008, 0.16, (200, 204, 206))
    board.box(0, bank + 0.33, 1, 0.012, (196, 200, 204))


def parking(board: Board) -> None:
    chance, line = board.chance, board.chance.uniform(0.2, 0.35)
    _sky(board, line)
    _houses(board, line, 4)
    board.box(0, line, 1, 1 - line, tinted(chance, (112, 110, 108)), 8, 6)
    for row in range(2):
        y = line + 0.1 + 0.32 * row
        for bay in range(7):
            x = 0.02 + bay * 0.14
            board.line(x, y, x - 0.03, y + 0.2, 0.006, (210, 214, 214))
            if chance.uniform() < 0.6:
                _car(board, x + 0.06, y + 0.12, 0.1 + 0.04 * row, tinted(chance, (130, 120, 120), 70))


def shop(board: Board) -> None:
    """Indoors: shelves, a counter, a door with daylight behind."""
    chance = board.chance
    board.box(0, 0, 1, 1, tinted(chance, (186, 196, 204)), 4, 60)
    board.box(0, 0.62, 1, 0.4, tinted(chance, (140, 150, 162)), 8, 8)
    for shelf in range(4):
        y = 0.12 + 0.13 * shelf
        board.box(0.02, y + 0.1, 0.5, 0.012, (70, 90, 110))
        for item in range(14):
            high = chance.uniform(0.04, 0.09)
            board.box(0.03 + item * 0.034, y + 0.1 - high, 0.026, high, tinted(chance, (120, 120, 130), 80))
    board.box(0.62, 0.1, 0.16, 0.55, tinted(chance, (220, 224, 222), 10))
    board.box(0.69, 0.1, 0.008, 0.55, (90, 90, 94))
    board.box(0.5, 0.6, 0.4, 0.25, tinted(chance, (70, 100, 140)), 8, 10)


def square(board: Board) -> None:
    chance, horizon = board.chance, board.chance.uniform(0.22, 0.36)
    _sky(board, horizon)
    _houses(board, horizon, 7)
    board.box(0, horizon, 1, 1 - horizon, tinted(chance, (150, 160, 168)), 6, 10)
    for row in range(1, 10):
        y = horizon + (1 - horizon) * (row / 10) ** 1.8
        board.line(0, y, 1, y, 0.002 + 0.0004 * row, (120, 130, 138))
    for column in range(13):
        board.line(0.5 + (column - 6) * 0.05, horizon, 0.5 + (column - 6) * 0.24, 1, 0.003, (124, 132, 140))
    board.disc(0.5, horizon + 0.2, 0.07, tinted(chance, (150, 150, 110)))
    for _ in range(5):
        _tree(board, chance.uniform(0, 1), horizon + chance.uniform(0.02, 0.2), chance.uniform(0.06, 0.14))
    for _ in range(12):
        _person(board, chance.uniform(0, 1), horizon + chance.uniform(0.05, 0.6), tinted(chance, (90, 90, 110), 60))


def lookout(board: Board) -> None:
    """Mostly sky, as from a mast or a roof."""
    chance, horizon = board.chance, board.chance.uniform(0.6, 0.74)
    _sky(board, horizon)
    for _ in range(chance.integers(0, 5)):
        x, y = chance.uniform(0, 1), chance.uniform(0.1, horizon - 0.2)
        for _ in range(12):
            board.disc(
                x + chance.normal(0, 0.05), y + chance.normal(0, 0.015), chance.uniform(0.02, 0.05), (238, 236, 234)
            )
    _hills(board, horizon)
    _houses(board, horizon + 0.04, int(chance.integers(3, 8)), height=0.16)
    board.box(0, horizon + 0.04, 1, 0.4, tinted(chance, GREEN), 16, 8)
    for _ in range(5):
        _tree(board, chance.uniform(0, 1), horizon + chance.uniform(0.08, 0.2), 0.1)
    x = chance.uniform(0.1, 0.9)
    board.box(x, 0.3, 0.008, 0.6, (90, 90, 94))
    board.line(0, 0.36, x, 0.32, 0.003, (60, 60, 62))
    board.line(x, 0.32, 1, 0.38, 0.003, (60, 60, 62))


def gate(board: Board) -> None:
    chance, ground = board.chance, board.chance.uniform(0.55, 0.66)
    _sky(board, ground)
    _hills(board, ground)
    board.box(0, ground, 1, 1 - ground, tinted(chance, (150, 168, 182)), 9, 10)
    board.shape([(0.4, ground), (0.6, ground), (0.86, 1), (0.14, 1)], tinted(chance, (168, 180, 190)), 7, 6)
    for x in (0.3, 0.67):
        board.box(x, 0.2, 0.04, ground - 0.16, tinted(chance, (44, 52, 150)), 5)
    board.box(0.27, 0.14, 0.48, 0.07, tinted(chance, (88, 92, 52)), 5)
    board.box(0.4, 0.22, 0.22, 0.08, (70, 160, 210))
    for letter in range(4):
        board.box(0.42 + letter * 0.05, 0.235, 0.03, 0.05, (40, 50, 90))
    for side in (0.02, 0.76):
        board.box(side, ground - 0.2, 0.22, 0.22, tinted(chance, (210, 222, 228)), 5, 40)
        _window(board, side + 0.05, ground - 0.15, 0.06, 0.09)
    _tree(board, 0.12, ground + 0.04, 0.16)
    _tree(board, 0.9, ground + 0.05, 0.18)


def fence(board: Board) -> None:
    """A fence, a roller door, a brick wall: regular, but not everywhere and not in step."""
    chance = board.chance
    _sky(board, 0.3)
    board.box(0, 0.25, 1, 0.8, tinted(chance, (150, 160, 170)), 8, 10)
    left, wide = chance.uniform(0, 0.4), chance.uniform(0.3, 0.55)
    colour = tinted(chance, (150, 150, 150))
    board.box(left, 0.25, wide, 0.45, colour, 4)
    for slat in range(16):
        y = 0.26 + slat * 0.028
        board.line(left, y, left + wide, y + 0.01, 0.005, tuple(part * 0.7 for part in colour))  # type: ignore[arg-type]
    first = chance.uniform(0, 0.3)
    for bar in range(22):
        x = first + bar * 0.03 * (1 + bar * 0.02)
        board.line(x, 0.55, x, 0.86, 0.006, (60, 60, 64))
    board.box(first, 0.58, 0.9, 0.012, (60, 60, 64))
    _tree(board, chance.uniform(0.6, 1), 0.5, 0.2)


def stairs(board: Board) -> None:
    chance = board.chance
    board.box(0, 0, 1, 1, tinted(chance, (176, 182, 188)), 5, 50)
    y, high = 0.25, 0.04
    for step in range(9):
        half = 0.2 + step * 0.03
        corners = [(0.5 - half, y), (0.5 + half, y), (0.5 + half, y + high * 0.6), (0.5 - half, y + high * 0.6)]
        board.shape(corners, tinted(chance, (150, 156, 160), 8), 6, 8)
        y, high = y + high, high * 1.22
    board.box(0.36, 0.05, 0.28, 0.2, tinted(chance, (90, 100, 120)), 4)
    board.line(0.28, 0.2, 0.02, 0.95, 0.015, (70, 80, 100))
    board.line(0.72, 0.2, 0.98, 0.95, 0.015, (70, 80, 100))
    _window(board, 0.08, 0.1, 0.14, 0.24)


PLACES: Mapping[str, Callable[[Board], None]] = {
    place.__name__: place
    for place in (
        street, courtyard, field, corridor, wall, foliage, snow_yard, river, parking, shop, square, lookout, gate, fence, stairs,
    )
}  # fmt: skip


def pass_by(board: Board, many: float) -> None:
    """What is somewhere else at every moment: people, cars, a dog, a bird."""
    chance = board.chance
    for _ in range(chance.poisson(2.0 * many)):
        _person(board, chance.uniform(0, 1), chance.uniform(0.45, 0.85), tinted(chance, (90, 90, 110), 60))
    for _ in range(chance.poisson(1.2 * many)):
        _car(
            board,
            chance.uniform(0, 1),
            chance.uniform(0.5, 0.8),
            chance.uniform(0.06, 0.16),
            tinted(chance, (120, 120, 120), 70),
        )
    for _ in range(chance.poisson(0.6 * many)):
        board.disc(chance.uniform(0, 1), chance.uniform(0.05, 0.4), 0.006, (40, 40, 44))


def _sky(board: Board, bottom: float) -> None:
    chance = board.chance
    light = tinted(chance, SKY, 20)
    board.fade(0, bottom, light, tinted(chance, (224, 222, 214), 10))
    if board.grain:
        board.box(0, 0, 1, bottom, light, 5, 120)


def _hills(board: Board, base: float) -> None:
    chance = board.chance
    for _ in range(3):
        middle, wide, high = chance.uniform(0, 1), chance.uniform(0.2, 0.5), chance.uniform(0.05, 0.16)
        steps = [step / 12 * math.pi for step in range(13)]
        corners = [(middle - wide * math.cos(step), base - high * math.sin(step)) for step in steps]
        board.shape(corners, tinted(chance, (140, 156, 130), 20), 7, 10)


def _houses(board: Board, base: float, count: int, height: float = 0.3) -> None:
    chance, x = board.chance, -0.05
    for _ in range(count):
        wide, high = chance.uniform(0.1, 0.24), chance.uniform(0.35, 1.0) * height
        board.box(x, base - high, wide, high + 0.01, tinted(chance, (168, 182, 194), 26), 6, 20)
        if chance.uniform() < 0.4:
            roof = [(x - 0.01, base - high), (x + wide / 2, base - high - 0.07), (x + wide + 0.01, base - high)]
            board.shape(roof, tinted(chance, (80, 80, 110)), 6, 6)
        columns, rows = max(1, int(wide / 0.045)), max(1, int(high / 0.075))
        for column in range(columns):
            for row in range(rows):
                _window(board, x + 0.012 + column * 0.045, base - high + 0.02 + row * 0.075, 0.022, 0.04)
        x += wide * chance.uniform(0.9, 1.3)


def _window(board: Board, x: float, y: float, wide: float, high: float) -> None:
    board.box(x, y, wide, high, tinted(board.chance, (96, 86, 76), 24))
    board.line(x + wide / 2, y, x + wide / 2, y + high, 0.004, (190, 196, 198))


def _tree(board: Board, x: float, y: float, size: float) -> None:
    board.box(x - size * 0.04, y - size * 0.7, size * 0.08, size, tinted(board.chance, (52, 70, 92)), 6, 4)
    board.leaves(x, y - size, size * 0.6, size * 0.9, tinted(board.chance, GREEN, 16), 90)


def _car(board: Board, x: float, y: float, size: float, colour: Colour) -> None:
    board.box(x - size / 2, y - size * 0.4, size, size * 0.5, colour)
    board.box(x - size * 0.3, y - size * 0.75, size * 0.6, size * 0.4, tinted(board.chance, (110, 100, 90), 16))
    for wheel in (-0.3, 0.3):
        board.disc(x + size * wheel, y + size * 0.12, size * 0.2, (30, 28, 28))


def _person(board: Board, x: float, y: float, colour: Colour) -> None:
    size = 0.04 + 0.1 * max(0.0, y - 0.3)
    board.box(x - size * 0.15, y - size, size * 0.3, size * 1.1, colour)
    board.box(x - size * 0.12, y + size * 0.1, size * 0.24, size * 0.8, (50, 46, 44))
    board.disc(x, y - size * 1.2, size * 0.22, (150, 180, 214))


def seen_by(board: Board, chance: Chance) -> Board:
    """The same board with other chances: what stands was drawn, what passes comes."""
    other = Board(board.wide, board.high, chance, board.grain)
    other.image = board.image.copy()
    return other
