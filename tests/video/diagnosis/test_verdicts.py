import subprocess
import sys
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model import FIELD_CODES, ImageFault, Measures, Thresholds
from gateway.video.diagnosis.verdicts import LIMITS, PRECEDENCE, judge

INTACT = Measures(
    seen=1.0, brightness=120.0, highlight=210.0, contrast=45.0, spread=160.0, saturation=9.0, cast=0.0, blur=0.9, grain=0.5,
    impulses=0.0, chroma_grain=0.2, stripes=0.3, flat=0.1, bars=0.0, smooth=0.2, apart=0.0, jitter=0.1, stillness=30.0, kept=0.9, home=15.0, gone=0.0, faded=1.0, tint=0.0,
)  # fmt: skip
DAY = Thresholds.day()
NO_VIEW: dict[str, float | None] = dict.fromkeys(("kept", "home", "gone", "faded", "tint"))


def test_an_intact_picture_has_no_faults() -> None:
    assert judge(INTACT, DAY, False) == frozenset()


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"flat": 0.95}, ImageFault.SIGNAL_LOST),
        ({"bars": 0.9}, ImageFault.SIGNAL_LOST),
        ({"highlight": 6.0, "brightness": 2.0, "contrast": 1.0, "spread": 4.0}, ImageFault.BLACK),
        ({"stillness": 0.0}, ImageFault.FROZEN),
        ({"brightness": 15.0, "highlight": 60.0, "contrast": 8.0, "spread": 30.0}, ImageFault.TOO_DARK),
        ({"brightness": 240.0, "contrast": 8.0, "spread": 30.0, "kept": 0.1}, ImageFault.TOO_BRIGHT),
        ({"brightness": 12.0, "highlight": 140.0}, ImageFault.TOO_DARK),
        ({"contrast": 6.0, "spread": 20.0, "faded": 0.2}, ImageFault.LOW_CONTRAST),
        ({"contrast": 6.0, "spread": 20.0, **NO_VIEW}, ImageFault.LOW_CONTRAST),
        ({"blur": 4.0}, ImageFault.BLURRED),
        ({"blur": 4.0, "contrast": 6.0, "spread": 20.0, "faded": 0.2}, ImageFault.BLURRED),
        ({"cast": 40.0, "tint": 20.0}, ImageFault.COLOUR_CAST),
        ({"grain": 25.0}, ImageFault.NOISE),
        ({"impulses": 0.05}, ImageFault.NOISE),
        ({"chroma_grain": 12.0}, ImageFault.NOISE),
        ({"stripes": 15.0, "kept": 0.2}, ImageFault.STRIPES),
        ({"jitter": 12.0, "kept": 0.2}, ImageFault.SHAKE),
        ({"stripes": 20.0, "kept": 0.2, "home": 1.0}, ImageFault.STRIPES),
        (
            {"smooth": 0.8, "gone": 0.8, "kept": 0.1, "home": 1.0, "blur": 3.0, "contrast": 8.0, "spread": 30.0},
            ImageFault.COVERED,
        ),
        ({"smooth": 0.6, "gone": 0.4, "kept": 0.45}, ImageFault.COVERED),
        ({"smooth": 0.95, **NO_VIEW}, ImageFault.COVERED),
        ({"smooth": 0.65, "apart": 70.0, **NO_VIEW}, ImageFault.COVERED),
        ({"cast": 40.0, "tint": None}, ImageFault.COLOUR_CAST),
        ({"kept": 0.1, "home": 0.5}, ImageFault.MOVED),
        ({"kept": 0.4, "home": 1.2}, ImageFault.MOVED),
        ({"kept": 0.1, "home": 1.0, "gone": 0.4, "smooth": 0.7, "apart": 70.0}, ImageFault.MOVED),
        ({"kept": 0.1, "home": 1.0, "stripes": 4.0}, ImageFault.MOVED),
        ({"kept": 0.1, "home": 1.0, "contrast": 6.0, "spread": 20.0, "faded": 0.2}, ImageFault.MOVED),
    ],
)
def test_each_fault_is_told_alone(change: dict[str, float], fault: ImageFault) -> None:
    assert judge(replace(INTACT, **change), DAY, False) == {fault}


