"""A device's session beside the streams of its cameras: one password, one clock, one breaker."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from gateway.errors import AuthFailed, Busy, Unreachable
from gateway.model import CameraHealth, CameraState, ClockReading, EventsState, Kind, utc_now
from gateway.video.devices.link import ClockSuspected, EventsRefused, EventsUnsupported, View
from gateway.video.devices.note import clock_in_words
from gateway.video.wire import CameraOrder, Refused
from gateway.video.workers.refusals import Refusals

Make = Callable[..., CameraOrder]


async def test_a_session_measures_logs_in_and_listens(yard: Any, order: Make) -> None:
    yard.box()
    await yard.apply(order())
    health = yard.devices.health("c1")
    assert health.events is EventsState.LISTENING
    assert health.information.model == "Model"
    assert (health.clock.offset_s, health.reason, health.faults) == (0.0, None, ())


async def test_a_broken_session_is_made_again(yard: Any, order: Make) -> None:
    box = yard.box()
    await yard.apply(order())
    box.listening[0].fate.set_exception(Unreachable("10.0.0.5:80 closed the connection"))
    await yard.clock.advance(0)
    assert yard.devices.health("c1").events is EventsState.UNREACHABLE
    assert "closed the connection" in yard.devices.health("c1").reason
    await yard.clock.advance(2)
    assert len(box.listening) == 2
    assert yard.devices.health("c1").events is EventsState.LISTENING


async def test_a_busy_device_is_left_alone_as_long_as_it_asks(yard: Any, order: Make) -> None:
    box = yard.box()
    await yard.apply(order())
    box.listening[0].fate.set_exception(Busy("10.0.0.5:80 has no pull point left", after=300))
    await yard.clock.advance(299)
    assert box.links == 1
    await yard.clock.advance(2)
    assert box.links == 2


@pytest.mark.parametrize("rtsp", [True, False])
async def test_a_wrong_password_is_tried_once_everywhere(yard: Any, order: Make, rtsp: bool) -> None:
    box = yard.box(views=[View(None, "rtsp://10.0.0.5/a", None, "http://10.0.0.5/still", "p1")])
    await yard.apply(order(rtsp=rtsp, password="wrong"))
    with pytest.raises(AuthFailed):
        await yard.abilities.picture("c1")
    with pytest.raises(AuthFailed):
        await yard.abilities.presets("c1")
    with pytest.raises((AuthFailed, Unreachable), match="refuse"):
        await yard.fleet.main_keyframe("c1", 1)
    await yard.clock.advance(3600)
    assert (box.failed, len(box.verified)) == (1, 1)
    assert yard.health().state is CameraState.AUTH_FAILED
    assert yard.devices.health("c1").events is EventsState.REFUSED


async def test_a_recorder_of_many_channels_is_asked_once(yard: Any, order: Make) -> None:
    box = yard.box()
    await yard.apply(*(order(f"c{number}", source=f"s{number}", password="wrong") for number in range(8)))
    await yard.clock.advance(3600)
    assert box.failed == 1
    assert {yard.health(f"c{number}").state for number in range(8)} == {CameraState.AUTH_FAILED}


async def test_cameras_behind_one_address_have_passwords_of_their_own(yard: Any, order: Make) -> None:
    yard.box("10.0.0.9")
    one = CameraOrder(
        "a", "rtsp://10.0.0.9:5541/", None, order().credential, onvif=order(host="10.0.0.9", port=81).onvif
    )
    two = CameraOrder(
        "b", "rtsp://10.0.0.9:5542/", None, order().credential, onvif=order(host="10.0.0.9", port=82).onvif
    )
    yard.fleet.lockout.remember("a", "refused in another life")
    await yard.apply(one, two)
    assert yard.devices.health("a").events is EventsState.REFUSED
    assert yard.devices.health("b").events is EventsState.LISTENING


async def test_what_another_worker_was_refused_is_not_tried_over_onvif_either(yard: Any, order: Make) -> None:
    box = yard.box()
    await yard.apply(order(password="wrong"), refused=Refused({"c1": "refused"}))
    await yard.clock.advance(600)
    assert box.verified == []


async def test_a_retry_is_one_attempt_for_all(yard: Any, order: Make) -> None:
    box = yard.box()
    await yard.apply(order(password="wrong"))
    yard.roster.retry("c1")
    await yard.clock.advance(600)
    assert box.failed == 2
    box.password = "wrong"  # the operator has mended it at the camera
    yard.roster.retry("c1")
    await yard.clock.advance(1)
    assert box.failed == 2
    assert yard.devices.health("c1").events is EventsState.LISTENING
    assert yard.health().state is not CameraState.AUTH_FAILED


async def test_a_changed_credential_is_tried_at_once(yard: Any, order: Make) -> None:
    box = yard.box()
    await yard.apply(order(password="wrong"))
    await yard.apply(order(password="right"))
    await yard.clock.advance(1)
    assert box.failed == 1
    assert yard.devices.health("c1").events is EventsState.LISTENING
    assert yard.health().state is not CameraState.AUTH_FAILED


async def test_a_device_with_onvif_users_of_its_own_keeps_its_video(yard: Any, order: Make) -> None:
    box = yard.box(onvif_users={})
    await yard.apply(order())
    assert len(box.lines) == 1
    box.lines[0].shows(yard.clock.mono())
    await yard.clock.advance(600)
    assert box.failed == 1
    health = yard.health()
    assert health.faults == ("onvif_refused",)
    assert "refuses the user name" in health.reason
    box.lines[0].fate.set_exception(Unreachable("the connection broke"))
    await yard.clock.advance(60)
    assert len(box.lines) > 1, "its video is dialled again: that password is right"
    assert box.failed == 1


async def test_what_its_onvif_door_refused_another_worker_is_not_tried_again(yard: Any, order: Make) -> None:
    box = yard.box(onvif_users={})
    await yard.apply(order())
    box.lines[0].shows(yard.clock.mono())
    refusals = Refusals()
    refusals.note(order(), yard.health())
    box = yard.box(onvif_users={})
    await yard.apply()
    await yard.apply(order(), refused=refusals.among([order()]))
    box.lines[0].shows(yard.clock.mono())
    await yard.clock.advance(600)
    assert [door for door, _ in box.verified] == ["rtsp"]
    health = yard.health()
    assert (health.state, health.faults) == (CameraState.ONLINE, ("onvif_refused",))
    assert health.reason is not None and health.reason.count("login is refused") == 1
    box.onvif_users = None
    yard.roster.retry("c1")
    await yard.clock.advance(1)
    assert yard.devices.health("c1").events is EventsState.LISTENING


async def test_a_refusal_over_onvif_holds_for_that_device_and_password(yard: Any, order: Make) -> None:
    refusals = Refusals()
    refused = CameraHealth("c1", CameraState.ONLINE, utc_now(), reason=None, faults=("onvif_refused",))
    refusals.note(order(), refused)
    assert refusals.among([replace(order(), credential=None)]).onvif, "its video's password is another matter"
    assert not refusals.among([order(password="another")]).onvif
    assert not refusals.among([order(host="10.0.0.6")]).onvif
    refusals.note(order(), replace(refused, faults=()))
    assert refusals.among([order()]) == Refused()


async def test_a_wrong_clock_is_named_and_stops_nothing(yard: Any, order: Make) -> None:
    box = yard.box(offset_s=1800)
    await yard.apply(order())
    box.lines[0].shows(yard.clock.mono())
    await yard.clock.advance(1)
    health = yard.health()
    assert health.state is CameraState.ONLINE
    assert health.faults == ("clock",)
    assert "30 min ahead" in health.reason
    assert yard.devices.health("c1").events is EventsState.LISTENING
    assert yard.devices.health("c1").faults == ("clock",)


async def test_a_wrong_clock_keeps_nobody_waiting_where_no_password_is_at_stake(yard: Any, order: Make) -> None:
    yard.box(offset_s=1800, open=True, streams_dark=Unreachable("nothing listens there"))
    wanted = order()
    await yard.apply(replace(wanted, credential=None, onvif=replace(wanted.onvif, credential=None)))
    await yard.clock.advance(1)
    assert yard.devices.health("c1").events is EventsState.LISTENING


async def test_a_refusal_with_a_wrong_clock_is_no_verdict_and_not_repeated(yard: Any, order: Make) -> None:
    box = yard.box(offset_s=-1800, views=[View(None, "rtsp://10.0.0.5/a")])
    yard.refusal = lambda address: ClockSuspected("refused, and its clock is 30 min slow, which may be why")
    box.onvif_users = {}
    await yard.apply(order(rtsp=False))
    await yard.clock.advance(7200)
    assert box.failed == 1
    assert box.links > 10, "its clock is looked at again and again"
    assert yard.health().state is CameraState.OFFLINE
    assert "clock" in yard.health().faults
    box.offset_s, box.onvif_users = 0.0, None
    await yard.clock.advance(61)
    assert yard.devices.health("c1").events is EventsState.LISTENING
    assert box.failed == 1


async def test_with_a_wrong_clock_rtsp_is_let_in_first_and_then_tried_once_more(yard: Any, order: Make) -> None:
    box = yard.box(offset_s=-1800)
    yard.refusal = lambda address: ClockSuspected("refused, and its clock is 30 min slow, which may be why")
    box.onvif_users = {}
    await yard.apply(order())
    await yard.clock.advance(7200)
    assert box.verified[0] == ("rtsp", True)
    assert box.failed == 2, "once, and once more because the same password was let in over RTSP"


async def test_a_wrong_password_beside_a_wrong_clock_is_still_tried_once(yard: Any, order: Make) -> None:
    box = yard.box(offset_s=-1800)
    yard.refusal = lambda address: ClockSuspected("refused, and its clock is 30 min slow, which may be why")
    await yard.apply(order(password="wrong"))
    await yard.clock.advance(7200)
    assert box.failed == 1


async def test_a_device_that_blames_its_clock_although_it_is_right_is_not_asked_again(yard: Any, order: Make) -> None:
    box = yard.box(onvif_users={}, views=[View(None, "rtsp://10.0.0.5/a")])
    yard.refusal = lambda address: ClockSuspected("refused for the time in it")
    await yard.apply(order(rtsp=False))
    await yard.clock.advance(7200)
    assert box.failed == 1
    box.offset_s, box.onvif_users = 4.0, None
    await yard.clock.advance(61)
    assert yard.devices.health("c1").events is EventsState.LISTENING


@pytest.mark.parametrize("events", ["auto", "off"])
async def test_a_device_that_asks_for_no_login_holds_up_no_stream(yard: Any, order: Make, events: str) -> None:
    box = yard.box(open=True, streams_dark=Unreachable("it boots"))
    await yard.apply(order("c1", events=events), order("c2", events=events))
    await yard.clock.advance(30)
    box.streams_dark = None
    await yard.clock.advance(60)
    assert box.verified == [("rtsp", True)] * 2


async def test_a_clock_is_set_where_that_is_allowed_and_remarked(yard: Any, order: Make) -> None:
    yard.box(offset_s=-90)
    await yard.apply(order(set_clock=True))
    (remark,) = yard.remarks
    assert remark.camera_id == "c1"
    assert remark.text == "the clock of 10.0.0.5:80 was -90.0 s off; it was set, and is now +0.2 s off"
    assert yard.devices.health("c1").faults == ()


async def test_a_device_that_does_not_keep_its_clock_is_set_once_an_hour(yard: Any, order: Make) -> None:
    box = yard.box(offset_s=-90, keeps_clock=False)
    await yard.apply(order(set_clock=True))
    for _ in range(5):
        box.listening[-1].fate.set_exception(Unreachable("broken"))
        await yard.clock.advance(70)
    assert len(yard.remarks) == 1
    await yard.clock.advance(3600)
    box.listening[-1].fate.set_exception(Unreachable("broken"))
    await yard.clock.advance(70)
    assert len(yard.remarks) == 2


async def test_a_device_that_is_heard_is_asked_for_its_time_now_and_then(yard: Any, order: Make) -> None:
    box = yard.box()
    await yard.apply(order())
    box.offset_s = 40.0
    await yard.clock.advance(890)
    assert yard.devices.health("c1").faults == ()
    box.tells(Kind.DIGITAL_INPUT)
    await yard.clock.advance(20)
    assert yard.devices.health("c1").faults == ("clock",)
    box.tells(Kind.DIGITAL_INPUT, False)
    assert [signal.clock.offset_s for signal in yard.told] == [0.0, 40.0]
    assert box.links == 1


async def test_a_device_that_booted_while_it_was_heard_is_asked_for_its_time_at_once(yard: Any, order: Make) -> None:
    box = yard.box()
    await yard.apply(order(set_clock=True))
    box.offset_s = -1e9
    box.listening[0].online()
    await yard.clock.advance(0)
    assert (box.offset_s, box.links) == (0.2, 1)
    assert "-1000000000.0 s off; it was set" in yard.remarks[0].text


async def test_a_clock_that_is_right_or_not_to_be_touched_is_left(yard: Any, order: Make) -> None:
    yard.box("10.0.0.5", offset_s=1.5)
    yard.box("10.0.0.6", offset_s=900)
    await yard.apply(order("c1", set_clock=True), order("c2", "10.0.0.6"))
    assert yard.remarks == []


@pytest.mark.parametrize(
    ("fault", "state"),
    [
        (EventsRefused("10.0.0.5:80 refuses events to this user"), EventsState.REFUSED),
        (EventsUnsupported("10.0.0.5:80 has no events"), EventsState.UNSUPPORTED),
    ],
)
async def test_without_events_the_rest_works(yard: Any, order: Make, fault: Any, state: EventsState) -> None:
    box = yard.box(no_events=fault, views=[View(None, None, None, "http://10.0.0.5/still", "p")])
    await yard.apply(order())
    assert yard.devices.health("c1").events is state
    assert yard.devices.health("c1").reason == str(fault)
    assert await yard.abilities.picture("c1") == b"http://10.0.0.5/still"
    await yard.clock.advance(1800)
    assert box.links == 1
    assert yard.health().state is not CameraState.AUTH_FAILED


async def test_events_that_are_not_wanted_are_not_asked_for(yard: Any, order: Make) -> None:
    box = yard.box()
    await yard.apply(order(events="off"))
    await yard.clock.advance(1800)
    assert box.listening == []
    assert yard.devices.health("c1").events is EventsState.OFF


async def test_a_dark_device_says_why_and_is_no_refusal(yard: Any, order: Make) -> None:
    yard.box(dark=Unreachable("10.0.0.5:80 cannot be reached: no route to host"))
    await yard.apply(order(rtsp=False))
    health = yard.health()
    assert (health.state, health.reason) == (CameraState.OFFLINE, "10.0.0.5:80 cannot be reached: no route to host")


async def test_a_disabled_camera_is_not_asked(yard: Any, order: Make) -> None:
    box = yard.box()
    await yard.apply(replace(order(), enabled=False))
    await yard.clock.advance(60)
    assert box.links == 0
    assert yard.devices.health("c1") is None


@pytest.mark.parametrize(
    ("offset", "words"),
    [
        (4.9, None),
        (-30, "30 s behind"),
        (1800, "30 min ahead"),
        (-5 * 3600, "5 h behind"),
        (86400 * 400, "400 days ahead"),
    ],
)
def test_a_wrong_clock_in_words(offset: float, words: str | None) -> None:
    said = clock_in_words(ClockReading(offset, 0.5, utc_now()))
    assert (said is None) if words is None else words in (said or "")
