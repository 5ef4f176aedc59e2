from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.rtsp.h264 import MAX_UNIT, H264Depacketiser
from adapters.rtsp.h264_syntax import ParameterSets, parameter_sets
from adapters.rtsp.protocol import Demultiplexer


class Stream:
    """A depacketiser behind a demultiplexer, fed as the connection does."""

    def __init__(self, nals=(), wants_all=False):
        self.units = []
        self.depacketiser = H264Depacketiser(parameter_sets(nals), lambda *unit: self.units.append(unit))
        self.depacketiser.want_all(wants_all)
        self.demultiplexer = Demultiplexer(lambda message: None)
        self.demultiplexer.attach(0, self.depacketiser)
        self.buffer = bytearray(256 * 1024)
        self.tail = b""

    def feed(self, data):
        data = self.tail + data
        self.buffer[: len(data)] = data
        self.tail = data[self.demultiplexer.walk(self.buffer, memoryview(self.buffer), len(data), 1.0) :]

    @property
    def payloads(self):
        return [payload for _, payload, _, _ in self.units]

    @property
    def keyframes(self):
        return [payload for keyframe, payload, _, _ in self.units if keyframe]


@pytest.fixture
def key(wire):
    return wire.slice_nal(1000, idr=True)


@pytest.fixture
def sets(wire):
    return (wire.SPS, wire.PPS)


def test_a_keyframe_in_fragments_comes_with_its_parameter_sets(wire, key, sets):
    stream, camera = Stream(sets), wire.Packetiser()
    stream.feed(camera.nals(3600, key))
    assert stream.units == [(True, wire.annexb(*sets, key), 3600, 1.0)]


def test_parameter_sets_in_band_are_enough_and_stand_once(wire, key, sets):
    stream, camera = Stream(), wire.Packetiser()
    stream.feed(camera.unit(3600, wire.stap_a(*sets), *wire.fragments(key, 98)))
    stream.feed(camera.nals(7200, *sets, key))
    assert stream.payloads == [wire.annexb(*sets, key)] * 2


def test_changed_parameter_sets_replace_those_of_the_description(wire, key, sets):
    stream, camera = Stream(sets), wire.Packetiser()
    changed = wire.PPS[:-1] + b"\xb8"
    stream.feed(camera.nals(0, changed, key))
    assert stream.payloads == [wire.annexb(wire.SPS, changed, key)]


def test_a_keyframe_without_any_parameter_sets_is_dropped_and_counted(wire, key):
    stream, camera = Stream(), wire.Packetiser()
    stream.feed(camera.nals(0, key))
    assert stream.units == [] and stream.depacketiser.dropped == 1


def test_other_pictures_are_passed_over(wire, key, sets):
    stream, camera = Stream(sets), wire.Packetiser()
    for time in range(0, 36000, 3600):
        stream.feed(camera.nals(time, wire.slice_nal(700)))
    stream.feed(camera.nals(36000, key))
    assert stream.payloads == [wire.annexb(*sets, key)] and stream.depacketiser.dropped == 0


def test_every_picture_goes_out_where_all_are_wanted(wire, key, sets):
    stream, camera = Stream(sets, wants_all=True), wire.Packetiser()
    other, supplement = wire.slice_nal(700), b"\x06\x05\x01\x07\x80"
    stream.feed(camera.nals(0, key) + camera.nals(3600, supplement, other) + camera.nals(7200, wire.PPS, other))
    assert stream.payloads == [
        wire.annexb(*sets, key),
        wire.annexb(supplement, other),
        wire.annexb(wire.PPS, other),
    ]


def test_all_are_wanted_from_the_next_whole_picture_on(wire, sets):
    stream, camera = Stream(sets), wire.Packetiser()
    torn, whole = (camera.nals(time, wire.slice_nal(700, seed=time)) for time in (1, 2))
    stream.feed(torn[:350])
    stream.depacketiser.want_all(True)
    stream.feed(torn[350:] + whole)
    assert stream.payloads == [wire.annexb(wire.slice_nal(700, seed=2))]


