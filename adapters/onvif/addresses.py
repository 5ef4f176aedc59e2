"""Where a device's services really are: its own words, at the host that answered. Pure.

Devices name themselves wrongly: the address they had last year, 127.0.0.1, a private one behind NAT, two ports at once.
What they say of path and query is theirs to know; the host is what answered us, and a login goes nowhere else.
"""

import ipaddress
import re
from urllib.parse import quote

from gateway.errors import ProtocolFault
from gateway.model import OnvifAddress

_DEFAULT_PORTS = {"http": 80, "https": 443, "rtsp": 554, "rtsps": 322}
_URL = re.compile(r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*):)?//(?P<authority>[^/?#]*)(?P<rest>[^#]*)")
_SCHEMELESS = re.compile(r"[A-Za-z0-9.\-]+(?::\d+)*/")
_PORTS = re.compile(r":(\d{1,5})(?=:|$)")
_MAX_URL = 2048


def authority(address: OnvifAddress) -> str:
    """The device as our sentences name it: host:port."""
    return f"{bracketed(address.host)}:{address.port}"


def device_url(address: OnvifAddress) -> str:
    """Where every ONVIF device has its device service (ONVIF Core §5.1.1)."""
    return f"{_scheme(address)}://{authority(address)}/onvif/device_service"


def reachable(url: str, address: OnvifAddress, *, device_port: int | None = None) -> str:
    """An address that the device gave, as it can be reached: scheme, path and query its own, the host that answered.

    The port stays the URL's own, but for the one of the device service itself (``device_port``, as the device tells it;
    where that is not known, the scheme's default port under a host that is not this one), which becomes
    ``address.port``. A user and password in it are left out. With ``address.tls`` http becomes https. Raises
    ProtocolFault where there is no address in it.
    """
    plain = _clean(url)
    if plain.startswith("/") and not plain.startswith("//"):
        return f"{_scheme(address)}://{authority(address)}{_quoted(plain)}"
    if _SCHEMELESS.match(plain):
        plain = "//" + plain
    found = _URL.match(plain)
    scheme = (found["scheme"] or _scheme(address)).lower() if found else ""
    if found is None or scheme not in _DEFAULT_PORTS:
        raise ProtocolFault(f"{authority(address)} gave an address that is none: {plain[:80]!a}")
    named = found["authority"].rpartition("@")[2]
    host, ports = _split(named)
    if scheme == "http" and address.tls:
        scheme, port = "https", address.port
    else:
        port = _port(scheme, host, ports, address, device_port)
    suffix = "" if port == _DEFAULT_PORTS[scheme] and not ports else f":{port}"
    return f"{scheme}://{bracketed(address.host)}{suffix}{_quoted(found['rest'])}"


def port_of(url: str) -> int | None:
    """The port of an HTTP address as the device wrote it, for ``device_port``; None where that cannot be told."""
    found = _URL.match(_clean(url))
    if found is None or (scheme := (found["scheme"] or "http").lower()) not in _DEFAULT_PORTS:
        return None
    ports = _split(found["authority"].rpartition("@")[2])[1]
    return ports[0] if len(ports) == 1 else None if ports else _DEFAULT_PORTS[scheme]


def same_host(one: str, other: str) -> bool:
    """Two spellings of one host; names are not looked up."""
    return _canonical(one) == _canonical(other)


def _port(scheme: str, host: str, ports: list[int], address: OnvifAddress, device_port: int | None) -> int:
    default = _DEFAULT_PORTS[scheme]
    is_http = scheme in ("http", "https")
    if len(ports) > 1:  # "host:port:port"
        if is_http:
            return address.port if address.port in ports else ports[-1]
        return default if default in ports else ports[-1]
    port = ports[0] if ports else default
    if not is_http:
        return port
    if device_port is not None:
        return address.port if port == device_port else port
    return address.port if port == default and not same_host(host, address.host) else port


def _split(named: str) -> tuple[str, list[int]]:
    """Host and ports of an authority, of which there may be two."""
    if named.startswith("["):
        host, _, rest = named[1:].partition("]")
    elif named.count(":") > 2 or "::" in named:
        host, rest = named, ""  # IPv6 without its brackets
    else:
        host, colon, ports = named.partition(":")
        rest = colon + ports
    return host, [port for text in _PORTS.findall(rest) if 0 < (port := int(text)) < 65536]


def _clean(url: str) -> str:
    unescaped = url[:_MAX_URL].strip().replace("&amp;", "&")
    return "".join(c for c in unescaped if c.isprintable())


def _quoted(rest: str) -> str:
    return quote(rest if rest.startswith("/") or not rest else "/" + rest, safe="/?%:@!$&'()*+,;=~[]{}|-._")


def _scheme(address: OnvifAddress) -> str:
    return "https" if address.tls else "http"


def bracketed(host: str) -> str:
    """A host as it stands in a URL (RFC 3986 §3.2.2)."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _canonical(host: str) -> str:
    plain = host.strip("[]").rstrip(".").lower()
    try:
        return str(ipaddress.ip_address(plain))
    except ValueError:
        return plain
