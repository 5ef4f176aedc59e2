"""One connection to a broker: paho-mqtt driven by the asyncio loop, without a thread of its own while it stands.

A connection is used once. Its packet ids die with it: an acknowledgement for a message of an earlier connection can
never reach a later one.
"""

import asyncio
import struct
from collections.abc import Callable, Sequence
from typing import Any

from paho.mqtt import MQTTException
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from adapters.mqtt.dial import DIAL_DEADLINE, BrokerClient, tls_context, unreached, without_delay
from adapters.mqtt.refusals import (
    REFUSED,
    NotTaken,
    VersionRefused,
    connect_refused,
    publish_refused,
    turned_away,
)
from adapters.mqtt.settings import MqttSettings
from adapters.mqtt.subscriptions import Subscription, options, shortfalls
from adapters.mqtt.watch import Watch
from gateway.errors import GatewayError, ProtocolFault, Unreachable
from gateway.model import ReplyTo

KEEPALIVE = 9  # seconds. paho gives up after two of them in silence: 18 s, within the 20 s of EN 50136 SP6
_SESSION_EXPIRY = 7 * 24 * 3600  # seconds. A broker keeps presses for us over a long weekend's outage
_ANSWER_DEADLINE = 8.0  # seconds for CONNACK and SUBACK; less than KEEPALIVE, at which paho gives up a silent CONNECT
_FLUSH_DEADLINE = 1.0  # seconds for the last bytes on the way down
_MOST_UNACKNOWLEDGED = 20  # of our publishes; what paho and Mosquitto take unless told otherwise
_NO_SUBSCRIBERS = 0x10  # MQTT 5.0 §3.4.2.1
_TAKEN_OVER = 0x8E  # MQTT 5.0 §3.14.2.1


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
        self._client = self._make_client(client_id)
        self._watch = Watch(self._loop, self._client, self._client_call)

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
        filters = [(one.filter, options(one) if self.v5 else 1) for one in wanted]
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
        return shortfalls(self._where, wanted, reasons)

    def _make_client(self, client_id: str) -> BrokerClient:
        client = BrokerClient(
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
        client.connect_timeout = DIAL_DEADLINE
        client.on_socket_open = without_delay
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
        except (OSError, ValueError) as error:
            raise unreached(error, self._settings) from None

    def _dial_blocking(self) -> None:
        if self._settings.secure:
            self._client.tls_set_context(tls_context(self._settings.tls))
        properties = None
        if self.v5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = _SESSION_EXPIRY
            properties.ReceiveMaximum = self._settings.receive_maximum
        options: dict[str, Any] = {"clean_start": False, "properties": properties} if self.v5 else {}
        self._client.connect(self._settings.host, self._settings.port, KEEPALIVE, **options)

    def _hang_up(self, dialling: "asyncio.Future[None]") -> None:
        """The dialling thread outlived its caller: close what it opened."""
        if not dialling.cancelled():
            dialling.exception()
        self._detach()

    def _attach(self) -> None:
        sock = self._client.socket()
        if sock is None:
            raise self._ended_at_once()
        self._watch.begin(sock)

    # ------------------------------------------------------------------------------------------ the loop's side

    def pause(self) -> None:
        """Read no more until ``resume``: too many messages are under way."""
        self._watch.pause()

    def resume(self) -> None:
        self._watch.resume()

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
        self.fail(connect_refused(self._where, reason, v5=self.v5))

    def _on_disconnect(self, _client: Client, _userdata: Any, flags: Any, reason: ReasonCode, _properties: Any) -> None:
        if flags.is_disconnect_packet_from_server:
            words = f"ended the connection: {reason.getName().lower()}"
            if reason.value == _TAKEN_OVER:
                words += "; another gateway runs with the same node id"
        elif reason.getName() == "Keep alive timeout":
            words = f"was silent for {2 * KEEPALIVE} s"
        elif (away := self._turned_away()) is not None:
            self.fail(away)
            return
        elif not self._connected.done() and self.v5:
            # Brokers that know only 3.1.1 may close without a CONNACK (MQTT 3.1.1 §3.1.2.2).
            self.fail(VersionRefused(f"{self._where} closed the connection at CONNECT"))
            return
        else:
            words = "closed the connection; was it restarted, or is another gateway running with the same node id?"
        self.fail(Unreachable(f"{self._where} {words}"))

    def _turned_away(self) -> GatewayError | None:
        if not self._settings.secure or self._connected.done():
            return None
        return turned_away(self._settings, self._client.alert, v5=self.v5)

    def _ended_at_once(self) -> GatewayError:
        """The connection ended while CONNECT was written; the reason may have been told already."""
        known = self.closed.exception() if self.closed.done() else None
        if isinstance(known, GatewayError):
            return known
        return self._turned_away() or Unreachable(f"{self._where}: closed the connection at once")

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

        Raises NotTaken where the broker refused it (TopicRefused: for good) or its connection broke.
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
        if reason >= REFUSED:
            raise publish_refused(self._where, topic, reason)
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
        if self._watch.stands and not self.broken:
            self._client.disconnect()
            self._client_call(self._client.loop_write)
            await asyncio.wait([self.closed], timeout=_FLUSH_DEADLINE)
        self.fail(Unreachable(f"{self._where}: the connection was closed here"))
        self._detach()

    def _detach(self) -> None:
        """Stop watching and close the socket. paho's own goodbye path may not have run."""
        self._watch.end()
        sock = self._client.socket()
        if sock is not None:
            sock.close()

    @property
    def _where(self) -> str:
        return f"broker {self._settings.url}"
