"""Which picture source a configuration belongs to: analytics events name the configuration, cameras the source."""

from collections.abc import Mapping
from typing import Final

from lxml import etree

from adapters.onvif import soap
from adapters.onvif.client import SoapClient
from adapters.onvif.events.notifications import NOTHING
from adapters.onvif.services import Services
from gateway.errors import ProtocolFault

_MEDIA: Final = "http://www.onvif.org/ver10/media/wsdl"
_MEDIA2: Final = "http://www.onvif.org/ver20/media/wsdl"
_LONGEST_ANSWER: Final = 2 * 1024 * 1024  # of a recorder of 256 channels
_ASKED: Final = ("GetVideoSourceConfigurations", "GetProfiles")  # the profiles have them too, among much else
_NAMED: Final = frozenset(("Configurations", "VideoSourceConfiguration"))


async def get_channels(client: SoapClient, services: Services) -> Mapping[str, str]:
    """VideoSourceConfiguration token → VideoSource token; nothing where the device does not tell. Raises Unreachable and
    AuthFailed."""
    url, namespace = (services.media, _MEDIA) if services.media else (services.media2, _MEDIA2)
    if url is None:
        return NOTHING
    for operation in _ASKED:
        body = f'<{operation} xmlns="{namespace}"/>'.encode()
        try:
            answer = await client.call(
                url, f"{namespace}/{operation}", body, operation=operation, limit=_LONGEST_ANSWER
            )
        except ProtocolFault:
            continue
        if told := _told(answer):
            return told
    return NOTHING


def _told(answer: etree._Element) -> Mapping[str, str]:
    told = {}
    for configuration in answer.iter(etree.Element):
        if soap.local(configuration) in _NAMED:
            token, source = soap.attribute(configuration, "token"), soap.text(configuration, "SourceToken")
            if token and source:
                told[token] = source
    return told