def test_no_part_of_a_picture_goes_out_once_they_are_no_longer_wanted(wire, key, sets):
    stream, camera = Stream(sets, wants_all=True), wire.Packetiser()
    other = camera.nals(1, wire.slice_nal(700))
    stream.feed(other[:350])
    stream.depacketiser.want_all(False)
    stream.feed(other[350:] + camera.nals(2, key))
    assert stream.payloads == [wire.annexb(*sets, key)] and stream.depacketiser.dropped == 0


def test_a_keyframe_of_several_slices_is_one_unit(wire, sets):
    slices = [wire.slice_nal(300, idr=True), wire.slice_nal(300, idr=True, first=False)]
    stream, camera = Stream(sets), wire.Packetiser()
    stream.feed(camera.nals(0, *slices))
    assert stream.payloads == [wire.annexb(*sets, *slices)]


def test_a_new_timestamp_ends_a_unit_where_the_marker_is_missing(wire, key, sets):
    stream, camera = Stream(sets), wire.Packetiser(markers=False)
    stream.feed(camera.nals(0, key))
    assert stream.units == []
    stream.feed(camera.nals(3600, wire.slice_nal(300)))
    assert stream.payloads == [wire.annexb(*sets, key)]


def test_markers_on_every_slice_are_seen_through(wire, sets):
    slices = [wire.slice_nal(80, idr=True), wire.slice_nal(80, idr=True, first=False)]
    stream, camera = Stream(sets), wire.Packetiser()
    for time in (0, 3600, 7200):
        stream.feed(b"".join(camera.nals(time, each) for each in slices))
    assert stream.payloads[-1] == wire.annexb(*sets, *slices)
    assert stream.depacketiser.dropped == 1


def test_markers_on_parameter_sets_end_nothing(wire, key, sets):
    stream, camera = Stream(), wire.Packetiser()
    stream.feed(camera.nals(0, wire.SPS) + camera.nals(0, wire.PPS) + camera.nals(0, key))
    assert stream.payloads == [wire.annexb(*sets, key)]


def test_a_marker_on_a_recovery_point_does_not_part_it_from_its_picture(wire, sets):
    stream, camera = Stream(sets), wire.Packetiser()
    intra = wire.slice_nal(500)
    stream.feed(camera.nals(0, wire.RECOVERY_POINT) + camera.nals(0, intra))
    assert stream.keyframes == [wire.annexb(*sets, wire.RECOVERY_POINT, intra)]


def test_units_with_one_timestamp_are_told_by_the_marker(wire, key, sets):
    stream, camera = Stream(sets), wire.Packetiser()
    stream.feed(camera.nals(0, key) + camera.nals(0, key))
    assert len(stream.keyframes) == 2


def test_a_recovery_point_makes_a_keyframe(wire, sets):
    stream, camera = Stream(sets), wire.Packetiser()
    intra = wire.slice_nal(500)
    stream.feed(camera.nals(0, wire.RECOVERY_POINT, intra) + camera.nals(1, wire.slice_nal(500)))
    assert stream.keyframes == [wire.annexb(*sets, wire.RECOVERY_POINT, intra)] == stream.payloads


def test_a_gradual_refresh_counts_only_where_there_is_no_idr(wire, key, sets):
    stream, camera = Stream(sets), wire.Packetiser()
    refresh = (wire.GRADUAL_REFRESH, wire.slice_nal(500))
    stream.feed(camera.nals(0, *refresh) + camera.nals(1, key) + camera.nals(2, *refresh))
    assert stream.payloads == [wire.annexb(*sets, *refresh), wire.annexb(*sets, key)]


def test_a_whole_unit_with_start_codes_in_one_nal_is_taken_apart(wire, key, sets):
    stream, camera = Stream(), wire.Packetiser()
    stream.feed(camera.nals(0, wire.annexb(*sets, key)[4:]))
    assert stream.payloads == [wire.annexb(*sets, key)]


