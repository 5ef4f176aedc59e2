"""What a view sends, and when."""

import asyncio
from itertools import pairwise

import av
import pytest
from aiortc.codecs.h264 import H264Encoder
from aiortc.mediastreams import VIDEO_TIME_BASE, MediaStreamError
from hypothesis import given
from hypothesis import strategies as st

from gateway.video.live.feed import BEHIND_UNITS, Feed, hollow
from gateway.video.live.frames import BACKLOG, KEYFRAME, STILL, Frame
from gateway.video.live.track import AT_ONCE, PassedTrack, Timeline


def frame(number: int, flags: int = 0, codec: str = "h264") -> Frame:
    return Frame(flags, codec, number * 3600, b"\0\0\0\1\x41" + bytes([number % 256]))


def test_a_gop_at_once_and_then_the_cameras_pace() -> None:
    timeline = Timeline()
    times = [timeline.of(frame(number), number < 5, 10.0 + 0.04 * max(0, number - 4)) for number in range(8)]
    steps = [after - before for before, after in pairwise(times)]
    assert steps == [AT_ONCE] * 4 + [3600] * 3


def test_a_clock_that_jumps_is_followed_by_ours() -> None:
    timeline = Timeline()
    first = timeline.of(frame(1000), False, 10.0)
    assert timeline.of(frame(1), False, 10.5) - first == 45_000


@given(st.lists(st.tuples(st.integers(-(2**40), 2**40), st.booleans(), st.floats(0, 30)), min_size=2, max_size=30))
def test_times_rise_strictly_whatever_comes(steps: list[tuple[int, bool, float]]) -> None:
    timeline, now, times = Timeline(), 0.0, []
    for time, at_once, wait in steps:
        now += wait
        times.append(timeline.of(Frame(0, "h264", time, b""), at_once, now))
    assert times == sorted(set(times))


async def test_a_view_that_begins_late_has_the_gop_of_then() -> None:
    feed, begun = Feed("f", "the stream"), []
    track = PassedTrack(feed, lambda: begun.append(True))
    for number in range(60):
        feed.take(frame(number, KEYFRAME if number % 25 == 0 else 0))
    assert feed.start == "gop"
    packets = [await track.recv() for _ in range(10)]
    last = packets[-1].pts
    assert last is not None
    assert [bytes(packet)[-1] for packet in packets] == list(range(50, 60))
    assert (begun, track.sent) == ([True], 10)
    feed.take(frame(60))
    assert (await track.recv()).pts == last + 3600
    track.stop()
    with pytest.raises(MediaStreamError):
        await track.recv()


async def test_a_still_is_followed_by_the_next_keyframe() -> None:
    feed = Feed("f", "the stream")
    feed.take(frame(9, KEYFRAME | STILL))
    assert (feed.codec, feed.start) == ("h264", "idr")
    viewing = feed.join()
    for number in range(20, 30):
        feed.take(frame(number, KEYFRAME if number == 25 else 0))
    seen = [await viewing.next() for _ in range(6)]
    assert [each and (each[0].time // 3600, each[1]) for each in seen] == [
        (9, True),
        *((number, False) for number in range(25, 30)),
    ]


async def test_the_slow_view_goes_on_with_a_keyframe_and_the_end_is_told() -> None:
    feed = Feed("f", "the stream")
    feed.take(frame(0, KEYFRAME | BACKLOG))
    viewing = feed.join()
    for number in range(1, BEHIND_UNITS + 10):
        feed.take(frame(number))
    feed.take(frame(500, KEYFRAME))
    taken = await viewing.next()
    assert taken is not None
    assert taken[0].time == 500 * 3600
    assert feed.dropped == BEHIND_UNITS + 10
    feed.end()
    assert await viewing.next() is None
    assert await feed.join().next() is not None, "what was kept"
    feed.leave(viewing)
    assert feed.dropped == BEHIND_UNITS + 10


async def test_another_codec_ends_the_feed_and_b_frames_are_noticed() -> None:
    feed = Feed("f", "the stream")
    for number, time in enumerate((0, 2, 1)):
        feed.take(frame(time, KEYFRAME if not number else 0))
    assert feed.reordered
    feed.take(frame(3, KEYFRAME, codec="h265"))
    assert feed.over.is_set()
    async with asyncio.timeout(5):
        assert await feed.ready(1) == "h264"


PIECES = st.lists(
    st.sampled_from([b"\0", b"\0\0\1", b"\0\0\0\1", b"\1", b"\x65", b"x" * 700, b"y" * 1400]), max_size=12
)


@given(PIECES)
def test_whatever_is_passed_on_can_be_cut_into_packets(pieces: list[bytes]) -> None:
    payload = b"".join(pieces)
    if not hollow(payload):
        packet = av.Packet(payload)
        packet.pts, packet.time_base = 0, VIDEO_TIME_BASE
        for part in H264Encoder().pack(packet)[0]:
            assert 0 < len(part) <= 1300


async def test_a_unit_with_nothing_in_it_breaks_no_view() -> None:
    feed = Feed("f", "the stream")
    feed.take(frame(0, KEYFRAME))
    viewing = feed.join()
    feed.take(Frame(0, "h264", 3600, b"\0\0\1\0\0\1\x41"))
    feed.take(frame(2))
    feed.take(frame(3, KEYFRAME))
    seen = [await viewing.next() for _ in range(2)]
    assert [each and each[0].time // 3600 for each in seen] == [0, 3]
    assert feed.dropped == 1
