"""RTP and RTCP by UDP unicast, for the cameras that will not send within their RTSP connection."""

import asyncio
import socket
from collections.abc import Callable

from adapters.rtsp.buffer import ReceiveBuffer
from adapters.rtsp.protocol import PacketSink
from adapters.rtsp.route import Datagrams
from adapters.rtsp.rtcp import Reception
from adapters.rtsp.rtp_header import PLAIN_RTP
from gateway.errors import Unreachable

# A keyframe of a 4K camera has 1 to 2 MB and comes at line speed; the kernel grants net.core.rmem_max of this, doubled.
_KERNEL_BUFFER = 2 * 1024 * 1024
_TRIES = 16
_BURST = 64  # datagrams read before others have their turn
_HEADER = 12
_PREFIX = 4
_PUNCH = b"\x80" + bytes(11)  # an RTP packet without a payload: opens the way through a NAT or a firewall


class UdpPorts:
    """A pair of ports, open from ``UdpPorts(host)`` to ``close()``: even for RTP, the next for RTCP (RFC 3550 §11).

    ``host`` is our own address as the camera sees it. ``media_seen`` and ``size`` (bytes) tell what came since their
    reader set them back. Packets from elsewhere than the camera are passed over.
    """

    def __init__(self, host: str) -> None:
        """Raises Unreachable where no pair is free."""
        self._rtp, self._rtcp = _open_pair(host)
        self.port: int = self._rtp.getsockname()[1]
        self.reception = Reception()
        self.media_seen = False
        self.size = 0
        self._camera = ""
        self._server_ports: tuple[int, int] | None = None
        self._senders: frozenset[str] = frozenset()
        self._loop = asyncio.get_running_loop()

    def start(
        self,
        camera: str,
        route: Datagrams,
        sink: PacketSink,
        buffer: ReceiveBuffer,
        mono: Callable[[], float],
        before_walk: Callable[[], None],
    ) -> None:
        """Hand packets of ``camera`` (its numeric address) to ``sink`` from now on."""
        self._camera = camera
        self._server_ports = route.server_ports
        self._senders = frozenset({camera, route.source or camera})
        self._sink, self._buffer, self._mono, self._before_walk = sink, buffer, mono, before_walk
        self._loop.add_reader(self._rtp, self._read_media)
        self._loop.add_reader(self._rtcp, self._read_control)

    def report(self, now: float) -> None:
        """Send a receiver report, and keep the way for RTP open."""
        if self._server_ports is None:
            return
        rtp, rtcp = self._server_ports
        for sock, data, port in ((self._rtp, _PUNCH, rtp), (self._rtcp, self.reception.report(now), rtcp)):
            try:
                sock.sendto(data, (self._camera, port))
            except OSError:
                continue  # a full queue, or no way there just now: silence will tell, if it lasts

    def close(self) -> None:
        for sock in (self._rtp, self._rtcp):
            self._loop.remove_reader(sock)
            sock.close()

    def _read_media(self) -> None:
        view, now = self._buffer.view, self._mono()
        room = view[_PREFIX:]  # the sink reads a packet's layout with an interleaved frame's prefix before it
        sink, layout = self._sink, self._sink.frame
        self._before_walk()
        for _ in range(_BURST):
            try:
                size, sender = self._rtp.recvfrom_into(room)
            except OSError:  # nothing more for now; a true fault shows itself as silence
                return
            if sender[0] not in self._senders or size <= _HEADER or room[0] & 0xC0 != 0x80:
                continue
            self.size += size
            if not self.reception.packet(room, 0, now):
                continue
            self.media_seen = True
            # As in Demultiplexer.walk: what nobody wants is passed over by two bytes of its payload.
            if size + _PREFIX >= layout.size:
                _, _, flags, first, other = layout.unpack_from(view)
                if flags == PLAIN_RTP and not sink.tables[first][other]:
                    continue
            sink.packet(view, _PREFIX, _PREFIX + size, now)

    def _read_control(self) -> None:
        view = self._buffer.view
        for _ in range(_BURST):
            try:
                size, sender = self._rtcp.recvfrom_into(view)
            except OSError:
                return
            if sender[0] in self._senders:
                self.size += size
                self.reception.hear(view, 0, size, self._mono())


def _open_pair(host: str) -> tuple[socket.socket, socket.socket]:
    fault: OSError | None = None
    for _ in range(_TRIES):
        try:
            return _open_neighbours(host)
        except OSError as error:
            fault = error
    raise Unreachable(f"no pair of UDP ports can be opened on {host} ({fault}); are too many files open?")


def _open_neighbours(host: str) -> tuple[socket.socket, socket.socket]:
    first = _open(host, 0)  # the kernel gives a free port of either kind: its neighbour may be free too
    try:
        port = first.getsockname()[1]
        second = _open(host, port ^ 1)
    except OSError:
        first.close()
        raise
    return (second, first) if port & 1 else (first, second)


def _open(host: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _KERNEL_BUFFER)
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock
