"""The broker as a source of presses, and as the sink of the answers to them and of notices to households and sirens."""

import asyncio
from collections.abc import Collection, Coroutine, Sequence
from datetime import timedelta
from typing import Any

from paho.mqtt.client import MQTTMessage
from paho.mqtt.enums import MQTTProtocolVersion

from adapters.mqtt.client import Connection
from adapters.mqtt.forbidden import Forbidden
from adapters.mqtt.messages import Message, message_of
from adapters.mqtt.owed import Owed
from adapters.mqtt.presses import Arrived, press_signal, withdrawn_press
from adapters.mqtt.refusals import NotTaken, TopicRefused, VersionRefused
from adapters.mqtt.settings import MqttSettings
from adapters.mqtt.subscriptions import Subscription
from adapters.mqtt.topics import Topic, address_of, reply_address
from gateway.errors import GatewayError, Refused, TryLater
from gateway.model import Answer, Notice, Parcel, Press, Receipt, ReplyTo, Signal
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
_FEWEST_TRIES = 10  # before anything is given up: the box's clock may have jumped by years
_NOTICE_AGAIN = (5.0, 60.0)  # seconds, as above: a notice is for now
_NEIGHBOUR_FOR = timedelta(minutes=10)  # a television that is switched on later is told of no press that is over
_SIREN_FOR = timedelta(minutes=10)
# A broker of MQTT 5 gives no more than receive_maximum at once. Only one that goes far beyond is left unread: what it says of
# our own publishes would not be read either, and answers would leave at the pace at which presses are written.
_BEYOND = 4
_MOST_UNHEARD, _MOST_UNHEARD_EACH = 10_000, 16  # terminals with parcels that nobody listened to, and of each


