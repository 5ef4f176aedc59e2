"""How a simulated camera chooses among the transports that a client offers (RFC 2326 §12.39). Pure."""

import re
from dataclasses import dataclass

from gateway.lab.faults import Behaviour
from gateway.lab.rtp import RTCP_CHANNEL, RTP_CHANNEL

_CHANNELS = 252
"""Asked for from here on, a camera that shifts channels would leave the byte."""


@dataclass(frozen=True, slots=True)
class Interleaved:
    """RTP and RTCP within the connection, on these two channels."""

    channels: tuple[int, int]

    def header(self) -> str:
        return f"RTP/AVP/TCP;unicast;interleaved={self.channels[0]}-{self.channels[1]}"


@dataclass(frozen=True, slots=True)
class ClientPorts:
    """RTP and RTCP by UDP, to these ports of the client's."""

    rtp: int
    rtcp: int

    def header(self, server_port: int) -> str:
        return f"RTP/AVP;unicast;client_port={self.rtp}-{self.rtcp};server_port={server_port}-{server_port + 1}"


def chosen(offers: str, behaviour: Behaviour, *, sound: bool) -> Interleaved | ClientPorts | None:
    """The first of the offers in a Transport header that a camera of this behaviour takes."""
    for offer in offers.split(","):
        words = offer.strip().lower()
        if words.startswith("rtp/avp/tcp") and "tcp" in behaviour.transports:
            return _interleaved(words, behaviour.channel_shift, sound=sound)
        ports = re.search(r"client_port=(\d{1,5})(?:-(\d{1,5}))?", words)
        if ports and "multicast" not in words and "udp" in behaviour.transports:
            return _to_ports(int(ports[1]), int(ports[2] or int(ports[1]) + 1))
    return None


def _interleaved(offer: str, shift: int, *, sound: bool) -> Interleaved:
    asked = re.search(r"interleaved=(\d{1,3})-(\d{1,3})", offer)
    rtp, rtcp = (2, 3) if sound else (RTP_CHANNEL, RTCP_CHANNEL)
    if asked and int(asked[1]) < _CHANNELS and int(asked[2]) < _CHANNELS:
        rtp, rtcp = int(asked[1]), int(asked[2])
    return Interleaved((rtp + shift, rtcp + shift))


def _to_ports(rtp: int, rtcp: int) -> ClientPorts | None:
    return ClientPorts(rtp, rtcp) if 0 < rtp < 65_536 and 0 < rtcp < 65_536 else None
