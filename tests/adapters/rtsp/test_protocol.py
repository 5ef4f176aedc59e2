from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.rtsp.message import Request, Response
from adapters.rtsp.protocol import (
    FIRST_AND_SECOND,
    FIRST_AND_THIRD,
    MAX_UNFINISHED,
    PASS,
    TAKE_EVERYTHING,
    Demultiplexer,
)
from gateway.errors import ProtocolFault

ANSWER = b"RTSP/1.0 200 OK\r\nCSeq: 3\r\nContent-Length: 4\r\n\r\nbody"
REQUEST = b"OPTIONS * RTSP/1.0\r\nCseq: 9\r\n\r\n"


class Sink:
    frame = FIRST_AND_SECOND

    def __init__(self, tables=TAKE_EVERYTHING):
        self.tables = tables
        self.packets = []

    def packet(self, view, start, end, now):
        self.packets.append(bytes(view[start:end]))


class Reader:
    """Feeds a demultiplexer as a connection does: in pieces, with what was left at the front."""

    def __init__(self, sink=None, channel=0):
        self.messages = []
        self.demultiplexer = Demultiplexer(self.messages.append)
        if sink is not None:
            self.demultiplexer.attach(channel, sink)
        self.buffer = bytearray(256 * 1024)
        self.tail = b""

    def feed(self, data):
        data = self.tail + data
        self.buffer[: len(data)] = data
        used = self.demultiplexer.walk(self.buffer, memoryview(self.buffer), len(data), 1.0)
        self.tail = data[used:]
        assert len(self.tail) < MAX_UNFINISHED

    def feed_cut(self, stream, cuts):
        edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
        for begin, end in pairwise(edges):
            self.feed(stream[begin:end])


def frame(channel, size, first=0x65):
    packet = b"\x80\x60" + bytes(10) + bytes([first]) + bytes(max(0, size - 13))
    return b"$" + bytes([channel]) + len(packet).to_bytes(2, "big") + packet


def test_messages_are_read_between_frames():
    sink = Sink()
    reader = Reader(sink)
    reader.feed(frame(0, 100) + ANSWER + frame(0, 50) + b"\r\n" + REQUEST + frame(0, 20))
    answer, request = reader.messages
    assert isinstance(answer, Response) and (answer.status, answer.cseq, answer.body) == (200, 3, b"body")
    assert isinstance(request, Request) and (request.method, request.cseq) == ("OPTIONS", "9")
    assert [len(packet) for packet in sink.packets] == [100, 50, 20]


def test_other_channels_pass():
    sink = Sink()
    reader = Reader(sink, channel=2)
    reader.feed(frame(0, 100) + frame(3, 30) + frame(2, 40) + frame(1, 20))
    assert [len(packet) for packet in sink.packets] == [40]


def test_media_is_seen_whether_or_not_it_is_wanted():
    reader = Reader(Sink((PASS,) * 256))
    reader.feed(frame(1, 40))
    assert not reader.demultiplexer.media_seen
    reader.feed(frame(0, 40))
    assert reader.demultiplexer.media_seen


def test_a_frame_nobody_wants_is_counted_off_and_not_kept():
    sink = Sink((PASS,) * 256)
    reader = Reader(sink)
    big = frame(0, 60000)
    for begin in range(0, len(big), 1000):
        reader.feed(big[begin : begin + 1000])
        assert reader.tail == b""
    sink.tables = TAKE_EVERYTHING
    reader.feed(frame(0, 33))
    assert [len(packet) for packet in sink.packets] == [33]


@given(
    st.lists(
        st.one_of(
            st.builds(frame, st.integers(0, 3), st.integers(0, 1500), st.sampled_from([0x41, 0x65, 0x7C])),
            st.sampled_from([ANSWER, REQUEST]),
        ),
        max_size=12,
    ),
    st.lists(st.integers(0, 20000), max_size=30),
)
def test_any_cut_of_the_stream_gives_the_same(parts, cuts):
    tables = tuple(PASS if first & 0x1F == 1 else TAKE_EVERYTHING[0] for first in range(256))
    whole, cut = Reader(Sink(tables)), Reader(Sink(tables))
    stream = b"".join(parts)
    whole.feed(stream)
    cut.feed_cut(stream, cuts)
    assert cut.messages == whole.messages
    kept = [packet for packet in whole.demultiplexer._sink.packets if len(packet) > 13]
    assert [packet for packet in cut.demultiplexer._sink.packets if len(packet) > 13] == kept
    assert cut.tail == whole.tail == b""


