"""H.265 as x265 makes it and as RFC 7798 packs it."""

import random
from fractions import Fraction

import av
import numpy as np
import pytest

from adapters.rtsp.payload.h265 import H265Depacketiser
from adapters.rtsp.payload.h265_syntax import AP, CRA, FU, RASL_N, RASL_R, H265Sets
from adapters.rtsp.payload.nal_syntax import split_annexb
from adapters.rtsp.protocol import PASS, Demultiplexer

WIDTH, HEIGHT, PICTURES = 326, 246, 24


def kind(nal):
    return nal[0] >> 1 & 0x3F


def encode(parameters):
    """Access units, each a list of NAL units, of a pattern that moves."""
    context = av.CodecContext.create("libx265", "w")
    context.width, context.height, context.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    context.framerate, context.time_base, context.thread_count = Fraction(25), Fraction(1, 25), 1
    context.options = {
        "preset": "ultrafast",
        "x265-params": f"log-level=none:repeat-headers=1:pools=2:frame-threads=1:{parameters}",
    }
    packets = []
    for number in range(PICTURES):
        luma = (np.arange(WIDTH)[None, :] * 3 + np.arange(HEIGHT)[:, None] * 2 + number * 9) % 256
        planes = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
        planes[:HEIGHT] = luma
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts = number
        packets += context.encode(frame)
    packets += context.encode(None)
    return [[nal for nal in split_annexb(bytes(packet)) if kind(nal) != 39] for packet in packets]


@pytest.fixture(scope="module")
def open_gop():
    """Six GOPs that begin with CRA pictures (the first with an IDR), with B pictures that lead them."""
    return encode("keyint=8:min-keyint=8:scenecut=0:bframes=2:b-adapt=0:open-gop=1")


@pytest.fixture(scope="module")
def slices():
    return encode("keyint=6:min-keyint=6:scenecut=0:bframes=0:open-gop=0:slices=2")


@pytest.fixture
def stream_of(peer):
    rtp = peer("rtp_packets")

    def pack(units):
        cutter = rtp.Cutter(rtp.H265, random.Random(5))
        cut = [cutter.cut(rtp.Unit(time * 3600, tuple(nals), False)) for time, nals in enumerate(units)]
        return rtp.interleaved([packet for packets in cut for packet in packets])

    return pack


def receive(stream, wants_all):
    units = []
    depacketiser = H265Depacketiser(H265Sets(), lambda *unit: units.append(unit))
    depacketiser.want_all(wants_all)
    demultiplexer = Demultiplexer(lambda message: None)
    demultiplexer.attach(0, depacketiser)
    buffer = bytearray(stream)
    demultiplexer.walk(buffer, memoryview(buffer), len(buffer), 1.0)
    return units, depacketiser


def decode(payloads):
    context = av.CodecContext.create("hevc", "r")
    frames = []
    for payload in payloads:
        frames += context.decode(av.Packet(payload))
    return frames + context.decode(None)


def test_every_picture_of_an_open_gop_is_received_and_decodes(open_gop, stream_of):
    assert {RASL_N, RASL_R} & {kind(nal) for nals in open_gop for nal in nals}, "x265 made no leading pictures"
    units, depacketiser = receive(stream_of(open_gop), wants_all=True)
    assert depacketiser.dropped == 0
    assert (depacketiser.width, depacketiser.height) == (WIDTH, HEIGHT)
    assert [time for _, _, time, _ in units] == [time * 3600 for time in range(PICTURES)]
    frames = decode(payload for _, payload, _, _ in units)
    assert len(frames) == PICTURES and {(frame.width, frame.height) for frame in frames} == {(WIDTH, HEIGHT)}


def test_keyframes_decode_by_themselves(open_gop, stream_of):
    keyframes, _ = receive(stream_of(open_gop), wants_all=False)
    everything, _ = receive(stream_of(open_gop), wants_all=True)
    assert len(keyframes) == 3 and keyframes == [unit for unit in everything if unit[0]]
    for _, payload, _, _ in keyframes:
        assert len(decode([payload])) == 1


def test_leading_pictures_of_the_first_keyframe_are_passed_over_and_of_later_ones_are_not(open_gop, stream_of):
    begin = next(at for at, nals in enumerate(open_gop) if any(kind(nal) == CRA for nal in nals))
    joined = open_gop[begin:]
    leading = [any(kind(nal) in (RASL_N, RASL_R) for nal in nals) for nals in joined]
    second = next(at for at, nals in enumerate(joined) if at and any(kind(nal) == CRA for nal in nals))
    assert any(leading[:second]) and any(leading[second:])
    units, depacketiser = receive(stream_of(joined), wants_all=True)
    expected = [at for at in range(len(joined)) if at >= second or not leading[at]]
    assert [time // 3600 for _, _, time, _ in units] == expected
    assert depacketiser.dropped == 0
    assert len(decode(payload for _, payload, _, _ in units)) == len(expected)


def test_leading_pictures_of_a_broken_link_are_always_passed_over(peer):
    rtp = peer("rtp_packets")
    form = rtp.H265
    cutter = rtp.Cutter(form, random.Random(1))
    bla, rasl = (bytes([number << 1, 1]) + form.slice(80)[2:] for number in (16, RASL_R))
    units = [
        rtp.Unit(0, (*form.sets, form.slice(80, key=True)), True),
        rtp.Unit(1, (bla,), True),
        rtp.Unit(2, (rasl,), False),
        rtp.Unit(3, (form.slice(80),), False),
    ]
    received, depacketiser = receive(rtp.interleaved([p for unit in units for p in cutter.cut(unit)]), wants_all=True)
    assert [(key, time) for key, _, time, _ in received] == [(True, 0), (True, 1), (False, 3)]
    assert depacketiser.dropped == 0


def test_several_slices_are_one_picture(slices, stream_of):
    assert sum(kind(nal) < 32 for nal in slices[0]) > 1
    units, depacketiser = receive(stream_of(slices), wants_all=True)
    assert len(units) == PICTURES and depacketiser.dropped == 0
    assert len(decode(payload for _, payload, _, _ in units)) == PICTURES
    keyframes, _ = receive(stream_of(slices), wants_all=False)
    assert keyframes == [unit for unit in units if unit[0]] and len(keyframes) == PICTURES // 6


def test_what_belongs_to_no_keyframe_passes_unread():
    tables = H265Depacketiser.keyframes
    trail, idr, aggregate, fragment = 1 << 1, 20 << 1, AP << 1, FU << 1
    assert tables[trail] == PASS and all(tables[idr]) and all(tables[aggregate])
    assert [bool(tables[fragment][0x80 | number]) for number in (1, RASL_R, 19, 20, CRA, 32, 34, 39, 40)] == [
        *(False, False, True, True, True, True, True, True, False)
    ]
