"""Where a device is and how we log in to it, read from a stream address: what dials are counted by, and refusals."""

import ipaddress
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from gateway.model import Credential

_PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Place:
    """A device's address. ``subnet`` is its IPv4 /24 or IPv6 /64; a host name is a subnet of its own."""

    host: str
    port: int
    subnet: str

    @classmethod
    def of(cls, url: str) -> "Place":
        """Never raises: an address that cannot be read is a place of its own, and dialling it says what is wrong."""
        try:
            parts = urlsplit(url.strip())
            host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme.lower(), 0)
        except ValueError:
            return cls(url, 0, url)
        return cls(host, port, _subnet(host)) if host else cls(url, 0, url)


@dataclass(frozen=True, slots=True)
class Login:
    """What a device locks itself on: one credential at one of its doors. ``basic``: it may be shown readable, so a refusal
    for want of digest ends once that is allowed."""

    host: str
    port: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    basic: bool = False

    @classmethod
    def of(cls, url: str, credential: Credential | None, *, basic: bool = False) -> "Login":
        """``credential`` counts before one in the address."""
        place = Place.of(url)
        user, password = (None, None) if credential is None else (credential.username, credential.password)
        if credential is None:
            user, password = _within(url)
        return cls(place.host, place.port, user, password, basic)


def _within(url: str) -> tuple[str | None, str | None]:
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return None, None
    return (None, None) if parts.username is None else (unquote(parts.username), unquote(parts.password or ""))


def _subnet(host: str) -> str:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is None:
            return str(ipaddress.IPv6Network((int(address), 64), strict=False))
        address = address.ipv4_mapped
    return str(ipaddress.IPv4Network((int(address), 24), strict=False))
