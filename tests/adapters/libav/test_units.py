import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.libav.units import START_CODE, AnnexB, Jpeg, jpeg_size, nal_units

SPS, PPS, OTHER_PPS, DELIMITER, SEI = b"\x67sps", b"\x68pps", b"\x68other", b"\x09\xf0", b"\x06sei"
IDR, SLICE = b"\x65idr", b"\x41slice"
VPS5, SPS5, PPS5, IDR5, DELIMITER5 = b"\x40\x01vps", b"\x42\x01sps", b"\x44\x01pps", b"\x26\x01idr", b"\x46\x01\x50"

# neither the three bytes of a start code nor a zero at the end occurs in a NAL unit (H.264 §7.4.1)
nal = st.binary(min_size=1, max_size=40).filter(lambda b: b"\0\0\0" not in b and b"\0\0\1" not in b and b[-1] != 0)


def stream(*nals: bytes, code: bytes = START_CODE) -> bytes:
    return b"".join(code + each for each in nals)


@given(st.lists(nal, max_size=8), st.sampled_from([b"\0\0\1", b"\0\0\0\1", b"\0\0\0\0\0\1"]))
def test_nal_units_are_found_behind_start_codes_of_any_length(nals, code):
    assert list(nal_units(stream(*nals, code=code))) == nals


@given(st.binary(max_size=200))
def test_junk_has_no_empty_units(junk):
    assert all(nal_units(junk))


@given(st.binary(max_size=200), st.binary(max_size=200), st.booleans(), st.sampled_from(["h264", "h265"]))
def test_junk_is_an_access_unit_or_nothing(extradata, payload, keyframe, codec):
    made = AnnexB(codec, extradata).unit(payload, keyframe)
    assert made is None or (made[0].startswith(START_CODE) and made[1] is keyframe)


def test_a_keyframe_has_its_parameter_sets_first():
    assembler = AnnexB("h264", stream(SPS, PPS))
    assert assembler.unit(stream(DELIMITER, SEI, IDR, code=b"\0\0\1"), True) == (stream(SPS, PPS, SEI, IDR), True)
    assert assembler.unit(stream(SLICE), False) == (stream(SLICE), False)


def test_sets_in_the_stream_replace_those_beside_it():
    assembler = AnnexB("h264", stream(SPS, PPS))
    assert assembler.unit(stream(SPS, OTHER_PPS, IDR), True) == (stream(SPS, OTHER_PPS, IDR), True)
    assert assembler.unit(stream(IDR), True) == (stream(SPS, OTHER_PPS, IDR), True)


def test_several_sets_of_a_kind_are_kept():
    assembler = AnnexB("h264", b"")
    assembler.unit(stream(SPS, PPS, OTHER_PPS, IDR), True)
    assert assembler.unit(stream(IDR), True) == (stream(SPS, PPS, OTHER_PPS, IDR), True)


def test_a_keyframe_without_sets_is_of_no_use_until_they_come():
    assembler = AnnexB("h264", b"")
    assert assembler.unit(stream(IDR), True) is None
    assert assembler.unit(stream(SPS, IDR), True) is None
    assert assembler.unit(stream(PPS, IDR), True) == (stream(SPS, PPS, IDR), True)


def test_sets_alone_are_no_picture_but_are_learned():
    assembler = AnnexB("h264", b"")
    assert assembler.unit(stream(SPS, PPS), True) is None
    assert assembler.unit(stream(IDR), True) == (stream(SPS, PPS, IDR), True)


def test_h265():
    assembler = AnnexB("h265", stream(PPS5, VPS5, SPS5))
    assert assembler.unit(stream(DELIMITER5, IDR5), True) == (stream(VPS5, SPS5, PPS5, IDR5), True)


@pytest.mark.parametrize(
    ("payload", "unit"),
    [
        (b"\xff\xd8x\xff\xd9", b"\xff\xd8x\xff\xd9"),
        (b"\xff\xd8x\xff\xd9\r\n", b"\xff\xd8x\xff\xd9"),
        (b"\xff\xd8x", None),
        (b"<html>", None),
        (b"", None),
    ],
)
def test_a_jpeg_is_whole_or_nothing(payload, unit):
    assert Jpeg().unit(payload, False) == (None if unit is None else (unit, True))


def test_the_size_of_a_jpeg(jpeg):
    assert jpeg_size(jpeg) == (320, 240)


@given(st.binary(max_size=60))
def test_junk_has_a_size_or_none(junk):
    width, height = jpeg_size(b"\xff\xd8" + junk)
    assert 0 <= width < 65536 and 0 <= height < 65536
