"""The event loop's watch over a broker's socket: paho is called where there is something to read, to write, or to check."""

import asyncio
import ssl
from collections.abc import Callable
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import MQTTErrorCode

_TICK = 1.0  # seconds between looks at keep-alive


class Watch:
    """``begin`` once the connection is dialled; ``end`` is for good. ``call`` runs one step of paho, and deals with what it
    raises. ``stands``: the socket is watched."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        client: Client,
        call: Callable[[Callable[[], MQTTErrorCode]], None],
    ) -> None:
        self._loop = loop
        self._client = client
        self._call = call
        self._socket: Any = None
        self._reading = False
        self._paused = False
        self._ended = False
        self._ticker: asyncio.TimerHandle | None = None

    @property
    def stands(self) -> bool:
        return self._socket is not None

    def begin(self, sock: Any) -> None:
        self._socket = sock
        self._client.on_socket_close = lambda _client, _userdata, _socket: self._let_go()
        self._client.on_socket_register_write = lambda _client, _userdata, _socket: self._watch_writes()
        self._client.on_socket_unregister_write = lambda _client, _userdata, _socket: self._unwatch_writes()
        if self._client.want_write():
            self._watch_writes()
        self._watch_reads()
        self._tick()

    def pause(self) -> None:
        """Read no more until ``resume``."""
        self._paused = True
        self._unwatch_reads()

    def resume(self) -> None:
        if not self._paused:
            return
        self._paused = False
        if self._socket is not None:
            self._watch_reads()
            self._loop.call_soon(self._readable)  # what TLS holds already is not announced again

    def end(self) -> None:
        self._ended = True
        if self._ticker is not None:
            self._ticker.cancel()
        self._let_go()

    def _watch_reads(self) -> None:
        if not self._reading:
            self._reading = True
            self._loop.add_reader(self._socket.fileno(), self._readable)

    def _unwatch_reads(self) -> None:
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._socket.fileno())

    def _watch_writes(self) -> None:
        if self._socket is not None:
            self._loop.add_writer(self._socket.fileno(), self._call, self._client.loop_write)

    def _unwatch_writes(self) -> None:
        if self._socket is not None:
            self._loop.remove_writer(self._socket.fileno())

    def _let_go(self) -> None:
        if self._socket is not None:
            self._unwatch_reads()
            self._unwatch_writes()
            self._socket = None

    def _readable(self) -> None:
        self._call(self._client.loop_read)
        # What TLS has decrypted already is no longer announced by the socket.
        while not self._paused and isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
            self._call(self._client.loop_read)

    def _tick(self) -> None:
        self._call(self._client.loop_misc)
        if not self._ended:
            self._ticker = self._loop.call_later(_TICK, self._tick)
