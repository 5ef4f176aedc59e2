"""Image diagnosis (视频质量诊断): the faults by name, what is measured of a picture, and the limits it is judged by."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any, Self


class ImageFault(StrEnum):
    """What can be wrong with a camera's picture while the camera is online."""

    SIGNAL_LOST = "signal_lost"
    BLACK = "black"
    FROZEN = "frozen"
    TOO_DARK = "too_dark"
    TOO_BRIGHT = "too_bright"
    LOW_CONTRAST = "low_contrast"
    BLURRED = "blurred"
    COLOUR_CAST = "colour_cast"
    NOISE = "noise"
    STRIPES = "stripes"
    SHAKE = "shake"
    COVERED = "covered"
    MOVED = "moved"
    CLOCK = "clock"


@dataclass(frozen=True, slots=True)
class FieldCode:
    """``number``: 0 to 10 as the field's databases have it, None where they have none. ``name``: its Chinese name."""

    number: int | None
    name: str


INTACT = FieldCode(0, "正常")

FIELD_CODES: Mapping[ImageFault, FieldCode] = {
    ImageFault.SIGNAL_LOST: FieldCode(3, "信号丢失"),
    ImageFault.BLACK: FieldCode(1, "黑屏"),
    ImageFault.FROZEN: FieldCode(2, "画面冻结"),
    ImageFault.TOO_DARK: FieldCode(4, "画面过暗"),
    ImageFault.TOO_BRIGHT: FieldCode(4, "画面过亮"),
    ImageFault.LOW_CONTRAST: FieldCode(4, "对比度低"),
    ImageFault.BLURRED: FieldCode(5, "清晰度异常"),
    ImageFault.COLOUR_CAST: FieldCode(6, "画面偏色"),
    ImageFault.NOISE: FieldCode(7, "噪声干扰"),
    ImageFault.STRIPES: FieldCode(7, "条纹干扰"),
    ImageFault.SHAKE: FieldCode(8, "画面抖动"),
    ImageFault.COVERED: FieldCode(9, "画面遮挡"),
    ImageFault.MOVED: FieldCode(10, "场景变更"),
    ImageFault.CLOCK: FieldCode(None, "时钟偏差"),
}
"""The field's eleven codes are coarser than our names: several faults share one. 10 is 云台失控 there, a picture that is not where it should be."""


