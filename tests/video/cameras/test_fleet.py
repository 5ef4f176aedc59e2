import asyncio
from dataclasses import replace
from typing import Any

import pytest

from gateway.errors import AuthFailed, Busy, Unreachable
from gateway.model import CameraState, Credential
from gateway.video.wire import CameraOrder

A = CameraOrder("a", "rtsp://10.0.0.5/main", credential=Credential("u", "p"))


async def test_a_camera_is_online_with_its_first_keyframe_and_not_before(stage: Any) -> None:
    await stage.fleet.apply([A])
    line = await stage.line(0)
    assert stage.health("a").state is CameraState.CONNECTING
    before = stage.fleet.changes.count
    line.shows(stage.clock.mono(), keyframe=False)
    assert stage.health("a").state is CameraState.CONNECTING
    assert stage.health("a").codec == "h264"
    line.shows(stage.clock.mono())
    health = stage.health("a")
    assert (health.state, health.width, health.height) == (CameraState.ONLINE, 1920, 1080)
    assert health.last_keyframe_at == stage.clock.now()
    assert stage.fleet.changes.count > before
    assert len(stage.fleet.keyframes("a")) == 1


async def test_connected_but_frozen_is_offline_and_says_so(stage: Any) -> None:
    await stage.fleet.apply([A])
    (await stage.line(0)).shows(stage.clock.mono())
    stage.clock.seconds += 11
    stage.check()
    health = stage.health("a")
    assert health.state is CameraState.OFFLINE
    assert health.reason == "connected, but no keyframe for more than 10 s"


async def test_a_short_break_leaves_it_online_and_a_long_one_gives_the_reason(stage: Any) -> None:
    await stage.fleet.apply([A])
    line = await stage.line(0)
    line.shows(stage.clock.mono())
    line.breaks(Unreachable("10.0.0.5:554 hung up"))
    await stage.settled()
    assert stage.goodbyes == [A.main]
    stage.clock.seconds += 9
    stage.check()
    assert stage.health("a").state is CameraState.ONLINE
    stage.clock.seconds += 2
    stage.check()
    assert stage.health("a").reason == "10.0.0.5:554 hung up"
    assert stage.health("a").since == stage.clock.now()
    stage.patience.set()
    line = await stage.line(1)
    line.shows(stage.clock.mono())
    assert stage.health("a").state is CameraState.ONLINE
    assert stage.health("a").reconnects == 1


async def test_a_refused_credential_is_never_tried_again_until_it_is_another(stage: Any) -> None:
    stage.patience.set()
    await stage.fleet.apply([A])
    (await stage.line(0)).breaks(AuthFailed("wrong password"))
    await stage.settled()
    assert stage.health("a").state is CameraState.AUTH_FAILED
    await stage.fleet.apply([A])
    for _ in range(50):
        await asyncio.sleep(0)
    assert len(stage.lines) == 1
    with pytest.raises(Unreachable, match="camera a is auth failed: wrong password"):
        stage.fleet.keyframes("a")
    await stage.fleet.apply([CameraOrder("a", A.main, credential=Credential("u", "right"))])
    (await stage.line(1)).shows(stage.clock.mono())
    assert stage.health("a").state is CameraState.ONLINE


async def test_only_what_changed_is_touched(stage: Any) -> None:
    b, c = CameraOrder("b", "rtsp://b"), CameraOrder("c", "rtsp://c")
    await stage.fleet.apply([A, b])
    for number in range(2):
        (await stage.line(number)).shows(stage.clock.mono())
    moved = CameraOrder("b", "rtsp://elsewhere")
    applied = await stage.fleet.apply([c, moved, A])
    assert (set(applied.started), applied.stopped, applied.kept) == ({"b", "c"}, ("b",), 1)
    assert stage.goodbyes == ["rtsp://b"]
    assert [health.camera_id for health in stage.fleet.health()] == ["c", "b", "a"]
    with pytest.raises(Unreachable):  # the old pictures are of another view
        stage.fleet.keyframes("b")
    assert len(stage.fleet.keyframes("a")) == 1
    await stage.fleet.apply([A])
    with pytest.raises(Unreachable, match="not known"):
        stage.fleet.keyframes("c")


