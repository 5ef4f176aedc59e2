"""RTP and RTCP of one stream as datagrams (RFC 3550 §11), for clients that ask for UDP."""

import asyncio
import contextlib
import socket
from collections.abc import Callable

from gateway.errors import ListenFailed
from gateway.lab.rtp import RTP_CHANNEL, frames

_TRIES = 50
_BUFFER = 1 << 20  # a keyframe leaves in one burst


class UdpPair:
    """Two sockets on neighbouring ports, the even one for RTP. ``heard`` is called at each of the client's reports."""

    def __init__(self, local: str, peer: str, ports: tuple[int, int], heard: Callable[[], None]) -> None:
        self._sockets = _pair(local)
        self._heard = heard
        for one, port in zip(self._sockets, ports, strict=True):
            one.setblocking(False)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
            one.connect((peer, port))
            asyncio.get_running_loop().add_reader(one, self._drain, one)
        self.port: int = self._sockets[0].getsockname()[1]

    def send(self, block: bytes) -> None:
        """The packets of an interleaved block, one datagram each; what the network refuses is lost, as it would be."""
        rtp, rtcp = self._sockets
        with contextlib.suppress(OSError):
            for channel, start, end in frames(block):
                (rtp if channel == RTP_CHANNEL else rtcp).send(block[start + 4 : end])

    def close(self) -> None:
        for one in self._sockets:
            asyncio.get_running_loop().remove_reader(one)
            one.close()

    def _drain(self, one: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while one.recv(2048):
                if one is self._sockets[1]:
                    self._heard()


def _pair(local: str) -> tuple[socket.socket, socket.socket]:
    for _ in range(_TRIES):
        rtp, rtcp = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        try:
            rtp.bind((local, 0))
            port = rtp.getsockname()[1]
            if port % 2 == 0:
                rtcp.bind((local, port + 1))
                return rtp, rtcp
        except OSError:
            pass  # the neighbour is taken: another pair
        rtp.close()
        rtcp.close()
    raise ListenFailed(f"no two neighbouring UDP ports are free on {local}")