@dataclass(frozen=True, slots=True)
class Measures:
    """What was measured of a camera's newest picture. Shares are 0 to 1; grey levels 0 to 255; pixels of a picture 640 wide.

    None: it takes more than the one picture that was given (several in a row, a reference view).
    """

    seen: float
    """Share of the picture that is neither masked nor a black bar of the letterbox."""
    brightness: float
    """Mean grey level."""
    highlight: float
    """Grey level that 2 % of the picture are above."""
    contrast: float
    """Standard deviation of the grey levels."""
    spread: float
    """Grey levels between the darkest 2 % and the brightest 2 %."""
    saturation: float
    """Mean distance from grey (CIE Lab): below 4 there is no colour, as under infrared light."""
    cast: float
    """How far all of the picture, its darks and its lights, is off grey in one direction (CIE Lab)."""
    blur: float
    """Width of the edges in the direction where they are widest, as the σ of a Gaussian."""
    grain: float
    """σ of the noise in the calmest parts."""
    impulses: float
    """Share of single pixels that stand out from all around them."""
    chroma_grain: float
    """σ of the noise of colours in the calmest parts."""
    stripes: float
    """Strength of one regular or row-wise pattern over the whole picture."""
    flat: float
    """Share of the picture that has exactly one colour, without any noise."""
    bars: float
    """Share of the columns that have one colour from top to bottom, where there are several such colours."""
    smooth: float
    """Share of the largest part without a single edge."""
    apart: float
    """How far that part's brightness is from the rest's, in grey levels; 0 where it has texture, or lies as sky or ground does."""
    jitter: float | None = None
    """How far the view jumps from picture to picture in pixels, a steady pan left out."""
    stillness: float | None = None
    """How far pictures in a row differ in grey levels, the captions' edges left out: ten times the mean, or its greatest block."""
    kept: float | None = None
    """Share of the reference view's structure that is still where it was."""
    home: float | None = None
    """How many times better the reference view fits in place than elsewhere: than at the best other place, and than is usual."""
    gone: float | None = None
    """Share of the reference view's structure that is not where it was, and behind one part without any detail."""
    faded: float | None = None
    """How strong the reference view's edges are now: 1 as they were, 0 nothing is left of them."""
    tint: float | None = None
    """How far nearly all of the picture went from the reference view's colours in one direction (CIE Lab)."""

    def to_json(self) -> dict[str, float | None]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Raises KeyError, TypeError or ValueError for what is no such thing."""
        known = {field.name: value[field.name] for field in fields(cls)}
        figures: dict[str, Any] = {name: None if figure is None else float(figure) for name, figure in known.items()}
        return cls(**figures)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Where a measure becomes a fault, for one kind of light. Units as in ``Measures``."""

    dark_brightness: float = 30.0
    """Vendors' figure: darker on average than this, and …"""
    dark_highlight: float = 90.0
    """… nothing brighter than this in it: a street at night has lamps. Or …"""
    dark_alone: float = 16.0
    """… darker than this, whatever shines in it."""
    bright_brightness: float = 220.0
    """Vendors' figure."""
    black_highlight: float = 14.0
    low_contrast: float = 15.0
    """Vendors' figure is 25; a snowy yard or fog has less and is no fault. All of these must be crossed, …"""
    low_spread: float = 44.0
    low_faded: float = 0.62
    """… this one where there is a reference view: a plain wall in the rain had no more contrast on its best day; …"""
    low_home: float = 3.0
    """… and then it still fits in place so much better: a camera may have turned to a plain wall."""
    blur: float = 1.7
    cast: float = 15.5
    """With a reference view, where colours also went so far from it: …"""
    cast_tint: float = 13.0
    cast_alone: float = 24.0
    """Without one: a yellow field at sunset has its colour rightly."""
    grain: float = 4.5
    impulses: float = 0.008
    chroma_grain: float = 6.0
    stripes: float = 2.65
    stripes_home: float = 3.0
    """Where there is a reference view it still fits in place so much better: a camera that turned to a fence shows a fence. Or …"""
    stripes_alone: float = 8.0
    """… stripes so strong that nothing would fit."""
    flat: float = 0.88
    bars: float = 0.7
    covered_gone: float = 0.5
    """So much of the reference view is gone, and less is kept than …"""
    covered_kept: float = 0.45
    covered_kept_dark: float = 0.2
    """… and in a picture that is dark: too little light leaves more of it than a hand does. Or …"""
    covered_gone_partly: float = 0.34
    """… so much, where the rest is in its place: the reference view fits there so much better than elsewhere …"""
    covered_home: float = 4.0
    covered_kept_partly: float = 0.5
    covered_contrast: float = 10.5
    """… and the picture has this contrast: what looks out from behind a cover has its own."""
    covered_smooth_least: float = 0.45
    """Whatever is gone: a picture with edges in every part of it shows no cover, and that takes no reference view to see."""
    covered_smooth_alone: float = 0.8
    """Without a reference view; or …"""
    covered_smooth: float = 0.58
    covered_apart: float = 40.0
    """… where it is also so much brighter or darker than the rest."""
    jitter: float = 3.0
    stillness: float = 2.0
    moved_kept: float = 0.88
    """Where less of the reference view is kept than this, …"""
    moved_home: float = 5.5
    """… and where the reference view does not fit so much better in place than elsewhere."""
    clock_s: float = 60.0

    @classmethod
    def day(cls) -> Self:
        return cls()

    @classmethod
    def night(cls) -> Self:
        """Infrared or street lamps: darker and noisier."""
        return cls(dark_brightness=24.0, dark_highlight=85.0, dark_alone=14.0, grain=7.0)
