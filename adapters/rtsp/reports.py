"""Receiver reports at their times: by UDP of all that came, within TCP of a packet looked at now and then."""

from struct import Struct
from typing import Protocol

from adapters.rtsp.protocol import DOLLAR, TAKE_EVERYTHING, Demultiplexer, PacketSink
from adapters.rtsp.rtcp import Reception
from adapters.rtsp.rtp_header import PLAIN_RTP

_UDP_EVERY = 5.0  # seconds (RFC 3550 §6.2)
_TCP_EVERY = 10.0  # within TCP a report is but a sign of life
_FIXED_HEADER = 12
_PREFIX = 4  # of an interleaved frame


class ReportingPorts(Protocol):
    def report(self, now: float) -> None: ...


class DatagramReports:
    def __init__(self, ports: ReportingPorts) -> None:
        self._ports = ports
        self._at = 0.0

    def due(self, now: float) -> bytes:
        """To be called about once a second; nothing of it goes by the RTSP connection."""
        if now >= self._at:
            self._at = now + _UDP_EVERY
            self._ports.report(now)
        return b""


class InterleavedReports:
    """Stands before ``sink`` until one packet has come, then takes itself out of the way: all others cost nothing."""

    __slots__ = ("_at", "_channel", "_demultiplexer", "_reception", "_report_channel", "_seen", "_sink", "tables")

    def __init__(self, demultiplexer: Demultiplexer, channel: int, report_channel: int, sink: PacketSink) -> None:
        self._demultiplexer = demultiplexer
        self._channel = channel
        self._report_channel = report_channel
        self._sink = sink
        self._reception = Reception()
        self._seen = False
        self._at = 0.0
        self.tables = TAKE_EVERYTHING

    @property
    def frame(self) -> Struct:
        return self._sink.frame

    def due(self, now: float) -> bytes:
        """To be called about once a second; gives what is to be sent, in the frame of RFC 2326 §10.12."""
        if now < self._at:
            return b""
        if not self._seen:
            self.tables = TAKE_EVERYTHING
            self._demultiplexer.attach(self._channel, self)
            return b""
        self._seen = False
        self._at = now + _TCP_EVERY
        report = self._reception.report(now)
        return bytes([DOLLAR, self._report_channel]) + len(report).to_bytes(2, "big") + report

    def packet(self, view: memoryview, start: int, end: int, now: float) -> None:
        if not self._seen and end - start > _FIXED_HEADER:
            self._seen = True
            self._reception.sample(view, start)
            self._demultiplexer.attach(self._channel, self._sink)
        if self._is_wanted(view, start, end):
            self._sink.packet(view, start, end, now)
        if self._seen:
            self.tables = self._sink.tables  # the walk stays with us until the end of this burst

    def _is_wanted(self, view: memoryview, start: int, end: int) -> bool:
        """As the walk would have decided, had the sink stood there itself."""
        layout = self._sink.frame
        if end - start + _PREFIX < layout.size:
            return True
        _, _, flags, first, other = layout.unpack_from(view, start - _PREFIX)
        return flags != PLAIN_RTP or bool(self._sink.tables[first][other])
