"""RTP packets of H.264 (RFC 6184) and H.265 (RFC 7798) in interleaved frames (RFC 2326 §10.12), built once for all.

A picture's packets are one block of bytes; a feed stamps it with sequence number and time and writes the same bytes to
every viewer. What a faulty camera does to its packets is done to a viewer's copy (``Rewriting``).
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from gateway.lab.encoder import Encoded

CLOCK_RATE = 90_000
PAYLOAD_TYPE = 96
RTP_CHANNEL = 0
RTCP_CHANNEL = 1

_PAYLOAD_LIMIT = 1400  # what cameras use, so that RTP over UDP would fit an Ethernet frame
_STAP_A, _FU_A = 24, 28  # RFC 6184 §5.4
_H265_AP, _H265_FU = 48, 49  # RFC 7798 §4.4
_UNIX_TO_NTP = 2_208_988_800  # seconds from 1900 to 1970
_HEADER = struct.Struct("!BBHBBHII")  # $, channel, length | V, M+PT, sequence, timestamp, SSRC
_STAMP = struct.Struct("!HI")  # sequence, timestamp


@dataclass(frozen=True, slots=True)
class Packets:
    """The packets of one picture; ``starts`` are the places of their interleaved headers in ``template``."""

    template: bytearray = field(repr=False)
    starts: tuple[int, ...] = field(repr=False)
    keyframe: bool

    def stamped(self, sequence: int, timestamp: int) -> bytes:
        """The bytes to send, numbered from ``sequence`` on; never aliased, so that a socket's buffer may keep them."""
        template, time = self.template, timestamp & 0xFFFF_FFFF
        for index, start in enumerate(self.starts):
            _STAMP.pack_into(template, start + 6, (sequence + index) & 0xFFFF, time)
        return bytes(template)


@dataclass(slots=True)
class Rewriting:
    """What is done to the packets of one viewer. ``sequence`` and ``time`` are added; ``ssrc`` replaces."""

    channels: tuple[int, int] = (RTP_CHANNEL, RTCP_CHANNEL)
    sequence: int = 0
    time: int = 0
    ssrc: int | None = None
    marker: bool = True

    def __call__(self, block: bytes) -> bytes:
        """The block as this viewer gets it."""
        changed = bytearray(block)
        for channel, start, _ in frames(block):
            if channel == RTP_CHANNEL:
                changed[start + 1] = self.channels[0]
                self._rewrite_packet(changed, start + 4)
            else:
                changed[start + 1] = self.channels[1]
        return bytes(changed)

    def _rewrite_packet(self, block: bytearray, at: int) -> None:
        sequence, time = _STAMP.unpack_from(block, at + 2)
        _STAMP.pack_into(block, at + 2, (sequence + self.sequence) & 0xFFFF, (time + self.time) & 0xFFFF_FFFF)
        if self.ssrc is not None:
            struct.pack_into("!I", block, at + 8, self.ssrc)
        if not self.marker:
            block[at + 1] &= 0x7F


def frames(block: bytes) -> Iterator[tuple[int, int, int]]:
    """Channel, start and end of each interleaved frame of a block; its packet begins four bytes after the start."""
    at = 0
    while at < len(block):
        end = at + 4 + (block[at + 2] << 8 | block[at + 3])
        yield block[at + 1], at, end
        at = end


def packetise(picture: Encoded, ssrc: int, *, aggregate: bool = False) -> Packets:
    """Cut an access unit into packets; the marker stands on the last. ``aggregate``: small NAL units share one."""
    units = _aggregated(picture) if aggregate else picture.nals
    fragments = _h265_fragments if picture.codec == "h265" else _h264_fragments
    return packets_of([part for nal in units for part in fragments(nal)], ssrc, PAYLOAD_TYPE, keyframe=picture.keyframe)


def packets_of(payloads: Sequence[bytes], ssrc: int, payload_type: int, *, keyframe: bool) -> Packets:
    """A picture's payloads as packets."""
    template, starts = bytearray(), []
    for index, payload in enumerate(payloads):
        marker = 0x80 if index == len(payloads) - 1 else 0
        starts.append(len(template))
        template += _HEADER.pack(0x24, RTP_CHANNEL, 12 + len(payload), 0x80, marker | payload_type, 0, 0, ssrc)
        template += payload
    return Packets(template, tuple(starts), keyframe)


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


def _h264_fragments(nal: bytes) -> list[bytes]:
    """Single NAL unit packet where it fits, else FU-A fragments (RFC 6184 §5.6, §5.8)."""
    if len(nal) <= _PAYLOAD_LIMIT:
        return [nal]
    indicator, kind = nal[0] & 0xE0 | _FU_A, nal[0] & 0x1F
    return [bytes((indicator, ends | kind)) + part for ends, part in _cut(nal[1:], _PAYLOAD_LIMIT - 2)]


def _h265_fragments(nal: bytes) -> list[bytes]:
    """Single NAL unit packet where it fits, else fragmentation units (RFC 7798 §4.4.1, §4.4.3)."""
    if len(nal) <= _PAYLOAD_LIMIT:
        return [nal]
    first, kind = nal[0] & 0x81 | _H265_FU << 1, nal[0] >> 1 & 0x3F
    return [bytes((first, nal[1], ends | kind)) + part for ends, part in _cut(nal[2:], _PAYLOAD_LIMIT - 3)]


def _cut(body: bytes, room: int) -> Iterator[tuple[int, bytes]]:
    """The fragments with the start and end bits of their FU header."""
    for start in range(0, len(body), room):
        yield (start == 0) << 7 | (start + room >= len(body)) << 6, body[start : start + room]


def _aggregated(picture: Encoded) -> list[bytes]:
    """The small NAL units before the first large one as one STAP-A or AP (RFC 6184 §5.7.1, RFC 7798 §4.4.2)."""
    small: list[bytes] = []
    room = _PAYLOAD_LIMIT - 2
    for nal in picture.nals:
        room -= 2 + len(nal)
        if room < 0:
            break
        small.append(nal)
    if len(small) < 2:
        return list(picture.nals)
    if picture.codec == "h265":
        head = bytes((small[0][0] & 0x81 | _H265_AP << 1, small[0][1]))
    else:
        head = bytes((max(nal[0] & 0x60 for nal in small) | _STAP_A,))
    body = b"".join(len(nal).to_bytes(2, "big") + nal for nal in small)
    return [head + body, *picture.nals[len(small) :]]
