"""Twice before a verdict, twice before it clears: what stands of one camera's image faults. Pure.

One keyframe proves little: a lorry before the lens is covered for a second, headlights at night are too bright.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

TWICE = 2


@dataclass(frozen=True, slots=True)
class Turned:
    """What a look decided: faults whose verdict was given, and those that have gone."""

    begun: frozenset[str] = frozenset()
    ended: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.begun or self.ended)


class Standing:
    """One camera. ``faults``: those that stand, the oldest first. ``unsettled``: the next look decides something, and
    should come soon. ``begun_without``: the measures that were unknown when each of the faults began."""

    __slots__ = ("_faults", "_seen", "_without")

    def __init__(self) -> None:
        self._faults: list[str] = []
        self._seen: dict[str, int] = {}  # looks in a row that say otherwise than what stands
        self._without: dict[str, frozenset[str]] = {}

    @property
    def faults(self) -> tuple[str, ...]:
        return tuple(self._faults)

    @property
    def unsettled(self) -> bool:
        return bool(self._seen)

    @property
    def begun_without(self) -> Mapping[str, frozenset[str]]:
        return self._without

    def note(self, found: Collection[str], judged: Collection[str], unknown: frozenset[str] = frozenset()) -> Turned:
        """``judged``: the faults that this look could see; the others stay as they stand, and so does their count.
        ``unknown``: the measures that it does not have."""
        begun: set[str] = set()
        ended: set[str] = set()
        for fault in judged:
            stands = fault in self._faults
            if (fault in found) is stands:
                self._seen.pop(fault, None)
                continue
            self._seen[fault] = self._seen.get(fault, 0) + 1
            if self._seen[fault] >= TWICE:
                del self._seen[fault]
                (ended if stands else begun).add(fault)
        self._faults = [fault for fault in self._faults if fault not in ended] + sorted(begun)
        self._without = {fault: self._without.get(fault, unknown) for fault in self._faults}
        return Turned(frozenset(begun), frozenset(ended))

    def adopt(self, faults: Iterable[str], unknown: Collection[str] = ()) -> bool:
        """They stand, as another worker has found, perhaps without the measures ``unknown``; whether that is news here."""
        news = [fault for fault in dict.fromkeys(faults) if fault not in self._faults]
        self._faults += news
        for fault in news:
            self._seen.pop(fault, None)
            self._without[fault] = frozenset(unknown)
        return bool(news)

    def drop(self, fault: str) -> bool:
        """It is judged no more (switched off by a person): whether it stood."""
        self._seen.pop(fault, None)
        if fault not in self._faults:
            return False
        self._faults.remove(fault)
        del self._without[fault]
        return True