async def test_another_password_keeps_the_pictures(stage: Any) -> None:
    await stage.fleet.apply([A])
    (await stage.line(0)).shows(stage.clock.mono())
    await stage.fleet.apply([CameraOrder("a", A.main, credential=Credential("u", "new"))])
    assert len(stage.fleet.keyframes("a")) == 1


async def test_a_camera_without_address_or_switched_off_is_disabled(stage: Any) -> None:
    await stage.fleet.apply([CameraOrder("a"), CameraOrder("b", "rtsp://b", enabled=False)])
    assert stage.health("a").state is CameraState.DISABLED
    assert stage.health("a").reason == "no stream address is configured"
    assert stage.health("b").state is CameraState.DISABLED
    assert stage.lines == []


async def test_the_pictures_of_a_camera_that_went_dark_are_given_for_a_minute(stage: Any) -> None:
    await stage.fleet.apply([A])
    line = await stage.line(0)
    line.shows(stage.clock.mono())
    line.breaks(Unreachable("the wire was cut"))
    await stage.settled()
    stage.clock.seconds += 50
    stage.check()
    assert len(stage.fleet.keyframes("a")) == 1
    stage.clock.seconds += 20
    with pytest.raises(Unreachable, match="camera a is offline: the wire was cut"):
        stage.fleet.keyframes("a")


async def test_a_camera_of_keyframes_alone_does_not_fill_the_ring(stage: Any) -> None:
    await stage.fleet.apply([A])
    line = await stage.line(0)
    for number in range(33):
        line.shows(stage.clock.mono() + number / 8)
    assert len(stage.fleet.keyframes("a")) == 9


async def test_received_bytes_are_added_up(stage: Any) -> None:
    await stage.fleet.apply([A])
    line = await stage.line(0)
    assert line.outlet is not None
    line.outlet.received(100)
    line.outlet.received(50)
    assert stage.health("a").received_bytes == 150


# ---------------------------------------------------------------------------------------------- silence


async def test_a_camera_that_plays_and_shows_nothing_is_offline_within_ten_seconds(stage: Any) -> None:
    await stage.fleet.apply([A])
    (await stage.line(0)).plays()
    stage.clock.seconds += 9
    stage.check()
    assert stage.health("a").state is CameraState.CONNECTING
    stage.clock.seconds += 2
    stage.check()
    assert stage.health("a").state is CameraState.OFFLINE
    assert stage.health("a").reason == "connected, but no keyframe came within 10 s"


async def test_a_keyframe_is_waited_for_as_long_as_the_camera_is_known_to_need(stage: Any) -> None:
    stage.patience.set()
    await stage.fleet.apply([A])
    line = await stage.line(0)
    assert line.keyframe_s == 30  # nothing is known of it
    for _ in range(4):
        line.shows(stage.clock.mono())
        stage.clock.seconds += 8
    line.breaks(Unreachable("gone"))
    second = await stage.line(1)
    assert second.keyframe_s == 24
    second.plays()
    second.breaks(Unreachable("no keyframe for 24 s"))
    third = await stage.line(2)
    assert third.keyframe_s == 30  # perhaps they are rarer now
    third.plays()
    third.breaks(Unreachable("no keyframe for 30 s"))
    assert (await stage.line(3)).keyframe_s == 60


async def test_dropped_pictures_are_added_up_over_connections(stage: Any) -> None:
    stage.patience.set()
    await stage.fleet.apply([A])
    first = await stage.line(0)
    first.dropped = 3
    assert stage.health("a").dropped == 3
    first.breaks(Unreachable("gone"))
    (await stage.line(1)).dropped = 4
    assert stage.health("a").dropped == 7


# ---------------------------------------------------------------------------------------------- dialling


