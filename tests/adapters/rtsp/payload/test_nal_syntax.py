import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.rtsp.payload.h264_syntax import H264Sets
from adapters.rtsp.payload.nal_syntax import Bits, split_annexb


def written(fields) -> bytes:
    """RBSP bits of (kind, value) pairs, escaped (H.264 §7.4.1), behind one byte of header."""
    bits = ""
    for kind, value in fields:
        if kind == "u8":
            bits += f"{value & 0xFF:08b}"
            continue
        code = value if kind == "ue" else (2 * value - 1 if value > 0 else -2 * value)
        bits += "0" * ((code + 1).bit_length() - 1) + f"{code + 1:b}"
    bits += "1"
    bits = bits.ljust(-(-len(bits) // 8) * 8, "0")
    escaped = bytearray()
    for byte in int(bits, 2).to_bytes(len(bits) // 8, "big"):
        if byte <= 3 and escaped[-2:] == b"\x00\x00":
            escaped.append(3)
        escaped.append(byte)
    return b"\x67" + bytes(escaped)


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("u8"), st.integers(0, 255)),
            st.tuples(st.just("ue"), st.integers(0, 2**32 - 2)),
            st.tuples(st.just("se"), st.integers(-(2**31) + 1, 2**31 - 1)),
        ),
        max_size=20,
    )
)
def test_what_is_written_is_read(fields):
    bits = Bits(written(fields), header=1)
    for kind, value in fields:
        assert (bits.u(8) if kind == "u8" else bits.ue() if kind == "ue" else bits.se()) == value


def test_nothing_is_read_behind_the_end():
    for read in (lambda bits: bits.u(9), lambda bits: bits.skip(9), lambda bits: bits.ue()):
        with pytest.raises(ValueError, match="too early"):
            read(Bits(b"\x67\x00", header=1))


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=200))
def test_no_number_of_start_codes_makes_a_list_without_end(parts):
    data = b"\x00\x00\x01".join(parts)
    found = split_annexb(data)
    assert len(found) <= 65
    assert b"".join(found).replace(b"\x00", b"").replace(b"\x01", b"") == data.replace(b"\x00", b"").replace(
        b"\x01", b""
    )


def test_only_what_changes_is_told(peer):
    form = peer("rtp_packets").H264
    sets = H264Sets()
    assert [sets.add(nal) for nal in (*form.sets, *form.sets, form.changed_pps)] == [True, True, False, False, True]
    assert not sets.add(form.user_data) and not sets.add(b"")
