"""From RTP packets to access units: what the payload formats of H.264 and H.265 have in common (RFC 6184, RFC 7798).

Both carry a NAL unit as it is, several in one packet (aggregated), or one in several packets (fragments), and differ in
the length of the NAL header and in its types. A codec's own class says what each byte means, in tables of 256.
"""

from collections.abc import Callable
from struct import Struct

from adapters.rtsp.payload.nal_roles import (
    AGGREGATE,
    ANNEXB,
    BLA,
    CRA,
    FRAGMENT,
    IDR,
    IGNORED,
    SEI,
    SETS,
    SKIPPABLE,
    SLICE,
    Roles,
)
from adapters.rtsp.payload.nal_syntax import START_CODE, ParameterSets, split_annexb
from adapters.rtsp.protocol import TAKE_EVERYTHING, Tables
from adapters.rtsp.rtp_header import PLAIN_RTP, payload_bounds

MAX_UNIT = 8 * 1024 * 1024
"""Bytes of one access unit; a 4K keyframe has 1–2 MB. A longer one is dropped and counted."""

Emit = Callable[[bool, bytes, int, float], None]
"""(keyframe, Annex B payload, RTP timestamp, when its first packet came)."""

_MAX_AGGREGATED = 64  # NAL units in one packet; real ones have some ten
_PATIENCE = 3  # gradual refreshes
_UNKNOWN = -1


