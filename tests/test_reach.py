"""Which addresses are dialled, in every spelling that leads there."""

import asyncio
import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.onvif.transport import shared_http
from adapters.rtsp import RtspSource
from gateway.reach import NotReachable, Reach, literal, parse_network

METADATA = "169.254.169.254"


def spellings(address: str) -> list[str]:
    """As resolvers, browsers and attackers write an IPv4 address."""
    a, b, c, d = map(int, address.split("."))
    number = int(ipaddress.IPv4Address(address))
    wide = address.translate(str.maketrans("0123456789.", "０１２３４５６７８９。"))
    return [
        address, f"{address}.", str(number), hex(number), f"0{number:o}", f"0x{a:x}.0x{b:x}.0x{c:x}.0x{d:x}",
        f"0{a:o}.0{b:o}.0{c:o}.0{d:o}", f"{a}.{b}.{(c << 8) + d}", f"{a}.{(b << 16) + (c << 8) + d}", wide,
        f"::ffff:{address}", f"[::ffff:{address}]", f"::ffff:{a:02x}{b:02x}:{c:02x}{d:02x}", f"64:ff9b::{address}",
        f"::{address}", f"2002:{a:02x}{b:02x}:{c:02x}{d:02x}::1",
    ]  # fmt: skip


@pytest.mark.parametrize("host", spellings(METADATA))
def test_where_clouds_tell_their_secrets_is_dialled_in_no_spelling(host: str) -> None:
    assert "secrets" in (Reach().refusal(host) or "")
    assert Reach.of(["0.0.0.0/0", "::/0"]).refusal(host) is not None, "no list allows it"


@given(st.integers(0x0100_0000, 0xDFFF_FFFF).map(lambda number: str(ipaddress.IPv4Address(number))))
def test_a_network_that_is_not_named_is_refused_in_every_spelling(address: str) -> None:
    elsewhere = Reach.of(["192.0.2.0/30"])
    own = Reach.of([f"{address}/32"])
    inside = ipaddress.ip_address(address) in ipaddress.ip_network("192.0.2.0/30")
    for host in spellings(address):
        assert (elsewhere.refusal(host) is None) == inside, host
        assert own.refusal(host) == Reach().refusal(host), host


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "0", "::", "0.1.2.3", "224.0.0.1", "ff02::1", "255.255.255.255", "100.100.100.200"]
)
def test_what_is_no_devices_address(host: str) -> None:
    assert Reach().refusal(host) is not None


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "10.0.0.5", "192.168.1.64", "169.254.12.1", "fe80::1%eth0", "fd00::5", "8.8.8.8"]
)
def test_cameras_may_be_anywhere_else(host: str) -> None:
    assert Reach().refusal(host) is None


def test_groups_only_for_streams_by_multicast() -> None:
    assert Reach(multicast=True).refusal("239.1.2.3") is None
    assert Reach().refusal("239.1.2.3") is not None


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_a_name(text: str) -> None:
    literal(text)
    Reach().refusal(text)


@pytest.mark.parametrize("host", ["cam-1.local", "face", "a.b", "xn--fiq228c", "0xg", "1.2.3.4.5", "example.com"])
def test_names_are_no_addresses(host: str) -> None:
    assert literal(host) is None


def test_what_is_no_network_is_told() -> None:
    with pytest.raises(ValueError, match="no network"):
        parse_network("10.0.0.0/40")


class Resolver:
    """The loop's look-up, hand-written: another address each time it is asked."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)

    async def __call__(self, host: str, port: int, **how: object) -> list[tuple[object, ...]]:
        answer = self.answers.pop(0)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (answer, port))]


async def test_a_name_is_judged_by_what_it_stands_for(monkeypatch) -> None:
    resolver = Resolver("10.0.0.5", METADATA)
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolver, raising=False)
    assert await Reach().addresses("cam.example", 554) == ["10.0.0.5"]
    with pytest.raises(NotReachable, match=r"cam\.example stands for 169\.254\.169\.254"):
        await Reach().addresses("cam.example", 554)


class Outlet:
    wants_all = False

    def playing(self) -> None: ...
    def online(self, codec: str) -> None: ...
    def unit(self, unit: object) -> None: ...
    def received(self, size: int) -> None: ...


async def test_rtsp_dials_the_very_address_that_was_looked_at() -> None:
    """One look-up alone, and nothing dialled where it was refused; a redirection is looked at as well."""

    async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        dialled.append(1)
        request = await reader.readuntil(b"\r\n\r\n")
        sequence = next(line for line in request.split(b"\r\n") if line.lower().startswith(b"cseq"))
        writer.write(b"RTSP/1.0 302 Moved\r\n" + sequence + f"\r\nLocation: rtsp://{METADATA}/1\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    dialled: list[int] = []
    server = await asyncio.start_server(redirect, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    url = f"rtsp://127.0.0.1:{port}/1"
    with pytest.raises(NotReachable, match="secrets"):
        await RtspSource("c", url, None).run(Outlet())
    assert dialled == [1]
    with pytest.raises(NotReachable, match=r"none of the networks that allow\.cameras names"):
        await RtspSource("c", url, None, reach=Reach.of(["10.0.0.0/8"])).run(Outlet())
    assert dialled == [1]
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("host", [METADATA, f"[::ffff:{METADATA}]"])
async def test_onvif_dials_no_address_that_is_refused(host: str) -> None:
    async with shared_http() as http:
        with pytest.raises(NotReachable):
            await http.get(f"http://{host}/onvif/device_service")
