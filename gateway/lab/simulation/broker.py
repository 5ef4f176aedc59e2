"""A model of an MQTT broker at QoS 1, and the gateway's connection to it.

As Mosquitto does: what is unacknowledged is sent again on a new connection only, marked DUP; the queue is bounded, and a
publish beyond it is confirmed and lost; death without persistence forgets everything.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from adapters.mqtt.messages import message_of
from adapters.mqtt.presses import Arrived, press_signal, withdrawn_press
from gateway.errors import GatewayError, TryLater, Unreachable
from gateway.lab.simulation.life import Life
from gateway.model import Parcel, Receipt
from gateway.ports import Clock, Outlet

_INFLIGHT = 20  # Mosquitto's max_inflight_messages unless told otherwise
_RECEIVE_MAXIMUM = 100
_HOP = 0.001  # s on the village's own network


@dataclass(slots=True)
class Publish:
    topic: str
    payload: bytes
    dup: bool = False


class Wire:
    """One connection of the gateway; ``closed`` carries why it ended."""

    def __init__(self, life: Life) -> None:
        self.life = life
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.heard: Callable[[Publish], None] = lambda publish: None

    def end(self, error: GatewayError) -> None:
        if not self.closed.done():
            self.closed.set_exception(error)
            self.closed.exception()

    @property
    def open(self) -> bool:
        return self.life.alive and not self.closed.done()


class Broker:
    """``most_queued``: beyond what is in flight, for a subscriber that is away or slow (max_queued_messages)."""

    def __init__(self, rng: random.Random, most_queued: int = 100_000) -> None:
        self._rng = rng
        self._loop = asyncio.get_running_loop()
        self._most_queued = most_queued
        self._waiting: deque[Publish] = deque()
        self._inflight: list[Publish] = []
        self._wire: Wire | None = None
        self._session = False
        self.listeners: dict[str, Callable[[bytes], None]] = {}  # topic → the terminal that is online
        self._away: dict[str, deque[bytes]] = {}
        self.up = True
        self.overflowed = 0

    # ------------------------------------------------------------------------------------------------ faults

    def die(self, *, forgets: bool) -> None:
        self.up = False
        self.break_off()
        if forgets:
            self._session = False
            self._waiting.clear()
            self._inflight.clear()
            self._away.clear()

    def break_off(self) -> None:
        """The gateway's connection breaks."""
        if self._wire is not None:
            self._wire.end(Unreachable("the broker closed the connection"))
            self._wire = None

    # ------------------------------------------------------------------------------------------------ terminals

    def publish(self, topic: str, payload: bytes) -> bool:
        """From a terminal. True: the broker has it (PUBACK)."""
        if not self.up:
            return False
        if self._session:
            if len(self._waiting) >= self._most_queued:
                self.overflowed += 1
            else:
                self._waiting.append(Publish(topic, payload))
                self._pump()
        return True

    def subscribe(self, topic: str, listener: Callable[[bytes], None]) -> None:
        self.listeners[topic] = listener
        for payload in self._away.pop(topic, ()):
            self._loop.call_later(_HOP, listener, payload)

    def leave(self, topic: str) -> None:
        self.listeners.pop(topic, None)

    def tell(self, topic: str, payload: bytes) -> None:
        """From the gateway to a terminal; one that is away finds it in its session."""
        listener = self.listeners.get(topic)
        if listener is None:
            self._away.setdefault(topic, deque(maxlen=100)).append(payload)
        else:
            self._loop.call_later(_HOP, listener, payload)

    # ------------------------------------------------------------------------------------------------ the gateway

    async def connect(self, life: Life) -> Wire:
        await asyncio.sleep(_HOP)
        if not self.up or not life.alive:
            raise Unreachable("the broker does not answer")
        if self._wire is not None:
            self._wire.end(Unreachable("another connection of the same client took over"))
        self._wire = Wire(life)
        self._session = True
        for publish in self._inflight:
            publish.dup = True
        again, self._inflight = self._inflight, []
        self._waiting.extendleft(reversed(again))
        self._loop.call_soon(self._pump)
        return self._wire

    def acknowledge(self, wire: Wire, publish: Publish) -> None:
        if wire is self._wire and wire.open and publish in self._inflight:
            self._inflight.remove(publish)
            self._pump()

    def _pump(self) -> None:
        wire = self._wire
        while wire is not None and wire.open and self._waiting and len(self._inflight) < _INFLIGHT:
            publish = self._waiting.popleft()
            self._inflight.append(publish)
            self._loop.call_later(_HOP, self._hand_over, wire, publish)

    def _hand_over(self, wire: Wire, publish: Publish) -> None:
        if wire.open and wire is self._wire:
            wire.life.context.copy().run(wire.heard, publish)


class BrokerSource:
    """As adapters.mqtt.connection.MqttSource, over the model: ports.Source and ports.Sink."""

    concurrency = 64

    def __init__(self, source_id: str, broker: Broker, life: Life, clock: Clock) -> None:
        self.id = source_id
        self._broker = broker
        self._life = life
        self._clock = clock
        self._wire: Wire | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, outlet: Outlet) -> None:
        wire = await self._broker.connect(self._life)
        wire.heard = lambda publish: self._heard(wire, outlet, publish)
        self._wire = wire
        outlet.online()
        try:
            await asyncio.shield(wire.closed)
        finally:
            self._wire = None
            wire.end(Unreachable("the connection was closed here"))

    def _heard(self, wire: Wire, outlet: Outlet, publish: Publish) -> None:
        task = asyncio.get_running_loop().create_task(self._take(wire, outlet, publish))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _take(self, wire: Wire, outlet: Outlet, publish: Publish) -> None:
        _, terminal, said = publish.topic.split("/")
        try:
            if said == "cancel":
                await outlet.withdraw(terminal, withdrawn_press(publish.payload))
            else:
                now, mono = self._clock.now(), self._clock.mono()
                await outlet.emit(press_signal(self.id, Arrived(terminal, publish.payload, now, mono, publish.dup)))
        except GatewayError as error:
            wire.end(error)
        else:
            self.acknowledge(wire, publish)

    def acknowledge(self, wire: Wire, publish: Publish) -> None:
        if self._life.alive:
            self._broker.acknowledge(wire, publish)

    async def send(self, parcel: Parcel) -> Receipt | None:
        message = message_of(parcel.content)
        await asyncio.sleep(_HOP)
        if self._wire is None or not self._wire.open or not self._life.alive:
            raise TryLater("not connected to the broker")
        self._broker.tell(message.topic, message.payload)
        await asyncio.sleep(_HOP)
        if self._wire is None or not self._wire.open or not self._life.alive:
            raise TryLater("the connection broke before the broker's word")
        return None

    async def close(self) -> None:
        """Nothing to let go of."""
