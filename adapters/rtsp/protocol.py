"""The byte stream of an RTSP connection, without I/O: messages and interleaved RTP are told apart in place.

RFC 2326 §10.12 (RFC 7826 §14): a frame is ``$``, channel, 16-bit length, data; anything else is an RTSP message. The
walk is the hot path of the whole gateway, some 360 packets a second for every camera, and so it does for a packet that
nobody wants no more than one ``unpack_from``, three comparisons and one addition: no object that lives, no copy.
"""

from collections.abc import Callable
from struct import Struct
from typing import Protocol

from adapters.rtsp.message import MAX_BODY, MAX_HEAD, Request, Response, parse_head, printable
from adapters.rtsp.rtp_header import PLAIN_RTP
from gateway.errors import ProtocolFault

DOLLAR = 0x24
MAX_UNFINISHED = max(4 + 0xFFFF, MAX_HEAD + 4 + MAX_BODY)
"""No unfinished tail is longer than this; a receive buffer must be."""

PASS = bytes(256)
TAKE = bytes([1]) * 256

Tables = tuple[bytes, ...]
"""What to do with an RTP packet, by two bytes of its payload: ``tables[first][other]`` is 0 to let it pass unread, 1 to
hand it to the depacketiser. 256 tables of 256 bytes, nearly all of them the same object."""

TAKE_EVERYTHING: Tables = (TAKE,) * 256

# `$` and channel | length | RTP V/P/X/CC | … | the two bytes of the payload that tell what it is
FIRST_AND_SECOND = Struct(">HHB11xBB")
FIRST_AND_THIRD = Struct(">HHB11xBxB")

_NO_MEDIA = -1
_MAX_JUNK = 64 * 1024
_JUNK_STEP = 2048
_METHODS = "OPTIONS ANNOUNCE DESCRIBE SETUP PLAY PLAY_NOTIFY PAUSE TEARDOWN GET_PARAMETER SET_PARAMETER REDIRECT RECORD"
_STARTS = (b"RTSP/", *(f"{method} ".encode() for method in _METHODS.split()))


class PacketSink(Protocol):
    """A depacketiser: takes the RTP packets that its ``tables`` do not let pass, by the bytes that ``frame`` reads."""

    tables: Tables

    @property
    def frame(self) -> Struct:
        """FIRST_AND_SECOND or FIRST_AND_THIRD; never changes."""

    def packet(self, view: memoryview, start: int, end: int, now: float) -> None:
        """One RTP packet, header included, at view[start:end]; valid during the call only."""


