import pytest

from adapters.rtsp.payload.h264 import H264Depacketiser
from adapters.rtsp.payload.h264_syntax import H264Sets
from adapters.rtsp.protocol import Demultiplexer


class Stream:
    """A depacketiser behind a demultiplexer, fed as the connection does."""

    def __init__(self, nals=(), wants_all=False):
        self.units = []
        self.depacketiser = H264Depacketiser(H264Sets(nals), lambda *unit: self.units.append(unit))
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
    assert stream.payloads == [wire.annexb(*sets, key), wire.annexb(supplement, other), wire.annexb(other)]


def test_parameter_sets_that_change_between_keyframes_come_with_their_picture(wire, key, sets):
    stream, camera = Stream(sets, wants_all=True), wire.Packetiser()
    changed, other = wire.PPS[:-1] + b"\xb8", wire.slice_nal(700)
    stream.feed(camera.nals(0, key) + camera.nals(1, changed, other) + camera.nals(2, changed, other))
    assert stream.payloads[1:] == [wire.annexb(changed, other), wire.annexb(other)]


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


def test_gradual_refreshes_count_again_where_no_idr_follows_the_first(wire, key, sets):
    stream, camera = Stream(sets), wire.Packetiser()
    refresh = (wire.GRADUAL_REFRESH, wire.slice_nal(500))
    stream.feed(camera.nals(0, key) + b"".join(camera.nals(time, *refresh) for time in range(1, 7)))
    assert [time for _, _, time, _ in stream.units] == [0, 4, 5, 6]


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


def test_a_fragment_that_never_ends_tears_its_keyframe(wire, key, sets):
    stream, camera = Stream(sets), wire.Packetiser()
    stream.feed(camera.unit(0, *wire.fragments(key, 98)[:-1], wire.slice_nal(60, idr=True, first=False)))
    stream.feed(camera.nals(1, key))
    assert stream.payloads == [wire.annexb(*sets, key)] and stream.depacketiser.dropped == 1


def test_a_camera_that_does_not_number_its_packets_is_received(wire, key, sets):
    stream = Stream(sets)
    for index, payload in enumerate(parts := wire.fragments(key, 98)):
        stream.feed(wire.interleave(wire.rtp(payload, seq=7, time=0, marker=index == len(parts) - 1)))
    assert stream.payloads == [wire.annexb(*sets, key)]


def test_start_codes_left_in_the_payload_are_read_around(wire, key, sets):
    stream, camera = Stream(), wire.Packetiser(mtu=4000)
    stream.feed(camera.unit(0, wire.annexb(*sets), wire.annexb(key)[1:]))
    assert stream.payloads == [wire.annexb(*sets, key)]


def test_both_fields_of_an_interlaced_keyframe_are_one_unit(wire, key, sets):
    stream, camera = Stream(sets), wire.Packetiser()
    second = wire.slice_nal(700)  # a P field with the IDR field's timestamp
    stream.feed(camera.nals(0, key, second) + camera.nals(3600, wire.slice_nal(300)))
    assert stream.payloads == [wire.annexb(*sets, key, second)]


@pytest.mark.parametrize("kind", [25, 26, 27, 29, 30, 31, 2, 14, 20])
@pytest.mark.parametrize("wants_all", [False, True])
def test_payloads_of_other_modes_are_passed_over(wire, key, sets, kind, wants_all):
    stream, camera = Stream(sets, wants_all), wire.Packetiser()
    other = bytes([0x60 | kind, 0x85, 0, 1]) + bytes(range(60))
    stream.feed(camera.unit(0, other, other) + camera.unit(1, other, key[:90], other))
    assert stream.payloads == [wire.annexb(*sets, key[:90])]
    assert stream.depacketiser.dropped == 0


def test_an_aggregate_that_ends_too_early_tears_its_picture_only(wire, key, sets):
    stream, camera = Stream(sets), wire.Packetiser()
    stream.feed(camera.unit(0, wire.stap_a(key[:50], key[:50])[:-9]) + camera.nals(1, key))
    assert stream.payloads == [wire.annexb(*sets, key)] and stream.depacketiser.dropped == 1


def test_an_aggregate_of_more_than_any_camera_sends_is_cut_short(wire, key, sets):
    stream, camera = Stream(sets), wire.Packetiser()
    stream.feed(camera.unit(0, wire.stap_a(*[key[:20]] * 2000)))
    assert stream.payloads == [wire.annexb(*sets, *[key[:20]] * 64)]


def test_a_size_that_changes_in_midstream_is_told_with_its_keyframe(wire, key, sets):
    stream, camera = Stream(sets), wire.Packetiser()
    stream.feed(camera.nals(0, key))
    assert (stream.depacketiser.width, stream.depacketiser.height) == (1920, 1080)
    small = bytes.fromhex("6742c01eda0280bfe5c04400000fa40003a98038b16a4a")
    stream.feed(camera.nals(3600, small, wire.PPS, key))
    assert (stream.depacketiser.width, stream.depacketiser.height) == (640, 360)
    assert stream.payloads[-1].count(b"\x00\x00\x00\x01") == 3