class UnitAssembler:
    """Collects access units. A unit ends with the marker bit or with a new timestamp, whichever comes.

    A keyframe is a picture of a random access point, or one with a recovery point SEI message, once parameter sets are
    known; its payload begins with all parameter sets in force, another's with those that it changes. ``dropped`` counts
    units that were torn, too long, or not decodable, and, where all are wanted, each gap in which others were lost.
    """

    __slots__ = (
        "_all",
        "_at",
        "_body",
        "_closed",
        "_emit",
        "_fragment",
        "_gap",
        "_indicator",
        "_joining",
        "_keyframe",
        "_marker_lies",
        "_next_seq",
        "_own_sets",
        "_picture",
        "_recovery",
        "_refreshed",
        "_refreshes",
        "_skip",
        "_time",
        "_torn",
        "dropped",
        "sets",
        "tables",
    )

    # A codec's own, set by its class.
    codec: str
    frame: Struct
    packet_layout: Struct
    """RTP V/P/X/CC | marker, type | sequence | timestamp | SSRC | payload header | fragment header."""
    header_size: int
    roles: Roles
    fragment_roles: Roles
    keyframes: Tables

    def __init__(self, sets: ParameterSets, emit: Emit) -> None:
        self.sets = sets
        self.tables = self.keyframes
        self.dropped = 0
        self._emit = emit
        self._all = False
        self._refreshes = _PATIENCE  # gradual refreshes since the last random access point; none came so far
        self._refreshed = False  # a keyframe has gone out since all are wanted
        self._skip = True  # pictures that may be skipped refer to what was before the keyframe, and was not received
        self._marker_lies = False
        self._closed = _UNKNOWN  # timestamp of the unit that a marker closed last
        self._next_seq = _UNKNOWN
        self._indicator = 0
        self._body = bytearray()
        # The unit that is open, if any: its timestamp, when it began, what was seen of it.
        self._time = _UNKNOWN
        self._at = 0.0
        self._own_sets = b""
        self._fragment = -1  # where in the body the fragmented NAL unit begins that is being put together
        self._picture: bool = False
        self._keyframe: bool = False
        self._recovery: bool = False
        self._torn: bool = False
        self._gap: bool = False  # packets were lost ahead of it
        self._joining: bool = False  # nothing came ahead of it: its own beginning may be missing

    def fragment_header(self, indicator: int, header: int) -> bytes:
        """The header of the NAL unit whose fragments carry this payload header and this fragment header."""
        raise NotImplementedError

    def recovery(self, sei: bytes) -> int | None:
        """After how many pictures a recovery point SEI message promises a whole one; None where there is none."""
        raise NotImplementedError

    @property
    def width(self) -> int | None:
        return self.sets.width

    @property
    def height(self) -> int | None:
        return self.sets.height

    def want_all(self, wanted: bool) -> None:
        """Whether every access unit is wanted, or keyframes only. May change at any packet."""
        if wanted is self._all:
            return
        self._all = wanted
        self._refreshed, self._skip = False, True
        if not self._keyframe:
            self._reset()  # its other packets passed unread, or will
            self._next_seq = _UNKNOWN
        self._choose_tables()

    def packet(self, view: memoryview, start: int, end: int, now: float) -> None:
        """One RTP packet, header included, at view[start:end]; valid during the call only."""
        layout = self.packet_layout
        if end - start >= layout.size:
            flags, mark, seq, time, indicator, header = layout.unpack_from(view, start)
            # Nearly all packets of a keyframe are the middle of a fragment: no first, no last, no marker, nothing lost.
            if (
                self._fragment >= 0
                and time == self._time
                and seq == self._next_seq
                and flags == PLAIN_RTP
                and mark < 0x80
                and header < 0x40
                and indicator == self._indicator
                and len(self._body) + end - start <= MAX_UNIT
            ):
                self._next_seq = seq + 1 & 0xFFFF
                self._body += view[start + layout.size : end]
                return
            if flags == PLAIN_RTP:
                self._payload(view, start + 12, end, mark, seq, time, now)
                return
        if bounds := payload_bounds(view, start, end):
            seq, time = view[start + 2] << 8 | view[start + 3], int.from_bytes(view[start + 4 : start + 8], "big")
            self._payload(view, *bounds, view[start + 1], seq, time, now)

    def _payload(self, view: memoryview, start: int, end: int, mark: int, seq: int, time: int, now: float) -> None:
        # Servers drop packets under load, even over TCP. Some cameras never count at all.
        expected, following = self._next_seq, seq + 1 & 0xFFFF
        gap = expected not in (seq, following, _UNKNOWN)
        self._next_seq = following
        if time != self._time:
            if self._time != _UNKNOWN:
                self._torn = self._torn or (gap and self._picture)  # without a marker: its end may be lost
                self._finish()
            self._time, self._at = time, now
            self._gap, self._joining = gap, self._all and expected == _UNKNOWN
        elif gap and (self._picture or self._fragment >= 0):
            self._tear()
        if not self._torn:
            self._take(view, start, end)
        if mark & 0x80 and (self._picture or self._torn) and not self._marker_lies:
            self._closed = time
            self._finish()
        if not self._all:
            self._choose_tables()

    # ------------------------------------------------------------------------------------------ access units

    def _reset(self) -> None:
        """No unit is open."""
        self._time = _UNKNOWN
        self._body.clear()
        self._own_sets = b""
        self._fragment = -1
        self._picture = self._keyframe = self._recovery = self._torn = False

    def _finish(self) -> None:
        """Let go of the unit: a picture, what was torn before one could be seen, or neither."""
        if self._torn or (self._picture and not self._is_whole):
            self.dropped += not self._joining
        elif self._picture:
            self.dropped += self._gap
            self._refreshed = self._refreshed or self._keyframe
            sets = self.sets.prefix if self._keyframe else self._own_sets
            self._emit(self._keyframe, b"".join((sets, self._body)), self._time, self._at)
        self._reset()

    @property
    def _is_whole(self) -> bool:
        return self._fragment < 0 and (self.sets.complete or not self._keyframe)

    def _choose_tables(self) -> None:
        # While a keyframe is open its other slices, and the timestamp that ends it, must be seen.
        if self._all or self._keyframe or self._recovery or self._fragment >= 0:
            self.tables = TAKE_EVERYTHING
        else:
            self.tables = self.keyframes
            self._next_seq = _UNKNOWN

    def _tear(self) -> None:
        self._torn = True
        self._fragment = -1
        self._body.clear()

    # ------------------------------------------------------------------------------------------ payloads

    def _take(self, view: memoryview, start: int, end: int) -> None:
        role = self.roles[view[start]]
        if role == FRAGMENT:
            self._fragment_unit(view, start, end)
        elif self._fragment >= 0:
            self._tear()  # the end of the fragmented NAL unit never came
        elif role == AGGREGATE:
            self._aggregate(view, start + self.header_size, end)
        elif role == ANNEXB:
            self._describe(bytes(view[start:end]))
        else:
            self._nal(view, start, end)

    def _aggregate(self, view: memoryview, pos: int, end: int) -> None:
        for _ in range(_MAX_AGGREGATED):
            if pos + 2 >= end:
                return
            size = view[pos] << 8 | view[pos + 1]
            pos += 2
            if not size or pos + size > end:
                self._tear()
                return
            self._nal(view, pos, pos + size)
            pos += size

    def _nal(self, view: memoryview, start: int, end: int) -> None:
        role = self.roles[view[start]]
        if SLICE <= role <= BLA:
            second = start + self.header_size
            if end > second and self._takes_slice(role, view[second]) and self._has_room(end - start):
                self._body += START_CODE
                self._body += view[start:end]
        elif role in (SEI, SETS):
            self._describe(bytes(view[start:end]))

    def _fragment_unit(self, view: memoryview, start: int, end: int) -> None:
        data = start + self.header_size + 1
        if data > end:
            return
        header = view[data - 1]
        role = self.fragment_roles[header]
        if header & 0x80:
            if self._fragment >= 0:
                self._tear()  # the one before never ended
                return
            if role == IGNORED or data == end:
                return
            if role <= BLA and not self._takes_slice(role, view[data]):
                return
            if not self._has_room(end - start):
                return
            self._fragment = len(self._body)
            self._indicator = int.from_bytes(view[start : data - 1], "big")
            self._body += START_CODE
            self._body += self.fragment_header(self._indicator, header)
        elif self._fragment < 0:
            if SLICE <= role <= BLA and self._wants(role):
                self._tear()  # its beginning never came
            return
        elif not self._has_room(end - start):
            return
        self._body += view[data:end]
        if header & 0x40:
            self._end_fragment(role)

    def _end_fragment(self, role: int) -> None:
        begin, self._fragment = self._fragment, -1
        if role in (SEI, SETS):
            nal = bytes(self._body[begin + len(START_CODE) :])
            del self._body[begin:]
            self._describe(nal)

    def _describe(self, data: bytes) -> None:
        """Parameter sets and SEI. Some cameras put a whole access unit with start codes into what should be one SPS."""
        for nal in split_annexb(data):
            role = self.roles[nal[0]]
            if role == SETS:
                if self.sets.add(nal) and self._all and len(self._own_sets) < len(self.sets.prefix):
                    self._own_sets += START_CODE + nal
            elif role == SEI:
                self._supplement(nal)
            elif SLICE <= role <= BLA:
                self._nal(memoryview(nal), 0, len(nal))

    def _supplement(self, nal: bytes) -> None:
        pictures = self.recovery(nal)
        if pictures is not None and self.sets.complete:
            # A gradual refresh gives a whole picture only after some others: second choice, for cameras that send no
            # IDR picture, or one at the beginning and never again.
            self._recovery = self._recovery or pictures <= 0 or self._refreshes >= _PATIENCE
            self._refreshes += pictures > 0
        if self._has_room(len(nal)):
            self._body += START_CODE
            self._body += nal

    def _wants(self, role: int) -> bool:
        """Whether a slice of this role is wanted in the unit as it is known so far."""
        if role >= IDR or self._keyframe or self._recovery:
            return True
        return self._all and not (role == SKIPPABLE and self._skip)

    def _takes_slice(self, role: int, second: int) -> bool:
        """Whether a slice that begins here is wanted; ``second`` is its first byte behind the NAL header."""
        if not self._wants(role):
            return False
        if role >= IDR:
            self._keyframe = True
            self._refreshes = 0
            self._skip = role == BLA or (role == CRA and not self._refreshed)
        elif self._recovery:
            self._keyframe = True
        if not self._picture and not second & 0x80:
            # Not the first slice of its picture (first_mb_in_slice, first_slice_segment_in_pic_flag): the beginning is
            # missing. Where a marker has just closed a unit of the same time, the marker stands on every slice of this
            # camera and says nothing.
            self._marker_lies = self._marker_lies or self._time == self._closed
            self._picture = True
            self._tear()
            return False
        self._picture = True
        self._joining = False
        return True

    def _has_room(self, size: int) -> bool:
        if len(self._body) + len(START_CODE) + size <= MAX_UNIT:
            return True
        self._picture = True
        self._tear()
        return False
