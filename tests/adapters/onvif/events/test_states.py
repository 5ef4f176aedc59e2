import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.onvif import soap
from adapters.onvif.events.notifications import parse_pull
from adapters.onvif.events.states import CALM, FLAPS, FORGOTTEN, HELD_TOLD, SETTLING, States
from adapters.onvif.events.topics import Occurrence, occurrence
from gateway.model import Kind

_AT = datetime(2026, 1, 1, tzinfo=UTC)
MOTION = Occurrence(Kind.MOTION, True, "src", family="motion", member="cell")
INPUT = Occurrence(Kind.DIGITAL_INPUT, True, None, "1", family="input/1", member="di|1")
CROSSED = Occurrence(Kind.LINE_CROSSING, None, "src", "gate", family="line/gate", member="line|gate|7", at=_AT)
LATER = SETTLING + 1


def listening() -> States:
    states = States()
    states.begin(0.0)
    return states


def heard(found: Sequence[Occurrence]) -> list[bool | None]:
    return [one.active for one in found]


def initial(one: Occurrence, *, active: bool = True) -> Occurrence:
    return replace(one, active=active, initial=True)


def off(one: Occurrence) -> Occurrence:
    return replace(one, active=False)


def test_a_beginning_and_an_end_are_told_once_each() -> None:
    states = listening()
    assert heard(states.note(MOTION, 20)) == [True]
    assert heard(states.note(MOTION, 21)) == []
    assert heard(states.note(off(MOTION), 22)) == [False]
    assert heard(states.note(off(MOTION), 23)) == []


def test_an_end_of_what_never_began_is_no_news() -> None:
    assert listening().note(off(MOTION), 20) == []


def test_twins_are_one_and_end_with_the_last_of_them() -> None:
    states = listening()
    twin = replace(MOTION, member="alarm")
    assert heard(states.note(MOTION, 20)) == [True]
    assert heard(states.note(twin, 20)) == []
    assert heard(states.note(off(MOTION), 27)) == []
    assert heard(states.note(off(twin), 27)) == [False]


def test_a_twin_that_names_no_source_is_still_one() -> None:
    for first, second in ((None, "src"), ("src", None)):
        states = listening()
        assert heard(states.note(replace(MOTION, source=first), 20)) == [True]
        assert heard(states.note(replace(MOTION, source=second, member="alarm"), 20)) == []
        assert heard(states.note(off(replace(MOTION, source=first)), 21)) == []
        (ended,) = states.note(off(replace(MOTION, source=second, member="alarm")), 21)
        assert ended.source == "src"


def test_sources_of_a_recorder_are_kept_apart() -> None:
    states = listening()
    assert heard(states.note(MOTION, 20)) == [True]
    assert heard(states.note(replace(MOTION, source="other"), 20)) == [True]
    assert heard(states.note(replace(MOTION, source=None, member="x"), 20)) == [True]  # whose it is cannot be told


def test_objects_in_a_field_are_one_intrusion_until_the_last_has_left() -> None:
    states = listening()
    one, two = (replace(MOTION, kind=Kind.INTRUSION, family="field/yard", member=f"field|{n}") for n in (1, 2))
    assert heard(states.note(one, 20)) == [True]
    assert heard(states.note(two, 21)) == []
    assert heard(states.note(off(one), 22)) == []
    assert heard(states.note(off(two), 23)) == [False]


def test_what_stands_when_we_come_for_the_first_time_is_a_state() -> None:
    states = listening()
    assert states.note(initial(MOTION, active=False), 1) == []
    (told,) = states.note(initial(INPUT), 1)
    assert told.initial
    assert states.note(initial(INPUT), 2) == []
    (ended,) = states.note(off(INPUT), 3)
    assert (ended.active, ended.initial) == (False, False)


def test_a_twin_of_a_state_that_stands_is_a_state_too() -> None:
    states = listening()
    assert states.note(initial(MOTION, active=False), 1) == []
    (told,) = states.note(initial(replace(MOTION, member="alarm")), 1)
    assert told.initial