async def test_no_more_are_dialled_at_once_than_the_budget_says(stage: Any) -> None:
    cameras = [CameraOrder(f"c{n}", f"rtsp://10.0.{n % 5}.{n}/", importance=2 - n // 39) for n in range(40)]
    await stage.fleet.apply(cameras)
    await stage.settled()
    assert [line.order.id for line in stage.lines] == [f"c{n}" for n in range(8)]
    assert (stage.fleet.governor.under_way, stage.fleet.governor.waiting) == (8, 32)
    stage.lines[0].plays()
    await stage.settled()
    assert [line.order.id for line in stage.lines[8:]] == ["c39"]  # the important one
    stage.lines[1].breaks(Unreachable("dark"))
    await stage.settled()
    assert len(stage.lines) == 10
    await stage.fleet.close()
    assert (stage.fleet.governor.under_way, stage.fleet.governor.waiting) == (0, 0)


async def test_a_recorder_full_of_cameras_does_not_hold_up_others(stage: Any) -> None:
    recorder = [CameraOrder(f"n{n}", f"rtsp://10.0.0.9:{n}/", importance=1) for n in range(1, 9)]
    await stage.fleet.apply([*recorder, CameraOrder("other", "rtsp://10.0.0.10/")])
    await stage.settled()
    assert [line.order.id for line in stage.lines] == ["n1", "n2", "other"]


async def test_a_busy_camera_waits_out_its_sessions_and_says_why(stage: Any) -> None:
    await stage.fleet.apply([A])
    (await stage.line(0)).breaks(Busy("10.0.0.5:554 serves as many viewers as it can (453)", 61))
    await stage.settled()
    assert 61 in stage.slept
    assert stage.health("a").state is CameraState.OFFLINE
    assert "453" in (stage.health("a").reason or "")
    with pytest.raises(Unreachable, match="453"):
        stage.fleet.keyframes("a")  # somebody wants a picture: it is busy all the same
    stage.clock.seconds += 5
    await stage.settled()
    assert len(stage.lines) == 1


async def test_a_picture_that_is_wanted_now_ends_the_pause(stage: Any) -> None:
    await stage.fleet.apply([A])
    (await stage.line(0)).breaks(Unreachable("dark"))
    await stage.settled()
    stage.clock.seconds += 2
    with pytest.raises(Unreachable, match="dark"):
        stage.fleet.keyframes("a")
    await stage.line(1)


async def test_one_of_long_ago_lets_those_pass_that_went_a_moment_ago(stage: Any) -> None:
    stage.patience.set()
    dead = [CameraOrder(f"d{n}", f"rtsp://10.0.{n}.1/", importance=1) for n in range(9)]
    await stage.fleet.apply([*dead, A])
    await stage.settled()
    stage.clock.seconds += 300
    fresh = CameraOrder("fresh", "rtsp://10.9.9.9/")
    for line in stage.lines[:8]:
        line.breaks(Unreachable("no route"))
    await stage.settled()
    await stage.fleet.apply([*dead, A, fresh])
    await stage.settled()
    waiting_before = len(stage.lines)
    stage.lines[-1].breaks(Unreachable("no route"))
    await stage.settled()
    assert stage.lines[waiting_before].order.id == "fresh"


# ---------------------------------------------------------------------------------------------- refused


def channels(count: int, password: str = "old", refused: str = "") -> list[CameraOrder]:
    """Channels of one recorder."""
    login = Credential("admin", password)
    return [CameraOrder(f"c{n}", f"rtsp://10.0.0.5/{n}", credential=login) for n in range(count)]


async def test_a_recorder_gets_one_wrong_password_and_all_its_channels_say_so(stage: Any) -> None:
    stage.patience.set()
    await stage.fleet.apply(channels(64))
    (await stage.line(0)).breaks(AuthFailed("10.0.0.5:554 refused the user name or password"))
    await stage.settled()
    assert len(stage.lines) == 1
    assert {health.state for health in stage.fleet.health()} == {CameraState.AUTH_FAILED}
    assert "refused the user name" in (stage.health("c63").reason or "")
    stage.fleet.retry("c7")
    await stage.settled()
    assert len(stage.lines) == 2
    stage.lines[1].plays()
    await stage.settled()
    # All are dialled again but the one that was refused itself: it waits for its own retry.
    assert len(stage.lines) == 2 + 2
    assert stage.health("c0").state is CameraState.AUTH_FAILED
    stage.fleet.retry("c0")
    await stage.settled()
    assert stage.health("c0").state is CameraState.CONNECTING


async def test_asking_for_the_main_stream_of_a_stopped_channel_does_not_lose_its_release(stage: Any) -> None:
    stage.patience.set()
    login = Credential("admin", "old")
    both = CameraOrder("both", "rtsp://10.0.0.5/9/main", "rtsp://10.0.0.5/9/sub", login)
    await stage.fleet.apply([*channels(1), both])
    (await stage.line(0)).breaks(AuthFailed("no"))
    await stage.settled()
    with pytest.raises(AuthFailed, match="no"):
        await stage.fleet.main_keyframe("both")
    assert stage.health("both").state is CameraState.AUTH_FAILED
    stage.fleet.retry("c0")
    await stage.settled()
    assert [line.url for line in stage.lines[1:]] == ["rtsp://10.0.0.5/0"]
    stage.lines[1].plays()
    await stage.settled()
    assert [line.url for line in stage.lines[2:]] == [both.sub]


async def test_another_failure_of_the_same_kind_is_no_news(stage: Any) -> None:
    await stage.fleet.apply([A])
    (await stage.line(0)).breaks(Unreachable("dark"))
    await stage.settled()
    count = stage.fleet.changes.count
    stage.patience.set()
    for number in range(1, 5):
        (await stage.line(number)).breaks(Unreachable("dark"))
        await stage.settled()
    assert stage.fleet.changes.count == count


async def test_another_credential_releases_the_recorder(stage: Any) -> None:
    stage.patience.set()
    await stage.fleet.apply(channels(8))
    (await stage.line(0)).breaks(AuthFailed("no"))
    await stage.settled()
    await stage.fleet.apply(channels(8, "new"))
    await stage.settled()
    assert len(stage.lines) == 2
    stage.lines[1].plays()
    stage.lines[1].shows(stage.clock.mono())
    await stage.settled()
    assert CameraState.AUTH_FAILED not in {health.state for health in stage.fleet.health()}


async def test_a_refusal_in_the_life_of_another_worker_is_kept(stage: Any) -> None:
    await stage.fleet.apply([A, CameraOrder("b", "rtsp://10.0.0.6/")], {"a": "refused yesterday"})
    await stage.settled()
    assert [line.order.id for line in stage.lines] == ["b"]
    assert stage.health("a").state is CameraState.AUTH_FAILED
    assert stage.health("a").reason == "refused yesterday"
    stage.fleet.retry("a")
    assert (await stage.line(1)).order.id == "a"


async def test_a_main_stream_that_is_refused_stops_the_camera_at_its_next_break(stage: Any) -> None:
    await stage.fleet.apply([BOTH])
    (await stage.line(0)).shows(stage.clock.mono())
    asked = asyncio.create_task(stage.fleet.main_keyframe("a"))
    (await stage.line(1)).breaks(AuthFailed("no right to the main stream"))
    with pytest.raises(AuthFailed, match="no right"):
        await asked
    health = stage.health("a")
    assert (health.state, health.faults) == (CameraState.ONLINE, ("main_refused",))
    assert "no right" in (health.reason or "")
    with pytest.raises(AuthFailed):
        await stage.fleet.main_keyframe("a")
    stage.patience.set()
    stage.lines[0].breaks(Unreachable("gone"))
    await stage.settled()
    assert stage.health("a").state is CameraState.AUTH_FAILED
    assert len(stage.lines) == 2


# ---------------------------------------------------------------------------------------------- reload


async def test_masks_change_without_another_connection(stage: Any) -> None:
    mask = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0))
    await stage.fleet.apply([A])
    await stage.line(0)
    assert stage.fleet.masks("a") == ()
    before = stage.fleet.digest
    applied = await stage.fleet.apply([replace(A, masks=(mask,))])
    assert (applied.started, applied.stopped, applied.kept) == ((), (), 1)
    assert stage.fleet.masks("a") == (mask,)
    assert stage.fleet.digest != before
    await stage.fleet.apply([])
    with pytest.raises(Unreachable):
        stage.fleet.masks("a")


