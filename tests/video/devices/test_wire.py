import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model import (
    ClockReading,
    DeviceHealth,
    DeviceInformation,
    DeviceRemark,
    DeviceSignal,
    EventsState,
    Kind,
    PtzMove,
    utc_now,
)
from gateway.video.devices.wire import (
    device_from_json,
    device_to_json,
    move_from_json,
    move_to_json,
    remark_from_json,
    remark_to_json,
    signal_from_json,
    signal_to_json,
)

NOW = utc_now()
CLOCK = ClockReading(-1800.25, 0.51, NOW)


@pytest.mark.parametrize(
    "health",
    [
        DeviceHealth("c", EventsState.CONNECTING),
        DeviceHealth("c", EventsState.LISTENING, "why", DeviceInformation("v", "m"), CLOCK, NOW, True, ("clock",)),
    ],
)
def test_health_comes_through(health: DeviceHealth) -> None:
    assert device_from_json(json.loads(json.dumps(device_to_json(health)))) == health


@pytest.mark.parametrize(
    "signal",
    [
        DeviceSignal("i", "c", Kind.MOTION, NOW, 1.5),
        DeviceSignal("i", "c", Kind.TAMPER, NOW, 1.5, False, NOW - timedelta(hours=1), CLOCK, "t", {"a": {"b": "家"}}),
    ],
)
def test_a_signal_comes_through(signal: DeviceSignal) -> None:
    assert signal_from_json(json.loads(json.dumps(signal_to_json(signal)))) == signal


def test_a_remark_comes_through() -> None:
    remark = DeviceRemark("i", "c", NOW, "its clock was set")
    assert remark_from_json(json.loads(json.dumps(remark_to_json(remark)))) == remark


SPEED = st.floats(-1, 1)


@given(SPEED, SPEED, SPEED, st.floats(0.1, 60))
def test_a_move_comes_through(pan: float, tilt: float, zoom: float, seconds: float) -> None:
    move = PtzMove(pan, tilt, zoom, seconds)
    assert move_from_json(move_to_json(move)) == move


@pytest.mark.parametrize(
    "value",
    [None, [], {"pan": 2}, {"tilt": "up"}, {"zoom": float("nan")}, {"seconds": 0}, {"seconds": 61}, {"pan": True}],
)
def test_what_is_no_move_is_refused_in_words(value: object) -> None:
    with pytest.raises(ValueError, match=r"pan|number|seconds"):
        move_from_json(value)
