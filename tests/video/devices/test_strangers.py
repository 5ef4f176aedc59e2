"""Another device at a camera's address, with the same password."""

from collections.abc import Callable
from typing import Any

import pytest

from gateway.errors import Unreachable
from gateway.model import CameraState, EventsState, Kind
from gateway.video.devices.link import EventsUnsupported
from gateway.video.wire import CameraOrder

Make = Callable[..., CameraOrder]


async def test_another_device_is_not_taken_for_the_camera(yard: Any, order: Make) -> None:
    """Two cameras swapped their addresses, and have one password."""
    box = yard.box(identity="b")
    await yard.apply(order(identity="a"))
    await yard.clock.advance(1)
    assert [line.fate.cancelled() for line in box.lines] == [True], "its stream is hung up"
    health = yard.health()
    assert health.state is CameraState.OFFLINE
    assert "another device answers at 10.0.0.5:80: b, not a" in health.reason
    device = yard.devices.health("c1")
    assert (device.events, device.information) == (EventsState.UNREACHABLE, None)
    assert "another device answers" in device.reason
    assert not box.listening
    with pytest.raises(Unreachable, match="another device answers"):
        await yard.abilities.picture("c1")
    await yard.clock.advance(600)
    assert len(box.lines) == 1
    box.identity = "a"
    await yard.clock.advance(120)
    assert yard.devices.health("c1").events is EventsState.LISTENING
    box.lines[-1].shows(yard.clock.mono())
    await yard.clock.advance(1)
    assert (yard.health().state, yard.health().reason) == (CameraState.ONLINE, None)


async def test_of_two_cameras_written_at_one_address_the_right_one_has_its_events(yard: Any, order: Make) -> None:
    """Halfway through the healing of a swap."""
    box = yard.box(identity="b", open=True)
    await yard.apply(order(identity="a"), order("c2", identity="b"))
    await yard.clock.advance(1)
    box.tells(Kind.TAMPER)
    assert [told.camera_id for told in yard.told] == ["c2"]
    assert yard.devices.health("c1").events is EventsState.UNREACHABLE
    assert yard.devices.health("c2").events is EventsState.LISTENING
    assert [line.order.id for line in box.lines if not line.fate.done()] == ["c2"]


async def test_a_device_that_tells_no_events_is_recognised_again_now_and_then(yard: Any, order: Make) -> None:
    box = yard.box(identity="a", no_events=EventsUnsupported("it has no events"))
    await yard.apply(order(identity="a"))
    await yard.clock.advance(1)
    assert yard.health().state is not CameraState.OFFLINE
    box.identity = "b"
    await yard.clock.advance(2000)
    assert "another device answers" in yard.health().reason


async def test_one_that_got_another_identity_in_the_file_is_recognised_anew(yard: Any, order: Make) -> None:
    box = yard.box(identity="b")
    await yard.apply(order(identity="a"))
    await yard.apply(order(identity="b"))
    await yard.clock.advance(1)
    assert yard.devices.health("c1").events is EventsState.LISTENING
    assert not box.lines[-1].fate.done()
