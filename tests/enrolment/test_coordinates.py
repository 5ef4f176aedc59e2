"""Positions as registers have them: other systems, other forms, the wrong way round."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.enrolment.coordinates import System, bd09, gcj02, position, system_of, wgs84

METRE = 1 / 111_000
CHINA = st.floats(75.0, 134.0), st.floats(18.5, 53.0)


def test_the_published_example_of_gcj_02() -> None:
    """Tiananmen: the shift there is some 500 m, to the east and to the north."""
    lon, lat = gcj02(116.391300, 39.907300)
    assert (lon, lat) == pytest.approx((116.397543, 39.908704), abs=2e-5)


@given(*CHINA)
def test_gcj_02_is_taken_back_to_the_centimetre(lon: float, lat: float) -> None:
    assert wgs84(*gcj02(lon, lat), System.GCJ02) == pytest.approx((lon, lat), abs=METRE / 50)


@given(*CHINA)
def test_bd_09_is_taken_back_to_the_centimetre(lon: float, lat: float) -> None:
    assert wgs84(*bd09(*gcj02(lon, lat)), System.BD09) == pytest.approx((lon, lat), abs=METRE / 50)


@given(*CHINA)
def test_the_shift_is_a_few_hundred_metres(lon: float, lat: float) -> None:
    east, north = gcj02(lon, lat)
    metres = math.hypot((east - lon) * 111_000 * math.cos(math.radians(lat)), (north - lat) * 111_000)
    assert 10 < metres < 1500


@given(st.floats(73.6, 135.0), st.floats(3.9, 53.5))
def test_wgs_84_stays_to_the_last_digit(lon: float, lat: float) -> None:
    found = position(repr(lon), repr(lat), System.WGS84)
    assert found is not None
    assert (found.lon, found.lat, found.given, found.warning) == (lon, lat, None, None)


@pytest.mark.parametrize(
    ("lon", "lat"),
    [
        ("107°12'15.48\"E", "30°44'09.96\"N"),
        ("107°12′15.48″", "30°44′09.96″"),
        ("东经107度12分15.48秒", "北纬30度44分9.96秒"),
        ("107 12 15.48", "30 44 9.96"),
        ("E107:12:15.48", "N30:44:9.96"),
        ("107°12.258'", "30°44.166'"),
        ("１０７．２０４３", "３０．７３６１"),
    ],
)
def test_degrees_in_other_forms(lon: str, lat: str) -> None:
    found = position(lon, lat, System.WGS84)
    assert found is not None
    assert (found.lon, found.lat) == pytest.approx((107.2043, 30.7361), abs=1e-6)
    assert found.given == (lon, lat)


@pytest.mark.parametrize(
    ("lon", "lat", "words"),
    [
        ("30.7361", "107.2043", "wrong way round"),
        ("31.2", "85.5", "wrong way round"),
        ("36612345.67", "3401234.5", "metres of a projection"),
        ("200", "30", "is nowhere"),
        ("107.2.3", "30", "is no position"),
        ("nan", "30", "is no position"),
        ("107°70'", "30°", "0 to 59"),
        ("107.5°10'", "30°", "whole degrees"),
        ("", "30", "is no position"),
    ],
)
def test_what_is_no_position_is_said_in_words(lon: str, lat: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        position(lon, lat, System.WGS84)


def test_where_there_is_no_gcj_02() -> None:
    with pytest.raises(ValueError, match="outside China"):
        position("2.35", "48.85", System.GCJ02)
    paris = position("2.35", "48.85", System.WGS84)
    assert paris is not None
    assert "outside China" in (paris.warning or "")


def test_a_position_never_set() -> None:
    assert position("0", "0.000", System.WGS84) is None


@pytest.mark.parametrize(
    ("text", "system"),
    [
        ("WGS84", System.WGS84), ("wgs-84", System.WGS84), ("GCJ-02", System.GCJ02), ("gcj02", System.GCJ02),
        ("高德", System.GCJ02), ("火星坐标系", System.GCJ02), ("BD-09", System.BD09), ("百度", System.BD09),
        ("CGCS2000", System.CGCS2000), ("国家2000", System.CGCS2000),
    ],
)  # fmt: skip
def test_systems_by_the_names_that_people_give_them(text: str, system: System) -> None:
    assert system_of(text) is system


def test_a_system_of_the_last_century_needs_the_surveyors() -> None:
    with pytest.raises(ValueError, match="surveying office"):
        system_of("西安80")
    with pytest.raises(ValueError, match="WGS84, CGCS2000, GCJ-02"):
        system_of("mars")
