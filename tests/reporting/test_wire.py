"""Reports' JSON, there and back."""

from datetime import UTC, date, datetime

import pytest

from gateway.model import Camera, Consent, Household, Terminal, TerminalState
from gateway.reporting.holding import HeldCamera, HeldTerminal
from gateway.reporting.wire import camera_json, read_camera, read_camera_state, read_terminal, terminal_json, weight

NOW = datetime(2026, 1, 1, tzinfo=UTC)
WHOLE = (((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)),)
MASK = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0))


def test_masks_and_consent_travel_with_the_camera_and_stay_when_its_state_changes() -> None:
    camera = Camera("cam-1", "东", masks=(MASK,), consent=Consent("王大娘", date(2026, 1, 1), date(2026, 12, 31)))
    read = read_camera(camera_json(HeldCamera(camera)), NOW)
    assert read is not None and read.camera == camera
    after = read_camera_state({"id": "cam-1", "state": "disabled"}, read, NOW)
    assert (after.camera.enabled, after.camera.masks, after.camera.consent) == (False, camera.masks, camera.consent)
    assert weight(read) > weight(HeldCamera(Camera("cam-1", "东")))


@pytest.mark.parametrize(
    "told",
    [[[[0, 0], [1, 1]]], [[[0, 0], [2, 0], [1, 1]]], [[[0, 0], ["0", 0], [1, 1]]], [[[0, 0, 0]] * 3], ["x"], "x", {}],
)
def test_a_mask_that_cannot_be_read_hides_everything(told) -> None:
    read = read_camera({"id": "cam-1", "masks": told}, NOW)
    assert read is not None and read.camera.masks == WHOLE


def test_more_masks_than_there_may_be_hide_everything_and_none_hide_nothing() -> None:
    many = read_camera({"id": "cam-1", "masks": [[list(corner) for corner in MASK]] * 17}, NOW)
    none = read_camera({"id": "cam-1"}, NOW)
    assert many is not None and many.camera.masks == WHOLE
    assert none is not None and none.camera.masks == ()


@pytest.mark.parametrize(
    "told",
    [
        "x",
        {"given_by": "w"},
        {"given_by": "w", "given_on": "soon"},
        {"given_by": "w", "given_on": "2026-01-01", "until": "?"},
    ],
)
def test_a_consent_that_cannot_be_read_is_none(told) -> None:
    read = read_camera({"id": "cam-1", "consent": told}, NOW)
    assert read is not None and read.camera.consent is None


def test_what_has_to_be_known_in_a_household_travels_with_its_terminal() -> None:
    for household in (Household("王家", "138", None, "听力不好"), Household("王家")):
        read = read_terminal(terminal_json(HeldTerminal(Terminal("tv-1", household), TerminalState("tv-1"))))
        assert read is not None and read.terminal.household == household


@pytest.mark.parametrize(
    ("told", "read"), [(640, 640), (640.0, 640), (640.5, None), (1e300, None), (True, None), (0, None), ("640", None)]
)
def test_a_whole_number_may_be_written_with_a_point(told, read) -> None:
    held = read_camera({"id": "c1", "state": "online", "width": told}, NOW)
    assert held is not None and held.health is not None
    assert held.health.width == read