class MqttSource:
    """Source and Sink in one: a terminal hears the answer through the broker that brought its press.

    ``id`` is the configured source's id. ``run`` is one connection; it raises Unreachable, AuthFailed, ProtocolFault,
    or StoreFailed when a press could not be stored (then the broker gives it again at the next connection).
    """

    concurrency = 64

    def __init__(
        self, settings: MqttSettings, node_id: str, clock: Clock, *, reserved: Collection[str] = frozenset()
    ) -> None:
        """``reserved``: topics of sirens, to which no terminal may have its answers sent."""
        self.id = settings.id
        self._reserved = reserved
        self._settings = settings
        self._client_id = f"gateway-{node_id}"
        self._clock = clock
        self._versions = _VERSIONS[settings.protocol]
        self._connection: Connection | None = None
        self._unheard: dict[str, tuple[int, ...]] = {}
        self._owed = Owed()
        self._forbidden = Forbidden()

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
            hearing = _Hearing(
                self._settings, self._client_id, version, outlet, self._clock, self._reserved, self._owed
            )
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
        """Publish an Answer or a Notice; return once the broker has it. Raises TryLater | Refused.

        With MQTT 5 a broker says when nobody subscribes to a topic. Then the terminal has not been told: an answer
        is kept for 24 h and tried ever more rarely, unless the Response Topic had a reader; a notice is for now.
        """
        content = parcel.content
        message = message_of(content)
        assert isinstance(content, Answer | Notice)
        if isinstance(content, Notice):
            self._refuse_what_is_over(content, parcel.attempts)
        connection = self._connection
        if connection is None or connection.broken:
            raise TryLater(f"not connected to broker {self._settings.url}")
        try:
            heard = await self._publish(connection, message)
        except NotTaken as error:
            raise TryLater(str(error)) from None
        if isinstance(content, Answer):
            self._owed.told(content.terminal, content.press_id)
        if heard or self._unheard_for_good(content, parcel.attempts):
            return None
        raise self._nobody_listens(message, content, parcel)

    def owed_to(self, terminal: str) -> Sequence[int]:
        """The parcels that nobody listened to, of a terminal that has just spoken: it may listen now. They are named
        once; who asks makes them due."""
        return self._unheard.pop(terminal, ())

    async def close(self) -> None:
        """Nothing to let go of: the connection belongs to ``run``."""

    async def _publish(self, connection: Connection, message: Message) -> bool:
        reply = message.reply_to if connection.v5 else None
        same = reply is not None and reply.topic == message.topic
        heard = await connection.publish(message.topic, message.payload, reply if same else None)
        if reply is not None and not same:
            heard = await self._publish_copy(connection, message, reply) or heard
        return heard

    async def _publish_copy(self, connection: Connection, message: Message, reply: ReplyTo) -> bool:
        terminal = message.terminal or ""
        if self._forbidden.holds(terminal, self._clock.mono()):
            return False
        try:
            return await connection.publish(reply.topic, message.payload, reply)
        except TopicRefused as error:
            self._forbidden.add(terminal, self._clock.mono(), str(error))
            return False

    def _is_older(self, content: Answer | Notice, age: timedelta, attempts: int) -> bool:
        """The box's clock may have jumped by years: only many tries bear its word out."""
        return self._clock.now() - content.at > age and attempts >= _FEWEST_TRIES

    def _refuse_what_is_over(self, notice: Notice, attempts: int) -> None:
        """A siren that goes on when all is over frightens a village."""
        if notice.kind == "siren" and notice.data.get("state") == "on" and self._is_older(notice, _SIREN_FOR, attempts):
            raise Refused(f"the siren {notice.to} could not be reached in time; it was not sounded")

    def _unheard_for_good(self, content: Answer | Notice, attempts: int) -> bool:
        """A neighbour's television that is off hears of no press that is over, and a test run knows who did not answer."""
        if not isinstance(content, Notice) or content.kind == "siren":
            return False
        if content.kind == "neighbour" and not self._is_older(content, _NEIGHBOUR_FOR, attempts):
            return False
        events.notice_unheard(content.kind, content.to)
        return True

    def _nobody_listens(self, message: Message, content: Answer | Notice, parcel: Parcel) -> GatewayError:
        told = f"'{content.stage}'" if isinstance(content, Answer) else f"the {content.kind} notice"
        reason = f"nobody subscribes to {message.topic}: it has not heard {told}"
        if self._is_older(content, _NOBODY_LISTENS_FOR, parcel.attempts):
            return Refused(f"{reason} for 24 h")
        if message.terminal is not None:
            self._remember_unheard(message.terminal, parcel.id)
        first, longest = _NOBODY_LISTENS if isinstance(content, Answer) else _NOTICE_AGAIN
        return TryLater(reason, after=min(longest, first * 2.0 ** min(parcel.attempts, 16)))

    def _remember_unheard(self, terminal: str, parcel_id: int) -> None:
        """Only to be quicker: what is not remembered here is tried again all the same."""
        owed = self._unheard.pop(terminal, ())
        self._unheard[terminal] = (*(each for each in owed if each != parcel_id), parcel_id)[-_MOST_UNHEARD_EACH:]
        while len(self._unheard) > _MOST_UNHEARD:
            self._unheard.pop(next(iter(self._unheard)))


class _Hearing:
    """What is heard on one connection, and the work under way for it."""

    def __init__(
        self,
        settings: MqttSettings,
        client_id: str,
        version: MQTTProtocolVersion,
        outlet: Outlet,
        clock: Clock,
        reserved: Collection[str],
        owed: Owed,
    ) -> None:
        self.connection = Connection(settings, client_id, version, self._heard)
        self._source_id = settings.id
        self._most = _BEYOND * settings.receive_maximum
        self._outlet = outlet
        self._clock = clock
        self._reserved = reserved
        self._owed = owed
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
                self._hear_press(press_signal(self._source_id, self._arrived(address.terminal, message)), message)
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

    def _hear_press(self, signal: Signal, message: MQTTMessage) -> None:
        press, terminal = signal.press, signal.source.id
        assert press is not None
        known = self._owed.repeat(terminal, press, signal.received_mono)
        if known is None:
            self._start(self._press(signal, press, message))
            return
        self.connection.acknowledge(message.mid, message.qos)
        events.press_repeated(known.alert_id, signal.kind, terminal, known.press_id or "")

    async def _press(self, signal: Signal, press: Press, message: MQTTMessage) -> None:
        debt = self._owed.began(signal.source.id, press, signal.received_mono)
        debt.accepted = await self._outlet.emit(signal)
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
        correlation = getattr(properties, "CorrelationData", None)
        reply, fault = reply_address(terminal, topic, correlation, self._reserved)
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
