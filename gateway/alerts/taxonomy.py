"""Classes of cases (网格化 lists): what an alert is, how grave, whose business, and in what time it has to be done. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from gateway.model import Kind, Scene, rfc3339

STEPS = ("register", "dispatch", "close")
"""立案, 派遣, 处置: the steps that have a time limit, in their order."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds from the raising of the alert until each step has to be done; None: no limit."""

    register: float | None = None
    dispatch: float | None = None
    close: float | None = None

    def to_json(self) -> dict[str, float]:
        return {step: limit for step in STEPS if (limit := getattr(self, step)) is not None}


@dataclass(frozen=True, slots=True)
class SubClass:
    """``kinds``: which alerts it is given to by itself; ``scenes``: only those of cameras in such places."""

    code: str
    name: str
    grade: int
    department: str
    kinds: frozenset[Kind] = frozenset()
    scenes: frozenset[Scene] = frozenset()
    limits: Limits = Limits()


@dataclass(frozen=True, slots=True)
class CaseClass:
    code: str
    name: str
    subclasses: tuple[SubClass, ...] = ()


@dataclass(frozen=True)
class Taxonomy:
    """The list in force on a node. Without one, no alert has a case."""

    classes: Sequence[CaseClass] = ()

    @cached_property
    def _by_code(self) -> Mapping[str, tuple[CaseClass, SubClass]]:
        return {found.code: (each, found) for each in self.classes for found in each.subclasses}

    @cached_property
    def _by_kind(self) -> Mapping[tuple[Kind, Scene | None], tuple[CaseClass, SubClass]]:
        """The first in the list speaks; one that names scenes goes before one that names none."""
        chosen: dict[tuple[Kind, Scene | None], tuple[CaseClass, SubClass]] = {}
        for pair in self._by_code.values():
            for kind in pair[1].kinds:
                for scene in pair[1].scenes or (None,):
                    chosen.setdefault((kind, scene), pair)
        return chosen

    def case_of(self, kind: Kind, raised_at: datetime, scene: Scene | None = None) -> dict[str, Any] | None:
        """``detail.case`` of an alert of this kind raised then (with ``due`` by step); None where no sub-class fits.
        ``scene``: of the camera that noticed it; None for a press."""
        found = self._by_kind.get((kind, scene)) or self._by_kind.get((kind, None))
        if found is None:
            return None
        return {**_carried(*found), "due": due_by(found[1].limits.to_json(), raised_at)}

    def carried(self, code: str) -> dict[str, Any] | None:
        """What an entry carries that gives an alert this sub-class, so that nodes without the list agree: ``data.case``
        of an ``assign``. None for a code that is not in the list."""
        found = self._by_code.get(code)
        return None if found is None else {**_carried(*found), "limits": found[1].limits.to_json()}

    def codes(self) -> Sequence[str]:
        return tuple(self._by_code)


def _carried(above: CaseClass, found: SubClass) -> dict[str, Any]:
    return {
        "class": above.code,
        "class_name": above.name,
        "subclass": found.code,
        "name": found.name,
        "grade": found.grade,
        "department": found.department,
    }


def due_by(limits: Mapping[str, float], since: datetime) -> dict[str, str]:
    """The moment of each step; a limit that leads out of the calendar is none."""
    due = {}
    for step in STEPS:
        limit = limits.get(step)
        if limit is not None and (at := later(since, limit)) is not None:
            due[step] = rfc3339(at)
    return due


def later(at: datetime, seconds: float) -> datetime | None:
    try:
        return at + timedelta(seconds=seconds)
    except (OverflowError, ValueError):
        return None