def test_what_changed_while_nobody_listened_is_an_event() -> None:
    states = listening()
    states.note(initial(INPUT, active=False), 1)
    states.begin(1000)
    (told,) = states.note(initial(INPUT), 1001)
    assert (told.active, told.initial) == (True, False)
    assert told.detail["missed"]
    states.begin(2000)
    assert states.note(initial(INPUT), 2001) == []
    states.begin(3000)
    (ended,) = states.note(initial(INPUT, active=False), 3001)
    assert (ended.active, ended.initial) == (False, False)


def test_an_event_among_the_first_states_is_an_event() -> None:
    states = listening()
    states.note(initial(INPUT, active=False), 1)
    (told,) = states.note(INPUT, 1.2)
    assert (told.active, told.initial) == (True, False)


def test_initialized_long_after_is_an_event() -> None:
    (told,) = listening().note(initial(INPUT), LATER)
    assert (told.active, told.initial) == (True, False)
    assert "missed" not in told.detail


def test_a_motion_whose_end_was_lost_ends_by_the_clock() -> None:
    states = listening()
    states.note(MOTION, 20)
    assert states.due(20 + FORGOTTEN) == []
    (ended,) = states.due(21 + FORGOTTEN)
    assert (ended.active, ended.at) == (False, None)
    assert ended.detail["unknown"]
    assert states.due(22 + FORGOTTEN) == []
    assert heard(states.note(MOTION, 700)) == [True]


def test_one_lost_end_does_not_hide_the_intruders_after_it() -> None:
    states = listening()
    field = replace(MOTION, kind=Kind.INTRUSION, family="field/yard")
    states.note(replace(field, member="lost"), 20)
    at = 20.0
    for n in range(40):
        states.note(replace(field, member=f"{n}"), at)
        states.note(off(replace(field, member=f"{n}")), at + 5)
        at += 30
        ended = states.due(at)
        if ended:
            break
    assert heard(ended) == [False]
    assert at < 30 + FORGOTTEN + 60


def test_a_motion_not_told_again_after_a_gap_is_over() -> None:
    states = listening()
    states.note(MOTION, 20)
    states.begin(50)
    assert states.due(50 + SETTLING - 1) == []
    assert heard(states.due(50 + SETTLING)) == [False]


@pytest.mark.parametrize("kind", [Kind.DIGITAL_INPUT, Kind.TAMPER, Kind.VIDEO_LOSS, Kind.OTHER])
def test_no_clock_ends_what_may_stay(kind: Kind) -> None:
    states = listening()
    states.note(replace(INPUT, kind=kind), 20)
    assert states.due(20 + 10 * FORGOTTEN) == []


def test_flapping_is_held_back_counted_and_told_when_calm() -> None:
    states, told, at = listening(), [], 20.0
    for n in range(30):
        told += states.note(INPUT if n % 2 == 0 else off(INPUT), at := at + 1)
    assert len(told) == FLAPS - 1
    told += states.note(INPUT, at := at + 1)
    assert len(told) == FLAPS - 1
    assert states.due(at + CALM - 1) == []
    (calm,) = states.due(at + CALM)
    assert (calm.active, calm.detail["changes"]) == (True, str(31 - FLAPS + 1))
    assert states.due(at + 2 * CALM) == []
    assert heard(states.note(off(INPUT), at + 2 * CALM)) == [False]


def test_what_flaps_on_and_on_is_told_once_a_minute() -> None:
    states, told, at = listening(), [], 20.0
    for n in range(600):
        told += states.note(INPUT if n % 2 == 0 else off(INPUT), at := at + 1)
        told += states.due(at)
    assert FLAPS + 8 <= len(told) <= FLAPS + 600 / HELD_TOLD


