"""A line plot as SVG: a few lines over one axis each way is all that the capacity page needs."""

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

_WIDTH, _HEIGHT = 720, 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 20, 46, 50
_COLOURS = ("#1f5fa8", "#b3541e", "#3d7a3d", "#7a3d6d")
_TICKS = 5


@dataclass(frozen=True, slots=True)
class Line:
    name: str
    points: Sequence[tuple[float, float]]


def line_plot(title: str, x_name: str, lines: Sequence[Line]) -> str:
    """SVG text. Both axes begin at 0: a cost that is flat per camera is a straight line through the corner."""
    points = [point for line in lines for point in line.points]
    widest, highest = _nice(max(x for x, _ in points)), _nice(max(y for _, y in points))

    def place(x: float, y: float) -> tuple[float, float]:
        across, up = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
        return round(_LEFT + x / widest * across, 1), round(_HEIGHT - _BOTTOM - y / highest * up, 1)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
        _text(_LEFT, 20, title, "start", "#222"),
        _text(_WIDTH / 2, _HEIGHT - 10, x_name, "middle", "#444"),
    ]
    for number in range(_TICKS + 1):
        share = number / _TICKS
        x, bottom = place(widest * share, 0)
        left, y = place(0, highest * share)
        parts.append(f'<path d="M{left} {y}H{_WIDTH - _RIGHT}" stroke="#ddd"/>')
        parts.append(_text(x, bottom + 16, f"{widest * share:g}", "middle", "#444"))
        parts.append(_text(left - 6, y + 4, f"{highest * share:g}", "end", "#444"))
    for number, line in enumerate(lines):
        colour = _COLOURS[number % len(_COLOURS)]
        placed = [place(x, y) for x, y in line.points]
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{_joined(placed)}"/>')
        parts += [f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>' for x, y in placed]
        parts.append(_text(_LEFT + 8 + 240 * number, 38, f"● {line.name}", "start", colour))
    return "\n".join([*parts, "</svg>", ""])


def _nice(highest: float) -> float:
    """The next of 1, 2, 2.5, 5 times a power of ten."""
    scale = 1.0
    while scale * 10 <= highest:
        scale *= 10
    while scale > highest > 0:
        scale /= 10
    return next((scale * step for step in (1, 2, 2.5, 5, 10) if scale * step >= highest), 1.0)


def _joined(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x},{y}" for x, y in points)


def _text(x: float, y: float, words: str, anchor: str, colour: str) -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="{colour}">{escape(words)}</text>'
