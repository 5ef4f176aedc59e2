import struct

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.lab.encoder import Encoded
from gateway.lab.rtp import Rewriting, packetise, sender_report

nal_units = st.binary(min_size=1, max_size=6000).map(lambda body: bytes((body[0] & 0xE0 | 5,)) + body)
pictures = st.lists(nal_units, min_size=1, max_size=4).map(lambda nals: Encoded(tuple(nals), True))


def frames(block: bytes) -> list[tuple[int, bytes]]:
    found, at = [], 0
    while at < len(block):
        assert block[at] == 0x24
        end = at + 4 + int.from_bytes(block[at + 2 : at + 4], "big")
        found.append((block[at + 1], block[at + 4 : end]))
        at = end
    assert at == len(block)
    return found


def reassemble(packets: list[bytes]) -> list[bytes]:
    nals: list[bytes] = []
    for packet in packets:
        payload = packet[12:]
        if payload[0] & 0x1F == 28:
            if payload[1] & 0x80:
                nals.append(bytes((payload[0] & 0xE0 | payload[1] & 0x1F,)))
            nals[-1] += payload[2:]
        else:
            nals.append(payload)
    return nals


@settings(deadline=None)  # the machine may be busy
@given(pictures, st.integers(0, 0xFFFF), st.integers(0, 0x1_FFFF_FFFF))
def test_what_is_cut_can_be_put_together(picture: Encoded, sequence: int, timestamp: int) -> None:
    block = packetise(picture, ssrc=0xDEADBEEF).stamped(sequence, timestamp)
    packets = [packet for channel, packet in frames(block) if channel == 0]
    assert tuple(reassemble(packets)) == picture.nals
    headers = [struct.unpack("!BBHII", packet[:12]) for packet in packets]
    assert all(len(packet) <= 1412 for packet in packets)
    assert [header[2] for header in headers] == [(sequence + index) & 0xFFFF for index in range(len(packets))]
    assert {header[3] for header in headers} == {timestamp & 0xFFFF_FFFF}
    assert {header[4] for header in headers} == {0xDEADBEEF}
    assert [header[1] >> 7 for header in headers] == [0] * (len(packets) - 1) + [1], "the marker ends the picture"


@settings(deadline=None)  # the machine may be busy
@given(pictures)
def test_a_stamped_block_keeps_its_numbers_when_the_picture_is_stamped_again(picture: Encoded) -> None:
    packets = packetise(picture, ssrc=1)
    first = packets.stamped(7, 100)
    kept = bytes(bytearray(first))
    packets.stamped(900, 5000)
    assert first == kept


@settings(deadline=None)  # the machine may be busy
@given(pictures, st.integers(0, 255), st.integers(0, 255))
def test_other_channels_carry_the_same_packets(picture: Encoded, rtp: int, rtcp: int) -> None:
    block = sender_report(1, 0.0, 0, 0, 0) + packetise(picture, ssrc=1).stamped(0, 0)
    moved = frames(Rewriting((rtp, rtcp))(block))
    assert [packet for _, packet in moved] == [packet for _, packet in frames(block)]
    assert [channel for channel, _ in moved] == [rtcp] + [rtp] * (len(moved) - 1)


def test_a_sender_report_ties_the_clocks() -> None:
    ((channel, report),) = frames(sender_report(5, 1_700_000_000.5, 90_000, 12, 3400))
    flags, kind, length, ssrc, seconds, fraction, timestamp, packets, octets = struct.unpack("!BBHIIIIII", report)
    assert (channel, flags, kind, (length + 1) * 4) == (1, 0x80, 200, len(report))
    assert (ssrc, timestamp, packets, octets) == (5, 90_000, 12, 3400)
    assert seconds == 1_700_000_000 + 2_208_988_800
    assert fraction == 1 << 31
