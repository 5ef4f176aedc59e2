"""What a look could see, and therefore may judge. Pure."""

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

from gateway.model import ImageFault, Measures, Thresholds
from gateway.video.diagnosis.verdicts import LIMITS, Limit
from gateway.video.diagnosis.wire import FOUND_ELSEWHERE

BY_VIEW = ("kept", "home", "gone", "faded", "tint")
_NOTHING: Mapping[str, Collection[str]] = MappingProxyType({})


def judged(
    measures: Measures,
    thresholds: Thresholds,
    found: Collection[str],
    *,
    can_tell_moved: bool,
    begun_without: Mapping[str, Collection[str]] = _NOTHING,
) -> frozenset[str]:
    """The faults that this look could have seen, and could have seen to be gone. ``found``: those that it has seen.
    ``begun_without``: of faults that stand, the measures that were unknown when they began.

    Many cameras never have a reference view (domes, or where nothing is learned), or one with too little colour to be
    compared. A fault that began without a measure ends without it; every fault ends where what is known rules it out.
    """
    unknown = unknown_in(measures)
    told = {
        str(fault)
        for fault, groups in LIMITS.items()
        if _decided(groups, unknown - set(begun_without.get(fault, ())))
        or _ruled_out(groups, unknown, measures, thresholds)
    }
    blind = FOUND_ELSEWHERE if can_tell_moved else FOUND_ELSEWHERE | {ImageFault.MOVED}
    return frozenset(told.union(found) - blind)


def unknown_in(measures: Measures) -> frozenset[str]:
    """The names of the measures that this look does not have."""
    return frozenset(name for name, figure in measures.to_json().items() if figure is None)


def _decided(groups: Sequence[Sequence[Limit]], unknown: Collection[str]) -> bool:
    return all(limit.unknown or limit.measure not in unknown for group in groups for limit in group)


def _ruled_out(
    groups: Sequence[Sequence[Limit]], unknown: Collection[str], measures: Measures, thresholds: Thresholds
) -> bool:
    """The fault is not there whatever the unknown measures would be."""
    return all(
        any(limit.measure not in unknown and not limit.crossed(measures, thresholds) for limit in group)
        for group in groups
    )


def without_view(measures: Measures) -> Measures:
    """Without what a reference view has to be there for."""
    figures = measures.to_json()
    return Measures.from_json({**figures, **{name: None for name in BY_VIEW if name in figures}})