def test_slow_changes_are_not_flapping() -> None:
    states, at = listening(), 20.0
    for n in range(50):
        assert len(states.note(INPUT if n % 2 == 0 else off(INPUT), at := at + 10)) == 1


def test_what_merely_happens_is_told_each_time_but_not_twice() -> None:
    states = listening()
    (told,) = states.note(CROSSED, 20)
    assert (told.active, told.source, told.at) == (None, "src", _AT)
    assert states.note(CROSSED, 20.5) == []
    assert len(states.note(replace(CROSSED, at=_AT + timedelta(seconds=1)), 22)) == 1
    assert len(states.note(replace(CROSSED, member="line|gate|8"), 23)) == 1
    assert states.note(replace(CROSSED, member="line|gate|9", initial=True), 24) == []


def test_what_a_new_subscription_hands_out_again_is_no_news_but_a_clock_may_stand_still() -> None:
    states = listening()
    assert len(states.note(CROSSED, 20)) == 1
    assert len(states.note(CROSSED, 30)) == 1
    states.begin(100)
    assert states.note(CROSSED, 101) == []
    assert len(states.note(CROSSED, 100 + LATER)) == 1


def test_a_state_that_is_over_is_never_told_as_something_that_happened() -> None:
    states = listening()
    states.note(MOTION, 20)
    states.note(replace(MOTION, active=None, member="triggered"), 30)
    assert heard(states.due(21 + FORGOTTEN)) == [False]


def test_a_storm_of_momentary_ones_is_counted() -> None:
    states, told = listening(), []
    for n in range(100):
        told += states.note(replace(CROSSED, at=_AT + timedelta(seconds=n)), 20 + n / 10)
    assert len(told) == FLAPS - 1
    (calm,) = states.due(30 + CALM)
    assert (calm.active, calm.detail["changes"]) == (None, str(100 - FLAPS + 1))


def test_memory_is_bounded_whatever_a_device_sends() -> None:
    states = listening()
    for n in range(2000):
        states.note(replace(MOTION, family=f"f{n}"), 20)
        states.note(replace(MOTION, member=f"m{n}"), 20)
        states.note(replace(CROSSED, member=f"c{n}"), 20)
    assert len(states._findings) <= 256
    assert max(len(finding.members) for finding in states._findings.values()) <= 64
    assert len(states._moments) <= 128


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["cell", "alarm"]),
            st.booleans(),
            st.booleans(),
            st.floats(0, 90),
            st.sampled_from([None, "a", "b"]),
        ),
        max_size=60,
    )
)
def test_what_is_told_alternates_unless_it_says_why(steps: list[tuple[str, bool, bool, float, str | None]]) -> None:
    states, now = listening(), 0.0
    active: dict[str | None, bool] = {}
    for member, is_active, is_initial, wait, source in steps:
        now += wait
        source = source or "a"
        said = Occurrence(Kind.MOTION, is_active, source, "", is_initial, f"motion {source}", member)
        for told in (*states.due(now), *states.note(said, now)):
            if "changes" not in told.detail:
                assert told.active != active.get(told.source, False)
            active[told.source] = bool(told.active)


@pytest.mark.parametrize(
    ("session", "wanted"),
    [
        ("cell_motion", [(Kind.MOTION, 19)]),
        ("hikvision_compatible", [(Kind.INTRUSION, 21)]),
    ],
)
def test_recorded_sessions_come_to_one_beginning_and_one_end_each(recordings, session: str, wanted) -> None:
    states, told = listening(), []
    for line in (recordings / f"_sessions/{session}_pullpoint.jsonl").read_text().splitlines():
        record = json.loads(line)
        if record["op"] != "PullMessages":
            continue
        for notification in parse_pull(soap.read(record["response"].encode(), "x", "PullMessages")):
            found = occurrence(notification)
            if isinstance(found, Occurrence):
                told += states.note(found, record["t"])
        told += states.due(record["t"])
    for kind, count in wanted:
        assert heard([one for one in told if one.kind is kind]) == [True, False] * count
    assert {one.kind for one in told} == {kind for kind, _ in wanted}
    assert not any(one.initial or one.detail for one in told)


