"""Which cameras belong to an alert: those the terminal names, else the nearest. Pure."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gateway.model import Camera, Place, Scene

_EARTH_RADIUS_M = 6_371_008.8  # mean radius, IUGG


@dataclass(frozen=True, slots=True)
class Link:
    camera: Camera
    distance_m: int | None


def distance_m(one: Place, other: Place) -> float | None:
    """Great-circle distance in metres (haversine), or None where a position is missing."""
    if one.lon is None or one.lat is None or other.lon is None or other.lat is None:
        return None
    lat1, lat2 = math.radians(one.lat), math.radians(other.lat)
    half_lat, half_lon = (lat2 - lat1) / 2, math.radians(other.lon - one.lon) / 2
    chord = math.sin(half_lat) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin(half_lon) ** 2
    return 2 * _EARTH_RADIUS_M * math.asin(min(1.0, math.sqrt(chord)))


def link(place: Place, named: Sequence[str], cameras: Iterable[Camera], *, nearest: int, within_m: float) -> list[Link]:
    """The named cameras in their order, else up to ``nearest`` within ``within_m`` metres, nearest first.

    A household's own camera is linked only where it is named: it opens for that household's alarm alone.
    """
    usable = [camera for camera in cameras if camera.enabled]
    if named:
        by_id = {camera.id: camera for camera in usable}
        return [Link(by_id[name], _rounded(distance_m(place, by_id[name].place))) for name in named if name in by_id]
    near: list[tuple[float, str, Camera]] = []
    for camera in usable:
        if camera.scene is Scene.HOUSEHOLD:
            continue
        distance = distance_m(place, camera.place)
        if distance is not None and distance <= within_m:
            near.append((distance, camera.id, camera))
    return [Link(camera, round(distance)) for distance, _, camera in sorted(near, key=lambda row: row[:2])[:nearest]]


def _rounded(distance: float | None) -> int | None:
    return None if distance is None else round(distance)
