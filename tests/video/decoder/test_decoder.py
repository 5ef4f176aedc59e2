import asyncio
import contextlib
import math
import os
import random
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
from gateway.video.decoder.decoder import BadKeyframe, Decoder, Difference, child_environment
from gateway.video.decoder.remux import Undecodable
from gateway.video.decoder.wire import WHOLE
from gateway.video.decoder_child import ADDRESS_SPACE, black_out, decode, fit


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


@pytest.mark.parametrize("width", [704, 320, 64])
async def test_what_is_masked_is_black_and_nothing_else(decoder: Decoder, width: int) -> None:
    left = ((0.0, 0.0), (0.25, 0.0), (0.25, 1.0), (0.0, 1.0))
    corner = ((1.0, 0.5), (1.0, 1.0), (0.5, 1.0))
    bright = grey(200)
    bare = pixels((await decoder.picture(bright, "h264", width)).jpeg)
    assert bare.min() > 150
    shown = pixels((await decoder.picture(bright, "h264", width, [left, corner])).jpeg)
    high, wide = shown.shape
    edge = max(8, wide // 40)  # JPEG blurs an edge within its blocks
    assert shown[:, : wide // 4 - edge].max(initial=0) < 12
    assert shown[high - 4 :, wide - 4 :].max() < 12
    assert shown[: high // 2 - edge, wide // 4 + edge :].min() > 150
    assert (await decoder.picture(bright, "h264", width)).jpeg != b""  # and the next one is whole again
    assert pixels((await decoder.picture(bright, "h264", width)).jpeg).min() > 150


def test_a_mask_that_crosses_itself_has_no_hole() -> None:
    shown = np.full((200, 200, 3), 255, np.uint8)
    star = [(round(WHOLE * (0.5 + 0.4 * math.sin(turn))), round(WHOLE * (0.5 - 0.4 * math.cos(turn)))) for turn in
            (corner * 2 * math.tau / 5 for corner in range(5))]  # fmt: skip
    black_out(shown, star)
    assert shown[100, 100].max() == 0
    assert shown[5, 5].min() == 255


@pytest.mark.parametrize("size", [(90, 160), (1080, 1920)])
def test_a_narrow_mask_at_an_edge_is_not_lost_beyond_it(size: tuple[int, int]) -> None:
    shown = np.full((*size, 3), 200, np.uint8)
    near = WHOLE - WHOLE // 10_000
    black_out(shown, [(near, 0), (WHOLE, 0), (WHOLE, WHOLE), (near, WHOLE)])
    black_out(shown, [(0, near), (WHOLE, near), (WHOLE, WHOLE), (0, WHOLE)])
    assert (shown[:, -1] == 0).all() and (shown[-1] == 0).all()
    assert (shown[:-2, :-2] == 200).all()


async def test_a_mask_of_everything_leaves_nothing(decoder: Decoder) -> None:
    whole = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
    assert pixels((await decoder.picture(grey(200), "h264", 320, [whole])).jpeg).max() < 12


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


async def test_h265_that_opens_with_a_cra_picture_is_decoded_too(
    decoder: Decoder, encode_stream: Callable[..., list[tuple[bytes, bool]]]
) -> None:
    params = "log-level=none:pools=1:open-gop=1:bframes=3:keyint=27:min-keyint=27:scenecut=0:b-adapt=0"
    units = encode_stream(60, "libx265", **{"tune": "grain", "x265-params": params})
    cra = [payload for payload, keyframe in units if keyframe][1]
    assert [nal[0] >> 1 & 0x3F for nal in cra.split(b"\0\0\1")[1:]][-1] == 21
    assert (await decoder.picture(cra, "h265", 160)).height == 120


async def test_mjpeg_is_decoded_too(decoder: Decoder) -> None:
    done, jpeg = cv2.imencode(".jpg", np.full((240, 320, 3), 90, np.uint8))
    assert done
    picture = await decoder.picture(jpeg.tobytes(), "mjpeg", 160)
    assert (picture.width, picture.height) == (160, 120)
    assert abs(pixels(picture.jpeg).mean() - 90) < 3
    with pytest.raises(BadKeyframe):
        await decoder.picture(jpeg.tobytes()[:200], "mjpeg", 160)


def grey(level: int, spot: int | None = None, codec: str = "libx264") -> bytes:
    """A keyframe of one grey; a spot of 20×20 pixels in another."""
    context = av.CodecContext.create(codec, "w")
    context.width, context.height, context.pix_fmt, context.framerate = 320, 180, "yuv420p", 25
    context.options = {"preset": "ultrafast", "x265-params": "log-level=none:pools=1"}
    shown = np.full((180, 320, 3), level, np.uint8)
    if spot is not None:
        shown[80:100, 160:180] = spot
    frame = av.VideoFrame.from_ndarray(shown, format="bgr24")
    return b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])


@pytest.mark.parametrize(("codec", "encoder"), [("h264", "libx264"), ("h265", "libx265")])
async def test_the_difference_of_two_keyframes(decoder: Decoder, codec: str, encoder: str) -> None:
    dark, bright, spotted = grey(40, None, encoder), grey(140, None, encoder), grey(40, 240, encoder)
    assert await decoder.difference(dark, dark, codec) == Difference(0, 0)
    all_over = await decoder.difference(dark, bright, codec)
    assert 70 < all_over.mean < 120
    in_one_place = await decoder.difference(dark, spotted, codec)
    assert in_one_place.mean < 5
    assert in_one_place.block > 50


async def test_a_difference_of_junk_is_a_bad_keyframe(decoder: Decoder, keyframe: bytes) -> None:
    for one, other, codec in (
        (keyframe, b"junk", "h264"),
        (b"", b"", "h264"),
        (b"", keyframe, "h264"),
        (b"", b"", "vp8"),
    ):
        with pytest.raises(BadKeyframe):
            await decoder.difference(one, other, codec)


async def test_pictures_go_before_checks(decoder: Decoder, keyframe: bytes) -> None:
    await decoder.warm()
    done: list[str] = []

    async def check(name: str) -> None:
        await decoder.difference(keyframe, keyframe, "h264")
        done.append(name)

    async def picture() -> None:
        await decoder.picture(keyframe, "h264", 64)
        done.append("picture")

    await asyncio.gather(check("first"), check("second"), picture())
    assert done == ["first", "picture", "second"]


@pytest.mark.parametrize("junk", [b"", b"\x00\x00\x00\x01\x65junk", random.Random(5).randbytes(5000)])
async def test_junk_is_a_bad_keyframe_and_costs_no_child(decoder: Decoder, keyframe: bytes, junk: bytes) -> None:
    await decoder.warm()
    pid = decoder.pid
    with pytest.raises(BadKeyframe):
        await decoder.picture(junk, "h264", 640)
    assert (await decoder.picture(keyframe, "h264", 640)).width == 640
    assert decoder.pid == pid
    assert (decoder.decoded, decoder.failed, decoder.deaths) == (1, 1, 0)


async def test_damaged_keyframes_end_in_a_picture_or_in_words(decoder: Decoder, keyframe: bytes) -> None:
    await decoder.warm()
    pid = decoder.pid
    for seed in range(40):
        dice = random.Random(seed)
        torn = bytearray(keyframe[: dice.randrange(len(keyframe)) + 1] if seed % 2 else keyframe)
        for _ in range(dice.randrange(1, 8)):
            torn[dice.randrange(len(torn))] = dice.randrange(256)
        with contextlib.suppress(BadKeyframe):
            await decoder.picture(bytes(torn), "h264", 64)
        with contextlib.suppress(BadKeyframe):
            await decoder.difference(keyframe, bytes(torn), "h264")
    assert decoder.pid == pid
    assert decoder.decoded > 0


def test_half_a_keyframe_is_damaged_rather_than_grey(encode_keyframe: Callable[[int, int], bytes]) -> None:
    whole = encode_keyframe(640, 480)
    with pytest.raises(Undecodable, match=r"damaged|made no picture|refused"):
        decode(memoryview(whole[: len(whole) * 2 // 3]), "h264")


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
