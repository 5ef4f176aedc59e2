"""What both codecs promise, whatever way a camera cuts its pictures into packets and whatever is lost of them."""

import random
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.rtsp.payload.h264 import H264Depacketiser
from adapters.rtsp.payload.h264_syntax import H264Sets
from adapters.rtsp.payload.h265 import H265Depacketiser
from adapters.rtsp.payload.h265_syntax import H265Sets
from adapters.rtsp.payload.nal_syntax import split_annexb
from adapters.rtsp.payload.rtp_unit import MAX_UNIT
from adapters.rtsp.protocol import Demultiplexer

_MAKERS = {"h264": (H264Depacketiser, H264Sets), "h265": (H265Depacketiser, H265Sets)}

# ``rtp`` and ``form`` are modules and constants: nothing to reset between examples
anything = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.fixture
def rtp_packets(peer):
    return peer("rtp_packets")


@pytest.fixture(params=["h264", "h265"])
def form(request, rtp_packets):
    return rtp_packets.FORMATS[request.param]


class Stream:
    """A depacketiser behind a demultiplexer, fed as the connection does."""

    def __init__(self, form, wants_all=False, sets=None):
        maker, sets_of = _MAKERS[form.name]
        self.units = []
        self.depacketiser = maker(sets_of(form.sets if sets is None else sets), lambda *unit: self.units.append(unit))
        self.depacketiser.want_all(wants_all)
        self.demultiplexer = Demultiplexer(lambda message: None)
        self.demultiplexer.attach(0, self.depacketiser)
        self.buffer = bytearray(512 * 1024)
        self.tail = b""

    def feed(self, data):
        data = self.tail + data
        self.buffer[: len(data)] = data
        self.tail = data[self.demultiplexer.walk(self.buffer, memoryview(self.buffer), len(data), 1.0) :]

    @property
    def keyframes(self):
        return [unit for unit in self.units if unit[0]]


@st.composite
def pictures(draw, form, rtp):
    """Access units of one to three slices, some with parameter sets or SEI ahead; times jump back and forth."""
    units = []
    time = draw(st.integers(0, 2**32 - 1))
    for index in range(draw(st.integers(1, 10))):
        key = draw(st.booleans())
        ahead = list(form.sets) if key and draw(st.booleans()) else []
        ahead += [form.user_data] if draw(st.booleans()) else []
        slices = [
            form.slice(draw(st.integers(1, 900)), key=key, first=number == 0, seed=index * 4 + number)
            for number in range(draw(st.integers(1, 3)))
        ]
        units.append(rtp.Unit(time, (*ahead, *slices), key))
        time = (time + draw(st.sampled_from([3600, 3600, 3600, 1, -90000, 90000 * 3600]))) % 2**32
    times = [unit.time for unit in units]
    return units if len(set(times)) == len(times) else units[:1]


def expected(form, rtp, units):
    known = set(form.sets)
    return [
        (
            unit.keyframe,
            rtp.annexb(*(form.sets if unit.keyframe else ()), *(nal for nal in unit.nals if nal not in known)),
            unit.time,
            1.0,
        )
        for unit in units
    ]


@anything
@given(st.data(), st.randoms(use_true_random=False))
def test_any_packetisation_gives_the_same_units(form, rtp_packets, data, dice):
    units = data.draw(pictures(form, rtp_packets))
    cutter = rtp_packets.Cutter(form, dice)
    stream = rtp_packets.interleaved([packet for unit in units for packet in cutter.cut(unit)])
    everything, keyframes = Stream(form, wants_all=True), Stream(form)
    everything.feed(stream)
    keyframes.feed(stream)
    assert everything.units == expected(form, rtp_packets, units)
    assert keyframes.units == everything.keyframes
    assert everything.depacketiser.dropped == keyframes.depacketiser.dropped == 0


@anything
@given(st.data(), st.randoms(use_true_random=False), st.lists(st.integers(0, 2**16), max_size=40), st.booleans())
def test_any_cut_of_the_bytes_gives_the_same_units(form, rtp_packets, data, dice, cuts, wants_all):
    units = data.draw(pictures(form, rtp_packets))
    cutter = rtp_packets.Cutter(form, dice, markers=data.draw(st.booleans()))
    stream = rtp_packets.interleaved([packet for unit in units for packet in cutter.cut(unit)])
    whole, cut = Stream(form, wants_all), Stream(form, wants_all)
    whole.feed(stream)
    for begin, end in pairwise([0, *sorted(at % (len(stream) + 1) for at in cuts), len(stream)]):
        cut.feed(stream[begin:end])
    assert cut.units == whole.units and cut.tail == b""


