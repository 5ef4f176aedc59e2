"""RTP packets of H.264 (RFC 6184, packetization mode 1) in interleaved frames (RFC 2326 §10.12), built once for all.

A picture's packets are one block of bytes; a feed stamps it with sequence number and time and writes the same bytes to
every viewer.
"""

import struct
from dataclasses import dataclass, field

from gateway.lab.encoder import Encoded

CLOCK_RATE = 90_000
PAYLOAD_TYPE = 96
RTP_CHANNEL = 0
RTCP_CHANNEL = 1

_PAYLOAD_LIMIT = 1400  # what cameras use, so that RTP over UDP would fit an Ethernet frame
_FU_A = 28
_UNIX_TO_NTP = 2_208_988_800  # seconds from 1900 to 1970
_HEADER = struct.Struct("!BBHBBHII")  # $, channel, length | V, M+PT, sequence, timestamp, SSRC


@dataclass(frozen=True, slots=True)
class Packets:
    """The packets of one picture; ``starts`` are the places of their interleaved headers in ``template``."""

    template: bytearray = field(repr=False)
    starts: tuple[int, ...] = field(repr=False)
    keyframe: bool

    def stamped(self, sequence: int, timestamp: int) -> bytes:
        """The bytes to send, numbered from ``sequence`` on; never aliased, so that a transport may keep them."""
        template = self.template
        for index, start in enumerate(self.starts):
            struct.pack_into("!HI", template, start + 6, (sequence + index) & 0xFFFF, timestamp & 0xFFFF_FFFF)
        return bytes(template)


def packetise(picture: Encoded, ssrc: int) -> Packets:
    """Cut an access unit into packets; the marker stands on the last."""
    payloads = [payload for nal in picture.nals for payload in _payloads(nal)]
    template, starts = bytearray(), []
    for index, payload in enumerate(payloads):
        marker = 0x80 if index == len(payloads) - 1 else 0
        starts.append(len(template))
        template += _HEADER.pack(0x24, RTP_CHANNEL, 12 + len(payload), 0x80, marker | PAYLOAD_TYPE, 0, 0, ssrc)
        template += payload
    return Packets(template, tuple(starts), picture.keyframe)


def sender_report(ssrc: int, unix_time: float, timestamp: int, packets: int, octets: int) -> bytes:
    """An RTCP sender report (RFC 3550 §6.4.1) in its interleaved frame: what ties the stream's clock to a wall clock."""
    seconds = int(unix_time)
    fraction = int((unix_time - seconds) * (1 << 32))
    return struct.pack(
        "!BBHBBHIIIIII",
        *(0x24, RTCP_CHANNEL, 28, 0x80, 200, 6, ssrc),
        *(seconds + _UNIX_TO_NTP & 0xFFFF_FFFF, fraction, timestamp & 0xFFFF_FFFF),
        *(packets & 0xFFFF_FFFF, octets & 0xFFFF_FFFF),
    )


def on_channels(block: bytes, rtp: int, rtcp: int) -> bytes:
    """The same interleaved frames on other channels, for the rare client that asks for its own."""
    moved, at = bytearray(block), 0
    while at < len(moved):
        moved[at + 1] = rtp if moved[at + 1] == RTP_CHANNEL else rtcp
        at += 4 + int.from_bytes(moved[at + 2 : at + 4], "big")
    return bytes(moved)


def _payloads(nal: bytes) -> list[bytes]:
    """Single NAL unit packet where it fits, else FU-A fragments (RFC 6184 §5.6, §5.8)."""
    if len(nal) <= _PAYLOAD_LIMIT:
        return [nal]
    indicator, kind, room = nal[0] & 0xE0 | _FU_A, nal[0] & 0x1F, _PAYLOAD_LIMIT - 2
    fragments = []
    for start in range(1, len(nal), room):
        first, last = start == 1, start + room >= len(nal)
        fragments.append(bytes((indicator, first << 7 | last << 6 | kind)) + nal[start : start + room])
    return fragments
