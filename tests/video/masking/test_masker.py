"""What people drew is burnt in, in a child that can be killed; nothing else changes."""

from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from gateway.video.masking import masker
from gateway.video.masking.child import cover
from gateway.video.masking.masker import MaskingFailed, mask
from gateway.video.masking.orders import Cover, Style, packed, unpacked

LEFT = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))


def noise(width: int = 320, height: int = 180, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(60, 250, (height, width, 3), np.uint8)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.jpg"
    cv2.imwrite(str(path), noise())
    return path


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Two seconds of bright noise, 10 pictures a second, 320×180."""
    path = tmp_path / "film.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        for number in range(20):
            small = noise(20, 12, number)
            frame = av.VideoFrame.from_ndarray(cv2.resize(small, (320, 180)), format="bgr24")
            for packet in stream.encode(frame):
                out.mux(packet)
        for packet in stream.encode(None):
            out.mux(packet)
    return path


def frames(path: Path) -> list[tuple[float, np.ndarray]]:
    with av.open(str(path)) as container:
        return [(frame.time, frame.to_ndarray(format="bgr24")) for frame in container.decode(video=0)]


async def test_a_picture_is_black_where_it_was_drawn_and_the_same_elsewhere(picture: Path, tmp_path: Path) -> None:
    before = picture.read_bytes()
    told = await mask("picture", picture, tmp_path / "out.jpg", [Cover(LEFT)], "black")
    assert (told.frames, told.width, told.height) == (1, 320, 180)
    was, now = cv2.imread(str(picture)), cv2.imread(str(tmp_path / "out.jpg"))
    assert now[:, :150].max() < 12
    assert np.abs(now[:, 180:].astype(int) - was[:, 180:]).mean() < 12
    assert picture.read_bytes() == before
    assert (tmp_path / "out.jpg").stat().st_mode & 0o777 == 0o600


async def test_a_clip_is_covered_while_its_span_lasts(film: Path, tmp_path: Path) -> None:
    told = await mask("clip", film, tmp_path / "out.mp4", [Cover(LEFT, 500, 1000)], "black")
    assert told.frames == 20
    shown = frames(tmp_path / "out.mp4")
    assert len(shown) == 20
    for at, pixels in shown:
        covered = 0.5 <= round(at, 2) <= 1.0
        assert bool(pixels[10:170, 10:140].mean() < 10) is covered, at
        assert pixels[10:170, 180:310].mean() > 80
    times = [at for at, _ in shown]
    assert times == pytest.approx([number / 10 for number in range(20)], abs=0.01)


async def test_a_clip_loses_its_sound(tmp_path: Path) -> None:
    path = tmp_path / "spoken.mp4"
    with av.open(str(path), "w") as out:
        video, audio = out.add_stream("libx264", rate=10), out.add_stream("aac", rate=8000)
        video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
        audio.layout = "mono"
        for _ in range(10):
            for packet in video.encode(av.VideoFrame.from_ndarray(noise(64, 64), format="bgr24")):
                out.mux(packet)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        sound.sample_rate = 8000
        for packet in [*audio.encode(sound), *audio.encode(None), *video.encode(None)]:
            out.mux(packet)
    await mask("clip", path, tmp_path / "out.mp4", [], "black")
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert [stream.type for stream in container.streams] == ["video"]


@pytest.mark.parametrize("kind", ["picture", "clip"])
@pytest.mark.parametrize("content", [b"", b"no picture", b"\xff\xd8\xff\xe0" + b"\0" * 100])
async def test_what_cannot_be_read_is_not_handed_out(tmp_path: Path, kind: str, content: bytes) -> None:
    (tmp_path / "bad").write_bytes(content)
    with pytest.raises(MaskingFailed, match="could not be covered"):
        await mask(kind, tmp_path / "bad", tmp_path / "out", [Cover(LEFT)], "black")


async def test_one_that_takes_too_long_is_killed(film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(masker.DEADLINE_S, "clip", 0.0)
    with pytest.raises(MaskingFailed, match="took longer"):
        await mask("clip", film, tmp_path / "out.mp4", [Cover(LEFT)], "black")


def test_a_mosaic_has_few_blocks_and_keeps_to_the_polygon() -> None:
    pixels = noise()
    was = pixels.copy()
    cover(pixels, [LEFT], "mosaic")
    assert len(np.unique(pixels[:, :155].reshape(-1, 3), axis=0)) <= 12 * 13
    assert (pixels[:, 165:] == was[:, 165:]).all()


@pytest.mark.parametrize("side", [2, 6, 12, 13, 23, 24, 40, 95, 96, 97])
def test_what_is_far_away_is_covered_by_a_mosaic_too(side: int) -> None:
    """A face of a dozen pixels is one that somebody who was there still knows."""
    pixels = noise()
    was = pixels.copy()
    edge = [(at + 0.01) for at in (40, 40 + side - 1)]
    square = [
        (x / 320, y / 180) for x, y in ((edge[0], edge[0]), (edge[1], edge[0]), (edge[1], edge[1]), (edge[0], edge[1]))
    ]
    cover(pixels, [square], "mosaic")
    within = pixels[40 : 40 + side, 40 : 40 + side]
    blocks = 1 if side < 24 else min(12, side // 8) ** 2
    assert len(np.unique(within.reshape(-1, 3), axis=0)) <= blocks
    assert (within != was[40 : 40 + side, 40 : 40 + side]).any(axis=2).mean() > 0.9
    pixels[40 : 40 + side, 40 : 40 + side] = was[40 : 40 + side, 40 : 40 + side]
    assert (pixels == was).all()


@pytest.mark.parametrize("style", ["black", "mosaic"])
def test_one_colour_is_that_of_what_it_covers(style: Style) -> None:
    pixels = np.full((180, 320, 3), 200, np.uint8)
    pixels[60:70, 60:70] = 100
    corner = ((60 / 320, 60 / 180), (69 / 320, 60 / 180), (60 / 320, 69 / 180))
    cover(pixels, [corner], style)
    assert (pixels[60, 60:70] == (0 if style == "black" else 100)).all()


@pytest.mark.parametrize("style", ["black", "mosaic"])
def test_what_is_narrow_and_at_an_edge_is_not_lost_beyond_it(style: Style) -> None:
    pixels = noise()
    was = pixels.copy()
    cover(pixels, [((0.999, 0.0), (1.0, 0.0), (1.0, 1.0), (0.999, 1.0))], style)
    assert (pixels[:, -1] != was[:, -1]).any(axis=1).mean() > 0.9
    assert (pixels[:, :-2] == was[:, :-2]).all()


def test_a_polygon_that_crosses_itself_has_no_holes() -> None:
    pixels = noise()
    star = ((0.5, 0.05), (0.2, 0.95), (0.95, 0.35), (0.05, 0.35), (0.8, 0.95))
    cover(pixels, [star], "black")
    assert (pixels[100, 160] == 0).all()


def test_orders_come_as_they_were_sent() -> None:
    covers = [Cover(LEFT), Cover(LEFT, 0, 10)]
    assert unpacked(packed("clip", covers, "mosaic")) == ("clip", covers, "mosaic")
