"""Ranges of IP addresses as a person writes them: ``10.0.0.0/24``, ``10.0.0.20-10.0.0.60``, ``10.0.0.20-60``, ``10.0.0.5``."""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

MOST_ADDRESSES = 65_536
"""In one range: a whole IPv4 /16. At a thousand questions a second even that takes a minute."""
_ACCEPTED = "a range is 10.0.0.0/24, 10.0.0.20-10.0.0.60, 10.0.0.20-60 or one address"


@dataclass(frozen=True, slots=True)
class AddressRange:
    """``first`` to ``last``, both included and of one IP version."""

    first: IPAddress
    last: IPAddress

    def __len__(self) -> int:
        return int(self.last) - int(self.first) + 1

    def __iter__(self) -> Iterator[str]:
        kind = type(self.first)
        return (str(kind(number)) for number in range(int(self.first), int(self.last) + 1))


def parse_range(text: str) -> AddressRange:
    """Raises ValueError with a sentence. Of a network, its own and its broadcast address are left out (RFC 1122 §3.2.1.3)."""
    found = _network(text) if "/" in text else _span(text)
    size = int(found.last) - int(found.first) + 1
    if size < 1:
        raise ValueError(f"{text}: the last address comes before the first")
    if size > MOST_ADDRESSES:
        raise ValueError(f"{text}: holds {size} addresses; at most {MOST_ADDRESSES} (a /16) are asked one by one")
    return found


def _network(text: str) -> AddressRange:
    try:
        network = ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        raise ValueError(f"{text}: not a network; {_ACCEPTED}") from None
    first, last = network.network_address, network.broadcast_address
    if network.version == 4 and network.prefixlen < 31:
        return AddressRange(first + 1, last - 1)
    return AddressRange(first, last)


def _span(text: str) -> AddressRange:
    start, dash, end = (part.strip() for part in text.partition("-"))
    try:
        first = ipaddress.ip_address(start)
        if not dash:
            return AddressRange(first, first)
        if end.isdecimal() and first.version == 4:
            end = f"{start.rpartition('.')[0]}.{end}"
        last = ipaddress.ip_address(end)
    except ValueError:
        raise ValueError(f"{text}: not a range of addresses; {_ACCEPTED}") from None
    if first.version != last.version:
        raise ValueError(f"{text}: one end is IPv4 and the other IPv6; {_ACCEPTED}")
    return AddressRange(first, last)
