import asyncio
import contextlib
import os
import random
import signal
from array import array
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import av
import pytest

from gateway.errors import DeviceError
from gateway.video.clips.footage import KEYFRAME, Cut
from gateway.video.decoder.muxer import Mp4, Muxer

Until = Callable[[Callable[[], object]], Awaitable[None]]
Streams = Callable[..., list[tuple[bytes, bool]]]


@pytest.fixture
async def muxer() -> AsyncIterator[Muxer]:
    one = Muxer()
    yield one
    await one.close()


def cut_of(units: list[tuple[bytes, bool]], codec: str = "h264") -> Cut:
    numbers = range(len(units))
    return Cut(
        "c1",
        codec,
        array("I", [len(payload) for payload, _ in units]),
        bytes(KEYFRAME * keyframe for _, keyframe in units),
        array("d", [70.0 + n / 25 for n in numbers]),
        array("I", [n * 3600 for n in numbers]),
        tuple(payload for payload, _ in units),
    )


@pytest.fixture
def cut(encode_stream: Streams) -> Callable[[], Cut]:
    return lambda: cut_of(encode_stream(50))


def pictures(mp4: Mp4, directory: Path) -> int:
    path = directory / "clip.mp4"
    path.write_bytes(b"".join(mp4.pieces))
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


async def test_a_clip_and_its_true_times(muxer: Muxer, cut: Callable[[], Cut], tmp_path: Path) -> None:
    mp4 = await muxer.clip(cut)
    assert (mp4.from_mono, mp4.to_mono, mp4.codec) == (70.0, 70.0 + 49 / 25, "h264")
    assert pictures(mp4, tmp_path) == 50
    assert (muxer.made, muxer.failed) == (1, 0)


async def test_a_long_clip_comes_in_pieces_and_whole(muxer: Muxer, encode_stream: Streams, tmp_path: Path) -> None:
    units = encode_stream(50)
    filler = b"\0\0\0\1\x0c" + b"\xff" * 400_000 + b"\x80"  # filler data, NAL unit type 12: 20 MB of it
    mp4 = await muxer.clip(lambda: cut_of([(payload + filler, keyframe) for payload, keyframe in units]))
    assert len(mp4.pieces) > 50
    assert pictures(mp4, tmp_path) == 50


async def test_no_clip_of_junk_and_the_reason_in_words(muxer: Muxer, cut: Callable[[], Cut]) -> None:
    with pytest.raises(DeviceError, match="no clip of camera c1: no keyframe of the clip can be decoded"):
        await muxer.clip(lambda: cut_of([(b"\0\0\0\1\x65junk", True)]))
    pid = muxer.pid
    await muxer.clip(cut)
    assert muxer.pid == pid
    assert (muxer.made, muxer.failed) == (1, 1)


@pytest.mark.parametrize(("encoder", "codec"), [("libx264", "h264"), ("libx265", "h265")])
async def test_damaged_video_ends_in_a_clip_or_in_words(
    muxer: Muxer, encode_stream: Streams, encoder: str, codec: str
) -> None:
    """The child survives it; if it did not, that would cost the one clip, but these are things that cameras do."""
    options = {"x265-params": "log-level=none:pools=1"} if codec == "h265" else {}
    units = encode_stream(50, encoder, **options)
    pid = None
    for seed in range(25):
        dice = random.Random(seed)
        damaged = []
        for payload, keyframe in units:
            torn = bytearray(payload[: dice.randrange(len(payload)) + 1] if dice.random() < 0.1 else payload)
            for _ in range(dice.randrange(4)):
                torn[dice.randrange(len(torn))] = dice.randrange(256)
            damaged.append((bytes(torn), keyframe))
        with contextlib.suppress(DeviceError):
            await muxer.clip(lambda units=damaged: cut_of(units, codec))  # type: ignore[misc]
        pid = pid or muxer.pid
        assert muxer.pid == pid
    assert muxer.made > 0


async def test_what_the_recorder_has_not_is_told_in_its_words(muxer: Muxer) -> None:
    def nothing() -> Cut:
        raise DeviceError("no video of camera c1 from that time is kept")

    with pytest.raises(DeviceError, match="from that time is kept"):
        await muxer.clip(nothing)
    assert muxer.pid is None


async def test_a_child_that_dies_costs_one_clip(muxer: Muxer, cut: Callable[[], Cut], tmp_path: Path) -> None:
    await muxer.clip(cut)
    pid = muxer.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    asking = asyncio.create_task(muxer.clip(cut))
    next_one = asyncio.create_task(muxer.clip(cut))
    await asyncio.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(DeviceError, match="died of the video of camera c1"):
        await asking
    assert pictures(await next_one, tmp_path) == 50


async def test_a_child_that_hangs_is_killed_at_the_deadline(cut: Callable[[], Cut]) -> None:
    muxer = Muxer()
    try:
        await muxer.clip(cut)
        pid = muxer.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        muxer._deadline = 0.2
        with pytest.raises(DeviceError, match=r"not made within 0\.2 s"):
            await muxer.clip(cut)
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    finally:
        await muxer.close()


async def test_a_cancelled_clip_is_not_given_to_the_next_one(
    muxer: Muxer, cut: Callable[[], Cut], encode_stream: Streams, tmp_path: Path
) -> None:
    await muxer.clip(cut)
    assert muxer.pid is not None
    os.kill(muxer.pid, signal.SIGSTOP)
    asking = asyncio.create_task(muxer.clip(cut))
    await asyncio.sleep(0.05)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert pictures(await muxer.clip(lambda: cut_of(encode_stream(30))), tmp_path) == 30


async def test_too_many_waiting_are_refused_at_once(cut: Callable[[], Cut]) -> None:
    muxer = Muxer(queue=1)
    try:
        results = await asyncio.gather(*(muxer.clip(cut) for _ in range(3)), return_exceptions=True)
    finally:
        await muxer.close()
    assert sum(isinstance(result, Mp4) for result in results) == 1
    assert all("too many clips" in str(result) for result in results if not isinstance(result, Mp4))


async def test_what_waits_holds_no_video(muxer: Muxer, cut: Callable[[], Cut]) -> None:
    called: list[int] = []

    def counted() -> Cut:
        called.append(muxer.made)
        return cut()

    await asyncio.gather(*(muxer.clip(counted) for _ in range(3)))
    assert called == [0, 1, 2]


async def test_the_child_lives_while_clips_are_asked_for(cut: Callable[[], Cut], until: Until) -> None:
    muxer = Muxer(idle_s=0.2)
    try:
        await muxer.clip(cut)
        pid = muxer.pid
        assert pid is not None
        await until(lambda: muxer.pid is None)
        await until(lambda: not Path(f"/proc/{pid}").exists())
        await muxer.clip(cut)
    finally:
        await muxer.close()


async def test_closing_leaves_no_process(cut: Callable[[], Cut]) -> None:
    muxer = Muxer()
    await muxer.clip(cut)
    pid = muxer.pid
    await muxer.close()
    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
