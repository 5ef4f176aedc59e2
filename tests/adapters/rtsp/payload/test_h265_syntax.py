import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.rtsp.payload.depacketiser import depacketiser
from adapters.rtsp.payload.h265_syntax import H265Sets, recovery_pictures, sps_size
from adapters.rtsp.payload.nal_syntax import START_CODE, split_annexb
from adapters.rtsp.sdp import parse_description


def ue(value: int) -> str:
    """Exp-Golomb bits (§9.2)."""
    code = bin(value + 1)[2:]
    return "0" * (len(code) - 1) + code


def sps(width: int, height: int, *, sub_layers: list[tuple[int, int]], chroma: int, crop: int) -> bytes:
    """An SPS (§7.3.2.2) up to its conformance window, with emulation prevention; ``sub_layers``: (profile, level) present."""
    bits = "0000" + f"{len(sub_layers):03b}" + "1" + "0" * 88 + f"{93:08b}"
    bits += "".join(f"{profile}{level}" for profile, level in sub_layers)
    bits += "00" * (8 - len(sub_layers)) if sub_layers else ""
    bits += "".join("10" * 44 * profile + "01" * 4 * level for profile, level in sub_layers)
    bits += ue(0) + ue(chroma) + ("0" if chroma == 3 else "") + ue(width) + ue(height)
    bits += "1" + ue(0) + ue(crop) + ue(crop) + ue(0) if crop else "0"
    bits += "1"
    bits = bits.ljust(-(-len(bits) // 8) * 8, "0")
    rbsp = int(bits, 2).to_bytes(len(bits) // 8, "big")
    escaped = bytearray(b"\x42\x01")
    for byte in rbsp:
        if byte <= 3 and escaped[-2:] == b"\x00\x00":
            escaped.append(3)
        escaped.append(byte)
    return bytes(escaped)


@given(
    st.integers(16, 8192),
    st.integers(16, 8192),
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), max_size=6),
    st.integers(0, 3),
    st.integers(0, 7),
)
def test_any_size_is_read(width, height, sub_layers, chroma, crop):
    unit_x, unit_y = {1: (2, 2), 2: (2, 1)}.get(chroma, (1, 1))
    nal = sps(width, height, sub_layers=sub_layers, chroma=chroma, crop=crop)
    assert sps_size(nal) == (width - crop * unit_x, height - crop * unit_y)


def test_a_size_that_nothing_has_is_refused():
    with pytest.raises(ValueError, match="a picture of"):
        sps_size(sps(20_000, 16, sub_layers=[], chroma=1, crop=0))


def test_x265s_own_sets_are_read(peer):
    form = peer("rtp_packets").H265
    sets = H265Sets(form.sets)
    assert sets.complete and (sets.width, sets.height) == form.size
    assert sets.prefix == b"".join(START_CODE + nal for nal in form.sets)


def test_without_any_of_the_three_kinds_a_decoder_cannot_begin(peer):
    form = peer("rtp_packets").H265
    for missing in form.sets:
        assert not H265Sets(nal for nal in form.sets if nal != missing).complete


def test_the_prefix_is_in_the_order_a_decoder_needs(peer):
    form = peer("rtp_packets").H265
    assert H265Sets(reversed(form.sets)).prefix == H265Sets(form.sets).prefix


def test_a_recovery_point_is_found_behind_other_messages(peer):
    form = peer("rtp_packets").H265
    assert recovery_pictures(form.recovery_point) == 0
    assert recovery_pictures(form.user_data[:-1] + form.recovery_point[2:]) == 0
    assert recovery_pictures(bytes([0x4E, 0x01, 0x06, 0x01, 0x24, 0x80])) == 2
    assert recovery_pictures(form.user_data) is None


@given(st.binary(max_size=300))
def test_no_bytes_make_the_readers_fail(data):
    recovery_pictures(b"\x4e\x01" + data)
    sets = H265Sets()
    for first in (b"\x40", b"\x42", b"\x44", b""):
        sets.add(first + data)
        for nal in split_annexb(first + data):
            sets.add(nal)


@pytest.mark.parametrize(
    ("name", "size"),
    [("dahua_describe_h265_pcma.txt", (704, 480)), ("anjvision_describe.txt", None), ("tplink_sdp.txt", None)],
)
def test_recorded_descriptions_are_read(recordings, name, size):
    text = (recordings / name).read_bytes().decode("utf-8", "replace")
    media = parse_description(text.partition("v=0")[2]).video("H265")
    found = depacketiser(media, lambda *unit: None)
    assert found.codec == "h265" and found.width and found.height
    assert size is None or (found.width, found.height) == size