OLD, NEW = (((0.0, 0.0), (1.0, 0.0), (1.0, 1.0)), ((0.0, 0.0), (0.5, 0.0), (0.5, 0.5)))


async def test_a_picture_of_a_former_address_is_never_shown_under_less_than_its_masks(stage: Any) -> None:
    await stage.fleet.apply([replace(A, masks=(OLD,))])
    line = await stage.line(0)
    line.shows(stage.clock.mono())
    line.farewell = asyncio.Event()
    elsewhere = replace(A, main="rtsp://10.0.0.6/main", masks=(NEW,))
    applying = asyncio.create_task(stage.fleet.apply([elsewhere]))
    seen = []
    for step in range(50):
        await asyncio.sleep(0)
        held = stage.fleet.ring.newest("a") is not None
        seen.append(held)
        assert set(stage.fleet.masks("a")) >= ({OLD} if held else {NEW})
        if step == 25:
            line.farewell.set()
    await applying
    assert seen[0] and not seen[-1], "both were looked at"
    assert stage.fleet.masks("a") == (NEW,)


async def test_new_masks_of_the_same_address_hold_at_once_while_others_say_goodbye(stage: Any) -> None:
    """Also where the camera itself dials anew for another reason: its pictures stay."""
    b = CameraOrder("b", "rtsp://10.0.0.7/main")
    await stage.fleet.apply([replace(A, masks=(OLD,)), b])
    for number in range(2):
        (await stage.line(number)).shows(stage.clock.mono())
        stage.lines[number].farewell = asyncio.Event()
    again = replace(A, credential=Credential("u", "new"), masks=(NEW,))
    applying = asyncio.create_task(stage.fleet.apply([again, replace(b, masks=(NEW,))]))
    await asyncio.sleep(0)
    assert not applying.done()
    assert stage.fleet.masks("a") == stage.fleet.masks("b") == (NEW,)
    for line in stage.lines[:2]:
        line.farewell.set()
    await applying
    assert len(stage.fleet.keyframes("a")) == 1


