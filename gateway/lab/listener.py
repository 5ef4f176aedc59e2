"""A listening socket that can lose its power: then no connection is answered, as with a camera that is gone."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Sequence

from gateway.errors import ListenFailed

_BACKLOG = 1024
_AT_ONCE = 64  # connections accepted in one turn of the loop
_FILLERS = 1  # a queue of length 0 holds one
_TRIES = 10  # a port that is free at one address may be somebody else's at the next


class Listener:
    """Listens on one address and hands over each connection's socket, non-blocking."""

    def __init__(self, host: str, port: int, take: Callable[[socket.socket, str], None]) -> None:
        self.host, self.port = host, port
        self._take = take
        self._fillers: list[socket.socket] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setblocking(False)

    def open(self) -> None:
        """Listen; ``port`` is the true one afterwards. Raises ListenFailed."""
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind((self.host, self.port))
            self._socket.listen(_BACKLOG)
        except OSError as error:
            self._socket.close()
            why = os.strerror(error.errno or 0).lower()
            raise ListenFailed(
                f"the simulated cameras cannot listen on {self.host}:{self.port}: {why}; choose another port"
            ) from error
        self.port = self._socket.getsockname()[1]
        asyncio.get_running_loop().add_reader(self._socket, self._accept)

    def close(self) -> None:
        if self._socket.fileno() < 0:
            return
        asyncio.get_running_loop().remove_reader(self._socket)
        self._drop_fillers()
        self._socket.close()

    def power_off(self) -> None:
        """From now on a client's SYN gets no answer at all: Linux drops it while the queue of the listener is full."""
        if self._fillers:
            return
        asyncio.get_running_loop().remove_reader(self._socket)
        self._accept()
        self._socket.listen(0)
        for _ in range(_FILLERS):
            filler = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            filler.setblocking(False)
            filler.connect_ex((self.host, self.port))
            self._fillers.append(filler)

    def power_on(self) -> None:
        """Answer again, those too who have been asking all the while."""
        if not self._fillers:
            return
        ours = {filler.getsockname() for filler in self._fillers}
        self._drop_fillers()
        self._socket.listen(_BACKLOG)
        self._accept(not_from=ours)
        asyncio.get_running_loop().add_reader(self._socket, self._accept)

    def _accept(self, not_from: frozenset[object] | set[object] = frozenset()) -> None:
        for _ in range(_AT_ONCE):
            try:
                connection, peer = self._socket.accept()
            except BlockingIOError:
                return
            except OSError:  # it was reset before we looked
                continue
            if peer in not_from:
                connection.close()
                continue
            connection.setblocking(False)
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._take(connection, self.host)

    def _drop_fillers(self) -> None:
        for filler in self._fillers:
            filler.close()
        self._fillers.clear()


def listen(hosts: Sequence[str], port: int, take: Callable[[socket.socket, str], None]) -> list[Listener]:
    """One at each of these addresses, all at ``port``; 0: at one that is free at all of them. Raises ListenFailed."""
    for _ in range(0 if port else _TRIES):
        with contextlib.suppress(ListenFailed):
            return _opened(hosts, port, take)
    return _opened(hosts, port, take)


def _opened(hosts: Sequence[str], port: int, take: Callable[[socket.socket, str], None]) -> list[Listener]:
    listeners: list[Listener] = []
    try:
        for host in hosts:
            listener = Listener(host, listeners[0].port if listeners else port, take)
            listener.open()
            listeners.append(listener)
    except ListenFailed:
        for listener in listeners:
            listener.close()
        raise
    return listeners
