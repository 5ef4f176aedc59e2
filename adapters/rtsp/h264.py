"""H.264 over RTP (RFC 6184): from packets to access units, keyframes only unless more is wanted."""

from collections.abc import Callable
from struct import Struct

from adapters.rtsp.h264_syntax import (
    FU_A,
    IDR,
    PPS,
    SEI,
    SLICE,
    SPS,
    STAP_A,
    START_CODE,
    ParameterSets,
    recovery_frames,
    split_annexb,
)
from adapters.rtsp.protocol import PASS, TAKE, TAKE_EVERYTHING, Tables

MAX_UNIT = 8 * 1024 * 1024
"""Bytes of one access unit; a 4K keyframe has 1–2 MB. A longer one is dropped and counted."""

Emit = Callable[[bool, bytes, int, float], None]
"""(keyframe, Annex B payload, RTP timestamp, when its first packet came)."""

_WORTH_READING = frozenset({IDR, SEI, SPS, PPS})


def _tables() -> Tables:
    """Slices other than IDR pass unread, also as fragments, where the second byte has the type (RFC 6184 §5.8)."""
    fragments = bytes(second & 0x1F in _WORTH_READING for second in range(256))
    by_type = {FU_A: fragments, STAP_A: TAKE, **dict.fromkeys(_WORTH_READING, TAKE)}
    return tuple(by_type.get(first & 0x1F, PASS) for first in range(256))


KEYFRAMES: Tables = _tables()

_MIDDLE = Struct(">BBHI4xBB")  # RTP V/P/X/CC | marker, type | sequence | timestamp | SSRC | FU indicator | FU header