async def test_of_a_camera_that_goes_nothing_is_shown_while_it_says_goodbye(stage: Any) -> None:
    await stage.fleet.apply([replace(A, masks=(OLD,))])
    line = await stage.line(0)
    line.farewell = asyncio.Event()
    applying = asyncio.create_task(stage.fleet.apply([]))
    await asyncio.sleep(0)
    with pytest.raises(Unreachable, match="not known"):
        stage.fleet.masks("a")
    line.farewell.set()
    await applying


async def test_what_a_line_brings_while_it_is_ended_is_no_picture_of_the_new_address(stage: Any) -> None:
    await stage.fleet.apply([A])
    line = await stage.line(0)
    line.shows(stage.clock.mono())
    await stage.fleet.apply([replace(A, main="rtsp://10.0.0.6/main")])
    line.shows(stage.clock.mono() + 1)
    assert stage.fleet.ring.newest("a") is None


async def test_a_list_that_is_given_up_half_way_leaves_no_picture_of_a_former_address(stage: Any) -> None:
    await stage.fleet.apply([A])
    line = await stage.line(0)
    line.shows(stage.clock.mono())
    line.farewell = asyncio.Event()
    applying = asyncio.create_task(stage.fleet.apply([replace(A, main="rtsp://10.0.0.6/main")]))
    await asyncio.sleep(0)
    applying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await applying
    assert stage.fleet.ring.newest("a") is None
    line.farewell.set()
    await stage.settled()


async def test_others_who_keep_pictures_forget_with_the_ring(stage: Any) -> None:
    forgotten: list[str] = []
    stage.fleet.also_forget(forgotten.append)
    b = CameraOrder("b", "rtsp://10.0.0.7/main")
    await stage.fleet.apply([A, b])
    await stage.fleet.apply([replace(A, credential=Credential("u", "new"), masks=(NEW,)), b])
    assert forgotten == []
    await stage.fleet.apply([replace(A, main="rtsp://10.0.0.6/main"), b])
    assert forgotten == ["a"]
    await stage.fleet.apply([])
    assert forgotten == ["a", "a", "b"]


