"""One connection to a broker: paho-mqtt driven by the asyncio loop, without a thread of its own while it stands.

A connection is used once. Its packet ids die with it: an acknowledgement for a message of an earlier connection can
never reach a later one.
"""

import asyncio
import socket
import ssl
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from paho.mqtt import MQTTException
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from adapters.mqtt.settings import MqttSettings
from gateway.errors import AuthFailed, GatewayError, ProtocolFault, Unreachable
from gateway.model import ReplyTo

KEEPALIVE = 9  # seconds. paho gives up after two of them in silence: 18 s, within the 20 s of EN 50136 SP6
_SESSION_EXPIRY = 7 * 24 * 3600  # seconds. A broker keeps presses for us over a long weekend's outage
_DIAL_DEADLINE = 5.0  # seconds each for TCP and TLS
_ANSWER_DEADLINE = 8.0  # seconds for CONNACK and SUBACK; less than KEEPALIVE, at which paho gives up a silent CONNECT
_FLUSH_DEADLINE = 1.0  # seconds for the last bytes on the way down
_TICK = 1.0
_MOST_UNACKNOWLEDGED = 20  # of our publishes; what paho and Mosquitto take unless told otherwise
_NO_SUBSCRIBERS = 0x10  # MQTT 5.0 §3.4.2.1
_BAD_VERSION = 0x84  # MQTT 5.0 §3.2.2.2; paho turns the 3.1.1 code 1 into it
_TAKEN_OVER = 0x8E  # MQTT 5.0 §3.14.2.1
_AUTH_REASONS = {0x86, 0x87, 0x8C}
_REFUSED = 0x80


class VersionRefused(Unreachable):
    """The broker does not speak this version of MQTT."""


