"""The broker as a source of presses and as the sink of the answers to them."""

import asyncio
import json
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

from paho.mqtt.client import MQTTMessage
from paho.mqtt.enums import MQTTProtocolVersion

from adapters.mqtt.client import Connection, NotTaken, Subscription, VersionRefused
from adapters.mqtt.presses import Arrived, press_signal, withdrawn_press
from adapters.mqtt.settings import MqttSettings
from adapters.mqtt.topics import Topic, ack_topic, address_of, publishable, reply_address
from gateway.errors import GatewayError, Refused, TryLater
from gateway.model import Answer, Parcel, Receipt, ReplyTo, rfc3339
from gateway.observability import events, metrics
from gateway.observability.logs import logger
from gateway.ports import Clock, Outlet

_log = logger("mqtt")

_SUBSCRIPTIONS = (
    Subscription(Topic.ALARM.filter, retained=1, needed=True),
    Subscription(Topic.CANCEL.filter, retained=1),
    Subscription(Topic.STATUS.filter, retained=0),
    Subscription(Topic.HEARTBEAT.filter, retained=1),
)
_VERSIONS = {
    "auto": (MQTTProtocolVersion.MQTTv5, MQTTProtocolVersion.MQTTv311),
    "5": (MQTTProtocolVersion.MQTTv5,),
    "3.1.1": (MQTTProtocolVersion.MQTTv311,),
}
_FINISH_DEADLINE = 2.0  # seconds for presses under way when the connection ends; stopping the whole gateway has 10
_NOBODY_LISTENS = (30.0, 480.0)  # seconds to put off an answer without a subscriber: first and longest
_NOBODY_LISTENS_FOR = timedelta(hours=24)  # as long as a repeat of the press would be known as one
_FEWEST_TRIES = 10  # before an answer is given up: the box's clock may have jumped by years


class MqttSource:
    """Source and Sink in one: a terminal hears the answer through the broker that brought its press.

    ``id`` is the configured source's id. ``run`` is one connection; it raises Unreachable, AuthFailed, ProtocolFault,
    or StoreFailed when a press could not be stored (then the broker gives it again at the next connection).
    """

    concurrency = 64

    def __init__(self, settings: MqttSettings, node_id: str, clock: Clock) -> None:
        self.id = settings.id
        self._settings = settings
        self._client_id = f"gateway-{node_id}"
        self._clock = clock
        self._versions = _VERSIONS[settings.protocol]
        self._connection: Connection | None = None

    # ------------------------------------------------------------------------------------------ source

    async def run(self, outlet: Outlet) -> None:
        """One connection, from connect to its end. Always raises."""
        connected = metrics.mqtt_connected.labels(self.id)
        hearing = await self._connect(outlet)
        connection = hearing.connection
        try:
            for fault in await connection.subscribe(_SUBSCRIPTIONS):
                _log.warning("subscription is not as it should be", source=self.id, reason=fault)
            if not connection.session_present:
                _log.info("the broker keeps no session for this gateway; subscribed anew", source=self.id)
            self._connection = connection
            connected.set(1)
            outlet.online()
            await asyncio.shield(connection.closed)
        finally:
            connected.set(0)
            self._connection = None
            await hearing.finish()
            await connection.close()

    async def _connect(self, outlet: Outlet) -> "_Hearing":
        """Connect with the newest version that the broker speaks; begin with the one that worked last.

        A broker that cannot be reached may come back as another one: then all versions are tried again.
        """
        versions, self._versions = self._versions, _VERSIONS[self._settings.protocol]
        for version in versions:
            hearing = _Hearing(self._settings, self._client_id, version, outlet, self._clock)
            try:
                await hearing.connection.open()
            except VersionRefused as error:
                await hearing.connection.close()
                if version is versions[-1]:
                    raise
                _log.info("falling back to MQTT 3.1.1", source=self.id, reason=str(error))
            except BaseException:
                await hearing.connection.close()
                raise
            else:
                self._versions = (version,)
                return hearing
        raise AssertionError("a protocol setting without versions")

    # ------------------------------------------------------------------------------------------ sink

    async def send(self, parcel: Parcel) -> Receipt | None:
        """Publish an Answer; return once the broker has it. Raises TryLater | Refused.

        With MQTT 5 a broker says when nobody subscribes to a topic. Then the terminal has not been told: the answer
        is kept for 24 h and tried ever more rarely, unless the Response Topic had a reader.
        """
        answer = parcel.content
        if not isinstance(answer, Answer):
            raise Refused(f"a terminal cannot be given entry {answer.id}; only answers go to a broker")
        topic = ack_topic(answer.terminal)
        if not publishable(topic):
            raise Refused(f"the terminal's name {answer.terminal!r} cannot be part of an MQTT topic")
        connection = self._connection
        if connection is None or connection.broken:
            raise TryLater(f"not connected to broker {self._settings.url}")
        try:
            heard = await self._publish(connection, topic, answer)
        except NotTaken as error:
            raise TryLater(str(error)) from None
        if not heard:
            raise self._nobody_listens(topic, answer, parcel.attempts)
        return None

    async def close(self) -> None:
        """Nothing to let go of: the connection belongs to ``run``."""

    async def _publish(self, connection: Connection, topic: str, answer: Answer) -> bool:
        payload = _answer_json(answer)
        reply = answer.reply_to if connection.v5 else None
        heard = await connection.publish(topic, payload, reply if reply and reply.topic == topic else None)
        if reply is not None and reply.topic != topic:
            heard = await connection.publish(reply.topic, payload, reply) or heard
        return heard

    def _nobody_listens(self, topic: str, answer: Answer, attempts: int) -> GatewayError:
        reason = f"nobody subscribes to {topic}: the terminal has not heard '{answer.stage}'"
        if self._clock.now() - answer.at > _NOBODY_LISTENS_FOR and attempts >= _FEWEST_TRIES:
            return Refused(f"{reason} for 24 h")
        first, longest = _NOBODY_LISTENS
        return TryLater(reason, after=min(longest, first * 2.0 ** min(attempts, 16)))


