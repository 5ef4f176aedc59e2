"""Who reads a camera's stream in the worker."""

import struct
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gateway.ports import AccessUnit
from gateway.video.clips.footage import Segment
from gateway.video.live.frames import Frame, FrameReader
from gateway.video.live.tap import BEHIND_UNITS, CLOCK_RATE, GOP_BYTES, Reader, Taps, Times
from gateway.video.pictures.ring import StoredKeyframe

STEP = 3600


def unit(number: int, keyframe: bool = False, payload: bytes | None = None, codec: str = "h264") -> AccessUnit:
    payload = payload if payload is not None else struct.pack(">I", number)
    return AccessUnit("c1", 100 + number / 25, keyframe, codec, payload, (2**32 - 5 * STEP + number * STEP) % 2**32)


async def read(reader: Reader) -> list[Frame]:
    return list(FrameReader().feed(await reader.read()))


def numbers(frames: list[Frame]) -> list[int]:
    return [struct.unpack(">I", frame.payload)[0] for frame in frames]


async def test_a_reader_begins_with_the_recorded_gop_and_goes_on() -> None:
    segment = Segment(unit(0, True), True)
    for number in (1, 2, 3):
        segment.add(unit(number))
    taps = Taps(lambda: 1000.0)
    reader = taps.open(segment, None)
    for number in (4, 5, 6):
        taps.unit(unit(number))
    frames = await read(reader)
    assert numbers(frames) == list(range(7))
    assert [frame.backlog for frame in frames] == [True] * 4 + [False] * 3
    assert [frame.keyframe for frame in frames] == [True] + [False] * 6
    assert {after.time - before.time for before, after in pairwise(frames)} == {STEP}
    assert frames[0].time == 100 * CLOCK_RATE
    assert frames[5].captured_ms == 1_100_200


async def test_without_a_recorder_a_still_and_then_the_next_keyframe() -> None:
    taps = Taps(lambda: 0.0)
    reader = taps.open(None, StoredKeyframe("k", "c1", 99.0, "h264", struct.pack(">I", 77)))
    for number in (0, 1):
        taps.unit(unit(number))
    taps.unit(unit(2, True))
    taps.unit(unit(3))
    frames = await read(reader)
    assert numbers(frames) == [77, 2, 3]
    assert [frame.still for frame in frames] == [True, False, False]
    assert frames[0].time < frames[1].time
    later = taps.open(None, StoredKeyframe("k", "c1", 99.0, "h264", b"never shown"))
    assert numbers(await read(later)) == [2, 3], "the GOP is kept while somebody reads"


async def test_the_slow_lose_units_and_go_on_with_a_keyframe() -> None:
    taps = Taps(lambda: 0.0)
    slow, quick = taps.open(None, None), taps.open(None, None)
    seen = []
    taps.unit(unit(0, True))
    for number in range(1, BEHIND_UNITS + 20):
        taps.unit(unit(number))
        seen += numbers(await read(quick))
    taps.unit(unit(1000, True))
    taps.unit(unit(1001))
    assert numbers(await read(slow)) == [1000, 1001]
    assert slow.dropped == BEHIND_UNITS + 20
    assert seen[1:] == list(range(1, BEHIND_UNITS + 20))
    assert quick.dropped == 0
    slow.close()
    assert taps.dropped == BEHIND_UNITS + 20


async def test_after_a_break_the_next_keyframe_and_rising_times() -> None:
    taps = Taps(lambda: 0.0)
    reader = taps.open(None, None)
    taps.unit(unit(0, True))
    taps.broke()
    taps.unit(AccessUnit("c1", 110.0, True, "h264", struct.pack(">I", 7), 5))
    frames = await read(reader)
    assert numbers(frames) == [0, 7]
    assert frames[1].time - frames[0].time == 10 * CLOCK_RATE
    assert taps.open(None, None) is not reader
    assert taps.readers == 2


async def test_a_gop_too_long_to_keep_is_not_kept() -> None:
    taps = Taps(lambda: 0.0)
    first = taps.open(None, None)
    taps.unit(unit(0, True, bytes(GOP_BYTES // 2)))
    taps.unit(unit(1, False, bytes(GOP_BYTES // 2 + 1)))
    await first.read()
    second = taps.open(None, StoredKeyframe("k", "c1", 100.0, "h264", b"\0\0\0\x09"))
    assert numbers(await read(second)) == [9]


async def test_nothing_is_kept_once_nobody_reads_and_an_end_is_told() -> None:
    taps = Taps(lambda: 0.0)
    reader = taps.open(None, None)
    taps.unit(unit(0, True))
    taps.unit(unit(1, True, codec="vp8"))
    assert numbers(await read(reader)) == [0]
    taps.close()
    assert await reader.read() == b""
    assert not taps.wanted
    taps.unit(unit(2))
    again = taps.open(None, None)
    taps.unit(unit(3))
    again.close()
    assert await again.read() == b""


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.floats(0, 100)), min_size=2, max_size=40))
def test_times_stay_near_the_clock_whatever_the_camera_says(steps: list[tuple[int, float]]) -> None:
    times, now = Times(), 1000.0
    for rtp_time, wait in steps:
        now += wait
        drift = times.of(rtp_time, now) / CLOCK_RATE - now
        assert abs(drift) < 10.1 * len(steps)


def test_b_frames_keep_their_order() -> None:
    times = Times()
    assert [times.of(rtp, 1 + n / 25) - 90_000 for n, rtp in enumerate((0, 7200, 3600))] == [0, 7200, 3600]