def restarted(states: States, now: float = 1000.0) -> States:
    """In another process, after the file was written and read."""
    again = States()
    again.restore(json.loads(json.dumps(states.kept())), now - 1)
    again.begin(now)
    return again


def test_a_press_while_the_process_was_away_is_told() -> None:
    states = listening()
    assert states.note(initial(INPUT, active=False), 1) == []
    (pressed,) = restarted(states).note(initial(INPUT), 1001)
    assert (pressed.active, pressed.initial, pressed.what) == (True, False, "1")
    assert "missed" in pressed.detail


def test_what_was_told_is_not_told_again_by_another_process() -> None:
    states = listening()
    assert heard(states.note(INPUT, 20)) == [True]
    again = restarted(states)
    assert again.note(initial(INPUT), 1001) == []
    assert again.note(INPUT, 1002) == []
    assert heard(again.note(off(INPUT), 1003)) == [False]


def test_an_end_while_the_process_was_away_is_told() -> None:
    states = listening()
    states.note(replace(INPUT, source="src", detail={"class": "x"}), 20)
    (ended,) = restarted(restarted(states)).note(initial(INPUT, active=False), 1001)
    assert (ended.active, ended.source, ended.initial) == (False, "src", False)


def test_of_twins_the_one_that_ended_before_does_not_hold_on() -> None:
    states, twin = listening(), replace(INPUT, member="twin")
    for one in (INPUT, twin, off(INPUT)):
        states.note(one, 20)
    assert heard(restarted(states).note(off(twin), 1001)) == [False]


def test_what_was_held_back_as_flapping_is_settled_by_the_next_process() -> None:
    states = listening()
    told = [one for n in range(2 * FLAPS) for one in states.note(INPUT if n % 2 == 0 else off(INPUT), 20 + n)]
    known = told[-1].active
    (settled,) = restarted(states).note(replace(INPUT, active=not known, initial=True), 1001)
    assert settled.active is not known


def test_an_intrusion_that_is_not_told_to_the_next_process_has_ended() -> None:
    intrusion = replace(MOTION, kind=Kind.INTRUSION, family="field")
    states = listening()
    states.note(intrusion, 20)
    again = restarted(states)
    assert again.due(1001) == []
    (ended,) = again.due(1000 + SETTLING + 1)
    assert (ended.kind, ended.active) == (Kind.INTRUSION, False)


def test_motion_and_what_merely_happened_is_not_kept() -> None:
    states = listening()
    states.note(MOTION, 20)
    states.note(CROSSED, 20)
    assert states.kept() == []


def test_few_are_kept_of_a_device_that_tells_of_thousands() -> None:
    states = listening()
    for n in range(300):
        for m in range(20):
            states.note(replace(INPUT, family=f"input/{n}", member=f"{m}", what="w" * 5000), 20)
    assert len(json.dumps(states.kept())) < 100_000


def test_each_change_that_is_kept_is_announced() -> None:
    changes: list[int] = []
    states = States(lambda: changes.append(1))
    states.begin(0.0)
    before = states.kept()
    for one in (initial(INPUT, active=False), INPUT, INPUT, replace(INPUT, member="twin"), off(INPUT)):
        changes.clear()
        states.note(one, 20)
        assert bool(changes) == (states.kept() != before), one
        before = states.kept()


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))  # fmt: skip
def test_whatever_stands_in_the_file_nothing_breaks(kept: object) -> None:
    for content in (
        kept,
        [kept],
        [["digital_input", "f", None, "w", True, kept, {}], ["sos?", "f", None, "", True, [], {}]],
    ):
        states = States()
        states.restore(content, 0.0)
        states.begin(0.0)
        states.note(initial(INPUT), 1)
        json.dumps(states.kept())
