from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from gateway.alerts.linking import CameraIndex, Link, distance_m, linked
from gateway.model import Camera, Place, Scene, Terminal

HOME = Place(107.2043, 30.7361)


def camera(name: str, lon: float, lat: float, scene: Scene = Scene.STREET, *, enabled: bool = True) -> Camera:
    return Camera(name, name, scene, Place(lon, lat), enabled=enabled)


def link(place: Place, named: Sequence[str], cameras: Sequence[Camera], *, nearest: int, within_m: float) -> list[Link]:
    return CameraIndex(cameras).link(place, named, nearest=nearest, within_m=within_m)


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


def plainly_near(place: Place, cameras: Sequence[Camera], nearest: int, within_m: float) -> list[str]:
    """Every camera measured, the nearest kept: what the index has to agree with."""
    measured = []
    for one in cameras:
        distance = distance_m(place, one.place)
        if one.enabled and one.scene is not Scene.HOUSEHOLD and distance is not None and distance <= within_m:
            measured.append((distance, one.id))
    return [id for _, id in sorted(measured)[:nearest]]


def cameras_at(places: Sequence[Place]) -> list[Camera]:
    scenes, switches = list(Scene), (True, True, True, False)
    return [
        Camera(f"c{n}", f"c{n}", scenes[n % len(scenes)], place, enabled=switches[n % len(switches)])
        for n, place in enumerate(places)
    ]


in_the_village = st.tuples(st.integers(0, 40), st.integers(0, 40)).map(
    lambda at: Place(107.2 + at[0] * 1e-4, 30.7 + at[1] * 1e-4)
)
anywhere = st.one_of(
    in_the_village, positions, st.sampled_from([Place(), Place(180, 0), Place(-180, 0), Place(0, 90), Place(77, -90)])
)


@given(anywhere, st.lists(anywhere, max_size=60), st.integers(0, 5), st.sampled_from([1.0, 30.0, 500.0, 1e5, 3e7]))
def test_the_index_finds_what_measuring_every_camera_finds(
    place: Place, places: list[Place], nearest: int, within_m: float
) -> None:
    cameras = cameras_at(places)
    found = link(place, (), cameras, nearest=nearest, within_m=within_m)
    assert [one.camera.id for one in found] == plainly_near(place, cameras, nearest, within_m)


@given(st.lists(in_the_village, max_size=30), st.lists(in_the_village, max_size=30))
def test_linked_is_what_the_terminals_presses_would_link(homes: list[Place], places: list[Place]) -> None:
    cameras = cameras_at(places)
    terminals = [
        Terminal(f"tv-{n}", place=home, cameras=("c1", "gone") if n % 3 == 0 else ()) for n, home in enumerate(homes)
    ]
    expected = {
        found.camera.id
        for terminal in terminals
        for found in link(terminal.place, terminal.cameras, cameras, nearest=2, within_m=300)
    }
    assert linked(terminals, cameras, nearest=2, within_m=300) == expected


def test_a_thousand_cameras_on_one_pole_are_one_place() -> None:
    cameras = [camera(f"{n:04}", 107.2, 30.7) for n in range(1000)]
    found = link(HOME, (), cameras, nearest=2, within_m=10_000)
    assert [one.camera.id for one in found] == ["0000", "0001"]


def test_a_position_that_is_no_number_links_nothing() -> None:
    assert link(Place(float("nan"), 30.7), (), [NEAR], nearest=2, within_m=500) == []
