"""Clips as a player sees them: libx264 and libx265 encode, our code packs and muxes, ffprobe and libav judge."""

import io
import json
import subprocess
from array import array
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.video.clips.footage import KEYFRAME, RESTART, Cut
from gateway.video.decoder.muxer import packed
from gateway.video.decoder.remux import Undecodable, Units, clip
from gateway.video.decoder.wire import CUT, USED

Unit = tuple[bytes, bool, int]
FRAME = 3600


def encode(codec: str, count: int, size: tuple[int, int] = (160, 120), **options: str) -> list[Unit]:
    """(Annex B, keyframe, number of the picture when shown), in decoding order, a keyframe each second at 25/s."""
    context = av.CodecContext.create(codec, "w")
    context.width, context.height = size
    context.pix_fmt, context.time_base, context.gop_size = "yuv420p", Fraction(1, 25), 25
    context.options = {"preset": "ultrafast", **options}
    packets = []
    for number in range(count):
        pixels = np.zeros((size[1], size[0], 3), np.uint8)
        pixels[:, number % size[0] : number % size[0] + 20] = 200
        frame = av.VideoFrame.from_ndarray(pixels, format="bgr24")
        frame.pts = number
        packets += context.encode(frame)
    packets += context.encode(None)
    return [(bytes(packet), packet.is_keyframe, packet.pts or 0) for packet in packets]


@pytest.fixture(scope="module")
def h264() -> list[Unit]:
    return encode("libx264", 100, tune="zerolatency")


@pytest.fixture(scope="module")
def h265() -> list[Unit]:
    return encode("libx265", 100, **{"x265-params": "log-level=none:pools=1:bframes=0:open-gop=0"})


def cut(units: Sequence[Unit], codec: str = "h264", first: float = 50.0, restarts: Sequence[int] = (0,)) -> Cut:
    flags = bytes((KEYFRAME * key) | (RESTART * (n in restarts)) for n, (_, key, _) in enumerate(units))
    return Cut(
        "c",
        codec,
        array("I", [len(payload) for payload, _, _ in units]),
        flags,
        array("d", [first + n / 25 for n in range(len(units))]),
        array("I", [(shown * FRAME + 2**32 - 50 * FRAME) % 2**32 for _, _, shown in units]),
        tuple(payload for payload, _, _ in units),
    )


def make(wanted: Cut) -> tuple[bytes, int, int]:
    """(MP4, first used, last used)."""
    body, _, _ = clip(memoryview(b"".join(packed(wanted))), wanted.codec)
    first, last = USED.unpack_from(body)
    return body[USED.size :], first, last


@pytest.fixture
def probe(tmp_path: Path) -> Callable[[bytes], dict[str, Any]]:
    def run(mp4: bytes) -> dict[str, Any]:
        path = tmp_path / "clip.mp4"
        path.write_bytes(mp4)
        command = ["ffprobe", "-v", "warning", "-count_frames", "-show_streams", "-show_packets", "-of", "json"]
        done = subprocess.run([*command, str(path)], capture_output=True, text=True, check=True)
        assert done.stderr == ""
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    return run


@pytest.mark.parametrize(("codec", "tag"), [("h264", "avc1"), ("h265", "hvc1")])
def test_every_picture_and_the_exact_duration(
    codec: str, tag: str, probe: Callable[[bytes], dict[str, Any]], request: pytest.FixtureRequest
) -> None:
    mp4, first, last = make(cut(request.getfixturevalue(codec), codec))
    (stream,) = probe(mp4)["streams"]
    assert (stream["codec_tag_string"], stream["nb_read_frames"], stream["duration"]) == (tag, "100", "4.000000")
    assert (stream["width"], stream["height"], stream["start_time"]) == (160, 120, "0.000000")
    assert (first, last) == (0, 99)
    assert mp4.index(b"moov") < mp4.index(b"mdat")


def test_nothing_is_transcoded(h264: list[Unit]) -> None:
    mp4, _, _ = make(cut(h264))
    slices = h264[30][0].split(b"\0\0\1")[-1]
    assert slices in mp4


def test_keyframes_can_be_sought_to(h264: list[Unit], probe: Callable[[bytes], dict[str, Any]]) -> None:
    packets = probe(make(cut(h264))[0])["packets"]
    assert [n for n, packet in enumerate(packets) if "K" in packet["flags"]] == [0, 25, 50, 75]


def test_b_frames_are_shown_in_their_order(probe: Callable[[bytes], dict[str, Any]]) -> None:
    units = encode("libx264", 100, bf="2", **{"x264-params": "scenecut=0:b-adapt=0"})
    assert [shown for _, _, shown in units] != sorted(shown for _, _, shown in units)
    mp4, _, _ = make(cut(units))
    (stream,) = probe(mp4)["streams"]
    assert (stream["nb_read_frames"], stream["duration"]) == ("100", "4.000000")
    with av.open(io.BytesIO(mp4)) as container:
        times = [frame.time for frame in container.decode(video=0)]
    assert times == pytest.approx([n / 25 for n in range(100)], abs=0.002)


