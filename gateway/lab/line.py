"""The way out of a simulated camera to one client: a socket, written to at once and queued only where it is full."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 s: close() sends RST
_TURN = 0.02  # seconds between two pieces on a slow line


class Line:
    """Sends on a non-blocking socket. ``backlog`` is what it still owes, in bytes.

    ``rate`` (bytes/s) and ``delay`` (s) make it a slow one.
    """

    def __init__(self, connection: socket.socket, lost: Callable[[], None]) -> None:
        self.open = True
        self._socket, self._lost = connection, lost
        self._loop = asyncio.get_running_loop()
        self._owed = bytearray()
        self._rate = self._delay = self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def backlog(self) -> int:
        return len(self._owed)

    def slow_down(self, rate: float, delay: float = 0.0) -> None:
        """From now on ``rate`` bytes a second, each ``delay`` seconds late. 0 is as fast as it goes."""
        if self.open:
            self._rate, self._delay = rate, delay
            self._loop.remove_writer(self._socket)
            if self._owed:
                self._go_on()

    def send(self, data: bytes) -> None:
        if self._owed or self._rate:
            if self.open:
                self._owed += data
                self._go_on()
            return
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._lost()
            return
        if sent < len(data):
            self._owed += data[sent:]
            self._loop.add_writer(self._socket, self._flush)

    def close(self) -> None:
        """End with FIN, once what is owed has been tried."""
        self._end()
        self._socket.close()

    def reset(self) -> None:
        """End with RST."""
        with contextlib.suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.close()

    def _end(self) -> None:
        if self.open:
            self.open = False
            self._owed.clear()
            self._loop.remove_writer(self._socket)
            if self._timer is not None:
                self._timer.cancel()

    def _go_on(self) -> None:
        if not self._rate:
            self._loop.add_writer(self._socket, self._flush)
        elif self._timer is None:
            self._due = self._loop.time() + self._delay
            self._timer = self._loop.call_at(self._due, self._trickle)

    def _flush(self) -> None:
        self._write(len(self._owed))
        if self.open and not self._owed:
            self._loop.remove_writer(self._socket)

    def _trickle(self) -> None:
        self._timer = None
        turn = max(_TURN, 1 / self._rate) if self._rate else 0.0
        self._write(max(1, round(self._rate * turn)) if self._rate else len(self._owed))
        if not self.open or not self._owed:
            return
        if not self._rate:
            self._go_on()
            return
        self._due = max(self._due + turn, self._loop.time() - 1.0)
        self._timer = self._loop.call_at(self._due, self._trickle)

    def _write(self, limit: int) -> None:
        try:
            del self._owed[: self._socket.send(self._owed[:limit])]
        except BlockingIOError:
            return
        except OSError:
            self._lost()
