"""The bytes of a live view's access units."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.video.live.frames import BACKLOG, KEYFRAME, MOST_BYTES, STILL, Frame, FrameReader, decode, encode, header

FRAMES = st.builds(
    Frame,
    st.integers(0, 7),
    st.sampled_from(["h264", "h265", "mjpeg"]),
    st.integers(-(2**63), 2**63 - 1),
    st.binary(max_size=200),
    st.integers(0, 2**64 - 1),
)


@given(FRAMES)
def test_a_frame_is_read_as_it_was_written(frame: Frame) -> None:
    assert decode(encode(frame)) == frame


@given(st.lists(FRAMES, max_size=8), st.data())
def test_a_stream_that_is_cut_anywhere_gives_the_same_frames(frames: list[Frame], data: st.DataObject) -> None:
    stream = b"".join(map(encode, frames))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    reader = FrameReader()
    parts = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert [frame for part in parts for frame in reader.feed(part)] == frames


def test_the_header_is_as_written_down() -> None:
    assert encode(Frame(KEYFRAME | BACKLOG, "h264", 90_000, b"\x00\x00\x01\x65", 7)).hex() == (
        "01030100" + "0000000000015f90" + "0000000000000007" + "00000004" + "00000165"
    )
    assert Frame(KEYFRAME | STILL, "h265", 0, b"").still
    assert not Frame(KEYFRAME, "h265", 0, b"").backlog


@given(st.binary(max_size=64))
def test_noise_is_refused_in_words_or_is_a_frame(noise: bytes) -> None:
    try:
        assert encode(decode(noise))[0] == 1
    except ValueError as fault:
        assert "frame" in str(fault)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "header alone"),
        (encode(Frame(0, "h264", 0, b"abc"))[:-1], "says that its payload has 3 bytes, and has 2"),
        (b"\x02" + encode(Frame(0, "h264", 0, b""))[1:], "version 2"),
        (b"\x01\x00\x09" + encode(Frame(0, "h264", 0, b""))[3:], "unknown codec 9"),
        (encode(Frame(0, "h264", 0, b""))[:20] + b"\xff\xff\xff\xff", "are taken"),
    ],
)
def test_what_is_no_frame_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        decode(data)


def test_a_stream_of_noise_is_refused_before_it_is_kept() -> None:
    with pytest.raises(ValueError, match="version 255"):
        list(FrameReader().feed(b"\xff" * 24))


def test_what_cannot_be_written_is_refused() -> None:
    with pytest.raises(ValueError, match="no codec"):
        header(0, "av1", 0, 1)
    with pytest.raises(ValueError, match="are taken"):
        header(0, "h264", 0, MOST_BYTES + 1)