async def test_importance_and_recording_change_without_another_connection(stage: Any) -> None:
    await stage.fleet.apply([A])
    line = await stage.line(0)
    applied = await stage.fleet.apply([CameraOrder("a", A.main, credential=A.credential, importance=1, record_s=30)])
    assert (applied.started, applied.stopped, applied.kept) == ((), (), 1)
    assert line.outlet is not None
    assert line.outlet.wants_all is True
    assert stage.goodbyes == []
    line.shows(stage.clock.mono())
    line.shows(stage.clock.mono() + 0.04, keyframe=False)
    cut = stage.recorder.cut("a", stage.clock.mono(), stage.clock.mono() + 1)
    assert len(cut.sizes) == 2
    await stage.fleet.apply([A])
    assert line.outlet.wants_all is False


async def test_a_hold_asks_for_all_of_a_camera_that_is_not_recorded(stage: Any) -> None:
    await stage.fleet.apply([A])
    line = await stage.line(0)
    assert line.outlet is not None
    assert line.outlet.wants_all is False
    now = stage.clock.mono()
    stage.recorder.prune(now)
    stage.fleet.hold("a", now - 30, now + 30)
    assert line.outlet.wants_all is True
    stage.clock.seconds += 200
    stage.check()
    assert line.outlet.wants_all is False


# ---------------------------------------------------------------------------------------------- the main stream


BOTH = CameraOrder("a", "rtsp://10.0.0.5/main", "rtsp://10.0.0.5/sub", Credential("u", "p"))


async def test_the_main_stream_is_opened_once_for_all_who_ask_and_closed_when_nobody_does(stage: Any) -> None:
    await stage.fleet.apply([BOTH])
    sub = await stage.line(0)
    sub.shows(stage.clock.mono())
    assert sub.url == BOTH.sub
    askers = [asyncio.create_task(stage.fleet.main_keyframe("a")) for _ in range(5)]
    main = await stage.line(1)
    assert main.url == BOTH.main
    main.shows(stage.clock.mono(), keyframe=False)
    main.shows(stage.clock.mono(), payload=b"large")
    frames = await asyncio.gather(*askers)
    assert {frame.payload for frame in frames} == {b"large"}
    assert (await stage.fleet.main_keyframe("a")).id == frames[0].id
    assert len(stage.fleet.keyframes("a")) == 1  # the ring is the sub-stream's
    stage.clock.seconds += 8
    stage.check()
    await stage.settled()
    assert stage.goodbyes == []
    sub.shows(stage.clock.mono())
    stage.clock.seconds += 3
    stage.check()
    await stage.settled()
    assert stage.goodbyes == [BOTH.main]
    assert stage.health("a").state is CameraState.ONLINE
    again = asyncio.create_task(stage.fleet.main_keyframe("a"))
    (await stage.line(2)).shows(stage.clock.mono())
    await again


async def test_a_main_keyframe_that_is_old_is_not_now(stage: Any) -> None:
    await stage.fleet.apply([BOTH])
    (await stage.line(0)).plays()
    first = asyncio.create_task(stage.fleet.main_keyframe("a"))
    main = await stage.line(1)
    main.shows(stage.clock.mono())
    await first
    stage.clock.seconds += 4
    second = asyncio.create_task(stage.fleet.main_keyframe("a"))
    await stage.settled()
    assert not second.done()
    main.shows(stage.clock.mono())
    assert (await second).id != (await first).id
    assert len(stage.lines) == 2