def test_a_gap_keeps_its_true_time(h264: list[Unit], probe: Callable[[bytes], dict[str, Any]]) -> None:
    wanted = cut(h264, restarts=(0, 50))
    for number in range(50, 100):
        wanted.received[number] += 10
        wanted.rtp_times[number] = number
    packets = probe(make(wanted)[0])["packets"]
    assert float(packets[50]["pts_time"]) == pytest.approx(12.0, abs=0.001)
    assert float(packets[49]["pts_time"]) == pytest.approx(1.96, abs=0.001)


def test_another_size_is_another_clip_and_the_longer_part_is_taken(
    h264: list[Unit], probe: Callable[[bytes], dict[str, Any]]
) -> None:
    other = encode("libx264", 50, (176, 144), tune="zerolatency")
    mp4, first, last = make(cut([*other, *h264]))
    (stream,) = probe(mp4)["streams"]
    assert (stream["width"], stream["nb_read_frames"]) == (160, "100")
    assert (first, last) == (50, 149)


def test_other_parameters_of_the_same_view_stay_in_one_clip(
    h264: list[Unit], probe: Callable[[bytes], dict[str, Any]]
) -> None:
    other = encode("libx264", 50, tune="zerolatency", **{"x264-params": "ref=4:keyint=25"})
    assert other[0][0][:40] != h264[0][0][:40]
    mp4, _, _ = make(cut([*other, *h264]))
    assert probe(mp4)["streams"][0]["nb_read_frames"] == "150"


def test_leading_pictures_of_an_open_gop_at_the_start_are_left_out(probe: Callable[[bytes], dict[str, Any]]) -> None:
    params = "log-level=none:pools=1:bframes=3:open-gop=1:keyint=27:min-keyint=27:scenecut=0:b-adapt=0"
    units = encode("libx265", 100, **{"x265-params": params})
    keyframes = [n for n, (_, key, _) in enumerate(units) if key]
    start = keyframes[1]
    leading = [n for n in range(start + 1, keyframes[2]) if units[n][2] < units[start][2]]
    assert leading
    mp4, first, last = make(cut(units[start:], "h265"))
    answer = probe(mp4)
    assert len(answer["packets"]) == len(units) - start - len(leading)
    assert (first, last) == (0, len(units) - start - 1)
    assert all(float(packet["pts_time"]) >= 0 for packet in answer["packets"])


def test_a_gop_that_nobody_can_decode_is_left_out(h264: list[Unit]) -> None:
    broken = [(b"\0\0\0\1\x67junk\0\0\0\1\x65junk", True, 0), *[(b"\0\0\0\1\x41x", False, n) for n in range(1, 25)]]
    _, first, last = make(cut([*broken, *h264]))
    assert (first, last) == (25, 124)


def test_no_gop_that_can_be_decoded_is_no_clip() -> None:
    with pytest.raises(Undecodable, match="no keyframe of the clip can be decoded"):
        make(cut([(b"\0\0\0\1\x65junk", True, 0)]))


def test_a_picture_of_impossible_size_is_no_clip(monkeypatch: pytest.MonkeyPatch, h264: list[Unit]) -> None:
    monkeypatch.setattr("gateway.video.decoder.remux.MAX_PIXELS", 160 * 120 - 1)
    with pytest.raises(Undecodable, match="no keyframe"):
        make(cut(h264))


def test_one_picture_is_a_clip_too(h264: list[Unit], probe: Callable[[bytes], dict[str, Any]]) -> None:
    (stream,) = probe(make(cut(h264[:1]))[0])["streams"]
    assert (stream["nb_read_frames"], stream["duration"]) == ("1", "0.040000")


def test_units_come_over_the_wire_as_they_were(h264: list[Unit]) -> None:
    wanted = cut(h264)
    units = Units.unpack(memoryview(b"".join(packed(wanted))))
    assert [bytes(payload) for payload in units.payloads] == [payload for payload, _, _ in h264]
    assert (units.flags, units.received, units.rtp_times) == (wanted.flags, wanted.received, wanted.rtp_times)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_hostile_pictures_end_in_a_clip_or_in_words(data: st.DataObject) -> None:
    """What a camera says must not raise anything else: the muxer's child would die of it."""
    payloads = data.draw(st.lists(st.binary(max_size=60), min_size=1, max_size=8))
    heads = [b"\0\0\0\1\x67", b"\0\0\1\x65", b"\0\0\1", b"", b"\xff\xd8"]
    units = [
        (data.draw(st.sampled_from(heads)) + payload, number == 0 or data.draw(st.booleans()), number)
        for number, payload in enumerate(payloads)
    ]
    codec = data.draw(st.sampled_from(["h264", "h265"]))
    try:
        clip(memoryview(b"".join(packed(cut(units, codec)))), codec)
    except Undecodable as fault:
        assert str(fault)


def test_the_head_of_a_packed_cut_is_its_count(h264: list[Unit]) -> None:
    assert CUT.unpack_from(packed(cut(h264))[0]) == (100,)
