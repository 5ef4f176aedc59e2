"""Which addresses may be dialled: never those that only a server's own side answers at, and where networks are named, those alone.

Whoever may write a camera's address, or a device that redirects, could otherwise have the gateway ask on their behalf what
only the gateway reaches (SSRF). So every address is looked at after its name was looked up, and that very address is dialled:
a name that answers otherwise the second time (DNS rebinding) changes nothing.
"""

import asyncio
import ipaddress
import re
import socket
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gateway.errors import ProtocolFault

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_METADATA = tuple(
    map(
        ipaddress.ip_address,
        ("169.254.169.254", "169.254.170.2", "169.254.0.23", "100.100.100.200", "168.63.129.16", "fd00:ec2::254"),
    )
)
"""Where clouds tell their machines keys and passwords: AWS and most others, ECS, Tencent, Alibaba, Azure."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_COMPATIBLE = ipaddress.ip_network("::/96")
_CLASS_E = ipaddress.ip_network("240.0.0.0/4")
_THIS_NET = ipaddress.ip_network("0.0.0.0/8")
_NUMERIC = re.compile(r"[0-9a-fx.]+")
_DOTS = str.maketrans("。．｡", "...")


class NotReachable(ProtocolFault):
    """An address that is not dialled, by rule."""


@dataclass(frozen=True, slots=True)
class Reach:
    """``networks``: the only ones, besides the rules that always hold; none: any. ``multicast``: groups are well, too.
    ``key``: where the networks stand in the configuration, for sentences."""

    networks: tuple[Network, ...] = ()
    multicast: bool = False
    key: str = "allow.cameras"

    @classmethod
    def of(cls, networks: Iterable[str], *, multicast: bool = False, key: str = "allow.cameras") -> "Reach":
        """Raises ValueError."""
        return cls(tuple(parse_network(each) for each in networks), multicast, key)

    def refusal(self, host: str) -> str | None:
        """Why this host is not dialled, as a sentence; None where it may be, or is a name that has to be looked up first."""
        address = literal(host)
        return None if address is None else self.address_refusal(address)

    def address_refusal(self, address: Address) -> str | None:
        for each in _meant(address):
            what = self._never(each)
            if what is not None:
                return f"{address} is {what}; no device is dialled there"
        if self.networks and not any(self._holds(each) for each in _meant(address)):
            return f"{address} is in none of the networks that {self.key} names"
        return None

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        """What the name stands for now, each of which may be dialled. Raises NotReachable; OSError, UnicodeError where the
        name is not known."""
        known = literal(host)
        found = [str(known)] if known is not None else await _looked_up(host, port)
        self.require(host, found)
        return found

    def require(self, host: str, found: Iterable[str]) -> None:
        """``found``: the addresses of ``host``. Raises NotReachable where one of them is not to be dialled."""
        for each in found:
            reason = self.refusal(each)
            if reason is not None:
                named = "" if literal(host) is not None else f"{host} stands for "
                raise NotReachable(f"{named}{reason}")

    def _holds(self, address: Address) -> bool:
        return any(address.version == network.version and address in network for network in self.networks)

    def _never(self, address: Address) -> str | None:
        if address in _METADATA:
            return "where a cloud tells its machines their secrets"
        if address.is_unspecified or (address.version == 4 and address in _THIS_NET):
            return "no address of a device"
        if address.is_multicast and not self.multicast:
            return "a multicast group"
        if address.version == 4 and address in _CLASS_E:
            return "reserved or a broadcast"
        return None


def parse_network(text: str) -> Network:
    """10.0.0.0/8, 10.0.0.5, fd00::/8. Raises ValueError with a sentence."""
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        raise ValueError(f"{text.strip()[:60]}: no network; 10.0.0.0/8, 10.0.0.5 or fd00::/8 are accepted") from None


def literal(host: str) -> Address | None:
    """The address that a host is, in every spelling that a resolver takes for one (2130706433, 0x7f.1, 0177.0.0.1, １２７.０.０.１);
    None for a name."""
    plain = unicodedata.normalize("NFKC", host.translate(_DOTS)).strip().strip("[]").lower()
    plain = plain.removesuffix(".")
    try:
        return ipaddress.ip_address(plain)
    except ValueError:
        pass
    if not _NUMERIC.fullmatch(plain) or not any(letter.isdigit() for letter in plain):
        return None
    try:
        return ipaddress.IPv4Address(socket.inet_aton(plain))
    except OSError:
        return None


def _meant(address: Address) -> Sequence[Address]:
    """The address itself, and the IPv4 one that it stands for."""
    if isinstance(address, ipaddress.IPv4Address):
        return (address,)
    plain = ipaddress.IPv6Address(int(address))  # without a zone
    inner = plain.ipv4_mapped or plain.sixtofour
    if inner is None and plain.teredo is not None:
        inner = plain.teredo[1]
    if inner is None and (plain in _NAT64 or (plain in _COMPATIBLE and int(plain) > 1)):
        inner = ipaddress.IPv4Address(int(plain) & 0xFFFF_FFFF)
    return (plain,) if inner is None else (plain, inner)


async def _looked_up(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(_with_zone(each[4]) for each in found))


def _with_zone(place: tuple[object, ...]) -> str:
    host = str(place[0])
    zone = place[3] if len(place) > 3 else 0
    return f"{host}%{zone}" if zone and "%" not in host else host
