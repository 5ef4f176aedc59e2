"""Which services a device has, and where (ONVIF Core, GetServices; GetCapabilities before that existed)."""

from contextlib import suppress
from dataclasses import dataclass, replace

from lxml import etree

from adapters.onvif import soap
from adapters.onvif.addresses import port_of, reachable
from adapters.onvif.client import SoapClient
from gateway.errors import ProtocolFault
from gateway.model import OnvifAddress

_LONGEST_ANSWER = 256 * 1024
_TDS = "http://www.onvif.org/ver10/device/wsdl"
_GET_SERVICES = f'<GetServices xmlns="{_TDS}"><IncludeCapability>false</IncludeCapability></GetServices>'.encode()
_GET_CAPABILITIES = f'<GetCapabilities xmlns="{_TDS}"><Category>All</Category></GetCapabilities>'.encode()

_BY_NAMESPACE = {
    "http://www.onvif.org/ver10/device/wsdl": "device",
    "http://www.onvif.org/ver10/media/wsdl": "media",
    "http://www.onvif.org/ver20/media/wsdl": "media2",
    "http://www.onvif.org/ver10/events/wsdl": "events",
    "http://www.onvif.org/ver20/ptz/wsdl": "ptz",
    "http://www.onvif.org/ver20/imaging/wsdl": "imaging",
    "http://www.onvif.org/ver10/deviceio/wsdl": "deviceio",
}
# There are servers that call the present service by the namespace of its first version.
_BY_OLD_NAMESPACE = {"http://www.onvif.org/ver10/ptz/wsdl": "ptz"}
_BY_CAPABILITY = {
    "Device": "device",
    "Media": "media",
    "Events": "events",
    "PTZ": "ptz",
    "Imaging": "imaging",
    "Extension/DeviceIO": "deviceio",
}


@dataclass(frozen=True, slots=True)
class Services:
    """Addresses of a device's services, each at the host that answered; None for what it does not have."""

    device: str | None = None
    media: str | None = None
    media2: str | None = None
    events: str | None = None
    ptz: str | None = None
    imaging: str | None = None
    deviceio: str | None = None


async def get_services(client: SoapClient) -> Services:
    """Ask for the services, and for the capabilities where that is not known or leaves out what every device has: media,
    and events.

    Raises DeviceError; ProtocolFault where neither is answered.
    """
    told = Services()
    try:
        answer = await client.call(
            client.device_url,
            f"{_TDS}/GetServices",
            _GET_SERVICES,
            operation="GetServices",
            limit=_LONGEST_ANSWER,
        )
        told = read_services(answer, client.address)
    except ProtocolFault:
        pass  # older ones answer with every fault there is
    if told.media is None and told.media2 is None:
        told = _joined(told, await _get_capabilities(client))
    elif told.events is None:
        with suppress(ProtocolFault):
            told = _joined(told, await _get_capabilities(client))
    return replace(told, device=client.device_url)


async def _get_capabilities(client: SoapClient) -> Services:
    answer = await client.call(
        client.device_url,
        f"{_TDS}/GetCapabilities",
        _GET_CAPABILITIES,
        operation="GetCapabilities",
        limit=_LONGEST_ANSWER,
    )
    return read_capabilities(answer, client.address)


def read_services(answer: etree._Element, address: OnvifAddress) -> Services:
    """The services of a GetServicesResponse."""
    told: dict[str, str] = {}
    for names in (_BY_NAMESPACE, _BY_OLD_NAMESPACE):
        for service in soap.children(answer, "Service"):
            name = names.get((soap.text(service, "Namespace") or "").rstrip("/").lower())
            url = soap.text(service, "XAddr")
            if name and url:
                told.setdefault(name, url)
    return _rewritten(told, address)


def read_capabilities(answer: etree._Element, address: OnvifAddress) -> Services:
    """The services of a GetCapabilitiesResponse."""
    found = soap.child(answer, "Capabilities")
    told: dict[str, str] = {}
    if found is not None:
        for path, name in _BY_CAPABILITY.items():
            if url := soap.text(found, f"{path}/XAddr"):
                told[name] = url
    return _rewritten(told, address)


def _rewritten(told: dict[str, str], address: OnvifAddress) -> Services:
    device_port = port_of(told["device"]) if "device" in told else None
    services: dict[str, str] = {}
    for name, url in told.items():
        try:
            services[name] = reachable(url, address, device_port=device_port)
        except ProtocolFault:
            continue
    return Services(**services)


def _joined(one: Services, other: Services) -> Services:
    return Services(
        device=one.device or other.device,
        media=one.media or other.media,
        media2=one.media2 or other.media2,
        events=one.events or other.events,
        ptz=one.ptz or other.ptz,
        imaging=one.imaging or other.imaging,
        deviceio=one.deviceio or other.deviceio,
    )
