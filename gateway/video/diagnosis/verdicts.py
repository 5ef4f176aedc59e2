"""What is wrong with a picture, from what was measured of it. Pure, and without numpy: workers judge, decoders measure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from gateway.model import ImageFault, Measures, Thresholds

LEAST_SEEN = 0.2
"""Share of the picture: masks that leave less leave nothing to judge."""

F = ImageFault


@dataclass(frozen=True, slots=True)
class Limit:
    """Which measure is held against which threshold: a fault lies ``side`` it."""

    measure: str
    threshold: str
    side: Literal["above", "below"]
    unknown: bool = False
    """Whether it counts as crossed where the measure is not known."""

    def crossed(self, measures: Measures, thresholds: Thresholds) -> bool:
        figure: float | None = getattr(measures, self.measure)
        limit: float = getattr(thresholds, self.threshold)
        if figure is None:
            return self.unknown
        return figure > limit if self.side == "above" else figure < limit


def _above(measure: str, threshold: str) -> Limit:
    return Limit(measure, threshold, "above")


def _below(measure: str, threshold: str) -> Limit:
    return Limit(measure, threshold, "below")


LIMITS: Mapping[ImageFault, tuple[tuple[Limit, ...], ...]] = {
    F.SIGNAL_LOST: ((_above("flat", "flat"),), (_above("bars", "bars"),)),
    F.BLACK: ((_below("highlight", "black_highlight"),),),
    F.FROZEN: ((_below("stillness", "stillness"),),),
    F.TOO_DARK: (
        (_below("brightness", "dark_brightness"), _below("highlight", "dark_highlight")),
        (_below("brightness", "dark_alone"),),
    ),
    F.TOO_BRIGHT: ((_above("brightness", "bright_brightness"),),),
    F.LOW_CONTRAST: (
        (
            _below("contrast", "low_contrast"),
            _below("spread", "low_spread"),
            Limit("faded", "low_faded", "below", unknown=True),
            Limit("home", "low_home", "above", unknown=True),
        ),
    ),
    F.BLURRED: ((_above("blur", "blur"),),),
    F.COLOUR_CAST: (
        (_above("cast", "cast"), _above("tint", "cast_tint")),
        (_above("cast", "cast_alone"), Limit("tint", "cast_tint", "above", unknown=True)),
    ),
    F.NOISE: (
        (_above("grain", "grain"),),
        (_above("impulses", "impulses"),),
        (_above("chroma_grain", "chroma_grain"),),
    ),
    F.STRIPES: (
        (_above("stripes", "stripes"), Limit("home", "stripes_home", "above", unknown=True)),
        (_above("stripes", "stripes_alone"),),
    ),
    F.SHAKE: ((_above("jitter", "jitter"),),),
    F.COVERED: (
        (
            _above("gone", "covered_gone"),
            _below("kept", "covered_kept"),
            _above("smooth", "covered_smooth_least"),
            _above("brightness", "dark_brightness"),
        ),
        (
            _above("gone", "covered_gone"),
            _below("kept", "covered_kept_dark"),
            _above("smooth", "covered_smooth_least"),
        ),
        (
            _above("gone", "covered_gone_partly"),
            _above("home", "covered_home"),
            _below("kept", "covered_kept_partly"),
            _above("smooth", "covered_smooth_least"),
            _above("contrast", "covered_contrast"),
            _above("brightness", "dark_brightness"),
        ),
        (
            _above("smooth", "covered_smooth_alone"),
            Limit("gone", "covered_gone", "above", unknown=True),
            Limit("kept", "covered_kept", "below", unknown=True),
            _above("brightness", "dark_brightness"),
        ),
        (
            _above("smooth", "covered_smooth"),
            _above("apart", "covered_apart"),
            Limit("gone", "covered_gone", "above", unknown=True),
            Limit("kept", "covered_kept", "below", unknown=True),
        ),
    ),
    F.MOVED: ((_below("kept", "moved_kept"), _below("home", "moved_home")),),
}
"""A fault is there when all limits of one of its groups are crossed. The clock is judged beside them."""

_PICTURE = frozenset(F) - {F.CLOCK, F.FROZEN}

PRECEDENCE: Mapping[ImageFault, frozenset[ImageFault]] = {
    F.SIGNAL_LOST: _PICTURE - {F.SIGNAL_LOST} | {F.FROZEN},
    F.BLACK: _PICTURE - {F.SIGNAL_LOST, F.BLACK} | {F.FROZEN},
    F.TOO_BRIGHT: frozenset({F.COVERED, F.LOW_CONTRAST, F.BLURRED, F.COLOUR_CAST, F.MOVED, F.STRIPES, F.SHAKE}),
    F.SHAKE: frozenset({F.COVERED, F.MOVED, F.STRIPES}),
    F.COVERED: frozenset({F.TOO_DARK, F.LOW_CONTRAST, F.BLURRED, F.COLOUR_CAST, F.MOVED, F.STRIPES}),
    F.TOO_DARK: frozenset({F.LOW_CONTRAST, F.BLURRED, F.COLOUR_CAST, F.MOVED, F.NOISE, F.STRIPES}),
    F.NOISE: frozenset({F.STRIPES, F.MOVED, F.BLURRED, F.LOW_CONTRAST}),
    F.STRIPES: frozenset({F.MOVED, F.BLURRED, F.LOW_CONTRAST}),
    F.COLOUR_CAST: frozenset({F.LOW_CONTRAST}),
    F.BLURRED: frozenset({F.LOW_CONTRAST, F.MOVED}),
    F.LOW_CONTRAST: frozenset({F.MOVED}),
}
"""A fault that is there explains these, and they are not told: a covered lens is dark as well, and shows another view."""


def judge(
    measures: Measures, thresholds: Thresholds, night: bool, *, clock_offset_s: float | None = None
) -> frozenset[ImageFault]:
    """The faults of a picture, those left out that another one explains (``PRECEDENCE``)."""
    found: set[ImageFault] = set()
    if measures.seen >= LEAST_SEEN:
        found = {
            fault for fault, groups in LIMITS.items() if any(_all(group, measures, thresholds) for group in groups)
        }
    told = set(found)
    for fault in PRECEDENCE:
        if fault in told:
            told -= PRECEDENCE[fault]
    if clock_offset_s is not None and abs(clock_offset_s) > thresholds.clock_s:
        told.add(F.CLOCK)
    return frozenset(told)


def _all(group: tuple[Limit, ...], measures: Measures, thresholds: Thresholds) -> bool:
    return all(limit.crossed(measures, thresholds) for limit in group)
