"""What WS-Discovery says (OASIS WS-Discovery 2005/04 §4 and §5; ONVIF Core §7): probes, and the answers as ``Found``. Pure.

An answer is believed as far as it is harmless: a device is where its answer came from, not where it says it is (behind a
NAT it does not know, and a stranger must not send us to others). Whatever it says is cut short and freed of control
characters, because it ends on somebody's terminal.
"""

import re
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from lxml import etree

from adapters.onvif import soap
from gateway.errors import DeviceError

PORT = 3702
GROUP_V4 = "239.255.255.250"
GROUP_V6 = "ff02::c"
PROBE_TYPES = ("dn:NetworkVideoTransmitter", "tds:Device")
"""Each is asked for by itself (ONVIF Core §7.3.3.2): a device need not know both, and some answer to none but the first."""

MOST_MATCHES = 64
"""Of one datagram, which holds some forty at most."""
_MOST_BYTES = 32_767
"""MAX_ENVELOPE_SIZE of WS-Discovery 2005/04 appendix I."""
_MOST_SCOPES = 64
_MOST_XADDRS = 16
_MOST_TEXT = 256

_UUID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)
_XADDR = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[^\]\s]+\]|[^:/\s\[\]]+)(?::(?P<port>\d{1,5}))?(?::\d{1,5})*(?P<path>/\S*)?$",
    re.IGNORECASE,
)
_UNSHOWABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+")


@dataclass(frozen=True, slots=True)
class Found:
    """A device that answered, or said hello. ``endpoint``: its UUID in lower case with dashes (else the address it named
    itself by; empty if it named none). ``host``: the address that answered, an IPv6 one with its zone."""

    endpoint: str
    host: str
    port: int = 80
    tls: bool = False
    name: str = ""
    hardware: str = ""
    location: str = ""
    scopes: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    xaddrs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Announcement:
    """What one datagram held: ``leaving`` are the endpoints of a Bye. ``hello``: nobody had asked."""

    found: tuple[Found, ...] = ()
    leaving: tuple[str, ...] = ()
    hello: bool = False


def probe_message(types: str, message_id: str) -> bytes:
    """A Probe for devices of ``types``, one of PROBE_TYPES (WS-Discovery §5.2)."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"'
        ' xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing"'
        ' xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"'
        ' xmlns:dn="http://www.onvif.org/ver10/network/wsdl"'
        ' xmlns:tds="http://www.onvif.org/ver10/device/wsdl">'
        '<s:Header><a:Action s:mustUnderstand="1">http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</a:Action>'
        f"<a:MessageID>uuid:{message_id}</a:MessageID>"
        "<a:ReplyTo><a:Address>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address></a:ReplyTo>"
        '<a:To s:mustUnderstand="1">urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To></s:Header>'
        f"<s:Body><d:Probe><d:Types>{types}</d:Types><d:Scopes/></d:Probe></s:Body></s:Envelope>"
    ).encode()


def read_announcement(datagram: bytes, host: str) -> Announcement:
    """ProbeMatches, ResolveMatches, Hello or Bye from ``host``; nothing for whatever else came."""
    if len(datagram) > _MOST_BYTES:
        return Announcement()
    try:
        said = soap.read(datagram, host, "Probe")
    except DeviceError:
        return Announcement()
    match soap.local(said):
        case "ProbeMatches" | "ResolveMatches":
            return Announcement(tuple(_found(each, host) for each in _matches(said) if _is_video(each)))
        case "Hello":
            return Announcement((_found(said, host),) if _is_video(said) else (), hello=True)
        case "Bye":
            endpoint = _endpoint(said)
            return Announcement(leaving=(endpoint,) if endpoint else ())
        case _:
            return Announcement()


def normal_identity(text: str) -> str:
    """An endpoint address or a serial number in the form that is compared: of a UUID 32 lower case digits with dashes."""
    found = _UUID.search(text)
    return str(uuid.UUID(found[0])) if found else _plain(text).casefold()


def is_uuid(identity: str) -> bool:
    """Of one in the form of ``normal_identity``."""
    return len(identity) == 36 and identity.count("-") == 4


def _matches(said: etree._Element) -> Iterator[etree._Element]:
    matches = (each for each in said if soap.local(each) in ("ProbeMatch", "ResolveMatch"))
    for _, each in zip(range(MOST_MATCHES), matches, strict=False):
        yield each


def _is_video(match: etree._Element) -> bool:
    """Printers and Windows answer to WS-Discovery too. What names no type is taken for a camera: it answered to ours."""
    names = {each.rpartition(":")[2] for each in _text(match, "Types").split()}
    scoped = "onvif://www.onvif.org/" in _text(match, "Scopes").lower()
    return not names or scoped or not names.isdisjoint({"NetworkVideoTransmitter", "Device", "NetworkVideoStorage"})


def _found(match: etree._Element, host: str) -> Found:
    scopes = tuple(_plain(each) for each in _text(match, "Scopes").split()[:_MOST_SCOPES])
    xaddrs = tuple(dict.fromkeys(_plain(each) for each in _text(match, "XAddrs").split()[:_MOST_XADDRS]))
    tls, port = _service(xaddrs, host)
    return Found(
        endpoint=_endpoint(match),
        host=host,
        port=port,
        tls=tls,
        name=_scope(scopes, "name"),
        hardware=_scope(scopes, "hardware"),
        location=_scope(scopes, "location"),
        scopes=scopes,
        types=tuple(_plain(each) for each in _text(match, "Types").split()[:_MOST_SCOPES]),
        xaddrs=xaddrs,
    )


def _service(xaddrs: Sequence[str], host: str) -> tuple[bool, int]:
    """(TLS, port) at the address that answered: of the XAddr that names it, else of the first; plain HTTP first, for a
    device's certificate proves nothing."""
    read = [found for found in map(_XADDR.match, xaddrs) if found]
    if not read:
        return False, 80
    bare = host.partition("%")[0]
    own = [each for each in read if each["host"].strip("[]").partition("%")[0].casefold() == bare.casefold()]
    chosen = min(own or read, key=lambda each: each["scheme"].lower() == "https")
    tls = chosen["scheme"].lower() == "https"
    port = int(chosen["port"] or 0)
    return tls, port if 0 < port < 65_536 else 443 if tls else 80


def _endpoint(match: etree._Element) -> str:
    return normal_identity(soap.text(match, "EndpointReference/Address") or "")


def _scope(scopes: Sequence[str], what: str) -> str:
    """The last parts of the scopes of that kind (ONVIF Core §7.3.2.2), percent decoded; vendors send several locations."""
    start = f"onvif://www.onvif.org/{what}/"
    values = (unquote(each[len(start) :]) for each in scopes if each.lower().startswith(start))
    return _plain(" ".join(dict.fromkeys(value.strip("/") for value in values if value.strip("/"))))


def _text(match: etree._Element, name: str) -> str:
    return soap.text(match, name) or ""


def _plain(text: str) -> str:
    return _UNSHOWABLE.sub(" ", text).strip()[:_MOST_TEXT]