@anything
@given(st.data(), st.randoms(use_true_random=False), st.booleans())
def test_what_is_lost_is_left_out_and_counted(form, rtp_packets, data, dice, markers):
    units = data.draw(pictures(form, rtp_packets))
    cutter = rtp_packets.Cutter(form, dice, markers)
    packets = [packet for unit in units for packet in cutter.cut(unit)]
    lost = data.draw(st.sets(st.integers(0, len(packets) - 1), max_size=8))
    left = rtp_packets.interleaved([packet for index, packet in enumerate(packets) if index not in lost])
    everything, keyframes = Stream(form, wants_all=True), Stream(form)
    everything.feed(left)
    keyframes.feed(left)

    slices = {unit.time: [nal for nal in unit.nals if form.is_slice(nal)] for unit in units}
    for _, payload, time, _ in everything.units:
        assert [nal for nal in split_annexb(payload) if form.is_slice(nal)] == slices[time]
    assert keyframes.units == everything.keyframes
    order = [unit.time for unit in units]
    came = [order.index(time) for _, _, time, _ in everything.units]
    assert came == sorted(came)
    holes = sum(after - before > 1 for before, after in pairwise(came))
    assert everything.depacketiser.dropped >= holes


def test_a_camera_that_starts_its_encoder_anew_is_followed(form, rtp_packets):
    stream = Stream(form, wants_all=True)
    old, new = (rtp_packets.Cutter(form, random.Random(1), seq=seq, ssrc=seq) for seq in (40_000, 7))
    units = [rtp_packets.Unit(time, (form.slice(500, key=True),), True) for time in (900_000, 5)]
    begun = old.cut(rtp_packets.Unit(903_600, (form.slice(500), form.slice(500, first=False)), False))[:-1]
    stream.feed(rtp_packets.interleaved([*old.cut(units[0]), *begun, *new.cut(units[1])]))
    assert [time for _, _, time, _ in stream.units] == [900_000, 5]
    assert stream.depacketiser.dropped == 1


def test_a_stream_of_another_size_says_so(form, rtp_packets):
    stream = Stream(form, sets=())
    assert (stream.depacketiser.width, stream.depacketiser.height) == (None, None)
    cutter = rtp_packets.Cutter(form, random.Random(1))
    stream.feed(rtp_packets.interleaved(cutter.cut(rtp_packets.Unit(0, (*form.sets, form.slice(50, key=True)), True))))
    assert (stream.depacketiser.width, stream.depacketiser.height) == form.size
    assert len(stream.units) == 1


def test_a_keyframe_without_all_its_parameter_sets_is_dropped_and_counted(form, rtp_packets):
    stream = Stream(form, sets=form.sets[:-1])
    cutter = rtp_packets.Cutter(form, random.Random(1))
    stream.feed(rtp_packets.interleaved(cutter.cut(rtp_packets.Unit(0, (form.slice(50, key=True),), True))))
    assert stream.units == [] and stream.depacketiser.dropped == 1


def test_a_recovery_point_makes_a_keyframe(form, rtp_packets):
    stream = Stream(form)
    cutter = rtp_packets.Cutter(form, random.Random(1))
    refresh = rtp_packets.Unit(0, (form.recovery_point, form.slice(500), form.slice(500, first=False)), True)
    other = rtp_packets.Unit(1, (form.user_data, form.slice(500)), False)
    stream.feed(rtp_packets.interleaved([packet for unit in (refresh, other) for packet in cutter.cut(unit)]))
    assert stream.units == expected(form, rtp_packets, [refresh])


def test_joining_in_the_middle_of_a_picture_counts_nothing(form, rtp_packets):
    stream = Stream(form)
    cutter = rtp_packets.Cutter(form, random.Random(1))
    first, second = (rtp_packets.Unit(time, (form.slice(900), form.slice(900, first=False)), False) for time in (1, 2))
    packets = cutter.cut(first)
    stream.feed(rtp_packets.interleaved(packets[:1]))
    stream.depacketiser.want_all(True)
    stream.feed(rtp_packets.interleaved([*packets[1:], *cutter.cut(second)]))
    assert stream.units == expected(form, rtp_packets, [second])
    assert stream.depacketiser.dropped == 0


def test_an_endless_unit_is_dropped_and_its_memory_freed(form, rtp_packets):
    stream = Stream(form, wants_all=True)
    begin, middle, *_ = form.fragments(form.slice(180_000, key=True), [59_990])
    for number in range(MAX_UNIT // len(middle) + 2):
        head = b"\x80\x60" + number.to_bytes(2, "big") + bytes(8)
        stream.feed(rtp_packets.interleaved([head + (middle if number else begin)]))
    assert len(stream.depacketiser._body) == 0
    cutter = rtp_packets.Cutter(form, random.Random(1), seq=number + 1)
    stream.feed(rtp_packets.interleaved(cutter.cut(rtp_packets.Unit(1, (form.slice(50, key=True),), True))))
    assert len(stream.keyframes) == 1 and stream.depacketiser.dropped == 1


@anything
@given(st.lists(st.tuples(st.binary(max_size=60), st.integers(0, 3), st.booleans()), max_size=40), st.booleans())
def test_no_packets_make_it_fail_or_grow(form, packets, wants_all):
    depacketiser = Stream(form, wants_all).depacketiser
    total = 0
    for payload, time, plain in packets:
        packet = (b"\x80\x60\x00\x01" + time.to_bytes(4, "big") + bytes(4) if plain else b"") + payload
        total += len(packet) + 4
        depacketiser.packet(memoryview(packet), 0, len(packet), 0.0)
    assert len(depacketiser._body) <= total
