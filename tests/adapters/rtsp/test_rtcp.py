import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.rtsp.rtcp import Reception

CAMERA = 0xCAFE0001


def header(seq, *, time=0, source=CAMERA):
    return memoryview(struct.pack(">BBHII", 0x80, 0x60, seq & 0xFFFF, time & 0xFFFFFFFF, source))


class Stream:
    """What a receiver hears, and its report read back."""

    def __init__(self, *seqs):
        self.reception = Reception()
        self.hear(*seqs)

    def hear(self, *seqs, source=CAMERA):
        return [self.reception.packet(header(seq, source=source), 0, 0.0) for seq in seqs]

    def report(self, now=0.0):
        return Read(self.reception.report(now))


class Read:
    """RFC 3550 §6.4.2 and §6.5, field by field."""

    def __init__(self, data):
        self.blocks = data[0] & 0x1F
        version, kind, length = data[0] >> 6, data[1], int.from_bytes(data[2:4], "big")
        assert (version, kind, length) == (2, 201, 1 + 6 * self.blocks)
        self.ours = data[4:8]
        if self.blocks:
            source, loss, self.highest, self.jitter, self.last, self.since = struct.unpack(">6I", data[8:32])
            self.source, self.fraction, self.lost = source, loss >> 24, loss & 0xFFFFFF
        described = data[4 + 4 * length :]
        assert len(data) % 4 == 0
        assert described[0] == 0x81 and described[1] == 202
        assert int.from_bytes(described[2:4], "big") * 4 + 4 == len(described)
        assert described[4:8] == self.ours and described[8] == 1
        name, end = described[10 : 10 + described[9]], described[10 + described[9] :]
        self.name = name.decode("ascii")
        assert end and not any(end), "the list of items ends with a zero"


def test_before_anything_came_there_is_nothing_to_report_but_that_we_are_there():
    report = Stream().report()
    assert report.blocks == 0 and report.name


def test_a_whole_stream_has_no_loss():
    report = Stream(10, 11, 12).report()
    assert (report.source, report.highest, report.fraction, report.lost) == (CAMERA, 12, 0, 0)


def test_loss_is_counted_since_the_last_report_and_in_all():
    stream = Stream(0, 1, 4, 5, 6, 7)
    first = stream.report()
    assert (first.fraction, first.lost) == (2 * 256 // 8, 2)
    stream.hear(8, 9)
    second = stream.report()
    assert (second.fraction, second.lost) == (0, 2)
    assert stream.reception.lost == 2


def test_sequence_numbers_wrap():
    report = Stream(65534, 65535, 0, 2).report()
    assert (report.highest, report.lost) == (65536 + 2, 1)


def test_a_late_packet_makes_good_its_loss():
    stream = Stream(1, 2, 4)
    assert stream.reception.lost == 1
    assert stream.hear(3) == [True]
    assert stream.reception.lost == 0


def test_an_echo_is_told():
    stream = Stream(1, 2)
    assert stream.hear(2) == [False]
    assert stream.report().lost == 0


def test_a_camera_that_never_counts_has_no_echoes():
    stream = Stream(0)
    assert stream.hear(0, 0, 0) == [True, True, True]
    assert stream.report().lost == 0


@pytest.mark.parametrize("start", [30_000, 65_000 - 5_000])
def test_a_jump_is_a_new_beginning_and_no_loss(start):
    stream = Stream(1, 2, 3)
    assert stream.hear(start, start + 1) == [True, True]
    assert (stream.report().highest, stream.reception.lost) == (start + 1, 0)


def test_another_source_is_a_new_beginning():
    stream = Stream(1, 2, 9)
    stream.hear(500, 501, source=7)
    report = stream.report()
    assert (report.source, report.highest, report.lost) == (7, 501, 0)


def test_jitter_is_that_of_the_medias_clock():
    reception = Reception()
    for number in range(200):
        late = 0.01 if number % 2 else 0.0
        reception.packet(header(number, time=number * 3600), 0, number * 0.04 + late)
    assert 850 <= Read(reception.report(9.0)).jitter <= 900  # 10 ms of 90 kHz


def test_a_clock_that_jumps_is_no_jitter():
    reception = Reception()
    for number in range(4):
        reception.packet(header(number, time=(number > 1) * 3_000_000_000), 0, 0.0)
    assert Read(reception.report(9.0)).jitter == 0


def test_a_sender_report_is_answered_with_its_time_and_its_age():
    stream = Stream(1)
    sender_report = struct.pack(">BBHIQIII", 0x80, 200, 6, CAMERA, 0x0123456789ABCDEF, 0, 0, 0)
    view = memoryview(b"xx" + sender_report)
    stream.reception.hear(view, 2, len(view), 5.0)
    report = stream.report(now=7.5)
    assert (report.last, report.since) == (0x456789AB, round(2.5 * 65536))


def test_within_tcp_a_packet_now_and_then_tells_how_far_the_stream_is():
    reception = Reception()
    for seq in (100, 40_000, 100):
        reception.sample(header(seq), 0)
    report = Read(reception.report(0.0))
    assert (report.highest, report.fraction, report.lost) == (65536 + 100, 0, 0)


@given(st.lists(st.tuples(st.integers(0, 65535), st.integers(0, 3), st.binary(max_size=40)), max_size=40))
def test_no_stream_makes_it_fail(heard):
    reception = Reception()
    for at, (seq, source, control) in enumerate(heard):
        reception.packet(header(seq, source=source, time=seq * 99_999), 0, float(at))
        reception.hear(memoryview(control), 0, len(control), float(at))
        Read(reception.report(float(at)))
