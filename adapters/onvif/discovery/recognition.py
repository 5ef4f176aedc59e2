"""Is that the device we know? One that was found is asked without a login: a stranger that poses as a camera is given no
password, not even a digest of it to guess at."""

import contextlib
from collections.abc import AsyncIterator, Callable

from lxml import etree

from adapters.onvif import soap
from adapters.onvif.client import SoapClient
from adapters.onvif.clock import DeviceClock
from adapters.onvif.discovery.probes import Found, is_uuid, normal_identity
from adapters.onvif.discovery.search import probe
from adapters.onvif.inspection.reading import serial_identity
from adapters.onvif.transport import shared_http
from gateway.address_ranges import AddressRange, parse_range
from gateway.errors import DeviceError, UsageError
from gateway.model import OnvifAddress

_NAMESPACE = "http://www.onvif.org/ver10/device/wsdl"
_TIMEOUT_S = 5.0
_SEARCH_S = 2.0
_LONGEST_ANSWER = 64 * 1024


async def identities(found: Found) -> frozenset[str]:
    """Who the one that answered discovery is: its endpoint UUID, its serial number, or both; nothing where it does not
    speak ONVIF there.

    What it says of itself without a login (ONVIF Core, GetEndpointReference and GetDeviceInformation) decides where it says
    something; else the endpoint that it answered discovery with.
    """
    async with shared_http() as http:
        client = SoapClient(http, OnvifAddress(found.host, found.port, tls=found.tls), clock=DeviceClock())
        try:
            await _ask(client, "GetSystemDateAndTime")
        except DeviceError:
            return frozenset()
        guid = await _told(client, "GetEndpointReference", "GUID")
        serial = await _told(client, "GetDeviceInformation", "SerialNumber")
    known: dict[bool, str] = {}  # UUIDs are held against UUIDs and serial numbers against serial numbers
    for name in filter(None, (guid, serial, found.endpoint)):
        known.setdefault(is_uuid(name), name)
    return frozenset(known.values())


Search = Callable[[AddressRange], AsyncIterator[Found]]


def _search(address: AddressRange) -> AsyncIterator[Found]:
    return probe(ranges=[address], timeout=_SEARCH_S)


async def another(client: SoapClient, identity: str, serial: str, search: Search = _search) -> str | None:
    """What the device behind ``client`` says it is, where it is not the one of ``identity``; None where it is, or where
    nothing can be told. ``serial``: its serial number. To be asked once it has let us in: two cameras that swapped their
    addresses take each other's password where that is the same."""
    known, host = normal_identity(identity), client.address.host
    if not is_uuid(known):
        usable = serial_identity(known, host) and serial_identity(serial, host)
        said = normal_identity(usable) if usable else None
        return said if said != known else None
    said = await _told(client, "GetEndpointReference", "GUID", authenticate=True)
    if said is None or not is_uuid(said) or said == known or await _answers_as(host, known, search):
        return None
    return said


async def _answers_as(host: str, identity: str, search: Search) -> bool:
    """A few devices have one UUID for those who ask them and another for searches, which is the one they are known by."""
    with contextlib.suppress(ValueError, UsageError):
        return any([each.endpoint == identity and each.host == host async for each in search(parse_range(host))])
    return False


async def _told(client: SoapClient, operation: str, where: str, *, authenticate: bool = False) -> str | None:
    try:
        answer = await _ask(client, operation, authenticate=authenticate)
    except DeviceError:
        return None
    element = soap.descendant(answer, where) if where == "GUID" else soap.find(answer, where)
    return normal_identity(element.text) if element is not None and element.text else None


async def _ask(client: SoapClient, operation: str, *, authenticate: bool = False) -> etree._Element:
    body = f'<{operation} xmlns="{_NAMESPACE}"/>'.encode()
    return await client.call(
        client.device_url,
        f"{_NAMESPACE}/{operation}",
        body,
        operation=operation,
        authenticate=authenticate,
        timeout=_TIMEOUT_S,
        limit=_LONGEST_ANSWER,
    )
