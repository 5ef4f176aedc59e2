import asyncio
import socket

import pytest

from adapters.rtsp.buffer import ReceiveBuffer
from adapters.rtsp.protocol import FIRST_AND_SECOND, FIRST_AND_THIRD, PASS, TAKE
from adapters.rtsp.route import Datagrams
from adapters.rtsp.udp import UdpPorts
from gateway.errors import Unreachable


class Sink:
    """Wants payloads that begin with 0x65."""

    tables = tuple(TAKE if first == 0x65 else PASS for first in range(256))

    def __init__(self, frame=FIRST_AND_SECOND):
        self.frame = frame
        self.taken = []

    def packet(self, view, start, end, now):
        self.taken.append((bytes(view[start:end]), now))


class Sender:
    """The camera's two sockets."""

    def __init__(self, host="127.0.0.1"):
        self.rtp, self.rtcp = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        for sock in (self.rtp, self.rtcp):
            sock.bind((host, 0))
            sock.settimeout(60)

    @property
    def ports(self):
        return self.rtp.getsockname()[1], self.rtcp.getsockname()[1]

    def close(self):
        self.rtp.close()
        self.rtcp.close()


@pytest.fixture
async def ports():
    opened = UdpPorts("127.0.0.1")
    yield opened
    opened.close()


@pytest.fixture
def sender():
    sender = Sender()
    yield sender
    sender.close()


def start(ports, sink, sender=None, source=None, before=lambda: None):
    route = Datagrams(sender.ports if sender else None, source)
    ports.start("127.0.0.1", route, sink, ReceiveBuffer(), lambda: 7.0, before)


async def until(condition):
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.005)


async def test_an_even_port_and_the_next_are_open(ports):
    assert ports.port % 2 == 0
    for port in (ports.port, ports.port + 1):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken, pytest.raises(OSError):
            taken.bind(("127.0.0.1", port))


async def test_closed_they_are_free_again(ports):
    other = UdpPorts("127.0.0.1")
    start(other, Sink())
    other.close()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", other.port))


async def test_where_no_ports_can_be_opened_it_is_said():
    with pytest.raises(Unreachable, match=r"no pair of UDP ports can be opened on 203\.0\.113\.1"):
        UdpPorts("203.0.113.1")  # an address that is not ours


async def test_what_is_wanted_arrives_and_everything_is_counted(ports, sender, wire):
    sink, walks = Sink(), []
    start(ports, sink, before=lambda: walks.append(1))
    packets = [wire.rtp(payload, seq=seq, time=0) for seq, payload in enumerate((b"\x41no", b"\x65yes", b"\x65"))]
    for packet in packets:
        sender.rtp.sendto(packet, ("127.0.0.1", ports.port))
    await until(lambda: len(sink.taken) == 2)
    assert sink.taken == [(packets[1], 7.0), (packets[2], 7.0)]
    assert ports.media_seen and ports.size == sum(map(len, packets)) and walks
    assert ports.reception.lost == 0


async def test_a_codec_that_is_told_by_its_third_byte(ports, sender, wire):
    sink = Sink(FIRST_AND_THIRD)
    sink.tables = tuple(bytes(third == 9 for third in range(256)) for _ in range(256))
    start(ports, sink)
    for seq, payload in enumerate((b"\x00\x09\x00", b"\x00\x00\x09")):
        sender.rtp.sendto(wire.rtp(payload, seq=seq, time=0), ("127.0.0.1", ports.port))
    await until(lambda: sink.taken)
    assert [packet[12:] for packet, _ in sink.taken] == [b"\x00\x00\x09"]


async def test_echoes_and_what_is_no_rtp_are_passed_over(ports, sender, wire):
    sink = Sink()
    start(ports, sink)
    first, second, last = (wire.rtp(b"\x65" + bytes([at]), seq=at, time=0) for at in range(3))
    for packet in (first, second, second, b"", b"\x65" * 40, b"\x80" * 12, last):
        sender.rtp.sendto(packet, ("127.0.0.1", ports.port))
    await until(lambda: len(sink.taken) >= 3)
    assert [packet for packet, _ in sink.taken] == [first, second, last]


async def test_only_the_camera_is_listened_to(ports, sender, wire):
    stranger, announced, sink = Sender("127.0.0.2"), Sender("127.0.0.3"), Sink()
    start(ports, sink, source="127.0.0.3")
    for number, each in enumerate((stranger, announced, sender)):
        each.rtp.sendto(wire.rtp(b"\x65" + bytes([number]), seq=number, time=0), ("127.0.0.1", ports.port))
    await until(lambda: len(sink.taken) == 2)
    assert [packet[-1] for packet, _ in sink.taken] == [1, 2]
    for each in (stranger, announced):
        each.close()


async def test_a_report_goes_to_the_cameras_ports_and_opens_the_way(ports, sender, wire):
    sink = Sink()
    start(ports, sink, sender)
    sender.rtp.sendto(wire.rtp(b"\x65", seq=9, time=0), ("127.0.0.1", ports.port))
    sender_report = b"\x80\xc8\x00\x06" + bytes(4) + bytes(range(1, 9)) + bytes(12)
    sender.rtcp.sendto(sender_report, ("127.0.0.1", ports.port + 1))
    await until(lambda: ports.size == 13 + len(sender_report))
    ports.report(8.0)
    punch, came_from = await asyncio.to_thread(sender.rtp.recvfrom, 100)
    assert (len(punch), punch[0] & 0xC0, came_from[1]) == (12, 0x80, ports.port)
    report, came_from = await asyncio.to_thread(sender.rtcp.recvfrom, 100)
    assert (report[1], came_from[1]) == (201, ports.port + 1)
    assert report[24:28] == bytes([3, 4, 5, 6]), "the middle of the sender report's NTP time"


async def test_without_the_cameras_ports_no_report_can_be_sent(ports):
    start(ports, Sink())
    ports.report(8.0)


async def test_a_burst_is_read_in_helpings(ports, sender, wire):
    sink = Sink()
    start(ports, sink)
    for seq in range(300):
        sender.rtp.sendto(wire.rtp(b"\x65" + bytes(900), seq=seq, time=0), ("127.0.0.1", ports.port))
    await until(lambda: len(sink.taken) == 300)
    assert ports.reception.lost == 0