def test_padding_extension_and_contributing_sources_are_taken_off(wire, key, sets):
    stream = Stream(sets)
    extra = bytes(4) + b"\xbe\xde\x00\x01" + bytes(4)  # one CSRC, one word of extension
    packet = wire.rtp(key + b"\x00\x00\x03", seq=1, time=0, marker=True, first=0x80 | 0x20 | 0x10 | 0x01, extra=extra)
    stream.feed(wire.interleave(packet))
    assert stream.payloads == [wire.annexb(*sets, key)]


def test_a_lost_packet_tears_its_keyframe_and_no_other(wire, key, sets):
    stream, camera = Stream(sets), wire.Packetiser()
    torn = camera.nals(0, key)
    stream.feed(torn[:232] + torn[348:])  # two packets in, one out
    stream.feed(camera.nals(1, key))
    assert stream.payloads == [wire.annexb(*sets, key)] and stream.depacketiser.dropped == 1


def test_a_camera_that_does_not_number_its_packets_is_received(wire, key, sets):
    stream = Stream(sets)
    for index, payload in enumerate(parts := wire.fragments(key, 98)):
        stream.feed(wire.interleave(wire.rtp(payload, seq=7, time=0, marker=index == len(parts) - 1)))
    assert stream.payloads == [wire.annexb(*sets, key)]


def test_an_endless_unit_is_dropped_and_its_memory_freed(wire, sets):
    stream = Stream(sets)
    begin, *_, end = wire.fragments(wire.slice_nal(180000, idr=True), 59998)
    middle = bytes([begin[0], 5]) + begin[2:]
    for seq in range(MAX_UNIT // len(begin) + 2):
        stream.feed(wire.interleave(wire.rtp(middle if seq else begin, seq=seq, time=0)))
    assert len(stream.depacketiser._body) == 0
    stream.feed(wire.interleave(wire.rtp(end, seq=seq + 1, time=0, marker=True)))
    stream.feed(wire.Packetiser().nals(1, wire.slice_nal(500, idr=True)))
    assert len(stream.keyframes) == 1 and stream.depacketiser.dropped == 1


unit_shapes = st.lists(
    st.tuples(st.booleans(), st.integers(2, 900), st.booleans(), st.booleans()), min_size=1, max_size=8
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # ``wire`` is a module, nothing to reset
@given(unit_shapes, st.lists(st.integers(0, 20000), max_size=40), st.booleans(), st.booleans(), st.integers(20, 400))
def test_any_cut_of_the_stream_gives_the_same_units(wire, shapes, cuts, wants_all, markers, mtu):
    camera = wire.Packetiser(mtu=mtu, markers=markers)
    stream = b""
    for time, (idr, size, with_sets, two_slices) in enumerate(shapes):
        nals = [wire.SPS, wire.PPS] if with_sets else []
        nals.append(wire.slice_nal(size, idr=idr, seed=time))
        nals += [wire.slice_nal(size, idr=idr, first=False)] if two_slices else []
        stream += camera.nals(time * 3600, *nals)
    whole = Stream((wire.SPS, wire.PPS), wants_all)
    whole.feed(stream)
    cut = Stream((wire.SPS, wire.PPS), wants_all)
    edges = [0, *sorted(cut_at % (len(stream) + 1) for cut_at in cuts), len(stream)]
    for begin, end in pairwise(edges):
        cut.feed(stream[begin:end])
    assert cut.units == whole.units
    if markers:
        assert len(whole.keyframes) == sum(idr for idr, *_ in shapes)
        assert len(whole.units) == (len(shapes) if wants_all else len(whole.keyframes))


@given(st.lists(st.tuples(st.binary(max_size=60), st.integers(0, 3), st.booleans()), max_size=40), st.booleans())
def test_no_packets_make_it_fail_or_grow(packets, wants_all):
    depacketiser = H264Depacketiser(ParameterSets(), lambda *unit: None)
    depacketiser.want_all(wants_all)
    total = 0
    for payload, time, plain in packets:
        packet = (b"\x80\x60\x00\x01" + time.to_bytes(4, "big") + bytes(4) if plain else b"") + payload
        total += len(packet) + 4
        depacketiser.packet(memoryview(packet), 0, len(packet), 0.0)
    assert len(depacketiser._body) <= total
