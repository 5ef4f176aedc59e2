"""Which cameras belong to an alert: those the terminal names, else the nearest. Pure."""

import heapq
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gateway.model import Camera, Place, Scene, Terminal

_EARTH_RADIUS_M = 6_371_008.8  # mean radius, IUGG
_LEAF = 8
# Squared chords carry rounding errors of about 1e-15; what is this near to the bound is measured exactly.
_ROUNDING = 1e-14

_Point = tuple[float, float, float]


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


@dataclass(frozen=True, slots=True)
class _Site:
    """Where cameras stand, often several on one pole; in the order of their ids."""

    point: _Point
    cameras: tuple[Camera, ...]


@dataclass(frozen=True, slots=True)
class _Fork:
    axis: int
    at: float
    lower: "_Tree"
    upper: "_Tree"


_Tree = _Fork | tuple[_Site, ...]


class CameraIndex:
    """The enabled cameras by id and by position, so that a press among a thousand cameras looks at a few.

    A k-d tree over points of the unit sphere: chords grow as distances do, and neither the poles nor the date line are
    special. A household's own camera is linked only where it is named: it opens for that household's alarm alone.
    """

    def __init__(self, cameras: Iterable[Camera]) -> None:
        self._by_id = {camera.id: camera for camera in cameras if camera.enabled}
        self._tree = _grown(_sites(self._by_id.values()))

    def link(self, place: Place, named: Sequence[str], *, nearest: int, within_m: float) -> list[Link]:
        """The named cameras in their order, else up to ``nearest`` within ``within_m`` metres, nearest first."""
        if named:
            found = [self._by_id[name] for name in named if name in self._by_id]
            return [Link(camera, _rounded(distance_m(place, camera.place))) for camera in found]
        return [Link(camera, round(distance)) for distance, _, camera in self._near(place, nearest, within_m)]

    def _near(self, place: Place, nearest: int, within_m: float) -> list[tuple[float, str, Camera]]:
        point = _point(place)
        if point is None or nearest <= 0:
            return []
        near = []
        for site in _nearest_sites(self._tree, point, nearest, _chord(within_m)):
            for camera in site.cameras[:nearest]:
                distance = distance_m(place, camera.place)
                if distance is not None and distance <= within_m:
                    near.append((distance, camera.id, camera))
        return sorted(near, key=lambda row: row[:2])[:nearest]


def linked(
    terminals: Iterable[Terminal], cameras: Iterable[Camera], *, nearest: int, within_m: float
) -> frozenset[str]:
    """Ids of the cameras that a press of some terminal would link."""
    index = CameraIndex(cameras)
    ids: set[str] = set()
    for place, named in {(terminal.place, terminal.cameras) for terminal in terminals}:
        ids.update(found.camera.id for found in index.link(place, named, nearest=nearest, within_m=within_m))
    return frozenset(ids)


def _sites(cameras: Iterable[Camera]) -> list[_Site]:
    together: dict[tuple[float | None, float | None], list[Camera]] = {}
    for camera in sorted(cameras, key=lambda camera: camera.id):
        if camera.scene is not Scene.HOUSEHOLD:
            together.setdefault((camera.place.lon, camera.place.lat), []).append(camera)
    placed = ((_point(found[0].place), tuple(found)) for found in together.values())
    return [_Site(point, found) for point, found in placed if point is not None]


def _grown(sites: list[_Site]) -> _Tree:
    if len(sites) <= _LEAF:
        return tuple(sites)
    axis = max(range(3), key=lambda axis: _spread(sites, axis))
    ordered = sorted(sites, key=lambda site: site.point[axis])
    middle = len(ordered) // 2
    return _Fork(axis, ordered[middle].point[axis], _grown(ordered[:middle]), _grown(ordered[middle:]))


def _spread(sites: Sequence[_Site], axis: int) -> float:
    values = [site.point[axis] for site in sites]
    return max(values) - min(values)


def _nearest_sites(tree: _Tree, point: _Point, wanted: int, reach: float) -> list[_Site]:
    """Every site that may be among the ``wanted`` nearest, by squared chord, within ``reach``; and a few more."""
    best: list[float] = []  # the nearest squared chords so far, negated: the farthest of them on top
    seen: list[tuple[float, _Site]] = []
    bound = reach + _ROUNDING
    waiting: list[tuple[float, _Tree]] = [(0.0, tree)]
    while waiting:
        at_least, branch = waiting.pop()
        if at_least > bound:
            continue
        if isinstance(branch, _Fork):
            beside = point[branch.axis] - branch.at
            closer, farther = (branch.upper, branch.lower) if beside >= 0 else (branch.lower, branch.upper)
            waiting += ((beside * beside, farther), (0.0, closer))
            continue
        for site in branch:
            chord = _squared_chord(point, site.point)
            if chord > bound:
                continue
            seen.append((chord, site))
            heapq.heappush(best, -chord)
            if len(best) > wanted:
                heapq.heappop(best)
            if len(best) == wanted:
                bound = min(bound, -best[0] + _ROUNDING)
    return [site for chord, site in seen if chord <= bound]


def _squared_chord(one: _Point, other: _Point) -> float:
    x, y, z = one[0] - other[0], one[1] - other[1], one[2] - other[2]
    return x * x + y * y + z * z


def _chord(distance: float) -> float:
    """The squared chord of the unit sphere over a distance in metres on the ground."""
    half: float = math.sin(min(distance / _EARTH_RADIUS_M, math.pi) / 2)
    return 4 * half * half


def _point(place: Place) -> _Point | None:
    if place.lon is None or place.lat is None or not (math.isfinite(place.lon) and math.isfinite(place.lat)):
        return None
    lon, lat = math.radians(place.lon), math.radians(place.lat)
    return math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat)


def _rounded(distance: float | None) -> int | None:
    return None if distance is None else round(distance)
