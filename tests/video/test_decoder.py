import asyncio
import os
import resource
import signal
from collections.abc import AsyncIterator, Callable

import av
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import DeviceError
from gateway.video.decoder import BadKeyframe, Decoder, child_environment
from gateway.video.decoder_child import ADDRESS_SPACE, Undecodable, decode, fit


@pytest.fixture
async def decoder() -> AsyncIterator[Decoder]:
    one = Decoder()
    yield one
    await one.close()


def pixels(jpeg: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)


@given(st.integers(2, 8000), st.integers(2, 8000), st.integers(16, 4000))
def test_fitting_keeps_even_sides_and_the_aspect(width: int, height: int, widest: int) -> None:
    wide, high = fit(width, height, widest)
    assert wide % 2 == high % 2 == 0
    assert 2 <= wide <= min(width, widest)
    assert high >= 2
    assert abs(high - height * wide / width) <= 2


async def test_a_keyframe_becomes_a_jpeg_of_the_asked_width(decoder: Decoder, keyframe: bytes) -> None:
    picture = await decoder.picture(keyframe, "h264", 320)
    shown = pixels(picture.jpeg)
    assert shown.shape == (picture.height, picture.width) == (262, 320)
    assert shown[:, :140].mean() < 40
    assert shown[:, 180:].mean() > 180


async def test_a_picture_is_never_enlarged(decoder: Decoder, keyframe: bytes) -> None:
    picture = await decoder.picture(keyframe, "h264", 4000)
    assert (picture.width, picture.height) == (704, 576)


async def test_h265_is_decoded_too(decoder: Decoder) -> None:
    context = av.CodecContext.create("libx265", "w")
    context.width, context.height, context.pix_fmt, context.framerate = 320, 240, "yuv420p", 25
    context.options = {"preset": "ultrafast", "x265-params": "log-level=none:pools=1"}
    frame = av.VideoFrame.from_ndarray(np.zeros((240, 320, 3), np.uint8), format="bgr24")
    payload = b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])
    picture = await decoder.picture(payload, "h265", 160)
    assert (picture.width, picture.height) == (160, 120)


@pytest.mark.parametrize("junk", [b"", b"\x00\x00\x00\x01\x65junk", os.urandom(5000)])
async def test_junk_is_a_bad_keyframe_and_costs_no_child(decoder: Decoder, keyframe: bytes, junk: bytes) -> None:
    await decoder.warm()
    pid = decoder.pid
    with pytest.raises(BadKeyframe):
        await decoder.picture(junk, "h264", 640)
    assert (await decoder.picture(keyframe, "h264", 640)).width == 640
    assert decoder.pid == pid
    assert (decoder.decoded, decoder.failed, decoder.deaths) == (1, 1, 0)


def test_half_a_keyframe_is_damaged_rather_than_grey(encode_keyframe: Callable[[int, int], bytes]) -> None:
    whole = encode_keyframe(640, 480)
    with pytest.raises(Undecodable, match=r"damaged|made no picture|refused"):
        decode(whole[: len(whole) * 2 // 3], "h264", 640)


async def test_a_codec_that_we_do_not_know_is_refused(decoder: Decoder) -> None:
    with pytest.raises(BadKeyframe, match="pictures of vp8 cannot be made"):
        await decoder.picture(b"x", "vp8", 640)


async def test_a_child_that_dies_costs_one_picture(decoder: Decoder, keyframe: bytes) -> None:
    await decoder.warm()
    pid = decoder.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)  # in the midst of the picture, for as long as we like
    asking = asyncio.create_task(decoder.picture(keyframe, "h264", 640))
    next_one = asyncio.create_task(decoder.picture(keyframe, "h264", 320))
    await asyncio.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(BadKeyframe, match="died of the keyframe"):
        await asking
    assert (await next_one).width == 320
    assert decoder.pid != pid
    assert decoder.deaths == 1


async def test_a_child_that_hangs_is_killed_at_the_deadline(keyframe: bytes) -> None:
    decoder = Decoder(deadline_s=0.2)
    try:
        await decoder.warm()
        pid = decoder.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(BadKeyframe, match=r"not decoded within 0\.2 s"):
            await decoder.picture(keyframe, "h264", 640)
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    finally:
        await decoder.close()


async def test_a_cancelled_picture_is_not_given_to_the_next_one(decoder: Decoder, keyframe: bytes) -> None:
    await decoder.warm()
    assert decoder.pid is not None
    os.kill(decoder.pid, signal.SIGSTOP)
    asking = asyncio.create_task(decoder.picture(keyframe, "h264", 640))
    await asyncio.sleep(0.05)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert (await decoder.picture(keyframe, "h264", 160)).width == 160


async def test_too_many_waiting_are_refused_at_once(keyframe: bytes) -> None:
    decoder = Decoder(queue=2)
    try:
        await decoder.warm()
        results = await asyncio.gather(
            *(decoder.picture(keyframe, "h264", 64) for _ in range(4)), return_exceptions=True
        )
    finally:
        await decoder.close()
    busy = [result for result in results if isinstance(result, DeviceError)]
    assert len(busy) == 2
    assert all("busy" in str(fault) and not isinstance(fault, BadKeyframe) for fault in busy)


async def test_the_child_has_limits_and_none_of_our_secrets(decoder: Decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAM_PASSWORD", "geheim")
    await decoder.warm()
    pid = decoder.pid
    assert pid is not None
    assert resource.prlimit(pid, resource.RLIMIT_AS) == (ADDRESS_SPACE, ADDRESS_SPACE)
    assert resource.prlimit(pid, resource.RLIMIT_NOFILE)[1] <= 16
    assert os.getpriority(os.PRIO_PROCESS, pid) > os.getpriority(os.PRIO_PROCESS, 0)
    with open(f"/proc/{pid}/environ", "rb") as environment:
        assert b"geheim" not in environment.read()
    assert "CAM_PASSWORD" not in child_environment()


async def test_closing_leaves_no_process() -> None:
    decoder = Decoder()
    await decoder.warm()
    pid = decoder.pid
    await decoder.close()
    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
