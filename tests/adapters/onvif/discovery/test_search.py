"""Asking by multicast and one by one, over real sockets on loopback."""

import asyncio
import re
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from adapters.onvif.discovery.hello import Listener
from adapters.onvif.discovery.interfaces import chosen_interfaces
from adapters.onvif.discovery.probes import GROUP_V4, Announcement, Found
from adapters.onvif.discovery.search import probe
from gateway.address_ranges import parse_range
from gateway.errors import UsageError

LOOPBACK = "127.0.0.1"


def _uuid(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def _matches(numbers: Iterable[int], xaddrs: str) -> bytes:
    return (
        '<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"'
        ' xmlns:w="http://schemas.xmlsoap.org/ws/2004/08/addressing"'
        ' xmlns:k="http://schemas.xmlsoap.org/ws/2005/04/discovery"><e:Body><k:ProbeMatches>'
        + "".join(
            f"<k:ProbeMatch><w:EndpointReference><w:Address>urn:uuid:{_uuid(each)}</w:Address></w:EndpointReference>"
            f"<k:Types>dn:NetworkVideoTransmitter</k:Types><k:XAddrs>{xaddrs}</k:XAddrs></k:ProbeMatch>"
            for each in numbers
        )
        + "</k:ProbeMatches></e:Body></e:Envelope>"
    ).encode()


@dataclass
class Device(asyncio.DatagramProtocol):
    """Answers probes from its own address, which need not be the one it is asked at. ``says``: in place of one match."""

    number: int
    xaddrs: str
    says: Sequence[bytes] = ()
    saying: list[asyncio.Task[None]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    answers_from: asyncio.DatagramTransport | None = None
    transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.DatagramTransport)
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        asked = re.search(rb"<d:Types>([^<]*)", data)
        assert asked is not None
        self.asked.append(asked[1].decode())
        by = self.answers_from or self.transport
        assert by is not None
        self.saying.append(asyncio.ensure_future(self._say(by, addr)))

    async def _say(self, by: asyncio.DatagramTransport, to: tuple[str, int]) -> None:
        for each in self.says or (_matches([self.number], self.xaddrs),):
            by.sendto(each, to)
            await asyncio.sleep(0)  # whoever reads has a small buffer, and this very loop


@asynccontextmanager
async def device(number: int, host: str, port: int, *, group: bool = False, xaddrs: str = "") -> AsyncIterator[Device]:
    loop = asyncio.get_running_loop()
    listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((GROUP_V4 if group else host, port))
    if group:
        member = socket.inet_aton(GROUP_V4) + socket.inet_aton(LOOPBACK) + struct.pack("@i", 0)
        listening.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
    made = Device(number, xaddrs or f"http://{host}/onvif/device_service")
    transport, _ = await loop.create_datagram_endpoint(lambda: made, sock=listening)
    answering, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, (host, 0))
    made.answers_from = answering
    try:
        yield made
    finally:
        transport.close()
        answering.close()


async def all_found(port: int, **how: object) -> list[Found]:
    return [found async for found in probe(port=port, **how)]  # type: ignore[arg-type]


@pytest.fixture
def port(free_port: Callable[[], int]) -> int:
    return free_port()


