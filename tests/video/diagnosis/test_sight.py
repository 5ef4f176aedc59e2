"""What a look could see."""

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model import ImageFault, Measures, Thresholds
from gateway.video.diagnosis.sight import BY_VIEW, judged, unknown_in, without_view
from gateway.video.diagnosis.standing import Standing
from gateway.video.diagnosis.verdicts import LIMITS, judge
from gateway.video.diagnosis.wire import FOUND_ELSEWHERE

SEEN = Measures.from_json({each.name: 0.5 for each in fields(Measures)})

DAY = Thresholds.day()
SOUND = Measures(
    seen=1.0, brightness=120.0, highlight=210.0, contrast=45.0, spread=160.0, saturation=9.0, cast=0.0, blur=0.9, grain=0.5,
    impulses=0.0, chroma_grain=0.2, stripes=0.3, flat=0.1, bars=0.0, smooth=0.2, apart=0.0, jitter=0.1, stillness=30.0, kept=0.9, home=15.0, gone=0.0, faded=1.0, tint=0.0,
)  # fmt: skip
UNKNOWABLE = {each.name for each in fields(Measures) if each.default is None}
DOUBTED = [
    fault for fault, groups in LIMITS.items() if UNKNOWABLE & {limit.measure for group in groups for limit in group}
]
"""The faults that a look may not be able to judge."""
UNKNOWN = st.sets(st.sampled_from(sorted(UNKNOWABLE)))


def around_a_limit(name: str) -> st.SearchStrategy[float]:
    """Near limits: what lies between two of them is where verdicts are in doubt."""
    limits = [getattr(DAY, limit.threshold) for groups in LIMITS.values() for group in groups for limit in group
              if limit.measure == name]  # fmt: skip
    return st.one_of(st.floats(0, 255), *(st.floats(0.5 * limit, 1.5 * limit) for limit in limits))


def measured(fault: ImageFault) -> st.SearchStrategy[Measures]:
    """Sound but for what the fault is judged by."""
    names = sorted({limit.measure for group in LIMITS[fault] for limit in group})
    figures = st.fixed_dictionaries({name: around_a_limit(name) for name in names})
    return figures.map(lambda drawn: replace(SOUND, **drawn))


def test_with_all_measures_all_that_a_look_can_find_is_judged() -> None:
    assert judged(SEEN, DAY, set(), can_tell_moved=True) == set(map(str, ImageFault)) - FOUND_ELSEWHERE


def test_without_a_reference_view_nothing_has_moved() -> None:
    assert ImageFault.MOVED not in judged(SEEN, DAY, {"moved"}, can_tell_moved=False)


def test_what_was_not_measured_is_not_judged_unless_it_was_found() -> None:
    blind = without_view(SEEN)
    assert ImageFault.MOVED not in judged(blind, DAY, set(), can_tell_moved=True)
    assert ImageFault.MOVED in judged(blind, DAY, {"moved"}, can_tell_moved=True)


def test_without_its_view_a_look_keeps_its_other_measures() -> None:
    before, after = SEEN.to_json(), without_view(SEEN).to_json()
    assert {name for name in before if before[name] != after[name]} == set(BY_VIEW)
    assert all(after[name] is None for name in BY_VIEW)


@pytest.mark.parametrize("fault", sorted(set(DOUBTED) - FOUND_ELSEWHERE))
@given(st.data(), UNKNOWN)
def test_whatever_is_unknown_a_fault_that_may_begin_is_seen_to_be_gone_from_a_sound_picture(
    fault, data, unknown
) -> None:
    blank = dict.fromkeys(unknown)
    begins = fault in judge(replace(data.draw(measured(fault)), **blank), DAY, False)
    gone = judged(replace(SOUND, **blank), DAY, set(), can_tell_moved="kept" not in unknown)
    assert fault in gone or not begins


@pytest.mark.parametrize("fault", sorted(set(DOUBTED) - FOUND_ELSEWHERE))
@given(st.data(), UNKNOWN)
def test_a_fault_that_began_without_a_measure_ends_without_it(fault, data, unknown) -> None:
    """Also where the second picture lies between the limits with that measure and those without."""
    first, second = (replace(data.draw(measured(fault)), **dict.fromkeys(unknown)) for _ in range(2))
    standing = Standing()
    for measures in (first, first, second, second):
        found = set(map(str, judge(measures, DAY, False)))
        seen = judged(measures, DAY, found, can_tell_moved=True, begun_without=standing.begun_without)
        standing.note(found & seen, seen, unknown_in(measures))
    assert set(standing.faults) == found - FOUND_ELSEWHERE


@pytest.mark.parametrize("fault", [ImageFault.COVERED, ImageFault.COLOUR_CAST])
@given(st.data())
def test_what_a_view_decides_is_gone_without_it_only_where_no_view_could_show_it(fault, data) -> None:
    seen = data.draw(measured(fault))
    gone = judged(without_view(seen), DAY, set(), can_tell_moved=False)
    shown = any(all(limit.crossed(seen, DAY) for limit in group) for group in LIMITS[fault])
    assert not (shown and fault in gone)


@pytest.mark.parametrize("fault", ["covered", "colour_cast"])
def test_a_fault_that_a_view_showed_is_not_gone_because_the_view_is_missing(fault: str) -> None:
    """A cloth before the lens by day, and no view of the night: the picture of the night proves nothing."""
    doubtful = replace(without_view(SOUND), smooth=0.7, cast=20.0)
    assert fault not in judged(doubtful, DAY, set(), can_tell_moved=False)
    assert fault in judged(doubtful, DAY, set(), can_tell_moved=False, begun_without={fault: BY_VIEW})