@given(st.lists(st.binary(max_size=2000), max_size=20), st.booleans())
def test_junk_ends_in_a_protocol_fault_or_in_nothing(pieces, greeted):
    reader = Reader(Sink())
    try:
        if greeted:
            reader.feed(ANSWER)
        for piece in pieces:
            reader.feed(piece)
    except ProtocolFault as fault:
        assert str(fault).isprintable()


@pytest.mark.parametrize(
    "head",
    [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-OpenSSH_9.2\r\n", b"GET / HTTP/1.1\r\n", b"\x00\x01\x02\x03"],
)
def test_a_peer_that_never_spoke_rtsp_is_told_at_once(head):
    with pytest.raises(ProtocolFault, match="not RTSP"):
        Reader().feed(head)


def test_a_body_longer_than_announced_is_read_around():
    reader = Reader()
    reader.feed(ANSWER + b"a=tail of the description\r\n" + ANSWER)
    assert len(reader.messages) == 2


def test_a_frame_with_a_wrong_length_costs_itself_only():
    sink = Sink()
    reader = Reader(sink)
    reader.feed(ANSWER + frame(0, 100) + bytes(200) + frame(0, 50))
    assert [len(packet) for packet in sink.packets] == [100, 50]


@pytest.mark.parametrize("junk", [b"\x00", b"\r\n"])
def test_endless_junk_is_a_fault(junk):
    reader = Reader(Sink())
    reader.feed(ANSWER)
    with pytest.raises(ProtocolFault, match="neither RTSP nor"):
        for _ in range(100):
            reader.feed(junk * 1000)


def test_endless_header_fields_are_a_fault():
    reader = Reader()
    with pytest.raises(ProtocolFault, match="header fields"):
        for _ in range(100):
            reader.feed(b"RTSP/1.0 200 OK\r\n" + b"X: y\r\n" * 100)


@pytest.mark.parametrize("length", [b"many", b"-1", b"99999999", b"9" * 5000])
def test_an_impossible_content_length_is_a_fault(length):
    with pytest.raises(ProtocolFault, match="Content-Length"):
        Reader().feed(b"RTSP/1.0 200 OK\r\nContent-Length: " + length + b"\r\n\r\n")


@pytest.mark.parametrize("start", [b"RTSP/1.0", b"RTSP/1.0 fine", b"RTSP/1.0 20 OK"])
def test_an_answer_without_a_status_is_a_fault(start):
    with pytest.raises(ProtocolFault, match="status"):
        Reader().feed(start + b"\r\n\r\n")


def test_bare_line_feeds_and_trailing_spaces_are_read():
    reader = Reader()
    reader.feed(b"RTSP/1.0 200 OK \nCSeq: 1 \nsession :  4711 \nnonsense\n\n")
    (answer,) = reader.messages
    assert (answer.cseq, answer.first("session")) == (1, "4711")


def test_a_sink_says_which_bytes_tell_what_a_packet_is():
    tables = tuple(bytes(other == 0x93 for other in range(256)) if first == 0x62 else PASS for first in range(256))
    sink = Sink(tables)
    sink.frame = FIRST_AND_THIRD
    reader = Reader(sink)
    packets = [b"\x80\x60" + bytes(10) + payload for payload in (b"\x62\x93\x01", b"\x62\x01\x93", b"\x62\x01\x01")]
    reader.feed(b"".join(b"$\0" + len(packet).to_bytes(2, "big") + packet for packet in packets) + frame(1, 20))
    assert sink.packets == [packets[1]]


def test_junk_and_frames_in_turn_are_not_searched_again_and_again():
    class Counting(bytearray):
        searched = 0

        def find(self, mark, begin, end):
            Counting.searched += end - begin
            return super().find(mark, begin, end)

    junk = Counting(ANSWER + b"x$\x00\x00\x00" * 40_000)
    sink = Sink()
    demultiplexer = Demultiplexer(lambda message: None)
    demultiplexer.attach(0, sink)
    assert demultiplexer.walk(junk, memoryview(junk), len(junk), 1.0) == len(junk)
    assert len(sink.packets) == 40_000
    assert Counting.searched < 5000 * 40_000