class TestMulticast:
    async def test_each_device_is_found_once_with_both_types_asked_twice(self, port: int) -> None:
        async with device(1, "127.0.0.2", port, group=True) as one, device(2, "127.0.0.3", port, group=True):
            found = await all_found(port, interfaces=[LOOPBACK], timeout=0.1)
        assert sorted((each.endpoint, each.host) for each in found) == [
            (_uuid(1), "127.0.0.2"),
            (_uuid(2), "127.0.0.3"),
        ]
        assert sorted(one.asked) == ["dn:NetworkVideoTransmitter"] * 2 + ["tds:Device"] * 2

    async def test_the_interface_may_be_named(self, port: int) -> None:
        async with device(1, "127.0.0.2", port, group=True):
            assert [each.host for each in await all_found(port, interfaces=["lo"], timeout=0.1)] == ["127.0.0.2"]

    async def test_a_device_behind_a_nat_is_where_it_answered_from(self, port: int) -> None:
        async with device(1, "127.0.0.2", port, group=True, xaddrs="http://192.168.1.108:8899/onvif/device_service"):
            (found,) = await all_found(port, interfaces=[LOOPBACK], timeout=0.1)
        assert (found.host, found.port) == ("127.0.0.2", 8899)

    async def test_one_identity_at_two_addresses_is_told_of_both(self, port: int) -> None:
        async with device(1, "127.0.0.2", port, group=True), device(1, "127.0.0.3", port, group=True):
            found = await all_found(port, interfaces=[LOOPBACK], timeout=0.1)
        assert sorted(each.host for each in found) == ["127.0.0.2", "127.0.0.3"]

    async def test_a_flood_of_made_up_devices_neither_holds_up_the_search_nor_hides_another(self, port: int) -> None:
        flood = [_matches(range(64 * n, 64 * (n + 1)), "") for n in range(200)]
        async with (
            device(1, "127.0.0.2", port, group=True) as flooding,
            device(2, "127.0.0.3", port, group=True),
            asyncio.timeout(60),
        ):
            flooding.says = flood
            found = await all_found(port, interfaces=[LOOPBACK], timeout=0.1)
        assert "127.0.0.3" in {each.host for each in found}
        assert len(found) <= 256 + 64 + 1

    async def test_nobody_there(self, port: int) -> None:
        assert await all_found(port, interfaces=[LOOPBACK], timeout=0.1) == []

    async def test_an_interface_that_is_not_there_is_named_with_those_that_are(self, port: int) -> None:
        with pytest.raises(UsageError, match=r"there is no network interface eth99; here are .*lo"):
            await all_found(port, interfaces=["eth99"])

    def test_loopback_is_not_asked_unless_named(self) -> None:
        assert "lo" not in [each.name for each in chosen_interfaces(())]
        assert [each.name for each in chosen_interfaces(["lo"])] == ["lo"]


class TestOneByOne:
    async def test_a_range_is_asked(self, port: int) -> None:
        async with device(7, "127.0.3.9", port) as there:
            found = await all_found(port, interfaces=[LOOPBACK], ranges=[parse_range("127.0.3.0/28")], timeout=0.1)
        assert [(each.endpoint, each.host) for each in found] == [(_uuid(7), "127.0.3.9")]
        assert there.asked == ["dn:NetworkVideoTransmitter", "tds:Device"]

    async def test_a_sender_that_never_ends_is_cut_short(self, port: int) -> None:
        """Whoever answers with ever new names fills neither memory nor the table."""
        async with device(1, "127.0.0.2", port) as liar:
            flood = [_matches([number], "http://127.0.0.2/x") for number in range(1000)]

            def answer_a_thousand_times(_: bytes, addr: tuple[str, int]) -> None:
                assert liar.answers_from is not None
                for each in flood:
                    liar.answers_from.sendto(each, addr)

            liar.datagram_received = answer_a_thousand_times  # type: ignore[method-assign]
            found = await all_found(port, interfaces=[LOOPBACK], ranges=[parse_range("127.0.0.2")], timeout=0.1)
        assert 0 < len(found) <= 256


class TestListener:
    async def test_hello_is_heard_and_a_probe_of_others_is_not(self, port: int) -> None:
        heard: asyncio.Queue[Announcement] = asyncio.Queue()
        listening = asyncio.create_task(Listener([LOOPBACK], port=port).run(heard.put_nowait))
        hello = _matches([3], "http://127.0.0.1/x").replace(b"k:ProbeMatches>", b"k:Hello>")
        hello = hello.replace(b"<k:ProbeMatch>", b"").replace(b"</k:ProbeMatch>", b"")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            interface = socket.inet_aton(GROUP_V4) + socket.inet_aton(LOOPBACK) + struct.pack("@i", 0)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, interface)
            async with asyncio.timeout(60):
                while heard.empty():
                    sock.sendto(_matches([9], ""), (GROUP_V4, port))
                    sock.sendto(hello, (GROUP_V4, port))
                    await asyncio.sleep(0.01)
        listening.cancel()
        assert [each.endpoint for each in (await heard.get()).found] == [_uuid(3)]

    async def test_a_flood_is_dropped_and_counted(self, port: int) -> None:
        costly = _matches([1], "http://127.0.0.1/x").replace(b"<k:XAddrs>", b"<a/>" * 7000 + b"<k:XAddrs>")
        listener = Listener([LOOPBACK], port=port)
        listening = asyncio.create_task(listener.run(lambda _: None))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            interface = socket.inet_aton(GROUP_V4) + socket.inet_aton(LOOPBACK) + struct.pack("@i", 0)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, interface)
            async with asyncio.timeout(60):
                while not listener.dropped:
                    for _ in range(5):
                        sock.sendto(costly, (GROUP_V4, port))
                    await asyncio.sleep(0)
        listening.cancel()
