import pytest

from adapters.rtsp.payload.depacketiser import depacketiser
from adapters.rtsp.protocol import FIRST_AND_SECOND, PASS, TAKE, Demultiplexer
from adapters.rtsp.reports import DatagramReports, InterleavedReports
from adapters.rtsp.sdp import parse_description


class Sink:
    """Wants payloads that begin with 0x65."""

    frame = FIRST_AND_SECOND
    tables = tuple(TAKE if first == 0x65 else PASS for first in range(256))

    def __init__(self):
        self.taken = []

    def packet(self, view, start, end, now):
        self.taken.append(bytes(view[start + 12 : end]))


class Reports(InterleavedReports):
    """Counts what it is given."""

    asked = 0

    def packet(self, view, start, end, now):
        self.asked += 1
        super().packet(view, start, end, now)


def walk(demultiplexer, stream):
    data = bytearray(stream)
    assert demultiplexer.walk(data, memoryview(data), len(data), 1.0) == len(data)


@pytest.fixture
def line():
    demultiplexer, sink = Demultiplexer(lambda message: None), Sink()
    demultiplexer.attach(0, sink)
    return demultiplexer, sink, Reports(demultiplexer, 0, 1, sink)


def test_a_report_follows_the_packet_that_was_looked_at(wire, line):
    demultiplexer, sink, reports = line
    assert reports.due(1.0) == b""
    packets = [
        wire.interleave(wire.rtp(payload, seq=seq, time=0)) for seq, payload in enumerate((b"\x41aa", b"\x65bb"))
    ]
    walk(demultiplexer, b"".join(packets))
    report = reports.due(2.0)
    assert report[:2] == b"$\x01" and int.from_bytes(report[2:4], "big") == len(report) - 4
    assert int.from_bytes(report[4 + 16 : 4 + 20], "big") == 0  # the first packet's sequence number, not the second's
    assert sink.taken == [b"\x65bb"]


def test_between_two_reports_it_is_out_of_the_way(wire, line):
    demultiplexer, sink, reports = line
    reports.due(1.0)
    walk(demultiplexer, wire.interleave(wire.rtp(b"\x41aa", seq=7, time=0)))
    assert reports.due(2.0)
    before = reports.asked
    walk(demultiplexer, wire.interleave(wire.rtp(b"\x65bb", seq=8, time=0)))
    assert sink.taken == [b"\x65bb"] and reports.asked == before == 1
    assert reports.due(11.9) == b""


def test_the_next_report_tells_of_a_new_packet(wire, line):
    demultiplexer, _, reports = line
    for at, seq in ((1.0, 7), (12.0, 4007)):
        assert reports.due(at) == b""
        walk(demultiplexer, wire.interleave(wire.rtp(b"\x41aa", seq=seq, time=0)))
        report = reports.due(at + 1)
        assert int.from_bytes(report[20:24], "big") == seq


def test_while_nothing_comes_nothing_is_reported(line):
    _, _, reports = line
    assert [reports.due(float(at)) for at in range(20)] == [b""] * 20


def test_a_packet_that_is_cut_short_goes_to_whoever_can_judge_it(wire, line):
    demultiplexer, sink, reports = line
    reports.due(1.0)
    walk(
        demultiplexer, wire.interleave(wire.rtp(b"", seq=1, time=0)) + wire.interleave(wire.rtp(b"\x41", seq=2, time=0))
    )
    assert sink.taken == [b"", b"\x41"]


@pytest.mark.parametrize("look_at", range(0, 60, 7))
def test_looking_changes_nothing_of_what_comes_out(wire, look_at):
    """The same stream, whichever packet is looked at, gives the same units."""

    def received(look_at):
        units = []
        demultiplexer = Demultiplexer(lambda message: None)
        media = parse_description(wire.sdp()).video(["H264"])
        sink = depacketiser(media, lambda keyframe, payload, time, at: units.append((keyframe, payload, time)))
        demultiplexer.attach(0, sink)
        reports = InterleavedReports(demultiplexer, 0, 1, sink)
        camera = wire.Packetiser(mtu=300)
        stream = [camera.nals(time * 3600, wire.slice_nal(1500, idr=time % 4 == 0, seed=time)) for time in range(12)]
        packets = b"".join(stream)
        for at in range(0, len(packets), 312):
            if at // 312 == look_at:
                reports.due(1.0)
            walk_some(demultiplexer, packets[at : at + 312])
        return units, bool(reports.due(20.0) or reports.due(21.0))

    tail = b""

    def walk_some(demultiplexer, data):
        nonlocal tail
        data = bytearray(tail + data)
        used = demultiplexer.walk(data, memoryview(data), len(data), 1.0)
        tail = bytes(data[used:])

    plain, reported = received(-1)
    assert len(plain) == 3 and not reported
    assert received(look_at) == (plain, True)


class Ports:
    def __init__(self):
        self.at = []

    def report(self, now):
        self.at.append(now)


def test_by_udp_a_report_goes_every_five_seconds():
    ports = Ports()
    reports = DatagramReports(ports)
    assert {reports.due(float(at)) for at in range(100, 112)} == {b""}
    assert ports.at == [100.0, 105.0, 110.0]
