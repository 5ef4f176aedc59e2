"""How cameras stand is counted by elapsed time, whatever the wall clock does; outages begin, last and end."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model import Camera, CameraHealth, CameraState, Place, Scene
from gateway.ports import Outage, Tally
from gateway.upkeep.history import MOST_A_DAY, Batch, Recorder, Standing, standing_of

HERE = ZoneInfo("Asia/Shanghai")
AT = datetime(2026, 11, 22, 2, tzinfo=UTC)
CAMERA = Camera("c1", "十字口", Scene.STREET, Place(area_code="511724001"))


@dataclass
class Day:
    """Drives a recorder: ``wall`` and ``mono`` go on together unless told."""

    recorder: Recorder = field(default_factory=lambda: Recorder(HERE))
    wall: datetime = AT
    mono: float = 1000.0

    def __post_init__(self) -> None:
        self.recorder.step(self.wall, self.mono)

    def see(
        self, standing: Standing, seconds: float, *, planned: bool = False, camera: Camera = CAMERA, every: float = 10
    ) -> None:
        """``standing`` for so long, looked at every ten seconds."""
        for _ in range(round(seconds / every)):
            self.wall += timedelta(seconds=every)
            self.mono += every
            if self.recorder.step(self.wall, self.mono):
                self.recorder.see(camera, standing, planned=planned, reason="no answer", vendor="")
                self.recorder.keep_only([camera.id])


def total(batch: Batch, camera: str = "c1") -> Tally:
    found = Tally()
    for tallies in batch.days.values():
        found += tallies.get(camera, Tally())
    return found


@pytest.mark.parametrize(
    ("state", "faults", "expected"),
    [
        (CameraState.ONLINE, (), Standing.INTACT),
        (CameraState.ONLINE, ("frozen",), Standing.FAULTY),
        (CameraState.ONLINE, ("covered", "clock"), Standing.FAULTY),
        (CameraState.ONLINE, ("clock",), Standing.INTACT),
        (CameraState.ONLINE, ("onvif_refused",), Standing.INTACT),
        (CameraState.OFFLINE, (), Standing.DOWN),
        (CameraState.AUTH_FAILED, (), Standing.DOWN),
        (CameraState.CONNECTING, (), Standing.UNKNOWN),
        (CameraState.DISABLED, (), Standing.OFF),
    ],
)
def test_standing_of_a_camera(state: CameraState, faults: tuple[str, ...], expected: Standing) -> None:
    assert standing_of(CAMERA, CameraHealth("c1", state, AT, faults=faults)) is expected


def test_a_camera_nobody_told_of_is_unknown_and_one_switched_off_is_off() -> None:
    assert standing_of(CAMERA, None) is Standing.UNKNOWN
    assert standing_of(Camera("c1", "", enabled=False), None) is Standing.OFF


def test_each_second_counts_once_and_where_it_belongs() -> None:
    day = Day()
    day.see(Standing.INTACT, 600)
    day.see(Standing.FAULTY, 100)
    day.see(Standing.FAULTY, 50, planned=True)
    day.see(Standing.DOWN, 200)
    day.see(Standing.DOWN, 30, planned=True)
    day.see(Standing.OFF, 40)
    day.see(Standing.UNKNOWN, 70)
    found = total(day.recorder.take())
    assert found == Tally(750_000, 600_000, 50_000, 200_000, 30_000, 40_000, 1, 200_000)


def test_what_was_taken_is_not_given_again() -> None:
    day = Day()
    day.see(Standing.INTACT, 600)
    assert total(day.recorder.take()).online == 600_000
    assert len(day.recorder.take()) == 0
    day.see(Standing.INTACT, 100)
    assert total(day.recorder.take()).online == 100_000


def test_what_could_not_be_kept_is_in_the_next_batch_once() -> None:
    day = Day()
    day.see(Standing.DOWN, 600)
    batch = day.recorder.take()
    day.see(Standing.INTACT, 100)
    day.recorder.give_back(batch)
    found = day.recorder.take()
    assert total(found) == Tally(100_000, 100_000, 0, 600_000, losses=1, longest=600_000)
    assert [camera.id for camera in found.cameras] == ["c1"]
    [outage] = found.outages
    assert outage.ended_at is not None  # what came since stands, and not what was given back
    assert outage.down == 600_000


def test_a_day_ends_at_the_nodes_midnight() -> None:
    day = Day(wall=datetime(2026, 11, 22, 15, 50, tzinfo=UTC))  # ten to midnight in Shanghai
    day.see(Standing.INTACT, 1200)
    days = day.recorder.take().days
    assert {number: tallies["c1"].online for number, tallies in days.items()} == {20261122: 590_000, 20261123: 610_000}


# ---------------------------------------------------------------------------------------------------- outages


def test_an_outage_has_its_beginning_its_end_and_its_reason() -> None:
    day = Day()
    day.see(Standing.INTACT, 100)
    day.see(Standing.DOWN, 300)
    [going_on] = day.recorder.take().outages
    assert (going_on.began_at, going_on.ended_at) == (AT + timedelta(seconds=100), None)
    day.see(Standing.DOWN, 300)
    day.see(Standing.INTACT, 100)
    [ended] = day.recorder.take().outages
    assert ended == Outage("c1", going_on.began_at, AT + timedelta(seconds=710), 600_000, 0, "no answer")


def test_a_short_one_counts_its_seconds_alone() -> None:
    day = Day()
    day.see(Standing.DOWN, 50)
    day.see(Standing.INTACT, 50)
    batch = day.recorder.take()
    assert batch.outages == []
    assert (total(batch).down, total(batch).losses) == (50_000, 0)


def test_planned_work_is_listed_and_no_loss() -> None:
    day = Day()
    day.see(Standing.DOWN, 600, planned=True)
    day.see(Standing.INTACT, 10)
    batch = day.recorder.take()
    [outage] = batch.outages
    assert (outage.down, outage.planned) == (0, 600_000)
    assert total(batch).losses == 0


def test_a_camera_that_stays_down_after_the_planned_work_is_a_loss() -> None:
    day = Day()
    day.see(Standing.DOWN, 600, planned=True)
    day.see(Standing.DOWN, 120)
    batch = day.recorder.take()
    assert (total(batch).losses, total(batch).longest) == (1, 120_000)


def test_a_camera_that_flaps_all_day_is_counted_and_listed_within_bounds() -> None:
    day = Day(wall=datetime(2026, 11, 21, 16, 1, tzinfo=UTC))
    for _ in range(200):
        day.see(Standing.DOWN, 100)
        day.see(Standing.INTACT, 100)
    batch = day.recorder.take()
    assert len(batch.outages) == MOST_A_DAY
    assert total(batch).losses == 200
    assert total(batch).down == 20_000_000


def test_an_outage_of_the_last_process_goes_on_where_it_was() -> None:
    day = Day()
    before = Outage("c1", AT - timedelta(hours=3), None, 5_000_000, 0, "no answer")
    day.recorder.remember([before])
    day.see(Standing.UNKNOWN, 100)
    assert day.recorder.take().outages == []
    day.see(Standing.DOWN, 100)
    day.see(Standing.INTACT, 10)
    batch = day.recorder.take()
    [ended] = batch.outages
    assert (ended.began_at, ended.down) == (before.began_at, 5_100_000)
    assert total(batch).losses == 0  # it was counted on the day that it began


def test_an_outage_of_planned_work_that_outlasts_it_after_a_restart_is_a_loss() -> None:
    day = Day()
    day.recorder.remember([Outage("c1", AT - timedelta(hours=3), None, 0, 5_000_000, "no answer")])
    day.see(Standing.DOWN, 7200)
    assert total(day.recorder.take()).losses == 1


def test_a_camera_that_is_taken_away_ends_its_outage() -> None:
    day = Day()
    day.see(Standing.DOWN, 600)
    day.recorder.keep_only([])
    [outage] = day.recorder.take().outages
    assert outage.ended_at == AT + timedelta(seconds=600)


# ---------------------------------------------------------------------------------------------------- clocks


def test_nothing_counts_while_the_clock_is_not_set_nor_the_leap_when_it_is() -> None:
    day = Day(wall=datetime(1970, 1, 1, tzinfo=UTC))
    day.see(Standing.DOWN, 300)
    assert len(day.recorder.take()) == 0
    day.wall = AT
    day.see(Standing.DOWN, 100)
    batch = day.recorder.take()
    assert total(batch).down == 100_000
    assert set(batch.days) == {20261122}


@pytest.mark.parametrize("leap", [timedelta(hours=1), -timedelta(hours=1), timedelta(days=400), -timedelta(days=40)])
def test_a_clock_that_is_set_changes_no_length(leap: timedelta) -> None:
    day = Day()
    day.see(Standing.DOWN, 300)
    day.wall += leap
    day.see(Standing.DOWN, 300)
    day.see(Standing.INTACT, 60)
    batch = day.recorder.take()
    assert (total(batch).down, total(batch).online, total(batch).losses) == (600_000, 60_000, 1)
    [outage] = batch.outages
    assert outage.down == 600_000
    assert outage.ended_at is not None
    assert outage.ended_at >= outage.began_at


@pytest.mark.parametrize("gap", [61.0, 3600.0, -5.0, 0.0])
def test_a_gap_in_which_nobody_looked_is_nobodys(gap: float) -> None:
    day = Day()
    day.see(Standing.INTACT, 100)
    day.mono += gap - 10
    day.wall += timedelta(seconds=gap - 10)
    day.see(Standing.INTACT, 10)
    day.see(Standing.INTACT, 100)
    assert total(day.recorder.take()).online == 200_000


STEPS = st.lists(
    st.tuples(
        st.sampled_from(list(Standing)),
        st.booleans(),
        st.floats(0.001, 100),
        st.sampled_from([0, 0, 0, 3600, -3600, 86_400 * 30, -86_400 * 365 * 60]),
        st.sampled_from(["", "take", "lose"]),
    ),
    max_size=60,
)


@given(STEPS)
def test_whatever_happens_no_second_counts_twice(steps: list[tuple[Standing, bool, float, int, str]]) -> None:
    recorder, wall, mono = Recorder(HERE), AT, 0.0
    recorder.step(wall, mono)
    expected, kept = 0.0, Tally()
    outages: dict[tuple[str, datetime], Outage] = {}

    def keep(batch: Batch) -> None:
        nonlocal kept
        kept += total(batch)
        outages.update(((each.camera_id, each.began_at), each) for each in batch.outages)

    for standing, planned, seconds, leap, after in steps:
        mono += seconds
        wall += timedelta(seconds=seconds + leap)
        if recorder.step(wall, mono):
            recorder.see(CAMERA, standing, planned=planned, reason=None, vendor="")
            expected += 0 if standing is Standing.UNKNOWN else round(seconds * 1000)
        if after == "take":
            keep(recorder.take())
        elif after == "lose":
            recorder.give_back(recorder.take())
    keep(recorder.take())
    assert abs(kept.online + kept.down + kept.planned + kept.off - expected) <= len(steps)  # of a rounded millisecond
    assert 0 <= kept.intact + kept.worked_on <= kept.online
    assert sum(each.down for each in outages.values()) <= kept.down
    assert all(each.ended_at is None or each.ended_at >= each.began_at for each in outages.values())