class _Hearing:
    """What is heard on one connection, and the work under way for it."""

    def __init__(
        self,
        settings: MqttSettings,
        client_id: str,
        version: MQTTProtocolVersion,
        outlet: Outlet,
        clock: Clock,
    ) -> None:
        self.connection = Connection(settings, client_id, version, self._heard)
        self._source_id = settings.id
        self._most = settings.receive_maximum
        self._outlet = outlet
        self._clock = clock
        self._under_way: set[asyncio.Task[None]] = set()
        self._reply_faults = 0

    def _heard(self, message: MQTTMessage) -> None:
        try:
            address = address_of(message.topic)
        except UnicodeDecodeError:  # MQTT 5.0 §1.5.4 forbids it; a broker should have ended that client
            address = None
        if address is None:
            events.signal_rejected("topic", self._source_id)
            self.connection.acknowledge(message.mid, message.qos)
            return
        metrics.mqtt_messages.labels(address.topic.template).inc()
        match address.topic:
            case Topic.ALARM | Topic.CANCEL if message.retain:
                events.signal_rejected("retained", address.terminal, topic=address.topic.template)
                self.connection.acknowledge(message.mid, message.qos)
            case Topic.ALARM:
                self._start(self._press(self._arrived(address.terminal, message), message))
            case Topic.CANCEL:
                self._start(self._cancel(address.terminal, message))
            case Topic.STATUS | Topic.HEARTBEAT:
                self._presence(address.topic, address.terminal, message)
                self.connection.acknowledge(message.mid, message.qos)

    def _arrived(self, terminal: str, message: MQTTMessage) -> Arrived:
        return Arrived(
            terminal=terminal,
            payload=bytes(message.payload),
            received_at=self._clock.now(),
            received_mono=self._clock.mono(),
            redelivered=message.dup,
            reply_to=self._reply_to(terminal, message),
        )

    async def _press(self, arrived: Arrived, message: MQTTMessage) -> None:
        await self._outlet.emit(press_signal(self._source_id, arrived))
        self.connection.acknowledge(message.mid, message.qos)

    async def _cancel(self, terminal: str, message: MQTTMessage) -> None:
        await self._outlet.withdraw(terminal, withdrawn_press(bytes(message.payload)))
        self.connection.acknowledge(message.mid, message.qos)

    def _presence(self, topic: Topic, terminal: str, message: MQTTMessage) -> None:
        """A retained heartbeat is an old one; a retained status is the terminal's last word, or its LWT."""
        if topic is Topic.HEARTBEAT:
            if not message.retain:
                self._outlet.presence(terminal, None)
            return
        word = bytes(message.payload[:64]).strip().lower()
        if word in (b"online", b"offline"):
            self._outlet.presence(terminal, word == b"online")
        elif word:
            events.signal_rejected("status", terminal)

    def _reply_to(self, terminal: str, message: MQTTMessage) -> ReplyTo | None:
        properties = message.properties
        topic = getattr(properties, "ResponseTopic", None)
        reply, fault = reply_address(terminal, topic, getattr(properties, "CorrelationData", None))
        if fault is not None:
            self._reply_faults += 1
            (_log.warning if self._reply_faults == 1 else _log.debug)(
                "response topic is not used", source=terminal, reason=fault
            )
        return reply

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._finished)
        if len(self._under_way) >= self._most:
            self.connection.pause()

    def _finished(self, task: asyncio.Task[None]) -> None:
        """What could not be stored is not acknowledged; the broker gives it again at the next connection."""
        self._under_way.discard(task)
        if len(self._under_way) < self._most:
            self.connection.resume()
        error = None if task.cancelled() else task.exception()
        if isinstance(error, GatewayError):
            self.connection.fail(error)
        elif error is not None:
            # Ending the connection for it would have the broker give the same message again at once, for ever,
            # and hold up all presses behind it.
            _log.error(
                "a message could not be handled and stays unacknowledged", source=self._source_id, exc_info=error
            )

    async def finish(self) -> None:
        """Take no more; let what is under way reach the disk and its acknowledgement the broker."""
        self.connection.pause()
        self._most = 0
        if self._under_way:
            _, unfinished = await asyncio.wait(self._under_way, timeout=_FINISH_DEADLINE)
            for task in unfinished:
                task.cancel()


def _answer_json(answer: Answer) -> bytes:
    return json.dumps(
        {
            "press_id": answer.press_id,
            "alert_id": answer.alert_id,
            "stage": answer.stage.value,
            "node": answer.node,
            "at": rfc3339(answer.at),
            "text": answer.text,
        },
        ensure_ascii=False,
        separators=(",", ":"),
    ).encode()
