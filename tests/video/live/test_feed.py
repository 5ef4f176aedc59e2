"""What a view of a feed is given, and what it is not."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from gateway.errors import Unreachable
from gateway.video.live import feed as module
from gateway.video.live.feed import BEHIND_UNITS, Feed, Viewing, hollow
from gateway.video.live.frames import KEYFRAME, STILL, Frame


def unit(time: int, flags: int = 0, size: int = 4) -> Frame:
    return Frame(flags, "h264", time, b"\0\0\0\1\x65" + bytes(size))


async def taken(viewing: Viewing) -> list[tuple[int, bool]]:
    """(time, at once) of all that is there, once it has ended."""
    viewing.end()
    found = []
    while (unit := await viewing.next()) is not None:
        found.append((unit[0].time, unit[1]))
    return found


async def test_a_view_begins_with_the_gop_so_far() -> None:
    feed = Feed("f", "camera f")
    for time in (0, 1, 2):
        feed.take(unit(time, 0 if time else KEYFRAME))
    viewing = feed.join()
    feed.take(unit(3))
    assert (feed.start, await taken(viewing)) == ("gop", [(0, True), (1, True), (2, True), (3, False)])


async def test_where_no_gop_is_kept_it_begins_with_a_still_and_moves_with_the_next_keyframe() -> None:
    feed = Feed("f", "camera f")
    feed.take(unit(0, KEYFRAME | STILL))
    viewing = feed.join()
    for time, flags in ((1, 0), (2, KEYFRAME), (3, 0)):
        feed.take(unit(time, flags))
    assert feed.dropped == 0  # nobody was too slow
    assert await taken(viewing) == [(0, True), (2, False), (3, False)]


async def test_who_is_too_slow_goes_on_with_a_keyframe_and_it_is_counted() -> None:
    viewing = Viewing([], None)
    for time in range(BEHIND_UNITS + 10):
        viewing.put(unit(time, 0 if time else KEYFRAME))
    viewing.put(unit(1000, KEYFRAME))
    viewing.put(unit(1001))
    assert viewing.dropped == BEHIND_UNITS + 10
    assert await taken(viewing) == [(1000, False), (1001, False)]


async def test_heavy_pictures_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BEHIND_BYTES", 100_000)
    viewing = Viewing([unit(0, KEYFRAME, 40_000)], None)
    viewing.put(unit(1, 0, 40_000))
    viewing.put(unit(2, 0, 40_000))
    assert viewing.dropped == 3
    viewing.put(unit(3, KEYFRAME, 40_000))
    assert await viewing.next() == (unit(3, KEYFRAME, 40_000), False)
    for time in (4, 5):  # what was taken weighs no more
        viewing.put(unit(time, 0, 40_000))
    assert await taken(viewing) == [(4, False), (5, False)]
    assert viewing.dropped == 3


async def test_another_codec_ends_it() -> None:
    feed = Feed("f", "camera f")
    feed.take(unit(0, KEYFRAME))
    viewing = feed.join()
    feed.take(Frame(KEYFRAME, "h265", 1, b"\0\0\0\1\x65"))
    assert feed.over.is_set()
    assert await viewing.next() == (unit(0, KEYFRAME), True)
    assert await viewing.next() is None


async def test_a_camera_that_never_showed_anything_is_not_asked_again() -> None:
    asked = []

    async def source() -> AsyncGenerator[Frame]:
        asked.append(1)
        raise Unreachable("camera f is off")
        yield unit(0)  # a generator

    feed = Feed("f", "camera f")
    await asyncio.wait_for(feed.run(source), 30)
    assert len(asked) == 1
    with pytest.raises(Unreachable, match="camera f is off"):
        await feed.ready(30)


async def test_one_that_broke_off_is_asked_again_and_goes_on_with_a_keyframe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AGAIN_S", 0.0)
    connections = iter([[unit(0, KEYFRAME), unit(1)], [unit(2), unit(3, KEYFRAME)]])
    feed = Feed("f", "camera f")

    async def source() -> AsyncGenerator[Frame]:
        for each in next(connections, ()):
            yield each
        if next(left) == 1:
            feed.end()

    left = iter([2, 1])
    viewing = feed.join()
    await asyncio.wait_for(feed.run(source), 30)
    assert await taken(viewing) == [(0, False), (1, False), (3, False)]


@pytest.mark.parametrize(
    ("payload", "is_hollow"),
    [
        (b"\0\0\0\1\x65\1\2", False),
        (b"\0\0\0\1\x67\1\0\0\0\1\x65\1", False),
        (b"\0\0\1\0\0\1\x65", True),
        (b"\0\0\0\1\0\0\0\1\x65", True),
        (b"\0\0\0\1\x65\0\0\1", True),
    ],
)
def test_a_nal_unit_with_nothing_in_it_is_seen(payload: bytes, is_hollow: bool) -> None:
    assert hollow(payload) == is_hollow
