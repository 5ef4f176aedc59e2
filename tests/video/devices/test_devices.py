"""All devices of a worker: who hears what, where streams come from, what may be asked."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from gateway.errors import AuthFailed, Unreachable
from gateway.model import CameraState, EventsState, Kind, PtzMove
from gateway.video.devices.link import View
from gateway.video.wire import CameraOrder

Make = Callable[..., CameraOrder]
ONE = View(None, "rtsp://10.0.0.5/main", "rtsp://10.0.0.5/sub", "http://10.0.0.5/still", "p1")


async def test_channels_of_a_recorder_share_one_session(yard: Any, order: Make) -> None:
    box = yard.box()
    await yard.apply(*(order(f"c{number}", source=f"VS{number}") for number in (1, 2, 3)))
    assert (box.links, len(box.listening)) == (1, 1)
    box.tells(Kind.TAMPER, source="VS2")
    box.tells(Kind.DIGITAL_INPUT, source=None)
    box.tells(Kind.VIDEO_LOSS, source="VS9")
    assert [(one.camera_id, one.detail.get("source")) for one in yard.told] == [
        ("c2", None),
        ("c1", None),
        ("c1", "VS9"),
    ]
    assert len({one.id for one in yard.told}) == 3


async def test_a_signal_keeps_what_the_device_said(yard: Any, order: Make) -> None:
    box = yard.box(offset_s=2.0)
    await yard.apply(order())
    box.tells(Kind.DIGITAL_INPUT, active=True, said={"data": {"State": "true"}})
    (told,) = yard.told
    assert (told.kind, told.active, told.topic, told.clock.offset_s) == (Kind.DIGITAL_INPUT, True, "tns1:Topic", 2.0)
    assert told.detail == {"what": "1", "said": {"data": {"State": "true"}}}
    assert told.received_mono == yard.clock.mono()
    assert yard.devices.health("c1").last_event_at == yard.clock.now()


async def test_a_flood_from_one_device_is_bounded_counted_and_no_other_devices(yard: Any, order: Make) -> None:
    box = yard.box()
    await yard.apply(order())
    for number in range(5000):
        box.tells(Kind.DIGITAL_INPUT, active=True, said={"data": {"State": str(number)}})
    box.tells(Kind.TAMPER, active=True)
    assert len(yard.told) <= 61
    assert yard.told[-1].kind is Kind.TAMPER
    assert yard.outbox.dropped == 5001 - len(yard.told)


async def test_how_things_stood_at_first_is_told_as_such_and_motion_not_at_all(yard: Any, order: Make) -> None:
    box = yard.box()
    await yard.apply(order())
    box.tells(Kind.MOTION, active=False, initial=True)
    box.tells(Kind.TAMPER, active=True, initial=True)
    (told,) = yard.told
    assert (told.kind, told.detail["initial"]) == (Kind.TAMPER, True)
    assert yard.devices.health("c1").last_event_at is None


async def test_another_credential_is_another_session(yard: Any, order: Make) -> None:
    box = yard.box()
    await yard.apply(order("c1"), order("c2", password="other"))
    assert box.links == 2


async def test_sessions_that_would_be_the_same_stay_up(yard: Any, order: Make) -> None:
    box = yard.box()
    await yard.apply(order("c1", source="VS1"))
    await yard.apply(order("c1", source="VS1"), order("c2", source="VS2"))
    await yard.apply(order("c2", source="VS2"))
    assert (box.links, box.goodbyes) == (1, [])
    box.tells(Kind.TAMPER, source="VS2")
    assert yard.told[0].camera_id == "c2"
    await yard.apply(order("c2", source="VS2", events="off"))
    assert box.goodbyes == ["events"]
    await yard.apply()
    assert yard.devices.health("c2") is None


async def test_another_identity_is_compared_at_a_connect_of_its_own(yard: Any, order: Make) -> None:
    box = yard.box()
    await yard.apply(order("c1"))
    await yard.apply(order("c1", identity="found again"))
    assert (box.links, box.goodbyes) == (2, ["events"])


async def test_streams_come_from_the_device_where_none_are_configured(yard: Any, order: Make) -> None:
    box = yard.box(views=[ONE])
    await yard.apply(order(rtsp=False))
    assert yard.health().state is CameraState.CONNECTING
    await yard.clock.advance(1)
    assert [line.url for line in box.lines] == ["rtsp://10.0.0.5/sub"]
    box.lines[0].shows(yard.clock.mono())
    assert yard.health().state is CameraState.ONLINE
    assert box.asked == 1


async def test_resolving_one_camera_touches_no_other(yard: Any, order: Make) -> None:
    yard.box(views=[ONE])
    other = yard.box("10.0.0.6")
    await yard.apply(order("c1", rtsp=False), order("c2", "10.0.0.6"))
    await yard.clock.advance(1)
    assert len(other.lines) == 1
    assert other.links == 1


async def test_configured_streams_ask_nobody(yard: Any, order: Make) -> None:
    box = yard.box(views=[ONE])
    await yard.apply(order())
    await yard.clock.advance(60)
    assert box.asked == 0


async def test_channels_get_the_streams_of_their_sources(yard: Any, order: Make) -> None:
    box = yard.box(views=[View("VS1", "rtsp://10.0.0.5/1"), View("VS2", "rtsp://10.0.0.5/2")])
    await yard.apply(*(order(f"c{number}", rtsp=False, source=f"VS{number}") for number in (1, 2, 3)))
    await yard.clock.advance(1)
    assert sorted(line.url for line in box.lines) == ["rtsp://10.0.0.5/1", "rtsp://10.0.0.5/2"]
    assert "no video source “VS3”" in (yard.health("c3").reason or "")


async def test_a_device_that_did_not_say_is_asked_again_in_minutes(yard: Any, order: Make) -> None:
    box = yard.box()
    await yard.apply(order(rtsp=False))
    await yard.clock.advance(60)
    assert box.asked == 1
    assert "it offers nothing" in (yard.health().reason or "")
    box.views = [ONE]
    await yard.clock.advance(90)
    assert box.asked == 2
    assert len(box.lines) == 1


async def test_streams_that_stay_dark_are_asked_for_again(yard: Any, order: Make) -> None:
    box = yard.box(views=[ONE])
    await yard.apply(order(rtsp=False))
    await yard.clock.advance(1)
    box.lines[-1].fate.set_exception(Unreachable("404 Not Found"))
    box.views = [replace(ONE, sub="rtsp://10.0.0.5/moved")]
    yard_dials = len(box.lines)
    await yard.clock.advance(1)
    for line in box.lines[yard_dials:]:
        line.fate.set_exception(Unreachable("404 Not Found"))
    for _ in range(700):
        await yard.clock.advance(1)
        for line in box.lines:
            if not line.fate.done() and line.url.endswith("/sub"):
                line.fate.set_exception(Unreachable("404 Not Found"))
    assert box.lines[-1].url == "rtsp://10.0.0.5/moved"
    assert box.asked == 2


async def test_what_may_be_asked_of_a_camera(yard: Any, order: Make) -> None:
    box = yard.box(views=[ONE])
    await yard.apply(order())
    assert await yard.abilities.picture("c1") == b"http://10.0.0.5/still"
    assert (await yard.abilities.presets("c1"))[0].name == "gate of p1"
    await yard.abilities.go_to_preset("c1", "gate")
    await yard.abilities.move("c1", PtzMove(pan=1, seconds=2))
    await yard.clock.advance(3)
    assert box.moves == ["p1 to gate", "p1 moves", "p1 stops"], "some devices do not end a move by themselves"
    assert box.asked == 1
    with pytest.raises(Unreachable, match="no ONVIF address"):
        await yard.abilities.presets("c9")


async def test_of_two_who_move_a_dome_at_once_the_later_ones_end_counts(yard: Any, order: Make) -> None:
    box = yard.box(views=[ONE])
    await yard.apply(order())
    await asyncio.gather(
        yard.abilities.move("c1", PtzMove(pan=1, seconds=1)), yard.abilities.move("c1", PtzMove(pan=-1, seconds=5))
    )
    await yard.clock.advance(2)
    assert box.moves == ["p1 moves", "p1 moves"]
    await yard.clock.advance(4)
    assert box.moves == ["p1 moves", "p1 moves", "p1 stops"]


async def test_a_dome_that_does_not_answer_a_move_is_stopped_all_the_same(yard: Any, order: Make) -> None:
    box = yard.box(views=[ONE])
    await yard.apply(order())
    box.moves_unanswered = Unreachable("it did not answer")
    with pytest.raises(Unreachable):
        await yard.abilities.move("c1", PtzMove(pan=1, seconds=2))
    await yard.clock.advance(2)
    assert box.moves == ["p1 moves", "p1 stops"]


async def test_a_camera_without_ptz_says_so(yard: Any, order: Make) -> None:
    yard.box(views=[replace(ONE, profile=None, snapshot=None)])
    await yard.apply(order())
    with pytest.raises(Unreachable, match="cannot be moved"):
        await yard.abilities.move("c1", PtzMove(pan=1))
    with pytest.raises(Unreachable, match="no snapshot address"):
        await yard.abilities.picture("c1")
    assert yard.devices.health("c1").has_ptz is False


async def test_a_refused_snapshot_is_not_asked_for_again(yard: Any, order: Make) -> None:
    box = yard.box(views=[ONE])
    await yard.apply(order())
    box.onvif_users = {}
    for _ in range(3):
        with pytest.raises(AuthFailed, match="may not use snapshots"):
            await yard.abilities.picture("c1")
    assert box.failed == 1
    box.onvif_users = None
    yard.roster.retry("c1")
    assert await yard.abilities.picture("c1") == b"http://10.0.0.5/still"


async def test_a_device_that_is_away_is_not_asked(yard: Any, order: Make) -> None:
    yard.box(dark=Unreachable("10.0.0.5:80 cannot be reached"))
    await yard.apply(order())
    with pytest.raises(Unreachable, match="cannot be reached"):
        await yard.abilities.picture("c1")


async def test_health_is_told_once_per_change(yard: Any, order: Make) -> None:
    box = yard.box()
    await yard.apply(order())
    seen = yard.fleet.changes.count
    box.tells(Kind.MOTION)
    box.tells(Kind.MOTION, active=False)
    assert yard.fleet.changes.count == seen
    (health,) = yard.roster.health(["c1", "c9"])
    assert health.events is EventsState.LISTENING
    box.listening[-1].fate.set_exception(Unreachable("broken"))
    await yard.clock.advance(0)
    assert [name for name, _ in yard.fleet.changes.since(seen)] == ["c1"]


async def test_who_leaves_says_goodbye_at_once_and_takes_no_more_cameras(
    yard: Any, order: Make, settle: Callable[[], Awaitable[None]]
) -> None:
    box = yard.box()
    await yard.apply(order())
    yard.roster.leave()
    await settle()
    assert box.goodbyes == ["events"]
    await yard.apply(order("c2"))
    assert box.links == 1


async def test_a_step_of_our_own_clock_is_no_devices_error(yard: Any, order: Make) -> None:
    box = yard.box(offset_s=2.0)
    await yard.apply(order())
    yard.clock.step = -7200.0
    box.tells(Kind.DIGITAL_INPUT, active=True)
    (told,) = yard.told
    assert told.received_at == yard.clock.now()
    assert told.clock.offset_s == 7202.0


async def test_figures(yard: Any, order: Make) -> None:
    yard.box()
    await yard.apply(order())
    told = {"sessions": 1, "listening": 1, "refused": 0, "requests": {"PullMessages/ok": 7}}
    assert yard.devices.figures() == told
