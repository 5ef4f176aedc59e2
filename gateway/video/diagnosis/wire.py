"""What core and worker say of image diagnosis, as JSON over the worker's Unix socket."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from gateway.model import ImageFault, Thresholds

FOUND_ELSEWHERE = frozenset({ImageFault.FROZEN, ImageFault.CLOCK})
"""Not from a look: ``cameras/frozen.py`` compares what comes in all the time; a device's clock is asked for over ONVIF."""
TOPIC = "diagnosis"
"""Of the signals in which a worker tells of verdicts."""


@dataclass(frozen=True, slots=True)
class PatrolOrder:
    """How a worker patrols. ``interval``, ``important``: seconds between two looks at a camera; ``cpu``: its share of a core;
    ``off``: faults that are not judged; ``hours``: night by the clock, in minutes of the day of ``zone``; ``places``:
    (longitude, latitude) of cameras; ``standing``: the faults whose verdicts stand, of a worker before this one; ``views``:
    the directory of reference views."""

    enabled: bool = True
    interval: float = 600.0
    important: float = 120.0
    cpu: float = 0.1
    off: frozenset[str] = frozenset()
    day: Thresholds = field(default_factory=Thresholds.day)
    night: Thresholds = field(default_factory=Thresholds.night)
    hours: tuple[int, int] | None = None
    zone: str = "Asia/Shanghai"
    learn: bool = True
    places: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    standing: Mapping[str, Sequence[str]] = field(default_factory=dict)
    views: Path | None = None

    def thresholds(self, night: bool) -> Thresholds:
        return self.night if night else self.day


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a camera. ``found``: what this picture shows; ``standing``: what stands, as often as a verdict takes;
    ``measures`` empty and ``trouble`` set where there was nothing to be measured. ``frame``: the keyframe's id, received at
    ``frame_mono``."""

    camera: str
    at: datetime
    night: bool = False
    frame: str | None = None
    frame_mono: float = 0.0
    measures: Mapping[str, float | None] = field(default_factory=dict)
    found: tuple[str, ...] = ()
    standing: tuple[str, ...] = ()
    cpu_s: float = 0.0
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class ViewTold:
    """A reference view as people hear of it; its picture is nobody's to see. ``by`` is ``learned`` where nobody set it."""

    at: datetime
    by: str


@dataclass(frozen=True, slots=True)
class Report:
    """What a worker knows of a camera's picture. ``views``: its reference views by ``day`` and ``night``."""

    look: Look | None
    views: Mapping[str, ViewTold]
    thresholds: Mapping[str, float]
    every: float


def order_to_json(order: PatrolOrder) -> dict[str, Any]:
    told = {name: getattr(order, name) for name in ("enabled", "interval", "important", "cpu", "zone", "learn")}
    return {
        **told,
        "off": sorted(order.off),
        "day": asdict(order.day),
        "night": asdict(order.night),
        "hours": None if order.hours is None else list(order.hours),
        "places": {camera: list(place) for camera, place in order.places.items()},
        "standing": {camera: list(faults) for camera, faults in order.standing.items()},
        "views": None if order.views is None else str(order.views),
    }


def order_from_json(value: object) -> PatrolOrder:
    """Raises ValueError with a sentence."""
    try:
        assert isinstance(value, dict)
        hours, views = value["hours"], value["views"]
        return PatrolOrder(
            value["enabled"] is True,
            float(value["interval"]),
            float(value["important"]),
            float(value["cpu"]),
            frozenset(value["off"]),
            _thresholds(Thresholds.day(), value["day"]),
            _thresholds(Thresholds.night(), value["night"]),
            None if hours is None else (int(hours[0]), int(hours[1])),
            str(value["zone"]),
            value["learn"] is True,
            {str(camera): (float(lon), float(lat)) for camera, (lon, lat) in value["places"].items()},
            {str(camera): tuple(map(str, faults)) for camera, faults in value["standing"].items()},
            None if views is None else Path(views),
        )
    except (AssertionError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"this is no order for image diagnosis: {error}") from None


def _thresholds(usual: Thresholds, value: Mapping[str, Any]) -> Thresholds:
    known = {each.name for each in fields(Thresholds)}
    return replace(usual, **{name: float(limit) for name, limit in value.items() if name in known})


def look_to_json(look: Look) -> dict[str, Any]:
    return {**asdict(look), "at": look.at.isoformat()}


def look_from_json(value: Mapping[str, Any]) -> Look:
    lists = {name: tuple(value[name]) for name in ("found", "standing")}
    return Look(**{**value, **lists, "at": datetime.fromisoformat(value["at"])})


def report_to_json(report: Report) -> dict[str, Any]:
    return {
        "look": None if report.look is None else look_to_json(report.look),
        "views": {period: {"at": view.at.isoformat(), "by": view.by} for period, view in report.views.items()},
        "thresholds": dict(report.thresholds),
        "every": report.every,
    }


def report_from_json(value: Mapping[str, Any]) -> Report:
    return Report(
        None if value["look"] is None else look_from_json(value["look"]),
        {period: ViewTold(datetime.fromisoformat(view["at"]), view["by"]) for period, view in value["views"].items()},
        value["thresholds"],
        value["every"],
    )
