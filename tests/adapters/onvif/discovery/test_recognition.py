"""Is that the device we know? Asked over HTTP, without a login."""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import ClientSession, web

from adapters.onvif.client import SoapClient
from adapters.onvif.clock import DeviceClock
from adapters.onvif.discovery.probes import Found
from adapters.onvif.discovery.recognition import another, identities
from gateway.address_ranges import AddressRange
from gateway.model import OnvifAddress

A, B = "00000000-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-00000000000b"
_TDS = "http://www.onvif.org/ver10/device/wsdl"
TIME = "<SystemDateAndTime/>"


@dataclass
class Device:
    """Answers what ``says`` has, by operation; wants a login for all else."""

    says: dict[str, str] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)
    port: int = 0

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.text()
        self.seen.append(body + str(request.headers.get("Authorization", "")))
        asked = re.search(r"<(Get\w+)", body)
        assert asked is not None
        inner = self.says.get(asked[1])
        if inner is None:
            return web.Response(status=401, headers={"WWW-Authenticate": 'Digest realm="r", nonce="n", qop="auth"'})
        return web.Response(
            text=f'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body><{asked[1]}Response xmlns="{_TDS}">'
            f"{inner}</{asked[1]}Response></s:Body></s:Envelope>",
            content_type="application/soap+xml",
        )


@asynccontextmanager
async def device(port: int, **says: str) -> AsyncIterator[Device]:
    made = Device(says, port=port)
    app = web.Application()
    app.router.add_post("/{path:.*}", made.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield made
    await runner.cleanup()


@pytest.fixture
def port(free_port: Callable[[], int]) -> int:
    return free_port()


def found(port: int, endpoint: str = A) -> Found:
    return Found(endpoint, "127.0.0.1", port)


async def test_its_endpoint_reference_decides(port: int) -> None:
    async with device(port, GetSystemDateAndTime=TIME, GetEndpointReference=f"<GUID>urn:uuid:{A.upper()}</GUID>"):
        assert await identities(found(port)) == {A}
        assert await identities(found(port, B)) == {A}  # it claimed to be B when it answered discovery


async def test_its_serial_number_is_told_when_asked(port: int) -> None:
    told = "<Manufacturer/><SerialNumber>DS-1</SerialNumber>"
    async with device(port, GetSystemDateAndTime=TIME, GetDeviceInformation=told):
        assert await identities(found(port, B)) == {B, "ds-1"}
        assert await identities(found(port, "ds-2")) == {"ds-1"}  # it claimed to be another


async def test_one_that_wants_a_login_is_known_by_its_endpoint_and_is_sent_none(port: int) -> None:
    async with device(port, GetSystemDateAndTime=TIME) as there:
        assert await identities(found(port)) == {A}
    assert there.seen
    assert not [each for each in there.seen if "Security" in each or "Digest" in each or "Basic" in each]


async def test_what_speaks_no_onvif_is_none(port: int) -> None:
    assert not await identities(found(port))  # nobody listens there
    async with device(port):
        assert not await identities(found(port))


async def said(port: int, identity: str, serial: str = "", *, answers_as: str | None = None) -> str | None:
    """What ``another`` says; ``answers_as``: the endpoint under which the device answers a search."""

    async def search(address: AddressRange) -> AsyncIterator[Found]:
        if answers_as is not None:
            yield found(port, answers_as)

    async with ClientSession() as http:
        client = SoapClient(http, OnvifAddress("127.0.0.1", port), clock=DeviceClock())
        return await another(client, identity, serial, search)


async def test_one_that_says_another_uuid_is_another(port: int) -> None:
    async with device(port, GetEndpointReference=f"<GUID>urn:uuid:{B}</GUID>"):
        assert await said(port, A) == B
        assert await said(port, f"urn:uuid:{B.upper()}") is None
        assert await said(port, A, answers_as=A) is None, "it has one for searches and one for those who ask"
        assert await said(port, A, answers_as=B) == B


async def test_one_that_does_not_say_is_taken_for_the_camera(port: int) -> None:
    async with device(port):
        assert await said(port, A, "DS-12345") is None
    async with device(port, GetEndpointReference="<GUID>http://127.0.0.1/onvif</GUID>"):
        assert await said(port, A) is None


@pytest.mark.parametrize(
    ("identity", "serial", "other"),
    [
        ("DS-12345", "DS-54321", "ds-54321"),
        ("DS-12345", " ds-12345 ", None),
        ("DS-12345", "", None),
        ("DS-12345", "0123456789", None),
        ("127.0.0.1:8554", "DS-12345", None),
        ("sn", "DS-12345", None),
    ],
)
async def test_serial_numbers_are_compared_where_they_tell_devices_apart(
    port: int, identity: str, serial: str, other: str | None
) -> None:
    async with device(port) as asked:
        assert await said(port, identity, serial) == other
        assert asked.seen == []
