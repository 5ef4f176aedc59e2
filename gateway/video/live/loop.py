"""The live process's event loop: UDP sockets that may have any port get one of a range that a firewall knows."""

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import Any

import uvloop


class PortLoop(uvloop.Loop):
    """aioice binds to port 0; here that is the next free one of ``first``…``last``, where they are set. Raises OSError
    EADDRINUSE where none is free."""

    ports: tuple[int, int] | None = None
    _next = 0

    async def create_datagram_endpoint(
        self, protocol_factory: Callable[[], Any], local_addr: Any = None, *arguments: Any, **options: Any
    ) -> Any:
        if self.ports is None or local_addr is None or local_addr[1] != 0:
            return await super().create_datagram_endpoint(protocol_factory, local_addr, *arguments, **options)
        held = self._bound(local_addr[0], *self.ports)
        try:
            return await super().create_datagram_endpoint(protocol_factory, *arguments, sock=held, **options)
        except BaseException:
            held.close()
            raise

    def _bound(self, host: str, first: int, last: int) -> socket.socket:
        """The socket is bound here and not by uvloop, which leaves one open that could not be."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        held = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        for _ in range(last - first + 1):
            port = first + self._next % (last - first + 1)
            self._next += 1
            try:
                held.bind((host, port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    held.close()
                    raise
            else:
                return held
        held.close()
        raise OSError(errno.EADDRINUSE, f"no free UDP port from {first} to {last}")


def loop_factory(ports: tuple[int, int] | None) -> Callable[[], asyncio.AbstractEventLoop]:
    def make() -> asyncio.AbstractEventLoop:
        loop = PortLoop()
        loop.ports = ports
        return loop

    return make
