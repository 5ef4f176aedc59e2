"""A connection to an MQTT broker on the running asyncio loop, as simulated terminals and ``gateway press`` use it."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from gateway.errors import AuthFailed, Unreachable

_CONNECT_WITHIN = 15.0  # a broker of Python on a full machine takes its time
_KEEP_ALIVE = 30


@dataclass(frozen=True, slots=True)
class Login:
    """Where a broker is and who we are to it."""

    host: str
    port: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = None

    def __str__(self) -> str:
        return f"{'mqtts' if self.tls else 'mqtt'}://{self.host}:{self.port}"


class Link:
    """paho driven by the asyncio loop, MQTT 3.1.1, with TCP_NODELAY (Nagle's 40 ms would drown what is measured)."""

    def __init__(self, login: Login, client_id: str, on_payload: Callable[[bytes], None]) -> None:
        self._login = login
        self._loop = asyncio.get_running_loop()
        self._connected: asyncio.Future[None] = self._loop.create_future()
        self._subscribed: asyncio.Future[None] = self._loop.create_future()
        self._timer: asyncio.TimerHandle | None = None
        self.client = paho.Client(CallbackAPIVersion.VERSION2, client_id=client_id, reconnect_on_failure=False)
        self.client.connect_timeout = _CONNECT_WITHIN
        if login.username is not None:
            self.client.username_pw_set(login.username, login.password)
        if login.tls is not None:
            self.client.tls_set_context(login.tls)
        self.client.on_connect = self._on_connect
        self.client.on_disconnect = self._on_disconnect
        self.client.on_subscribe = lambda *_: _settle(self._subscribed)
        self.client.on_message = lambda _client, _data, message: on_payload(bytes(message.payload))
        self.client.on_socket_open = self._on_socket_open
        self.client.on_socket_close = self._on_socket_close
        self.client.on_socket_register_write = lambda _client, _data, sock: self._loop.add_writer(sock, self._write)
        self.client.on_socket_unregister_write = self._on_nothing_to_write

    async def connect(self) -> None:
        try:
            # Blocks, at most _CONNECT_WITHIN: it is the terminal's first act and there is nothing else to wait for.
            self.client.connect(self._login.host, self._login.port, _KEEP_ALIVE)
        except OSError as error:
            reason = error.strerror or str(error) or type(error).__name__
            raise Unreachable(f"cannot reach the broker {self._login}: {reason}; is it running?") from error
        self._timer = self._loop.call_later(1, self._tick)
        await self._within(self._connected, "did not answer the connection")

    async def subscribe(self, topic: str) -> None:
        self.client.subscribe(topic, qos=1)
        await self._within(self._subscribed, f"did not answer the subscription of {topic}")

    async def publish_and_wait(self, topic: str, payload: str, *, retain: bool, within: float = 1.0) -> None:
        """Publish and give the broker a moment to acknowledge it."""
        acknowledged = asyncio.Event()
        info = self.client.publish(topic, payload, qos=1, retain=retain)
        self.client.on_publish = lambda _client, _data, mid, *_: acknowledged.set() if mid == info.mid else None
        if info.rc == paho.MQTT_ERR_SUCCESS and not info.is_published():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(acknowledged.wait(), within)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.client.disconnect()
        self.client.loop_write()
        self.client.loop_read()
        self._let_go()

    def drop(self) -> None:
        """Let go of the socket without a goodbye."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._let_go()

    def _let_go(self) -> None:
        # paho's own finalizer closes the socket again, at any time, and would call back into a loop that may be closed by then.
        self.client.on_socket_open = self.client.on_socket_close = None
        self.client.on_socket_register_write = self.client.on_socket_unregister_write = None
        sock = self.client.socket()
        if sock is not None:
            self._loop.remove_reader(sock)
            self._loop.remove_writer(sock)
            sock.close()

    async def _within(self, answer: "asyncio.Future[None]", fault: str) -> None:
        try:
            async with asyncio.timeout(_CONNECT_WITHIN):
                await answer
        except TimeoutError:
            self.close()
            raise Unreachable(f"the broker {self._login} {fault} within {_CONNECT_WITHIN:.0f} s") from None
        except (AuthFailed, Unreachable):
            self.close()
            raise

    def _on_connect(self, _client: object, _data: object, _flags: object, reason: ReasonCode, _props: object) -> None:
        if reason.is_failure:
            text = f"the broker {self._login} refused the connection: {reason}; check user name and password"
            _settle(self._connected, AuthFailed(text))
        else:
            _settle(self._connected)

    def _on_disconnect(self, *_: object) -> None:
        """Before the answer; later it is the caller's answer that does not come."""
        why = "; it probably does not take our certificate" if self._login.tls else ""
        _settle(self._connected, Unreachable(f"the broker {self._login} closed the connection at once{why}"))

    def _on_socket_open(self, _client: object, _data: object, sock: Any) -> None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._loop.add_reader(sock, self._read, sock)

    def _on_socket_close(self, _client: object, _data: object, sock: Any) -> None:
        self._loop.remove_reader(sock)

    def _on_nothing_to_write(self, _client: object, _data: object, sock: Any) -> None:
        self._loop.remove_writer(sock)

    def _read(self, sock: Any) -> None:
        self.client.loop_read()
        # What TLS has already decrypted does not make the socket readable again.
        while self.client.socket() is sock and isinstance(sock, ssl.SSLSocket) and sock.pending():
            self.client.loop_read()

    def _write(self) -> None:
        self.client.loop_write()

    def _tick(self) -> None:
        self.client.loop_misc()
        self._timer = self._loop.call_later(1, self._tick)


def _settle(future: "asyncio.Future[None]", error: Exception | None = None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
