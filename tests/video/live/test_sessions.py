"""Feeds and views as they come and go, without a browser."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection

from gateway.errors import NotSpoken, Unreachable
from gateway.video.live import sessions as module
from gateway.video.live.frames import KEYFRAME, Frame
from gateway.video.live.session import CONNECT_S
from gateway.video.live.sessions import LINGER_S, Own, Pushed, Sessions


@pytest.fixture
async def sessions() -> AsyncIterator[Sessions]:
    made = Sessions(8)
    yield made
    await made.close()


@pytest.fixture
async def offer() -> str:
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    peer.addTransceiver("video", direction="recvonly")
    await peer.setLocalDescription()
    text: str = peer.localDescription.sdp
    await peer.close()
    return text


def show(sessions: Sessions, *times: int, codec: str = "h264") -> None:
    feed = sessions.push("f")
    for number, at in enumerate(times):
        feed.take(Frame(0 if number else KEYFRAME, codec, at, b"\0\0\0\1\x65"))


async def test_a_codec_that_is_not_played_is_named_with_what_would_do(sessions: Sessions, offer: str) -> None:
    show(sessions, 0, codec="h265")
    with pytest.raises(NotSpoken, match=r"is H\.265, which many browsers do not play live.*pictures each second"):
        await sessions.open(Pushed("f"), offer, "a")
    assert sessions.figures()["sessions"] == 0


async def test_b_frames_are_named(sessions: Sessions, offer: str) -> None:
    show(sessions, 0, 7200, 3600)
    with pytest.raises(NotSpoken, match=r"B-frames.*switch them off in the camera"):
        await sessions.open(Pushed("f"), offer, "a")


async def test_a_feed_outlives_its_last_view_by_a_little(sessions: Sessions, offer: str) -> None:
    show(sessions, 0)
    opened = await sessions.open(Pushed("f"), offer, "a")
    now = time.monotonic()
    await sessions.check(now + LINGER_S + 1)
    assert sessions.figures()["feeds"] == 1, "somebody watches"
    before = time.monotonic()
    assert await sessions.end(opened.session.id)
    await sessions.check(before + LINGER_S - 1)
    assert sessions.figures()["feeds"] == 1
    await sessions.check(time.monotonic() + LINGER_S + 1)
    assert sessions.figures()["feeds"] == 0


async def test_who_does_not_connect_is_ended(sessions: Sessions, offer: str) -> None:
    show(sessions, 0)
    before = time.monotonic()
    await sessions.open(Pushed("f"), offer, "a")
    await sessions.check(before + CONNECT_S - 1)
    assert sessions.figures()["sessions"] == 1
    await sessions.check(time.monotonic() + CONNECT_S + 1)
    assert sessions.figures()["sessions"] == 0


async def test_nobody_takes_all_views_however_often_he_logs_in(sessions: Sessions, offer: str) -> None:
    show(sessions, 0)
    wanted = (sessions.open(Pushed("f"), offer, f"wang/{number}") for number in range(20))
    opened = await asyncio.gather(*wanted, return_exceptions=True)
    refused = [str(each) for each in opened if isinstance(each, Unreachable)]
    assert len(refused) == 14
    assert all("wang has 6 live views open" in each for each in refused)
    await sessions.open(Pushed("f"), offer, "li/1")
    assert sessions.figures()["sessions"] == 7


async def test_a_silent_feed_ends_its_views(sessions: Sessions, offer: str) -> None:
    show(sessions, 0)
    opened = await sessions.open(Pushed("f"), offer, "a")
    opened.session.feed.came_at -= module.SILENT_S
    await sessions.check(time.monotonic() + 1)
    await sessions.check(time.monotonic() + 1)
    assert (sessions.figures()["sessions"], sessions.figures()["feeds"]) == (0, 0)


async def test_who_begins_with_a_camera_that_shows_nothing_is_told(sessions: Sessions, offer: str) -> None:
    show(sessions, 0)
    opened = await sessions.open(Pushed("f"), offer, "a")
    opened.session.feed.came_at -= module.STALE_S + 1
    with pytest.raises(Unreachable, match="the uplink f has shown nothing for 10 s"):
        await sessions.open(Pushed("f"), offer, "b")
    assert sessions.figures()["sessions"] == 1


async def test_an_uplink_that_ends_is_missed_after_a_little(sessions: Sessions, offer: str) -> None:
    show(sessions, 0)
    opened = await sessions.open(Pushed("f"), offer, "a")
    feed = opened.session.feed
    before = time.monotonic()
    sessions.pushed(feed)
    await sessions.check(before + LINGER_S - 1)
    assert sessions.push("f") is feed, "the next connection goes on with it"
    sessions.pushed(feed)
    await sessions.check(time.monotonic() + LINGER_S + 1)
    assert feed.over.is_set()
    await sessions.check(time.monotonic())
    assert sessions.figures()["sessions"] == 0


async def test_a_worker_that_is_not_there_is_said_each_time(sessions: Sessions, offer: str) -> None:
    for _ in range(2):
        with pytest.raises(Unreachable, match="the video worker of camera c broke off"):
            await sessions.open(Own("c", "sub", ("/nowhere/w.sock",)), offer, "a")
    assert sessions.figures()["feeds"] == 0


async def test_who_looks_anew_at_a_stream_that_has_ended_leaves_nothing_of_it_behind(
    sessions: Sessions, offer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = asyncio.Event()

    async def silent(*_: object) -> AsyncGenerator[Frame]:
        try:
            yield Frame(KEYFRAME, "h264", 0, b"\0\0\0\1\x65")
            await asyncio.Event().wait()
        finally:
            closed.set()

    monkeypatch.setattr(module, "frames", silent)
    camera = Own("c", "sub", ())
    ended = (await sessions.open(camera, offer, "a")).session.feed
    ended.end()
    assert (await sessions.open(camera, offer, "a")).session.feed is not ended
    await asyncio.wait_for(closed.wait(), 30)