class H264Depacketiser:
    """Collects access units. A unit ends with the marker bit or with a new timestamp, whichever comes.

    A keyframe is an IDR picture, or one with a recovery point SEI message once parameter sets are known; its payload
    begins with all parameter sets in force. ``dropped`` counts units that were torn, too long, or not decodable.
    """

    __slots__ = (
        "_all",
        "_at",
        "_body",
        "_closed",
        "_emit",
        "_fragment",
        "_idr_seen",
        "_keyframe",
        "_marker_lies",
        "_next_seq",
        "_own_sets",
        "_picture",
        "_recovery",
        "_time",
        "_torn",
        "dropped",
        "sets",
        "tables",
    )

    def __init__(self, sets: ParameterSets, emit: Emit) -> None:
        self.sets = sets
        self.tables = KEYFRAMES
        self.dropped = 0
        self._emit = emit
        self._all = False
        self._idr_seen = False
        self._marker_lies = False
        self._closed = -1  # timestamp of the unit that a marker closed last
        self._next_seq = 0
        self._time = -1
        self._body = bytearray()
        self._begin(-1, 0.0)

    def want_all(self, wanted: bool) -> None:
        """Whether every access unit is wanted, or keyframes only. May change at any packet."""
        self._all = wanted
        if not wanted and not self._keyframe:
            self._begin(-1, self._at)  # its other packets will pass unread
        self._choose_tables()

    def packet(self, view: memoryview, start: int, end: int, now: float) -> None:
        # Nearly all packets of a keyframe are the middle of a fragment: no first, no last, no marker, nothing lost.
        if self._fragment >= 0 and end - start > 14:
            flags, kind, seq, time, indicator, header = _MIDDLE.unpack_from(view, start)
            if (
                time == self._time
                and seq == self._next_seq
                and flags == 0x80
                and kind < 0x80
                and header < 0x40
                and indicator & 0x1F == FU_A
                and len(self._body) + end - start <= MAX_UNIT
            ):
                self._next_seq = seq + 1 & 0xFFFF
                self._body += view[start + 14 : end]
                return
        self._any_packet(view, start, end, now)

    def _any_packet(self, view: memoryview, start: int, end: int, now: float) -> None:
        bounds = _payload(view, start, end)
        if bounds is None:
            return
        payload, end = bounds
        time = int.from_bytes(view[start + 4 : start + 8], "big")
        if time != self._time:
            self._finish()
            self._begin(time, now)
        self._check_sequence(view[start + 2] << 8 | view[start + 3])
        if not self._torn:
            self._take(view, payload, end)
        if view[start + 1] & 0x80 and (self._picture or self._torn) and not self._marker_lies:
            self._closed = time
            self._finish()
        self._choose_tables()

    # ------------------------------------------------------------------------------------------ access units

    def _begin(self, time: int, now: float) -> None:
        self._time = time
        self._at = now
        self._body.clear()
        self._own_sets = b""
        self._fragment = -1  # where in the body the fragmented NAL unit begins that is being put together
        self._picture = self._keyframe = self._recovery = self._torn = False

    def _finish(self) -> None:
        if self._picture:
            if self._torn or self._fragment >= 0 or (self._keyframe and not self.sets.complete):
                self.dropped += 1
            else:
                sets = self.sets.prefix if self._keyframe else self._own_sets
                self._emit(self._keyframe, b"".join((sets, self._body)), self._time, self._at)
        elif self._torn:
            self.dropped += 1
        self._begin(-1, self._at)

    def _choose_tables(self) -> None:
        # While a keyframe is open its other slices, and the timestamp that ends it, must be seen.
        self.tables = TAKE_EVERYTHING if self._all or self._keyframe or self._recovery else KEYFRAMES

    def _check_sequence(self, seq: int) -> None:
        """A gap within a picture tears it: servers drop packets under load, even over TCP. Some never count at all."""
        if self._picture and seq not in (self._next_seq, self._next_seq - 1 & 0xFFFF):
            self._tear()
        self._next_seq = seq + 1 & 0xFFFF

    def _tear(self) -> None:
        self._torn = True
        self._fragment = -1
        self._body.clear()

    # ------------------------------------------------------------------------------------------ payloads

    def _take(self, view: memoryview, start: int, end: int) -> None:
        kind = view[start] & 0x1F
        if kind == FU_A:
            self._fragment_unit(view, start, end)
        elif kind == STAP_A:
            self._aggregate(view, start + 1, end)
        else:
            self._nal(view, start, end)

    def _aggregate(self, view: memoryview, pos: int, end: int) -> None:
        while pos + 2 < end:
            size = view[pos] << 8 | view[pos + 1]
            pos += 2
            if not size or pos + size > end:
                self._tear()
                return
            self._nal(view, pos, pos + size)
            pos += size

    def _nal(self, view: memoryview, start: int, end: int) -> None:
        kind = view[start] & 0x1F
        if kind in (SLICE, IDR):
            if end - start > 1 and self._takes_slice(kind, view[start + 1]) and self._has_room(end - start):
                self._body += START_CODE
                self._body += view[start:end]
        elif kind in (SEI, SPS, PPS):
            self._describe(bytes(view[start:end]))

    def _fragment_unit(self, view: memoryview, start: int, end: int) -> None:
        if end - start < 3:
            return
        indicator, header = view[start], view[start + 1]
        kind = header & 0x1F
        if header & 0x80:
            if self._fragment >= 0:
                self._tear()  # the one before never ended
                return
            if kind not in (SLICE, IDR, SEI, SPS, PPS):
                return
            if kind in (SLICE, IDR) and not self._takes_slice(kind, view[start + 2]):
                return
            if not self._has_room(end - start):
                return
            self._fragment = len(self._body)
            self._body += START_CODE
            self._body.append(indicator & 0xE0 | kind)
        elif self._fragment < 0:
            if kind == IDR or (kind == SLICE and (self._all or self._picture)):
                self._tear()  # its beginning never came
            return
        elif not self._has_room(end - start):
            return
        self._body += view[start + 2 : end]
        if header & 0x40:
            self._end_fragment(kind)

    def _end_fragment(self, kind: int) -> None:
        begin, self._fragment = self._fragment, -1
        if kind in (SEI, SPS, PPS):
            nal = bytes(self._body[begin + len(START_CODE) :])
            del self._body[begin:]
            self._describe(nal)

    def _describe(self, data: bytes) -> None:
        """Parameter sets and SEI. Some cameras put a whole access unit with start codes into what should be one SPS."""
        for nal in split_annexb(data):
            kind = nal[0] & 0x1F
            if kind in (SPS, PPS):
                if self.sets.add(nal) and self._all and len(self._own_sets) < len(self.sets.prefix):
                    self._own_sets += START_CODE + nal
            elif kind == SEI:
                self._supplement(nal)
            elif kind in (SLICE, IDR):
                nested = memoryview(nal)
                self._nal(nested, 0, len(nested))

    def _supplement(self, nal: bytes) -> None:
        frames = recovery_frames(nal)
        # A gradual refresh gives a whole picture only after some frames: second choice, for cameras without any IDR.
        if frames is not None and self.sets.complete and (frames == 0 or not self._idr_seen):
            self._recovery = True
        if self._has_room(len(nal)):
            self._body += START_CODE
            self._body += nal

    def _takes_slice(self, kind: int, second: int) -> bool:
        """Whether a slice that begins here is wanted; ``second`` is its first byte behind the NAL header."""
        if kind == IDR:
            self._idr_seen = self._keyframe = True
        elif self._recovery:
            self._keyframe = True
        elif not self._all:
            return False
        if not self._picture and not second & 0x80:
            # first_mb_in_slice is not 0: the picture's beginning is missing. Where a marker has just closed a unit of
            # the same time, the marker stands on every slice of this camera and says nothing.
            self._marker_lies = self._marker_lies or self._time == self._closed
            self._picture = True
            self._tear()
            return False
        self._picture = True
        return True

    def _has_room(self, size: int) -> bool:
        if len(self._body) + len(START_CODE) + size <= MAX_UNIT:
            return True
        self._picture = True
        self._tear()
        return False


def _payload(view: memoryview, start: int, end: int) -> tuple[int, int] | None:
    """Where the payload of an RTP packet begins and ends (RFC 3550 §5.1); None if it has none or is no RTP."""
    if end - start < 13 or view[start] & 0xC0 != 0x80:
        return None
    first = view[start]
    begin = start + 12 + (first & 0x0F) * 4
    if first & 0x10:
        if begin + 4 > end:
            return None
        begin += 4 + (view[begin + 2] << 8 | view[begin + 3]) * 4
    if first & 0x20:
        end -= view[end - 1]
    return (begin, end) if begin < end else None
