"""Day and night by the sun, by hours, by neither."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from gateway.video.diagnosis.daylight import Daylight, Light, sun_height

CHINA = ZoneInfo("Asia/Shanghai")
DAZHU = (107.2, 30.73)


def china(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=CHINA).astimezone(UTC)


# The heights are those of the equinoxes and solstices at a known latitude: 90° − latitude ± 23.44° at the true noon.
@pytest.mark.parametrize(
    ("day", "height"), [("2026-03-20", 59.3), ("2026-06-21", 82.7), ("2026-12-22", 35.8), ("2026-09-23", 59.3)]
)
def test_the_sun_stands_at_noon_where_the_season_puts_it(day, height) -> None:
    noons = [china(f"{day}T12:00:00") + timedelta(minutes=minute) for minute in range(90)]
    assert max(sun_height(at, *DAZHU) for at in noons) == pytest.approx(height, abs=0.4)


@pytest.mark.parametrize(
    ("at", "light"),
    [
        ("2026-06-21T12:00:00", Light.DAY),
        ("2026-06-21T00:00:00", Light.NIGHT),
        ("2026-12-22T07:50:00", Light.TWILIGHT),  # sunrise in Dazhu on the shortest day
        ("2026-06-21T20:00:00", Light.TWILIGHT),  # sunset on the longest
        ("2026-12-22T20:00:00", Light.NIGHT),
    ],
)
def test_the_place_decides(at, light) -> None:
    assert Daylight(CHINA).at(china(at), DAZHU) is light


def test_hours_that_somebody_wrote_go_before_the_sun() -> None:
    daylight = Daylight(CHINA, (0, 60))
    assert daylight.at(china("2026-06-21T12:00:00"), DAZHU) is Light.DAY
    assert daylight.at(china("2026-06-21T00:30:00"), DAZHU) is Light.TWILIGHT
    assert Daylight(CHINA, (18 * 60, 6 * 60)).at(china("2026-06-21T23:00:00"), DAZHU) is Light.NIGHT


def test_without_a_place_the_clock_decides() -> None:
    daylight = Daylight(CHINA)
    assert daylight.at(china("2026-06-21T12:00:00"), None) is Light.DAY
    assert daylight.at(china("2026-06-21T01:00:00"), None) is Light.NIGHT
    assert daylight.at(china("2026-06-21T18:45:00"), None) is Light.TWILIGHT