async def test_a_main_stream_that_fails_tells_everybody_and_rests(stage: Any) -> None:
    await stage.fleet.apply([BOTH])
    (await stage.line(0)).plays()
    askers = [asyncio.create_task(stage.fleet.main_keyframe("a")) for _ in range(3)]
    main = await stage.line(1)
    main.breaks(Unreachable("10.0.0.5:554 hung up"))
    for asker in askers:
        with pytest.raises(Unreachable, match=r"the main stream of camera a: .* hung up"):
            await asker
    with pytest.raises(Unreachable, match="hung up"):
        await stage.fleet.main_keyframe("a")
    assert len(stage.lines) == 2
    stage.clock.seconds += 4
    asyncio.create_task(stage.fleet.main_keyframe("a")).add_done_callback(lambda task: task.exception())
    await stage.line(2)


async def test_a_main_stream_without_a_picture_is_given_up(stage: Any) -> None:
    await stage.fleet.apply([BOTH])
    (await stage.line(0)).plays()
    with pytest.raises(Unreachable, match="showed no picture within"):
        await stage.fleet.main_keyframe("a", 0.05)
    stage.clock.seconds += 11
    stage.check()
    await stage.settled()
    assert stage.goodbyes == [BOTH.main]


async def test_whoever_asks_while_it_is_being_closed_gets_another_session(stage: Any) -> None:
    await stage.fleet.apply([BOTH])
    (await stage.line(0)).plays()
    first = asyncio.create_task(stage.fleet.main_keyframe("a"))
    main = await stage.line(1)
    main.shows(stage.clock.mono())
    await first
    stage.clock.seconds += 11
    stage.check()
    asker = asyncio.create_task(stage.fleet.main_keyframe("a"))
    (await stage.line(2)).shows(stage.clock.mono())
    assert (await asker).received_mono == stage.clock.mono()
    assert stage.goodbyes == [BOTH.main]


async def test_where_there_is_one_stream_its_newest_picture_serves(stage: Any) -> None:
    await stage.fleet.apply([A])
    line = await stage.line(0)
    line.shows(stage.clock.mono(), payload=b"only")
    assert (await stage.fleet.main_keyframe("a")).payload == b"only"
    stage.clock.seconds += 5
    asker = asyncio.create_task(stage.fleet.main_keyframe("a"))
    await stage.settled()
    line.shows(stage.clock.mono(), payload=b"newer")
    assert (await asker).payload == b"newer"
    stage.clock.seconds += 5
    with pytest.raises(Unreachable, match="no picture came within"):
        await stage.fleet.main_keyframe("a", 0.05)
    assert len(stage.lines) == 1


async def test_a_camera_that_goes_takes_its_main_stream_along(stage: Any) -> None:
    await stage.fleet.apply([BOTH])
    (await stage.line(0)).plays()
    asker = asyncio.create_task(stage.fleet.main_keyframe("a"))
    await stage.line(1)
    await stage.fleet.apply([])
    with pytest.raises(Unreachable, match="no longer received"):
        await asker
    assert sorted(stage.goodbyes) == [BOTH.main, BOTH.sub]
    with pytest.raises(Unreachable, match="not known"):
        await stage.fleet.main_keyframe("a")


# ---------------------------------------------------------------------------------------------- nothing leaks


async def test_a_thousand_attempts_leave_nothing_behind(stage: Any) -> None:
    stage.patience.set()
    cameras = [CameraOrder(f"c{n}", f"rtsp://10.0.{n}.1/main", f"rtsp://10.0.{n}.1/sub") for n in range(4)]
    await stage.fleet.apply(cameras)
    await stage.settled()
    before = len(asyncio.all_tasks())
    for attempt in range(1000):
        line = await stage.line(attempt)
        await stage.settled()
        if attempt % 3:
            line.shows(stage.clock.mono())
        line.breaks(Busy("full", 30) if attempt % 7 == 0 else Unreachable("gone"))
        stage.clock.seconds += 1
        stage.check()
    await stage.settled()
    assert len(asyncio.all_tasks()) == before
    assert stage.fleet.governor.under_way + stage.fleet.governor.waiting <= len(cameras)
    await stage.fleet.close()
    assert (stage.fleet.governor.under_way, stage.fleet.governor.waiting) == (0, 0)
    assert stage.fleet._lockout._accounts == {}
    assert len(stage.goodbyes) == len(stage.lines)
