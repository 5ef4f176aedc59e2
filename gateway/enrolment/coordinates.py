"""Positions as registers have them, made WGS 84: GCJ-02, BD-09, degrees with minutes, both the wrong way round. Pure.

GCJ-02 and BD-09 are taken back by iteration on the published forward formulas, to well below a centimetre.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

_AXIS_M = 6_378_245.0
_ECCENTRICITY_2 = 0.006_693_421_622_965_943
"""Krassowsky 1940, on which GCJ-02 is built: semi-major axis, first eccentricity squared."""
_BD_TURN = math.pi * 3000.0 / 180.0
_ROUNDS = 12
"""Each round shrinks what is left some hundredfold at the least."""
_DECIMALS = 7  # a centimetre

_WEST, _EAST, _SOUTH, _NORTH = 73.0, 135.6, 3.4, 53.7
"""China with its islands."""
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?:E[+-]?\d+)?")
_SIGNS = re.compile(r"[°度º˚'′’‘分\"″”“秒:\s]+")
_LETTERS = MappingProxyType({"E": 1, "N": 1, "W": -1, "S": -1, "东经": 1, "北纬": 1, "西经": -1, "南纬": -1})


class System(StrEnum):
    WGS84 = "WGS84"
    GCJ02 = "GCJ-02"
    BD09 = "BD-09"
    CGCS2000 = "CGCS2000"


_NAMES = MappingProxyType(
    {
        "WGS84": System.WGS84, "EPSG4326": System.WGS84, "4326": System.WGS84, "GPS": System.WGS84, "84": System.WGS84,
        "84坐标": System.WGS84, "GCJ02": System.GCJ02, "火星": System.GCJ02, "火星坐标": System.GCJ02,
        "火星坐标系": System.GCJ02, "国测局": System.GCJ02, "国测局坐标": System.GCJ02, "高德": System.GCJ02,
        "高德坐标": System.GCJ02, "高德地图": System.GCJ02, "腾讯": System.GCJ02, "腾讯地图": System.GCJ02,
        "BD09": System.BD09, "BD09LL": System.BD09, "百度": System.BD09, "百度坐标": System.BD09, "百度坐标系": System.BD09,
        "百度地图": System.BD09, "CGCS2000": System.CGCS2000, "2000": System.CGCS2000, "EPSG4490": System.CGCS2000,
        "4490": System.CGCS2000, "国家2000": System.CGCS2000, "国家2000坐标系": System.CGCS2000, "大地2000": System.CGCS2000,
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Position:
    """WGS 84 degrees. ``given``: as it was written, where that was another form or another system."""

    lon: float
    lat: float
    system: System = System.WGS84
    given: tuple[str, str] | None = None
    warning: str | None = None


def system_of(text: str) -> System:
    """Raises ValueError with a sentence."""
    plain = re.sub(r"[\s_\-():/（）：]+", "", text).upper()
    found = _NAMES.get(plain)
    if found is None:
        near = ", the two older ones only converted by the surveying office" if "54" in plain or "80" in plain else ""
        raise ValueError(
            f"coordinate system “{text.strip()[:40]}” is not known here; WGS84, CGCS2000, GCJ-02 (高德, 腾讯) and BD-09 (百度) "
            f"are accepted{near}"
        )
    return found


def position(lon: str, lat: str, system: System) -> Position | None:
    """Where that is; None for 0, 0, which is a position never set. Raises ValueError with a sentence."""
    east, north = _degrees(lon, "longitude"), _degrees(lat, "latitude")
    if east == 0 and north == 0:
        return None
    _refuse_nonsense(east, north)
    inside = _WEST <= east <= _EAST and _SOUTH <= north <= _NORTH
    if not inside and _WEST <= north <= _EAST and _SOUTH <= east <= _NORTH:
        raise ValueError(
            f"longitude {lon.strip()} and latitude {lat.strip()} stand the wrong way round: that would be {north:g} E, {east:g} N"
        )
    if not inside and system in (System.GCJ02, System.BD09):
        raise ValueError(f"{lon.strip()}, {lat.strip()} is outside China, where there is no {system.value}")
    made = wgs84(east, north, system)
    plain = system is System.WGS84 and _is_plain(lon) and _is_plain(lat)
    warning = None if inside else f"{east:g} E, {north:g} N is outside China: is that meant?"
    return Position(*made, system, None if plain else (lon.strip(), lat.strip()), warning)


def wgs84(lon: float, lat: float, system: System) -> tuple[float, float]:
    """What is converted, to seven decimals, a centimetre. CGCS2000 differs from WGS 84 by less than a decimetre and is taken as it."""
    if system not in (System.GCJ02, System.BD09):
        return lon, lat
    if system is System.BD09:
        lon, lat = _backwards(bd09, lon, lat)
    lon, lat = _backwards(gcj02, lon, lat)
    return round(lon, _DECIMALS), round(lat, _DECIMALS)


def gcj02(lon: float, lat: float) -> tuple[float, float]:
    """Of WGS 84 degrees."""
    x, y = lon - 105.0, lat - 35.0
    both = (_wave(6 * x, 20) + _wave(2 * x, 20)) * (2 / 3)
    root = math.sqrt(abs(x))
    north = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root + both
    north += (_wave(y, 20) + _wave(y / 3, 40) + _wave(y / 12, 160) + _wave(y / 30, 320)) * (2 / 3)
    east = 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root + both
    east += (_wave(x, 20) + _wave(x / 3, 40) + _wave(x / 12, 150) + _wave(x / 30, 300)) * (2 / 3)
    phi = math.radians(lat)
    bend = 1 - _ECCENTRICITY_2 * math.sin(phi) ** 2
    meridian = _AXIS_M * (1 - _ECCENTRICITY_2) / (bend * math.sqrt(bend))
    parallel = _AXIS_M / math.sqrt(bend) * math.cos(phi)
    return lon + math.degrees(east / parallel), lat + math.degrees(north / meridian)


def bd09(lon: float, lat: float) -> tuple[float, float]:
    """Of GCJ-02 degrees."""
    length = math.hypot(lon, lat) + 0.00002 * math.sin(lat * _BD_TURN)
    angle = math.atan2(lat, lon) + 0.000003 * math.cos(lon * _BD_TURN)
    return length * math.cos(angle) + 0.0065, length * math.sin(angle) + 0.006


def _backwards(forward: Callable[[float, float], tuple[float, float]], lon: float, lat: float) -> tuple[float, float]:
    guess = lon, lat
    for _ in range(_ROUNDS):
        east, north = forward(*guess)
        guess = guess[0] + lon - east, guess[1] + lat - north
    return guess


def _wave(turns: float, height: float) -> float:
    return height * math.sin(turns * math.pi)


def _is_plain(text: str) -> bool:
    return _NUMBER.fullmatch(text.strip().upper()) is not None


def _degrees(text: str, what: str) -> float:
    """107.2043, 107°12'15.5"E, 东经107度12分15.5秒, 107 12 15.5. Raises ValueError with a sentence."""
    plain = text.strip().upper().translate(_NARROW)
    sign = 1
    for letter, turned in _LETTERS.items():
        if plain.startswith(letter) or plain.endswith(letter):
            sign, plain = turned, plain.removeprefix(letter).removesuffix(letter).strip()
            break
    parts = [part for part in _SIGNS.split(plain) if part]
    if not 1 <= len(parts) <= 3 or not all(_NUMBER.fullmatch(part) for part in parts):
        raise ValueError(
            f"{what} “{text.strip()[:40]}” is no position; degrees such as 107.2043 or 107°12'15.5\" are accepted"
        )
    numbers = [float(part) for part in parts]
    if any(not 0 <= part < 60 for part in numbers[1:]) or (len(parts) > 1 and "." in parts[0]):
        raise ValueError(f"{what} “{text.strip()[:40]}”: minutes and seconds are 0 to 59 behind whole degrees")
    size = abs(numbers[0]) + sum(part / 60**power for power, part in enumerate(numbers[1:], 1))
    return sign * math.copysign(size, -1 if parts[0].startswith("-") else 1)


_NARROW = {**{0xFF10 + digit: str(digit) for digit in range(10)}, 0xFF0E: ".", 0xFF0D: "-", 0xFF0B: "+", 0xFF1A: ":"}


def _refuse_nonsense(lon: float, lat: float) -> None:
    if abs(lon) > 1000 or abs(lat) > 1000:
        raise ValueError(
            f"{lon:g}, {lat:g} are metres of a projection (高斯坐标), not degrees: have them converted to degrees first"
        )
    if abs(lat) > 90 and abs(lon) <= 90:
        raise ValueError(f"latitude {lat:g} is more than 90: longitude and latitude stand the wrong way round")
    if abs(lon) > 180 or abs(lat) > 90:
        raise ValueError(f"{lon:g}, {lat:g} is nowhere: longitude is -180 to 180, latitude -90 to 90")
