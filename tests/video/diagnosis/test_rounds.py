"""Which camera is next, within a share of the processor."""

import random

from gateway.video.diagnosis.rounds import AGAIN_S, FIRST_S, JITTER, Rounds


def patrol(cameras, *, seconds: float, cost: float, share: float) -> tuple[dict[str, int], Rounds]:
    """Looks at each camera within so many seconds of a clock that nothing else moves."""
    rounds, now, looks = Rounds(share, random.Random(1)), 0.0, dict.fromkeys(cameras, 0)
    rounds.keep(cameras, now)
    while now < seconds:
        camera, wait = rounds.next(now)
        if camera is None:
            now += max(wait, 1e-6)
            continue
        looks[camera] += 1
        rounds.looked(camera, now + cost, cost, again=False)
        now += cost
    return looks, rounds


def test_a_thousand_cameras_each_ten_minutes_fit_into_a_tenth_of_a_core() -> None:
    looks, rounds = patrol({f"c{n}": 600.0 for n in range(1000)}, seconds=3600.0, cost=0.022, share=0.1)
    assert min(looks.values()) >= 5
    assert rounds.skipped == 0
    assert sum(looks.values()) * 0.022 <= 0.1 * 3600


def test_it_takes_no_more_than_its_share_and_tells_that_it_is_behind() -> None:
    looks, rounds = patrol({f"c{n}": 60.0 for n in range(1000)}, seconds=1200.0, cost=0.1, share=0.1)
    assert sum(looks.values()) * 0.1 <= 0.1 * 1200 + 0.1
    assert rounds.skipped > 0
    assert rounds.behind(1200.0) > 60.0
    assert min(looks.values()) >= 1, "nobody starves"


def test_important_ones_come_more_often_also_when_there_is_no_time_for_all() -> None:
    cameras = {f"c{n}": 600.0 for n in range(200)} | {"important": 120.0}
    looks, _ = patrol(cameras, seconds=6000.0, cost=0.4, share=0.1)
    others = [count for name, count in looks.items() if name != "important"]
    assert looks["important"] > 2 * max(others)


def test_a_suspicion_is_looked_into_soon() -> None:
    rounds = Rounds(0.1, random.Random(1))
    rounds.keep({"c": 600.0}, 0.0)
    rounds.looked("c", 0.0, 0.001, again=True)
    camera, wait = rounds.next(1.0)
    assert camera is None
    assert wait <= AGAIN_S
    rounds.looked("c", 100.0, 0.001, again=False)
    _, wait = rounds.next(200.0)
    assert 600 * (1 - JITTER) - 100 <= wait <= 600 * (1 + JITTER) - 100


def test_a_dark_camera_is_put_off_and_is_not_late() -> None:
    rounds = Rounds(0.1)
    rounds.keep({"c": 600.0}, 0.0)
    rounds.postpone("c", 500.0, 15.0)
    assert rounds.behind(510.0) == 0.0
    rounds.hurry("c", 505.0)
    assert rounds.next(505.0) == ("c", 0.0)


def test_cameras_that_go_are_forgotten_and_nothing_is_due() -> None:
    rounds = Rounds(0.1)
    rounds.keep({"c": 600.0}, 0.0)
    rounds.keep({}, 1.0)
    assert rounds.next(1000.0)[0] is None
    assert rounds.behind(1000.0) == 0.0


def test_a_start_is_spread_and_the_important_are_first() -> None:
    rounds = Rounds(0.1, random.Random(1))
    cameras = {f"c{n}": 600.0 for n in range(100)}
    rounds.keep(cameras, 50.0)  # they come online by and by
    rounds.keep(cameras | {f"d{n}": 600.0 for n in range(100)} | {"important": 120.0}, 51.0)
    now, seen = 51.0, []
    while len(seen) < 201:
        camera, wait = rounds.next(now)
        if camera is None:
            now += max(wait, 1e-6)
            continue
        seen.append((now, camera))
        rounds.looked(camera, now, 0.022, again=False)
        assert rounds.behind(now) <= 1.0
    assert {name for _, name in seen} == {*cameras, *(f"d{n}" for n in range(100)), "important"}
    assert [name for _, name in seen].index("important") == 100
    assert 200 * FIRST_S - 1.0 <= seen[-1][0] - 50.0 <= 200 * FIRST_S + 1.0


def test_one_that_comes_alone_is_due_at_once_and_short_rounds_are_not_held_up() -> None:
    rounds = Rounds(0.1)
    rounds.keep({"c": 600.0}, 5.0)
    assert rounds.next(5.0) == ("c", 0.0)
    rounds.keep({f"c{n}": 2.0 for n in range(40)}, 100.0)
    looks = 0
    while rounds.next(102.0)[0] is not None:
        rounds.looked(rounds.next(102.0)[0], 102.0, 0.0, again=False)
        looks += 1
    assert looks == 40