class Demultiplexer:
    """Walks received bytes. One per connection; ``on_message`` is called for each RTSP message as it is met.

    ``media_seen`` becomes True with every RTP packet of the media channel, wanted or not; its reader sets it back.
    """

    __slots__ = ("_frame_layout", "_is_rtsp", "_junk", "_media", "_on_message", "_passing", "_sink", "media_seen")

    def __init__(self, on_message: Callable[[Response | Request], None]) -> None:
        self._on_message = on_message
        self._media = _NO_MEDIA
        self._sink: PacketSink | None = None
        self._frame_layout = FIRST_AND_SECOND
        self._passing = 0  # bytes still to come of a frame that nobody wants
        self._junk = 0
        self._is_rtsp = False
        self.media_seen = False

    def attach(self, channel: int, sink: PacketSink) -> None:
        """Hand RTP packets of this interleaved channel to ``sink`` from the next frame on."""
        self._media = DOLLAR << 8 | channel
        self._sink = sink
        self._frame_layout = sink.frame

    def detach(self) -> None:
        self._media, self._sink = _NO_MEDIA, None

    def walk(self, buffer: bytearray, view: memoryview, end: int, now: float) -> int:
        """Take what is whole in ``buffer[:end]`` (``view`` is a memoryview of it) and return the bytes used.

        The caller brings the rest, less than MAX_UNFINISHED bytes, back at the front of the next call. Raises
        ProtocolFault, and what ``on_message`` raises.
        """
        pos = self._passing
        while pos < end:
            media, sink = self._media, self._sink
            if sink is not None:
                start, tables, layout = pos, sink.tables, self._frame_layout
                unpack, last = layout.unpack_from, end - layout.size
                while pos <= last:
                    head, size, flags, first, other = unpack(buffer, pos)
                    if head != media:
                        break
                    follows = pos + size + 4
                    if tables[first][other] or flags != PLAIN_RTP:
                        if follows > end:
                            break
                        sink.packet(view, pos + 4, follows, now)
                        tables = sink.tables
                    pos = follows
                if pos != start:
                    self.media_seen = True
                    self._junk = 0
                    if pos >= end:
                        break
            is_frame = buffer[pos] == DOLLAR
            used = self._frame(buffer, view, pos, end, now) if is_frame else self._text(buffer, pos, end)
            if not used:
                break
            pos += used
        # A frame that nobody wants may end beyond what is here: its rest is counted off, not kept.
        self._passing = max(0, pos - end)
        return min(pos, end)

    def _frame(self, buffer: bytearray, view: memoryview, pos: int, end: int, now: float) -> int:
        if end - pos < 4:
            return 0
        size = 4 + (buffer[pos + 2] << 8 | buffer[pos + 3])
        if buffer[pos + 1] | DOLLAR << 8 != self._media or self._sink is None:
            return size
        if pos + size > end:
            return 0
        self.media_seen = True
        self._junk = 0
        self._sink.packet(view, pos + 4, pos + size, now)
        return size

    def _text(self, buffer: bytearray, pos: int, end: int) -> int:
        """An RTSP message, or what cameras put between messages."""
        if buffer[pos] in b"\r\n":
            return self._pass_empty_lines(bytes(buffer[pos : min(end, pos + 4096)]))
        begins = bytes(buffer[pos : min(end, pos + 32)])
        if not _may_be_message(begins):
            return self._pass_junk(buffer, pos, end, begins)
        stop = _end_of_head(buffer, pos, min(end, pos + MAX_HEAD))
        if stop < 0:
            if end - pos >= MAX_HEAD:
                raise ProtocolFault(f"an RTSP message whose header fields exceed {MAX_HEAD} bytes")
            return 0
        message, length = parse_head(bytes(buffer[pos:stop]))
        if stop + length > end:
            return 0
        self._is_rtsp = True
        self._junk = 0
        if isinstance(message, Response) and length:
            body = bytes(buffer[stop : stop + length])
            message = Response(message.status, message.reason, message.headers, body)
        self._on_message(message)
        return stop + length - pos

    def _pass_empty_lines(self, begins: bytes) -> int:
        used = len(begins) - len(begins.lstrip(b"\r\n"))
        self._count_junk(used)
        return used

    def _pass_junk(self, buffer: bytearray, pos: int, end: int, begins: bytes) -> int:
        """Find the next thing that can be read: a body longer than announced, or a frame with a wrong length, came
        before. A peer that never spoke RTSP is told from one that stumbles."""
        if not self._is_rtsp:
            raise ProtocolFault(f"something that is not RTSP: “{printable(begins)}”; is this the RTSP port?")
        # Not to the end of what is here: where junk and marks take turns, each turn would search it all.
        limit = min(end, pos + _JUNK_STEP)
        found = [at for at in (buffer.find(mark, pos + 1, limit) for mark in self._marks()) if at >= 0]
        # A mark may be cut by the limit: its beginnings stay, unless nothing else is left.
        used = min(found) - pos if found else max(1, limit - pos - 4)
        self._count_junk(used)
        return used

    def _count_junk(self, count: int) -> None:
        self._junk += count
        if self._junk > _MAX_JUNK:
            raise ProtocolFault(f"{self._junk} bytes in a row that are neither RTSP nor interleaved RTP")

    def _marks(self) -> tuple[bytes, ...]:
        if self._media == _NO_MEDIA:
            return (b"RTSP/",)
        return (b"RTSP/", self._media.to_bytes(2, "big"))


def _may_be_message(begins: bytes) -> bool:
    """Whether these first bytes (up to 32, fewer if no more came) may begin an RTSP message."""
    return any(begins[: len(start)] == start[: len(begins)] for start in _STARTS)


def _end_of_head(buffer: bytearray, pos: int, limit: int) -> int:
    """The index behind the empty line that ends the header fields, or -1."""
    ends = [at + len(mark) for mark in (b"\r\n\r\n", b"\n\n") if (at := buffer.find(mark, pos, limit)) >= 0]
    return min(ends, default=-1)
