"""Day or night at a camera: by the sun over its place, else by the hours that are configured. Pure.

Not by the picture alone: a lens that is covered at noon is dark and without colour, as a night is.
"""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum

DARK_BELOW = -6.0
LIGHT_ABOVE = 10.0
"""Degrees of the sun's height. Between civil twilight and a low sun cameras switch to infrared, each by its own sensor:
there the picture decides."""
USUAL_HOURS = (18 * 60 + 30, 6 * 60 + 30)
"""Minutes of the day, where neither place nor hours are known."""
EITHER_SIDE = timedelta(minutes=90)
_J2000 = datetime(2000, 1, 1, 12, tzinfo=UTC)


class Light(StrEnum):
    DAY = "day"
    TWILIGHT = "twilight"
    NIGHT = "night"


@dataclass(frozen=True, slots=True)
class Daylight:
    """``hours``: night by the clock, (from, until) in minutes of the day, before all else where it is set."""

    zone: tzinfo
    hours: tuple[int, int] | None = None

    def at(self, moment: datetime, place: tuple[float, float] | None) -> Light:
        """``place``: (longitude, latitude), WGS 84."""
        if self.hours is None and place is not None:
            height = sun_height(moment, *place)
            if height < DARK_BELOW:
                return Light.NIGHT
            return Light.DAY if height > LIGHT_ABOVE else Light.TWILIGHT
        first, last = self.hours or USUAL_HOURS
        dark = [_within(moment + off, first, last, self.zone) for off in (-EITHER_SIDE, timedelta(0), EITHER_SIDE)]
        return Light.NIGHT if all(dark) else Light.TWILIGHT if any(dark) else Light.DAY


def _within(moment: datetime, first: int, last: int, zone: tzinfo) -> bool:
    local = moment.astimezone(zone)
    minute = local.hour * 60 + local.minute
    return first <= minute < last if first <= last else minute >= first or minute < last


def sun_height(moment: datetime, lon: float, lat: float) -> float:
    """Degrees above the horizon, to about a hundredth (The Astronomical Almanac, "low-precision formulas for the Sun")."""
    days = (moment - _J2000) / timedelta(days=1)
    anomaly = math.radians(357.528 + 0.9856003 * days)
    longitude = math.radians(280.460 + 0.9856474 * days + 1.915 * math.sin(anomaly) + 0.020 * math.sin(2 * anomaly))
    tilt = math.radians(23.439 - 4e-7 * days)
    declination = math.asin(math.sin(tilt) * math.sin(longitude))
    ascension = math.atan2(math.cos(tilt) * math.sin(longitude), math.cos(longitude))
    hour_angle = math.radians(280.46061837 + 360.98564736629 * days + lon) - ascension
    north = math.radians(lat)
    return math.degrees(
        math.asin(
            math.sin(north) * math.sin(declination) + math.cos(north) * math.cos(declination) * math.cos(hour_angle)
        )
    )
