"""Hearing devices that come and go by themselves (WS-Discovery 2005/04 §4)."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Sequence

from adapters.onvif.discovery.budget import TimeBudget
from adapters.onvif.discovery.interfaces import chosen_interfaces
from adapters.onvif.discovery.probes import PORT, Announcement, read_announcement
from adapters.onvif.discovery.sockets import listening_sockets, receive

_SHARE, _BURST_S = 0.1, 0.5
"""Of the loop's time, for unasked datagrams."""


class Listener:
    """Hears who says Hello and Bye. One ``run`` is one attempt; it never retries."""

    def __init__(self, interfaces: Sequence[str] = (), *, port: int = PORT) -> None:
        self._interfaces = interfaces
        self._port = port
        self._budget = TimeBudget(_SHARE, _BURST_S)
        self.dropped = 0

    async def run(self, heard: Callable[[Announcement], None]) -> None:
        """Tell ``heard`` on the loop, for ever. Raises ListenFailed where no interface can be listened on, UsageError for an
        unknown one."""
        loop = asyncio.get_running_loop()
        with contextlib.ExitStack() as stack:
            for sock in listening_sockets(chosen_interfaces(self._interfaces), self._port):
                stack.enter_context(sock)
                loop.add_reader(sock, self._read, sock, heard)
                stack.callback(loop.remove_reader, sock)
            await loop.create_future()

    def _read(self, sock: socket.socket, heard: Callable[[Announcement], None]) -> None:
        received = receive(sock)
        if received is None:
            return
        if self._budget.is_spent:
            self.dropped += 1
            return
        with self._budget.spending():
            said = read_announcement(*received)
        if said.hello or said.leaving:
            heard(said)
