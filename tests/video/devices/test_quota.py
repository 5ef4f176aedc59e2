from gateway.model import Kind
from gateway.video.devices.quota import A_SECOND, BURST, Quota

INPUT, MOTION = Kind.DIGITAL_INPUT, Kind.MOTION


def _taken(quota: Quota, count: int, now: float, *, camera: str = "c1", kind: Kind = INPUT, active: bool = True) -> int:
    return sum(quota.takes(camera, kind, active, now) for _ in range(count))


def test_a_burst_is_taken_and_then_so_many_a_second():
    quota = Quota()
    assert _taken(quota, 1000, 0.0) == BURST
    later = sum(_taken(quota, 100, now / 8) for now in range(1, 801))
    assert later == 100 * A_SECOND
    assert quota.refused == 1000 + 100 * 800 - BURST - later


def test_a_flood_of_one_kind_or_camera_costs_no_other():
    quota = Quota()
    _taken(quota, 1000, 0.0, kind=MOTION)
    assert _taken(quota, 1, 0.0) == 1
    assert _taken(quota, 1, 0.0, camera="c2", kind=MOTION) == 1


def test_what_began_ends_even_when_no_more_may_begin():
    quota = Quota()
    _taken(quota, 1000, 0.0)
    assert _taken(quota, 1, 0.0) == 0
    assert _taken(quota, 1000, 0.0, active=False) == BURST


def test_a_clock_that_stands_still_or_a_long_rest_earns_no_more_than_a_burst():
    quota = Quota()
    assert _taken(quota, 1000, 0.0) == BURST
    assert _taken(quota, 1000, 1e9) == BURST
