"""WS-Discovery of simulated devices: by multicast on loopback, and one by one."""

import asyncio
import socket
import uuid
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from gateway.errors import ListenFailed
from gateway.lab.onvif.discovery import GROUP

PROBE = (
    '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" '
    'xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" '
    'xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"><s:Header><a:MessageID>{name}</a:MessageID></s:Header>'
    '<s:Body><d:Probe><d:Types xmlns:dn="http://www.onvif.org/ver10/network/wsdl">{types}</d:Types></d:Probe></s:Body>'
    "</s:Envelope>"
)


class Hearing:
    """A UDP socket that hears answers; in the group, Hello and Bye too."""

    def __init__(self, port: int = 0, group: bool = False) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        loopback = socket.inet_aton("127.0.0.1")
        if group:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.socket.bind((GROUP, port))
            self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(GROUP) + loopback)
        else:
            self.socket.bind(("127.0.0.1", 0))
        self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, loopback)

    def ask(self, host: str, port: int, types: str = "dn:NetworkVideoTransmitter") -> str:
        name = f"urn:uuid:{uuid.uuid4()}"
        self.socket.sendto(PROBE.format(name=name, types=types).encode(), (host, port))
        return name

    async def one(self) -> dict[str, str]:
        async with asyncio.timeout(60):
            content, sender = await asyncio.get_running_loop().sock_recvfrom(self.socket, 65536)
        root = ET.fromstring(content)
        return {one.tag.rpartition("}")[2]: (one.text or "").strip() for one in root.iter()} | {"from": sender[0]}


@pytest.fixture
async def hearing(free_udp_port: int) -> Any:
    heard: list[Hearing] = []

    def start(group: bool = False) -> Hearing:
        heard.append(Hearing(free_udp_port, group))
        return heard[-1]

    yield start
    for one in heard:
        one.socket.close()


async def test_every_device_answers_a_multicast_probe_once(open_park: Any, hearing: Any, free_udp_port: int) -> None:
    park = await open_park(3, discovery="127.0.0.1", discovery_port=free_udp_port)
    asker = hearing()
    name = asker.ask(GROUP, free_udp_port)
    answers = [await asker.one() for _ in range(3)]
    assert {one["RelatesTo"] for one in answers} == {name}
    assert {one["XAddrs"] for one in answers} == {park.url(number) for number in (1, 2, 3)}
    assert {one["from"] for one in answers} == {"127.1.0.1", "127.1.0.2", "127.1.0.3"}
    assert {device.plate.endpoint for device in park.devices.values()} == {one["Address"] for one in answers}


async def test_a_device_is_asked_alone_and_keeps_its_identity(open_park: Any, hearing: Any, free_udp_port: int) -> None:
    park = await open_park(2, discovery="127.0.0.1", discovery_port=free_udp_port)
    asker = hearing()
    asker.ask("127.1.0.2", free_udp_port, "tds:Device")
    found = await asker.one()
    assert (found["from"], found["Address"]) == ("127.1.0.2", park.devices[2].plate.endpoint)
    asker.ask("127.1.0.2", free_udp_port, "dn:Printer")
    asker.ask("127.1.0.1", free_udp_port)
    assert (await asker.one())["from"] == "127.1.0.1", "nobody is a printer"


async def test_a_device_that_moves_says_bye_and_hello_and_answers_there_alone(
    open_park: Any, hearing: Any, free_udp_port: int, client: Any
) -> None:
    group = hearing(group=True)
    park = await open_park(1, discovery="127.0.0.1", discovery_port=free_udp_port)
    assert (await group.one())["Action"].endswith("/Hello")
    await park.move(1, "127.9.9.9")
    bye, hello = await group.one(), await group.one()
    assert (bye["Action"].rpartition("/")[2], hello["Action"].rpartition("/")[2]) == ("Bye", "Hello")
    assert bye["Address"] == hello["Address"] == park.devices[1].plate.endpoint
    assert hello["XAddrs"] == f"http://127.9.9.9:{park.port}/onvif/device_service"
    assert (await client(park).call("tds:GetScopes")).status == 200
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.1.0.1", park.port)


async def test_a_device_without_power_hears_nothing_until_it_boots(
    open_park: Any, hearing: Any, free_udp_port: int, client: Any
) -> None:
    park = await open_park(2, discovery="127.0.0.1", discovery_port=free_udp_port)
    await client(park).subscribe()
    park.power(False, [1])
    asker = hearing()
    asker.ask("127.1.0.1", free_udp_port)
    asker.ask("127.1.0.2", free_udp_port)
    assert (await asker.one())["from"] == "127.1.0.2"
    park.power(True, [1])
    asker.ask("127.1.0.1", free_udp_port)
    assert (await asker.one())["from"] == "127.1.0.1"
    assert len(park.devices[1].subscriptions) == 0, "a boot forgets them"
    assert (await client(park).call("tds:GetScopes")).status == 200


async def test_a_taken_port_is_said_in_a_sentence(open_park: Any, free_udp_port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.1.0.1", free_udp_port))
        with pytest.raises(ListenFailed, match=f"cannot hear probes on 127.1.0.1:{free_udp_port}"):
            await open_park(1, discovery="127.0.0.1", discovery_port=free_udp_port)


async def test_whoever_can_do_without_discovery_goes_on_where_its_port_is_taken(
    open_park: Any, hearing: Any, free_udp_port: int, client: Any
) -> None:
    first = await open_park(1, discovery="127.0.0.1", discovery_port=free_udp_port)
    other = await open_park(1, discovery="127.0.0.1", discovery_port=free_udp_port, discovery_needed=False)
    assert (await client(other).call("tds:GetScopes")).status == 200
    asker = hearing()
    asker.ask("127.1.0.1", free_udp_port)
    assert (await asker.one())["XAddrs"] == first.url(1)
    assert (first.discoverable, other.discoverable) == (True, False)


async def test_without_multicast_devices_are_still_asked_one_by_one(
    open_park: Any, hearing: Any, free_udp_port: int
) -> None:
    stranger = "192.0.2.7"  # no interface of this machine, so that the group cannot be joined
    park = await open_park(2, discovery=stranger, discovery_port=free_udp_port, discovery_needed=False)
    asker = hearing()
    asker.ask("127.1.0.2", free_udp_port)
    assert (await asker.one())["XAddrs"] == park.url(2)
    with pytest.raises(ListenFailed, match=f"cannot join {GROUP} on {stranger}"):
        await open_park(1, hosts=["127.1.0.9"], discovery=stranger, discovery_port=free_udp_port)
