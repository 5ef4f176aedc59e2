import asyncio
from collections.abc import Sequence

import pytest

from gateway.errors import DeviceError
from gateway.model import Mask, Picture
from gateway.video.decoder.decoder import BadKeyframe
from gateway.video.pictures.desk import PictureDesk
from gateway.video.pictures.ring import StoredKeyframe


class Maker:
    """Counts what it is asked; answers when told to."""

    def __init__(self, fault: DeviceError | None = None) -> None:
        self.asked = 0
        self.fault = fault
        self.go = asyncio.Event()
        self.go.set()

    async def picture(self, payload: bytes, codec: str, width: int, masks: Sequence[Mask]) -> Picture:
        self.asked += 1
        await self.go.wait()
        if self.fault is not None:
            raise self.fault
        return Picture(payload, width, width)


def frame(name: str, size: int = 10) -> StoredKeyframe:
    return StoredKeyframe(name, "cam", 0.0, "h264", bytes(size))


async def test_a_picture_is_made_once_for_all_who_ask() -> None:
    maker = Maker()
    desk = PictureDesk(maker)
    maker.go.clear()
    asking = [asyncio.create_task(desk.picture(frame("1"), 640)) for _ in range(5)]
    await asyncio.sleep(0)
    asking[0].cancel()
    await asyncio.sleep(0)
    maker.go.set()
    pictures = await asyncio.gather(*asking[1:])
    assert len({id(picture) for picture in pictures}) == 1
    assert await desk.picture(frame("1"), 640) is pictures[0]
    assert maker.asked == 1
    assert asking[0].cancelled()


async def test_another_width_is_another_picture() -> None:
    maker = Maker()
    desk = PictureDesk(maker)
    assert (await desk.picture(frame("1"), 640)).width == 640
    assert (await desk.picture(frame("1"), 320)).width == 320


async def test_a_changed_mask_is_another_picture_at_once() -> None:
    maker = Maker()
    desk = PictureDesk(maker)
    mask = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0))
    bare = await desk.picture(frame("1"), 640)
    masked = await desk.picture(frame("1"), 640, (mask,))
    assert masked is not bare
    assert await desk.picture(frame("1"), 640, (mask,)) is masked
    assert maker.asked == 2


async def test_the_cache_keeps_to_its_bytes_and_drops_what_was_asked_longest_ago() -> None:
    maker = Maker()
    desk = PictureDesk(maker, cache_bytes=20)
    for name in ("1", "2", "1", "3"):
        await desk.picture(frame(name), 640)
    assert desk.bytes == 20
    assert maker.asked == 3
    await desk.picture(frame("1"), 640)
    assert maker.asked == 3
    await desk.picture(frame("2"), 640)
    assert maker.asked == 4


async def test_a_picture_larger_than_the_cache_is_given_all_the_same() -> None:
    desk = PictureDesk(Maker(), cache_bytes=5)
    assert (await desk.picture(frame("1"), 640)).width == 640
    assert desk.bytes == 0


async def test_a_poison_keyframe_is_not_tried_again() -> None:
    maker = Maker(BadKeyframe("the decoder died of it"))
    desk = PictureDesk(maker)
    for width in (640, 320):
        with pytest.raises(BadKeyframe, match="died of it"):
            await desk.picture(frame("1"), width)
    assert maker.asked == 1


async def test_a_busy_decoder_is_asked_again_later() -> None:
    maker = Maker(DeviceError("busy"))
    desk = PictureDesk(maker)
    with pytest.raises(DeviceError, match="busy"):
        await desk.picture(frame("1"), 640)
    maker.fault = None
    assert (await desk.picture(frame("1"), 640)).width == 640


async def test_closing_ends_what_is_under_way() -> None:
    maker = Maker()
    maker.go.clear()
    desk = PictureDesk(maker)
    asking = asyncio.create_task(desk.picture(frame("1"), 640))
    await asyncio.sleep(0)
    await desk.close()
    with pytest.raises(asyncio.CancelledError):
        await asking
