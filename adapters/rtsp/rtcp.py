"""RTCP receiver reports (RFC 3550 §6.4.2): some cameras end a stream of which nobody reports."""

import secrets
from struct import Struct

_HEADER = Struct(">2xHII")  # of RTP: sequence number, timestamp, SSRC
_BLOCK = Struct(">IIIIII")
_SENDER_REPORT, _RECEIVER_REPORT, _DESCRIPTION, _CNAME = 200, 201, 202, 1
_CLOCK_RATE = 90_000  # of every video payload spoken here
_MAX_DROPOUT = 3000  # §A.1: a gap up to this long is loss, a longer one a new beginning
_MAX_MISORDER = 100
_MAX_TRANSIT_STEP = 10 * _CLOCK_RATE  # a camera's clock that jumps is no jitter


class Reception:
    """What is told of one stream. Over UDP it hears of every packet; within TCP, which loses none, of one now and then."""

    __slots__ = (
        "_base",
        "_cname",
        "_expected_before",
        "_highest",
        "_jitter",
        "_received",
        "_received_before",
        "_sender_at",
        "_sender_ntp",
        "_source",
        "_ssrc",
        "_transit",
    )

    def __init__(self) -> None:
        self._ssrc = secrets.randbits(32)
        self._cname = secrets.token_hex(6).encode()  # RFC 7022 §4.2: says nothing about this machine
        self._sender_ntp = 0  # middle 32 bits of the last sender report's NTP time
        self._sender_at = 0.0
        self._begin(-1, 0)

    def _begin(self, source: int, seq: int) -> None:
        self._source = source
        self._base = self._highest = seq  # extended by the number of times it has wrapped
        self._received = self._received_before = self._expected_before = 0
        self._transit: float | None = None
        self._jitter = 0.0

    @property
    def lost(self) -> int:
        """Packets that never came, so far."""
        return max(0, self._highest - self._base + 1 - self._received) if self._received else 0

    def packet(self, view: memoryview, start: int, now: float) -> bool:
        """Count a packet whose header is whole, at view[start:]. False for one that came before (a network's echo)."""
        seq, time, source = _HEADER.unpack_from(view, start)
        step = seq - self._highest & 0xFFFF
        if source != self._source or not self._received:
            self._begin(source, seq)
        elif not step:
            return self._highest == self._base  # some cameras never count at all
        elif step < _MAX_DROPOUT:
            self._highest += step
        elif step < 0x10000 - _MAX_MISORDER:
            self._begin(source, seq)
        self._received += 1
        self._note_transit(now * _CLOCK_RATE - time)
        return True

    def sample(self, view: memoryview, start: int) -> None:
        """One packet of many, none of which can be lost."""
        seq, _, source = _HEADER.unpack_from(view, start)
        if source != self._source:
            self._begin(source, seq)
        self._highest += seq - self._highest & 0xFFFF

    def hear(self, view: memoryview, start: int, end: int, now: float) -> None:
        """An RTCP packet from the camera: only a sender report that comes first is of use (§6.4.1)."""
        if end - start >= 28 and view[start] & 0xC0 == 0x80 and view[start + 1] == _SENDER_REPORT:
            self._sender_ntp = int.from_bytes(view[start + 10 : start + 14], "big")
            self._sender_at = now

    def report(self, now: float) -> bytes:
        """A receiver report with our name, as one compound packet (§6.1)."""
        block = self._block(now) if self._source >= 0 else b""
        head = bytes([0x81 if block else 0x80, _RECEIVER_REPORT, 0, 1 + len(block) // 4])
        us = self._ssrc.to_bytes(4, "big")
        item = bytes([_CNAME, len(self._cname)]) + self._cname
        chunk = us + item + bytes(4 - len(item) % 4)
        return b"".join((head, us, block, bytes([0x81, _DESCRIPTION, 0, len(chunk) // 4]), chunk))

    def _block(self, now: float) -> bytes:
        lost = self.lost
        since = round((now - self._sender_at) * 0x10000) & 0xFFFFFFFF if self._sender_ntp else 0
        loss = self._fraction_lost() << 24 | min(lost, 0x7FFFFF)
        highest = self._highest & 0xFFFFFFFF
        return _BLOCK.pack(self._source, loss, highest, int(self._jitter) & 0xFFFFFFFF, self._sender_ntp, since)

    def _fraction_lost(self) -> int:
        """Of the packets since the last report, in 256ths (§A.3)."""
        if not self._received:
            return 0
        expected = self._highest - self._base + 1
        due, came = expected - self._expected_before, self._received - self._received_before
        self._expected_before, self._received_before = expected, self._received
        return min(255, max(0, due - came) * 256 // due) if due > 0 else 0

    def _note_transit(self, transit: float) -> None:
        """Interarrival jitter in units of the media's clock (§A.8)."""
        before, self._transit = self._transit, transit
        if before is not None and (step := abs(transit - before)) < _MAX_TRANSIT_STEP:
            self._jitter += (step - self._jitter) / 16
