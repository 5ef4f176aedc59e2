from hypothesis import given
from hypothesis import strategies as st

from gateway.alerts.linking import distance_m, link
from gateway.model import Camera, Place, Scene

HOME = Place(107.2043, 30.7361)


def camera(name: str, lon: float, lat: float, scene: Scene = Scene.STREET, *, enabled: bool = True) -> Camera:
    return Camera(name, name, scene, Place(lon, lat), enabled=enabled)


NEAR = camera("near", 107.2045, 30.7361)
FARTHER = camera("farther", 107.2060, 30.7361)
FAR = camera("far", 107.3000, 30.7361)
INDOOR = camera("indoor", 107.2043, 30.7361, Scene.HOUSEHOLD)


def test_a_degree_of_latitude_is_111_km() -> None:
    found = distance_m(Place(0, 0), Place(0, 1))
    assert found is not None
    assert round(found) == 111_195


def test_the_nearest_come_first_and_only_within_reach() -> None:
    links = link(HOME, (), [FAR, FARTHER, NEAR], nearest=4, within_m=500)
    assert [found.camera.id for found in links] == ["near", "farther"]
    assert links[0].distance_m == 19


def test_named_cameras_come_in_their_order_however_far() -> None:
    links = link(HOME, ("far", "near", "gone"), [FAR, FARTHER, NEAR], nearest=1, within_m=1)
    assert [found.camera.id for found in links] == ["far", "near"]


def test_a_households_own_camera_opens_only_where_it_is_named() -> None:
    assert link(HOME, (), [INDOOR], nearest=4, within_m=500) == []
    assert [found.camera.id for found in link(HOME, ("indoor",), [INDOOR], nearest=4, within_m=500)] == ["indoor"]


def test_without_a_position_only_named_cameras_link() -> None:
    assert link(Place(), (), [NEAR], nearest=2, within_m=500) == []
    (found,) = link(Place(), ("near",), [NEAR], nearest=2, within_m=500)
    assert found.distance_m is None


def test_a_disabled_camera_is_never_linked() -> None:
    off = camera("off", 107.2043, 30.7361, enabled=False)
    assert link(HOME, ("off",), [off], nearest=2, within_m=500) == []


positions = st.tuples(st.floats(-180, 180), st.floats(-90, 90)).map(lambda at: Place(*at))


@given(positions, positions)
def test_distance_is_symmetric_and_never_beyond_half_the_earth(one: Place, other: Place) -> None:
    there, back = distance_m(one, other), distance_m(other, one)
    assert there is not None
    assert back is not None
    assert abs(there - back) < 1e-3
    assert 0 <= there < 20_016_000
