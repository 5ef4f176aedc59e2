import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.rtsp.payload.h264_syntax import H264Sets, recovery_frames, sps_size
from adapters.rtsp.payload.nal_syntax import split_annexb, sprop_nals
from adapters.rtsp.sdp import parse_description


def test_a_cropped_picture_has_its_visible_size(wire):
    assert sps_size(wire.SPS) == (1920, 1080)


def ue(value: int) -> str:
    """Exp-Golomb bits (§9.1)."""
    code = bin(value + 1)[2:]
    return "0" * (len(code) - 1) + code


def baseline_sps(columns: int, rows: int, references: int, crop: int) -> bytes:
    """A baseline SPS (§7.3.2.1.1) of so many macroblocks, with emulation prevention (§7.4.1)."""
    bits = ue(0) + ue(0) + ue(0) + ue(0) + ue(references) + "0" + ue(columns - 1) + ue(rows - 1) + "11"
    bits += ("1" + ue(0) * 3 + ue(crop) if crop else "0") + "0" + "1"
    bits = bits.ljust(-(-len(bits) // 8) * 8, "0")
    rbsp = bytes([0x42, 0, 30]) + int(bits, 2).to_bytes(len(bits) // 8, "big")
    escaped = bytearray(b"\x67")
    for byte in rbsp:
        if byte <= 3 and escaped[-2:] == b"\x00\x00":
            escaped.append(3)
        escaped.append(byte)
    return bytes(escaped)


def test_emulation_prevention_is_taken_out():
    sps = baseline_sps(1024, 1024, 65535, 0)
    assert b"\x00\x00\x03" in sps
    assert sps_size(sps) == (16384, 16384)


@given(st.integers(1, 1024), st.integers(2, 1024), st.integers(0, 100_000), st.integers(0, 7))
def test_any_size_is_read(columns, rows, references, crop):
    assert sps_size(baseline_sps(columns, rows, references, crop)) == (columns * 16, rows * 16 - 2 * crop)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("hikvision_describe.txt", (1920, 1080)),
        ("anpviz_sdp.txt", (704, 576)),
        ("h264dvr_describe.txt", (1920, 1080)),
    ],
)
def test_real_cameras_sizes(recordings, name, size):
    text = (recordings / name).read_bytes().decode("utf-8", "replace")
    media = parse_description(text.partition("v=0")[2]).video("H264")
    sets = H264Sets(sprop_nals(media.parameters("H264")["sprop-parameter-sets"]))
    assert sets.complete
    assert (sets.width, sets.height) == size


def test_all_recorded_parameter_sets_are_read(recordings):
    read = 0
    for path in recordings.iterdir():
        text = path.read_bytes().decode("utf-8", "replace")
        media = parse_description(text.partition("v=0")[2]).video("H264")
        sprop = media.parameters("H264").get("sprop-parameter-sets") if media else None
        if sprop:
            sets = H264Sets(sprop_nals(sprop))
            assert sets.complete and sets.width, path.name
            read += 1
    assert read > 10


def test_rubbish_and_start_codes_in_sprop_are_read_around(wire):
    both = base64.b64encode(wire.annexb(wire.SPS, wire.PPS) + b"\x00\x00\x00\x01").decode().rstrip("=")
    sets = H264Sets(sprop_nals(f"%%%,{both},,AAAA"))
    assert sets.prefix == wire.annexb(wire.SPS, wire.PPS)


def test_a_new_set_takes_the_place_of_the_one_with_its_number(wire):
    sets = H264Sets([wire.SPS, wire.PPS])
    changed = wire.PPS[:-1] + b"\xb8"
    assert sets.add(changed)
    assert sets.prefix == wire.annexb(wire.SPS, changed)


def test_no_number_of_sets_fills_the_memory(wire):
    sets = H264Sets()
    for _ in range(3):
        for number in range(255):
            code = bin(number + 1)[2:]
            bits = ("0" * (len(code) - 1) + code + "1").ljust(32, "0")
            sets.add(b"\x68" + int(bits, 2).to_bytes(4, "big"))
    assert len(sets.prefix) < 16 * 16
    assert not sets.add(b"\x68" + b"\xff" * 5000)


def test_a_recovery_point_is_found_behind_other_messages(wire):
    assert recovery_frames(wire.RECOVERY_POINT) == 0
    assert recovery_frames(wire.GRADUAL_REFRESH) == 3
    user_data = bytes([0x05, 0x03, 1, 2, 3])
    assert recovery_frames(b"\x06" + user_data + wire.RECOVERY_POINT[1:]) == 0
    assert recovery_frames(b"\x06" + user_data + b"\x80") is None


@given(st.binary(max_size=300))
def test_no_bytes_make_the_readers_fail(data):
    recovery_frames(b"\x06" + data)
    sets = H264Sets()
    for nal in split_annexb(b"\x67" + data):
        sets.add(nal)
    sets.add(b"\x67" + data)
    sets.add(b"\x68" + data)
