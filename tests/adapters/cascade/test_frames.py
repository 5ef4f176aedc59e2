import asyncio
import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.cascade.frames import Frames


def frame(number: int, key: bool, size: int = 100) -> bytes:
    return struct.pack(">BBBBqQI", 1, int(key), 1, 0, number, 0, size) + bytes(size)


def number(held: bytes) -> int:
    return int.from_bytes(held[4:12], "big")


async def taken(frames: Frames) -> list[int]:
    return [number(each) async for each in frames]


async def test_a_reader_gets_all_in_order_and_the_end() -> None:
    frames = Frames()
    reading = asyncio.create_task(taken(frames))
    for each in range(3):
        frames.put(frame(each, each == 0))
        await asyncio.sleep(0)
    frames.end()
    assert await reading == [0, 1, 2]


async def test_a_slow_reader_loses_to_the_next_keyframe() -> None:
    frames = Frames(most=400)
    for each in range(10):
        frames.put(frame(each, each in (0, 7)))
    frames.end()
    assert await taken(frames) == [7, 8, 9]
    assert frames.left_out == 7


@given(st.lists(st.booleans(), max_size=60), st.integers(200, 900), st.lists(st.integers(0, 5), max_size=60))
def test_what_is_left_can_be_decoded(keys: list[bool], most: int, reads: list[int]) -> None:
    """Whatever is taken when: each frame that is given follows the one before it, or is a keyframe."""

    async def play() -> tuple[list[int], int]:
        frames = Frames(most)
        given_out = []
        for each, key in enumerate(keys):
            frames.put(frame(each, key))
            for _ in range(reads[each] if each < len(reads) else 0):
                if frames._held:
                    given_out.append(number(await anext(frames)))
        frames.end()
        return given_out + await taken(frames), frames.left_out

    got, left_out = asyncio.run(play())
    assert len(got) + left_out == len(keys)
    for before, after in itertools.pairwise(got):
        assert after == before + 1 or (after > before and keys[after])


def test_what_is_no_frame_is_said() -> None:
    with pytest.raises(ValueError, match="its header alone has 24"):
        Frames().put(b"short")