class NotTaken(GatewayError):
    """The broker did not take a publish."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """A topic filter. ``retained``: 0 hand over what is retained at every connect, 1 only when it is new."""

    filter: str
    retained: int
    needed: bool = False


class Connection:
    """``open`` connects and subscribes, ``closed`` is done when it broke (with the error that says why)."""

    def __init__(
        self,
        settings: MqttSettings,
        client_id: str,
        version: MQTTProtocolVersion,
        heard: Callable[[MQTTMessage], None],
    ) -> None:
        self._settings = settings
        self._version = version
        self._heard = heard
        self._loop = asyncio.get_running_loop()
        self.closed: asyncio.Future[None] = self._loop.create_future()
        self.session_present = False
        self._connected: asyncio.Future[bool] = self._loop.create_future()
        self._granted: dict[int, asyncio.Future[Sequence[ReasonCode]]] = {}
        self._published: dict[int, asyncio.Future[int]] = {}
        self._window = asyncio.Semaphore(_MOST_UNACKNOWLEDGED)
        self._socket: Any = None
        self._reading = False
        self._paused = False
        self._ticker: asyncio.TimerHandle | None = None
        self._client = self._make_client(client_id)

    @property
    def v5(self) -> bool:
        return self._version is MQTTProtocolVersion.MQTTv5

    @property
    def broken(self) -> bool:
        return self.closed.done()

    # ------------------------------------------------------------------------------------------ opening

    async def open(self) -> None:
        """Connect. Raises Unreachable, AuthFailed, ProtocolFault or VersionRefused, each naming the broker."""
        await self._dial()
        self._attach()
        try:
            async with asyncio.timeout(_ANSWER_DEADLINE):
                self.session_present = await self._connected
        except TimeoutError:
            # Some brokers that know only 3.1.1 misread a CONNECT of MQTT 5 and wait for more of it (amqtt 0.12).
            kind = VersionRefused if self.v5 else Unreachable
            raise kind(f"{self._where} took the connection but did not answer CONNECT; is it an MQTT broker?") from None

    async def subscribe(self, wanted: Sequence[Subscription]) -> list[str]:
        """Subscribe at QoS 1. Returns what is not granted as it should be; raises AuthFailed for a needed filter."""
        filters = [(one.filter, self._options(one) if self.v5 else 1) for one in wanted]
        code, mid = self._client.subscribe(filters)  # type: ignore[arg-type]
        if code is not MQTTErrorCode.MQTT_ERR_SUCCESS or mid is None:
            raise Unreachable(f"{self._where}: the connection broke while subscribing")
        granted: asyncio.Future[Sequence[ReasonCode]] = self._loop.create_future()
        self._granted[mid] = granted
        try:
            async with asyncio.timeout(_ANSWER_DEADLINE):
                reasons = await granted
        except TimeoutError:
            raise Unreachable(f"{self._where} did not answer SUBSCRIBE") from None
        finally:
            self._granted.pop(mid, None)
        return self._shortfalls(wanted, reasons)

    def _shortfalls(self, wanted: Sequence[Subscription], reasons: Sequence[ReasonCode]) -> list[str]:
        faults: list[str] = []
        for one, reason in zip(wanted, reasons, strict=False):
            if reason.value >= _REFUSED and one.needed:
                raise AuthFailed(
                    f"{self._where} does not let us read {one.filter}; give the gateway's user the right to subscribe to it"
                )
            if reason.value >= _REFUSED:
                faults.append(f"{self._where} does not let us read {one.filter}")
            elif reason.value == 0:
                faults.append(f"{self._where} grants {one.filter} at QoS 0 only: messages can be lost on the way")
        return faults

    def _options(self, one: Subscription) -> SubscribeOptions:
        """Retain As Published shows a retained press as one even while we listen (MQTT 5.0 §3.8.3.1)."""
        return SubscribeOptions(qos=1, retainAsPublished=True, retainHandling=one.retained)

    def _make_client(self, client_id: str) -> Client:
        client = _Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=None if self.v5 else False,
            protocol=self._version,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        settings = self._settings
        if settings.username is not None:
            client.username_pw_set(
                settings.username, settings.password.get_secret_value() if settings.password is not None else None
            )
        client.connect_timeout = _DIAL_DEADLINE
        client.on_socket_open = _without_delay
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        return client

    async def _dial(self) -> None:
        """Resolve, connect and shake hands in a thread: name look-ups and TLS would block the loop."""
        dialling = self._loop.run_in_executor(None, self._dial_blocking)
        try:
            await asyncio.shield(dialling)
        except asyncio.CancelledError:
            dialling.add_done_callback(self._hang_up)
            raise
        except ssl.SSLCertVerificationError as error:
            raise Unreachable(
                f"{self._where}: its certificate is not trusted ({error.verify_message}); check tls.ca and the host name in url"
            ) from None
        except ssl.SSLError as error:
            raise Unreachable(f"{self._where}: TLS failed ({error.reason or error}); is it a TLS port?") from None
        except OSError as error:
            raise Unreachable(f"{self._where}: {_plain(error)}") from None
        except (UnicodeError, ValueError) as error:
            raise Unreachable(f"{self._where}: its host name cannot be used ({error})") from None

    def _dial_blocking(self) -> None:
        if self._settings.secure:
            self._client.tls_set_context(self._tls_context())
        properties = None
        if self.v5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = _SESSION_EXPIRY
            properties.ReceiveMaximum = self._settings.receive_maximum
        options: dict[str, Any] = {"clean_start": False, "properties": properties} if self.v5 else {}
        self._client.connect(self._settings.host, self._settings.port, KEEPALIVE, **options)

    def _tls_context(self) -> ssl.SSLContext:
        tls = self._settings.tls
        try:
            context = ssl.create_default_context(cafile=tls.ca if tls else None)
            if tls and tls.certificate:
                context.load_cert_chain(tls.certificate, tls.key)
        except OSError as error:  # ssl.SSLError is one
            raise OSError(f"a file named in its tls section cannot be used ({error.strerror or error})") from None
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context

    def _hang_up(self, dialling: "asyncio.Future[None]") -> None:
        """The dialling thread outlived its caller: close what it opened."""
        if not dialling.cancelled():
            dialling.exception()
        self._detach()

    def _attach(self) -> None:
        self._socket = self._client.socket()
        if self._socket is None:
            raise Unreachable(f"{self._where}: closed the connection at once")
        self._client.on_socket_close = lambda _client, _userdata, _socket: self._stop_watching()
        self._client.on_socket_register_write = lambda _client, _userdata, _socket: self._watch_writes()
        self._client.on_socket_unregister_write = lambda _client, _userdata, _socket: self._unwatch_writes()
        if self._client.want_write():
            self._watch_writes()
        self._watch()
        self._tick()

    # ------------------------------------------------------------------------------------------ the loop's side

    def pause(self) -> None:
        """Read no more until ``resume``: too many messages are under way."""
        self._paused = True
        self._unwatch()

    def resume(self) -> None:
        if not self._paused:
            return
        self._paused = False
        if self._socket is not None and not self.broken:
            self._watch()
            self._loop.call_soon(self._readable)  # what TLS holds already is not announced again

    def _watch(self) -> None:
        if not self._reading:
            self._reading = True
            self._loop.add_reader(self._socket.fileno(), self._readable)

    def _unwatch(self) -> None:
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._socket.fileno())

    def _watch_writes(self) -> None:
        if self._socket is not None:
            self._loop.add_writer(self._socket.fileno(), self._client_call, self._client.loop_write)

    def _unwatch_writes(self) -> None:
        if self._socket is not None:
            self._loop.remove_writer(self._socket.fileno())

    def _stop_watching(self) -> None:
        if self._socket is not None:
            self._unwatch()
            self._unwatch_writes()
            self._socket = None

    def _readable(self) -> None:
        self._client_call(self._client.loop_read)
        # What TLS has decrypted already is no longer announced by the socket.
        while not self._paused and isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
            self._client_call(self._client.loop_read)

    def _tick(self) -> None:
        self._client_call(self._client.loop_misc)
        if not self.broken:
            self._ticker = self._loop.call_later(_TICK, self._tick)

    def _client_call(self, step: Callable[[], MQTTErrorCode]) -> None:
        """Run one step of paho. What a malformed packet makes it raise ends the connection, not the loop."""
        try:
            step()
        except (MQTTException, ValueError, IndexError, KeyError, struct.error) as error:
            self.fail(ProtocolFault(f"{self._where} sent a packet that is not MQTT ({type(error).__name__}: {error})"))

    # ------------------------------------------------------------------------------------------ paho's callbacks

    def _on_connect(self, _client: Client, _userdata: Any, flags: Any, reason: ReasonCode, properties: Any) -> None:
        if self._connected.done():
            return
        if reason.value == 0:
            # Going past what the broker takes at a time ends the connection (MQTT 5.0 §3.3.4).
            most = getattr(properties, "ReceiveMaximum", _MOST_UNACKNOWLEDGED)
            self._window = asyncio.Semaphore(min(most, _MOST_UNACKNOWLEDGED))
            self._connected.set_result(bool(flags.session_present))
            return
        self.fail(self._refusal(reason))

    def _refusal(self, reason: ReasonCode) -> GatewayError:
        if reason.value == _BAD_VERSION:
            return VersionRefused(f"{self._where} does not speak MQTT {'5' if self.v5 else '3.1.1'}")
        if reason.value in _AUTH_REASONS:
            return AuthFailed(
                f"{self._where} refused our user name or password ({reason.getName().lower()}); "
                "check username and password of this source"
            )
        return Unreachable(f"{self._where} refused the connection: {reason.getName().lower()}")

    def _on_disconnect(self, _client: Client, _userdata: Any, flags: Any, reason: ReasonCode, _properties: Any) -> None:
        if flags.is_disconnect_packet_from_server:
            words = f"ended the connection: {reason.getName().lower()}"
            if reason.value == _TAKEN_OVER:
                words += "; another gateway runs with the same node id"
        elif reason.getName() == "Keep alive timeout":
            words = f"was silent for {2 * KEEPALIVE} s"
        elif not self._connected.done() and self.v5:
            # Brokers that know only 3.1.1 may close without a CONNACK (MQTT 3.1.1 §3.1.2.2).
            self.fail(VersionRefused(f"{self._where} closed the connection at CONNECT"))
            return
        else:
            words = "closed the connection; was it restarted, or is another gateway running with the same node id?"
        self.fail(Unreachable(f"{self._where} {words}"))

    def _on_message(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        """Hand over outside paho: an error raised inside its callback would leave its parser in mid-packet."""
        self._loop.call_soon(self._heard, message)

    def _on_subscribe(
        self, _client: Client, _userdata: Any, mid: int, reasons: Sequence[ReasonCode], _props: Any
    ) -> None:
        granted = self._granted.get(mid)
        if granted is not None and not granted.done():
            granted.set_result(reasons)

    def _on_publish(self, _client: Client, _userdata: Any, mid: int, reason: ReasonCode, _properties: Any) -> None:
        waiting = self._published.pop(mid, None)
        if waiting is None:
            return
        self._window.release()
        if not waiting.done():
            waiting.set_result(reason.value)

    # ------------------------------------------------------------------------------------------ using it

    def acknowledge(self, mid: int, qos: int) -> None:
        if not self.broken:
            self._client.ack(mid, qos)

    async def publish(self, topic: str, payload: bytes, reply: ReplyTo | None = None) -> bool:
        """Publish at QoS 1 and wait for the PUBACK. False: the broker says that nobody subscribes to the topic.

        Raises NotTaken where the broker refused it or its connection broke.
        """
        properties = None
        if self.v5 and reply is not None and reply.correlation is not None:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.CorrelationData = reply.correlation
        await self._window.acquire()
        if self.broken:
            self._window.release()  # for the next who waits, to find the same
            raise NotTaken(f"{self._where}: the connection broke")
        info = self._client.publish(topic, payload, qos=1, properties=properties)
        waiting: asyncio.Future[int] = self._loop.create_future()
        self._published[info.mid] = waiting  # and its place in the window, until the PUBACK, even if we stop waiting
        reason = await waiting
        if reason >= _REFUSED:
            raise NotTaken(
                f"{self._where} refused a publish on {topic} (reason 0x{reason:02x}); may the gateway write it?"
            )
        return reason != _NO_SUBSCRIBERS

    def fail(self, error: GatewayError) -> None:
        """End the connection for this reason; the first reason stands."""
        if self.broken:
            return
        self.closed.set_exception(error)
        self.closed.exception()  # whoever waits gets it; nobody waiting is no fault
        if not self._connected.done():
            self._connected.set_exception(error)
            self._connected.exception()
        for granted in self._granted.values():
            if not granted.done():
                granted.set_exception(error)
        for waiting in self._published.values():
            self._window.release()
            if not waiting.done():
                waiting.set_exception(NotTaken(str(error)))
        self._published.clear()
        self._detach()

    async def close(self) -> None:
        """Say goodbye (the broker keeps the session and what is unacknowledged) and let go of the socket."""
        if self._socket is not None and not self.broken:
            self._client.disconnect()
            self._client_call(self._client.loop_write)
            await asyncio.wait([self.closed], timeout=_FLUSH_DEADLINE)
        self.fail(Unreachable(f"{self._where}: the connection was closed here"))
        self._detach()

    def _detach(self) -> None:
        """Stop watching and close the socket. paho's own goodbye path may not have run."""
        if self._ticker is not None:
            self._ticker.cancel()
        self._stop_watching()
        sock = self._client.socket()
        if sock is not None:
            sock.close()

    @property
    def _where(self) -> str:
        return f"broker {self._settings.url}"


class _Client(Client):
    """paho's client, but a failed TLS handshake closes its socket: paho leaves it to the garbage collector."""

    def _create_socket(self) -> Any:
        sock = self._create_socket_connection()
        if self._ssl_context is None:
            return sock
        try:
            sock.settimeout(_DIAL_DEADLINE)
            return self._ssl_context.wrap_socket(sock, server_hostname=self._host)
        finally:
            sock.close()  # wrapped, it is detached and this does nothing


def _without_delay(_client: Client, _userdata: Any, sock: Any) -> None:
    """Nagle with delayed acknowledgements costs 40 ms an answer."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _plain(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "connection refused; is Mosquitto running?"
    if isinstance(error, ConnectionResetError):
        return "it reset the connection at once; is it an MQTT broker, and a TLS port only if url says mqtts?"
    if isinstance(error, socket.gaierror):
        return "its host name is not known; check url"
    if isinstance(error, TimeoutError):
        return f"no answer within {_DIAL_DEADLINE:g} s; is the host reachable?"
    return error.strerror or str(error)