def test_a_smooth_part_that_the_reference_knows_is_no_cover() -> None:
    assert judge(replace(INTACT, smooth=0.95, apart=80.0, kept=0.9), DAY, False) == frozenset()


def test_what_the_reference_shows_too_is_neither_cast_nor_moved() -> None:
    assert judge(replace(INTACT, cast=40.0, tint=1.0), DAY, False) == frozenset()
    assert judge(replace(INTACT, kept=0.1, home=8.0), DAY, False) == frozenset(), "faded, and still in its place"
    assert judge(replace(INTACT, kept=0.95, home=1.0), DAY, False) == frozenset(), (
        "alike everywhere, and still in its place"
    )


def test_what_never_had_more_contrast_has_not_faded() -> None:
    assert judge(replace(INTACT, contrast=7.0, spread=28.0, faded=1.0), DAY, False) == frozenset()


def test_a_faded_picture_that_lost_edges_is_no_cover() -> None:
    faded = replace(INTACT, contrast=6.0, spread=20.0, faded=0.2, smooth=0.6, gone=0.45, kept=0.45)

    assert judge(faded, DAY, False) == {ImageFault.LOW_CONTRAST}


def test_a_picture_with_edges_in_every_part_shows_no_cover() -> None:
    assert judge(replace(INTACT, smooth=0.2, gone=0.8, kept=0.1), DAY, False) == frozenset()


def test_what_is_not_known_is_no_fault() -> None:
    assert judge(replace(INTACT, jitter=None, stillness=None, **NO_VIEW), DAY, False) == frozenset()


@pytest.mark.parametrize(("offset", "wrong"), [(None, False), (0.0, False), (60.0, False), (60.5, True), (-61.0, True)])
def test_the_clock_is_judged_by_seconds_either_way(offset: float | None, wrong: bool) -> None:
    found = judge(INTACT, DAY, False, clock_offset_s=offset)

    assert found == ({ImageFault.CLOCK} if wrong else set())


def test_a_masked_picture_has_no_verdict_but_its_clock() -> None:
    hidden = replace(INTACT, seen=0.1, highlight=0.0, brightness=0.0)

    assert judge(hidden, DAY, False, clock_offset_s=500.0) == {ImageFault.CLOCK}


def test_dim_and_noisy_is_normal_by_night() -> None:
    dim = replace(INTACT, brightness=27.0, highlight=86.0, grain=6.0)

    assert judge(dim, Thresholds.night(), True) == frozenset()
    assert judge(dim, DAY, False) == {ImageFault.TOO_DARK}


@given(st.builds(Measures, **{field.name: st.floats(0, 255) for field in fields(Measures)}))
def test_no_fault_is_told_beside_one_that_explains_it(measures: Measures) -> None:
    found = judge(measures, DAY, False)

    assert not any(other in found for fault in found for other in PRECEDENCE.get(fault, ()))


def test_limits_name_measures_and_thresholds_that_there_are() -> None:
    measures, thresholds = ({field.name for field in fields(kind)} for kind in (Measures, Thresholds))
    limits = [limit for groups in LIMITS.values() for group in groups for limit in group]

    assert {limit.measure for limit in limits} <= measures
    assert {limit.threshold for limit in limits} | {"clock_s"} == thresholds
    assert set(LIMITS) | {ImageFault.CLOCK} == set(ImageFault) == set(FIELD_CODES)


def test_judging_loads_no_numpy() -> None:
    code = "import sys, gateway.video.diagnosis.verdicts; sys.exit('numpy' in sys.modules or 'cv2' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
