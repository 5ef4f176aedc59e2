"""The child process that reads one stream: ``python -m adapters.libav.child FD``, over the inherited socket FD.

libav parses here what a device, or whoever stands in for it, sends; so the process has hard limits, an empty environment,
and is killed by its source when it hangs. It ends by itself when the source hangs up. See wire.py for what is said.
"""

import os
import resource
import select
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import av

from adapters.libav.demux import CLOCK_RATE, Failed, Stream, Taken, Wanted
from adapters.libav.wire import (
    CODECS,
    EVERYTHING,
    HEADER,
    MAX_BODY,
    OPENED,
    REPORT,
    REQUEST_SIZE,
    UNIT,
    Kind,
    Opening,
    Reason,
)
from gateway.confinement import confine

ADDRESS_SPACE = 1024**3
DATA = 256 * 1024**2
"""A multipart picture without an end is collected in memory; a 4K stream needs about 60 MB while it is probed."""
OPEN_FILES = 32
CPU_SECONDS = 10
"""CPU time between two reports: ends a demuxer that loops, even after its worker was killed."""
SPACING_S = 0.3
"""A keyframe store keeps no more of MJPEG than about three pictures a second."""
REPORT_S = 1.0
_LONGEST_GAP_S = 5.0
"""A file whose timestamps jump further is played on at once."""
_LAST_PICTURE_S = 0.04


class HungUp(Exception):
    """The source wants no more."""


class Line:
    """The child's end of the socket pair. Every call raises HungUp when the source is gone."""

    def __init__(self, peer: socket.socket) -> None:
        self._peer = peer

    def request(self) -> Opening:
        (size,) = REQUEST_SIZE.unpack(self._read(REQUEST_SIZE.size))
        return Opening.decode(self._read(size))

    def send(self, kind: Kind, *parts: bytes) -> None:
        try:
            self._peer.sendall(b"".join((HEADER.pack(kind, sum(map(len, parts))), *parts)))
        except OSError:
            raise HungUp from None

    def orders(self, wait: float = 0.0) -> bytes:
        """What the source has said meanwhile; waits up to ``wait`` seconds for it."""
        if not select.select([self._peer], [], [], wait)[0]:
            return b""
        try:
            said = self._peer.recv(64)
        except OSError:
            raise HungUp from None
        if not said:
            raise HungUp
        return said

    def _read(self, size: int) -> bytes:
        read = bytearray()
        while len(read) < size:
            try:
                piece = self._peer.recv(size - len(read))
            except OSError:
                raise HungUp from None
            if not piece:
                raise HungUp
            read += piece
        return bytes(read)


class Reader:
    """Reads one stream and tells the source of it."""

    def __init__(self, line: Line, opening: Opening) -> None:
        self._line = line
        self._opening = opening
        self._wanted = Wanted(SPACING_S)
        self._bytes = self._video_bytes = self._dropped = 0
        self._reported_at = time.monotonic()
        self._played = 0.0  # seconds of earlier rounds, for a file

    def run(self) -> None:
        """Until the stream ends. Raises Failed, HungUp."""
        stream = Stream(self._opening)
        try:
            self._line.send(Kind.OPENED, OPENED.pack(CODECS.index(stream.codec), stream.width or 0, stream.height or 0))
            self._play(stream)
            while self._opening.paced:
                stream.close()
                stream = Stream(self._opening)
                self._play(stream)
        finally:
            stream.close()
        raise Failed(Reason.ENDED)

    def _play(self, stream: Stream) -> None:
        started, length = time.monotonic(), 0.0
        for taken in self._pace(stream, started):
            length = max(length, taken.play_at or 0.0)
            self._count(taken)
            if taken.unit is not None:
                self._hand_over(stream, taken)
            self._obey(self._line.orders())
            self._report()
        if self._opening.paced:
            length += _LAST_PICTURE_S
            self._wait(started + length)
            self._played += length

    def _pace(self, stream: Stream, started: float) -> Iterator[Taken]:
        late = 0.0
        for taken in stream.packets(self._wanted):
            if self._opening.paced and taken.play_at is not None:
                due, now = started + taken.play_at + late, time.monotonic()
                if not -_LONGEST_GAP_S < due - now < _LONGEST_GAP_S:
                    late += now - due
                self._wait(started + taken.play_at + late)
            yield taken

    def _wait(self, due: float) -> None:
        while (left := due - time.monotonic()) > 0:
            self._obey(self._line.orders(min(left, REPORT_S)))
            self._report()

    def _hand_over(self, stream: Stream, taken: Taken) -> None:
        assert taken.unit is not None
        if len(taken.unit) > MAX_BODY - UNIT.size:
            self._dropped += 1
            return
        rtp_time = (taken.rtp_time + int(self._played * CLOCK_RATE)) & 0xFFFF_FFFF
        at = time.monotonic() if self._opening.paced else taken.at_mono
        head = UNIT.pack(at, taken.keyframe, rtp_time, stream.width or 0, stream.height or 0)
        self._line.send(Kind.UNIT, head, taken.unit)

    def _count(self, taken: Taken) -> None:
        self._bytes += taken.size
        self._video_bytes += taken.size if taken.video else 0
        self._dropped += taken.dropped

    def _report(self) -> None:
        now = time.monotonic()
        if now - self._reported_at < REPORT_S:
            return
        self._line.send(Kind.REPORT, REPORT.pack(self._bytes, self._video_bytes, self._dropped))
        self._bytes = self._video_bytes = self._dropped = 0
        self._reported_at = now
        limit_cpu()

    def _obey(self, orders: bytes) -> None:
        if orders:
            self._wanted.everything = orders[-1:] == EVERYTHING


def limit_resources() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_DATA, (DATA, DATA))
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    limit_cpu()


def limit_cpu() -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime) + CPU_SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def serve(line: Line) -> None:
    """Read the one stream that the source asks for. Raises HungUp."""
    line.send(Kind.READY)
    try:
        Reader(line, line.request()).run()
    except Failed as end:
        line.send(Kind.FAULT, bytes([end.reason]), str(end).encode())


def main() -> None:
    av.logging.set_level(None)  # libav's messages hold addresses, and those passwords
    line = Line(socket.socket(fileno=int(sys.argv[1])))

    def tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        """A fault in our own code: where it is, but not its text, which may hold the address."""
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        where = f" in {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else ""
        line.send(Kind.FAULT, bytes([Reason.OURS]), f"{kind.__name__}{where}".encode())

    sys.excepthook = tell
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # from a terminal it goes to all; the source decides when to end
    limit_resources()
    confine(network=True)  # it is this process that speaks with the device
    try:
        serve(line)
    except HungUp:
        # Libraries need not be taken down in order; the stream was closed.
        os._exit(0)


if __name__ == "__main__":
    main()
