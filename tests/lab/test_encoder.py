import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from gateway.lab.encoder import Clip, Coding, Encoded, Encoder, encode_clip, split_annex_b
from gateway.lab.scenes import painter
from gateway.model import Scene

CODING = Coding(width=320, height=180, fps=25, gop=10, bitrate=600_000, preset="ultrafast")
START = b"\x00\x00\x00\x01"


@pytest.fixture(scope="module")
def clip() -> Clip:
    return encode_clip(Scene.STREET, CODING, seconds=2.0)


def probe(clip: Clip, path: Path) -> dict[str, object]:
    path.write_bytes(b"".join(START + nal for picture in clip.pictures for nal in picture.nals))
    shown = "stream=codec_name,width,height,has_b_frames,avg_frame_rate:frame=key_frame,pict_type"
    command = ["ffprobe", "-v", "error", "-f", "h264", "-show_entries", shown, "-of", "json", str(path)]
    return json.loads(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)


def test_a_clip_is_what_another_decoder_expects(clip: Clip, tmp_path: Path) -> None:
    found = probe(clip, tmp_path / "clip.h264")
    stream = found["streams"][0]
    assert (stream["codec_name"], stream["width"], stream["height"]) == ("h264", 320, 180)
    assert stream["avg_frame_rate"] == "25/1"
    assert stream["has_b_frames"] == 0
    kinds = [frame["pict_type"] for frame in found["frames"]]
    assert len(kinds) == 50
    assert [index for index, kind in enumerate(kinds) if kind == "I"] == [0, 10, 20, 30, 40]
    assert set(kinds) == {"I", "P"}
    assert [index for index, frame in enumerate(found["frames"]) if frame["key_frame"]] == [0, 10, 20, 30, 40]


def test_a_clip_needs_its_whole_bit_rate(clip: Clip) -> None:
    assert 0.7 * CODING.bitrate < clip.bitrate < 1.4 * CODING.bitrate


def test_a_clip_is_whole_gops_however_long_it_was_asked_for() -> None:
    short = encode_clip(Scene.RURAL, CODING, seconds=0.1)
    assert len(short.pictures) == CODING.gop
    assert short.pictures[0].keyframe


def test_progress_rises_to_the_end() -> None:
    told: list[float] = []
    encode_clip(Scene.RURAL, CODING, 0.4, told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_parameter_sets_stand_before_every_keyframe(clip: Clip) -> None:
    assert [nal[0] & 0x1F for nal in clip.parameter_sets] == [7, 8]
    for picture in clip.pictures:
        kinds = [nal[0] & 0x1F for nal in picture.nals]
        assert kinds[-1] == (5 if picture.keyframe else 1), "one slice a picture"
        assert (kinds[:2] == [7, 8]) is picture.keyframe


def test_the_encoder_gives_each_picture_at_once() -> None:
    encoder = Encoder(CODING)
    artist = painter(Scene.VILLAGE, 320, 180, "CAM")
    given = [encoder.encode(artist.frame(index / 25, datetime.now(UTC))) for index in range(12)]
    assert [index for index, picture in enumerate(given) if picture.keyframe] == [0, 10]
    assert all(isinstance(picture, Encoded) and picture.size > 0 for picture in given)


def test_splitting_takes_both_start_codes() -> None:
    nals = (b"\x67\x01\x02", b"\x68\x03", b"\x65\x00\x00\x03\x01")
    stream = START + nals[0] + b"\x00\x00\x01" + nals[1] + START + nals[2]
    assert split_annex_b(stream) == nals


def test_noise_does_not_repeat_from_picture_to_picture() -> None:
    clip = encode_clip(Scene.VILLAGE, CODING, 0.8)
    sizes = [picture.size for picture in clip.pictures if not picture.keyframe]
    assert np.median(sizes) > 500, "inter pictures carry grain"
