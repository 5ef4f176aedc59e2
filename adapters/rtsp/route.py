"""How RTP travels from the camera to us: the Transport field, as asked for and as answered (RFC 2326 §12.39)."""

import ipaddress
from dataclasses import dataclass

from adapters.rtsp.message import whole_number

TCP, UDP = "tcp", "udp"
OFFERS = {"auto": (TCP, UDP), TCP: (TCP,), UDP: (UDP,)}
"""What is asked for, in this order, by the configured transport. TCP first: it needs no further ports, passes every NAT
and loses nothing on the way."""

OVER_TCP = "RTP/AVP/TCP;unicast;interleaved=0-1"

_TCP_NAMES = frozenset({"rtp/avp/tcp", "rtp/savp/tcp", "rtp/avpf/tcp"})


@dataclass(frozen=True, slots=True)
class Interleaved:
    """RTP within the RTSP connection, on these channels; ``rtcp`` is None where the camera named none."""

    rtp: int
    rtcp: int | None


@dataclass(frozen=True, slots=True)
class Datagrams:
    """RTP over UDP unicast. ``server_ports`` (RTP, RTCP) and ``source`` (a numeric address) as far as they were named."""

    server_ports: tuple[int, int] | None
    source: str | None


Route = Interleaved | Datagrams


def over_udp(port: int) -> str:
    """The field's value that asks for RTP to our even ``port`` and RTCP to the next."""
    return f"RTP/AVP;unicast;client_port={port}-{port + 1}"


def read_transport(value: str, *, asked_udp: bool = False) -> Route | None:
    """What the camera chose; what it was asked for, where it says nothing. None: multicast, or unreadable."""
    name, *options = (part.strip() for part in value.partition(",")[0].split(";"))
    named: dict[str, str] = {}
    for option in options:
        key, _, content = option.partition("=")
        named.setdefault(key.strip().lower(), content.strip())
    if "interleaved" in named:
        return _interleaved(named["interleaved"])
    if not name:
        return Datagrams(None, None) if asked_udp else Interleaved(0, 1)
    if name.lower() in _TCP_NAMES:
        return Interleaved(0, 1)
    if "multicast" in named or not name.lower().startswith("rtp/"):
        return None
    return Datagrams(_ports(named.get("server_port", "")), _numeric(named.get("source", "")))


def _interleaved(text: str) -> Interleaved | None:
    first, _, second = text.partition("-")
    rtp, rtcp = whole_number(first), whole_number(second)
    if rtp is None or rtp > 0xFF:
        return None
    return Interleaved(rtp, rtcp if rtcp is not None and rtcp <= 0xFF and rtcp != rtp else None)


def _ports(text: str) -> tuple[int, int] | None:
    first, _, second = text.partition("-")
    rtp = whole_number(first)
    if rtp is None or not 0 < rtp < 0xFFFF:
        return None
    rtcp = whole_number(second)
    return rtp, rtcp if rtcp is not None and 0 < rtcp <= 0xFFFF else rtp + 1


def _numeric(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text.strip("[]")))
    except ValueError:
        return None
