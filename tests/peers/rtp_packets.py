"""H.264 and H.265 pictures in RTP packets, cut in any way that RFC 6184 and RFC 7798 allow, and in some they do not."""

import random
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

START_CODE = b"\x00\x00\x00\x01"


@dataclass(frozen=True)
class Format:
    """One codec's payload format. ``other``, ``key``, ``sei``: NAL headers of a plain slice, a keyframe's slice, a SEI."""

    name: str
    sets: tuple[bytes, ...]
    changed_pps: bytes
    other: bytes
    key: bytes
    recovery_point: bytes
    user_data: bytes
    aggregate_header: bytes
    size: tuple[int, int]
    fragment_heads: Callable[[bytes], tuple[bytes, int]]

    @property
    def header_size(self) -> int:
        return len(self.key)

    def slice(self, size: int, *, key: bool = False, first: bool = True, seed: int = 1) -> bytes:
        """A slice's shape: header, the bit that says whether it begins a picture, filler without start codes."""
        filler = bytes((seed * 31 + index) % 251 + 1 for index in range(size))
        return (self.key if key else self.other) + bytes([0x88 if first else 0x48]) + filler

    def is_slice(self, nal: bytes) -> bool:
        return nal[: self.header_size] in (self.key, self.other)

    def fragments(self, nal: bytes, sizes: Sequence[int]) -> list[bytes]:
        """The NAL unit in fragments of these sizes, the last repeated as often as needed."""
        head, kind = self.fragment_heads(nal)
        body = nal[self.header_size :]
        parts: list[bytes] = []
        at = 0
        while at < len(body):
            size = sizes[min(len(parts), len(sizes) - 1)]
            parts.append(body[at : at + size])
            at += size
        last = len(parts) - 1
        marks = [(0x80 if index == 0 else 0) | (0x40 if index == last else 0) for index in range(last + 1)]
        return [head + bytes([mark | kind]) + part for mark, part in zip(marks, parts, strict=True)]

    def aggregate(self, nals: Sequence[bytes]) -> bytes:
        return self.aggregate_header + b"".join(struct.pack(">H", len(nal)) + nal for nal in nals)


H264 = Format(
    "h264",
    sets=(
        bytes.fromhex("67640028acb403c0113f2e0220000003002000000641e30654"),  # 1920×1080, cropped from 1088 lines
        bytes.fromhex("68ef3cb0"),
    ),
    changed_pps=bytes.fromhex("68ef3cb8"),
    other=b"\x41",
    key=b"\x65",
    recovery_point=bytes([0x06, 0x06, 0x01, 0xC4, 0x80]),
    user_data=bytes([0x06, 0x05, 0x03, 1, 2, 3, 0x80]),
    aggregate_header=b"\x78",
    size=(1920, 1080),
    fragment_heads=lambda nal: (bytes([nal[0] & 0xE0 | 28]), nal[0] & 0x1F),
)

H265 = Format(
    "h265",
    sets=(
        bytes.fromhex("40010c01ffff01600000030090000003000003003fba0240"),
        bytes.fromhex("42010101600000030090000003000003003fa005220171cd265ba4a4c2e68080000003008000000c84"),
        bytes.fromhex("4401c073c089"),
    ),
    changed_pps=bytes.fromhex("4401c073c08b"),
    other=b"\x02\x01",
    key=b"\x26\x01",
    recovery_point=bytes([0x4E, 0x01, 0x06, 0x01, 0xD0, 0x80]),  # recovery_poc_cnt 0, exact match
    user_data=bytes([0x4E, 0x01, 0x05, 0x03, 1, 2, 3, 0x80]),
    aggregate_header=b"\x60\x01",
    size=(646, 362),
    fragment_heads=lambda nal: (bytes([nal[0] & 0x81 | 49 << 1, nal[1]]), nal[0] >> 1 & 0x3F),
)

FORMATS = {each.name: each for each in (H264, H265)}


@dataclass(frozen=True)
class Unit:
    """One access unit as a camera makes it."""

    time: int
    nals: tuple[bytes, ...]
    keyframe: bool


@dataclass
class Cutter:
    """Numbers packets and cuts pictures into them as ``dice`` fall; ``markers``: whether a unit's last has the bit."""

    format: Format
    dice: random.Random
    markers: bool = True
    seq: int = 65530  # wraps within the first packets
    ssrc: int = 0x1234
    packets: list[bytes] = field(default_factory=list)

    def cut(self, unit: Unit) -> list[bytes]:
        payloads: list[bytes] = []
        waiting = list(unit.nals)
        while waiting:
            if len(waiting) > 1 and self.dice.random() < 0.3:
                count = self.dice.randint(2, len(waiting))
                payloads.append(self.format.aggregate(waiting[:count]))
                del waiting[:count]
                continue
            nal = waiting.pop(0)
            if self.dice.random() < 0.5:
                sizes = [self.dice.randint(1, 400) for _ in range(self.dice.randint(1, 4))]
                payloads += self.format.fragments(nal, sizes)
            else:
                payloads.append(nal)
        packets = []
        for index, payload in enumerate(payloads):
            marker = 0x80 if self.markers and index == len(payloads) - 1 else 0
            head = struct.pack(">BBHII", 0x80, marker | 96, self.seq & 0xFFFF, unit.time & 0xFFFFFFFF, self.ssrc)
            packets.append(head + payload)
            self.seq += 1
        self.packets += packets
        return packets


def annexb(*nals: bytes) -> bytes:
    return b"".join(START_CODE + nal for nal in nals)


def interleaved(packets: Sequence[bytes], channel: int = 0) -> bytes:
    return b"".join(struct.pack(">BBH", 0x24, channel, len(packet)) + packet for packet in packets)
