"""Planned work (计划检修): when which cameras may be down, and by whose word."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class PlannedWork:
    """A window that somebody made at the console, as the ledger keeps it.

    It holds in [``since``, ``until``), and of that only between ``start`` and ``end`` (minutes after midnight, local time,
    over midnight too) on ``days`` (0 = Monday; none: every day) where these are given. Each list that is not empty has to
    name the camera: ``cameras`` ids or patterns, ``scenes``, ``areas`` beginnings of area codes, ``hosts`` patterns of the
    address that it is dialled at.
    """

    id: str
    name: str
    since: datetime
    until: datetime
    by: str
    at: datetime
    reason: str
    cameras: tuple[str, ...] = ()
    scenes: tuple[str, ...] = ()
    areas: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    start: int | None = None
    end: int | None = None
    days: tuple[int, ...] = ()
