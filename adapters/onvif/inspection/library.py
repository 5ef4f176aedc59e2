"""The broad, rare surface of ONVIF: requests and answers by onvif-zeep-async's WSDLs, the conversation by our own client.

Only the inspection's child process imports this: the package configures logging and reads half a second of schemas when it
is loaded. It is asked to write requests and to read answers, never to speak: it knows no HTTP Digest for SOAP, waits 90 s,
and lets AttributeError, TypeError and ValueError out on what devices answer.
"""

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import onvif
import zeep.exceptions
from lxml import etree
from onvif.definition import SERVICES
from onvif.exceptions import ONVIFError
from zeep.helpers import serialize_object

from adapters.onvif.client import SoapClient
from adapters.onvif.inspection.reading import Plain, plain
from adapters.onvif.soap import NS
from gateway.errors import ProtocolFault

T = TypeVar("T")

_MEDIA2 = "http://www.onvif.org/ver20/media/wsdl"
_WSDLS = Path(onvif.__file__).parent / "wsdl"
_USED = ("devicemgmt", "media", "ptz", "imaging", "deviceio")
_REFUSALS = (
    zeep.exceptions.Error, ONVIFError, AttributeError, TypeError, ValueError, LookupError, ArithmeticError,
    RecursionError, etree.LxmlError,
)  # fmt: skip
"""What zeep raises on answers that are not by its book."""


@dataclass(frozen=True, slots=True)
class Service:
    """One service's operations and types, as its WSDL names them."""

    binding: Any
    types: Any


async def load_services() -> dict[str, Service]:
    """Read the WSDLs of the services that are used: about half a second."""
    services = {}
    for name in _USED:
        known = SERVICES[name]
        binding = f"{{{known['ns']}}}{known['binding']}"
        # Its own class reads the schemas with types that forgive devices' times; of its client nothing is kept.
        service = onvif.ONVIFService(
            "http://device.invalid", None, None, str(_WSDLS / known["wsdl"]), no_cache=True, binding_name=binding
        )
        async with _closing(service):
            await service.setup()
            services[name] = Service(service.document.bindings[binding], service.document.types)
    return services


@contextlib.asynccontextmanager
async def _closing(service: Any) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await service.close()


class Library:
    """Asks one device. Every call raises DeviceError; nothing of zeep's own comes out."""

    def __init__(self, client: SoapClient, services: Mapping[str, Service]) -> None:
        self._client = client
        self._services = services

    async def ask(self, service: str, url: str, operation: str, read: Callable[[Plain], T], /, **parameters: Any) -> T:
        """The answer as ``read`` makes it: of zeep's reading, or of the bare elements where zeep refuses the answer or its
        reading has nothing of what was asked for."""
        described = self._services[service].binding.get(operation)
        answer = await self._call(url, described.soapaction, self._request(described, parameters), operation)
        for form in (self._by_schema(described, answer, service), plain(answer)):
            result = read(form)
            if result:
                break
        return result

    async def ask_media2(self, url: str, operation: str, read: Callable[[Plain], T], /, **parameters: str) -> T:
        """The same of the Media2 service, which the package has no WSDL of."""
        request = _element(f"{{{_MEDIA2}}}{operation}", _MEDIA2)
        for name, value in parameters.items():
            etree.SubElement(request, f"{{{_MEDIA2}}}{name}").text = value
        return read(plain(await self._call(url, f"{_MEDIA2}/{operation}", etree.tostring(request), operation)))

    async def _call(self, url: str, action: str, body: bytes, operation: str) -> etree._Element:
        answer = await self._client.call(url, action, body, operation=operation)
        found = str(answer.tag).rpartition("}")[2].rpartition(":")[2]
        if found != f"{operation}Response":
            raise ProtocolFault(f"{self._client.device}: answered {operation} with {found[:64]}")
        return answer

    def _request(self, described: Any, parameters: Mapping[str, Any]) -> bytes:
        body = described.create(**parameters).content.find("{*}Body")
        return etree.tostring(_by_default_namespace(body[0]))

    def _by_schema(self, described: Any, answer: etree._Element, service: str) -> Plain:
        try:
            return _serialized(described.output.body.parse(answer, self._services[service].types))
        except _REFUSALS:
            return None


def _serialized(value: Any) -> Plain:
    return serialize_object(value, dict)  # type: ignore[no-untyped-call]


def _by_default_namespace(element: etree._Element) -> etree._Element:
    """Without invented prefixes: some devices answer 500 to ``ns0:``."""
    renamed = _element(element.tag, etree.QName(element).namespace)
    _copy_into(renamed, element)
    return renamed


def _element(tag: str, namespace: str | None) -> etree._Element:
    spaces: Any = {None: namespace, "tt": NS["tt"]}
    return etree.Element(tag, nsmap=spaces)


def _copy_into(target: etree._Element, element: etree._Element) -> None:
    target.text = element.text
    for name, value in element.attrib.items():
        target.set(name, value)
    for child in element:
        _copy_into(etree.SubElement(target, child.tag), child)
